/* wslay: its event API over a non-blocking socket and poll.  The library reads and writes at most
 * 4 KiB at a time through callbacks; here they are buffered, so that one recv brings many frames
 * and the sends of a step leave together. */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

enum { BUFFER = 64 * 1024 };

typedef struct connection {
  int fd;
  bool full;  /* the socket took not all of output */
  bool ended; /* by the server */
  wslay_event_context_ptr context;
  peer_exchange *exchange;
} connection;

/* One connection at a time has bytes here: input is empty after each wslay_event_recv, output after
 * each step, or the connection waits for room and is the only one. */
static uint8_t input[BUFFER], output[BUFFER], keys[4096];
static size_t input_at, input_size, output_at, output_size, keys_left;
static bool input_short; /* the last recv did not fill the buffer: another would only say EAGAIN */

/* ---------------------------------------------------------------- callbacks of the library */

static void fill_input(connection *c) {
  ssize_t n = recv(c->fd, input, sizeof input, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) c->ended = true;
  input_at = 0;
  input_size = n > 0 ? (size_t)n : 0;
  input_short = input_size < sizeof input;
}

static ssize_t on_recv(wslay_event_context_ptr context, uint8_t *buf, size_t room, int flags,
                       void *user) {
  (void)flags;
  if (input_at == input_size && !input_short) fill_input(user);
  if (input_at == input_size) {
    wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
    return -1;
  }
  size_t size = input_size - input_at < room ? input_size - input_at : room;
  memcpy(buf, input + input_at, size);
  input_at += size;
  return (ssize_t)size;
}

static void flush(connection *c) {
  c->full = false;
  while (output_at < output_size && !c->full) {
    ssize_t n = send(c->fd, output + output_at, output_size - output_at, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) bench_fail("send: %s", strerror(errno));
    c->full = n < 0;
    output_at += n > 0 ? (size_t)n : 0;
  }
  if (!c->full) output_at = output_size = 0;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *data, size_t size, int flags,
                       void *user) {
  (void)flags;
  if (output_size == sizeof output) flush(user);
  if (output_size == sizeof output) {
    wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
    return -1;
  }
  if (size > sizeof output - output_size) size = sizeof output - output_size;
  memcpy(output + output_size, data, size);
  output_size += size;
  return (ssize_t)size;
}

static int on_genmask(wslay_event_context_ptr context, uint8_t *buf, size_t size, void *user) {
  (void)context;
  (void)user;
  if (keys_left < size) {
    if (RAND_bytes(keys, sizeof keys) != 1) return -1;
    keys_left = sizeof keys;
  }
  keys_left -= size;
  memcpy(buf, keys + keys_left, size);
  return 0;
}

static void on_message(wslay_event_context_ptr context,
                       const struct wslay_event_on_msg_recv_arg *message, void *user) {
  connection *c = user;
  (void)context;
  if (wslay_is_ctrl_frame(message->opcode)) return;
  bench_check(c->exchange != NULL, "a message that nobody asked for");
  peer_take(c->exchange, (const char *)message->msg, message->msg_length);
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_recv,
    .send_callback = on_send,
    .genmask_callback = on_genmask,
    .on_msg_recv_callback = on_message,
};

/* ---------------------------------------------------------------- connect and handshake */

static int connect_to(const bench *b) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)b->port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
    bench_fail("connect: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  return fd;
}

static void accept_of(const char *key, char accept[29]) {
  char text[64];
  unsigned char digest[EVP_MAX_MD_SIZE];
  int size = snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  if (!EVP_Digest(text, (size_t)size, digest, NULL, EVP_sha1(), NULL)) bench_fail("no SHA-1");
  EVP_EncodeBlock((unsigned char *)accept, digest, 20);
}

static void read_answer(int fd, char *answer, size_t room) {
  size_t size = 0;
  while (size < 4 || memcmp(answer + size - 4, "\r\n\r\n", 4) != 0) {
    ssize_t n = recv(fd, answer + size, room - 1 - size, 0);
    if (n <= 0) bench_fail("no answer to the handshake");
    size += (size_t)n;
  }
  answer[size] = 0;
}

