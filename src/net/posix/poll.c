/* Readiness of descriptors by poll: see poll.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* ppoll under -std=c11 */
#endif
#include "net/system/poll.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/hidden.h"

#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
int wsc_poll_for(struct pollfd *entries, size_t count, uint64_t timeout_us) {
  struct timespec timeout = {.tv_sec = (time_t)(timeout_us / 1000000u),
                             .tv_nsec = (long)(timeout_us % 1000000u) * 1000};
  bool for_ever = timeout_us / 1000000u > INT_MAX;
  return ppoll(entries, (nfds_t)count, for_ever ? NULL : &timeout, NULL);
}
#else
/* Rounded up: waking before a deadline would mean to wait again. */
int wsc_poll_for(struct pollfd *entries, size_t count, uint64_t timeout_us) {
  uint64_t timeout_ms = timeout_us / 1000u + (timeout_us % 1000u != 0);
  return poll(entries, (nfds_t)count, timeout_ms > INT_MAX ? -1 : (int)timeout_ms);
}
#endif

int wsc_watch_wait(const wsc_watch *watches, size_t count, uint64_t timeout_us, uint8_t *ready) {
  struct pollfd entries[WSC_WATCH_MAX];
  assert(count <= WSC_WATCH_MAX);
  memset(ready, 0, count);
  for (size_t i = 0; i < count; i++) wsc_poll_put(entries, i, &watches[i]);
  int result = wsc_poll_for(entries, count, timeout_us);
  for (size_t i = 0; i < count && result > 0; i++) ready[i] = wsc_poll_ready(entries, i);
  return result >= 0 ? result : errno == EINTR ? -1 : 0;
}

void wsc_watch_look(const wsc_watch *watches, size_t count, uint8_t *ready) {
  while (wsc_watch_wait(watches, count, 0, ready) < 0) continue;
}

int64_t wsc_poll_read(int fd, int other, uint64_t timeout_us, void *data, size_t size) {
  const wsc_watch watches[] = {{fd, WSC_WANT_READ}, {other, WSC_WANT_READ}};
  uint8_t ready[2];
  if (wsc_watch_wait(watches, other < 0 ? 1 : 2, timeout_us, ready) <= 0 || !ready[0])
    return WSC_AGAIN;
  ssize_t got = read(fd, data, size);
  if (got >= 0) return got;
  return errno == EINTR || errno == EAGAIN ? WSC_AGAIN : 0;
}

bool wsc_poll_is_socket(wsc_socket fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}
