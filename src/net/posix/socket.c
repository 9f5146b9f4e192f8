/* The bottom of every stack of streams: one TCP or unix socket; see socket.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* SOCK_CLOEXEC and SOCK_NONBLOCK under -std=c11 */
#endif
#include "net/system/socket.h"

#include "core/buf.h"
#include "net/system/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <string.h>
#include <unistd.h>

#include "core/hidden.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: SO_NOSIGPIPE does it */
#endif

typedef struct socket_stream {
  wsc_stream base;
  int fd;
  int error; /* WSC_OK or why the set-up failed; the base has the sentence */
  bool connected;
  bool waits; /* the descriptor is in blocking mode, with a time limit on reading */
  bool ended; /* the peer's end or a fault was read: there is nobody to say goodbye to */
  socklen_t address_size;
  uint8_t address[]; /* as long as its family needs: connections are many and lie idle */
} socket_stream;

static int fail_with(socket_stream *socket, int number, wsc_operation operation) {
  wsc_address address = {.size = socket->address_size};
  char peer[WSC_PEER_TEXT], text[256];
  memcpy(&address.storage, socket->address, socket->address_size);
  wsc_address_peer(&address, peer);
  socket->ended = true;
  int error = wsc_fault_of_errno(text, sizeof text, number, operation, peer);
  wsc_stream_say(&socket->base, "%s", text);
  return error;
}

static void fail_set_up(socket_stream *socket, int number) {
  socket->error = fail_with(socket, number, WSC_OPERATION_CONNECT);
}

/* ---------------------------------------------------------------- set-up */

#ifdef SOCK_NONBLOCK
static int open_descriptor(int family) {
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}
#else
static int open_descriptor(int family) {
  int fd = socket(family, SOCK_STREAM, 0);
  if (fd < 0) return fd;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}
#endif

static void switch_on(int fd, int level, int option) {
  int on = 1;
  setsockopt(fd, level, option, &on, sizeof on); /* without it the connection works all the same */
}

static void set_options(int fd, int family, bool nodelay) {
#ifdef SO_NOSIGPIPE
  switch_on(fd, SOL_SOCKET, SO_NOSIGPIPE);
#endif
  if (family == AF_UNIX) return;
  switch_on(fd, SOL_SOCKET, SO_KEEPALIVE);
  if (nodelay) switch_on(fd, IPPROTO_TCP, TCP_NODELAY);
}

