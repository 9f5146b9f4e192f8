/* Bytes as ASCII has them, whatever the locale. */
#ifndef WSC_CORE_ASCII_H
#define WSC_CORE_ASCII_H

#include <stdbool.h>
#include <stddef.h>

static inline bool wsc_is_digit(char c) {
  return c >= '0' && c <= '9';
}

static inline char wsc_lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool wsc_is_letter(char c) {
  return wsc_lower(c) >= 'a' && wsc_lower(c) <= 'z';
}

static inline bool wsc_equal_nocase(const char *a, const char *b, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (wsc_lower(a[i]) != wsc_lower(b[i])) return false;
  return true;
}

/* 0 to 15, or -1: no hexadecimal digit. */
static inline int wsc_hex_value(char c) {
  if (wsc_is_digit(c)) return c - '0';
  c = wsc_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
