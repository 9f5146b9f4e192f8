/* Tunnels through a proxy, as streams: HTTP CONNECT (RFC 9110 9.3.6) and SOCKS5 (RFC 1928, 1929).
 */
#ifndef WSC_NET_PROXY_H
#define WSC_NET_PROXY_H

#include "core/uri.h"
#include "net/stream.h"

typedef enum wsc_proxy_kind {
  WSC_PROXY_NONE,
  WSC_PROXY_HTTP,
  WSC_PROXY_HTTPS,
  WSC_PROXY_SOCKS5
} wsc_proxy_kind;

typedef struct wsc_proxy {
  wsc_proxy_kind kind;
  bool local_names; /* socks5:// (names are looked up here); false for socks5h:// and HTTP */
  const char *host;
  uint16_t port;
  const char *user, *password; /* NULL: none */
  char *text;                  /* owned */
  const wsc_platform *platform;
} wsc_proxy;

/* Which proxy leads to `target`.  `proxy`: a URL; "": none; NULL: by the environment with curl's
 * meaning (wss_proxy, https_proxy, ws_proxy, http_proxy, all_proxy, lower case first, HTTP_PROXY in
 * capitals never; no_proxy with suffixes, CIDR and ports). WSC_OK (kind may be NONE); WSC_ERR_URL
 * and a sentence (static); WSC_ERR_MEMORY. */
int wsc_proxy_choose(wsc_proxy *chosen, const wsc_platform *platform, const char *proxy,
                     const wsc_uri *target, const char **sentence);
void wsc_proxy_free(wsc_proxy *proxy);

/* A tunnel to host:port through the proxy that `lower` leads to (owned from here on, also when
 * NULL is returned: no memory).  `proxy` is read only here; what is needed is copied. */
wsc_stream *wsc_tunnel_new(const wsc_platform *platform, wsc_stream *lower, const wsc_proxy *proxy,
                           const char *host, uint16_t port);

/* After the tunnel failed to open: the HTTP status the proxy gave, or 0. */
int wsc_tunnel_status(const wsc_stream *stream);

#endif
