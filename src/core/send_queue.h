/* What waits for the transport: whole frames behind each other.  The queue is its own index: where
 * only some of the bytes leave, the heads of the frames they belong to are read again, so that it
 * always knows where the frame in flight ends. */
#ifndef WSC_CORE_SEND_QUEUE_H
#define WSC_CORE_SEND_QUEUE_H

#include "buf.h"
#include "frame.h"

typedef struct wsc_queue {
  wsc_buf buf;
  size_t front_left; /* bytes that are left of what is in flight; 0: the next byte begins a frame */
  bool front_is_data;     /* of what is in flight, while front_left > 0 */
  bool front_ends;        /* the same: it is the last frame of its message */
  uint64_t front_payload; /* payload begun to leave of the message that has not wholly left */
  uint64_t unfinished;    /* payload put in of the message whose last frame is not among it */
  uint64_t dropped;       /* payload bytes of data frames taken out again */
  uint64_t messages,
      messages_started; /* put in and not taken out again; of those: begun to leave */
  unsigned pongs;       /* in the queue, not yet begun */
  bool mask;            /* clients mask, servers do not: RFC 6455 5.1 */
} wsc_queue;

void wsc_queue_init(wsc_queue *queue, const wsc_platform *platform, bool mask);
void wsc_queue_free(wsc_queue *queue);

/* Bytes that are no frame (the handshake) were appended to queue->buf, which was empty. */
void wsc_queue_raw(wsc_queue *queue);

/* Makes room for a frame with a payload of `size` bytes at the most and chooses its mask: what may
 * fail of appending it.  False: no memory or no randomness; nothing has happened. */
bool wsc_queue_reserve(wsc_queue *queue, uint64_t size, uint8_t key[4]);

/* Appends a frame for which wsc_queue_reserve has made room, with frame->key as it chose it. */
void wsc_queue_put(wsc_queue *queue, const wsc_frame *frame, const void *payload);

/* n bytes left. */
void wsc_queue_done(wsc_queue *queue, size_t n);

/* Takes out all but the frame in flight. */
void wsc_queue_drop(wsc_queue *queue);

/* Of messages_started those of which the latest frame has left wholly. */
uint64_t wsc_queue_messages_written(const wsc_queue *queue);

/* Payload bytes of the messages that have not wholly left, those dropped among them. */
uint64_t wsc_queue_undelivered(const wsc_queue *queue);

#endif
