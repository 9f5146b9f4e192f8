/* The head of a frame, RFC 6455 5.2: see frame.h.
 *
 * Reading goes byte by byte through the rules, in the order the bytes stand on the wire, so that a
 * head cut anywhere shows the same first fault as a whole one. */
#include "frame.h"

#include <assert.h>
#include <string.h>

#include "hidden.h"

enum { LENGTH_16 = 126, LENGTH_64 = 127 };

/* RFC 6455 5.2: 3-7 and B-F are reserved.  5.5: control frames are never fragmented. */
static const char *first_byte_fault(unsigned byte) {
  if ((byte & 7) > 2) return "a frame has a reserved opcode";
  if (wsc_opcode_is_control(byte) && (byte & 0x80) == 0) return "a control frame is fragmented";
  return NULL;
}

static const char *second_byte_fault(unsigned first, unsigned byte) {
  if (wsc_opcode_is_control(first) && (byte & 0x7F) > WSC_CONTROL_PAYLOAD_MAX)
    return "a control frame is longer than 125 bytes";
  return NULL;
}

/* RFC 6455 5.2: the shortest form is a must.  One zero byte of two may still begin 126-255. */
static const char *length_16_fault(const uint8_t *length, size_t size) {
  if (size >= 2 && length[0] == 0 && length[1] < LENGTH_16)
    return "a frame's length is not in its shortest form";
  return NULL;
}

/* Six zero bytes leave at most 65535, which the 16-bit form holds. */
static const char *length_64_fault(const uint8_t *length, size_t size) {
  static const uint8_t zeros[6] = {0};
  if (size >= 1 && (length[0] & 0x80) != 0)
    return "a frame's 64-bit length has its highest bit set";
  if (size >= sizeof zeros && memcmp(length, zeros, sizeof zeros) == 0)
    return "a frame's length is not in its shortest form";
  return NULL;
}

static const char *head_fault(const uint8_t *data, size_t size) {
  const char *fault = size >= 1 ? first_byte_fault(data[0]) : NULL;
  if (fault || size < 2) return fault;
  fault = second_byte_fault(data[0], data[1]);
  if (fault) return fault;
  unsigned length = data[1] & 0x7F;
  if (length == LENGTH_16) return length_16_fault(data + 2, size - 2);
  if (length == LENGTH_64) return length_64_fault(data + 2, size - 2);
  return NULL;
}

static uint64_t read_big_endian(const uint8_t *bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; i++) value = value << 8 | bytes[i];
  return value;
}

/* How many bytes of length follow the second byte. */
static size_t length_bytes(unsigned second) {
  unsigned length = second & 0x7F;
  return length < LENGTH_16 ? 0 : length == LENGTH_16 ? 2 : 8;
}

int wsc_frame_read_head(wsc_frame *frame, const uint8_t *data, size_t size, const char **sentence) {
  const char *fault = head_fault(data, size);
  if (fault) {
    *sentence = fault;
    return WSC_ERR_PROTOCOL;
  }
  if (size < 2) return 0;
  bool masked = (data[1] & 0x80) != 0;
  size_t extended = length_bytes(data[1]);
  size_t head_size = 2 + extended + (masked ? 4 : 0);
  if (size < head_size) return 0;
  frame->fin = (data[0] & 0x80) != 0;
  frame->rsv = data[0] >> 4 & 7;
  frame->opcode = data[0] & 0xF;
  frame->masked = masked;
  frame->size = extended == 0 ? data[1] & 0x7Fu : read_big_endian(data + 2, extended);
  if (masked)
    memcpy(frame->key, data + 2 + extended, 4);
  else
    memset(frame->key, 0, 4);
  return (int)head_size;
}

size_t wsc_frame_head_size(uint64_t size, bool masked) {
  size_t extended = size < LENGTH_16 ? 0 : size <= UINT16_MAX ? 2 : 8;
  return 2 + extended + (masked ? 4 : 0);
}

static size_t write_length(uint8_t *head, uint64_t size) {
  if (size < LENGTH_16) {
    head[1] = (uint8_t)size;
    return 2;
  }
  size_t count = size <= UINT16_MAX ? 2 : 8;
  head[1] = count == 2 ? LENGTH_16 : LENGTH_64;
  for (size_t i = count; i > 0; i--, size >>= 8) head[1 + i] = (uint8_t)size;
  return 2 + count;
}

size_t wsc_frame_write_head(uint8_t head[WSC_FRAME_HEAD_MAX], const wsc_frame *frame) {
  assert(!first_byte_fault(frame->opcode | (frame->fin ? 0x80u : 0)));
  assert(!wsc_opcode_is_control(frame->opcode) || frame->size <= WSC_CONTROL_PAYLOAD_MAX);
  assert(frame->rsv <= 7 && frame->size <= INT64_MAX);
  head[0] = (uint8_t)((frame->fin ? 0x80 : 0) | frame->rsv << 4 | frame->opcode);
  size_t written = write_length(head, frame->size);
  if (frame->masked) {
    head[1] |= 0x80;
    memcpy(head + written, frame->key, 4);
    written += 4;
  }
  return written;
}
