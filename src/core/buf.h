/* A byte queue: bytes are put in at the end and taken from the front.  Memory comes from the
 * platform. */
#ifndef WSC_CORE_BUF_H
#define WSC_CORE_BUF_H

#include <assert.h>

#include "wsclose.h"

typedef struct wsc_buf {
  const wsc_platform *platform; /* borrowed */
  uint8_t *block;               /* owned; NULL while empty and never grown */
  size_t start, end, capacity;  /* bytes [start, end) of block are held */
} wsc_buf;

void wsc_buf_init(wsc_buf *buf, const wsc_platform *platform);
void wsc_buf_free(wsc_buf *buf); /* empty and without memory afterwards; may be used again */

static inline size_t wsc_buf_size(const wsc_buf *buf) {
  return buf->end - buf->start;
}
static inline uint8_t *wsc_buf_data(const wsc_buf *buf) {
  return buf->block ? buf->block + buf->start : NULL;
}

/* Lends at least `size` bytes of room behind the end; how much there is stands in *room (may be
 * NULL).  Moves the held bytes to the front where that pays, else grows by doubling.  NULL: no
 * memory, nothing changed. */
uint8_t *wsc_buf_reserve(wsc_buf *buf, size_t size, size_t *room);

/* Like wsc_buf_reserve, but moves whenever that is enough, else grows to just what is needed: for a
 * size known beforehand. */
uint8_t *wsc_buf_reserve_exact(wsc_buf *buf, size_t size);

/* The borrower of the room wrote `size` bytes there (asserted: room was there). */
static inline void wsc_buf_commit(wsc_buf *buf, size_t size) {
  assert(size <= buf->capacity - buf->end);
  buf->end += size;
}

/* Takes `size` bytes from the front (asserted: they are held).  An empty queue starts over at the
 * block's front, so that one drained in time never moves a byte. */
static inline void wsc_buf_consume(wsc_buf *buf, size_t size) {
  assert(size <= wsc_buf_size(buf));
  buf->start += size;
  if (buf->start == buf->end) buf->start = buf->end = 0;
}

/* Keeps the first `size` held bytes (asserted: they are held). */
static inline void wsc_buf_truncate(wsc_buf *buf, size_t size) {
  assert(size <= wsc_buf_size(buf));
  buf->end = buf->start + size;
  if (size == 0) buf->start = buf->end = 0;
}

/* Gives the block away in which the first `size` bytes lie (asserted: they are held), with a NUL
 * behind them; *data is where they begin.  The caller owns it; what is held behind them goes on in
 * another block.  NULL, and all is as it was: there is no memory, or it does not pay, for they fill
 * less than half of the block, or more than a quarter of them would have to be moved. */
uint8_t *wsc_buf_take(wsc_buf *buf, size_t size, const uint8_t **data);

/* The platform's spare block, which has WSC_SPARE_SIZE bytes, by turns: a message of 64 KiB, its
 * frame's head and a NUL have room in it.  glibc would give one anew at no cost; musl maps and
 * unmaps it, which takes 8 us for each read.
 *
 * It is no whole number of messages of 4 KiB, nor is twice that: reads that end with a frame each
 * time fall into step with a peer on the same core, and both then work on twice as many bytes, out
 * of their caches (an echo of 4 KiB took half as much again). */
#define WSC_SPARE_SIZE ((64u << 10) + 96)
void wsc_spare_join(const wsc_platform *platform);
void wsc_spare_leave(const wsc_platform *platform); /* the last one out gives the block back */
void wsc_spare_free(const wsc_platform *platform);  /* until it is needed again */

/* For a queue without memory; one that finds nothing to borrow grows as usual. */
static inline void wsc_buf_borrow_spare(wsc_buf *buf) {
  wsc_spare *spare = buf->platform->spare;
  if (!spare || !spare->block) return;
  buf->block = spare->block;
  buf->capacity = WSC_SPARE_SIZE;
  spare->block = NULL;
}

/* For an empty queue (asserted).  A block of another size, or of a platform without a spare, stays
 * where it is. */
static inline void wsc_buf_return_spare(wsc_buf *buf) {
  wsc_spare *spare = buf->platform->spare;
  assert(buf->end == 0);
  if (buf->capacity != WSC_SPARE_SIZE || !spare) return;
  if (spare->block) {
    wsc_buf_free(buf);
    return;
  }
  spare->block = buf->block;
  buf->block = NULL;
  buf->capacity = 0;
}

void wsc_buf_drop(wsc_buf *buf); /* as wsc_buf_free, for a queue that may have borrowed its block */

bool wsc_buf_append(wsc_buf *buf, const void *data, size_t size);
bool wsc_buf_append_string(wsc_buf *buf, const char *text);

/* All of them, which NULL ends, or none: a secret leaves no copy behind where a block has grown in
 * their midst. */
bool wsc_buf_append_strings(wsc_buf *buf, const char *const *texts);

/* Memory for small owned things, zeroed where new; the platform's resize with an overflow check. */
void *wsc_alloc(const wsc_platform *platform, size_t count,
                size_t size); /* zeroed; NULL: no memory or overflow */
void wsc_release(const wsc_platform *platform,
                 const void *block); /* NULL is fine, and then asks no platform */
void wsc_wipe(void *block,
              size_t size); /* zeros that no compiler leaves out: it is a secret's end */
char *wsc_copy_string(const wsc_platform *platform, const char *data,
                      size_t size); /* NUL added; NULL: no memory */

/* *copy becomes a copy of `text`, and stays as it is for NULL.  False: no memory. */
bool wsc_keep_string(const wsc_platform *platform, char **copy, const char *text);

#endif
