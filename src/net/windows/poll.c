/* Readiness of sockets by WSAPoll: see poll.h. */
#include "net/system/poll.h"

#include "net/system/clock.h"
#include "winsock.h"

#include <assert.h>
#include <limits.h>

#include <windows.h>

#include "core/hidden.h"

static bool any_socket(const struct pollfd *entries, size_t count) {
  size_t i = 0;
  while (i < count && entries[i].fd == INVALID_SOCKET) i++;
  return i < count;
}

/* WSAPoll wants one socket at least.  Where it fails, reading and writing tell why. */
int wsc_poll_for(struct pollfd *entries, size_t count, uint64_t timeout_us) {
  uint64_t timeout_ms = timeout_us / 1000u + (timeout_us % 1000u != 0);
  if (!any_socket(entries, count)) {
    wsc_sleep_us(timeout_us);
    for (size_t i = 0; i < count; i++) entries[i].revents = 0;
    return 0;
  }
  int result = WSAPoll(entries, (ULONG)count, timeout_ms > INT_MAX ? -1 : (int)timeout_ms);
  if (result >= 0) return result;
  for (size_t i = 0; i < count; i++) entries[i].revents = POLLNVAL;
  return (int)count;
}

int wsc_watch_wait(const wsc_watch *watches, size_t count, uint64_t timeout_us, uint8_t *ready) {
  struct pollfd entries[WSC_WATCH_MAX];
  assert(count <= WSC_WATCH_MAX);
  for (size_t i = 0; i < count; i++) wsc_poll_put(entries, i, &watches[i]);
  int result = wsc_poll_for(entries, count, timeout_us);
  for (size_t i = 0; i < count; i++) ready[i] = wsc_poll_ready(entries, i);
  return result;
}

void wsc_watch_look(const wsc_watch *watches, size_t count, uint8_t *ready) {
  wsc_watch_wait(watches, count, 0, ready);
}

bool wsc_poll_is_socket(wsc_socket fd) {
  int type = 0, size = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0 && type == SOCK_STREAM;
}
