/* The fixed counterpart of the benchmarks: one WebSocket server on 127.0.0.1, plain and TLS, one
 * thread, epoll.  It shares no code with wsclose.
 *
 *     build/bench/server          prints "PORT TLS_PORT", ends at the end of its standard input
 *
 * /echo                   each frame comes back.  permessage-deflate is agreed when offered; what
 *                         comes compressed goes back uncompressed.
 * /flood?size=S&count=N   for each message that comes, N text messages of S bytes: 'a' + i % 26.
 * /json?size=S&count=N    the same with messages of JSON of exactly S bytes (2048), `{"seq":…}`,
 *                         compressed with context takeover, level 6; permessage-deflate is a must.
 * /sink?count=N           after each N messages the text "done".
 * &warm=W                 in the last three: the first time W in place of N.
 *
 * Ping is answered with Pong, Close with Close; then it closes the connection.  It unmasks what it
 * looks at; it checks no UTF-8 and believes well-formed frames.  It is fast so that what is
 * measured is the client: big reads, all answers of a read in one write, no allocation per message.
 * A flood is written out of a block of ready frames.  So is /json: 1024 messages are compressed
 * once, the first of them with an empty window, so that the block may follow itself.
 *
 * TLS: a self-signed certificate (P-256) made at start, no session tickets, so that each handshake
 * is a whole one. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <zlib.h>

enum {
  INPUT_SIZE = 256 * 1024,
  FLOOD_BLOCK = 256 * 1024,
  FLOOD_TURN = 4 * 1024 * 1024,  /* written to one connection before others have their turn */
  BACKLOG_MAX = 8 * 1024 * 1024, /* unwritten echoes before nothing is read any more */
  REQUEST_MAX = 16 * 1024,
  JSON_MESSAGES = 1024,
  CONTROL_MAX = 14 + 125
};

static void die(const char *what) {
  fprintf(stderr, "server: %s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
  exit(1);
}

static void *need(void *block) {
  if (!block) die("memory");
  return block;
}

/* ---------------------------------------------------------------- bytes */

typedef struct bytes {
  uint8_t *data;
  size_t size, room;
} bytes;

static uint8_t *grow(bytes *b, size_t more) {
  if (b->room - b->size < more) {
    b->room = (b->size + more) * 2;
    b->data = need(realloc(b->data, b->room));
  }
  b->size += more;
  return b->data + b->size - more;
}

static void append(bytes *b, const void *data, size_t size) {
  if (size > 0) memcpy(grow(b, size), data, size);
}

static void drop(bytes *b) {
  free(b->data);
  *b = (bytes){0};
}

static void append_head(bytes *b, unsigned first, uint64_t size) {
  uint8_t head[10] = {(uint8_t)first};
  size_t length = 2;
  if (size < 126) {
    head[1] = (uint8_t)size;
  } else {
    size_t wide = size < 65536 ? 2 : 8;
    head[1] = wide == 2 ? 126 : 127;
    for (size_t i = 0; i < wide; i++) head[2 + i] = (uint8_t)(size >> (8 * (wide - 1 - i)));
    length += wide;
  }
  append(b, head, length);
}

/* key holds the four bytes twice; it is turned so that the next piece goes on where this one
 * ends. */
static void unmask(uint8_t *out, const uint8_t *in, size_t size, uint8_t key[8]) {
  uint64_t wide, word;
  memcpy(&wide, key, 8);
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    memcpy(&word, in + i, 8);
    word ^= wide;
    memcpy(out + i, &word, 8);
  }
  for (size_t k = 0; i < size; i++, k++) out[i] = in[i] ^ key[k];
  uint8_t old[4];
  memcpy(old, key, 4);
  for (size_t k = 0; k < 8; k++) key[k] = old[(k + size) % 4];
}

/* ---------------------------------------------------------------- what a flood is cut from */

typedef struct source {
  struct source *next;
  size_t message_size;
  bool json;
  bytes frames;
  size_t count;   /* of messages in frames */
  size_t *starts; /* of each, and the end */
} source;

static source *sources;

