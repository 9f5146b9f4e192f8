#include "message.h"

void wsc_message_init(wsc_message *message, const wsc_platform *platform) {
  *message = (wsc_message){0};
  wsc_buf_init(&message->body, platform);
}

void wsc_message_free(wsc_message *message) {
  wsc_buf_free(&message->body);
}

void wsc_message_clear(wsc_message *message) {
  wsc_buf body = message->body;
  wsc_buf_truncate(&body, 0);
  *message = (wsc_message){.body = body};
}

static int judge_sequence(const wsc_message *message, const wsc_frame *frame, bool deflate,
                          const char **sentence) {
  bool first = frame->opcode != WSC_OP_CONTINUATION;
  if (first && message->open) {
    *sentence = "a new message began before the last one was finished";
    return WSC_ERR_PROTOCOL;
  }
  if (!first && !message->open) {
    *sentence = "a continuation frame came without a message to continue";
    return WSC_ERR_PROTOCOL;
  }
  /* RFC 7692 6: RSV1 marks the first frame of a compressed message and no other */
  uint8_t allowed = deflate && first ? 4 : 0;
  if (frame->rsv & (unsigned)~allowed) {
    *sentence = "a reserved bit is set that no extension gave a meaning";
    return WSC_ERR_PROTOCOL;
  }
  return WSC_OK;
}

/* What does not compress grows by zlib's block heads, 5 bytes for 16 KiB: a message within its
 * limit must not fail for that. */
static uint64_t frame_size_max(const wsc_message *message, const wsc_limits *limits) {
  uint64_t max = limits->frame_size_max;
  return message->compressed ? max + (max >> 10) + 16 : max;
}

static int judge_size(const wsc_message *message, const wsc_frame *frame, const wsc_limits *limits,
                      const char **sentence) {
  if (frame->size > frame_size_max(message, limits)) {
    *sentence = "a frame is larger than limits.frame";
    return WSC_ERR_TOO_BIG;
  }
  /* compressed bytes say little about the message's size; what they inflate to is counted as it
   * comes */
  if (!message->compressed && message->wire_size > limits->message_size_max) {
    *sentence = "a message is larger than limits.message";
    return WSC_ERR_TOO_BIG;
  }
  if (message->fragments > limits->fragments_max) {
    *sentence = "a message has more frames than limits.fragments";
    return WSC_ERR_TOO_BIG;
  }
  return WSC_OK;
}

int wsc_message_frame(wsc_message *message, const wsc_frame *frame, bool deflate,
                      const wsc_limits *limits, const char **sentence) {
  int result = judge_sequence(message, frame, deflate, sentence);
  if (result != WSC_OK) return result;
  if (!message->open) {
    message->open = true;
    message->opcode = frame->opcode;
    message->compressed = (frame->rsv & 4) != 0;
  }
  message->fragments++;
  /* frame sizes stay under 2^63 and earlier ones passed the limits: no overflow */
  message->wire_size += frame->size;
  return judge_size(message, frame, limits, sentence);
}

int wsc_message_check(wsc_message *message, const uint8_t *data, size_t size, bool last,
                      const char **sentence) {
  if (message->opcode != WSC_OP_TEXT) return WSC_OK;
  message->utf8 = wsc_utf8_check(message->utf8, data, size);
  if (message->utf8 == WSC_UTF8_REJECT || (last && message->utf8 != WSC_UTF8_ACCEPT)) {
    *sentence = "a text message is not valid UTF-8";
    return WSC_ERR_UTF8;
  }
  return WSC_OK;
}

static int inflate_more(wsc_message *message, wsc_deflate *deflate, const uint8_t *data,
                        size_t size, bool last, size_t size_max, const char **sentence) {
  size_t before = wsc_buf_size(&message->body);
  int result = wsc_deflate_inflate(deflate, &message->body, data, size, last, size_max, sentence);
  if (result == WSC_ERR_TOO_BIG) *sentence = "a message inflates to more than limits.message";
  if (result == WSC_ERR_MEMORY) return result;
  /* a fault in the text stands before the fault that stopped inflating; the byte past the limit is
   * not looked at */
  size_t after = wsc_buf_size(&message->body);
  if (after > size_max) after = size_max;
  const char *text_sentence = NULL;
  const uint8_t *text = after > before ? wsc_buf_data(&message->body) + before : NULL;
  int text_result = wsc_message_check(message, text, after > before ? after - before : 0,
                                      last && result == WSC_OK, &text_sentence);
  if (text_result == WSC_OK) return result;
  *sentence = text_sentence;
  return text_result;
}

int wsc_message_add(wsc_message *message, wsc_deflate *deflate, const uint8_t *data, size_t size,
                    bool last, size_t size_max, const char **sentence) {
  if (message->compressed)
    return inflate_more(message, deflate, data, size, last, size_max, sentence);
  int result = wsc_message_check(message, data, size, last, sentence);
  if (result != WSC_OK) return result;
  return wsc_buf_append(&message->body, data, size) ? WSC_OK : WSC_ERR_MEMORY;
}