static bool bind_descriptor(socket_stream *socket, const wsc_address *local) {
#ifdef IP_BIND_ADDRESS_NO_PORT
  /* the port is chosen by connect, which may share one between connections to different peers */
  switch_on(socket->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
#endif
  if (bind(socket->fd, (const struct sockaddr *)&local->storage, local->size) == 0) return true;
  char text[WSC_ADDRESS_TEXT], words[64];
  int number = errno, port;
  wsc_address_format(local, text, &port);
  wsc_errno_words(words, sizeof words, number);
  socket->ended = true;
  socket->error = WSC_ERR_UNREACHABLE;
  wsc_stream_say(&socket->base, "cannot bind to the local address %s: %s", text, words);
  return false;
}

static void start_connecting(socket_stream *socket) {
  const struct sockaddr *address = (const struct sockaddr *)socket->address;
  if (connect(socket->fd, address, socket->address_size) == 0)
    socket->connected = true;
  else if (errno != EINPROGRESS && errno != EINTR) /* interrupted, it goes on by itself */
    fail_set_up(socket, errno);
}

static void set_up(socket_stream *socket, int family, const wsc_socket_options *options) {
  socket->fd = open_descriptor(family);
  if (socket->fd < 0) {
    fail_set_up(socket, errno);
    return;
  }
  set_options(socket->fd, family, options->nodelay);
  if (options->bind && !bind_descriptor(socket, options->bind)) return;
  start_connecting(socket);
}

/* A connection to a local port in the range of the system's own choice can meet itself when nobody
 * listens there (RFC 9293 3.5, simultaneous open): that is nobody's answer. */
static bool met_itself(const socket_stream *socket, const struct sockaddr_storage *peer) {
  struct sockaddr_storage self = {0};
  socklen_t size = sizeof self;
  if (peer->ss_family == AF_UNIX) return false;
  if (getsockname(socket->fd, (struct sockaddr *)&self, &size) != 0) return false;
  return memcmp(&self, peer, size) == 0;
}

/* A peer name tells success in one call; SO_ERROR alone cannot tell it from "still trying". */
static int socket_open(wsc_stream *stream) {
  socket_stream *socket = (socket_stream *)stream;
  if (socket->error != WSC_OK) return socket->error;
  if (socket->connected) return WSC_OK;
  struct sockaddr_storage peer = {0};
  socklen_t size = sizeof peer;
  if (getpeername(socket->fd, (struct sockaddr *)&peer, &size) == 0) {
    if (met_itself(socket, &peer)) fail_set_up(socket, ECONNREFUSED);
    socket->connected = socket->error == WSC_OK;
    return socket->error;
  }
  int number = 0;
  size = sizeof number;
  if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
  if (number == 0) return WSC_AGAIN;
  fail_set_up(socket, number);
  return socket->error;
}

/* ---------------------------------------------------------------- bytes */

static int64_t check_read(socket_stream *socket, ssize_t n) {
  if (n > 0) return n;
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return WSC_AGAIN;
  socket->ended = true;
  return n == 0 ? 0 : fail_with(socket, errno, WSC_OPERATION_TRANSFER);
}

static int64_t socket_read(wsc_stream *stream, void *data, size_t size) {
  socket_stream *socket = (socket_stream *)stream;
  ssize_t n;
  do n = recv(socket->fd, data, size, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return check_read(socket, n);
}

/* The mode is changed once: every other call says for itself that it does not wait. */
static bool may_wait(socket_stream *socket) {
  struct timeval limit = {.tv_usec = WSC_READ_WAIT_MS * 1000L};
  if (socket->waits) return true;
  if (setsockopt(socket->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) return false;
  socket->waits = fcntl(socket->fd, F_SETFL, 0) == 0;
  return socket->waits;
}

static int64_t socket_read_wait(wsc_stream *stream, void *data, size_t size) {
  socket_stream *socket = (socket_stream *)stream;
  if (!may_wait(socket)) return socket_read(stream, data, size);
  return check_read(socket, recv(socket->fd, data, size, 0));
}

/* ENOBUFS is BSD's and macOS's "not now". */
static int64_t socket_write(wsc_stream *stream, const void *data, size_t size) {
  socket_stream *socket = (socket_stream *)stream;
  ssize_t n;
  if (size == 0) return 0;
  do n = send(socket->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n >= 0) return n;
  if (errno == EAGAIN || errno == ENOBUFS) return WSC_AGAIN;
  return fail_with(socket, errno, WSC_OPERATION_TRANSFER);
}

static unsigned socket_want(const wsc_stream *stream, unsigned wishes) {
  const socket_stream *socket = (const socket_stream *)stream;
  return socket->connected ? wishes : WSC_WANT_WRITE;
}

static bool socket_pending(const wsc_stream *stream) {
  (void)stream;
  return false;
}

static wsc_socket socket_fd(const wsc_stream *stream) {
  return ((const socket_stream *)stream)->fd;
}

static uint32_t socket_unsent(const wsc_stream *stream) {
#ifdef __linux__
  int bytes = 0; /* TIOCOUTQ is SIOCOUTQ, whose header not every libc comes with */
  if (ioctl(((const socket_stream *)stream)->fd, TIOCOUTQ, &bytes) == 0 && bytes > 0)
    return (uint32_t)bytes;
#else
  (void)stream;
#endif
  return 0;
}

/* Closing a socket that holds unread bytes resets the connection, and the reset may overtake our
 * last frame in the peer's kernel: so what lies there is thrown away first.  A peer that floods us
 * is not read to its end. */
static void discard_input(int fd) {
  char waste[4096];
  for (int i = 0; i < 64; i++) {
    ssize_t n = recv(fd, waste, sizeof waste, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EINTR)) return;
  }
}

static void socket_shutdown(wsc_stream *stream) {
  socket_stream *socket = (socket_stream *)stream;
  if (!socket->connected || socket->ended) return;
  socket->ended = true;
  shutdown(socket->fd, SHUT_WR);
  discard_input(socket->fd);
}

static void socket_free(wsc_stream *stream) {
  socket_stream *socket = (socket_stream *)stream;
  if (socket->fd >= 0) close(socket->fd);
  wsc_stream_forget_fault(stream);
  wsc_release(stream->platform, socket);
}

static const wsc_stream_ops socket_ops = {.open = socket_open,
                                          .read = socket_read,
                                          .read_wait = socket_read_wait,
                                          .write = socket_write,
                                          .want = socket_want,
                                          .pending = socket_pending,
                                          .fd = socket_fd,
                                          .unsent = socket_unsent,
                                          .shutdown = socket_shutdown,
                                          .free = socket_free};

static socket_stream *make_stream(const wsc_platform *platform, const wsc_address *address) {
  socket_stream *socket = wsc_alloc(platform, 1, sizeof *socket + address->size);
  if (!socket) return NULL;
  socket->base.ops = &socket_ops;
  socket->base.platform = platform;
  socket->fd = -1;
  socket->address_size = address->size;
  memcpy(socket->address, &address->storage, address->size);
  return socket;
}

wsc_stream *wsc_socket_new(const wsc_platform *platform, const wsc_address *address,
                           const wsc_socket_options *options) {
  socket_stream *socket = make_stream(platform, address);
  if (!socket) return NULL;
  set_up(socket, address->storage.ss_family, options);
  return &socket->base;
}

/* ---------------------------------------------------------------- made by the program */

/* All calls say for themselves that they do not wait, so the mode, which another process may share,
 * stays as it is. */
wsc_stream *wsc_socket_adopt(const wsc_platform *platform, wsc_socket fd, bool nodelay,
                             wsc_address *peer) {
  *peer = (wsc_address){.size = sizeof peer->storage};
  bool connected = getpeername(fd, (struct sockaddr *)&peer->storage, &peer->size) == 0;
  if (!connected) peer->size = 0;
  socket_stream *socket = make_stream(platform, peer);
  if (!socket) {
    close(fd);
    return NULL;
  }
  socket->fd = fd;
  socket->connected = connected;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  set_options(fd, peer->storage.ss_family, nodelay);
  if (connected) return &socket->base;
  socket->error = WSC_ERR_RESET;
  wsc_stream_say(&socket->base, "the socket that was given is not, or no longer, connected");
  return &socket->base;
}
