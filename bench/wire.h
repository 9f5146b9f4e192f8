/* The least that a client has to say and to read, for the floors of the benchmarks: a connected
 * socket, a handshake, heads of frames, a mask. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { WIRE_HEAD_MAX = 14, WIRE_KEY = 0x6b3f91d5, WIRE_CLOSE_SIZE = 8 };

static inline int wire_connect(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  bench_check(fd >= 0, "no socket");
  bench_check(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "cannot connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

/* The request; its size. */
static inline size_t wire_request(char *text, size_t room, const bench *b) {
  int size =
      snprintf(text, room,
               "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "Sec-WebSocket-Version: 13\r\n%s\r\n",
               b->path, b->port,
               bench_is(b, "inflate") ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
  return (size_t)size;
}

/* The answer is there and nothing behind it: the server speaks when it is spoken to. */
static inline bool wire_answered(const bench *b, const char *text, size_t size) {
  if (size < 4 || memcmp(text + size - 4, "\r\n\r\n", 4) != 0) return false;
  bench_check(memcmp(text, "HTTP/1.1 101 ", 13) == 0, "the handshake was refused");
  bench_check(!bench_is(b, "inflate") || strstr(text, "permessage-deflate"),
              "permessage-deflate was not agreed");
  return true;
}

/* Writes the head of a masked frame, its size. */
static inline size_t wire_write_head(uint8_t *out, uint8_t first, uint64_t size, uint32_t key) {
  size_t wide = size < 126 ? 0 : size < 65536 ? 2 : 8;
  out[0] = first;
  out[1] = (uint8_t)(128 | (wide == 0 ? size : wide == 2 ? 126 : 127));
  for (size_t i = 0; i < wide; i++) out[2 + i] = (uint8_t)(size >> (8 * (wide - 1 - i)));
  memcpy(out + 2 + wide, &key, 4);
  return 2 + wide + 4;
}

/* Reads a server's head: its size, or 0 if it is not complete. */
static inline size_t wire_read_head(const uint8_t *in, size_t size, uint64_t *payload) {
  size_t wide = size < 2 ? 0 : in[1] == 126 ? 2 : in[1] == 127 ? 8 : 0;
  if (size < 2 + wide || size < 2) return 0;
  *payload = wide == 0 ? in[1] : 0;
  for (size_t i = 0; i < wide; i++) *payload = *payload << 8 | in[2 + i];
  return 2 + wide;
}

typedef uint8_t wire_vector __attribute__((vector_size(16)));

static inline void wire_mask(uint8_t *out, const uint8_t *in, size_t size, uint32_t key) {
  uint8_t bytes[16];
  for (size_t i = 0; i < 16; i += 4) memcpy(bytes + i, &key, 4);
  wire_vector wide, block;
  memcpy(&wide, bytes, 16);
  size_t i = 0;
  for (; i + 16 <= size; i += 16) {
    memcpy(&block, in + i, 16);
    block ^= wide;
    memcpy(out + i, &block, 16);
  }
  for (; i < size; i++) out[i] = in[i] ^ bytes[i % 16];
}

/* A whole masked text frame; its size is that of the head and the message. */
static inline size_t wire_write_frame(uint8_t *out, const void *message, size_t size) {
  size_t head = wire_write_head(out, 0x81, size, WIRE_KEY);
  wire_mask(out + head, (const uint8_t *)message, size, WIRE_KEY);
  return head + size;
}

/* Close 1000, masked with zeros. */
static const uint8_t wire_close[WIRE_CLOSE_SIZE] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};

#endif
