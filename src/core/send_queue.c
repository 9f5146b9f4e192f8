#include "send_queue.h"

#include <assert.h>
#include <string.h>

#include "mask.h"

#include "hidden.h"

void wsc_queue_init(wsc_queue *queue, const wsc_platform *platform, bool mask) {
  *queue = (wsc_queue){.mask = mask};
  wsc_buf_init(&queue->buf, platform);
}

void wsc_queue_free(wsc_queue *queue) {
  wsc_buf_free(&queue->buf);
}

void wsc_queue_raw(wsc_queue *queue) {
  queue->front_left = wsc_buf_size(&queue->buf);
}

static bool begins_message(uint8_t opcode) {
  return opcode == WSC_OP_TEXT || opcode == WSC_OP_BINARY;
}

bool wsc_queue_reserve(wsc_queue *queue, uint64_t size, uint8_t key[4]) {
  const wsc_platform *platform = queue->buf.platform;
  if (size > SIZE_MAX - WSC_FRAME_HEAD_MAX) return false;
  return (!queue->mask || platform->random(platform->user, key, 4)) &&
         wsc_buf_reserve(&queue->buf, (size_t)size + WSC_FRAME_HEAD_MAX, NULL);
}

void wsc_queue_put(wsc_queue *queue, const wsc_frame *frame, const void *payload) {
  wsc_frame head = *frame;
  size_t size = (size_t)frame->size;
  head.masked = queue->mask;
  uint8_t *out = queue->buf.block + queue->buf.end;
  size_t head_size = wsc_frame_write_head(out, &head);
  if (size && head.masked)
    wsc_mask_copy(out + head_size, payload, size, head.key, 0);
  else if (size)
    memcpy(out + head_size, payload, size);
  wsc_buf_commit(&queue->buf, head_size + size);
  if (head.opcode == WSC_OP_PONG) queue->pongs++;
  if (begins_message(head.opcode)) queue->messages++;
  if (!wsc_opcode_is_control(head.opcode))
    queue->unfinished = head.fin ? 0 : queue->unfinished + size;
}

/* The size of the frame at `data`, which is whole since it was written here. */
static size_t frame_at(wsc_frame *frame, const uint8_t *data, size_t size) {
  const char *sentence;
  int head_size = wsc_frame_read_head(frame, data, size, &sentence);
  assert(head_size > 0);
  return (size_t)head_size + (size_t)frame->size;
}

static uint64_t message_payload(const wsc_frame *frame) {
  return wsc_opcode_is_control(frame->opcode) ? 0 : frame->size;
}

/* Nothing is left, so every frame has begun and ended: none need be looked at. */
static void take_all(wsc_queue *queue) {
  wsc_buf_consume(&queue->buf, wsc_buf_size(&queue->buf));
  queue->messages_started = queue->messages;
  queue->front_left = 0;
  queue->front_payload = queue->unfinished;
  queue->pongs = 0;
}

static void begin_frame(wsc_queue *queue, const uint8_t *data, size_t size) {
  wsc_frame frame;
  queue->front_left = frame_at(&frame, data, size);
  queue->front_payload += message_payload(&frame);
  queue->front_is_data = !wsc_opcode_is_control(frame.opcode);
  queue->front_ends = queue->front_is_data && frame.fin;
  if (begins_message(frame.opcode)) queue->messages_started++;
  if (frame.opcode == WSC_OP_PONG) queue->pongs--;
}

void wsc_queue_done(wsc_queue *queue, size_t n) {
  if (n == wsc_buf_size(&queue->buf)) {
    take_all(queue);
    return;
  }
  while (n > 0) {
    if (queue->front_left == 0)
      begin_frame(queue, wsc_buf_data(&queue->buf), wsc_buf_size(&queue->buf));
    size_t step = n < queue->front_left ? n : queue->front_left;
    wsc_buf_consume(&queue->buf, step);
    queue->front_left -= step;
    if (queue->front_left == 0 && queue->front_ends) queue->front_payload = 0;
    n -= step;
  }
}

/* The payload of the data frames behind the one in flight. */
static uint64_t waiting_payload(const wsc_queue *queue) {
  const uint8_t *data = wsc_buf_data(&queue->buf);
  size_t size = wsc_buf_size(&queue->buf);
  uint64_t payload = 0;
  for (size_t at = queue->front_left; at < size;) {
    wsc_frame frame;
    at += frame_at(&frame, data + at, size - at);
    payload += message_payload(&frame);
  }
  return payload;
}

void wsc_queue_drop(wsc_queue *queue) {
  queue->dropped += waiting_payload(queue);
  wsc_buf_truncate(&queue->buf, queue->front_left);
  queue->messages = queue->messages_started;
  queue->unfinished = queue->front_left && queue->front_ends ? 0 : queue->front_payload;
  queue->pongs = 0;
}

uint64_t wsc_queue_messages_written(const wsc_queue *queue) {
  bool in_flight = queue->front_left > 0 && queue->front_is_data;
  return queue->messages_started - (in_flight ? 1 : 0);
}

uint64_t wsc_queue_undelivered(const wsc_queue *queue) {
  return queue->dropped + queue->front_payload + waiting_payload(queue);
}
