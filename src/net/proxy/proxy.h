/* Tunnels through a proxy, as streams; see core/tunnel.h for what is said in them. */
#ifndef WSC_NET_PROXY_H
#define WSC_NET_PROXY_H

#include "core/proxy.h"
#include "core/uri.h"
#include "net/stream.h"

/* Which proxy leads to `target`.  `proxy`: a URL; "": none; NULL: by the environment with curl's
 * meaning (wss_proxy, https_proxy, ws_proxy, http_proxy, all_proxy, lower case first, HTTP_PROXY in
 * capitals never; no_proxy). WSC_OK (kind may be NONE); WSC_ERR_URL and a sentence (static);
 * WSC_ERR_MEMORY. */
int wsc_proxy_choose(wsc_proxy *chosen, const wsc_platform *platform, const char *proxy,
                     const wsc_uri *target, const char **sentence);

/* A tunnel to host:port through the proxy that `lower` leads to (owned from here on, also when
 * NULL is returned: no memory).  `proxy` is read only here; what is needed is copied. */
wsc_stream *wsc_tunnel_stream_new(const wsc_platform *platform, wsc_stream *lower,
                                  const wsc_proxy *proxy, const char *host, uint16_t port);

/* After the tunnel failed to open: the HTTP status the proxy gave, or 0. */
int wsc_tunnel_stream_status(const wsc_stream *stream);

#endif
