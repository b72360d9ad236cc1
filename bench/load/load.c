/* HTTP/1.1 load from one thread, and what became of it, as JSON.

   mode=closed    every connection sends its next request when it has its answer
   mode=open      `rate` requests a second, whether or not the answers come; a latency counts from the time at which
                  the request was due, so that a server that stalls cannot hide it
   mode=streams   each connection sends one request and keeps the answer open; events tell when they were sent

   port=N request=FILE connections=N seconds=S warm=S [rate=R] [tokens=FILE] [status=200] [sources=N] [tls=1]
   [limit=N: end after so many answers]

   @TOKEN@ in the request stands for the next line of `tokens`. With sources=N the connections come from 127.0.1.1 to
   127.0.1.N in turns. The first line that is printed (streams only) tells that all are open; the load ends when its
   standard input does. */
#include "http.h"

enum { READ_SIZE = 262144, MAX_TRIES = 3, MARK_SIZE = 6, IN_FLIGHT = 128 };
static const char MARK[] = "\"ns\":\"";

typedef enum { CLOSED, OPEN, STREAMS } Mode;

typedef struct {
  Socket socket;
  Message message;
  uint64_t started; /* when the request was due or sent */
  struct iovec parts[3];
  size_t sent, size;
  int connecting, busy, tries, wants_write, matched, is_open, is_reused;
  uint64_t told;
} Connection;

static Mode mode;
static int epoll, count, wanted_status = 200, sources, port, is_tls;
static Connection *connections;
static char *request, **tokens, *split;
static size_t request_size, token_count, next_token;
static uint64_t measure_from, measure_to, gap, due;
static uint32_t *latencies; /* in units of 100 ns */
static size_t latency_count, latency_room;
static uint64_t limit, done, bytes_in, bytes_out, lost, refused, wrong_status, opened, failed;
static int statuses[600];
static char first_wrong[400];
static int *idle, idle_from, idle_count;
static int connecting_now, next_to_connect;
#ifdef TLS
static SSL_CTX *tls;
#endif

static int measuring(uint64_t now) { return now >= measure_from && (!measure_to || now < measure_to); }

static void remember(uint64_t took) {
  if (latency_count == latency_room) {
    latency_room = latency_room ? latency_room * 2 : 1 << 16;
    latencies = realloc(latencies, latency_room * sizeof *latencies);
  }
  latencies[latency_count++] = took / 100 > UINT32_MAX ? UINT32_MAX : (uint32_t)(took / 100);
}

static void want(Connection *c, int write) {
  if (c->wants_write == write) return;
  c->wants_write = write;
  watch(epoll, c->socket.fd, c, EPOLLIN | (write ? EPOLLOUT : 0u), EPOLL_CTL_MOD);
}

static void start(Connection *c);

static void prepare(Connection *c) {
  c->parts[0] = (struct iovec){request, request_size};
  c->parts[1] = c->parts[2] = (struct iovec){NULL, 0};
  if (split) {
    char *token = tokens[next_token++ % token_count];
    c->parts[0].iov_len = (size_t)(split - request);
    c->parts[1] = (struct iovec){token, strlen(token)};
    c->parts[2] = (struct iovec){split + 7, request_size - c->parts[0].iov_len - 7};
  }
  c->sent = 0;
  c->size = c->parts[0].iov_len + c->parts[1].iov_len + c->parts[2].iov_len;
}

/* As much of the request as there is room for. -1: the connection is gone. */
static int send_on(Connection *c) {
  while (c->sent < c->size) {
    struct iovec rest[3];
    size_t skip = c->sent;
    int n = 0;
    for (int i = 0; i < 3; i++) {
      size_t part = c->parts[i].iov_len, passed = skip < part ? skip : part;
      skip -= passed;
      if (part > passed) rest[n++] = (struct iovec){(char *)c->parts[i].iov_base + passed, part - passed};
    }
    struct msghdr head = {.msg_iov = rest, .msg_iovlen = (size_t)n};
    ssize_t size = is_tls ? socket_write(&c->socket, rest[0].iov_base, rest[0].iov_len)
                          : sendmsg(c->socket.fd, &head, MSG_NOSIGNAL);
    if (size < 0) {
      if (errno != EAGAIN) return -1;
      want(c, 1);
      return 0;
    }
    c->sent += (size_t)size;
    bytes_out += (uint64_t)size;
  }
  want(c, 0);
  return 0;
}

static void free_again(Connection *c) {
  if (mode == OPEN) idle[(idle_from + idle_count++) % count] = (int)(c - connections);
}

static void open_connection(Connection *c) {
  c->socket.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->socket.fd < 0) die("socket");
  nodelay(c->socket.fd);
  if (sources) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(0x7f000100u + 1u + (uint32_t)((c - connections) % sources));
    int yes = 1;
    setsockopt(c->socket.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (bind(c->socket.fd, (struct sockaddr *)&from, sizeof from)) die("bind");
  }
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  connect(c->socket.fd, (struct sockaddr *)&to, sizeof to);
#ifdef TLS
  if (is_tls) {
    c->socket.ssl = SSL_new(tls);
    SSL_set_fd(c->socket.ssl, c->socket.fd);
    SSL_set_tlsext_host_name(c->socket.ssl, "localhost");
    SSL_set_connect_state(c->socket.ssl);
  }
