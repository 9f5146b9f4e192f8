/* The floor: a client that only moves the bytes, with as few system calls as a correct one needs.
 *
 * It is the floor because all that a client has to do besides is left out: the frames that go out
 * were built and masked beforehand, of what comes in only the bytes are counted (their content is
 * looked at once, at the end), it has no timers, no events, no states, and waits in recv itself.
 *
 * pingpong   one send, one blocking recv
 * pipeline   one recv of up to 64 KiB, one send of as many frames as came
 * receive    recv of up to 64 KiB
 * send       send of up to 64 KiB of whole frames; a larger message in one
 * inflate    as receive, but the frames' heads are read, for their sizes differ.  WITH_ZLIB: each
 *            message is inflated by bare zlib into one buffer
 * connect    socket, connect, request, answer, Close, Close, the end, close
 *
 * WITH_POLL: each recv is behind a poll, as a client that keeps deadlines must have it.
 * WITH_TLS: the same over bare OpenSSL, its SSL_read and SSL_write on the blocking socket. */
#include "wire.h"

#ifdef WITH_POLL
#include <poll.h>
#endif
#ifdef WITH_TLS
#include <openssl/ssl.h>
#include <signal.h>
#endif
#ifdef WITH_ZLIB
#include <zlib.h>
#endif

enum { CHUNK = 64 * 1024 };

static uint8_t input[CHUNK];

/* ---------------------------------------------------------------- transport */

#ifdef WITH_TLS
typedef SSL *transport;

static SSL_CTX *context;

static transport transport_open(int port) {
  if (!context) {
    signal(SIGPIPE, SIG_IGN); /* the server may be gone before our close_notify */
    context = SSL_CTX_new(TLS_client_method());
    bench_check(context != NULL, "no TLS");
    SSL_CTX_set_read_ahead(context, 1); /* a record's head and body in one recv */
    SSL_CTX_set_default_read_buffer_len(context, CHUNK);
  }
  SSL *tls = SSL_new(context);
  bench_check(tls && SSL_set_fd(tls, wire_connect(port)), "no TLS");
  bench_check(SSL_connect(tls) == 1, "the TLS handshake failed");
  return tls;
}

static size_t transport_read(transport tls, uint8_t *data, size_t room) {
  size_t n = 0;
  return SSL_read_ex(tls, data, room, &n) ? n : 0;
}

static void transport_write(transport tls, const uint8_t *data, size_t size) {
  size_t n = 0;
  bench_check(SSL_write_ex(tls, data, size, &n) && n == size, "cannot write");
}

static void transport_close(transport tls) {
  int fd = SSL_get_fd(tls);
  SSL_shutdown(tls);
  SSL_free(tls);
  close(fd);
}
#else
typedef int transport;

static transport transport_open(int port) {
  return wire_connect(port);
}

static size_t transport_read(transport fd, uint8_t *data, size_t room) {
#ifdef WITH_POLL
  struct pollfd watched = {.fd = fd, .events = POLLIN};
  bench_check(poll(&watched, 1, 20000) == 1, "nothing came");
#endif
  ssize_t n = recv(fd, data, room, 0);
  return n > 0 ? (size_t)n : 0;
}

static void transport_write(transport fd, const uint8_t *data, size_t size) {
  while (size > 0) {
    ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    bench_check(n > 0, "cannot write");
    data += n;
    size -= (size_t)n;
  }
}

static void transport_close(transport fd) {
  close(fd);
}
#endif

static size_t read_some(transport t, size_t room) {
  size_t n = transport_read(t, input, room);
  bench_check(n > 0, "the connection ended early");
  return n;
}

static transport open_connection(const bench *b) {
  char text[1024] = "";
  transport t = transport_open(b->port);
  transport_write(t, (uint8_t *)text, wire_request(text, sizeof text, b));
  for (size_t size = 0;;) {
    size_t n = transport_read(t, (uint8_t *)text + size, sizeof text - 1 - size);
    bench_check(n > 0, "no answer to the handshake");
    size += n;
    text[size] = 0;
    if (wire_answered(b, text, size)) return t;
  }
}

/* ---------------------------------------------------------------- frames */

typedef struct block {
  uint8_t *frames; /* copies of one masked frame */
  size_t frame_size, count;
} block;

static block make_block(const bench *b, size_t count) {
  uint8_t *message = bench_message(b->size);
  block made = {.count = count};
  made.frames = malloc((b->size + WIRE_HEAD_MAX) * count);
  bench_check(made.frames != NULL, "no memory");
  for (size_t i = 0; i < count; i++)
    made.frame_size = wire_write_frame(made.frames + i * made.frame_size, message, b->size);
  free(message);
  return made;
}

static size_t server_frame_size(const bench *b) {
  return b->size + (b->size < 126 ? 2 : b->size < 65536 ? 4 : 10);
}

/* The last bytes of the last message, as far as the last read has them. */
static void check_tail(const bench *b, size_t n) {
  size_t size = n < b->size ? n : b->size;
  uint8_t *message = bench_message(b->size);
  bench_check(memcmp(input + n - size, message + b->size - size, size) == 0,
              "a message has another content");
  free(message);
}

static void say_go(transport t) {
  uint8_t frame[WIRE_HEAD_MAX + 2];
  transport_write(t, frame, wire_write_frame(frame, "go", 2));
}

/* ---------------------------------------------------------------- workloads */

