/* Slices of a URL, and the small steps by which it is taken apart; for uri.c and uri_host.c. */
#ifndef WSC_CORE_URI_SLICE_H
#define WSC_CORE_URI_SLICE_H

#include "http.h"

#include <string.h>

typedef struct url_slice {
  const char *data; /* NULL: the URL has no such part */
  size_t size;
} url_slice;

static inline bool is_decimal(char c) {
  return c >= '0' && c <= '9';
}

static inline char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline void drop_front(url_slice *slice, size_t size) {
  slice->data += size;
  slice->size -= size;
}

static inline bool begins_with(url_slice slice, char c) {
  return slice.size > 0 && *slice.data == c;
}

static inline bool slice_holds(url_slice slice, char c) {
  return slice.size > 0 && memchr(slice.data, c, slice.size) != NULL;
}

/* Takes what stands before the first of `stops`, or everything. */
static inline url_slice take_until(url_slice *rest, const char *stops) {
  url_slice taken = {rest->data, 0};
  while (rest->size > 0 && memchr(stops, *rest->data, strlen(stops)) == NULL) {
    drop_front(rest, 1);
    taken.size++;
  }
  return taken;
}

/* Drops `prefix` (lower case) from the front, if it stands there in any case. */
static inline bool drop_prefix(url_slice *rest, const char *prefix) {
  size_t size = strlen(prefix);
  if (rest->size < size) return false;
  for (size_t i = 0; i < size; i++)
    if (ascii_lower(rest->data[i]) != prefix[i]) return false;
  drop_front(rest, size);
  return true;
}

#endif
