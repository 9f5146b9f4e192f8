/* ws, wss, ws+unix and wss+unix URLs, RFC 6455 3 and RFC 3986: see uri.h.
 *
 * `wsc_url_split` checks a URL without memory and leaves slices of it; `wsc_uri_parse` writes them
 * out.
 */
#include "uri.h"

#include "ip.h"

#include <assert.h>
#include <string.h>

#include "hidden.h"

static const char bad_name[] = "the URL's host is not a DNS name";
static const char bad_address[] = "the URL's host is neither a name nor a dotted IPv4 address";
static const char bad_ipv6[] = "the URL's host is not an IPv6 address in brackets";
static const char bad_zone[] =
    "the URL's IPv6 zone is not %25 and then letters, digits, - . _ or ~";
static const char bad_port[] = "the URL's port is not a number from 1 to 65535";
static const char bad_socket[] =
    "the URL names no socket path (expected ws+unix:///path.sock:/resource)";

/* ------------------------------------------------------------ bytes */

/* Faults that may stand anywhere in a URL. */
static const char *url_bytes_fault(const char *text) {
  if (*text == '\0') return "the URL is empty";
  for (; *text != '\0'; text++) {
    unsigned char c = (unsigned char)*text;
    if (c <= 0x20 || c == 0x7F) return "the URL holds a blank or a control byte";
    if (c >= 0x80)
      return "the URL holds a byte that is not ASCII (percent-encode it; xn-- in a host)";
    if (c == '#') return "the URL has a fragment, which RFC 6455 3 forbids (write # as %23)";
    if (c == '%' && (wsc_hex_value(text[1]) < 0 || wsc_hex_value(text[2]) < 0))
      return "the URL has a % that two hexadecimal digits do not follow";
  }
  return NULL;
}

static bool decodes_to_control(wsc_slice slice) {
  while (slice.size > 0) {
    int c = wsc_slice_take_decoded(&slice);
    if (c < 0x20 || c == 0x7F) return true;
  }
  return false;
}

/* ------------------------------------------------------------ host
 *
 * Stricter than RFC 3986: a host goes into a DNS question and into the Host header, so it must be a
 * DNS name or an address in its one standard form. */

/* RFC 1035 2.3.4; underscores are not for host names, but stand in some. */
static bool is_dns_label(wsc_slice label) {
  if (label.size == 0 || label.size > 63) return false;
  for (size_t i = 0; i < label.size; i++) {
    char c = label.data[i];
    if (!wsc_is_digit(c) && !wsc_is_letter(c) && c != '-' && c != '_') return false;
  }
  return true;
}

/* Some resolvers take "127.1", "0177.0.0.1" or "0x7f000001" for an address.  No top-level domain
 * looks like that (RFC 3696 2), so such a host is refused unless it is a plain dotted address. */
static bool is_number_label(wsc_slice label) {
  bool hex = wsc_slice_drop_prefix(&label, "0x");
  for (size_t i = 0; i < label.size; i++)
    if (hex ? wsc_hex_value(label.data[i]) < 0 : !wsc_is_digit(label.data[i])) return false;
  return true;
}

/* NULL for a DNS name (RFC 1035 2.3.4) or a dotted IPv4 address.  The host is not empty. */
static const char *name_fault(wsc_slice host) {
  wsc_slice rest = host, label;
  if (host.data[host.size - 1] == '.') rest.size--; /* the root's dot */
  if (rest.size > 253) return bad_name;
  for (;;) {
    label = wsc_slice_take_until(&rest, ".");
    if (!is_dns_label(label)) return bad_name;
    if (rest.size == 0) break;
    wsc_slice_drop(&rest, 1);
  }
  uint8_t address[16];
  return is_number_label(label) && wsc_ip_parse(address, host) == 0 ? bad_address : NULL;
}

/* ------------------------------------------------------------ authority */

/* RFC 6874 2, without percent escapes: no system has an interface that needs them. */
static const char *split_zone(wsc_slice zone, wsc_url_parts *parts) {
  if (zone.size == 0) return NULL;
  if (!wsc_slice_drop_prefix(&zone, "%25") || zone.size == 0) return bad_zone;
  for (size_t i = 0; i < zone.size; i++) {
    char c = zone.data[i];
    if (!wsc_is_digit(c) && !wsc_is_letter(c) && !memchr("-._~", c, 4)) return bad_zone;
  }
  parts->zone = zone;
  return NULL;
}

