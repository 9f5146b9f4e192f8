/* Which proxy, and what its URL says: see proxy.h. */
#include "proxy_private.h"

#include "core/ascii.h"
#include "core/http.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define PROXY_HOST_MAX  255
#define SOCKS5_TEXT_MAX 255 /* RFC 1929 2: one byte for the length */

typedef struct slice {
  const char *data;
  size_t size;
} slice;

/* A URL taken apart; the slices point into it, still percent-encoded. */
typedef struct proxy_url {
  wsc_proxy_kind kind;
  bool local_names;
  bool has_user;
  slice user, password, host;
  uint16_t port;
} proxy_url;

/* ---------------------------------------------------------------- scheme */

typedef struct proxy_scheme {
  const char *name;
  wsc_proxy_kind kind;
  bool local_names;
  uint16_t port;
} proxy_scheme;

/* The default ports are curl's: 1080 for every proxy but one reached over TLS. */
static const proxy_scheme schemes[] = {
    {"http", WSC_PROXY_HTTP, false, 1080},
    {"https", WSC_PROXY_HTTPS, false, 443},
    {"socks5", WSC_PROXY_SOCKS5, true, 1080},
    {"socks5h", WSC_PROXY_SOCKS5, false, 1080},
};

/* Moves *text behind "scheme://"; without a scheme it is HTTP, as curl has it. */
static const proxy_scheme *take_scheme(const char **text) {
  const char *end = strstr(*text, "://");
  if (!end) return &schemes[0];
  slice name = {.data = *text, .size = (size_t)(end - *text)};
  *text = end + 3;
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
    if (wsc_http_equal_nocase(name.data, name.size, schemes[i].name)) return &schemes[i];
  return NULL;
}

/* ---------------------------------------------------------------- user and password */

/* The next byte of a percent-encoded text, or -1 for a broken escape. */
static int decode_byte(slice *text) {
  int byte = (unsigned char)*text->data;
  size_t used = 1;
  if (byte == '%') {
    int high = text->size >= 3 ? wsc_hex_value(text->data[1]) : -1;
    int low = text->size >= 3 ? wsc_hex_value(text->data[2]) : -1;
    byte = high < 0 || low < 0 ? -1 : high * 16 + low;
    used = text->size >= 3 ? 3 : text->size;
  }
  text->data += used;
  text->size -= used;
  return byte;
}

/* Writes `text` decoded and a NUL (out NULL: only counts); gives the size without the NUL. */
static size_t decode(char *out, slice text) {
  size_t size = 0;
  while (text.size > 0) {
    int byte = decode_byte(&text);
    if (out) out[size] = (char)byte;
    size++;
  }
  if (out) out[size] = '\0';
  return size;
}

/* NULL, or what is wrong.  A control byte could end a header line where a proxy is careless with
 * what it decodes; RFC 7617 2 forbids them, and the colon in a user's name. */
static const char *check_credential(slice text, wsc_proxy_kind kind, bool is_user) {
  size_t size = 0;
  while (text.size > 0) {
    int byte = decode_byte(&text);
    if (byte < 0) return "the proxy URL has a broken percent escape";
    if (byte < ' ' || byte == 127) return "the proxy's user or password has a control character";
    if (byte == ':' && is_user && kind != WSC_PROXY_SOCKS5)
      return "the proxy's user has a colon, which Basic authentication cannot carry";
    size++;
  }
  if (kind == WSC_PROXY_SOCKS5 && size > SOCKS5_TEXT_MAX)
    return "the proxy's user or password is longer than the 255 bytes that SOCKS5 can carry";
  return NULL;
}

static const char *take_userinfo(proxy_url *url, slice info) {
  const char *colon = memchr(info.data, ':', info.size);
  url->has_user = info.size > 0;
  url->user = info;
  url->password = (slice){.data = "", .size = 0};
  if (colon) {
    url->user.size = (size_t)(colon - info.data);
    url->password = (slice){.data = colon + 1, .size = info.size - url->user.size - 1};
  }
  const char *sentence = check_credential(url->user, url->kind, true);
  return sentence ? sentence : check_credential(url->password, url->kind, false);
}

/* ---------------------------------------------------------------- host and port */

static bool is_host_byte(char c) {
  return wsc_is_digit(c) || wsc_is_letter(c) || c == '-' || c == '.' || c == '_';
}

static bool is_host(slice host) {
  if (host.size == 0 || host.size > PROXY_HOST_MAX) return false;
  for (size_t i = 0; i < host.size; i++)
    if (!is_host_byte(host.data[i])) return false;
  return true;
}

static bool is_ipv6(slice host) {
  char text[INET6_ADDRSTRLEN];
  struct in6_addr address;
  if (host.size >= sizeof text) return false;
  memcpy(text, host.data, host.size);
  text[host.size] = '\0';
  return inet_pton(AF_INET6, text, &address) == 1;
}

