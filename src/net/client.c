/* The client: makes attempts, leads each through its life, and keeps what lasts between them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getpid under -std=c11 */
#endif
#include "client.h"
#include "loop.h"

#include "core/conn.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void wsc_client_config_init(wsc_client_config *config, const wsc_platform *platform) {
  *config = (wsc_client_config){.connect_timeout_ms = 10000,
                                .dns_timeout_ms = 5000,
                                .tls_timeout_ms = 5000,
                                .nodelay = true,
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
  bool own = client->pid == getpid();
  wsc_pollset *set = own ? client->set : wsc_pollset_shared(client->set);
  if (client->stream && orderly && own) client->stream->ops->shutdown(client->stream);
  wsc_stream_drop(client->stream, set);
  wsc_setup_free(client->setup, set);
  client->stream = NULL;
  client->setup = NULL;
  wsc_pollset_update(set, NULL, 0);
}

static bool is_over(const wsc_client *client) {
  return client->broken || wsc_conn_finished(client->conn);
}

static void settle(wsc_client *client) {
  client->ready_known = false;
  if (client->members) wsc_loop_touch(client);
  if (is_over(client))
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

void wsc_client_leave(wsc_client *client) {
  if (!client) return;
  bool open = client->stream && wsc_conn_state(client->conn) == WSC_OPEN;
  if (open && client->pid == getpid() &&
      wsc_conn_close(client->conn, WSC_CLOSE_GOING_AWAY, "", 0) == WSC_OK) {
    wsc_client_write(client);
    end_transport(client, true);
  }
  wsc_client_free(client);
}

/* ---------------------------------------------------------------- the beginning */

static void adopt(wsc_client *client) {
  pid_t pid = getpid();
  if (client->pid == pid) return;
  wsc_pollset_renew(wsc_pollset_owner(client->set));
  client->pid = pid;
}

static void reset_attempt(wsc_client *client, const wsc_client_config *config, uint64_t now_us) {
  uint32_t limit_ms = config->connect_timeout_ms;
  client->now_us = now_us;
  client->connect_timeout_ms = limit_ms;
  client->connect_at_us = limit_ms ? now_us + (uint64_t)limit_ms * 1000u : WSC_NEVER;
  client->address_current = client->tls_on_top = false;
  client->write_error = WSC_OK;
  client->eof = client->broken = client->blocked = client->quiet = client->overdue = false;
  client->ready_known = client->read_ahead = false;
}

static int make_attempt(wsc_client *client, const wsc_client_config *config, uint64_t now_us,
                        const char **sentence) {
  wsc_setup_options options = {.avoid = config->other_address ? client->address : NULL,
                               .lookup = client->lookup,
                               .lookup_user = client->lookup_user,
                               .now_us = now_us};
  int result = wsc_setup_new(&client->setup, config, &options, sentence);
  if (result != WSC_OK) return result;
  client->phase = wsc_setup_phase(client->setup);
  client->conn = wsc_conn_new_to(&config->conn, wsc_setup_uri(client->setup));
  return client->conn ? WSC_OK : WSC_ERR_MEMORY;
}

/* A certificate or key that cannot be used is a fault no retry mends. */
int wsc_client_start(wsc_client *client, const wsc_client_config *config, uint64_t now_us,
                     const char **sentence) {
  char fault[256];
  *sentence = "no memory";
  drop_attempt(client);
  adopt(client);
  reset_attempt(client, config, now_us);
  int result = make_attempt(client, config, now_us, sentence);
  if (result != WSC_OK) {
    drop_attempt(client);
    return result;
  }
  wsc_conn_pause(client->conn, client->paused);
  if (!wsc_client_renew_tls(client, client->setup, &config->tls, fault, sizeof fault)) {
    client->phase = WSC_PHASE_TLS;
    wsc_conn_abort(client->conn, WSC_ERR_CERTIFICATE, WSC_PHASE_TLS, fault);
    client->broken = true;
  }
  wsc_setup_lend_tls(client->setup, client->tls, client->proxy_tls);
  settle(client);
  return WSC_OK;
}

/* ---------------------------------------------------------------- stepping */

/* Without memory for the text the address is not known to reports, and nothing else suffers. */
static void note_peer(wsc_client *client, const wsc_address *peer) {
  char text[WSC_ADDRESS_TEXT];
  wsc_address_format(peer, text, &client->port);
  client->family = wsc_address_family(peer);
  wsc_release(client->platform, client->address);
  client->address = wsc_copy_string(client->platform, text, strlen(text));
  client->address_current = client->address != NULL;
}

static void begin_handshake(wsc_client *client) {
  client->tls_on_top = wsc_setup_uses_tls(client->setup);
  client->stream = wsc_setup_take(client->setup);
  wsc_setup_free(client->setup, client->set);
  client->setup = NULL;
  wsc_conn_tick(client->conn, client->now_us);
  wsc_client_write(client);
}

static void go_on_setup(wsc_client *client) {
  wsc_turn turn = {.now_us = client->now_us,
                   .ready = client->ready_known ? client->ready : NULL,
                   .set = client->set};
  int result = wsc_setup_step(client->setup, &turn);
  const wsc_address *peer = wsc_setup_peer(client->setup);
  client->phase = wsc_setup_phase(client->setup);
  if (peer && !client->address_current) note_peer(client, peer);
  if (result == WSC_OK) {
    begin_handshake(client);
  } else if (result != WSC_AGAIN) {
    wsc_conn_note_proxy(client->conn, wsc_setup_proxy_status(client->setup));
    wsc_conn_abort(client->conn, result, client->phase, wsc_setup_fault(client->setup));
    client->broken = true;
  }
}

/* Bytes that came in this very step may hold the answer: they are looked at first, once. */
static void check_connect_deadline(wsc_client *client, bool heard) {
  char text[96];
  bool late =
      wsc_conn_state(client->conn) == WSC_CONNECTING && client->now_us >= client->connect_at_us;
  if (!late || client->broken) return;
  if (heard && !client->overdue) {
    client->overdue = true;
    return;
  }
  snprintf(text, sizeof text, "the handshake was not complete within %g s of the start",
           client->connect_timeout_ms / 1000.0);
  wsc_client_abort_stream(client, WSC_ERR_TIMEOUT, text);
}

static bool may_write(const wsc_client *client) {
  if (!client->blocked || !client->ready_known) return true;
  return client->ready[0] &
         (client->stream->lower ? WSC_WANT_READ | WSC_WANT_WRITE : WSC_WANT_WRITE);
}

static bool exchange(wsc_client *client) {
  uint64_t before = wsc_conn_get_stats(client->conn)->bytes_in;
  bool more = wsc_client_read(client);
  check_connect_deadline(client, wsc_conn_get_stats(client->conn)->bytes_in != before);
  wsc_conn_tick(client->conn, client->now_us);
  if (!client->broken && may_write(client)) wsc_client_write(client);
  return more || (client->write_error != WSC_OK && wsc_client_reads(client));
}

bool wsc_client_step(wsc_client *client, uint64_t now_us) {
  bool more = false;
  if (now_us > client->now_us) client->now_us = now_us;
  if (!client->setup && !client->stream) return false;
  if (!is_over(client)) {
    if (client->setup)
      go_on_setup(client);
    else
      more = exchange(client);
  }
  settle(client);
  return more && client->stream;
}

void wsc_client_flush(wsc_client *client) {
  if (!client->setup && !client->stream) return;
  if (client->stream && !client->blocked && !is_over(client)) wsc_client_write(client);
  settle(client);
}

void wsc_client_pause(wsc_client *client, bool paused) {
  client->paused = paused;
  if (client->conn) wsc_conn_pause(client->conn, paused);
  if (client->setup || client->stream) wsc_client_register(client);
  if (client->members) wsc_loop_touch(client);
}

/* ---------------------------------------------------------------- looking on */

wsc_conn *wsc_client_conn(wsc_client *client) {
  return client->conn;
}

/* 0: at once. */
uint64_t wsc_client_deadline(const wsc_client *client) {
  if (!client->setup && !client->stream) return WSC_NEVER;
  if (is_over(client)) return 0;
  if (client->setup) return wsc_setup_deadline(client->setup);
  if (client->read_ahead) return 0;
  bool held = client->write_error != WSC_OK || client->stream->ops->pending(client->stream);
  if (held && wsc_client_reads(client)) return 0;
  uint64_t at_us = wsc_conn_deadline(client->conn);
  bool connecting = wsc_conn_state(client->conn) == WSC_CONNECTING;
  return connecting && client->connect_at_us < at_us ? client->connect_at_us : at_us;
}

static wsc_phase current_phase(const wsc_client *client) {
  if (!client->conn || client->setup || client->phase != WSC_PHASE_HANDSHAKE) return client->phase;
  switch (wsc_conn_state(client->conn)) {
  case WSC_CONNECTING:
    return WSC_PHASE_HANDSHAKE;
  case WSC_OPEN:
    return WSC_PHASE_OPEN;
  case WSC_CLOSING:
  case WSC_CLOSED:
    break;
  }
  const wsc_close_info *info = wsc_conn_close_info(client->conn);
  return info->error != WSC_OK ? info->phase : WSC_PHASE_CLOSE;
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
}
