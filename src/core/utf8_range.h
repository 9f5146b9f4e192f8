/* UTF-8 by ranges: many bytes at a time, for texts that are not plain ASCII.  A part of utf8. */
#ifndef WSC_CORE_UTF8_RANGE_H
#define WSC_CORE_UTF8_RANGE_H

#include "cpu.h"
#include "wsclose.h"

#if defined(WSC_CPU_HAS_SSSE3) || defined(WSC_CPU_HAS_NEON)
#define WSC_UTF8_HAS_RANGE

/* The least text, from its very first byte, that wsc_utf8_range takes: a vector and three bytes. */
#define WSC_UTF8_RANGE_SIZE_MIN 19

static inline bool wsc_utf8_can_range(void) {
#if defined(WSC_CPU_HAS_SSSE3)
  return wsc_cpu_ssse3();
#else
  return true;
#endif
}

/* Is each byte of data[0 … end) one that may follow those before it, but for the two things that
 * show only when a byte comes behind them: the last character may be unfinished, and the last byte
 * may be one that begins no character (C0, C1, F5 … FF).  At `data` a character begins; at least
 * three bytes that were found right stand before it, and `end` is WSC_UTF8_RANGE_SIZE_MIN behind
 * the first of the text at least, both of which are read. */
bool wsc_utf8_range(const uint8_t *data, const uint8_t *end);
#endif

#endif
