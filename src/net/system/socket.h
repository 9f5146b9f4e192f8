/* A TCP or unix socket as a stream: non-blocking, not inherited by programs that are started,
 * without SIGPIPE, EINTR retried. */
#ifndef WSC_NET_SOCKET_H
#define WSC_NET_SOCKET_H

#include "address.h"
#include "net/stream.h"

typedef struct wsc_socket_options {
  const wsc_address *bind; /* or NULL */
  bool nodelay;
} wsc_socket_options;

/* Starts to connect.  NULL: no memory.  A fault (no route, refused at once) is given by the first
 * `open`. */
wsc_stream *wsc_socket_new(const wsc_platform *platform, const wsc_address *address,
                           const wsc_socket_options *options);

/* A socket that is connected already, owned from here on, and where it leads to.  NULL: no memory.
 * That it is not connected is told by the first `open`. */
wsc_stream *wsc_socket_adopt(const wsc_platform *platform, wsc_socket fd, bool nodelay,
                             wsc_address *peer);

#endif
