/* Sockets of specs, as POSIX has them. */
#undef socketpair
#undef close
#undef dup
#undef send
#undef recv

#define WAITING_MAX 64 /* threads that a spec lets wait for packets of one socket */

static bool is_of_packets(SOCKET fd) {
  int type = 0, size = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0 && type == SOCK_DGRAM;
}

static SOCKET bound(int type) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  SOCKET fd = socket(AF_INET, type, 0);
  if (fd == INVALID_SOCKET) return fd;
  if (bind(fd, (struct sockaddr *)&any, sizeof any) == 0) return fd;
  closesocket(fd);
  return INVALID_SOCKET;
}

static bool connect_to(SOCKET fd, SOCKET other) {
  struct sockaddr_in address;
  int size = sizeof address;
  return getsockname(other, (struct sockaddr *)&address, &size) == 0 &&
         connect(fd, (struct sockaddr *)&address, size) == 0;
}

static bool pair_of_packets(SOCKET *ends) {
  ends[0] = bound(SOCK_DGRAM);
  ends[1] = bound(SOCK_DGRAM);
  return connect_to(ends[0], ends[1]) && connect_to(ends[1], ends[0]);
}

static bool pair_of_streams(SOCKET *ends) {
  SOCKET listener = bound(SOCK_STREAM);
  ends[0] = socket(AF_INET, SOCK_STREAM, 0);
  bool done = listen(listener, 1) == 0 && connect_to(ends[0], listener);
  ends[1] = done ? accept(listener, NULL, NULL) : INVALID_SOCKET;
  closesocket(listener);
  return ends[1] != INVALID_SOCKET;
}

int wsc_posix_socketpair(int family, int type, int protocol, int *ends) {
  SOCKET made[2];
  (void)family, (void)protocol;
  if (type == SOCK_STREAM ? !pair_of_streams(made) : !pair_of_packets(made)) return -1;
  ends[0] = (int)made[0];
  ends[1] = (int)made[1];
  return 0;
}

int wsc_posix_close(int fd) {
  if (is_of_packets((SOCKET)fd))
    for (int i = 0; i < WAITING_MAX; i++) send((SOCKET)fd, "", 0, 0);
  return closesocket((SOCKET)fd);
}

int wsc_posix_dup(int fd) {
  WSAPROTOCOL_INFOW info;
  if (WSADuplicateSocketW((SOCKET)fd, GetCurrentProcessId(), &info) != 0) return -1;
  return (int)WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0, 0);
}

ssize_t wsc_posix_send(int fd, const void *data, size_t size, int flags) {
  return send((SOCKET)fd, data, (int)size, flags);
}

ssize_t wsc_posix_recv(int fd, void *data, size_t size, int flags) {
  u_long there = 1;
  if (flags & MSG_DONTWAIT) ioctlsocket((SOCKET)fd, FIONREAD, &there);
  return there == 0 ? -1 : recv((SOCKET)fd, data, (int)size, 0);
}
