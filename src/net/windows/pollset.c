/* There is no descriptor here that others become readable by, so there is no pollset: a loop looks
 * at all of its clients in one WSAPoll.  See pollset.h. */
#include "net/system/pollset.h"

#include "core/hidden.h"

wsc_pollset *wsc_pollset_new(const wsc_platform *platform, wsc_pollset *hub, void *tag) {
  (void)platform, (void)hub, (void)tag;
  return NULL;
}

void wsc_pollset_free(wsc_pollset *set) {
  (void)set;
}

void wsc_pollset_link(wsc_pollset **chain, wsc_pollset *set) {
  (void)chain, (void)set;
}

void wsc_pollset_unlink(wsc_pollset **chain, wsc_pollset *set) {
  (void)chain, (void)set;
}

wsc_pollset *wsc_pollset_owner(wsc_pollset *chain) {
  return chain;
}

wsc_pollset *wsc_pollset_shared(wsc_pollset *chain) {
  return chain;
}

int wsc_pollset_fd(const wsc_pollset *set) {
  (void)set;
  return -1;
}

void wsc_pollset_update(wsc_pollset *chain, const wsc_watch *watches, size_t count) {
  (void)chain, (void)watches, (void)count;
}

void wsc_pollset_forget(wsc_pollset *chain, wsc_socket fd) {
  (void)chain, (void)fd;
}

bool wsc_pollset_lacks(const wsc_pollset *set) {
  (void)set;
  return false;
}

int wsc_pollset_wait(const wsc_pollset *hub, wsc_report *reports, uint64_t timeout_us) {
  (void)hub, (void)reports, (void)timeout_us;
  return -2;
}

bool wsc_pollset_renew(wsc_pollset *set) {
  (void)set;
  return false;
}
