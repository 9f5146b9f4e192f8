/* The client: makes attempts, leads each through its life, and keeps what lasts between them. */
#include "client.h"
#include "loop.h"

#include "net/system/environment.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/hidden.h"

void wsc_client_config_init(wsc_client_config *config, const wsc_platform *platform) {
  *config = (wsc_client_config){.connect_timeout_ms = 10000,
                                .dns_timeout_ms = 5000,
                                .tls_timeout_ms = 5000,
                                .nodelay = true,
                                .socket = WSC_NO_SOCKET,
                                .tls = {.verify = true, .session_cache_size = 8}};
  wsc_config_init(&config->conn, platform);
}

wsc_client *wsc_client_new(const wsc_platform *platform) {
  wsc_client *client = wsc_alloc(platform, 1, sizeof *client);
  if (!client) return NULL;
  client->platform = platform;
  return client;
}

void wsc_client_set_lookup(wsc_client *client, wsc_lookup_fn function, void *user) {
  client->lookup = function;
  client->lookup_user = user;
}

/* ---------------------------------------------------------------- the end of an attempt */

/* A forked child closes its copies of the descriptors and does no more: a shutdown, a close_notify
 * or a change to the epoll instance would be felt by the parent. */
static void end_transport(wsc_client *client, bool orderly) {
  if (!client->stream && !client->setup) return;
  bool own = client->pid == wsc_process_id();
  wsc_pollset *set = own ? client->set : wsc_pollset_shared(client->set);
  if (client->stream && orderly && own) client->stream->ops->shutdown(client->stream);
  wsc_stream_drop(client->stream, set);
  wsc_setup_free(client->setup, set);
  client->stream = NULL;
  client->setup = NULL;
  wsc_pollset_update(set, NULL, 0);
}

void wsc_client_settle(wsc_client *client) {
  client->ready_known = false;
  if (client->members) wsc_loop_touch(client);
  if (wsc_client_is_over(client))
    end_transport(client, true);
  else
    wsc_client_register(client);
}

static void drop_attempt(wsc_client *client) {
  end_transport(client, false);
  wsc_conn_free(client->conn);
  client->conn = NULL;
}

void wsc_client_free(wsc_client *client) {
  if (!client) return;
  drop_attempt(client);
  wsc_tls_context_free(client->tls);
  wsc_tls_context_free(client->proxy_tls);
  wsc_loop_client_gone(client);
  wsc_pollset_free(client->set);
  wsc_release(client->platform, client->address);
  wsc_release(client->platform, client);
}

/* What lies here is looked through, so that a Close of the peer's is known of, and messages that
 * nobody will take are counted. */
static void hear_out(wsc_client *client) {
  const wsc_conn_stats *stats = wsc_conn_get_stats(client->conn);
  uint64_t end = stats->bytes_in + WSC_HURRY_MAX;
  bool looked, paused = client->paused;
  client->paused = false; /* what it holds back is wanted now */
  wsc_conn_pass_over(client->conn);
  wsc_conn_skip_input(client->conn); /* nothing is read behind what waits for the program */
  do {
    looked = wsc_client_read(client, false);
    wsc_conn_skip_input(client->conn);
  } while (looked && client->readable == WSC_READABLE_MORE && stats->bytes_in < end);
  client->paused = paused;
}

static void say_goodbye(wsc_client *client) {
  if (wsc_conn_state(client->conn) == WSC_CONNECTING) return;
  hear_out(client);
  if (wsc_conn_is_closed(client->conn)) return;
  wsc_conn_close(client->conn, WSC_CLOSE_GOING_AWAY, "", 0);
  wsc_client_write(client);
  wsc_conn_leave(client->conn, !client->blocked && client->write_error == WSC_OK);
}

void wsc_client_leave(wsc_client *client) {
  if (!client->conn) return;
  if (client->stream && client->pid == wsc_process_id() && !client->broken) say_goodbye(client);
  wsc_conn_leave(client->conn, false);
  end_transport(client, true);
  if (client->members) wsc_loop_touch(client);
}