static void fill_plain(source *s) {
  s->count = FLOOD_BLOCK / (s->message_size + 10) + 1;
  s->starts = need(calloc(s->count + 1, sizeof *s->starts));
  for (size_t n = 0; n < s->count; n++) {
    append_head(&s->frames, 0x81, s->message_size);
    uint8_t *payload = grow(&s->frames, s->message_size);
    for (size_t i = 0; i < s->message_size; i++) payload[i] = (uint8_t)('a' + i % 26);
    s->starts[n + 1] = s->frames.size;
  }
}

static uint32_t draw(uint32_t limit) { /* the same numbers in each run */
  static uint32_t state = 2463534242U;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % limit;
}

/* One record of a market feed. */
static size_t write_record(char *out, size_t room, size_t number) {
  static const char *const pairs[] = {"BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD"};
  int size = snprintf(out, room,
                      "{\"id\":%zu,\"pair\":\"%s\",\"side\":\"%s\",\"price\":\"%u.%02u\","
                      "\"size\":\"0.%08u\",\"order\":\"%08x\",\"at\":17676%05u.%03u}",
                      4100000 + number, pairs[draw(5)], draw(2) ? "buy" : "sell", 43100 + draw(90),
                      draw(100), draw(100000000), draw(UINT32_MAX),
                      (unsigned)(number / 10) % 100000U, draw(1000));
  return (size_t)size;
}

static void write_json(char *out, size_t size, size_t number) {
  size_t used = (size_t)snprintf(out, size, "{\"seq\":%zu,\"trades\":[", number);
  for (size_t n = 0;; n++) {
    char record[256];
    size_t more = write_record(record, sizeof record, number * 16 + n);
    if (used + more + 3 > size) break;
    if (n > 0) out[used++] = ',';
    memcpy(out + used, record, more);
    used += more;
  }
  memset(out + used, ' ', size - used - 2);
  memcpy(out + size - 2, "]}", 2);
}

static void fill_json(source *s) {
  z_stream z = {0};
  if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) die("deflateInit2");
  s->count = JSON_MESSAGES;
  s->starts = need(calloc(s->count + 1, sizeof *s->starts));
  char *text = need(malloc(s->message_size));
  size_t room = s->message_size * 2 + 64;
  uint8_t *packed = need(malloc(room));
  for (size_t n = 0; n < s->count; n++) {
    write_json(text, s->message_size, n);
    z.next_in = (Bytef *)text;
    z.avail_in = (uInt)s->message_size;
    z.next_out = packed;
    z.avail_out = (uInt)room;
    if (deflate(&z, Z_SYNC_FLUSH) != Z_OK || z.avail_out == 0) die("deflate");
    size_t size = room - z.avail_out - 4; /* without 00 00 ff ff, RFC 7692 7.2.1 */
    append_head(&s->frames, 0xc1, size);
    append(&s->frames, packed, size);
    s->starts[n + 1] = s->frames.size;
  }
  deflateEnd(&z);
  free(text);
  free(packed);
}

static source *find_source(size_t message_size, bool json) {
  for (source *s = sources; s; s = s->next)
    if (s->message_size == message_size && s->json == json) return s;
  source *s = need(calloc(1, sizeof *s));
  *s = (source){.next = sources, .message_size = message_size, .json = json};
  (json ? fill_json : fill_plain)(s);
  sources = s;
  return s;
}

/* ---------------------------------------------------------------- connections */

typedef enum kind { REQUEST, ECHO, FLOOD, SINK } kind;

/* What only a compressed message needs. */
typedef struct inflater {
  z_stream z;
  bytes message;
} inflater;

typedef struct conn {
  int fd;
  uint32_t watched; /* by epoll */
  kind kind;
  bool closing;  /* its Close was answered: nothing more is read */
  bool flooding; /* a flood was begun: nothing else may be written until its end */
  bool json, agreed;
  bool tail;      /* within a frame's payload */
  bool packed;    /* within a compressed message */
  uint8_t head;   /* first byte of the frame */
  uint8_t opcode; /* of the compressed message */
  uint8_t key[8];
  uint8_t held[CONTROL_MAX]; /* a head, or a control frame, that is not complete */
  uint8_t held_size;
  uint64_t left; /* of the payload */
  uint64_t every, warm, seen;
  SSL *tls;
  inflater *inflater;
  bytes request, backlog;
  source *source;
  size_t message_size;
  size_t next_message;  /* in source, to be flooded */
  size_t position;      /* in source->frames */
  uint64_t flood_bytes; /* still to be written */
} conn;

