/* What the host of a URL may be: see uri_host.h.
 *
 * Stricter than RFC 3986: a host goes into a DNS question and into the Host header, so it must be a
 * DNS name or an address in its one standard form. */
#include "uri_host.h"

static const char bad_name[] = "the URL's host is not a DNS name";
static const char bad_address[] = "the URL's host is neither a name nor a dotted IPv4 address";

/* Takes a number without leading zeros from 0 to 255. */
static bool take_octet(url_slice *rest) {
  unsigned value = 0;
  size_t digits = 0;
  for (; rest->size > 0 && is_decimal(*rest->data) && digits < 3; digits++) {
    if (digits == 1 && value == 0) return false;
    value = value * 10 + (unsigned)(*rest->data - '0');
    drop_front(rest, 1);
  }
  return digits > 0 && value <= 255;
}

static bool is_ipv4(url_slice host) {
  for (int octet = 0; octet < 4; octet++) {
    if (octet > 0 && !begins_with(host, '.')) return false;
    if (octet > 0) drop_front(&host, 1);
    if (!take_octet(&host)) return false;
  }
  return host.size == 0;
}

/* Takes up to four hexadecimal digits; returns how many. */
static size_t take_hex_group(url_slice *rest) {
  size_t digits = 0;
  for (; digits < 4 && rest->size > 0 && wsc_hex_value(*rest->data) >= 0; digits++)
    drop_front(rest, 1);
  return digits;
}

/* Eight groups, or fewer with one "::"; the last two may be written as IPv4. */
bool wsc_uri_is_ipv6(url_slice host) {
  int groups = 0;
  bool gap = drop_prefix(&host, "::");
  while (host.size > 0) {
    url_slice group = host;
    if (take_hex_group(&host) == 0) return false;
    groups++;
    if (host.size == 0) break;
    if (begins_with(host, '.')) {
      if (!is_ipv4(group)) return false;
      groups++;
      break;
    }
    if (drop_prefix(&host, "::")) {
      if (gap) return false;
      gap = true;
    } else if (!drop_prefix(&host, ":") || host.size == 0) {
      return false;
    }
  }
  return gap ? groups <= 7 : groups == 8;
}

/* RFC 1035 2.3.4; underscores are not for host names, but stand in some. */
static bool is_dns_label(url_slice label) {
  if (label.size == 0 || label.size > 63) return false;
  for (size_t i = 0; i < label.size; i++) {
    char c = ascii_lower(label.data[i]);
    if (!is_decimal(c) && (c < 'a' || c > 'z') && c != '-' && c != '_') return false;
  }
  return true;
}

/* Some resolvers take "127.1", "0177.0.0.1" or "0x7f000001" for an address.  No top-level domain
 * looks like that (RFC 3696 2), so such a host is refused unless it is a plain dotted address. */
static bool is_number_label(url_slice label) {
  bool hex = drop_prefix(&label, "0x");
  for (size_t i = 0; i < label.size; i++)
    if (hex ? wsc_hex_value(label.data[i]) < 0 : !is_decimal(label.data[i])) return false;
  return true;
}

const char *wsc_uri_name_fault(url_slice host) {
  url_slice rest = host, label;
  if (host.data[host.size - 1] == '.') rest.size--; /* the root's dot */
  if (rest.size > 253) return bad_name;
  for (;;) {
    label = take_until(&rest, ".");
    if (!is_dns_label(label)) return bad_name;
    if (rest.size == 0) break;
    drop_front(&rest, 1);
  }
  return is_number_label(label) && !is_ipv4(host) ? bad_address : NULL;
}