/* ---------------------------------------------------------------- what TLS needs */

/* What is right for the server is not for a proxy: another name, and no business with the client's
 * certificate or the server's pins. */
static wsc_tls_config tls_for_proxy(const wsc_tls_config *config) {
  wsc_tls_config result = *config;
  result.cert = result.key = result.password = result.server_name = NULL;
  result.pins = NULL;
  result.pin_count = 0;
  result.alpn = "";
  return result;
}

/* A context is kept as long as the settings stay, and its sessions with it. */
static bool renew_context(const wsc_platform *platform, wsc_tls_context **context,
                          const wsc_tls_config *config, char *fault, size_t size) {
  if (*context && wsc_tls_context_fits(*context, config)) return true;
  wsc_tls_context_free(*context);
  *context = wsc_tls_context_new(platform, config, fault, size);
  return *context != NULL;
}

static bool renew_tls(wsc_client *client, const wsc_setup *setup, const wsc_tls_config *config,
                      char *fault, size_t size) {
  if (wsc_setup_uses_tls(setup) &&
      !renew_context(client->platform, &client->tls, config, fault, size))
    return false;
  wsc_tls_config proxy = tls_for_proxy(config);
  return !wsc_setup_uses_proxy_tls(setup) ||
         renew_context(client->platform, &client->proxy_tls, &proxy, fault, size);
}

/* A setup that is never stepped tells where the way would lead. */
void wsc_client_prepare(wsc_client *client, const wsc_client_config *config) {
  wsc_setup_options options = {.now_us = 0};
  wsc_setup *setup;
  const char *sentence;
  char fault[256] = "";
  if (client->setup) return; /* it was lent the contexts there are */
  assert(config->socket == WSC_NO_SOCKET);
  if (wsc_setup_new(&setup, config, &options, &sentence) != WSC_OK) return;
  renew_tls(client, setup, &config->tls, fault, sizeof fault);
  wsc_setup_free(setup, NULL);
}

/* ---------------------------------------------------------------- the beginning */

static void adopt(wsc_client *client) {
  int pid = wsc_process_id();
  if (client->pid == pid) return;
  wsc_pollset_renew(wsc_pollset_owner(client->set));
  client->pid = pid;
}

static void reset_attempt(wsc_client *client) {
  client->now_us = 0; /* should the clock have gone back, the attempt counts from there */
  wsc_client_now(client);
  client->address_current = client->tls_on_top = false;
  client->write_error = WSC_OK;
  client->broken = client->blocked = client->ready_known = false;
  client->readable = WSC_READABLE_MAYBE;
  client->hurried = 0;
}

static int make_attempt(wsc_client *client, const wsc_client_config *config,
                        const char **sentence) {
  wsc_setup_options options = {.avoid = config->other_address ? client->address : NULL,
                               .lookup = client->lookup,
                               .lookup_user = client->lookup_user,
                               .now_us = client->now_us};
  int result = wsc_setup_new(&client->setup, config, &options, sentence);
  if (result != WSC_OK) return result;
  client->phase = (uint8_t)wsc_setup_phase(client->setup);
  client->conn = wsc_conn_new_to(&config->conn, wsc_setup_uri(client->setup));
  return client->conn ? WSC_OK : WSC_ERR_MEMORY;
}

/* A certificate or key that cannot be used is a fault no retry mends. */
int wsc_client_start(wsc_client *client, const wsc_client_config *config, const char **sentence) {
  char fault[256] = ""; /* it stays so where there is no memory */
  *sentence = "no memory";
  drop_attempt(client);
  adopt(client);
  reset_attempt(client);
  int result = make_attempt(client, config, sentence);
  if (result != WSC_OK) {
    drop_attempt(client);
    return result;
  }
  if (!renew_tls(client, client->setup, &config->tls, fault, sizeof fault)) {
    client->phase = WSC_PHASE_TLS;
    wsc_conn_abort(client->conn, *fault ? WSC_ERR_CERTIFICATE : WSC_ERR_MEMORY, WSC_PHASE_TLS,
                   *fault ? fault : "no memory for TLS");
    client->broken = true;
  }
  wsc_setup_lend_tls(client->setup, client->tls, client->proxy_tls);
  wsc_client_settle(client);
  return WSC_OK;
}

