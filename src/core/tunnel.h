/* How a proxy is asked for a tunnel, without I/O: HTTP CONNECT (RFC 9110 9.3.6) and SOCKS5 (RFC
 * 1928, 1929).
 *
 * Whoever moves the bytes writes what `output` holds, calls wsc_tunnel_step, reads into `input`
 * when that says WSC_AGAIN and there is nothing to write, and so on. */
#ifndef WSC_CORE_TUNNEL_H
#define WSC_CORE_TUNNEL_H

#include "proxy.h"

typedef struct wsc_tunnel {
  const struct wsc_tunnel_protocol *protocol;
  wsc_buf output; /* to be written and consumed by whoever has the connection */
  wsc_buf input;  /* what was read; once the tunnel is open, its own first bytes */
  int status;     /* of the answer to CONNECT; 0: none */
  char fault[256];

  const wsc_platform *platform;
  char *user, *password; /* owned; NULL: none */
  char *host;            /* owned: of the target */
  uint16_t port;
  char *authority; /* owned: "host:port", IPv6 in brackets */
  size_t scanned;  /* CONNECT: for wsc_http_find_end */
  size_t skipped;  /* CONNECT: bytes of 1xx answers */
  int step;        /* SOCKS5: which answer is awaited */
} wsc_tunnel;

/* A tunnel to host:port through `proxy`, which is read only here.  NULL: no memory. */
wsc_tunnel *wsc_tunnel_new(const wsc_platform *platform, const wsc_proxy *proxy, const char *host,
                           uint16_t port);
void wsc_tunnel_free(wsc_tunnel *tunnel); /* NULL is fine; wipes the password */

/* Judges what came.  WSC_AGAIN: there is something to write, else more to be read; WSC_OK: the
 * tunnel is open; a wsc_error: it is not, `fault` is the sentence, and no further step follows. */
int wsc_tunnel_step(wsc_tunnel *tunnel);

/* The proxy closed the connection while it was asked: the error, with its sentence in `fault`. */
int wsc_tunnel_eof(wsc_tunnel *tunnel);

#endif
