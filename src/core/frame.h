/* The head of a frame, RFC 6455 5.2. */
#ifndef WSC_CORE_FRAME_H
#define WSC_CORE_FRAME_H

#include "wsclose.h"

enum {
  WSC_OP_CONTINUATION = 0x0,
  WSC_OP_TEXT = 0x1,
  WSC_OP_BINARY = 0x2,
  WSC_OP_CLOSE = 0x8,
  WSC_OP_PING = 0x9,
  WSC_OP_PONG = 0xA
};

#define WSC_FRAME_HEAD_MAX      14
#define WSC_CONTROL_PAYLOAD_MAX 125

typedef struct wsc_frame {
  bool fin;
  uint8_t rsv;    /* three bits: RSV1 is 4, RSV2 is 2, RSV3 is 1 */
  uint8_t opcode; /* 0-15 */
  bool masked;
  uint8_t key[4];
  uint64_t size; /* of the payload */
} wsc_frame;

static inline bool wsc_opcode_is_control(unsigned opcode) {
  return (opcode & 8) != 0;
}

/* Reads a head.  Returns its size in bytes; 0: more bytes are needed and what is there can become a
 * head; WSC_ERR_PROTOCOL: a fault that one frame alone shows: reserved opcode, non-minimal or
 * 64-bit length, a control frame that is fragmented or over 125 bytes.  *sentence then names it
 * (static text).  A fault is found at the earliest byte that proves it, so that cutting the bytes
 * anywhere gives the same fault.  RSV bits, masking and continuation depend on the connection and
 * are not checked here. */
int wsc_frame_read_head(wsc_frame *frame, const uint8_t *data, size_t size, const char **sentence);

/* The size of the head that wsc_frame_write_head will write. */
size_t wsc_frame_head_size(uint64_t size, bool masked);

/* Writes a head in its shortest form; returns its size. */
size_t wsc_frame_write_head(uint8_t head[WSC_FRAME_HEAD_MAX], const wsc_frame *frame);

#endif
