/* The bottom of every stack of streams: one TCP or unix socket; see socket.h. */
#include "net/system/socket.h"

#include "core/buf.h"
#include "net/system/fault.h"
#include "net/system/poll.h"
#include "winsock.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <windows.h>

#include "core/hidden.h"

typedef struct socket_stream {
  wsc_stream base;
  wsc_socket fd;
  int error; /* WSC_OK or why the set-up failed; the base has the sentence */
  bool connected;
  bool ended; /* the peer's end or a fault was read: there is nobody to say goodbye to */
  wsc_address address;
} socket_stream;

static int fail_with(socket_stream *stream, int number, wsc_operation operation) {
  char peer[WSC_PEER_TEXT], text[256];
  wsc_address_peer(&stream->address, peer);
  stream->ended = true;
  int error = wsc_fault_of_errno(text, sizeof text, number, operation, peer);
  wsc_stream_say(&stream->base, "%s", text);
  return error;
}

static int fail_set_up(socket_stream *stream, int number) {
  stream->error = fail_with(stream, number, WSC_OPERATION_CONNECT);
  if (number == EAFNOSUPPORT && stream->address.storage.ss_family == AF_UNIX)
    wsc_stream_say(&stream->base, "this system has no unix sockets");
  return stream->error;
}

/* ---------------------------------------------------------------- set-up */

static void switch_on(wsc_socket fd, int level, int option) {
  BOOL on = TRUE;
  setsockopt(fd, level, option, (const char *)&on, sizeof on); /* it works without it too */
}

static void set_options(wsc_socket fd, int family, bool nodelay) {
  if (family == AF_UNIX) return;
  switch_on(fd, SOL_SOCKET, SO_KEEPALIVE);
  if (nodelay) switch_on(fd, IPPROTO_TCP, TCP_NODELAY);
}

static bool bind_descriptor(socket_stream *stream, const wsc_address *local) {
  if (bind(stream->fd, (const struct sockaddr *)&local->storage, local->size) == 0) return true;
  char text[WSC_ADDRESS_TEXT], words[64];
  int number = WSAGetLastError(), port;
  wsc_address_format(local, text, &port);
  wsc_errno_words(words, sizeof words, number);
  stream->ended = true;
  stream->error = WSC_ERR_UNREACHABLE;
  wsc_stream_say(&stream->base, "cannot bind to the local address %s: %s", text, words);
  return false;
}

static void set_up(socket_stream *stream, const wsc_socket_options *options) {
  const wsc_address *address = &stream->address;
  int family = address->storage.ss_family, number = 0;
  stream->fd = wsc_winsock_open(family, SOCK_STREAM, &number);
  if (stream->fd == WSC_NO_SOCKET) {
    fail_set_up(stream, number);
    return;
  }
  set_options(stream->fd, family, options->nodelay);
  if (options->bind && !bind_descriptor(stream, options->bind)) return;
  if (connect(stream->fd, (const struct sockaddr *)&address->storage, address->size) == 0)
    stream->connected = true;
  else if (!wsc_winsock_is_again())
    fail_set_up(stream, wsc_winsock_errno());
}

/* A connection to a local port in the range of the system's own choice can meet itself when nobody
 * listens there (RFC 9293 3.5, simultaneous open): that is nobody's answer. */
static bool met_itself(const socket_stream *stream) {
  wsc_address self = {.size = sizeof self.storage}, peer = {.size = sizeof peer.storage};
  return getsockname(stream->fd, (struct sockaddr *)&self.storage, &self.size) == 0 &&
         getpeername(stream->fd, (struct sockaddr *)&peer.storage, &peer.size) == 0 &&
         peer.storage.ss_family != AF_UNIX && self.size == peer.size &&
         memcmp(&self.storage, &peer.storage, (size_t)self.size) == 0;
}

/* The number of the error; 0: none. */
static int fault_of(wsc_socket fd) {
  int number = 0, size = sizeof number;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, (char *)&number, &size) != 0) return wsc_winsock_errno();
  return wsc_errno_of_system(number);
}

/* Writable tells success.  The fault of an attempt that failed is asked for in any case: before
 * version 2004 of Windows 10 WSAPoll did not tell of it. */