static void handshake(int fd, const bench *b) {
  unsigned char nonce[16];
  char key[25], accept[29], text[512], answer[4096];
  RAND_bytes(nonce, sizeof nonce);
  EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
  int size = snprintf(text, sizeof text,
                      "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                      "Sec-WebSocket-Version: 13\r\n\r\n",
                      b->path, b->port, key);
  if (send(fd, text, (size_t)size, MSG_NOSIGNAL) != size) bench_fail("send failed");
  read_answer(fd, answer, sizeof answer);
  accept_of(key, accept);
  if (strncmp(answer, "HTTP/1.1 101 ", 13) != 0 || !strstr(answer, accept))
    bench_fail("the handshake was refused");
}

static void open_connection(connection *c, const bench *b, peer_exchange *exchange) {
  *c = (connection){.fd = connect_to(b), .exchange = exchange};
  handshake(c->fd, b);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  if (wslay_event_context_client_init(&c->context, &callbacks, c) != 0) bench_fail("no memory");
}

/* ---------------------------------------------------------------- the loop */

static void write_all(connection *c) {
  if (wslay_event_send(c->context) != 0) bench_fail("wslay_event_send failed");
  flush(c);
}

static void read_all(connection *c) {
  input_short = false;
  if (wslay_event_recv(c->context) != 0) bench_fail("wslay_event_recv failed");
}

static bool writes(const connection *c) {
  return c->full || wslay_event_want_write(c->context);
}

static void step(connection *c) {
  struct pollfd ready = {.fd = c->fd, .events = writes(c) ? POLLIN | POLLOUT : POLLIN};
  if (poll(&ready, 1, -1) < 0) bench_fail("poll: %s", strerror(errno));
  if (ready.revents & ~POLLOUT) read_all(c);
  if (writes(c)) write_all(c);
}

static void close_connection(connection *c) {
  wslay_event_queue_close(c->context, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
  write_all(c);
  while (!wslay_event_get_close_received(c->context) && !c->ended) step(c);
  if (wslay_event_get_status_code_received(c->context) != WSLAY_CODE_NORMAL_CLOSURE)
    bench_fail("no answer to Close");
  fcntl(c->fd, F_SETFL, 0);
  if (!c->ended && recv(c->fd, input, 1, 0) != 0) bench_fail("no end after Close");
  wslay_event_context_free(c->context);
  close(c->fd);
}

/* As many messages are queued at a time as the window holds: each is copied by the library. */
static void queue_due(connection *c, peer_exchange *e) {
  const struct wslay_event_msg message = {WSLAY_TEXT_FRAME, (const uint8_t *)e->data, e->size};
  while (e->due > 0 && wslay_event_get_queued_msg_count(c->context) < BENCH_IN_FLIGHT) {
    if (wslay_event_queue_msg(c->context, &message) != 0)
      bench_fail("wslay_event_queue_msg failed");
    e->due--;
  }
}

static void run_exchange(bench *b) {
  peer_exchange exchange = peer_begin(b);
  connection c;
  open_connection(&c, b, &exchange);
  while (!exchange.over) {
    queue_due(&c, &exchange);
    if (writes(&c)) write_all(&c);
    if (exchange.due == 0 || writes(&c)) step(&c);
    bench_check(exchange.over || !(c.ended || wslay_event_get_close_received(c.context)),
                "the server ended too early");
  }
  close_connection(&c);
  bench_result(b);
}

static void run_cycle(const bench *b) {
  connection c;
  open_connection(&c, b, NULL);
  close_connection(&c);
}

static void run_connect(bench *b) {
  for (uint64_t i = 0; i < b->warm; i++) run_cycle(b);
  bench_begin(b);
  for (uint64_t i = 0; i < b->count; i++) run_cycle(b);
  bench_end(b);
  bench_result(b);
}

static void run_idle(const bench *b) {
  run_cycle(b);
  int64_t before = bench_resident();
  connection *all = malloc(b->count * sizeof *all);
  struct pollfd *polled = malloc(b->count * sizeof *polled);
  bench_check(all && polled, "no memory");
  for (uint64_t i = 0; i < b->count; i++) {
    open_connection(&all[i], b, NULL);
    polled[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
  }
  bench_check(poll(polled, b->count, IDLE_MS) == 0, "a connection did not idle");
  peer_memory_result(b, before);
}

int main(int argc, char **argv) {
  bench b = peer_arguments(argc, argv);
  bench_check(!b.tls && !peer_compresses(&b), "wslay has no TLS and no extensions");
  if (bench_is(&b, "connect"))
    run_connect(&b);
  else if (bench_is(&b, "idle"))
    run_idle(&b);
  else
    run_exchange(&b);
  return 0;
}
