/* From the name to an open stream: see setup.h. */
#include "setup_stage.h"

#include "core/buf.h"

#include <stdio.h>
#include <string.h>

#include "core/hidden.h"

/* ---------------------------------------------------------------- making */

static bool copy_options(wsc_setup *setup, const wsc_client_config *config,
                         const wsc_setup_options *options) {
  setup->family = config->family;
  setup->nodelay = config->nodelay;
  setup->limit_ms[WSC_LIMIT_CONNECT] = config->connect_timeout_ms;
  setup->limit_ms[WSC_LIMIT_DNS] = config->dns_timeout_ms;
  setup->limit_ms[WSC_LIMIT_TLS] = config->tls_timeout_ms;
  setup->lookup = options->lookup;
  setup->lookup_user = options->lookup_user;
  return wsc_keep_string(setup->platform, &setup->server_name, config->tls.server_name) &&
         wsc_keep_string(setup->platform, &setup->avoid, options->avoid);
}

static uint64_t deadline_after(uint64_t now_us, uint32_t wait_ms) {
  return wait_ms ? now_us + (uint64_t)wait_ms * 1000u : WSC_NEVER;
}

static int parse_target(wsc_setup *setup, const wsc_client_config *config, const char **sentence) {
  int result = wsc_uri_parse(&setup->uri, setup->platform, config->conn.url, sentence);
  if (result != WSC_OK || setup->stream) return result;
  if (!wsc_setup_on_unix(setup)) {
    result = wsc_proxy_choose(&setup->proxy, setup->platform, config->proxy, &setup->uri, sentence);
    return result != WSC_OK ? result
                            : wsc_proxy_add_headers(&setup->proxy, config->proxy_headers,
                                                    config->proxy_header_count, sentence);
  }
  if (wsc_address_unix(&setup->peer, setup->uri.path)) return WSC_OK;
  *sentence = "the path of the unix socket is too long for this system";
  return WSC_ERR_URL;
}

static void set_bind(wsc_setup *setup, const char *bind) {
  if (!bind || setup->stream || wsc_setup_on_unix(setup)) return;
  setup->has_bind = wsc_address_parse(&setup->bind, bind, 0);
  if (setup->has_bind) return;
  setup->early_error = WSC_ERR_UNREACHABLE;
  setup->stage = WSC_STAGE_DIAL; /* for the phase that is reported */
  snprintf(setup->fault, sizeof setup->fault, "bind: \"%s\" is not a numeric address", bind);
}

static int init_name(wsc_setup *setup, wsc_name *name, const wsc_client_config *config,
                     const char *host, uint16_t port) {
  return wsc_name_init(name, config, host, port, setup->fault, sizeof setup->fault);
}

static int init_names(wsc_setup *setup, const wsc_client_config *config) {
  const wsc_uri *uri = &setup->uri;
  const wsc_proxy *proxy = &setup->proxy;
  if (setup->stream || wsc_setup_on_unix(setup)) return WSC_OK;
  if (!wsc_setup_by_proxy(setup))
    return init_name(setup, &setup->next_hop, config, uri->dial_host, uri->port);
  int result = init_name(setup, &setup->next_hop, config, proxy->host, proxy->port);
  if (result == WSC_OK && proxy->local_names)
    result = init_name(setup, &setup->target, config, uri->dial_host, uri->port);
  return result;
}

static int prepare(wsc_setup *setup, const wsc_client_config *config,
                   const wsc_setup_options *options, const char **sentence) {
  int result = parse_target(setup, config, sentence);
  if (result != WSC_OK) return result;
  if (!copy_options(setup, config, options)) return WSC_ERR_MEMORY;
  setup->connect_at_us = deadline_after(options->now_us, config->connect_timeout_ms);
  setup->stage_at_us = WSC_NEVER;
  result = init_names(setup, config);
  if (result == WSC_ERR_MEMORY) return result;
  setup->early_error = result;
  if (result == WSC_OK) set_bind(setup, config->bind);
  return WSC_OK;
}

int wsc_setup_new(wsc_setup **result, const wsc_client_config *config,
                  const wsc_setup_options *options, const char **sentence) {
  const wsc_platform *platform = config->conn.platform;
  wsc_address peer = {.size = 0};
  wsc_stream *given = NULL;
  *result = NULL;
  if (config->socket != WSC_NO_SOCKET) { /* first: it is owned whatever comes */
    given = wsc_socket_adopt(platform, config->socket, config->nodelay, &peer);
    if (!given) return WSC_ERR_MEMORY;
  }
  wsc_setup *setup = wsc_alloc(platform, 1, sizeof *setup);
  if (!setup) {
    wsc_stream_drop(given, NULL);
    return WSC_ERR_MEMORY;
  }
  setup->stream = given;
  setup->peer = peer;
  setup->platform = setup->target.platform = setup->next_hop.platform = platform;
  setup->uri.platform = setup->proxy.platform = platform;
  int outcome = prepare(setup, config, options, sentence);
  if (outcome == WSC_OK)
    *result = setup;
  else
    wsc_setup_free(setup, NULL);
  return outcome;
}

void wsc_setup_free(wsc_setup *setup, wsc_pollset *set) {
  if (!setup) return;
  const wsc_platform *platform = setup->platform;
  wsc_stream_drop(setup->stream, set);
  wsc_dial_free(setup->dial, set);
  wsc_name_free(&setup->target, set);
  wsc_name_free(&setup->next_hop, set);
  wsc_proxy_free(&setup->proxy);
  wsc_uri_free(&setup->uri);
  wsc_release(platform, setup->avoid);
  wsc_release(platform, setup->server_name);
  wsc_release(platform, setup);
}

