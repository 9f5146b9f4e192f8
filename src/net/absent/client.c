/* In the place of net's clients where the sockets are not POSIX's (Windows): a client can be made,
 * but no attempt can begin, and the sentence says why.  The connection without I/O is all there. */
#include "wsclose.h"

#include "core/buf.h"
#include "net/loop.h"
#include "net/posix/poll.h"
#include "net/turn.h"

struct wsc_client {
  const wsc_platform *platform; /* borrowed */
};

static const char no_sockets[] =
    "this wsclose was built without sockets: bring your own and use the protocol object";

void wsc_client_config_init(wsc_client_config *config, const wsc_platform *platform) {
  *config = (wsc_client_config){.tls = {.verify = true}};
  wsc_config_init(&config->conn, platform);
}

int wsc_proxy_check(const char *proxy, const char **sentence) {
  *sentence = no_sockets;
  return *proxy == '\0' ? WSC_OK : WSC_ERR_URL;
}

wsc_client *wsc_client_new(const wsc_platform *platform) {
  wsc_client *client = wsc_alloc(platform, 1, sizeof *client);
  if (client) client->platform = platform;
  return client;
}

void wsc_client_free(wsc_client *client) {
  if (client) wsc_release(client->platform, client);
}

void wsc_client_leave(wsc_client *client) {
  (void)client;
}

wsc_tls_cache *wsc_tls_cache_new(const wsc_platform *platform) {
  (void)platform;
  return NULL;
}

void wsc_tls_cache_free(wsc_tls_cache *cache) {
  (void)cache;
}

void wsc_client_prepare(wsc_client *client, const wsc_client_config *config) {
  (void)client, (void)config;
}

int wsc_client_start(wsc_client *client, const wsc_client_config *config, const char **sentence) {
  (void)client, (void)config;
  *sentence = no_sockets;
  return WSC_ERR_URL;
}

wsc_conn *wsc_client_conn(wsc_client *client) {
  (void)client;
  return NULL;
}

void wsc_client_limit_turn(wsc_client *client, uint32_t messages, uint32_t time_us) {
  (void)client, (void)messages, (void)time_us;
}

wsc_event_type wsc_client_next(wsc_client *client, uint64_t timeout_us, wsc_event *event) {
  (void)client, (void)timeout_us;
  *event = (wsc_event){.type = WSC_EVENT_NONE, .rtt_us = WSC_NEVER};
  return event->type;
}

void wsc_turn_begin(wsc_client *client, uint64_t timeout_us) {
  (void)client, (void)timeout_us;
}

wsc_event_type wsc_turn_next(wsc_client *client, wsc_event *event) {
  return wsc_client_next(client, 0, event);
}

bool wsc_client_step(wsc_client *client) {
  (void)client;
  return false;
}

void wsc_client_watch_drain(wsc_client *client) {
  (void)client;
}

void wsc_client_flush(wsc_client *client) {
  (void)client;
}

void wsc_client_pause(wsc_client *client, bool paused) {
  (void)client, (void)paused;
}

uint64_t wsc_client_deadline(const wsc_client *client) {
  (void)client;
  return WSC_NEVER;
}

bool wsc_client_wait(wsc_client *client, uint64_t timeout_us) {
  (void)client, (void)timeout_us;
  return false;
}

int wsc_client_pollfd(wsc_client *client) {
  (void)client;
  return -1;
}

void wsc_client_get_info(const wsc_client *client, wsc_client_info *info) {
  (void)client;
  *info = (wsc_client_info){.phase = WSC_PHASE_TCP};
}

size_t wsc_client_certificate(const wsc_client *client, char *text, size_t size,
                              int64_t *not_after) {
  (void)client, (void)text, (void)size, (void)not_after;
  return 0;
}

/* A loop waits for sockets, and there are none. */
wsc_loop *wsc_loop_new(const wsc_platform *platform) {
  (void)platform;
  return NULL;
}

void wsc_loop_free(wsc_loop *loop) {
  (void)loop;
}

int wsc_loop_add(wsc_loop *loop, wsc_client *client, void *user) {
  (void)loop, (void)client, (void)user;
  return WSC_ERR_MEMORY;
}

void wsc_loop_remove(wsc_loop *loop, wsc_client *client) {
  (void)loop, (void)client;
}

size_t wsc_loop_count(const wsc_loop *loop) {
  (void)loop;
  return 0;
}

void wsc_loop_alarm(wsc_loop *loop, wsc_client *client, uint64_t at_us) {
  (void)loop, (void)client, (void)at_us;
}

int wsc_loop_wait(wsc_loop *loop, uint64_t timeout_us) {
  (void)loop, (void)timeout_us;
  return 0;
}

bool wsc_loop_next(wsc_loop *loop, wsc_client **client, void **user) {
  (void)loop, (void)client, (void)user;
  return false;
}

uint64_t wsc_loop_deadline(wsc_loop *loop) {
  (void)loop;
  return WSC_NEVER;
}

int wsc_loop_pollfd(wsc_loop *loop) {
  (void)loop;
  return -1;
}

void wsc_loop_wake(const wsc_client *client) {
  (void)client;
}

void wsc_loop_set_deadline(wsc_loop *loop, wsc_loop_deadline_fn function, void *context) {
  (void)loop, (void)function, (void)context;
}

void wsc_loop_use_poll(wsc_loop *loop) {
  (void)loop;
}

void wsc_loop_remove_user(wsc_loop *loop, const void *user) {
  (void)loop, (void)user;
}

uint64_t wsc_loop_looks(const wsc_loop *loop) {
  (void)loop;
  return 0;
}

int64_t wsc_poll_read(int fd, int other, uint64_t timeout_us, void *data, size_t size) {
  (void)fd, (void)other, (void)timeout_us, (void)data, (void)size;
  return 0;
}