static int poller;
static SSL_CTX *tls_context;
static uint8_t input[INPUT_SIZE];
static bytes output; /* answers of the step under way */

static void conn_free(conn *c) {
  if (c->tls && c->closing) SSL_shutdown(c->tls);
  if (c->tls) SSL_free(c->tls);
  close(c->fd);
  if (c->inflater) {
    inflateEnd(&c->inflater->z);
    drop(&c->inflater->message);
    free(c->inflater);
  }
  drop(&c->request);
  drop(&c->backlog);
  free(c);
}

static void watch(conn *c, bool for_room) {
  uint32_t wanted = c->backlog.size > BACKLOG_MAX ? EPOLLOUT : EPOLLIN;
  if (for_room) wanted |= EPOLLOUT;
  if (c->watched == wanted) return;
  c->watched = wanted;
  struct epoll_event event = {.events = wanted, .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) != 0) die("epoll_ctl");
}

/* How much was written; -1: the connection is broken. */
static ssize_t transport_write(conn *c, const uint8_t *data, size_t size) {
  if (!c->tls) {
    ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
    return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
  }
  size_t n = 0;
  ERR_clear_error();
  if (SSL_write_ex(c->tls, data, size, &n)) return (ssize_t)n;
  int why = SSL_get_error(c->tls, 0);
  return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? 0 : -1;
}

/* 0: nothing now; -1: over. */
static ssize_t transport_read(conn *c) {
  if (!c->tls) {
    ssize_t n = recv(c->fd, input, sizeof input, 0);
    return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
  }
  size_t n = 0;
  ERR_clear_error();
  if (SSL_read_ex(c->tls, input, sizeof input, &n)) return (ssize_t)n;
  int why = SSL_get_error(c->tls, 0);
  return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? 0 : -1;
}

/* ---------------------------------------------------------------- writing */

/* Writes b as far as it goes; false: broken. */
static bool write_bytes(conn *c, bytes *b) {
  if (b->size == 0) return true;
  size_t done = 0;
  while (done < b->size) {
    ssize_t n = transport_write(c, b->data + done, b->size - done);
    if (n < 0) return false;
    if (n == 0) break;
    done += (size_t)n;
  }
  memmove(b->data, b->data + done, b->size - done);
  b->size -= done;
  return true;
}

static bool write_flood(conn *c) {
  for (size_t turn = 0; c->flood_bytes > 0 && turn < FLOOD_TURN;) {
    size_t size = c->source->frames.size - c->position;
    if (size > c->flood_bytes) size = c->flood_bytes;
    c->flooding = true;
    ssize_t n = transport_write(c, c->source->frames.data + c->position, size);
    if (n <= 0) return n == 0;
    turn += (size_t)n;
    c->flood_bytes -= (size_t)n;
    c->position = (c->position + (size_t)n) % c->source->frames.size;
  }
  if (c->flood_bytes == 0) c->flooding = false;
  return true;
}

/* All that waits, in order: a flood under way, what was kept, what is new.  False: the connection
 * is over. */
static bool flush(conn *c) {
  if (c->flooding && !write_flood(c)) return false;
  if (!c->flooding && c->backlog.size > 0 && !write_bytes(c, &c->backlog)) return false;
  if (!c->flooding && c->backlog.size == 0 && !write_bytes(c, &output)) return false;
  append(&c->backlog, output.data, output.size);
  output.size = 0;
  if (c->backlog.size == 0 && c->backlog.data) drop(&c->backlog);
  if (!c->flooding && c->backlog.size == 0 && !write_flood(c)) return false;
  bool more = c->backlog.size > 0 || c->flood_bytes > 0;
  watch(c, more);
  return more || !c->closing;
}

static void begin_flood(conn *c) {
  uint64_t count = c->seen++ == 0 ? c->warm : c->every;
  source *s = c->source;
  c->flood_bytes += count / s->count * s->frames.size;
  size_t end = c->next_message + count % s->count;
  c->flood_bytes +=
      (end >= s->count ? s->frames.size + s->starts[end - s->count] : s->starts[end]) -
      s->starts[c->next_message];
  c->next_message = end % s->count;
}

/* ---------------------------------------------------------------- the handshake */