/* ---------------------------------------------------------------- TLS to whom */

bool wsc_setup_uses_tls(const wsc_setup *setup) {
  return setup->uri.secure;
}

bool wsc_setup_uses_proxy_tls(const wsc_setup *setup) {
  return setup->proxy.kind == WSC_PROXY_HTTPS;
}

void wsc_setup_lend_tls(wsc_setup *setup, wsc_tls_context *server, wsc_tls_context *proxy) {
  setup->tls = server;
  setup->proxy_tls = proxy;
}

/* ---------------------------------------------------------------- stepping */

static int expire(wsc_setup *setup, uint32_t wait_ms) {
  char what[512];
  wsc_stage_tell(setup, what, sizeof what);
  snprintf(setup->fault, sizeof setup->fault, "%s within %g s", what, wait_ms / 1000.0);
  return WSC_ERR_TIMEOUT;
}

static int check_deadlines(wsc_setup *setup, uint64_t now_us) {
  if (now_us >= setup->stage_at_us)
    return expire(setup, setup->limit_ms[wsc_stages[setup->stage].limit]);
  if (now_us >= setup->connect_at_us) return expire(setup, setup->limit_ms[WSC_LIMIT_CONNECT]);
  return WSC_AGAIN;
}

static int begin_stage(wsc_setup *setup, uint64_t now_us) {
  const wsc_stage_rules *rules = &wsc_stages[setup->stage];
  uint32_t limit_ms = rules->limit == WSC_LIMIT_CONNECT ? 0 : setup->limit_ms[rules->limit];
  setup->begun = true;
  setup->stage_at_us = deadline_after(now_us, limit_ms);
  int result = rules->begin(setup);
  if (result != WSC_OK) snprintf(setup->fault, sizeof setup->fault, "no memory to connect");
  return result;
}

/* WSC_OK: the stage is through. */
static int run_stage(wsc_setup *setup, const wsc_step *step) {
  const wsc_stage_rules *rules = &wsc_stages[setup->stage];
  if (!rules->is_needed(setup)) return WSC_OK;
  int result = setup->begun ? WSC_OK : begin_stage(setup, step->now_us);
  return result == WSC_OK ? rules->go_on(setup, step) : result;
}

int wsc_setup_step(wsc_setup *setup, const wsc_step *step) {
  wsc_step here = *step;
  if (setup->early_error != WSC_OK) return setup->early_error;
  while (setup->stage != WSC_STAGE_READY) {
    int result = run_stage(setup, &here);
    if (result == WSC_AGAIN) return check_deadlines(setup, here.now_us);
    if (result != WSC_OK) return result;
    setup->stage++;
    setup->begun = false;
    here.ready = NULL; /* it was about the stage that is over */
  }
  return WSC_OK;
}

/* ---------------------------------------------------------------- looking on */

/* Before the first step: the phase of the first stage that the attempt needs. */
wsc_phase wsc_setup_phase(const wsc_setup *setup) {
  wsc_stage stage = setup->stage;
  while (stage < WSC_STAGE_READY && !wsc_stages[stage].is_needed(setup)) stage++;
  return stage < WSC_STAGE_READY ? wsc_stages[stage].phase : WSC_PHASE_HANDSHAKE;
}

const char *wsc_setup_fault(const wsc_setup *setup) {
  return setup->fault;
}

int wsc_setup_proxy_status(const wsc_setup *setup) {
  bool asked = setup->stage == WSC_STAGE_TUNNEL && setup->begun && setup->stream;
  return asked ? wsc_tunnel_stream_status(setup->stream) : 0;
}

const wsc_uri *wsc_setup_uri(const wsc_setup *setup) {
  return &setup->uri;
}

static uint64_t sooner(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

uint64_t wsc_setup_time_left(const wsc_setup *setup, uint32_t *limit_ms) {
  *limit_ms = setup->limit_ms[WSC_LIMIT_CONNECT];
  return setup->connect_at_us;
}

/* An attempt that has not begun, or cannot, has something to do at once. */
uint64_t wsc_setup_deadline(const wsc_setup *setup) {
  if (!setup->begun || setup->early_error != WSC_OK) return 0;
  if (setup->stream && setup->stream->ops->pending(setup->stream)) return 0;
  uint64_t at_us = sooner(setup->connect_at_us, setup->stage_at_us);
  return setup->dial ? sooner(at_us, wsc_dial_deadline(setup->dial)) : at_us;
}

static size_t watch_lookup(const wsc_name *name, wsc_watch *watches) {
  if (!name->lookup) return 0;
  watches[0] = (wsc_watch){.fd = wsc_lookup_fd(name->lookup), .want = WSC_WANT_READ};
  return 1;
}

size_t wsc_setup_watches(const wsc_setup *setup, wsc_watch *watches) {
  if (setup->stage == WSC_STAGE_TARGET_NAME) return watch_lookup(&setup->target, watches);
  if (setup->stage == WSC_STAGE_NEXT_HOP_NAME) return watch_lookup(&setup->next_hop, watches);
  if (setup->dial) return wsc_dial_watches(setup->dial, watches);
  if (!setup->stream) return 0;
  const wsc_stream_ops *ops = setup->stream->ops;
  watches[0] = (wsc_watch){.fd = ops->fd(setup->stream), .want = ops->want(setup->stream, 0)};
  return 1;
}

const wsc_address *wsc_setup_peer(const wsc_setup *setup) {
  return setup->stage > WSC_STAGE_DIAL ? &setup->peer : NULL;
}

wsc_stream *wsc_setup_take(wsc_setup *setup) {
  wsc_stream *stream = setup->stream;
  setup->stream = NULL;
  return stream;
}