static const char *take_port(proxy_url *url, slice text) {
  unsigned long port = 0;
  if (text.size == 0) return NULL; /* "host:" is "host" (RFC 3986 3.2.3) */
  for (size_t i = 0; i < text.size && port <= 65535; i++)
    port = wsc_is_digit(text.data[i]) ? port * 10 + (unsigned long)(text.data[i] - '0') : 65536;
  if (port < 1 || port > 65535) return "the proxy's port is not a number from 1 to 65535";
  url->port = (uint16_t)port;
  return NULL;
}

static const char *take_host(proxy_url *url, slice text) {
  bool bracket = text.size > 0 && text.data[0] == '[';
  const char *end = memchr(text.data, bracket ? ']' : ':', text.size);
  size_t skip = bracket ? 1 : 0;
  if (bracket && !end) return "the proxy's IPv6 address has no closing bracket";
  url->host = (slice){.data = text.data + skip, .size = text.size - skip};
  if (end) url->host.size = (size_t)(end - url->host.data);
  if (!(bracket ? is_ipv6(url->host) : is_host(url->host)))
    return "the proxy's host is neither a name nor an address";
  slice rest = {.data = url->host.data + url->host.size + skip};
  rest.size = text.size - (size_t)(rest.data - text.data);
  if (rest.size == 0) return NULL;
  if (*rest.data != ':') return "what follows the proxy's host is not a port";
  return take_port(url, (slice){.data = rest.data + 1, .size = rest.size - 1});
}

/* ---------------------------------------------------------------- the whole URL */

/* Where the last '@' of a text stands: a password may hold another. */
static const char *last_at(slice text) {
  for (size_t i = text.size; i-- > 0;)
    if (text.data[i] == '@') return text.data + i;
  return NULL;
}

/* NULL, or what is wrong with it. */
static const char *take_apart(proxy_url *url, const char *text) {
  const proxy_scheme *scheme = take_scheme(&text);
  if (!scheme) return "the proxy's scheme is not http, https, socks5 or socks5h";
  *url =
      (proxy_url){.kind = scheme->kind, .local_names = scheme->local_names, .port = scheme->port};
  slice authority = {.data = text, .size = strcspn(text, "/?#")};
  const char *rest = text + authority.size;
  if (*rest != '\0' && strcmp(rest, "/") != 0) return "a proxy URL ends after host and port";
  const char *at = last_at(authority);
  if (at) {
    slice info = {.data = text, .size = (size_t)(at - text)};
    const char *sentence = take_userinfo(url, info);
    if (sentence) return sentence;
    authority = (slice){.data = at + 1, .size = authority.size - info.size - 1};
  }
  return take_host(url, authority);
}

int wsc_proxy_check(const char *proxy, const char **sentence) {
  proxy_url url;
  *sentence = !proxy || *proxy == '\0' ? NULL : take_apart(&url, proxy);
  return !*sentence ? WSC_OK : WSC_ERR_URL;
}

static bool fill_in(wsc_proxy *proxy, const proxy_url *url) {
  size_t user_size = decode(NULL, url->user);
  size_t size = url->host.size + 1 + user_size + 1 + decode(NULL, url->password) + 1;
  char *text = wsc_alloc(proxy->platform, size, 1);
  if (!text) return false;
  memcpy(text, url->host.data, url->host.size);
  proxy->text = text;
  proxy->host = text;
  if (url->has_user) {
    char *user = text + url->host.size + 1;
    decode(user, url->user);
    decode(user + user_size + 1, url->password);
    proxy->user = user;
    proxy->password = user + user_size + 1;
  }
  proxy->kind = url->kind;
  proxy->local_names = url->local_names;
  proxy->port = url->port;
  return true;
}

int wsc_proxy_choose(wsc_proxy *chosen, const wsc_platform *platform, const char *proxy,
                     const wsc_uri *target, const char **sentence) {
  proxy_url url;
  *chosen = (wsc_proxy){.kind = WSC_PROXY_NONE, .platform = platform};
  *sentence = NULL;
  if (target->path) return WSC_OK; /* a unix socket is on this machine */
  if (!proxy) proxy = wsc_proxy_from_environment(target);
  if (!proxy || *proxy == '\0') return WSC_OK;
  *sentence = take_apart(&url, proxy);
  if (*sentence) return WSC_ERR_URL;
  return fill_in(chosen, &url) ? WSC_OK : WSC_ERR_MEMORY;
}

void wsc_proxy_free(wsc_proxy *proxy) {
  wsc_release(proxy->platform, proxy->text);
  *proxy = (wsc_proxy){.kind = WSC_PROXY_NONE, .platform = proxy->platform};
}