/* A header's value in the request, ended by CR; NULL: not there. */
static const char *find_header(const char *request, const char *name) {
  const char *at = strcasestr(request, name);
  if (!at || at[-1] != '\n') return NULL;
  at += strlen(name);
  return at + strspn(at, ": ");
}

static uint64_t query(const char *target, const char *name, uint64_t otherwise) {
  size_t length = strlen(name);
  for (const char *at = strchr(target, '?'); at && *at != ' '; at = strpbrk(at + 1, "& "))
    if (strncmp(at + 1, name, length) == 0 && at[1 + length] == '=')
      return strtoull(at + 2 + length, NULL, 10);
  return otherwise;
}

/* The answer to one offer, NULL: none.  Of the server it may ask no more than a window of 15 bits
 * (Boost.Beast does); what it says of the client's side binds nobody but the client. */
static const char *answer_to_offer(const char *offer) {
  static const char window[] = "server_max_window_bits=15";
  const char *demand = strstr(offer, "server_");
  if (!strstr(offer, "permessage-deflate")) return NULL;
  if (!demand) return "permessage-deflate";
  if (strncmp(demand, window, strlen(window)) != 0 || strstr(demand + 1, "server_")) return NULL;
  return "permessage-deflate; server_max_window_bits=15";
}

static const char *answer_to_offers(const char *request) {
  const char *at = find_header(request, "Sec-WebSocket-Extensions");
  while (at && *at != '\r') {
    size_t length = strcspn(at, ",\r");
    char *offer = need(strndup(at, length));
    const char *answer = answer_to_offer(offer);
    free(offer);
    if (answer) return answer;
    at += length + (at[length] == ',');
  }
  return NULL;
}

static bool choose_path(conn *c, const char *target) {
  c->every = query(target, "count", 1);
  c->warm = query(target, "warm", c->every);
  c->message_size = query(target, "size", 2048);
  c->json = strncmp(target, "/json", 5) == 0;
  if (strncmp(target, "/echo", 5) == 0) c->kind = ECHO;
  if (strncmp(target, "/sink", 5) == 0) c->kind = SINK;
  if (strncmp(target, "/flood", 6) == 0 || c->json) c->kind = FLOOD;
  if (c->kind == FLOOD && c->message_size >= (c->json ? 512 : 0) && c->message_size < 1U << 28)
    c->source = find_source(c->message_size, c->json);
  return c->kind == ECHO || c->kind == SINK || c->source;
}

static void accept_key(const char *key, char accept[29]) {
  char text[24 + 36 + 1];
  memcpy(text, key, 24);
  memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 37);
  uint8_t digest[20];
  unsigned size = sizeof digest;
  if (!EVP_Digest(text, 60, digest, &size, EVP_sha1(), NULL)) die("SHA-1");
  EVP_EncodeBlock((unsigned char *)accept, digest, 20);
}

static bool answer(conn *c, const char *request) {
  const char *key = find_header(request, "Sec-WebSocket-Key");
  const char *target = strchr(request, '/');
  if (!key || strlen(key) < 24 || strncmp(request, "GET ", 4) != 0) return false;
  if (!target || !choose_path(c, target)) return false;
  const char *deflate = c->json || c->kind == ECHO ? answer_to_offers(request) : NULL;
  c->agreed = deflate != NULL;
  if (c->json && !c->agreed) return false;
  char accept[29], text[300];
  accept_key(key, accept);
  int size = snprintf(text, sizeof text,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
                      accept, c->agreed ? "Sec-WebSocket-Extensions: " : "",
                      c->agreed ? deflate : "", c->agreed ? "\r\n" : "");
  append(&output, text, (size_t)size);
  return true;
}

