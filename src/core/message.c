#include "message.h"

#include <stdio.h>

#include "hidden.h"

void wsc_message_init(wsc_message *message, const wsc_platform *platform, size_t piece_size_max) {
  uint32_t max = piece_size_max < UINT32_MAX ? (uint32_t)piece_size_max : UINT32_MAX;
  *message = (wsc_message){.piece_size_max = max};
  wsc_buf_init(&message->body, platform);
}

void wsc_message_free(wsc_message *message) {
  wsc_buf_free(&message->body);
}

static int check_sequence(const wsc_message *message, const wsc_frame *frame, bool deflate,
                          wsc_message_fault *fault) {
  bool first = frame->opcode != WSC_OP_CONTINUATION;
  if (first && message->open) {
    fault->text = "a new message began before the last one was finished";
    return WSC_ERR_PROTOCOL;
  }
  if (!first && !message->open) {
    fault->text = "a continuation frame came without a message to continue";
    return WSC_ERR_PROTOCOL;
  }
  /* RFC 7692 6: RSV1 marks the first frame of a compressed message and no other */
  uint8_t allowed = deflate && first ? 4 : 0;
  if (frame->rsv & (unsigned)~allowed) {
    fault->text = "a reserved bit is set that no extension gave a meaning";
    return WSC_ERR_PROTOCOL;
  }
  return WSC_OK;
}

static int too_big(wsc_message_fault *fault, const char *what, uint64_t size, const char *limit,
                   uint64_t max) {
  snprintf(fault->room, sizeof fault->room, "%s of %llu bytes is larger than %s (%llu)", what,
           (unsigned long long)size, limit, (unsigned long long)max);
  fault->text = fault->room;
  return WSC_ERR_TOO_BIG;
}

/* What does not compress grows: a message within its limit must not fail for that.  zlib adds block
 * heads, 5 bytes for 16 KiB; other compressors spread it more. */
static uint64_t frame_size_max(const wsc_message *message, const wsc_limits *limits) {
  uint64_t max = limits->frame_size_max;
  return message->compressed && max < UINT64_MAX / 2 ? max + (max >> 4) + 16 : max;
}

static int check_size(const wsc_message *message, const wsc_frame *frame, const wsc_limits *limits,
                      wsc_message_fault *fault) {
  uint64_t frame_max = frame_size_max(message, limits);
  if (frame->size > frame_max)
    return too_big(fault, "a frame", frame->size, "limits.frame", frame_max);
  /* compressed bytes say little about the message's size; what they inflate to is counted as it
   * comes */
  if (!message->compressed && message->wire_size > limits->message_size_max)
    return too_big(fault, "a message", message->wire_size, "limits.message",
                   limits->message_size_max);
  if (message->fragments <= limits->fragments_max) return WSC_OK;
  snprintf(fault->room, sizeof fault->room, "a message has more frames than limits.fragments (%zu)",
           limits->fragments_max);
  fault->text = fault->room;
  return WSC_ERR_TOO_BIG;
}

static void begin_message(wsc_message *message, const wsc_frame *frame) {
  message->open = true;
  message->opcode = frame->opcode;
  message->compressed = (frame->rsv & 4) != 0;
  message->utf8 = WSC_UTF8_ACCEPT;
  message->fragments = 0;
  message->wire_size = message->given = 0;
  wsc_buf_truncate(&message->body, 0);
}

int wsc_message_frame(wsc_message *message, const wsc_frame *frame, bool deflate,
                      const wsc_limits *limits, wsc_message_fault *fault) {
  int result = check_sequence(message, frame, deflate, fault);
  if (result != WSC_OK) return result;
  if (!message->open) begin_message(message, frame);
  message->fragments++;
  /* frame sizes stay under 2^63, and the bytes of earlier ones have come: no overflow */
  message->wire_size += frame->size;
  return check_size(message, frame, limits, fault);
}

