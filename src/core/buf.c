/* A byte queue and the small allocations of the core: see buf.h. */
#include "buf.h"

#include <string.h>

#include "hidden.h"

#define BUF_CAPACITY_MIN 256

void wsc_buf_init(wsc_buf *buf, const wsc_platform *platform) {
  *buf = (wsc_buf){.platform = platform};
}

void wsc_buf_free(wsc_buf *buf) {
  wsc_release(buf->platform, buf->block);
  wsc_buf_init(buf, buf->platform);
}

static void move_to_front(wsc_buf *buf) {
  if (buf->start == 0) return;
  memmove(buf->block, buf->block + buf->start, wsc_buf_size(buf));
  buf->end -= buf->start;
  buf->start = 0;
}

/* The block is resized before anything moves: a failure must leave lent bytes where they are. */
static bool grow_to(wsc_buf *buf, size_t capacity) {
  uint8_t *block = buf->platform->resize(buf->platform->user, buf->block, capacity);
  if (!block) return false;
  buf->block = block;
  buf->capacity = capacity;
  move_to_front(buf);
  return true;
}

/* Bytes needed to hold what is held and `size` more; 0: more than can be addressed. */
static size_t capacity_for(const wsc_buf *buf, size_t size) {
  size_t held = wsc_buf_size(buf);
  return size > SIZE_MAX - held ? 0 : held + size;
}

static bool has_room(const wsc_buf *buf, size_t size) {
  return buf->block && size <= buf->capacity - buf->end;
}

static size_t doubled(const wsc_buf *buf, size_t needed) {
  size_t capacity = buf->capacity * 2; /* what overflows is less than is needed */
  if (capacity < BUF_CAPACITY_MIN) capacity = BUF_CAPACITY_MIN;
  return capacity < needed ? needed : capacity;
}

/* Moving is worth it once a quarter of the block lies idle in front; below that, a long queue that
 * is drained and filled in small steps would be moved whole for each of them. */
static bool make_room(wsc_buf *buf, size_t size) {
  size_t needed = capacity_for(buf, size);
  bool fits = needed != 0 && buf->block && needed <= buf->capacity;
  if (needed == 0 && size != 0) return false;
  if (fits && buf->start >= buf->capacity / 4) {
    move_to_front(buf);
    return true;
  }
  if (grow_to(buf, doubled(buf, needed))) return true;
  if (fits) move_to_front(buf);
  return fits;
}

uint8_t *wsc_buf_reserve(wsc_buf *buf, size_t size, size_t *room) {
  if (!has_room(buf, size) && !make_room(buf, size)) return NULL;
  if (room) *room = buf->capacity - buf->end;
  return buf->block + buf->end;
}

uint8_t *wsc_buf_reserve_exact(wsc_buf *buf, size_t size) {
  if (!has_room(buf, size)) {
    size_t needed = capacity_for(buf, size);
    if (needed == 0 && size != 0) return NULL;
    if (buf->block && needed <= buf->capacity)
      move_to_front(buf);
    else if (!grow_to(buf, needed == 0 ? 1 : needed))
      return NULL;
  }
  return buf->block + buf->end;
}

uint8_t *wsc_buf_take(wsc_buf *buf, size_t size, const uint8_t **data) {
  assert(size <= wsc_buf_size(buf));
  size_t behind = wsc_buf_size(buf) - size;
  if (size < buf->capacity / 2 || behind > size / 4) return NULL;
  wsc_buf rest;
  wsc_buf_init(&rest, buf->platform);
  if (behind == 0 && !wsc_buf_reserve_exact(buf, 1)) return NULL;
  if (!wsc_buf_append(&rest, buf->block + buf->start + size, behind)) return NULL;
  uint8_t *block = buf->block, *begin = block + buf->start;
  begin[size] = '\0';
  *data = begin;
  *buf = rest;
  return block;
}

/* ---------------------------------------------------------------- the spare block */

void wsc_spare_join(const wsc_platform *platform) {
  if (platform->spare) platform->spare->users++;
}

void wsc_spare_free(const wsc_platform *platform) {
  wsc_spare *spare = platform->spare;
  if (!spare || !spare->block) return;
  wsc_release(platform, spare->block);
  spare->block = NULL;
}

void wsc_spare_leave(const wsc_platform *platform) {
  if (platform->spare && --platform->spare->users == 0) wsc_spare_free(platform);
}

void wsc_buf_drop(wsc_buf *buf) {
  wsc_buf_truncate(buf, 0);
  wsc_buf_return_spare(buf);
  wsc_buf_free(buf);
}

/* ---------------------------------------------------------------- small things */

bool wsc_buf_append(wsc_buf *buf, const void *data, size_t size) {
  if (size == 0) return true;
  uint8_t *room = wsc_buf_reserve(buf, size, NULL);
  if (!room) return false;
  memcpy(room, data, size);
  wsc_buf_commit(buf, size);
  return true;
}

bool wsc_buf_append_string(wsc_buf *buf, const char *text) {
  return wsc_buf_append(buf, text, strlen(text));
}

bool wsc_buf_append_strings(wsc_buf *buf, const char *const *texts) {
  size_t size = 0;
  for (size_t i = 0; texts[i]; i++) size += strlen(texts[i]);
  uint8_t *room = wsc_buf_reserve(buf, size, NULL);
  if (!room) return false;
  wsc_buf_commit(buf, size);
  for (; *texts; room += strlen(*texts++)) memcpy(room, *texts, strlen(*texts));
  return true;
}

void *wsc_alloc(const wsc_platform *platform, size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  size_t total = count * size;
  if (total == 0) total = 1; /* size 0 would ask the platform to free */
  void *block = platform->resize(platform->user, NULL, total);
  if (block) memset(block, 0, total);
  return block;
}

/* What is const to those who read it is not so to its owner. */
void wsc_release(const wsc_platform *platform, const void *block) {
  union {
    const void *given;
    void *owned;
  } pointer = {block};
  if (block) platform->resize(platform->user, pointer.owned, 0);
}

void wsc_wipe(void *block, size_t size) {
  volatile uint8_t *bytes = block;
  while (size > 0) bytes[--size] = 0;
}

char *wsc_copy_string(const wsc_platform *platform, const char *data, size_t size) {
  if (size == SIZE_MAX) return NULL;
  char *copy = platform->resize(platform->user, NULL, size + 1);
  if (!copy) return NULL;
  if (size != 0) memcpy(copy, data, size);
  copy[size] = '\0';
  return copy;
}

bool wsc_keep_string(const wsc_platform *platform, char **copy, const char *text) {
  if (!text) return true;
  *copy = wsc_copy_string(platform, text, strlen(text));
  return *copy != NULL;
}
