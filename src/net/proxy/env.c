/* The proxy that the environment names, with curl's meaning: the variable for the scheme, lower
 * case before upper, then all_proxy; no_proxy excepts hosts.  A variable that is empty counts as
 * unset. */
#include "proxy_private.h"

#include "core/ascii.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define NO_PROXY_BLANKS ", \t\r\n"

static const char *first_variable(const char *const *names) {
  for (; *names; names++) {
    const char *value = getenv(*names);
    if (value && *value != '\0') return value;
  }
  return NULL;
}

/* HTTP_PROXY in capitals is what a CGI server makes of the request header "Proxy:". */
static const char *const plain_names[] = {"ws_proxy",  "WS_PROXY",  "http_proxy",
                                          "all_proxy", "ALL_PROXY", NULL};
static const char *const secure_names[] = {"wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY",
                                           "all_proxy", "ALL_PROXY", NULL};
static const char *const except_names[] = {"no_proxy", "NO_PROXY", NULL};

/* ---------------------------------------------------------------- one entry of no_proxy */

/* A numeric address; size 0: it is a name. */
typedef struct listed_address {
  uint8_t bytes[16];
  size_t size;
} listed_address;

static listed_address parse_address(const char *text, size_t size) {
  listed_address parsed = {.size = 0};
  char copy[INET6_ADDRSTRLEN];
  if (size >= sizeof copy) return parsed;
  memcpy(copy, text, size);
  copy[size] = '\0';
  if (inet_pton(AF_INET, copy, parsed.bytes) == 1)
    parsed.size = 4;
  else if (inet_pton(AF_INET6, copy, parsed.bytes) == 1)
    parsed.size = 16;
  return parsed;
}

/* Digits only, at most `max`; -1: something else. */
static long parse_number(const char *text, size_t size, long max) {
  long number = size == 0 ? -1 : 0;
  for (size_t i = 0; i < size && number >= 0; i++) {
    number = wsc_is_digit(text[i]) ? number * 10 + (text[i] - '0') : -1;
    if (number > max) return -1;
  }
  return number;
}

static bool prefix_matches(const listed_address *a, const listed_address *b, size_t bits) {
  size_t whole = bits / 8;
  unsigned rest = bits % 8;
  if (memcmp(a->bytes, b->bytes, whole) != 0) return false;
  return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32". */
static bool address_matches(const listed_address *host, const char *entry, size_t size) {
  const char *slash = memchr(entry, '/', size);
  size_t address_size = slash ? (size_t)(slash - entry) : size;
  listed_address network = parse_address(entry, address_size);
  long bits = (long)network.size * 8;
  if (slash) bits = parse_number(slash + 1, size - address_size - 1, bits);
  if (network.size == 0 || network.size != host->size || bits < 0) return false;
  return prefix_matches(host, &network, (size_t)bits);
}

static size_t without_last_dot(const char *name, size_t size) {
  return size > 0 && name[size - 1] == '.' ? size - 1 : size;
}

/* "example.com" and ".example.com" are that host and all below it. */
static bool name_matches(const char *host, const char *entry, size_t size) {
  size_t host_size = without_last_dot(host, strlen(host));
  size = without_last_dot(entry, size);
  if (size > 0 && *entry == '.') {
    entry++;
    size--;
  }
  if (size == 0 || size > host_size) return false;
  const char *tail = host + host_size - size;
  return wsc_equal_nocase(tail, entry, size) && (tail == host || tail[-1] == '.');
}

/* Cuts ":port" off an entry, and the brackets of an IPv6 address.  False: for another port. */
static bool port_matches(const char **entry, size_t *size, uint16_t port) {
  const char *end = *entry + *size;
  const char *colon = memchr(*entry, ':', *size);
  if (**entry == '[') {
    const char *close = memchr(*entry, ']', *size);
    if (!close) return false;
    colon = close + 1 < end ? close + 1 : NULL;
    *entry += 1;
    *size = (size_t)(close - *entry);
  } else if (colon && memchr(colon + 1, ':', (size_t)(end - colon - 1))) {
    return true; /* more colons than one: an IPv6 address without a port */
  } else if (colon) {
    *size = (size_t)(colon - *entry);
  }
  return !colon ||
         (*colon == ':' && parse_number(colon + 1, (size_t)(end - colon - 1), 65535) == port);
}

static bool entry_matches(const char *entry, size_t size, const char *host, uint16_t port) {
  listed_address numeric = parse_address(host, strlen(host));
  if (size == 1 && *entry == '*') return true;
  if (!port_matches(&entry, &size, port)) return false;
  return numeric.size > 0 ? address_matches(&numeric, entry, size)
                          : name_matches(host, entry, size);
}

/* ---------------------------------------------------------------- the whole */

static bool is_excepted(const char *list, const char *host, uint16_t port) {
  for (list += strspn(list, NO_PROXY_BLANKS); *list != '\0';
       list += strspn(list, NO_PROXY_BLANKS)) {
    size_t size = strcspn(list, NO_PROXY_BLANKS);
    if (entry_matches(list, size, host, port)) return true;
    list += size;
  }
  return false;
}

const char *wsc_proxy_from_environment(const wsc_uri *target) {
  const char *proxy = first_variable(target->secure ? secure_names : plain_names);
  const char *except = first_variable(except_names);
  if (!proxy || !except) return proxy;
  return is_excepted(except, target->host, target->port) ? NULL : proxy;
}
