/* What the load and the static server share: sockets with or without TLS, and HTTP/1.1 messages as they come.

   The parser is for peers that are not hostile: it finds where a message ends, and hands its body on. */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#ifdef TLS
#include <openssl/ssl.h>
#endif

enum { HEAD_MAX = 8192 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* `name=value` arguments. */
static const char *option(int argc, char **argv, const char *name, const char *otherwise) {
  size_t length = strlen(name);
  for (int i = 1; i < argc; i++)
    if (!strncmp(argv[i], name, length) && argv[i][length] == '=') return argv[i] + length + 1;
  return otherwise;
}

static double number(int argc, char **argv, const char *name, double otherwise) {
  const char *text = option(argc, argv, name, NULL);
  return text ? atof(text) : otherwise;
}

__attribute__((unused)) static char *slurp(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) die(path);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  char *text = malloc(*size + 1);
  if (fread(text, 1, *size, file) != *size) die(path);
  text[*size] = 0;
  fclose(file);
  return text;
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

typedef struct {
  int fd;
#ifdef TLS
  SSL *ssl;
#endif
} Socket;

/* Bytes, 0 at the end, -1 with errno (EAGAIN: not now). */
static ssize_t socket_read(Socket *s, char *data, size_t size) {
#ifdef TLS
  if (s->ssl) {
    int n = SSL_read(s->ssl, data, (int)size);
    if (n > 0) return n;
    int why = SSL_get_error(s->ssl, n);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
  }
#endif
  return read(s->fd, data, size);
}

static ssize_t socket_write(Socket *s, const char *data, size_t size) {
#ifdef TLS
  if (s->ssl) {
    int n = SSL_write(s->ssl, data, (int)size);
    if (n > 0) return n;
    int why = SSL_get_error(s->ssl, n);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
  }
#endif
  return send(s->fd, data, size, MSG_NOSIGNAL);
}

static void socket_close(Socket *s) {
#ifdef TLS
  if (s->ssl) SSL_free(s->ssl);
  s->ssl = NULL;
#endif
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
}

static void nodelay(int fd) {
  int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static void watch(int epoll, int fd, void *who, uint32_t events, int how) {
  struct epoll_event event = {.events = events, .data.ptr = who};
  if (epoll_ctl(epoll, how, fd, &event) < 0) die("epoll_ctl");
}

/* Wait until something happens, or until `due` (0: for ever). */
static int wait_until(int epoll, struct epoll_event *events, int size, uint64_t due) {
  struct timespec rest = {0, 0}, *timeout = NULL;
  if (due) {
    uint64_t now = now_ns();
    uint64_t left = due > now ? due - now : 0;
    rest.tv_sec = (time_t)(left / 1000000000u);
    rest.tv_nsec = (long)(left % 1000000000u);
    timeout = &rest;
  }
  int n = (int)syscall(SYS_epoll_pwait2, epoll, events, size, timeout, NULL, 0);
  if (n < 0 && errno != EINTR) die("epoll_pwait2");
  return n < 0 ? 0 : n;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

typedef enum { HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, UNTIL_CLOSE, DONE } Stage;

typedef struct {
  Stage stage;
  int status; /* of an answer; 0 in a request */
  int closes;
  int line; /* bytes in this trailer line */
  uint64_t left, body;
  size_t head_size;
  char head[HEAD_MAX + 1];
} Message;

typedef void (*BodyBytes)(void *who, const char *data, size_t size);

static void message_begin(Message *m) {
  m->stage = HEAD;
  m->status = m->closes = m->line = 0;
  m->left = m->body = m->head_size = 0;
}

/* The value of a header line, without white space before it; NULL: there is none. */
static const char *header(const Message *m, const char *name) {
  size_t length = strlen(name);
  for (const char *line = strchr(m->head, '\n'); line; line = strchr(line + 1, '\n'))
    if (!strncasecmp(line + 1, name, length) && line[1 + length] == ':') {
      const char *value = line + 2 + length;
      while (*value == ' ') value++;
      return value;
    }
  return NULL;
}

static void head_done(Message *m) {
  m->head[m->head_size] = 0;
  int is_answer = !strncmp(m->head, "HTTP/1.", 7);
  if (is_answer) m->status = atoi(m->head + 9);
  const char *length = header(m, "content-length"), *coding = header(m, "transfer-encoding");
  const char *connection = header(m, "connection");
  m->closes = connection && !strncasecmp(connection, "close", 5);
  if (coding && !strncasecmp(coding, "chunked", 7)) {
    m->stage = CHUNK_SIZE;
  } else if (length) {
    m->left = strtoull(length, NULL, 10);
    m->stage = m->left ? LENGTH : DONE;
  } else {
    m->stage = is_answer && m->status != 204 ? UNTIL_CLOSE : DONE;
  }
}

/* How much of it belongs to this message; m->stage is DONE when it is whole. -1: it is no HTTP. */
static ssize_t message_feed(Message *m, const char *data, size_t size, BodyBytes body, void *who) {
  size_t used = 0;
  while (used < size && m->stage != DONE) {
    size_t rest = size - used, n = rest;
    switch (m->stage) {
      case HEAD: {
        if (n > HEAD_MAX - m->head_size) n = HEAD_MAX - m->head_size;
        size_t from = m->head_size > 3 ? m->head_size - 3 : 0;
        memcpy(m->head + m->head_size, data + used, n);
        char *end = memmem(m->head + from, m->head_size + n - from, "\r\n\r\n", 4);
        if (end) {
          size_t whole = (size_t)(end - m->head) + 4;
          used += whole - m->head_size;
          m->head_size = whole;
          head_done(m);
          if (m->status == 100) message_begin(m);
        } else if (m->head_size + n >= HEAD_MAX) {
          return -1;
        } else {
          m->head_size += n;
          used += n;
        }
        break;
      }
      case LENGTH:
      case CHUNK_DATA:
      case UNTIL_CLOSE:
        if (m->stage != UNTIL_CLOSE && n > m->left) n = m->left;
        if (body) body(who, data + used, n);
        used += n;
        m->body += n;
        if (m->stage == UNTIL_CLOSE) break;
        m->left -= n;
        if (!m->left) m->stage = m->stage == LENGTH ? DONE : CHUNK_END;
        break;
      case CHUNK_SIZE: {
        char c = data[used++];
        if (c == '\n') {
          m->line = 0;
          m->stage = m->left ? CHUNK_DATA : TRAILER;
        } else if (c != '\r') {
          int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
          if (digit < 0) return -1;
          m->left = m->left * 16 + (uint64_t)digit;
        }
        break;
      }
      case CHUNK_END:
        if (data[used++] == '\n') m->stage = CHUNK_SIZE;
        break;
      case TRAILER: {
        char c = data[used++];
        if (c == '\n') {
          if (!m->line) m->stage = DONE;
          m->line = 0;
        } else if (c != '\r') {
          m->line++;
        }
        break;
      }
      case DONE:
        break;
    }
  }
  return (ssize_t)used;
}

#endif
