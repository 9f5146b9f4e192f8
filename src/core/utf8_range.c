/* UTF-8 by ranges: see utf8_range.h.
 *
 * What can be wrong with two bytes in a row depends on three half bytes only: both halves of the
 * first and the upper half of the second.  Three tables of sixteen say of each half which faults it
 * allows; a fault that all three allow is there.  Vectors look sixteen or thirty-two bytes up at
 * once.  What two bytes cannot tell is whether a continuation byte behind another one is the third
 * or fourth of its character: the lead byte two or three places before it says so.  (Keiser and
 * Lemire, "Validating UTF-8 in less than one instruction per byte", 2020.)
 *
 * A vector's neighbours are loaded from memory rather than put together from the vector before: so
 * a block may stand anywhere, and the last one ends at the last byte and overlaps the one before.
 */
#include "utf8_range.h"

#if !defined(WSC_UTF8_HAS_RANGE)
/* nothing to include */
#elif defined(WSC_CPU_HAS_AVX2)
#include <immintrin.h>
#elif defined(WSC_CPU_HAS_SSSE3)
#include <tmmintrin.h>
#else
#include <arm_neon.h>
#endif

#include "hidden.h"

#if defined(WSC_UTF8_HAS_RANGE)

enum {
  CUT_SHORT = 0x01,      /* a lead byte, then no continuation */
  STRAY = 0x02,          /* ASCII, then a continuation */
  OVERLONG_TWO = 0x04,   /* C0, C1 */
  OVERLONG_THREE = 0x08, /* E0 80 … E0 9F */
  OVERLONG_FOUR = 0x10,  /* F0 80 … F0 8F, and F5 80 … FF 8F: no lower half is of both */
  SURROGATE = 0x20,      /* ED A0 … ED BF */
  BEYOND = 0x40,         /* F4 90 … FF BF */
  BEHIND = 0x80,         /* two continuations: right in the third and fourth place */

  ANY_LOWER = CUT_SHORT | STRAY | BEHIND, /* for these the lower half does not matter */
  FROM_F5 = ANY_LOWER | OVERLONG_FOUR | BEYOND,
  CONTINUES = STRAY | OVERLONG_TWO | BEHIND
};

#define FOUR(faults) faults, faults, faults, faults

/* By the first byte's upper half, its lower half, the second byte's upper half. */
static const uint8_t range_first_upper[16] = {
    FOUR(STRAY),
    FOUR(STRAY),
    FOUR(BEHIND),
    CUT_SHORT | OVERLONG_TWO,               /* C */
    CUT_SHORT,                              /* D */
    CUT_SHORT | OVERLONG_THREE | SURROGATE, /* E */
    CUT_SHORT | OVERLONG_FOUR | BEYOND,     /* F */
};
static const uint8_t range_first_lower[16] = {
    ANY_LOWER | OVERLONG_TWO | OVERLONG_THREE | OVERLONG_FOUR, /* 0 */
    ANY_LOWER | OVERLONG_TWO,                                  /* 1 */
    ANY_LOWER,
    ANY_LOWER,
    ANY_LOWER | BEYOND, /* 4 */
    FROM_F5,
    FROM_F5,
    FROM_F5,
    FOUR(FROM_F5),
    FROM_F5,
    FROM_F5 | SURROGATE, /* D */
    FROM_F5,
    FROM_F5,
};
static const uint8_t range_second_upper[16] = {
    FOUR(CUT_SHORT),
    FOUR(CUT_SHORT),
    CONTINUES | OVERLONG_THREE | OVERLONG_FOUR, /* 8 */
    CONTINUES | OVERLONG_THREE | BEYOND,        /* 9 */
    CONTINUES | SURROGATE | BEYOND,             /* A */
    CONTINUES | SURROGATE | BEYOND,             /* B */
    FOUR(CUT_SHORT),
};