/* Takes "[…]"; leaves what follows. */
static const char *split_ipv6(wsc_slice *rest, wsc_url_parts *parts) {
  uint8_t address[16];
  wsc_slice_drop(rest, 1);
  parts->ipv6 = true;
  wsc_slice inside = wsc_slice_take_until(rest, "]");
  parts->host = wsc_slice_take_until(&inside, "%");
  if (rest->size == 0 || wsc_ip_parse(address, parts->host) != 16) return bad_ipv6;
  const char *fault = split_zone(inside, parts);
  if (fault) return fault;
  wsc_slice_drop(rest, 1);
  return rest->size > 0 && !wsc_slice_begins_with(*rest, ':') ? bad_ipv6 : NULL;
}

static const char *split_name(wsc_slice *rest, wsc_url_parts *parts) {
  parts->host = wsc_slice_take_until(rest, ":");
  if (rest->size > 1 && wsc_slice_holds((wsc_slice){rest->data + 1, rest->size - 1}, ':'))
    return "the URL's host has colons (an IPv6 address stands in brackets)";
  if (parts->host.size == 0) return "the URL has no host";
  return name_fault(parts->host);
}

/* RFC 3986 3.2.3: nothing behind the colon means the default. */
static const char *split_port(wsc_slice port, wsc_url_parts *parts) {
  long number = parts->secure ? 443 : 80;
  if (port.size > 0) number = wsc_slice_number(port, UINT16_MAX);
  parts->port = (unsigned)number;
  return number < 1 ? bad_port : NULL;
}

/* RFC 3986 3.2.1.  What else a browser may take, a backslash above all, moves the place where
 * another reader sees the host begin. */
static bool is_userinfo_char(char c) {
  static const char marks[] = "-._~!$&'()*+,;=:%";
  return wsc_is_digit(c) || wsc_is_letter(c) || memchr(marks, c, sizeof marks - 1);
}

/* RFC 7617 2: the first colon ends the user's name, and neither half holds a control byte. */
static const char *userinfo_fault(wsc_slice userinfo) {
  for (size_t i = 0; i < userinfo.size; i++)
    if (!is_userinfo_char(userinfo.data[i]))
      return "the URL's user name or password holds a byte that must be percent-encoded";
  if (decodes_to_control(userinfo))
    return "the URL's user name or password decodes to a control byte";
  wsc_slice user = wsc_slice_take_until(&userinfo, ":");
  while (user.size > 0)
    if (wsc_slice_take_decoded(&user) == ':')
      return "the URL's user name decodes to one with a colon, which Basic auth cannot carry";
  return NULL;
}

static const char *split_authority(wsc_slice rest, wsc_url_parts *parts) {
  if (wsc_slice_holds(rest, '@')) {
    parts->userinfo = wsc_slice_take_until(&rest, "@");
    wsc_slice_drop(&rest, 1);
    const char *fault = userinfo_fault(parts->userinfo);
    if (fault) return fault;
  }
  const char *fault =
      wsc_slice_begins_with(rest, '[') ? split_ipv6(&rest, parts) : split_name(&rest, parts);
  if (fault) return fault;
  if (rest.size > 0) wsc_slice_drop(&rest, 1);
  return split_port(rest, parts);
}

/* ------------------------------------------------------------ the whole */

/* As npm's ws writes it: the socket's path, a colon, path and query of the request. */
static const char *split_socket(wsc_slice rest, wsc_url_parts *parts) {
  if (!wsc_slice_begins_with(rest, '/')) return bad_socket;
  parts->path = wsc_slice_take_until(&rest, ":?");
  if (parts->path.size < 2) return bad_socket;
  if (decodes_to_control(parts->path)) return "the URL's socket path decodes to a control byte";
  if (wsc_slice_begins_with(rest, ':')) wsc_slice_drop(&rest, 1);
  if (rest.size > 0 && !wsc_slice_begins_with(rest, '/') && !wsc_slice_begins_with(rest, '?'))
    return "what follows the URL's socket path and colon must begin with / or ?";
  parts->host = (wsc_slice){"localhost", 9};
  parts->target = rest;
  return NULL;
}

static const char *split_scheme(wsc_slice *rest, wsc_url_parts *parts) {
  static const struct {
    const char *prefix;
    bool secure, on_socket;
  } schemes[] = {{"ws://", false, false},
                 {"wss://", true, false},
                 {"ws+unix://", false, true},
                 {"wss+unix://", true, true}};
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
    if (wsc_slice_drop_prefix(rest, schemes[i].prefix)) {
      parts->secure = schemes[i].secure;
      parts->on_socket = schemes[i].on_socket;
      return NULL;
    }
  return "the URL does not begin with ws://, wss://, ws+unix:// or wss+unix://";
}