#endif
  c->connecting = c->wants_write = 1;
  c->is_reused = 0;
  connecting_now++;
  watch(epoll, c->socket.fd, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

static void connect_more(void) {
  while (next_to_connect < count && connecting_now < IN_FLIGHT) {
    Connection *c = &connections[next_to_connect++];
    message_begin(&c->message);
    open_connection(c);
  }
}

static void connected(Connection *c) {
  if (!c->connecting) return;
  c->connecting = 0;
  connecting_now--;
}

/* `c` is no more. What it was about is sent once more if the connection had been used before and nothing had come. */
static void lose(Connection *c) {
  int was_connecting = c->connecting, in_vain = c->busy && c->message.head_size == 0 && c->is_reused;
  connected(c);
  socket_close(&c->socket);
  if (mode == STREAMS) {
    if (c->is_open) lost++, opened--;
    else failed++;
    c->is_open = 0;
    connect_more();
    return;
  }
  if (was_connecting) refused++;
  else if (c->busy && !in_vain) lost++;
  if (!c->busy && mode == OPEN && !was_connecting)
    for (int i = 0; i < idle_count; i++) {
      int *place = &idle[(idle_from + i) % count];
      if (*place == c - connections) {
        *place = idle[(idle_from + --idle_count) % count];
        break;
      }
    }
  c->busy = in_vain;
  message_begin(&c->message);
  if (++c->tries <= MAX_TRIES) open_connection(c);
}

static void start(Connection *c) {
  message_begin(&c->message);
  c->busy = 1;
  prepare(c);
  if (send_on(c) < 0) lose(c);
}

/* Requests that are due, on connections that are free. */
static void send_due(void) {
  for (uint64_t now = now_ns(); due <= now && idle_count; due += gap) {
    Connection *c = &connections[idle[idle_from]];
    idle_from = (idle_from + 1) % count;
    idle_count--;
    c->started = due;
    start(c);
  }
}

static void event_bytes(void *who, const char *data, size_t size) {
  Connection *c = who;
  for (size_t i = 0; i < size; i++) {
    char byte = data[i];
    if (c->matched < MARK_SIZE) {
      c->matched = byte == MARK[c->matched] ? c->matched + 1 : byte == MARK[0];
      c->told = 0;
    } else if (byte >= '0' && byte <= '9') {
      c->told = c->told * 10 + (uint64_t)(byte - '0');
    } else {
      uint64_t now = now_ns();
      c->matched = 0;
      if (measuring(now) && c->told >= measure_from) {
        done++;
        remember(now - c->told);
      }
    }
  }
}

static void answered(Connection *c, uint64_t now) {
  int status = c->message.status;
  int closes = c->message.closes;
  c->busy = 0;
  c->tries = 0;
  c->is_reused = 1;
  if (measuring(now)) {
    done++;
    statuses[status < 600 ? status : 599]++;
    if (status != wanted_status) {
      if (!wrong_status++) snprintf(first_wrong, sizeof first_wrong, "%.399s", c->message.head);
    } else {
      remember(now - c->started);
    }
  }
  if (limit && done >= limit) measure_to = now;
  if (closes) {
    message_begin(&c->message);
    socket_close(&c->socket);
    open_connection(c);
  } else if (mode == CLOSED) {
    c->started = now;
    start(c);
  } else {
    free_again(c);
  }
}

static void read_on(Connection *c) {
  static char data[READ_SIZE];
  ssize_t size = socket_read(&c->socket, data, sizeof data);
  if (size <= 0) {
    if (size == 0 || errno != EAGAIN) lose(c);
    return;
  }
  bytes_in += (uint64_t)size;
  if (mode != STREAMS && !c->busy) {
    lose(c);
    return;
  }
  ssize_t used = message_feed(&c->message, data, (size_t)size, mode == STREAMS ? event_bytes : NULL, c);
  if (used < 0) {
    lose(c);
    return;
  }
  if (mode == STREAMS && !c->is_open && c->message.stage != HEAD) {
    if (c->message.status == wanted_status) {
      c->is_open = 1;
      opened++;
      connected(c);
      connect_more();
    } else {
      if (!wrong_status++) snprintf(first_wrong, sizeof first_wrong, "%.399s", c->message.head);
      lose(c);
      return;
    }
  }
  if (c->message.stage == DONE) {
    if (mode == STREAMS) lose(c);
    else answered(c, now_ns());
  }
}

static void handle(Connection *c, uint32_t events) {
  if (c->socket.fd < 0) return;
  if (c->connecting && !c->busy && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->socket.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
      lose(c);
      return;
    }
    if (mode == STREAMS) { /* it counts as connecting until its answer has begun: a proxy is not drowned in them */
      start(c);
      return;
    }
    connected(c);
    connect_more();
    if (mode == CLOSED) {
      c->started = now_ns();
      start(c);
    } else {
      want(c, 0);
      free_again(c);
    }
    return;
  }
  if (c->connecting && mode != STREAMS) { /* a request that is sent once more */
    connected(c);
    start(c);
    return;
  }
  if ((events & EPOLLOUT) && c->busy && send_on(c) < 0) {
    lose(c);
    return;
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_on(c);
}

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static double percentile(double share) {
  if (!latency_count) return 0;
  size_t at = (size_t)(share * (double)latency_count);
  return latencies[at < latency_count ? at : latency_count - 1] / 10000.0;
}

static double cpu(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void report(double seconds, double load_cpu) {
  qsort(latencies, latency_count, sizeof *latencies, by_size);
  printf("{\"seconds\":%.6f,\"done\":%" PRIu64 ",\"per_second\":%.3f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f,"
         "\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"refused\":%" PRIu64
         ",\"wrong_status\":%" PRIu64 ",\"opened\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"load_cpu\":%.4f,\"statuses\":{",
         seconds, done, (double)done / seconds, percentile(0.5), percentile(0.99), percentile(1), bytes_in, bytes_out,
         lost, refused, wrong_status, opened, failed, load_cpu);
  const char *comma = "";
  for (int i = 0; i < 600; i++)
    if (statuses[i]) printf("%s\"%d\":%d", comma, i, statuses[i]), comma = ",";
  printf("},\"first_wrong\":\"");
  for (char *c = first_wrong; *c; c++)
    if (*c >= ' ' && *c != '"' && *c != '\\') putchar(*c);
    else if (*c == '\n') putchar('|');
  printf("\"}\n");
}

static void read_options(int argc, char **argv) {
  const char *name = option(argc, argv, "mode", "closed"), *path = option(argc, argv, "tokens", NULL);
  mode = !strcmp(name, "open") ? OPEN : !strcmp(name, "streams") ? STREAMS : CLOSED;
  port = (int)number(argc, argv, "port", 0);
  count = (int)number(argc, argv, "connections", 32);
  wanted_status = (int)number(argc, argv, "status", 200);
  sources = (int)number(argc, argv, "sources", 0);
  is_tls = (int)number(argc, argv, "tls", 0);
  limit = (uint64_t)number(argc, argv, "limit", 0);
  request = slurp(option(argc, argv, "request", ""), &request_size);
  split = path ? strstr(request, "@TOKEN@") : NULL;
  if (split) {
    size_t size;
    char *text = slurp(path, &size);
    tokens = malloc((size / 2 + 1) * sizeof *tokens);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) tokens[token_count++] = line;
  }
#ifdef TLS
  if (is_tls) {
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
#endif
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 1);
  read_options(argc, argv);
  double seconds = number(argc, argv, "seconds", 1), warm = number(argc, argv, "warm", 0);
  connections = calloc((size_t)count, sizeof *connections);
  idle = calloc((size_t)count, sizeof *idle);
  epoll = epoll_create1(0);
  if (mode == STREAMS) watch(epoll, 0, NULL, EPOLLIN, EPOLL_CTL_ADD);
  uint64_t begun = now_ns();
  measure_from = begun + (uint64_t)(warm * 1e9);
  measure_to = mode == STREAMS ? 0 : measure_from + (uint64_t)(seconds * 1e9);
  if (mode == OPEN) gap = (uint64_t)(1e9 / number(argc, argv, "rate", 1000)), due = begun + 100000000u;
  connect_more();
  struct epoll_event events[512];
  double cpu_before = 0;
  int is_counting = 0, is_told = 0;
  for (;;) {
    uint64_t now = now_ns();
    if (!is_counting && now >= measure_from) is_counting = 1, cpu_before = cpu(), bytes_in = bytes_out = 0;
    if (measure_to && now >= measure_to) break;
    uint64_t wake = now < measure_from ? measure_from : measure_to;
    if (mode == OPEN && idle_count && due < wake) wake = due;
    int n = wait_until(epoll, events, 512, wake), over = 0;
    for (int i = 0; i < n; i++)
      if (events[i].data.ptr) handle(events[i].data.ptr, events[i].events);
      else over = 1;
    if (over) break;
    if (mode == OPEN) send_due();
    if (mode == STREAMS && !is_told && opened + failed + lost >= (uint64_t)count) {
      printf("{\"opened\":%" PRIu64 ",\"failed\":%" PRIu64 "}\n", opened, failed + lost);
      fflush(stdout);
      is_told = 1;
      done = latency_count = 0;
      measure_from = now_ns() + (uint64_t)(warm * 1e9);
      is_counting = 0;
    }
  }
  uint64_t end = measure_to ? measure_to : now_ns();
  report((double)(end - measure_from) / 1e9, cpu() - cpu_before);
  fflush(stdout);
  _exit(0);
}
