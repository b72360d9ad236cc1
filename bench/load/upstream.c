/* The static MCP server of the measurements: one thread, an answer from memory, event streams with the time in them.

   port=N answer=BYTES events=A SECOND IN ALL [tls=1 certificate=FILE key=FILE]

   What is answered hangs on Mcp-Name and Mcp-Method, the only headers that every proxy here passes on:
     Mcp-Name: answer-N                 a body of N bytes
     Mcp-Method: subscriptions/listen   an event stream that stays open; each event tells the time it was sent
     anything else                      a tools/call's answer with `answer` bytes of text */
#include "http.h"

enum { FILL = 65536 };

typedef struct {
  Socket socket;
  Message message;
  uint64_t to_fill; /* bytes of a long answer that are still to be written */
  char *unsent;     /* of a short one; rare */
  size_t unsent_size;
  int stream; /* its place among the streams, or -1 */
  int wants_write;
  int greeted;
} Client;

static int epoll, listener, stream_count;
static Client **streams;
static char fill[FILL], *small_answer;
static size_t small_size;
#ifdef TLS
static SSL_CTX *tls;
#endif

static void want(Client *c, int write) {
  if (c->wants_write == write) return;
  c->wants_write = write;
  watch(epoll, c->socket.fd, c, EPOLLIN | (write ? EPOLLOUT : 0u), EPOLL_CTL_MOD);
}

static void drop(Client *c) {
  if (c->stream >= 0) {
    streams[c->stream] = streams[--stream_count];
    streams[c->stream]->stream = c->stream;
  }
  socket_close(&c->socket);
  free(c->unsent);
  free(c);
}

/* 0: it is all out, or waits for room; -1: the client is gone. */
static int flush_to(Client *c) {
  while (c->unsent_size) {
    ssize_t n = socket_write(&c->socket, c->unsent, c->unsent_size);
    if (n < 0) {
      want(c, 1);
      return errno == EAGAIN ? 0 : -1;
    }
    c->unsent_size -= (size_t)n;
    memmove(c->unsent, c->unsent + n, c->unsent_size);
  }
  while (c->to_fill) {
    size_t size = c->to_fill < FILL ? c->to_fill : FILL;
    ssize_t n = socket_write(&c->socket, fill, size);
    if (n < 0) {
      want(c, 1);
      return errno == EAGAIN ? 0 : -1;
    }
    c->to_fill -= (uint64_t)n;
  }
  want(c, 0);
  return 0;
}

static int send_all(Client *c, const char *data, size_t size) {
  ssize_t n = c->unsent_size ? 0 : socket_write(&c->socket, data, size);
  if (n < 0 && errno != EAGAIN) return -1;
  if (n < 0) n = 0;
  if ((size_t)n == size) return 0;
  c->unsent = realloc(c->unsent, c->unsent_size + size - (size_t)n);
  memcpy(c->unsent + c->unsent_size, data + n, size - (size_t)n);
  c->unsent_size += size - (size_t)n;
  want(c, 1);
  return 0;
}

static int answer(Client *c) {
  const char *name = header(&c->message, "mcp-name"), *method = header(&c->message, "mcp-method");
  if (method && !strncmp(method, "subscriptions/listen", 20)) {
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
        "Transfer-Encoding: chunked\r\n\r\n8\r\n: open\n\n\r\n";
    c->stream = stream_count;
    streams[stream_count++] = c;
    return send_all(c, head, sizeof head - 1);
  }
  if (name && !strncmp(name, "answer-", 7)) {
    char head[200];
    uint64_t size = strtoull(name + 7, NULL, 10);
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %" PRIu64 "\r\n\r\n", size);
    if (send_all(c, head, (size_t)n) < 0) return -1;
    c->to_fill = size;
    return flush_to(c);
  }
  return send_all(c, small_answer, small_size);
}

static void ready(Client *c, uint32_t events) {
  static char data[FILL * 4];
  if ((events & EPOLLOUT) && flush_to(c) < 0) {
    drop(c);
    return;
  }
  if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
  ssize_t size = socket_read(&c->socket, data, sizeof data);
  if (size <= 0) {
    if (size == 0 || errno != EAGAIN) drop(c);
    return;
  }
  for (ssize_t used = 0; used < size;) {
    ssize_t n = message_feed(&c->message, data + used, (size_t)(size - used), NULL, NULL);
    if (n < 0) {
      drop(c);
      return;
    }
    used += n;
    if (c->message.stage == DONE) {
      int gone = answer(c) < 0 || c->message.closes;
      message_begin(&c->message);
      if (gone) {
        drop(c);
        return;
      }
    }
  }
}

static void take_in(void) {
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    nodelay(fd);
    Client *c = calloc(1, sizeof *c);
    c->socket.fd = fd;
    c->stream = -1;
#ifdef TLS
    if (tls) {
      c->socket.ssl = SSL_new(tls);
      SSL_set_fd(c->socket.ssl, fd);
      SSL_set_accept_state(c->socket.ssl);
    }
#endif
    message_begin(&c->message);
    watch(epoll, fd, c, EPOLLIN, EPOLL_CTL_ADD);
  }
}

static void tell(Client *c) {
  char event[256], chunk[300];
  int n = snprintf(event, sizeof event,
                   "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":"
                   "{\"level\":\"info\",\"data\":{\"ns\":\"%" PRIu64 "\"}}}\n\n",
                   now_ns());
  n = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", (unsigned)n, event);
  send_all(c, chunk, (size_t)n);
}

static void make_answers(size_t text) {
  memset(fill, 'y', sizeof fill);
  char *body = malloc(text + 200);
  int size = sprintf(body,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\",\"content\":[{\"type\":"
                     "\"text\",\"text\":\"%.*s\"}]}}",
                     (int)(text < FILL ? text : FILL), fill);
  small_answer = malloc((size_t)size + 200);
  small_size = (size_t)sprintf(small_answer,
                               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", size,
                               body);
  free(body);
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 1);
  make_answers((size_t)number(argc, argv, "answer", 900));
  double per_second = number(argc, argv, "events", 0);
  streams = calloc(200000, sizeof *streams);
#ifdef TLS
  if (number(argc, argv, "tls", 0)) {
    tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(tls, option(argc, argv, "certificate", "")) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, option(argc, argv, "key", ""), SSL_FILETYPE_PEM) != 1)
      die("certificate");
  }
#endif
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(argc, argv, "port", 0))};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) die("listen");
  epoll = epoll_create1(0);
  watch(epoll, listener, NULL, EPOLLIN, EPOLL_CTL_ADD);
  struct epoll_event events[512];
  uint64_t gap = per_second > 0 ? (uint64_t)(1e9 / per_second) : 0, due = gap ? now_ns() + gap : 0;
  for (int next = 0;;) {
    int n = wait_until(epoll, events, 512, due);
    for (int i = 0; i < n; i++)
      if (events[i].data.ptr)
        ready(events[i].data.ptr, events[i].events);
      else
        take_in();
    if (!gap) continue;
    for (uint64_t now = now_ns(); due <= now; due += gap) {
      if (due + 1000000000u < now) due = now; /* somebody stopped this process: what it missed is not made up for */
      if (stream_count) tell(streams[next++ % stream_count]);
    }
  }
}
