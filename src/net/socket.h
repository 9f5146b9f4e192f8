/* A TCP or unix socket as a stream: non-blocking, close-on-exec, without SIGPIPE, EINTR retried. */
#ifndef WSC_NET_SOCKET_H
#define WSC_NET_SOCKET_H

#include "stream.h"

#include <sys/socket.h>

typedef struct wsc_address {
  struct sockaddr_storage storage;
  socklen_t size;
} wsc_address;

typedef struct wsc_socket_options {
  const wsc_address *bind; /* or NULL */
  bool nodelay;
} wsc_socket_options;

/* Starts to connect.  NULL: no memory.  A fault (no route, refused at once) is given by the first
 * `open`. */
wsc_stream *wsc_socket_new(const wsc_platform *platform, const wsc_address *address,
                           const wsc_socket_options *options);

/* "192.0.2.1" or "2001:db8::1" with *port, or the path of a unix socket with port 0.  text has
 * WSC_ADDRESS_TEXT bytes. */
#define WSC_ADDRESS_TEXT 112
void wsc_address_format(const wsc_address *address, char *text, int *port);

/* The same as one word group, "192.0.2.1 port 80" or a path.  text has WSC_PEER_TEXT bytes. */
#define WSC_PEER_TEXT (WSC_ADDRESS_TEXT + 16)
void wsc_address_peer(const wsc_address *address, char *text);

int wsc_address_family(const wsc_address *address); /* 4, 6, or 0 for a path */

/* A numeric address without brackets; false: it is a name. */
bool wsc_address_parse(wsc_address *address, const char *text, uint16_t port);
bool wsc_address_unix(wsc_address *address, const char *path); /* false: the path is too long */

#endif