/* ---------------------------------------------------------------- stepping */

/* Without memory for the text the address is not known to reports, and nothing else suffers. */
static void note_peer(wsc_client *client, const wsc_address *peer) {
  char text[WSC_ADDRESS_TEXT];
  int port;
  wsc_address_format(peer, text, &port);
  if (*text == '\0') return; /* it has no name: one of a pair, say */
  client->port = (uint16_t)port;
  client->family = (uint8_t)wsc_address_family(peer);
  wsc_release(client->platform, client->address);
  client->address = wsc_copy_string(client->platform, text, strlen(text));
  client->address_current = client->address != NULL;
}

static void begin_handshake(wsc_client *client) {
  uint32_t limit_ms;
  uint64_t connect_at_us = wsc_setup_time_left(client->setup, &limit_ms);
  client->tls_on_top = wsc_setup_uses_tls(client->setup);
  client->stream = wsc_setup_take(client->setup);
  wsc_setup_free(client->setup, client->set);
  client->setup = NULL;
  wsc_conn_connect_by(client->conn, connect_at_us, limit_ms);
  wsc_conn_tell(client->conn, client->now_us, 0);
  wsc_client_write(client);
}

void wsc_client_go_on_setup(wsc_client *client) {
  wsc_step step = {.now_us = client->now_us,
                   .ready = client->ready_known ? client->ready : NULL,
                   .set = client->set};
  int result = wsc_setup_step(client->setup, &step);
  const wsc_address *peer = wsc_setup_peer(client->setup);
  client->phase = (uint8_t)wsc_setup_phase(client->setup);
  if (peer && !client->address_current) note_peer(client, peer);
  if (result == WSC_OK) {
    begin_handshake(client);
  } else if (result != WSC_AGAIN) {
    wsc_conn_note_proxy(client->conn, wsc_setup_proxy_status(client->setup));
    wsc_conn_abort(client->conn, result, client->phase, wsc_setup_fault(client->setup));
    client->broken = true;
  }
}

/* ---------------------------------------------------------------- what is waited for */

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

void wsc_client_pause(wsc_client *client, bool paused) {
  client->paused = paused;
  wsc_client_register(client);
  if (client->members) wsc_loop_touch(client);
}

/* ---------------------------------------------------------------- looking on */

wsc_conn *wsc_client_conn(wsc_client *client) {
  return client->conn;
}

static wsc_phase current_phase(const wsc_client *client) {
  if (!client->conn || client->setup || client->phase != WSC_PHASE_HANDSHAKE)
    return (wsc_phase)client->phase;
  const wsc_close_info *info = wsc_conn_close_info(client->conn);
  return info->error != WSC_OK ? info->phase : wsc_conn_phase(client->conn);
}

void wsc_client_get_info(const wsc_client *client, wsc_client_info *info) {
  *info = (wsc_client_info){.phase = current_phase(client)};
  if (client->address_current) {
    info->address = client->address;
    info->port = client->port;
    info->family = client->family;
  }
  if (!client->stream || !client->tls_on_top) return;
  info->tls_version = wsc_tls_version(client->stream);
  info->tls_cipher = wsc_tls_cipher(client->stream);
  info->tls_resumed = wsc_tls_resumed(client->stream);
  info->tls_group = wsc_tls_group(client->stream);
}

size_t wsc_client_certificate(const wsc_client *client, char *text, size_t size,
                              int64_t *not_after) {
  if (!client->stream || !client->tls_on_top) return 0;
  return wsc_tls_certificate(client->stream, text, size, not_after);
}
