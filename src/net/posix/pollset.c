/* epoll and kqueue behind one face: see pollset.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dup3 under -std=c11 */
#endif
#include "net/system/pollset.h"

#include "core/buf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#include "core/hidden.h"

struct wsc_pollset {
  const wsc_platform *platform;
  wsc_pollset *hub;  /* borrowed; NULL: the instance is owned */
  wsc_pollset *next; /* in the chain */
  void *tag;
  int fd;                   /* of the owned instance */
  pid_t pid;                /* who made the instance, as far as is known here */
  int known[WSC_WATCH_MAX]; /* the registered descriptors */
  uint8_t wants[WSC_WATCH_MAX];
  uint8_t count;
  bool lacks;
};

int wsc_pollset_fd(const wsc_pollset *set) {
  if (set && set->hub) set = set->hub;
  return set ? set->fd : -1;
}

/* epoll and kqueue time waits alike, rounded up: waking before a deadline would mean to wait again.
 * -1: for ever. */
static int whole_ms(uint64_t timeout_us) {
  uint64_t timeout_ms = timeout_us / 1000u + (timeout_us % 1000u != 0);
  return timeout_ms > INT_MAX ? -1 : (int)timeout_ms;
}

/* ---------------------------------------------------------------- the two systems */

#if defined(__linux__)

static int instance_open(void) {
  return epoll_create1(EPOLL_CLOEXEC);
}

enum { INSTANCE_SURVIVES_FORK = true };

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
  return epoll_ctl(wsc_pollset_fd(set), operation, fd, &event) == 0;
}

static wsc_report report_of(const struct epoll_event *event) {
  unsigned ready = 0;
  if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) ready |= WSC_WANT_READ;
  if (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) ready |= WSC_WANT_WRITE;
  return (wsc_report){.tag = event->data.ptr, .ready = (uint8_t)ready};
}

int wsc_pollset_wait(const wsc_pollset *hub, wsc_report *reports, uint64_t timeout_us) {
  struct epoll_event events[WSC_REPORTS_MAX];
  int count = epoll_wait(hub->fd, events, WSC_REPORTS_MAX, whole_ms(timeout_us));
  for (int i = 0; i < count; i++) reports[i] = report_of(&events[i]);
  return count >= 0 || errno == EINTR ? count : -2;
}

#elif defined(USE_KQUEUE)