int wsc_message_check(wsc_message *message, const uint8_t *data, size_t size, bool last,
                      wsc_message_fault *fault) {
  if (message->opcode != WSC_OP_TEXT) return WSC_OK;
  message->utf8 = wsc_utf8_check(message->utf8, data, size);
  if (message->utf8 == WSC_UTF8_REJECT || (last && message->utf8 != WSC_UTF8_ACCEPT)) {
    fault->text = "a text message is not valid UTF-8";
    return WSC_ERR_UTF8;
  }
  return WSC_OK;
}

/* size: afterwards the bytes that are left, because a piece is full. */
static int inflate_more(wsc_message *message, wsc_deflate *deflate, const uint8_t *data,
                        size_t *size, bool last, uint64_t size_max, wsc_message_fault *fault) {
  size_t before = wsc_buf_size(&message->body);
  uint64_t left = size_max - message->given;
  wsc_inflate_room room = {.most = message->piece_size_max ? message->piece_size_max : SIZE_MAX,
                           .limit = left < SIZE_MAX ? (size_t)left : SIZE_MAX};
  int result = wsc_deflate_inflate(deflate, &message->body, data, size, last, &room, &fault->text);
  if (result == WSC_ERR_TOO_BIG) {
    snprintf(fault->room, sizeof fault->room,
             "a message inflates to more than limits.message (%llu)", (unsigned long long)size_max);
    fault->text = fault->room;
  }
  if (result == WSC_ERR_MEMORY) return result;
  /* a fault in the text stands before the fault that stopped inflating; the byte past the limit is
   * not looked at */
  size_t after = wsc_buf_size(&message->body);
  if (after > room.limit) after = room.limit;
  wsc_message_fault text_fault;
  const uint8_t *text = after > before ? wsc_buf_data(&message->body) + before : NULL;
  int text_result = wsc_message_check(message, text, after > before ? after - before : 0,
                                      last && result == WSC_OK, &text_fault);
  if (text_result == WSC_OK) return result;
  fault->text = text_fault.text;
  return text_result;
}

int wsc_message_add(wsc_message *message, wsc_deflate *deflate, const uint8_t *data, size_t size,
                    bool last, uint64_t size_max, wsc_message_fault *fault) {
  if (message->compressed)
    return inflate_more(message, deflate, data, &size, last, size_max, fault);
  int result = wsc_message_check(message, data, size, last, fault);
  if (result != WSC_OK) return result;
  return wsc_buf_append(&message->body, data, size) ? WSC_OK : WSC_ERR_MEMORY;
}

static int take_plain(wsc_message *message, const uint8_t *data, size_t size, bool last,
                      wsc_piece *piece, wsc_message_fault *fault) {
  size_t taken = size < message->piece_size_max ? size : message->piece_size_max;
  *piece = (wsc_piece){.data = data, .size = taken, .taken = taken};
  return wsc_message_check(message, data, taken, last && taken == size, fault);
}

static int take_inflated(wsc_message *message, wsc_deflate *deflate, const uint8_t *data,
                         size_t size, bool last, uint64_t size_max, wsc_piece *piece,
                         wsc_message_fault *fault) {
  size_t left = size;
  wsc_buf_truncate(&message->body, 0);
  int result = inflate_more(message, deflate, data, &left, last, size_max, fault);
  *piece = (wsc_piece){.data = wsc_buf_data(&message->body),
                       .size = wsc_buf_size(&message->body),
                       .taken = size - left};
  return result == WSC_AGAIN ? WSC_OK : result;
}

int wsc_message_take(wsc_message *message, wsc_deflate *deflate, const uint8_t *data, size_t size,
                     bool last, uint64_t size_max, wsc_piece *piece, wsc_message_fault *fault) {
  int result = message->compressed
                   ? take_inflated(message, deflate, data, size, last, size_max, piece, fault)
                   : take_plain(message, data, size, last, piece, fault);
  message->given += piece->size;
  return result;
}
