/* In the place of net's clients in a build without sockets (WSC_WITHOUT_NET): what the binding asks
 * of them for its objects.  There is no way to make one. */
#include "wsclose.h"

#include "net/system/poll.h"

#include "core/hidden.h"

void wsc_client_free(wsc_client *client) {
  (void)client;
}

void wsc_client_leave(wsc_client *client) {
  (void)client;
}

void wsc_client_flush(wsc_client *client) {
  (void)client;
}

void wsc_client_watch_drain(wsc_client *client) {
  (void)client;
}

void wsc_client_drain_at(wsc_client *client, size_t size) {
  (void)client;
  (void)size;
}

wsc_tls_cache *wsc_tls_cache_new(const wsc_platform *platform) {
  (void)platform;
  return NULL;
}

void wsc_tls_cache_free(wsc_tls_cache *cache) {
  (void)cache;
}

int64_t wsc_poll_read(int fd, int other, uint64_t timeout_us, void *data, size_t size) {
  (void)fd, (void)other, (void)timeout_us, (void)data, (void)size;
  return 0;
}

bool wsc_poll_is_socket(wsc_socket fd) {
  (void)fd;
  return false;
}
