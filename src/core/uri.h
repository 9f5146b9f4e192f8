/* ws, wss, ws+unix and wss+unix URLs: RFC 6455 3, RFC 3986. */
#ifndef WSC_CORE_URI_H
#define WSC_CORE_URI_H

#include "buf.h"
#include "slice.h"

/* A URL taken apart where it stands. */
typedef struct wsc_url_parts {
  bool secure, on_socket, ipv6;
  wsc_slice userinfo, path, host, zone, target; /* as written; the target without a leading "/" if
                                                   it begins with "?" or is empty */
  unsigned port;                                /* as wsc_uri's */
} wsc_url_parts;

/* NULL, or a sentence (static) as wsc_uri_parse gives it. */
const char *wsc_url_split(wsc_url_parts *parts, const char *text);

typedef struct wsc_uri {
  bool secure;
  bool ipv6;             /* host was written in brackets */
  const char *path;      /* of a unix socket, or NULL */
  const char *host;      /* lower case, without brackets; "localhost" for a unix socket */
  const char *dial_host; /* host; with an IPv6 zone, which means something on this machine only and
                            so stands nowhere else (RFC 6874): "fe80::1%eth0" */
  uint16_t port;         /* 80 and 443 by default; 0 for a unix socket */
  const char *authority; /* as the Host header wants it: brackets kept, default port left out */
  const char *target;    /* path and query, "/" when empty: the request line's */
  const char *userinfo;  /* percent-decoded "user:password", or NULL */
  char *text;            /* owned: what all the strings point into */
  const wsc_platform *platform;
} wsc_uri;

/* WSC_OK; WSC_ERR_URL and a sentence (static): scheme, empty or ill-formed host, port out of
 * 1-65535, fragment, blank or control byte, non-ASCII byte, broken percent escape, missing socket
 * path; WSC_ERR_MEMORY.  On failure nothing is owned. */
int wsc_uri_parse(wsc_uri *uri, const wsc_platform *platform, const char *text,
                  const char **sentence);
void wsc_uri_free(wsc_uri *uri);

#endif
