/* Texts read from the front, in the memory of whoever was given them. */
#ifndef WSC_CORE_SLICE_H
#define WSC_CORE_SLICE_H

#include <string.h>

#include "ascii.h"

typedef struct wsc_slice {
  const char *data; /* NULL: there is no such part */
  size_t size;
} wsc_slice;

static inline void wsc_slice_drop(wsc_slice *slice, size_t size) {
  slice->data += size;
  slice->size -= size;
}

static inline bool wsc_slice_begins_with(wsc_slice slice, char c) {
  return slice.size > 0 && *slice.data == c;
}

static inline bool wsc_slice_holds(wsc_slice slice, char c) {
  return slice.size > 0 && memchr(slice.data, c, slice.size);
}

/* Takes what stands before the first of `stops`, or everything. */
static inline wsc_slice wsc_slice_take_until(wsc_slice *rest, const char *stops) {
  wsc_slice taken = *rest;
  for (; *stops; stops++) {
    const char *found = taken.size > 0 ? memchr(taken.data, *stops, taken.size) : NULL;
    if (found) taken.size = (size_t)(found - taken.data);
  }
  wsc_slice_drop(rest, taken.size);
  return taken;
}

/* Drops `prefix` (lower case) from the front, if it stands there in any case. */
static inline bool wsc_slice_drop_prefix(wsc_slice *rest, const char *prefix) {
  size_t size = strlen(prefix);
  if (rest->size < size || !wsc_equal_nocase(rest->data, prefix, size)) return false;
  wsc_slice_drop(rest, size);
  return true;
}

/* Takes the byte at the front, percent-decoded; -1: two hexadecimal digits do not follow the %. */
static inline int wsc_slice_take_decoded(wsc_slice *slice) {
  const char *data = slice->data;
  bool escaped = *data == '%', whole = slice->size >= 3;
  int high = escaped && whole ? wsc_hex_value(data[1]) : -1;
  int low = escaped && whole ? wsc_hex_value(data[2]) : -1;
  wsc_slice_drop(slice, !escaped ? 1 : whole ? 3 : slice->size);
  if (!escaped) return (unsigned char)*data;
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Digits only, `max` at the most; -1: something else, or nothing. */
static inline long wsc_slice_number(wsc_slice slice, long max) {
  long number = slice.size == 0 ? -1 : 0;
  for (size_t i = 0; i < slice.size && number >= 0; i++) {
    number = wsc_is_digit(slice.data[i]) ? number * 10 + (slice.data[i] - '0') : -1;
    if (number > max) return -1;
  }
  return number;
}

#endif
