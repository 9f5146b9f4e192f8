/* The descriptors a client waits for, kept registered with epoll or kqueue while they come and go.
 *
 * A pollset remembers what it registered, so that a step that changes nothing costs no system call.
 * A registered descriptor must be forgotten before it is closed: epoll knows open files, not
 * numbers, and a copy in a forked child would keep a closed one reporting for ever.
 *
 * The instance behind it is its own, or a shared one that a loop over many clients made; each
 * report of a shared one carries the tag. */
#ifndef WSC_NET_POLLSET_H
#define WSC_NET_POLLSET_H

#include "watch.h"

typedef struct wsc_pollset wsc_pollset;

/* shared_fd: an epoll or kqueue descriptor, borrowed; -1: a new one is made and owned.  NULL: no
 * memory, no descriptor, or a system that has neither. */
wsc_pollset *wsc_pollset_new(const wsc_platform *platform, int shared_fd, void *tag);
void wsc_pollset_free(wsc_pollset *set); /* NULL is fine, here and below */

int wsc_pollset_fd(const wsc_pollset *set); /* readable when a watched descriptor is ready */

/* Makes these, count <= WSC_WATCH_MAX with distinct descriptors, the registered ones.  One that
 * wants nothing is not registered: faults would be reported all the same. */
void wsc_pollset_update(wsc_pollset *set, const wsc_watch *watches, size_t count);

void wsc_pollset_forget(wsc_pollset *set, int fd);

/* After a fork, in the child: a new instance, nothing registered, under the same number where the
 * system lets a child inherit one.  The parent's is left alone. */
void wsc_pollset_renew(wsc_pollset *set);

#endif
