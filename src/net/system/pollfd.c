/* poll's own entries, which Winsock has alike: see poll.h. */
#include "poll.h"

#include "inet.h"

#include "core/hidden.h"

struct pollfd *wsc_poll_resize(const wsc_platform *platform, struct pollfd *entries, size_t count) {
  return platform->resize(platform->user, entries, count * sizeof *entries);
}

void wsc_poll_put(struct pollfd *entries, size_t at, const wsc_watch *watch) {
  struct pollfd *entry = &entries[at];
  *entry = (struct pollfd){.fd = WSC_NO_SOCKET};
  if (watch->want) entry->fd = watch->fd;
  if (watch->want & WSC_WANT_READ) entry->events |= POLLIN;
  if (watch->want & WSC_WANT_WRITE) entry->events |= POLLOUT;
}

/* WSAPoll calls an entry without a socket a fault. */
uint8_t wsc_poll_ready(const struct pollfd *entries, size_t at) {
  unsigned bits = 0, events = (unsigned)entries[at].revents;
  if (entries[at].fd == WSC_NO_SOCKET) return 0;
  if (events & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) bits |= WSC_WANT_READ;
  if (events & (POLLOUT | POLLHUP | POLLERR | POLLNVAL)) bits |= WSC_WANT_WRITE;
  return (uint8_t)bits;
}