static int socket_open(wsc_stream *base) {
  socket_stream *stream = (socket_stream *)base;
  struct pollfd entry = {.fd = stream->fd, .events = POLLOUT};
  if (stream->error != WSC_OK) return stream->error;
  if (stream->connected) return WSC_OK;
  WSAPoll(&entry, 1, 0);
  int number = fault_of(stream->fd);
  bool failed = (entry.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
  if (number == 0 && failed) number = ECONNREFUSED;
  if (number != 0) return fail_set_up(stream, number);
  if (!(entry.revents & POLLOUT)) return WSC_AGAIN;
  if (met_itself(stream)) return fail_set_up(stream, ECONNREFUSED);
  stream->connected = true;
  return WSC_OK;
}

/* ---------------------------------------------------------------- bytes */

static int at_most(size_t size) {
  return size < INT_MAX ? (int)size : INT_MAX;
}

static int64_t socket_read(wsc_stream *base, void *data, size_t size) {
  socket_stream *stream = (socket_stream *)base;
  int n = recv(stream->fd, data, at_most(size), 0);
  if (n > 0) return n;
  if (n < 0 && wsc_winsock_is_again()) return WSC_AGAIN;
  int number = wsc_winsock_errno();
  stream->ended = true;
  return n == 0 ? 0 : fail_with(stream, number, WSC_OPERATION_TRANSFER);
}

static int64_t socket_write(wsc_stream *base, const void *data, size_t size) {
  socket_stream *stream = (socket_stream *)base;
  if (size == 0) return 0;
  int n = send(stream->fd, data, at_most(size), 0);
  if (n >= 0) return n;
  if (wsc_winsock_is_again()) return WSC_AGAIN;
  return fail_with(stream, wsc_winsock_errno(), WSC_OPERATION_TRANSFER);
}

static unsigned socket_want(const wsc_stream *base, unsigned wishes) {
  return ((const socket_stream *)base)->connected ? wishes : WSC_WANT_WRITE;
}

static bool socket_pending(const wsc_stream *base) {
  (void)base;
  return false;
}

static wsc_socket socket_fd(const wsc_stream *base) {
  return ((const socket_stream *)base)->fd;
}

/* Closing a socket that holds unread bytes resets the connection, and the reset may overtake our
 * last frame in the peer's system: so what lies there is thrown away first.  A peer that floods us
 * is not read to its end. */
static void discard_input(wsc_socket fd) {
  char waste[4096];
  for (int i = 0; i < 64 && recv(fd, waste, sizeof waste, 0) > 0;) i++;
}

static void socket_shutdown(wsc_stream *base) {
  socket_stream *stream = (socket_stream *)base;
  if (!stream->connected || stream->ended) return;
  stream->ended = true;
  shutdown(stream->fd, SD_SEND);
  discard_input(stream->fd);
}

static void socket_free(wsc_stream *base) {
  socket_stream *stream = (socket_stream *)base;
  if (stream->fd != WSC_NO_SOCKET) closesocket(stream->fd);
  wsc_stream_forget_fault(base);
  wsc_release(base->platform, stream);
}

static const wsc_stream_ops socket_ops = {.open = socket_open,
                                          .read = socket_read,
                                          .write = socket_write,
                                          .want = socket_want,
                                          .pending = socket_pending,
                                          .fd = socket_fd,
                                          .shutdown = socket_shutdown,
                                          .free = socket_free};

static socket_stream *make_stream(const wsc_platform *platform, const wsc_address *address) {
  socket_stream *stream = wsc_alloc(platform, 1, sizeof *stream);
  if (!stream) return NULL;
  stream->base.ops = &socket_ops;
  stream->base.platform = platform;
  stream->fd = WSC_NO_SOCKET;
  stream->address = *address;
  return stream;
}

wsc_stream *wsc_socket_new(const wsc_platform *platform, const wsc_address *address,
                           const wsc_socket_options *options) {
  socket_stream *stream = make_stream(platform, address);
  if (!stream) return NULL;
  set_up(stream, options);
  return &stream->base;
}

/* ---------------------------------------------------------------- made by the program */

wsc_stream *wsc_socket_adopt(const wsc_platform *platform, wsc_socket fd, bool nodelay,
                             wsc_address *peer) {
  u_long on = 1;
  *peer = (wsc_address){.size = sizeof peer->storage};
  bool connected = getpeername(fd, (struct sockaddr *)&peer->storage, &peer->size) == 0;
  if (!connected) peer->size = 0;
  socket_stream *stream = make_stream(platform, peer);
  if (!stream) {
    closesocket(fd);
    return NULL;
  }
  stream->fd = fd;
  stream->connected = connected;
  SetHandleInformation((HANDLE)fd, HANDLE_FLAG_INHERIT, 0);
  ioctlsocket(fd, (long)FIONBIO, &on);
  set_options(fd, peer->storage.ss_family, nodelay);
  if (connected) return &stream->base;
  stream->error = WSC_ERR_RESET;
  wsc_stream_say(&stream->base, "the socket that was given is not, or no longer, connected");
  return &stream->base;
}