/* A byte from C0, E0, F0 up asks for one, two, three more: is one of them still to come? */
static bool range_is_unfinished(const uint8_t *end) {
  return end[-1] >= 0xC0 || end[-2] >= 0xE0 || end[-3] >= 0xF0;
}

/* ------------------------------------------------------------ sixteen bytes */

#if defined(WSC_CPU_HAS_SSSE3)
#define RANGE_TARGET __attribute__((target("ssse3")))
typedef __m128i range_vector;

static RANGE_TARGET range_vector range_load(const uint8_t *bytes) {
  return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}
static RANGE_TARGET range_vector range_zero(void) {
  return _mm_setzero_si128();
}
static RANGE_TARGET range_vector range_and(range_vector a, range_vector b) {
  return _mm_and_si128(a, b);
}
static RANGE_TARGET range_vector range_or(range_vector a, range_vector b) {
  return _mm_or_si128(a, b);
}
static RANGE_TARGET range_vector range_xor(range_vector a, range_vector b) {
  return _mm_xor_si128(a, b);
}
static RANGE_TARGET range_vector range_upper(range_vector bytes) {
  return _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0x0F));
}
static RANGE_TARGET range_vector range_lower(range_vector bytes) {
  return _mm_and_si128(bytes, _mm_set1_epi8(0x0F));
}
static RANGE_TARGET range_vector range_look_up(const uint8_t table[16], range_vector halves) {
  return _mm_shuffle_epi8(range_load(table), halves);
}
/* Bit 7 is set in bytes from 0x80 + `less` up. */
static RANGE_TARGET range_vector range_lessened(range_vector bytes, char less) {
  return _mm_subs_epu8(bytes, _mm_set1_epi8(less));
}
static RANGE_TARGET range_vector range_bit_7(range_vector bytes) {
  return _mm_and_si128(bytes, _mm_set1_epi8((char)0x80));
}
static RANGE_TARGET bool range_is_zero(range_vector bytes) {
  return _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128())) == 0xFFFF;
}
static RANGE_TARGET bool range_is_ascii(range_vector bytes) {
  return _mm_movemask_epi8(bytes) == 0;
}
#else
#define RANGE_TARGET
typedef uint8x16_t range_vector;

static range_vector range_load(const uint8_t *bytes) {
  return vld1q_u8(bytes);
}
static range_vector range_zero(void) {
  return vdupq_n_u8(0);
}
static range_vector range_and(range_vector a, range_vector b) {
  return vandq_u8(a, b);
}
static range_vector range_or(range_vector a, range_vector b) {
  return vorrq_u8(a, b);
}
static range_vector range_xor(range_vector a, range_vector b) {
  return veorq_u8(a, b);
}
static range_vector range_upper(range_vector bytes) {
  return vshrq_n_u8(bytes, 4);
}
static range_vector range_lower(range_vector bytes) {
  return vandq_u8(bytes, vdupq_n_u8(0x0F));
}
static range_vector range_look_up(const uint8_t table[16], range_vector halves) {
  return vqtbl1q_u8(vld1q_u8(table), halves);
}
static range_vector range_lessened(range_vector bytes, char less) {
  return vqsubq_u8(bytes, vdupq_n_u8((uint8_t)less));
}
static range_vector range_bit_7(range_vector bytes) {
  return vandq_u8(bytes, vdupq_n_u8(0x80));
}
static bool range_is_zero(range_vector bytes) {
  return vmaxvq_u8(bytes) == 0;
}
static bool range_is_ascii(range_vector bytes) {
  return vmaxvq_u8(bytes) < 0x80;
}
#endif

/* Not zero where the byte may not follow those before it. */
static RANGE_TARGET range_vector range_faults(const uint8_t *at) {
  range_vector bytes = range_load(at), before = range_load(at - 1);
  range_vector pairs = range_and(range_look_up(range_first_upper, range_upper(before)),
                                 range_look_up(range_first_lower, range_lower(before)));
  pairs = range_and(pairs, range_look_up(range_second_upper, range_upper(bytes)));
  range_vector third = range_lessened(range_load(at - 2), 0xE0 - 0x80);
  range_vector fourth = range_lessened(range_load(at - 3), 0xF0 - 0x80);
  return range_xor(pairs, range_bit_7(range_or(third, fourth)));
}

