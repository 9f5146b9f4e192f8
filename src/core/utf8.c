/* Incremental UTF-8 validation, RFC 3629 4: see utf8.h.
 *
 * Only the second byte of a character has a range of its own (after E0, ED, F0 and F4, which rules
 * out overlong forms, surrogates and what lies above U+10FFFF), so a state needs to know no more
 * than how many bytes are to come and which range the next one has.  Whole characters are decoded
 * in one go; the states are for those that a cut divides. */
#include "utf8.h"

#include "utf8_range.h"

#include <string.h>

#if defined(WSC_CPU_HAS_SSE2)
#include <emmintrin.h>
#elif defined(WSC_CPU_HAS_NEON)
#include <arm_neon.h>
#endif

#include "hidden.h"

enum { ONE_MORE = 2, TWO_MORE, THREE_MORE, AFTER_E0, AFTER_ED, AFTER_F0, AFTER_F4 };

typedef struct utf8_rule {
  uint8_t low, high; /* what the next byte may be */
  uint8_t next;      /* the state behind it */
} utf8_rule;

static const utf8_rule utf8_rules[] = {
    [WSC_UTF8_REJECT] = {0xFF, 0x00, WSC_UTF8_REJECT},
    [ONE_MORE] = {0x80, 0xBF, WSC_UTF8_ACCEPT},
    [TWO_MORE] = {0x80, 0xBF, ONE_MORE},
    [THREE_MORE] = {0x80, 0xBF, TWO_MORE},
    [AFTER_E0] = {0xA0, 0xBF, ONE_MORE}, /* below A0: overlong */
    [AFTER_ED] = {0x80, 0x9F, ONE_MORE}, /* above 9F: surrogates */
    [AFTER_F0] = {0x90, 0xBF, TWO_MORE}, /* below 90: overlong */
    [AFTER_F4] = {0x80, 0x8F, TWO_MORE}, /* above 8F: beyond U+10FFFF */
};

static wsc_utf8_state after_lead(uint8_t byte) {
  if (byte < 0x80) return WSC_UTF8_ACCEPT;
  if (byte < 0xC2 || byte > 0xF4) return WSC_UTF8_REJECT; /* C0 and C1: overlong */
  if (byte < 0xE0) return ONE_MORE;
  switch (byte) {
  case 0xE0:
    return AFTER_E0;
  case 0xED:
    return AFTER_ED;
  case 0xF0:
    return AFTER_F0;
  case 0xF4:
    return AFTER_F4;
  default:
    return byte < 0xF0 ? TWO_MORE : THREE_MORE;
  }
}

static wsc_utf8_state next_state(wsc_utf8_state state, uint8_t byte) {
  if (state == WSC_UTF8_ACCEPT) return after_lead(byte);
  utf8_rule rule = utf8_rules[state];
  return byte >= rule.low && byte <= rule.high ? rule.next : WSC_UTF8_REJECT;
}

static bool ascii_8(const uint8_t *data) {
  uint64_t word;
  memcpy(&word, data, 8);
  return (word & UINT64_C(0x8080808080808080)) == 0;
}

/* There is one. */
static const uint8_t *first_high(const uint8_t *data) {
  while (*data < 0x80) data++;
  return data;
}

/* The first byte that is not ASCII, or `end`; so does skip_ascii. */
static const uint8_t *skip_ascii_words(const uint8_t *data, const uint8_t *end) {
  if (end - data < 8) {
    while (data < end && *data < 0x80) data++;
    return data;
  }
  for (; end - data > 8; data += 8)
    if (!ascii_8(data)) return first_high(data);
  return ascii_8(end - 8) ? end : first_high(data);
}

#if defined(WSC_CPU_HAS_SSE2)
typedef __m128i ascii_vector;

static ascii_vector ascii_load(const uint8_t *data) {
  return _mm_loadu_si128((const __m128i *)(const void *)data);
}
static ascii_vector ascii_or(ascii_vector a, ascii_vector b) {
  return _mm_or_si128(a, b);
}
static bool ascii_all(ascii_vector bytes) {
  return _mm_movemask_epi8(bytes) == 0;
}
static const uint8_t *first_high_of_16(const uint8_t *data) {
  return data + __builtin_ctz((unsigned)_mm_movemask_epi8(ascii_load(data)));
}
#elif defined(WSC_CPU_HAS_NEON)
typedef uint8x16_t ascii_vector;

