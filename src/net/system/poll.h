/* A descriptor and what is waited for on it. */
#ifndef WSC_NET_POLL_H
#define WSC_NET_POLL_H

#include "net/stream.h"

struct pollfd;

/* Descriptors that one client waits for at a time: one, or those of a dial's attempts. */
#define WSC_WATCH_MAX 8

typedef struct wsc_watch {
  wsc_socket fd;
  unsigned want; /* WSC_WANT_… bits */
} wsc_watch;

/* Looks without waiting: ready[i] are the bits of watches[i].  count <= WSC_WATCH_MAX. */
void wsc_watch_look(const wsc_watch *watches, size_t count, uint8_t *ready);

/* Waits for one of them, at most timeout_us (WSC_NEVER: for ever), then as wsc_watch_look.  How
 * many are ready; -1: a signal ended the wait. */
int wsc_watch_wait(const wsc_watch *watches, size_t count, uint64_t timeout_us, uint8_t *ready);

/* Waits, at most timeout_us, until there is something to read from `fd` or from `other` (-1: none);
 * then reads from `fd` alone what is there: > 0 bytes; 0: its end; WSC_AGAIN: nothing yet.  For a
 * program that reads its input, a regular file too, while a client waits. */
int64_t wsc_poll_read(int fd, int other, uint64_t timeout_us, void *data, size_t size);

bool wsc_poll_is_socket(wsc_socket fd); /* of a stream */

/* Any number of watches in one wait: an array of poll's own, as realloc and the platform have it.
 * NULL: no memory. */
struct pollfd *wsc_poll_resize(const wsc_platform *platform, struct pollfd *entries, size_t count);

/* One that wants nothing stays in its place, but is not looked at: poll reports faults of all
 * others. */
void wsc_poll_put(struct pollfd *entries, size_t at, const wsc_watch *watch);

/* What a finished poll says of one, as WSC_WANT_… bits; a fault counts as both. */
uint8_t wsc_poll_ready(const struct pollfd *entries, size_t at);

/* Waits; WSC_NEVER: for ever.  How many are ready; < 0: a signal ended the wait, or it is none. */
int wsc_poll_for(struct pollfd *entries, size_t count, uint64_t timeout_us);

#endif
