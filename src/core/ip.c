/* Numeric addresses of IP as text: see ip.h. */
#include "ip.h"

#include "hidden.h"

/* A number without leading zeros from 0 to 255. */
static bool take_octet(wsc_slice *rest, uint8_t *octet) {
  unsigned value = 0;
  size_t digits = 0;
  for (; rest->size > 0 && wsc_is_digit(*rest->data) && digits < 3; digits++) {
    if (digits == 1 && value == 0) return false;
    value = value * 10 + (unsigned)(*rest->data - '0');
    wsc_slice_drop(rest, 1);
  }
  *octet = (uint8_t)value;
  return digits > 0 && value <= 255;
}

static bool parse_dotted(uint8_t *bytes, wsc_slice text) {
  for (int i = 0; i < 4; i++) {
    if (i > 0 && !wsc_slice_drop_prefix(&text, ".")) return false;
    if (!take_octet(&text, &bytes[i])) return false;
  }
  return text.size == 0;
}

/* Up to four hexadecimal digits; false: none. */
static bool take_hex_group(wsc_slice *rest, uint8_t *bytes) {
  unsigned value = 0;
  size_t digits = 0;
  for (; digits < 4 && rest->size > 0 && wsc_hex_value(*rest->data) >= 0; digits++) {
    value = value * 16 + (unsigned)wsc_hex_value(*rest->data);
    wsc_slice_drop(rest, 1);
  }
  bytes[0] = (uint8_t)(value >> 8);
  bytes[1] = (uint8_t)(value & 0xff);
  return digits > 0;
}

/* Puts the bytes before the gap to the front of 16, those behind it to the end; no gap: -1.  The
 * gap stands for a group of zeros at least. */
static bool spread(uint8_t bytes[16], const uint8_t *found, size_t size, int gap) {
  if (gap < 0 ? size != 16 : size > 14) return false;
  size_t front = gap < 0 ? size : (size_t)gap;
  memset(bytes, 0, 16);
  memcpy(bytes, found, front);
  memcpy(bytes + 16 - (size - front), found + front, size - front);
  return true;
}

/* Eight groups, or fewer with one "::"; the last two may be written as IPv4. */
static bool parse_groups(uint8_t bytes[16], wsc_slice text) {
  uint8_t found[16];
  size_t size = 0;
  int gap = wsc_slice_drop_prefix(&text, "::") ? 0 : -1;
  while (text.size > 0) {
    wsc_slice group = text;
    if (size == sizeof found || !take_hex_group(&text, found + size)) return false;
    if (wsc_slice_begins_with(text, '.')) {
      if (size > 12 || !parse_dotted(found + size, group)) return false;
      size += 4;
      break;
    }
    size += 2;
    if (text.size == 0) break;
    if (wsc_slice_drop_prefix(&text, "::")) {
      if (gap >= 0) return false;
      gap = (int)size;
    } else if (!wsc_slice_drop_prefix(&text, ":") || text.size == 0) {
      return false;
    }
  }
  return spread(bytes, found, size, gap);
}

size_t wsc_ip_parse(uint8_t bytes[16], wsc_slice text) {
  if (parse_dotted(bytes, text)) return 4;
  return parse_groups(bytes, text) ? 16 : 0;
}