static void pingpong(const bench *b, transport t, uint64_t count) {
  block out = make_block(b, 1);
  size_t size = server_frame_size(b);
  for (uint64_t i = 0; i < count; i++) {
    transport_write(t, out.frames, out.frame_size);
    size_t n = 0, last = 0;
    for (; n < size; n += last) last = read_some(t, CHUNK);
    bench_check(n == size, "another size came back");
    if (i + 1 == count) check_tail(b, last);
  }
  free(out.frames);
}

static void pipeline(const bench *b, transport t, uint64_t count) {
  block out = make_block(b, BENCH_IN_FLIGHT);
  uint64_t size = server_frame_size(b), bytes = 0, came = 0, sent = BENCH_IN_FLIGHT;
  size_t n = 0;
  if (sent > count) sent = count;
  transport_write(t, out.frames, out.frame_size * sent);
  while (came < count) {
    n = read_some(t, CHUNK);
    bytes += n;
    came = bytes / size;
    uint64_t more = came + BENCH_IN_FLIGHT < count ? came + BENCH_IN_FLIGHT - sent : count - sent;
    sent += more;
    if (more > 0) transport_write(t, out.frames, out.frame_size * more);
  }
  bench_check(bytes == size * count, "another size came back");
  check_tail(b, n);
  free(out.frames);
}

static void receive(const bench *b, transport t, uint64_t count) {
  uint64_t bytes = server_frame_size(b) * count;
  say_go(t);
  for (size_t n; bytes > 0; bytes -= n) {
    n = read_some(t, CHUNK);
    bench_check(n <= bytes, "too much came");
    if (n == bytes) check_tail(b, n);
  }
}

static void send_all(const bench *b, transport t, uint64_t count) {
  block out = make_block(b, CHUNK / (b->size + WIRE_HEAD_MAX) + 1);
  for (uint64_t left = count; left > 0;) {
    uint64_t frames = left < out.count ? left : out.count;
    transport_write(t, out.frames, out.frame_size * frames);
    left -= frames;
  }
  bench_check(read_some(t, CHUNK) == 6 && memcmp(input + 2, "done", 4) == 0, "no \"done\" came");
  free(out.frames);
}

#ifdef WITH_ZLIB
static void take_compressed(const bench *b, const uint8_t *data, size_t size, bool last) {
  static z_stream z;
  static uint8_t text[16384];
  static const uint8_t marker[4] = {0, 0, 0xff, 0xff};
  bench_check(z.state || inflateInit2(&z, -15) == Z_OK, "no memory");
  z.next_out = text;
  z.avail_out = sizeof text;
  z.next_in = (Bytef *)data;
  z.avail_in = (uInt)size;
  bool good = inflate(&z, Z_SYNC_FLUSH) == Z_OK && z.avail_in == 0;
  z.next_in = (Bytef *)marker;
  z.avail_in = sizeof marker;
  good = good && inflate(&z, Z_SYNC_FLUSH) == Z_OK && z.avail_in == 0;
  bench_check(good && sizeof text - z.avail_out == b->size, "a message has another size");
  if (last) bench_check_content(b, text, b->size);
}
#else
static void take_compressed(const bench *b, const uint8_t *data, size_t size, bool last) {
  (void)b;
  (void)data;
  bench_check(!last || size > 0, "an empty message");
}
#endif

static void receive_compressed(const bench *b, transport t, uint64_t count) {
  size_t kept = 0;
  say_go(t);
  while (count > 0) {
    size_t n = transport_read(t, input + kept, CHUNK - kept), at = 0, head;
    bench_check(n > 0, "the connection ended early");
    uint64_t size;
    for (n += kept; (head = wire_read_head(input + at, n - at, &size)) > 0; at += head + size) {
      if (head + size > n - at) break;
      take_compressed(b, input + at + head, size, --count == 0);
    }
    kept = n - at;
    memmove(input, input + at, kept);
  }
  bench_check(kept == 0, "too much came");
}

static void connect_and_close(const bench *b, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    transport t = open_connection(b);
    transport_write(t, wire_close, sizeof wire_close);
    bench_check(read_some(t, CHUNK) == 4 && input[0] == 0x88, "no Close came back");
    bench_check(transport_read(t, input, CHUNK) == 0, "the connection does not end");
    transport_close(t);
  }
}

typedef void workload(const bench *b, transport t, uint64_t count);

static workload *find_workload(const bench *b) {
  if (bench_is(b, "pingpong")) return pingpong;
  if (bench_is(b, "pipeline")) return pipeline;
  if (bench_is(b, "receive")) return receive;
  if (bench_is(b, "send")) return send_all;
  if (bench_is(b, "inflate")) return receive_compressed;
  bench_fail("no workload '%s'", b->workload);
}

static void measure_connects(bench *b) {
  connect_and_close(b, b->warm);
  bench_begin(b);
  connect_and_close(b, b->count);
  bench_end(b);
}

static void measure(bench *b) {
  workload *run = find_workload(b);
  transport t = open_connection(b);
  run(b, t, b->warm);
  bench_begin(b);
  run(b, t, b->count);
  bench_end(b);
  transport_close(t);
}

int main(int argc, char **argv) {
  bench b = bench_arguments(argc, argv);
  if (bench_is(&b, "connect"))
    measure_connects(&b);
  else
    measure(&b);
  bench_result(&b);
  return 0;
}
