/* The descriptors a client waits for, kept registered with epoll or kqueue while they come and go.
 *
 * A pollset remembers what it registered, so that a step that changes nothing costs no system call.
 * A registered descriptor must be forgotten before it is closed: epoll knows open files, not
 * numbers, and a copy in a forked child would keep a closed one reporting for ever.
 *
 * A client may be watched from several places: by a foreign loop, over an instance of the client's
 * own, and by loops over many clients, each over one instance for all of them.  Its pollsets form a
 * chain, and what is said to the first is said to all. */
#ifndef WSC_NET_POLLSET_H
#define WSC_NET_POLLSET_H

#include "poll.h"

typedef struct wsc_pollset wsc_pollset;

/* hub NULL: a new instance is made and owned.  Else a pollset that owns one, borrowed: its instance
 * is used, and reports carry the tag.  NULL: no memory, no descriptor, or a system that has neither
 * epoll nor kqueue. */
wsc_pollset *wsc_pollset_new(const wsc_platform *platform, wsc_pollset *hub, void *tag);
void wsc_pollset_free(wsc_pollset *set); /* NULL is fine, here and below; it is in no chain */

/* One that owns its instance goes to the front. */
void wsc_pollset_link(wsc_pollset **chain, wsc_pollset *set);
void wsc_pollset_unlink(wsc_pollset **chain, wsc_pollset *set);

/* The one of the chain that owns its instance, or NULL; and the rest of the chain. */
wsc_pollset *wsc_pollset_owner(wsc_pollset *chain);
wsc_pollset *wsc_pollset_shared(wsc_pollset *chain);

int wsc_pollset_fd(const wsc_pollset *set); /* readable when a watched descriptor is ready */

/* Makes these, count <= WSC_WATCH_MAX with distinct descriptors, the registered ones.  One that
 * wants nothing is not registered: faults would be reported all the same. */
void wsc_pollset_update(wsc_pollset *chain, const wsc_watch *watches, size_t count);

void wsc_pollset_forget(wsc_pollset *chain, wsc_socket fd);

/* Does this one, whatever its chain, lack a descriptor that the kernel would not take?  The next
 * update tries again. */
bool wsc_pollset_lacks(const wsc_pollset *set);

/* What the kernel reports of a hub's descriptors. */
typedef struct wsc_report {
  void *tag;
  uint8_t ready; /* WSC_WANT_… bits; a fault counts as both */
} wsc_report;

#define WSC_REPORTS_MAX 128

/* Waits for reports, for ever with WSC_NEVER; returns how many came, WSC_REPORTS_MAX at most, or -1
 * after a signal, or -2 where nothing can be looked at.  What stays ready is reported again, after
 * all else that is ready. */
int wsc_pollset_wait(const wsc_pollset *hub, wsc_report *reports, uint64_t timeout_us);

/* After a fork, in the child: a new instance, nothing registered, under the same number where the
 * system lets a child inherit one.  The parent's is left alone, and so it is before the renewal by
 * those that share it.  True: it was renewed. */
bool wsc_pollset_renew(wsc_pollset *set);

#endif