static int instance_open(void) {
  int fd = kqueue();
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

enum { INSTANCE_SURVIVES_FORK = false };

static bool change_filter(const wsc_pollset *set, int fd, short filter, bool before, bool after) {
  struct kevent change;
  if (before == after) return true;
  EV_SET(&change, (uintptr_t)fd, filter, after ? EV_ADD : EV_DELETE, 0, 0, set->tag);
  return kevent(wsc_pollset_fd(set), &change, 1, NULL, 0, NULL) == 0;
}

static bool instance_change(const wsc_pollset *set, int fd, unsigned before, unsigned after) {
  bool read = change_filter(set, fd, EVFILT_READ, before & WSC_WANT_READ, after & WSC_WANT_READ);
  bool write =
      change_filter(set, fd, EVFILT_WRITE, before & WSC_WANT_WRITE, after & WSC_WANT_WRITE);
  return read && write;
}

static wsc_report report_of(const struct kevent *event) {
  unsigned ready = event->filter == EVFILT_READ ? WSC_WANT_READ : WSC_WANT_WRITE;
  if (event->flags & (EV_EOF | EV_ERROR)) ready = WSC_WANT_READ | WSC_WANT_WRITE;
  return (wsc_report){.tag = (void *)event->udata, .ready = (uint8_t)ready};
}

int wsc_pollset_wait(const wsc_pollset *hub, wsc_report *reports, uint64_t timeout_us) {
  struct kevent events[WSC_REPORTS_MAX];
  int ms = whole_ms(timeout_us);
  struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
  int count = kevent(hub->fd, NULL, 0, events, WSC_REPORTS_MAX, ms < 0 ? NULL : &timeout);
  for (int i = 0; i < count; i++) reports[i] = report_of(&events[i]);
  return count >= 0 || errno == EINTR ? count : -2;
}

#else

static int instance_open(void) {
  return -1;
}
enum { INSTANCE_SURVIVES_FORK = false };
static bool instance_change(const wsc_pollset *set, int fd, unsigned before, unsigned after) {
  (void)set, (void)fd, (void)before, (void)after;
  return false;
}
int wsc_pollset_wait(const wsc_pollset *hub, wsc_report *reports, uint64_t timeout_us) {
  (void)hub, (void)reports, (void)whole_ms(timeout_us);
  return 0;
}

#endif

/* ---------------------------------------------------------------- making */

wsc_pollset *wsc_pollset_new(const wsc_platform *platform, wsc_pollset *hub, void *tag) {
  wsc_pollset *set = wsc_alloc(platform, 1, sizeof *set);
  if (!set) return NULL;
  set->platform = platform;
  set->hub = hub;
  set->tag = tag;
  set->fd = hub ? -1 : instance_open();
  set->pid = hub ? hub->pid : getpid();
  if (hub || set->fd >= 0) return set;
  wsc_release(platform, set);
  return NULL;
}

static bool is_own_process(const wsc_pollset *set) {
  return set->pid == getpid();
}

/* In a forked child a kqueue is gone, and its number may be somebody else's by now. */
void wsc_pollset_free(wsc_pollset *set) {
  if (!set) return;
  if (!set->hub && set->fd >= 0 && (INSTANCE_SURVIVES_FORK || is_own_process(set))) close(set->fd);
  wsc_release(set->platform, set);
}

/* ---------------------------------------------------------------- the chain */

void wsc_pollset_link(wsc_pollset **chain, wsc_pollset *set) {
  if (set->hub && *chain && !(*chain)->hub) chain = &(*chain)->next;
  set->next = *chain;
  *chain = set;
}

void wsc_pollset_unlink(wsc_pollset **chain, wsc_pollset *set) {
  if (!set) return;
  while (*chain != set) chain = &(*chain)->next;
  *chain = set->next;
  set->next = NULL;
}

wsc_pollset *wsc_pollset_owner(wsc_pollset *chain) {
  return chain && !chain->hub ? chain : NULL;
}

wsc_pollset *wsc_pollset_shared(wsc_pollset *chain) {
  return chain && !chain->hub ? chain->next : chain;
}

/* ---------------------------------------------------------------- what is registered */

/* One that shares a parent's instance changes nothing there; after the hub's renewal nothing is
 * registered any more. */
static bool may_change(wsc_pollset *set) {
  if (!set->hub) return true;
  if (set->pid != set->hub->pid) set->count = 0;
  set->pid = set->hub->pid;
  return is_own_process(set->hub);
}

/* Where it stands; `count`: it is not registered. */
static size_t place_of(const wsc_pollset *set, int fd) {
  size_t i = 0;
  while (i < set->count && set->known[i] != fd) i++;
  return i;
}

static unsigned wanted_of(const wsc_watch *watches, size_t count, int fd) {
  for (size_t i = 0; i < count; i++)
    if (watches[i].fd == fd) return watches[i].want;
  return 0;
}

static void forget_at(wsc_pollset *set, size_t i) {
  instance_change(set, set->known[i], set->wants[i], 0);
  set->known[i] = set->known[--set->count];
  set->wants[i] = set->wants[set->count];
}

void wsc_pollset_forget(wsc_pollset *chain, wsc_socket fd) {
  for (; chain; chain = chain->next)
    if (may_change(chain) && place_of(chain, fd) < chain->count)
      forget_at(chain, place_of(chain, fd));
}

static void forget_others(wsc_pollset *set, const wsc_watch *watches, size_t count) {
  for (size_t i = set->count; i-- > 0;)
    if (wanted_of(watches, count, set->known[i]) == 0) forget_at(set, i);
}

/* A registration that the kernel has no memory for is not remembered, so that the next update tries
 * again; deadlines keep the client going meanwhile. */
static bool register_watch(wsc_pollset *set, const wsc_watch *watch) {
  size_t i = place_of(set, watch->fd);
  unsigned before = i < set->count ? set->wants[i] : 0;
  if (watch->want == before) return true;
  if (!instance_change(set, watch->fd, before, watch->want)) return false;
  set->known[i] = watch->fd;
  set->wants[i] = (uint8_t)watch->want;
  if (i == set->count) set->count++;
  return true;
}

static bool fits(const wsc_pollset *set, const wsc_watch *watches, size_t count) {
  size_t wanted = 0;
  if (set->lacks || (set->hub && set->pid != set->hub->pid)) return false;
  for (size_t i = 0; i < count; i++) wanted += watches[i].want != 0;
  if (wanted != set->count) return false;
  for (size_t i = 0; i < set->count; i++)
    if (wanted_of(watches, count, set->known[i]) != set->wants[i]) return false;
  return true;
}

static void update_one(wsc_pollset *set, const wsc_watch *watches, size_t count) {
  if (fits(set, watches, count) || !may_change(set)) return;
  set->lacks = false;
  forget_others(set, watches, count);
  for (size_t i = 0; i < count; i++)
    if (!register_watch(set, &watches[i])) set->lacks = true;
}

void wsc_pollset_update(wsc_pollset *chain, const wsc_watch *watches, size_t count) {
  assert(count <= WSC_WATCH_MAX);
  for (; chain; chain = chain->next) update_one(chain, watches, count);
}

bool wsc_pollset_lacks(const wsc_pollset *set) {
  return set && set->lacks;
}

/* ---------------------------------------------------------------- fork */

/* dup2 puts the new instance in the place of the child's copy of the parent's.  A kqueue left no
 * copy: its number may be somebody else's by now, so the new one keeps its own. */
bool wsc_pollset_renew(wsc_pollset *set) {
  if (!set || is_own_process(set)) return false;
  set->count = 0;
  set->pid = getpid();
  int fd = instance_open();
  if (INSTANCE_SURVIVES_FORK && fd >= 0 && dup2(fd, set->fd) >= 0) {
    fcntl(set->fd, F_SETFD, FD_CLOEXEC);
    close(fd);
    return true;
  }
  if (INSTANCE_SURVIVES_FORK) close(set->fd);
  set->fd = fd;
  return true;
}