static RANGE_TARGET bool range_is_ascii_64(const uint8_t *at) {
  return range_is_ascii(range_or(range_or(range_load(at), range_load(at + 16)),
                                 range_or(range_load(at + 32), range_load(at + 48))));
}

static RANGE_TARGET range_vector range_faults_64(const uint8_t *at) {
  return range_or(range_or(range_faults(at), range_faults(at + 16)),
                  range_or(range_faults(at + 32), range_faults(at + 48)));
}

static RANGE_TARGET bool range_by_16(const uint8_t *data, const uint8_t *end) {
  range_vector faults = range_zero();
  for (; end - data >= 64; data += 64) {
    if (!range_is_ascii_64(data))
      faults = range_or(faults, range_faults_64(data));
    else if (range_is_unfinished(data))
      return false;
  }
  for (; end - data > 16; data += 16) faults = range_or(faults, range_faults(data));
  return range_is_zero(range_or(faults, range_faults(end - 16)));
}

/* ------------------------------------------------------------ thirty-two bytes */

#if defined(WSC_CPU_HAS_AVX2)
#define RANGE_AVX2 __attribute__((target("avx2")))

static RANGE_AVX2 __m256i wide_load(const uint8_t *bytes) {
  return _mm256_loadu_si256((const __m256i *)(const void *)bytes);
}

static RANGE_AVX2 __m256i wide_look_up(const uint8_t table[16], __m256i halves) {
  __m128i half = _mm_loadu_si128((const __m128i *)(const void *)table);
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(half), halves);
}

static RANGE_AVX2 __m256i wide_lower(__m256i bytes) {
  return _mm256_and_si256(bytes, _mm256_set1_epi8(0x0F));
}

static RANGE_AVX2 __m256i wide_upper(__m256i bytes) {
  return wide_lower(_mm256_srli_epi16(bytes, 4));
}

static RANGE_AVX2 __m256i wide_faults(const uint8_t *at) {
  __m256i bytes = wide_load(at), before = wide_load(at - 1);
  __m256i pairs = _mm256_and_si256(wide_look_up(range_first_upper, wide_upper(before)),
                                   wide_look_up(range_first_lower, wide_lower(before)));
  pairs = _mm256_and_si256(pairs, wide_look_up(range_second_upper, wide_upper(bytes)));
  __m256i third = _mm256_subs_epu8(wide_load(at - 2), _mm256_set1_epi8(0xE0 - 0x80));
  __m256i fourth = _mm256_subs_epu8(wide_load(at - 3), _mm256_set1_epi8(0xF0 - 0x80));
  __m256i later = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
  return _mm256_xor_si256(pairs, later);
}

static RANGE_AVX2 bool range_by_32(const uint8_t *data, const uint8_t *end) {
  __m256i faults = _mm256_setzero_si256();
  for (; end - data >= 64; data += 64) {
    __m256i both = _mm256_or_si256(wide_load(data), wide_load(data + 32));
    if (_mm256_movemask_epi8(both) != 0)
      faults = _mm256_or_si256(faults, _mm256_or_si256(wide_faults(data), wide_faults(data + 32)));
    else if (range_is_unfinished(data))
      return false;
  }
  if (end - data > 32) faults = _mm256_or_si256(faults, wide_faults(data));
  faults = _mm256_or_si256(faults, wide_faults(end - 32));
  return _mm256_testz_si256(faults, faults) != 0;
}
#endif

bool wsc_utf8_range(const uint8_t *data, const uint8_t *end) {
#if defined(WSC_CPU_HAS_AVX2)
  if (end - data >= 64 && wsc_cpu_avx2()) return range_by_32(data, end);
#endif
  return range_by_16(data, end);
}

#endif
