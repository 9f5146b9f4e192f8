/* What a proxy's URL says: see proxy.h. */
#include "proxy.h"

#include "http.h"
#include "ip.h"

#include <string.h>

#include "hidden.h"

#define PROXY_HOST_MAX  255
#define SOCKS5_TEXT_MAX 255 /* RFC 1929 2: one byte for the length */

/* A URL taken apart; the slices point into it, still percent-encoded. */
typedef struct proxy_url {
  wsc_proxy_kind kind;
  bool local_names;
  wsc_slice user, password, host; /* user.data NULL: none */
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
static const proxy_scheme proxy_schemes[] = {
    {"http", WSC_PROXY_HTTP, false, 1080},
    {"https", WSC_PROXY_HTTPS, false, 443},
    {"socks5", WSC_PROXY_SOCKS5, true, 1080},
    {"socks5h", WSC_PROXY_SOCKS5, false, 1080},
};

/* Moves *text behind "scheme://"; without a scheme it is HTTP, as curl has it. */
static const proxy_scheme *take_scheme(wsc_slice *text) {
  wsc_slice rest = *text, name = wsc_slice_take_until(&rest, ":");
  if (!wsc_slice_drop_prefix(&rest, "://")) return &proxy_schemes[0];
  *text = rest;
  for (size_t i = 0; i < sizeof proxy_schemes / sizeof *proxy_schemes; i++)
    if (wsc_http_equal_nocase(name.data, name.size, proxy_schemes[i].name))
      return &proxy_schemes[i];
  return NULL;
}

/* ---------------------------------------------------------------- user and password */

/* NULL, or what is wrong.  A control byte could end a header line where a proxy is careless with
 * what it decodes; RFC 7617 2 forbids them, and the colon in a user's name. */
static const char *credential_fault(wsc_slice text, wsc_proxy_kind kind, bool is_user) {
  size_t size = 0;
  for (; text.size > 0; size++) {
    int byte = wsc_slice_take_decoded(&text);
    if (byte < 0) return "the proxy URL has a broken percent escape";
    if (byte < ' ' || byte == 127) return "the proxy's user or password has a control character";
    if (byte == ':' && is_user && kind != WSC_PROXY_SOCKS5)
      return "the proxy's user has a colon, which Basic authentication cannot carry";
  }
  if (kind == WSC_PROXY_SOCKS5 && size > SOCKS5_TEXT_MAX)
    return "the proxy's user or password is longer than the 255 bytes that SOCKS5 can carry";
  return NULL;
}

static const char *split_credentials(proxy_url *url, wsc_slice info) {
  if (info.size == 0) return NULL;
  url->user = wsc_slice_take_until(&info, ":");
  if (info.size > 0) wsc_slice_drop(&info, 1);
  url->password = info;
  const char *fault = credential_fault(url->user, url->kind, true);
  return fault ? fault : credential_fault(url->password, url->kind, false);
}

/* ---------------------------------------------------------------- host and port */

static bool is_proxy_host(wsc_slice host, bool bracket) {
  uint8_t address[16];
  if (bracket) return wsc_ip_parse(address, host) == 16;
  for (size_t i = 0; i < host.size; i++) {
    char c = host.data[i];
    if (!wsc_is_digit(c) && !wsc_is_letter(c) && !memchr("-._", c, 3)) return false;
  }
  return host.size > 0 && host.size <= PROXY_HOST_MAX;
}

static const char *split_proxy_host(proxy_url *url, wsc_slice rest) {
  bool bracket = wsc_slice_begins_with(rest, '[');
  if (bracket) wsc_slice_drop(&rest, 1);
  url->host = wsc_slice_take_until(&rest, bracket ? "]" : ":");
  if (bracket && rest.size == 0) return "the proxy's IPv6 address has no closing bracket";
  if (bracket) wsc_slice_drop(&rest, 1);
  if (!is_proxy_host(url->host, bracket))
    return "the proxy's host is neither a name nor an address";
  if (rest.size == 0) return NULL;
  if (*rest.data != ':') return "what follows the proxy's host is not a port";
  if (rest.size == 1) return NULL; /* "host:" is "host" (RFC 3986 3.2.3) */
  wsc_slice_drop(&rest, 1);
  long port = wsc_slice_number(rest, UINT16_MAX);
  if (port < 1) return "the proxy's port is not a number from 1 to 65535";
  url->port = (uint16_t)port;
  return NULL;
}

/* ---------------------------------------------------------------- the whole URL */

/* Takes what stands before the last '@': a password may hold another. */
static wsc_slice take_credentials(wsc_slice *rest) {
  wsc_slice info = {NULL, 0};
  for (size_t i = rest->size; i-- > 0;) {
    if (rest->data[i] != '@') continue;
    info = (wsc_slice){rest->data, i};
    wsc_slice_drop(rest, i + 1);
    break;
  }
  return info;
}

/* NULL, or what is wrong with it. */
static const char *split_proxy(proxy_url *url, const char *text) {
  wsc_slice rest = {text, strlen(text)};
  const proxy_scheme *scheme = take_scheme(&rest);
  if (!scheme) return "the proxy's scheme is not http, https, socks5 or socks5h";
  *url =
      (proxy_url){.kind = scheme->kind, .local_names = scheme->local_names, .port = scheme->port};
  wsc_slice authority = wsc_slice_take_until(&rest, "/?#");
  if (rest.size > 0 && strcmp(rest.data, "/") != 0) return "a proxy URL ends after host and port";
  const char *fault = split_credentials(url, take_credentials(&authority));
  return fault ? fault : split_proxy_host(url, authority);
}

int wsc_proxy_check(const char *proxy, const char **sentence) {
  proxy_url url;
  *sentence = !proxy || *proxy == '\0' ? NULL : split_proxy(&url, proxy);
  return !*sentence ? WSC_OK : WSC_ERR_URL;
}

/* Writes `text` decoded and a NUL; gives where it ends. */
static char *put_credential(char *out, wsc_slice text) {
  while (text.size > 0) *out++ = (char)wsc_slice_take_decoded(&text);
  *out++ = '\0';
  return out;
}

static bool fill_in(wsc_proxy *proxy, const proxy_url *url) {
  proxy->text_size = url->host.size + url->user.size + url->password.size + 3;
  char *at = wsc_alloc(proxy->platform, proxy->text_size, 1);
  if (!at) return false;
  proxy->text = at;
  proxy->host = at;
  memcpy(at, url->host.data, url->host.size);
  at += url->host.size + 1;
  if (url->user.data) {
    proxy->user = at;
    at = put_credential(at, url->user);
    proxy->password = at;
    put_credential(at, url->password);
  }
  proxy->kind = url->kind;
  proxy->local_names = url->local_names;
  proxy->port = url->port;
  return true;
}

int wsc_proxy_parse(wsc_proxy *proxy, const wsc_platform *platform, const char *url,
                    const char **sentence) {
  proxy_url parts;
  *proxy = (wsc_proxy){.kind = WSC_PROXY_NONE, .platform = platform};
  *sentence = NULL;
  if (*url == '\0') return WSC_OK;
  *sentence = split_proxy(&parts, url);
  if (*sentence) return WSC_ERR_URL;
  return fill_in(proxy, &parts) ? WSC_OK : WSC_ERR_MEMORY;
}

/* ---------------------------------------------------------------- headers for CONNECT */

static bool is_named(const wsc_header *header, const char *name) {
  return wsc_http_equal_nocase(header->name, strlen(header->name), name);
}

/* NULL, or what is wrong with one of them; how long their lines are. */
static const char *check_headers(const wsc_header *headers, size_t count, size_t *size) {
  const char *fault = NULL;
  *size = 0;
  for (size_t i = 0; i < count && !fault; i++) {
    size_t name_size = strlen(headers[i].name), value_size = strlen(headers[i].value);
    wsc_header_check(headers[i].name, name_size, headers[i].value, value_size, &fault);
    if (is_named(&headers[i], "Host")) fault = "the Host of a tunnel is the server's";
    *size += name_size + value_size + sizeof ": \r\n" - 1;
  }
  return fault;
}

static char *put_text(char *out, const char *text) {
  size_t size = strlen(text);
  memcpy(out, text, size);
  return out + size;
}

int wsc_proxy_add_headers(wsc_proxy *proxy, const wsc_header *headers, size_t count,
                          const char **sentence) {
  size_t size;
  *sentence = check_headers(headers, count, &size);
  if (*sentence) return WSC_ERR_URL;
  if (count == 0 || (proxy->kind != WSC_PROXY_HTTP && proxy->kind != WSC_PROXY_HTTPS))
    return WSC_OK;
  char *at = proxy->headers = wsc_alloc(proxy->platform, size + 1, 1);
  if (!at) return WSC_ERR_MEMORY;
  for (size_t i = 0; i < count; i++) {
    if (is_named(&headers[i], "Proxy-Authorization")) proxy->user = NULL;
    at = put_text(put_text(at, headers[i].name), ": ");
    at = put_text(put_text(at, headers[i].value), "\r\n");
  }
  return WSC_OK;
}

void wsc_proxy_free(wsc_proxy *proxy) {
  if (proxy->text) wsc_wipe(proxy->text, proxy->text_size);
  if (proxy->headers) wsc_wipe(proxy->headers, strlen(proxy->headers));
  wsc_release(proxy->platform, proxy->text);
  wsc_release(proxy->platform, proxy->headers);
  *proxy = (wsc_proxy){.kind = WSC_PROXY_NONE, .platform = proxy->platform};
}