const char *wsc_url_split(wsc_url_parts *parts, const char *text) {
  *parts = (wsc_url_parts){.secure = false};
  wsc_slice rest = {text, strlen(text)};
  const char *fault = url_bytes_fault(text);
  if (!fault) fault = split_scheme(&rest, parts);
  if (fault) return fault;
  if (parts->on_socket) return split_socket(rest, parts);
  wsc_slice authority = wsc_slice_take_until(&rest, "/?");
  parts->target = rest;
  return split_authority(authority, parts);
}

int wsc_url_check(const char *url, const char **sentence) {
  wsc_url_parts parts;
  const char *fault = wsc_url_split(&parts, url);
  if (!fault) return WSC_OK;
  *sentence = fault;
  return WSC_ERR_URL;
}

/* ------------------------------------------------------------ writing it out */

static void put_bytes(char **at, const char *data, size_t size) {
  memcpy(*at, data, size);
  *at += size;
}

/* Ends the string that began at `begin`. */
static const char *end_string(char **at, const char *begin) {
  *(*at)++ = '\0';
  return begin;
}

static const char *put_decoded(char **at, wsc_slice slice) {
  const char *begin = *at;
  while (slice.size > 0) *(*at)++ = (char)wsc_slice_take_decoded(&slice);
  return end_string(at, begin);
}

/* "user" becomes "user:", as Basic auth (RFC 7617) wants it. */
static const char *put_userinfo(char **at, wsc_slice slice) {
  const char *begin = put_decoded(at, slice);
  if (wsc_slice_holds(slice, ':')) return begin;
  (*at)[-1] = ':';
  return end_string(at, begin);
}

static const char *put_host(char **at, wsc_slice host) {
  const char *begin = *at;
  for (size_t i = 0; i < host.size; i++) *(*at)++ = wsc_lower(host.data[i]);
  return end_string(at, begin);
}

static const char *put_dial_host(char **at, const wsc_url_parts *parts, const char *host) {
  if (parts->zone.size == 0) return host;
  const char *begin = put_host(at, parts->host);
  (*at)[-1] = '%';
  put_bytes(at, parts->zone.data, parts->zone.size);
  return end_string(at, begin);
}

static void put_port(char **at, unsigned port) {
  char digits[6] = ":";
  size_t size = 1;
  for (unsigned rest = port; rest > 0; rest /= 10) size++;
  for (size_t i = size; i-- > 1; port /= 10) digits[i] = (char)('0' + port % 10);
  put_bytes(at, digits, size);
}

static const char *put_authority(char **at, const wsc_uri *uri) {
  const char *begin = *at;
  if (uri->ipv6) put_bytes(at, "[", 1);
  put_bytes(at, uri->host, strlen(uri->host));
  if (uri->ipv6) put_bytes(at, "]", 1);
  if (!uri->path && uri->port != (uri->secure ? 443 : 80)) put_port(at, uri->port);
  return end_string(at, begin);
}

static const char *put_target(char **at, wsc_slice target) {
  const char *begin = *at;
  if (!wsc_slice_begins_with(target, '/')) put_bytes(at, "/", 1);
  put_bytes(at, target.data, target.size);
  return end_string(at, begin);
}

int wsc_uri_parse(wsc_uri *uri, const wsc_platform *platform, const char *text,
                  const char **sentence) {
  *uri = (wsc_uri){.platform = platform};
  wsc_url_parts parts;
  const char *fault = wsc_url_split(&parts, text);
  if (fault) {
    *sentence = fault;
    return WSC_ERR_URL;
  }
  /* Only the host is written more than once; the rest is for brackets, a port, NULs, "localhost".
   */
  size_t bound = strlen(text) + 2 * parts.host.size;
  char *at = wsc_alloc(platform, bound + 64, 1);
  if (!at) return WSC_ERR_MEMORY;
  uri->text = at;
  uri->secure = parts.secure;
  uri->ipv6 = parts.ipv6;
  uri->port = (uint16_t)parts.port;
  if (parts.on_socket) uri->path = put_decoded(&at, parts.path);
  uri->host = put_host(&at, parts.host);
  uri->dial_host = put_dial_host(&at, &parts, uri->host);
  uri->authority = put_authority(&at, uri);
  uri->target = put_target(&at, parts.target);
  if (parts.userinfo.size > 0) uri->userinfo = put_userinfo(&at, parts.userinfo);
  assert((size_t)(at - uri->text) <= bound + 64);
  return WSC_OK;
}

void wsc_uri_free(wsc_uri *uri) {
  wsc_release(uri->platform, uri->text);
  *uri = (wsc_uri){.platform = uri->platform};
}
