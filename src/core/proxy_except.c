/* The hosts that no_proxy excepts, with curl's meaning: see proxy.h. */
#include "proxy.h"

#include "ip.h"

#include <string.h>

#include "hidden.h"

#define NO_PROXY_BLANKS ", \t\r\n"

static bool prefix_matches(const uint8_t *a, const uint8_t *b, size_t bits) {
  size_t whole = bits / 8;
  unsigned rest = bits % 8;
  if (memcmp(a, b, whole) != 0) return false;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32". */
static bool address_matches(const uint8_t *host, size_t host_size, wsc_slice entry) {
  uint8_t network[16];
  wsc_slice text = wsc_slice_take_until(&entry, "/");
  size_t size = wsc_ip_parse(network, text);
  long bits = (long)size * 8;
  if (size != host_size) return false;
  if (entry.size > 0) {
    wsc_slice_drop(&entry, 1);
    bits = wsc_slice_number(entry, bits);
  }
  return bits >= 0 && prefix_matches(host, network, (size_t)bits);
}

static wsc_slice without_last_dot(wsc_slice name) {
  if (name.size > 0 && name.data[name.size - 1] == '.') name.size--;
  return name;
}

/* "example.com", ".example.com" and "*.example.com" are that host and all below it. */
static bool name_matches(wsc_slice host, wsc_slice entry) {
  host = without_last_dot(host);
  entry = without_last_dot(entry);
  if (!wsc_slice_drop_prefix(&entry, "*.")) wsc_slice_drop_prefix(&entry, ".");
  if (entry.size == 0 || entry.size > host.size) return false;
  const char *tail = host.data + host.size - entry.size;
  return wsc_equal_nocase(tail, entry.data, entry.size) && (tail == host.data || tail[-1] == '.');
}

/* Cuts ":port" off an entry, and the brackets of an IPv6 address.  False: for another port. */
static bool port_matches(wsc_slice *entry, uint16_t port) {
  wsc_slice rest = *entry;
  bool bracket = wsc_slice_drop_prefix(&rest, "[");
  wsc_slice host = wsc_slice_take_until(&rest, bracket ? "]" : ":");
  if (bracket && !wsc_slice_drop_prefix(&rest, "]")) return false;
  bool has_port = wsc_slice_drop_prefix(&rest, ":");
  if (!bracket && wsc_slice_holds(rest, ':')) return true; /* an IPv6 address without a port */
  *entry = host;
  return has_port ? wsc_slice_number(rest, UINT16_MAX) == port : rest.size == 0;
}

static bool entry_matches(wsc_slice entry, wsc_slice host, uint16_t port) {
  uint8_t address[16];
  size_t size = wsc_ip_parse(address, host);
  if (entry.size == 1 && *entry.data == '*') return true;
  if (!port_matches(&entry, port)) return false;
  return size > 0 ? address_matches(address, size, entry) : name_matches(host, entry);
}

bool wsc_proxy_is_excepted(const char *list, const char *host, uint16_t port) {
  wsc_slice rest = {list, strlen(list)}, name = {host, strlen(host)};
  while (rest.size > 0) {
    wsc_slice entry = wsc_slice_take_until(&rest, NO_PROXY_BLANKS);
    if (entry.size > 0 && entry_matches(entry, name, port)) return true;
    if (rest.size > 0) wsc_slice_drop(&rest, 1);
  }
  return false;
}
