/* What the two ways to ask a proxy share. */
#ifndef WSC_CORE_TUNNEL_PRIVATE_H
#define WSC_CORE_TUNNEL_PRIVATE_H

#include "printf_like.h"
#include "tunnel.h"

/* How to ask a kind of proxy. */
typedef struct wsc_tunnel_protocol {
  const char *name; /* in sentences */
  /* Puts the first request into `output`; false: no memory. */
  bool (*begin)(wsc_tunnel *tunnel, const wsc_proxy *proxy);
  /* Judges what `input` holds: WSC_OK with the answer consumed; WSC_AGAIN: more bytes are needed,
   * after what was put into `output`; an error. */
  int (*answer)(wsc_tunnel *tunnel);
} wsc_tunnel_protocol;

extern const wsc_tunnel_protocol wsc_tunnel_http;   /* tunnel_http.c */
extern const wsc_tunnel_protocol wsc_tunnel_socks5; /* tunnel_socks5.c */

/* Sets the fault; WSC_ERR_PROXY. */
int wsc_tunnel_fail(wsc_tunnel *tunnel, const char *format, ...) WSC_PRINTF_LIKE(2, 3);

#endif