/* How many of the bytes belong to the request; they are kept until it is whole. */
static size_t read_request(conn *c, const uint8_t *data, size_t size) {
  static const char refusal[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
  size_t before = c->request.size;
  append(&c->request, data, size);
  const uint8_t *end = memmem(c->request.data, c->request.size, "\r\n\r\n", 4);
  if (!end && c->request.size < REQUEST_MAX) return size;
  size_t used = end ? (size_t)(end - c->request.data) + 4 - before : size;
  c->request.size = before + used;
  append(&c->request, "", 1);
  if (!end || !answer(c, (const char *)c->request.data)) {
    append(&output, refusal, sizeof refusal - 1);
    c->closing = true;
  }
  drop(&c->request);
  return used;
}

/* ---------------------------------------------------------------- frames */

static void end_message(conn *c) {
  if (c->kind == FLOOD) begin_flood(c);
  if (c->kind != SINK) return;
  if (++c->seen < (c->warm > 0 ? c->warm : c->every)) return;
  c->seen = c->warm = 0;
  append(&output,
         "\x81\x04"
         "done",
         6);
}

static void inflate_piece(conn *c, const uint8_t *data, size_t size) {
  inflater *i = c->inflater;
  i->z.next_in = (Bytef *)data;
  i->z.avail_in = (uInt)size;
  int status = Z_OK;
  do {
    uint8_t *room = grow(&i->message, 4096);
    i->z.next_out = room;
    i->z.avail_out = 4096;
    status = inflate(&i->z, Z_SYNC_FLUSH);
    i->message.size -= i->z.avail_out;
  } while (status == Z_OK && (i->z.avail_in > 0 || i->z.avail_out == 0));
  if (status != Z_OK && status != Z_BUF_ERROR) c->closing = true;
}

static void begin_inflating(conn *c) {
  if (!c->inflater) {
    c->inflater = need(calloc(1, sizeof *c->inflater));
    if (inflateInit2(&c->inflater->z, -15) != Z_OK) die("inflateInit2");
  }
  c->opcode = c->head & 15;
  c->packed = true;
}

static void end_inflating(conn *c) {
  static const uint8_t flush_marker[4] = {0, 0, 0xff, 0xff};
  inflate_piece(c, flush_marker, 4);
  if (c->kind == ECHO) {
    append_head(&output, 0x80U | c->opcode, c->inflater->message.size);
    append(&output, c->inflater->message.data, c->inflater->message.size);
  }
  drop(&c->inflater->message);
  c->packed = false;
}

static void begin_frame(conn *c) {
  if (c->head & 0x40) begin_inflating(c);
  if (c->kind == ECHO && !c->packed) append_head(&output, c->head, c->left);
  c->tail = true;
}

static void end_frame(conn *c) {
  c->tail = false;
  if (!(c->head & 0x80)) return;
  if (c->packed) end_inflating(c);
  end_message(c);
}

/* Takes what is there of a payload. */
static size_t read_payload(conn *c, uint8_t *data, size_t size) {
  if (size > c->left) size = c->left;
  if (c->packed) {
    unmask(data, data, size, c->key);
    inflate_piece(c, data, size);
  } else if (c->kind == ECHO) {
    unmask(grow(&output, size), data, size, c->key);
  }
  c->left -= size;
  if (c->left == 0) end_frame(c);
  return size;
}

static void control(conn *c, unsigned opcode, uint8_t *payload, size_t size) {
  unmask(payload, payload, size, c->key);
  if (opcode == 10) return;
  append_head(&output, opcode == 8 ? 0x88 : 0x8a, size);
  append(&output, payload, size);
  if (opcode == 8) c->closing = true;
}

/* Reads a frame's head, or a whole control frame, from data.  0: it is not complete. */
static size_t read_head(conn *c, uint8_t *data, size_t size) {
  if (size < 2) return 0;
  size_t wide = (data[1] & 127) == 126 ? 2 : (data[1] & 127) == 127 ? 8 : 0;
  size_t head = 2 + wide + 4;
  if (!(data[1] & 128)) c->closing = true; /* not masked: not a client */
  if (size < head) return 0;
  uint64_t left = wide == 0 ? data[1] & 127 : 0;
  for (size_t i = 0; i < wide; i++) left = left << 8 | data[2 + i];
  memcpy(c->key, data + head - 4, 4);
  memcpy(c->key + 4, data + head - 4, 4);
  if (data[0] & 8) {
    if (size < head + left) return 0;
    control(c, data[0] & 15, data + head, left);
    return head + left;
  }
  c->head = data[0];
  c->left = left;
  begin_frame(c);
  if (left == 0) end_frame(c);
  return head;
}

/* As read_head, with what is left over from the last time.  What is short is kept. */
static size_t read_held(conn *c, uint8_t *data, size_t size) {
  size_t before = c->held_size;
  size_t more = CONTROL_MAX - before < size ? CONTROL_MAX - before : size;
  uint8_t joined[CONTROL_MAX];
  memcpy(joined, c->held, before);
  memcpy(joined + before, data, more);
  c->held_size = 0;
  size_t used = read_head(c, joined, before + more);
  if (used > 0) return used - before;
  memcpy(c->held, joined, before + more);
  c->held_size = (uint8_t)(before + more);
  return more;
}

static void read_frames(conn *c, uint8_t *data, size_t size) {
  while (size > 0 && !c->closing) {
    size_t used;
    if (c->kind == REQUEST)
      used = read_request(c, data, size);
    else if (c->tail)
      used = read_payload(c, data, size);
    else if (c->held_size > 0)
      used = read_held(c, data, size);
    else
      used = read_head(c, data, size);
    if (used == 0) used = read_held(c, data, size);
    data += used;
    size -= used;
  }
}

/* ---------------------------------------------------------------- the loop */

/* False: the connection is over. */
static bool serve(conn *c, uint32_t events) {
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    do {
      ssize_t n = transport_read(c);
      if (n < 0) return false;
      if (n == 0) break;
      read_frames(c, input, (size_t)n);
    } while (c->tls && !c->closing);
  }
  return flush(c);
}

