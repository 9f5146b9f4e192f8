/* A tunnel through a proxy, asked for: see tunnel.h. */
#include "tunnel_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hidden.h"

int wsc_tunnel_fail(wsc_tunnel *tunnel, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(tunnel->fault, sizeof tunnel->fault, format, arguments);
  va_end(arguments);
  return WSC_ERR_PROXY;
}

/* ---------------------------------------------------------------- making one */

static char *make_authority(const wsc_platform *platform, const char *host, uint16_t port) {
  size_t size = strlen(host) + sizeof "[]:65535";
  bool ipv6 = strchr(host, ':') != NULL;
  char *text = wsc_alloc(platform, size, 1);
  if (text) snprintf(text, size, ipv6 ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
  return text;
}

static bool init_tunnel(wsc_tunnel *tunnel, const wsc_proxy *proxy, const char *host) {
  const wsc_platform *platform = tunnel->platform;
  tunnel->authority = make_authority(platform, host, tunnel->port);
  return tunnel->authority && wsc_keep_string(platform, &tunnel->host, host) &&
         wsc_keep_string(platform, &tunnel->user, proxy->user) &&
         wsc_keep_string(platform, &tunnel->password, proxy->password) &&
         tunnel->protocol->begin(tunnel, proxy);
}

wsc_tunnel *wsc_tunnel_new(const wsc_platform *platform, const wsc_proxy *proxy, const char *host,
                           uint16_t port) {
  assert(proxy->kind != WSC_PROXY_NONE);
  wsc_tunnel *tunnel = wsc_alloc(platform, 1, sizeof *tunnel);
  if (!tunnel) return NULL;
  tunnel->protocol = proxy->kind == WSC_PROXY_SOCKS5 ? &wsc_tunnel_socks5 : &wsc_tunnel_http;
  tunnel->platform = platform;
  tunnel->port = port;
  wsc_buf_init(&tunnel->output, platform);
  wsc_buf_init(&tunnel->input, platform);
  if (init_tunnel(tunnel, proxy, host)) return tunnel;
  wsc_tunnel_free(tunnel);
  return NULL;
}

/* ---------------------------------------------------------------- leaving no password behind */

static void wipe_string(const wsc_platform *platform, char **text) {
  if (*text) wsc_wipe(*text, strlen(*text));
  wsc_release(platform, *text);
  *text = NULL;
}

static void wipe_output(wsc_tunnel *tunnel) {
  if (tunnel->output.block) wsc_wipe(tunnel->output.block, tunnel->output.capacity);
  wsc_buf_free(&tunnel->output);
}

/* What was needed to ask is not needed again. */
static void tunnel_forget(wsc_tunnel *tunnel) {
  wipe_string(tunnel->platform, &tunnel->user);
  wipe_string(tunnel->platform, &tunnel->password);
  wipe_output(tunnel);
}

void wsc_tunnel_free(wsc_tunnel *tunnel) {
  if (!tunnel) return;
  const wsc_platform *platform = tunnel->platform;
  tunnel_forget(tunnel);
  wsc_buf_free(&tunnel->input);
  wsc_release(platform, tunnel->host);
  wsc_release(platform, tunnel->authority);
  wsc_release(platform, tunnel);
}

/* ---------------------------------------------------------------- asking */

/* Two answers may have come in one piece: the second is judged when what the first one made
 * necessary is written. */
int wsc_tunnel_step(wsc_tunnel *tunnel) {
  if (wsc_buf_size(&tunnel->output) > 0) return WSC_AGAIN;
  wipe_output(tunnel);
  int result = tunnel->protocol->answer(tunnel);
  if (result == WSC_AGAIN) return result;
  if (result == WSC_ERR_MEMORY) wsc_tunnel_fail(tunnel, "no memory");
  tunnel_forget(tunnel);
  return result;
}

int wsc_tunnel_eof(wsc_tunnel *tunnel) {
  return wsc_tunnel_fail(
      tunnel, "the %s proxy closed the connection %s for %.150s", tunnel->protocol->name,
      wsc_buf_size(&tunnel->input) == 0 ? "without an answer" : "in the middle of its answer",
      tunnel->authority);
}
