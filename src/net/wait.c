/* Waiting: wsc_client_wait is the only function of the library that blocks. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* ppoll under -std=c11 */
#endif
#include "client.h"

#include "core/buf.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#define HAVE_PPOLL
#endif

/* Descriptors that need no memory from the heap. */
#define ENTRIES_ON_STACK 32

/* How long to wait when there is no memory to look at all descriptors. */
#define BLIND_WAIT_US 10000u

/* ---------------------------------------------------------------- what one client waits for */

size_t wsc_client_watches(const wsc_client *client, wsc_watch *watches) {
  if (client->setup) return wsc_setup_watches(client->setup, watches);
  if (!client->stream) return 0;
  watches[0] =
      (wsc_watch){.fd = client->stream->ops->fd(client->stream), .want = wsc_client_wants(client)};
  return 1;
}

void wsc_client_register(wsc_client *client) {
  wsc_watch watches[WSC_WATCH_MAX];
  if (client->set) wsc_pollset_update(client->set, watches, wsc_client_watches(client, watches));
}

int wsc_client_pollfd(wsc_client *client) {
  wsc_pollset *own = wsc_pollset_owner(client->set);
  if (own) return wsc_pollset_fd(own);
  own = wsc_pollset_new(client->platform, NULL, client);
  if (!own) return -1;
  wsc_pollset_link(&client->set, own);
  wsc_client_register(client);
  return wsc_pollset_fd(own);
}

/* ---------------------------------------------------------------- waiting for many */

/* A descriptor that wants nothing stays in its place, so that `ready` fits, but is not looked at:
 * poll reports faults of all others. */
struct pollfd wsc_poll_entry(const wsc_watch *watch) {
  struct pollfd entry = wsc_watch_pollfd(watch);
  if (watch->want == 0) entry.fd = -1;
  return entry;
}

/* Collects the entries of all clients, as far as there is room; returns how many there are. */
static size_t collect(wsc_client *const *clients, size_t count, struct pollfd *entries,
                      size_t room) {
  wsc_watch watches[WSC_WATCH_MAX];
  size_t total = 0;
  for (size_t i = 0; i < count; i++) {
    size_t n = wsc_client_watches(clients[i], watches);
    for (size_t k = 0; k < n; k++, total++)
      if (total < room) entries[total] = wsc_poll_entry(&watches[k]);
  }
  return total;
}

static bool has_work(const wsc_client *client) {
  return wsc_client_deadline(client) == 0;
}

static bool any_has_work(wsc_client *const *clients, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (has_work(clients[i])) return true;
  return false;
}

#ifdef HAVE_PPOLL
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

static size_t watch_count(const wsc_client *client) {
  wsc_watch watches[WSC_WATCH_MAX];
  if (!client->setup) return client->stream ? 1 : 0;
  return wsc_setup_watches(client->setup, watches);
}

/* Tells each client what was found; returns how many have something to do. */
static size_t hand_out(wsc_client *const *clients, size_t count, const struct pollfd *entries,
                       bool some_have_work) {
  size_t at = 0, ready_count = 0;
  for (size_t i = 0; i < count; i++) {
    wsc_client *client = clients[i];
    size_t n = watch_count(client);
    bool ready = some_have_work && has_work(client);
    for (size_t k = 0; k < n; k++, at++) {
      client->ready[k] = wsc_watch_ready(&entries[at]);
      ready = ready || client->ready[k] != 0;
    }
    client->ready_known = n > 0;
    ready_count += ready;
  }
  return ready_count;
}

static struct pollfd *entries_on_heap(const wsc_client *client, size_t count) {
  return wsc_alloc(client->platform, count, sizeof(struct pollfd));
}

/* A signal ends the wait early, with 0: its handler may have left work for the program, as that of
 * the Lua interpreter does when Ctrl-C is pressed, and the caller's loop comes back here if not. */
int wsc_client_wait(wsc_client *const *clients, size_t count, uint64_t timeout_us) {
  if (count == 1 && timeout_us >= WSC_READ_WAIT_MS * UINT64_C(1000) && !has_work(clients[0]) &&
      wsc_client_read_wait(clients[0]))
    return !clients[0]->quiet;
  struct pollfd few[ENTRIES_ON_STACK];
  struct pollfd *entries = few;
  size_t total = collect(clients, count, few, ENTRIES_ON_STACK);
  bool some_have_work = any_has_work(clients, count);
  if (some_have_work) timeout_us = 0;
  if (total > ENTRIES_ON_STACK) {
    entries = entries_on_heap(clients[0], total);
    if (entries) collect(clients, count, entries, total);
  }
  if (!entries) {
    wsc_poll_for(NULL, 0, timeout_us < BLIND_WAIT_US ? timeout_us : BLIND_WAIT_US);
    return (int)count;
  }
  int result = wsc_poll_for(entries, total, timeout_us);
  size_t ready_count = 0;
  if (result >= 0) ready_count = hand_out(clients, count, entries, some_have_work);
  if (entries != few) wsc_release(clients[0]->platform, entries);
  return (int)ready_count;
}
