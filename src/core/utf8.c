/* Incremental UTF-8 validation, RFC 3629 4: see utf8.h.
 *
 * Only the second byte of a character has a range of its own (after E0, ED, F0 and F4, which rules
 * out overlong forms, surrogates and what lies above U+10FFFF), so a state needs to know no more
 * than how many bytes are to come and which range the next one has.  Whole characters are decoded
 * in one go; the states are for those that a cut divides. */
#include "utf8.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

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

/* The first byte that is not ASCII, or one within the last seven before `end`. */
static const uint8_t *skip_ascii_words(const uint8_t *data, const uint8_t *end) {
  for (; end - data >= 8; data += 8) {
    uint64_t word;
    memcpy(&word, data, 8);
    if ((word & UINT64_C(0x8080808080808080)) != 0) break;
  }
  while (data < end && *data < 0x80) data++;
  return data;
}

#if defined(__SSE2__)
static unsigned high_bits(const uint8_t *data) {
  return (unsigned)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)data));
}

static bool ascii_64(const uint8_t *data) {
  const __m128i *vectors = (const __m128i *)(const void *)data;
  __m128i low = _mm_or_si128(_mm_loadu_si128(vectors), _mm_loadu_si128(vectors + 1));
  __m128i high = _mm_or_si128(_mm_loadu_si128(vectors + 2), _mm_loadu_si128(vectors + 3));
  return _mm_movemask_epi8(_mm_or_si128(low, high)) == 0;
}

static const uint8_t *skip_ascii(const uint8_t *data, const uint8_t *end) {
  while (end - data >= 64 && ascii_64(data)) data += 64;
  for (; end - data >= 16; data += 16) {
    unsigned bits = high_bits(data);
    if (bits != 0) return data + __builtin_ctz(bits);
  }
  return skip_ascii_words(data, end);
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

wsc_utf8_state wsc_utf8_check(wsc_utf8_state state, const uint8_t *data, size_t size) {
  if (size == 0) return state; /* `data` may be NULL then */
  const uint8_t *end = data + size;
  while (state != WSC_UTF8_ACCEPT && data < end) state = next_state(state, *data++);
  while (end - data >= 4) {
    size_t character = *data < 0x80 ? 0 : character_size(data);
    if (character != 0)
      data += character;
    else if (*data < 0x80)
      data = skip_ascii(data, end);
    else
      return WSC_UTF8_REJECT;
  }
  while (data < end) state = next_state(state, *data++);
  return state;
}

bool wsc_utf8_valid(const void *data, size_t size) {
  return wsc_utf8_check(WSC_UTF8_ACCEPT, data, size) == WSC_UTF8_ACCEPT;
}
