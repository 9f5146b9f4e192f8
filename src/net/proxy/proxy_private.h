/* What the parts of net/proxy share. */
#ifndef WSC_NET_PROXY_PRIVATE_H
#define WSC_NET_PROXY_PRIVATE_H

#include "core/buf.h"
#include "proxy.h"

/* ---------------------------------------------------------------- env.c */

/* The proxy's URL that the environment names for `target`, or NULL.  Lent by the environment. */
const char *wsc_proxy_from_environment(const wsc_uri *target);

/* ---------------------------------------------------------------- tunnel.c */

typedef struct wsc_tunnel wsc_tunnel;

/* How to ask a kind of proxy. */
typedef struct wsc_tunnel_protocol {
  const char *name; /* in sentences */
  /* Puts the first request into `output`; false: no memory. */
  bool (*begin)(wsc_tunnel *tunnel);
  /* Judges what `input` holds: WSC_OK with the answer consumed, the rest belongs to whom the tunnel
   * leads to; WSC_AGAIN: more bytes (of an answer to what was put into `output`); an error. */
  int (*answer)(wsc_tunnel *tunnel);
} wsc_tunnel_protocol;

extern const wsc_tunnel_protocol wsc_tunnel_http;   /* http_connect.c */
extern const wsc_tunnel_protocol wsc_tunnel_socks5; /* socks5.c */

struct wsc_tunnel {
  wsc_stream stream; /* first: a wsc_stream is cast back */
  const wsc_tunnel_protocol *protocol;
  char *user, *password; /* owned; NULL: none */
  char *host;            /* owned: of the target */
  uint16_t port;
  char *authority; /* owned: "host:port", IPv6 in brackets */
  wsc_buf output;  /* not yet taken by the lower stream */
  wsc_buf input;   /* an answer as far as it came; behind it the tunnel's own first bytes */
  size_t scanned;  /* CONNECT: for wsc_http_find_end */
  size_t skipped;  /* CONNECT: bytes of 1xx answers */
  int step;        /* SOCKS5: which answer is awaited */
  int status;      /* CONNECT: of the answer */
  int error;       /* sticks */
  bool ready;
};

/* Sets the fault; WSC_ERR_PROXY. */
int wsc_tunnel_fail(wsc_tunnel *tunnel, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
