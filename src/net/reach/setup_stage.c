/* What happens in each stage on the way to the server: see setup_stage.h. */
#include "setup_stage.h"

#include <stdio.h>
#include <string.h>

#include "core/hidden.h"

static bool is_always_needed(const wsc_setup *setup) {
  (void)setup;
  return true;
}

static int begin_nothing(wsc_setup *setup) {
  (void)setup;
  return WSC_OK;
}

/* ---------------------------------------------------------------- names */

static bool needs_target_name(const wsc_setup *setup) {
  return setup->target.host != NULL;
}

static bool needs_next_hop_name(const wsc_setup *setup) {
  return setup->next_hop.host != NULL;
}

static int find_name(wsc_setup *setup, wsc_name *name) {
  return wsc_name_step(name, setup->lookup, setup->lookup_user, setup->fault, sizeof setup->fault);
}

static int find_target_name(wsc_setup *setup, const wsc_step *step) {
  (void)step;
  return find_name(setup, &setup->target);
}

static int find_next_hop_name(wsc_setup *setup, const wsc_step *step) {
  (void)step;
  return find_name(setup, &setup->next_hop);
}

/* ---------------------------------------------------------------- dialling */

static void write_label(const wsc_setup *setup, char *label, size_t size) {
  const char *host = wsc_setup_on_unix(setup) ? setup->uri.path : setup->next_hop.host;
  snprintf(label, size, "%s%s", wsc_setup_by_proxy(setup) ? "the proxy " : "", host);
}

static int begin_dial(wsc_setup *setup) {
  if (setup->stream) return WSC_OK; /* the program has dialled */
  bool path = wsc_setup_on_unix(setup);
  char label[300];
  write_label(setup, label, sizeof label);
  wsc_dial_options options = {.label = label,
                              .family = path ? 0 : setup->family,
                              .bind = setup->has_bind ? &setup->bind : NULL,
                              .nodelay = setup->nodelay,
                              .avoid = setup->avoid};
  setup->dial = wsc_dial_new(setup->platform, path ? &setup->peer : setup->next_hop.addresses,
                             path ? 1 : setup->next_hop.count, &options);
  return setup->dial ? WSC_OK : WSC_ERR_MEMORY;
}

static int open_top(wsc_setup *setup) {
  wsc_stream *stream = setup->stream;
  int result = stream->ops->open(stream);
  if (result != WSC_OK && result != WSC_AGAIN)
    snprintf(setup->fault, sizeof setup->fault, "%s", wsc_stream_fault(stream, result));
  return result;
}

static int go_on_dial(wsc_setup *setup, const wsc_step *step) {
  if (setup->stream) return open_top(setup);
  int result = wsc_dial_step(setup->dial, step);
  if (result == WSC_AGAIN) return result;
  if (result != WSC_OK) {
    wsc_dial_report(setup->dial, setup->fault, sizeof setup->fault);
    return result;
  }
  setup->stream = wsc_dial_take(setup->dial, &setup->peer);
  wsc_dial_free(setup->dial, step->set);
  setup->dial = NULL;
  return WSC_OK;
}

/* ---------------------------------------------------------------- layers on the socket */

static int begin_tls_layer(wsc_setup *setup, wsc_tls_context *context, const char *name,
                           const char *host, uint16_t port) {
  char origin[300];
  snprintf(origin, sizeof origin, "%s:%u", host, (unsigned)port);
  setup->stream = wsc_tls_new(context, setup->stream, name, origin);
  return setup->stream ? WSC_OK : WSC_ERR_MEMORY;
}

static int begin_proxy_tls(wsc_setup *setup) {
  const wsc_proxy *proxy = &setup->proxy;
  return begin_tls_layer(setup, setup->proxy_tls, proxy->host, proxy->host, proxy->port);
}

static int begin_tls(wsc_setup *setup) {
  const wsc_uri *uri = &setup->uri;
  const char *name = setup->server_name ? setup->server_name : uri->host;
  return begin_tls_layer(setup, setup->tls, name, uri->dial_host, uri->port);
}

static int begin_tunnel(wsc_setup *setup) {
  char text[WSC_ADDRESS_TEXT];
  int port;
  const char *host = setup->uri.host;
  if (setup->target.count > 0) {
    wsc_address_format(&setup->target.addresses[0], text, &port);
    host = text;
  }
  setup->stream =
      wsc_tunnel_stream_new(setup->platform, setup->stream, &setup->proxy, host, setup->uri.port);
  return setup->stream ? WSC_OK : WSC_ERR_MEMORY;
}

static int open_layer(wsc_setup *setup, const wsc_step *step) {
  wsc_stream *stream = setup->stream;
  if (step->ready && !step->ready[0] && !stream->ops->pending(stream)) return WSC_AGAIN;
  return open_top(setup);
}

void wsc_stage_tell(const wsc_setup *setup, char *text, size_t size) {
  const char *host = setup->uri.host, *proxy = setup->proxy.host;
  switch (setup->stage) {
  case WSC_STAGE_TARGET_NAME:
    snprintf(text, size, "no address for %s", setup->target.host);
    break;
  case WSC_STAGE_NEXT_HOP_NAME:
    snprintf(text, size, "no address for %s", setup->next_hop.host);
    break;
  case WSC_STAGE_PROXY_TLS:
    snprintf(text, size, "no TLS handshake with the proxy %s", proxy);
    break;
  case WSC_STAGE_TUNNEL:
    snprintf(text, size, "the proxy %s opened no tunnel to %s", proxy, host);
    break;
  case WSC_STAGE_TLS:
    snprintf(text, size, "no TLS handshake with %s", host);
    break;
  default:
    wsc_dial_report(setup->dial, text, size);
  }
}

/* ---------------------------------------------------------------- the table */

const wsc_stage_rules wsc_stages[WSC_STAGE_READY] = {
    [WSC_STAGE_TARGET_NAME] = {WSC_PHASE_DNS, WSC_LIMIT_DNS, needs_target_name, begin_nothing,
                               find_target_name},
    [WSC_STAGE_NEXT_HOP_NAME] = {WSC_PHASE_DNS, WSC_LIMIT_DNS, needs_next_hop_name, begin_nothing,
                                 find_next_hop_name},
    [WSC_STAGE_DIAL] = {WSC_PHASE_TCP, WSC_LIMIT_CONNECT, is_always_needed, begin_dial, go_on_dial},
    [WSC_STAGE_PROXY_TLS] = {WSC_PHASE_PROXY, WSC_LIMIT_TLS, wsc_setup_uses_proxy_tls,
                             begin_proxy_tls, open_layer},
    [WSC_STAGE_TUNNEL] = {WSC_PHASE_PROXY, WSC_LIMIT_CONNECT, wsc_setup_by_proxy, begin_tunnel,
                          open_layer},
    [WSC_STAGE_TLS] = {WSC_PHASE_TLS, WSC_LIMIT_TLS, wsc_setup_uses_tls, begin_tls, open_layer},
};
