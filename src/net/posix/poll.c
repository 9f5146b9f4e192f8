/* Readiness of descriptors by poll: see poll.h. */
#include "poll.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

struct pollfd wsc_watch_pollfd(const wsc_watch *watch) {
  struct pollfd entry = {.fd = watch->fd};
  if (watch->want & WSC_WANT_READ) entry.events |= POLLIN;
  if (watch->want & WSC_WANT_WRITE) entry.events |= POLLOUT;
  return entry;
}

uint8_t wsc_watch_ready(const struct pollfd *entry) {
  unsigned bits = 0;
  if (entry->revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) bits |= WSC_WANT_READ;
  if (entry->revents & (POLLOUT | POLLHUP | POLLERR | POLLNVAL)) bits |= WSC_WANT_WRITE;
  return (uint8_t)bits;
}

void wsc_watch_look(const wsc_watch *watches, size_t count, uint8_t *ready) {
  struct pollfd entries[WSC_WATCH_MAX];
  int result;
  assert(count <= WSC_WATCH_MAX);
  memset(ready, 0, count);
  for (size_t i = 0; i < count; i++) entries[i] = wsc_watch_pollfd(&watches[i]);
  do result = poll(entries, (nfds_t)count, 0);
  while (result < 0 && errno == EINTR);
  if (result <= 0) return;
  for (size_t i = 0; i < count; i++) ready[i] = wsc_watch_ready(&entries[i]);
}
