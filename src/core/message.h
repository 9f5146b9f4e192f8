/* The message being received: fragments put together, inflated, its text checked byte by byte, its
 * limits kept. */
#ifndef WSC_CORE_MESSAGE_H
#define WSC_CORE_MESSAGE_H

#include "buf.h"
#include "utf8.h"
#include "frame.h"
#include "deflate.h"

typedef struct wsc_message {
  bool open; /* a first frame came and the last one did not; else `body` is the last message's,
                until the next begins */
  bool compressed; /* RSV1 on the first frame */
  uint8_t opcode;
  wsc_utf8_state utf8;
  uint32_t piece_size_max; /* 0: it is put together */
  size_t fragments;
  uint64_t wire_size; /* payload bytes announced by its frames so far */
  uint64_t given;     /* bytes of it that were taken in pieces */
  wsc_buf body;       /* what is put together, or the latest piece, inflated; unused while a message
                         comes whole in one plain frame */
} wsc_message;

/* piece_size_max: as in wsc_config. */
void wsc_message_init(wsc_message *message, const wsc_platform *platform, size_t piece_size_max);
void wsc_message_free(wsc_message *message);

/* Why a message was refused; `text` may be static or lie in `room`. */
typedef struct wsc_message_fault {
  const char *text;
  char room[112];
} wsc_message_fault;

/* Checks the head of a data frame and begins or continues the message.  WSC_ERR_PROTOCOL: RSV bits,
 * a stray or missing continuation; WSC_ERR_TOO_BIG: frame, message or fragments over their limits.
 */
int wsc_message_frame(wsc_message *message, const wsc_frame *frame, bool deflate,
                      const wsc_limits *limits, wsc_message_fault *fault);

/* May the payload be lent as it lies in the input: one plain frame is the whole message? */
static inline bool wsc_message_is_whole(const wsc_message *message, const wsc_frame *frame) {
  return frame->fin && message->fragments == 1 && !message->compressed &&
         message->piece_size_max == 0;
}

/* Checks more bytes of a text that is lent.  WSC_OK or WSC_ERR_UTF8; `last`: they end the message.
 */
int wsc_message_check(wsc_message *message, const uint8_t *data, size_t size, bool last,
                      wsc_message_fault *fault);

/* Adds more payload bytes, inflated where the message is compressed.  `last`: they end the message.
 * WSC_ERR_UTF8, WSC_ERR_TOO_BIG, WSC_ERR_DEFLATE or WSC_ERR_MEMORY; of two faults the one nearer to
 * the front is reported. */
int wsc_message_add(wsc_message *message, wsc_deflate *deflate, const uint8_t *data, size_t size,
                    bool last, uint64_t size_max, wsc_message_fault *fault);

/* A piece of a message. */
typedef struct wsc_piece {
  const uint8_t *data; /* in the payload it was made of, or in the message's body */
  size_t size;
  size_t taken; /* bytes of that payload that are used up */
} wsc_piece;

/* Makes the next piece out of the payload bytes that are there.  It may be full before they are
 * used up, or while wsc_deflate_holds more of them: the next one goes on there.  `last`: they end
 * the message.  Errors as wsc_message_add. */
int wsc_message_take(wsc_message *message, wsc_deflate *deflate, const uint8_t *data, size_t size,
                     bool last, uint64_t size_max, wsc_piece *piece, wsc_message_fault *fault);

/* The message is whole. */
static inline void wsc_message_end(wsc_message *message) {
  message->open = false;
}

#endif