/* In front of a connection in epoll's data: its two listeners and standard input. */
enum { PLAIN, TLS, STDIN, MARKS };
static char marks[MARKS];

static void accept_all(int listener, bool tls) {
  for (int n = 0; n < 256; n++) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    conn *c = need(calloc(1, sizeof *c));
    c->fd = fd;
    c->watched = EPOLLIN;
    if (tls) {
      c->tls = need(SSL_new(tls_context));
      SSL_set_fd(c->tls, fd);
      SSL_set_accept_state(c->tls);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }
}

static int listen_on(char *mark, int *port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 4096) != 0)
    die("listen");
  if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) die("getsockname");
  *port = ntohs(address.sin_port);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = mark};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  return fd;
}

static EVP_PKEY *make_key(void) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *context = need(EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL));
  if (EVP_PKEY_keygen_init(context) != 1 ||
      EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) != 1 ||
      EVP_PKEY_keygen(context, &key) != 1)
    die("key");
  EVP_PKEY_CTX_free(context);
  return key;
}

static X509 *make_certificate(EVP_PKEY *key) {
  X509 *certificate = need(X509_new());
  X509_NAME *name = X509_get_subject_name(certificate);
  X509_EXTENSION *names =
      X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"wsclose bench", -1,
                             -1, 0);
  X509_set_issuer_name(certificate, name);
  if (!names || !X509_add_ext(certificate, names, -1) || !X509_sign(certificate, key, EVP_sha256()))
    die("certificate");
  X509_EXTENSION_free(names);
  return certificate;
}

static SSL_CTX *make_context(void) {
  SSL_CTX *context = need(SSL_CTX_new(TLS_server_method()));
  EVP_PKEY *key = make_key();
  X509 *certificate = make_certificate(key);
  if (!SSL_CTX_use_certificate(context, certificate) || !SSL_CTX_use_PrivateKey(context, key))
    die("certificate");
  X509_free(certificate);
  EVP_PKEY_free(key);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return context;
}

static bool stdin_ended(void) {
  char line[256];
  return read(0, line, sizeof line) <= 0;
}

static void run(const int listeners[2]) {
  struct epoll_event events[256];
  for (;;) {
    int count = epoll_wait(poller, events, 256, -1);
    for (int i = 0; i < count; i++) {
      char *mark = events[i].data.ptr;
      if (mark == &marks[STDIN]) {
        if (stdin_ended()) return;
      } else if (mark == &marks[PLAIN] || mark == &marks[TLS]) {
        accept_all(listeners[mark - marks], mark == &marks[TLS]);
      } else if (!serve(events[i].data.ptr, events[i].events)) {
        output.size = 0;
        conn_free(events[i].data.ptr);
      }
    }
  }
}

int main(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
  poller = epoll_create1(EPOLL_CLOEXEC);
  tls_context = make_context();
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &marks[STDIN]};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event) != 0) die("standard input is no pipe");
  int ports[2];
  int listeners[2] = {listen_on(&marks[PLAIN], &ports[PLAIN]), listen_on(&marks[TLS], &ports[TLS])};
  printf("%d %d\n", ports[PLAIN], ports[TLS]);
  fflush(stdout);
  run(listeners);
  return 0;
}