static ascii_vector ascii_load(const uint8_t *data) {
  return vld1q_u8(data);
}
static ascii_vector ascii_or(ascii_vector a, ascii_vector b) {
  return vorrq_u8(a, b);
}
static bool ascii_all(ascii_vector bytes) {
  return vmaxvq_u8(bytes) < 0x80;
}
static const uint8_t *first_high_of_16(const uint8_t *data) {
  return first_high(data);
}
#endif

#if defined(WSC_CPU_HAS_SSE2) || defined(WSC_CPU_HAS_NEON)
static bool ascii_64(const uint8_t *data) {
  ascii_vector low = ascii_or(ascii_load(data), ascii_load(data + 16));
  ascii_vector high = ascii_or(ascii_load(data + 32), ascii_load(data + 48));
  return ascii_all(ascii_or(low, high));
}

static const uint8_t *skip_ascii(const uint8_t *data, const uint8_t *end) {
  if (end - data < 16) return skip_ascii_words(data, end);
  while (end - data >= 64 && ascii_64(data)) data += 64;
  for (; end - data > 16; data += 16)
    if (!ascii_all(ascii_load(data))) return first_high_of_16(data);
  return ascii_all(ascii_load(end - 16)) ? end : first_high_of_16(end - 16);
}
#else
static const uint8_t *skip_ascii(const uint8_t *data, const uint8_t *end) {
  return skip_ascii_words(data, end);
}
#endif

static bool is_continuation(uint8_t byte) {
  return (byte & 0xC0) == 0x80;
}

static bool second_byte_allowed(uint8_t lead, uint8_t byte) {
  utf8_rule rule = utf8_rules[after_lead(lead)];
  return byte >= rule.low && byte <= rule.high;
}

/* The size of the character at `data`, where four bytes may be read and the first is not ASCII; 0:
 * it is none. */
static size_t character_size(const uint8_t *data) {
  if (data[0] < 0xE0) return data[0] >= 0xC2 && is_continuation(data[1]) ? 2 : 0;
  if (!second_byte_allowed(data[0], data[1]) || !is_continuation(data[2])) return 0;
  if (data[0] < 0xF0) return 3;
  return is_continuation(data[3]) ? 4 : 0;
}

static wsc_utf8_state check_characters(const uint8_t *data, const uint8_t *end) {
  wsc_utf8_state state = WSC_UTF8_ACCEPT;
  while (end - data >= 4) {
    size_t size = 0;
    if (*data < 0x80)
      data = skip_ascii(data, end);
    else if ((size = character_size(data)) != 0)
      data += size;
    else
      return WSC_UTF8_REJECT;
  }
  while (data < end) state = next_state(state, *data++);
  return state;
}

#if defined(WSC_UTF8_HAS_RANGE)
/* The state behind what wsc_utf8_range found right: that of its last character alone. */
static wsc_utf8_state state_at(const uint8_t *end) {
  size_t lead = end[-1] >= 0xC0 ? 1 : end[-2] >= 0xE0 ? 2 : end[-3] >= 0xF0 ? 3 : 0;
  return check_characters(end - lead, end);
}

static wsc_utf8_state check_range(const uint8_t *start, const uint8_t *data, const uint8_t *end) {
  while (data - start < 3) {
    size_t size = *data < 0x80 ? 1 : character_size(data);
    if (size == 0) return WSC_UTF8_REJECT;
    data += size;
  }
  return wsc_utf8_range(data, end) ? state_at(end) : WSC_UTF8_REJECT;
}
#endif

/* From data[0] on, where a character begins; `start`: the first byte that may be read. */
static wsc_utf8_state check_rest(const uint8_t *start, const uint8_t *data, const uint8_t *end) {
#if defined(WSC_UTF8_HAS_RANGE)
  if (end - start >= WSC_UTF8_RANGE_SIZE_MIN && wsc_utf8_can_range())
    return check_range(start, data, end);
#else
  (void)start;
#endif
  return check_characters(data, end);
}

wsc_utf8_state wsc_utf8_check(wsc_utf8_state state, const uint8_t *data, size_t size) {
  if (size == 0) return state; /* `data` may be NULL then */
  const uint8_t *start = data, *end = data + size;
  while (state != WSC_UTF8_ACCEPT && data < end) state = next_state(state, *data++);
  data = skip_ascii(data, end);
  return data == end ? state : check_rest(start, data, end);
}

bool wsc_utf8_valid(const void *data, size_t size) {
  return wsc_utf8_check(WSC_UTF8_ACCEPT, data, size) == WSC_UTF8_ACCEPT;
}
