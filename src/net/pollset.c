/* epoll and kqueue behind one face: see pollset.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dup3 under -std=c11 */
#endif
#include "pollset.h"

#include "core/buf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/epoll.h>
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || \
    defined(__DragonFly__)
#define USE_KQUEUE
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#endif

struct wsc_pollset {
  const wsc_platform *platform;
  void *tag;
  int fd;
  bool owned;
  pid_t pid; /* who made the instance */
  size_t count;
  wsc_watch watches[WSC_WATCH_MAX]; /* as registered */
};

/* ---------------------------------------------------------------- the two systems */

#if defined(__linux__)

static int instance_open(void) {
  return epoll_create1(EPOLL_CLOEXEC);
}

static bool instance_survives_fork(void) {
  return true;
}

static struct epoll_event event_for(const wsc_pollset *set, unsigned want) {
  struct epoll_event event = {.data.ptr = set->tag};
  if (want & WSC_WANT_READ) event.events |= EPOLLIN;
  if (want & WSC_WANT_WRITE) event.events |= EPOLLOUT;
  return event;
}

/* What is registered goes from `before` to `after`; 0 is "not at all". */
static bool instance_change(const wsc_pollset *set, int fd, unsigned before, unsigned after) {
  struct epoll_event event = event_for(set, after);
  int operation = before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (after == 0) operation = EPOLL_CTL_DEL;
  return epoll_ctl(set->fd, operation, fd, &event) == 0;
}

#elif defined(USE_KQUEUE)

static int instance_open(void) {
  int fd = kqueue();
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

static bool instance_survives_fork(void) {
  return false;
}

static bool change_filter(const wsc_pollset *set, int fd, short filter, bool before, bool after) {
  struct kevent change;
  if (before == after) return true;
  EV_SET(&change, (uintptr_t)fd, filter, after ? EV_ADD : EV_DELETE, 0, 0, set->tag);
  return kevent(set->fd, &change, 1, NULL, 0, NULL) == 0;
}

static bool instance_change(const wsc_pollset *set, int fd, unsigned before, unsigned after) {
  bool read = change_filter(set, fd, EVFILT_READ, before & WSC_WANT_READ, after & WSC_WANT_READ);
  bool write =
      change_filter(set, fd, EVFILT_WRITE, before & WSC_WANT_WRITE, after & WSC_WANT_WRITE);
  return read && write;
}

#else

static int instance_open(void) {
  return -1;
}
static bool instance_survives_fork(void) {
  return false;
}
static bool instance_change(const wsc_pollset *set, int fd, unsigned before, unsigned after) {
  (void)set, (void)fd, (void)before, (void)after;
  return false;
}

#endif

/* ---------------------------------------------------------------- the set */

wsc_pollset *wsc_pollset_new(const wsc_platform *platform, int shared_fd, void *tag) {
  wsc_pollset *set = wsc_alloc(platform, 1, sizeof *set);
  if (!set) return NULL;
  set->platform = platform;
  set->tag = tag;
  set->owned = shared_fd < 0;
  set->fd = set->owned ? instance_open() : shared_fd;
  set->pid = getpid();
  if (set->fd >= 0) return set;
  wsc_release(platform, set);
  return NULL;
}

/* In a forked child a kqueue is gone, and its number may be somebody else's by now. */
void wsc_pollset_free(wsc_pollset *set) {
  if (!set) return;
  if (set->owned && (instance_survives_fork() || set->pid == getpid())) close(set->fd);
  wsc_release(set->platform, set);
}

int wsc_pollset_fd(const wsc_pollset *set) {
  return set ? set->fd : -1;
}

static wsc_watch *find_watch(wsc_pollset *set, int fd) {
  for (size_t i = 0; i < set->count; i++)
    if (set->watches[i].fd == fd) return &set->watches[i];
  return NULL;
}

static unsigned wanted_of(const wsc_watch *watches, size_t count, int fd) {
  for (size_t i = 0; i < count; i++)
    if (watches[i].fd == fd) return watches[i].want;
  return 0;
}

void wsc_pollset_forget(wsc_pollset *set, int fd) {
  wsc_watch *watch = set ? find_watch(set, fd) : NULL;
  if (!watch) return;
  instance_change(set, fd, watch->want, 0);
  *watch = set->watches[--set->count];
}

static void forget_others(wsc_pollset *set, const wsc_watch *watches, size_t count) {
  for (size_t i = set->count; i-- > 0;)
    if (wanted_of(watches, count, set->watches[i].fd) == 0)
      wsc_pollset_forget(set, set->watches[i].fd);
}

/* A registration that fails (no memory in the kernel) is not remembered, so that the next update
 * tries again; deadlines keep the client going meanwhile. */
static void register_watch(wsc_pollset *set, const wsc_watch *watch) {
  wsc_watch *known = find_watch(set, watch->fd);
  if (known && known->want == watch->want) return;
  if (!instance_change(set, watch->fd, known ? known->want : 0, watch->want)) return;
  if (!known) known = &set->watches[set->count++];
  *known = *watch;
}

void wsc_pollset_update(wsc_pollset *set, const wsc_watch *watches, size_t count) {
  if (!set) return;
  assert(count <= WSC_WATCH_MAX);
  forget_others(set, watches, count);
  for (size_t i = 0; i < count; i++)
    if (watches[i].want != 0) register_watch(set, &watches[i]);
}

/* dup2 puts the new instance in the place of the child's copy of the parent's.  A kqueue left no
 * copy: its number may be somebody else's by now, so the new one keeps its own. */
void wsc_pollset_renew(wsc_pollset *set) {
  if (!set || set->pid == getpid()) return;
  set->count = 0;
  set->pid = getpid();
  if (!set->owned) return;
  int fd = instance_open();
  if (instance_survives_fork() && fd >= 0 && dup2(fd, set->fd) >= 0) {
    fcntl(set->fd, F_SETFD, FD_CLOEXEC);
    close(fd);
    return;
  }
  if (instance_survives_fork()) close(set->fd);
  set->fd = fd;
}
