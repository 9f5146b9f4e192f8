/* SOCKS5, RFC 1928, with user and password, RFC 1929. */
#include "tunnel_private.h"

#include "ip.h"

#include <string.h>

#include "hidden.h"

/* What the proxy answers, in this order. */
enum { SOCKS5_METHOD, SOCKS5_LOGIN, SOCKS5_REPLY };

enum { SOCKS5_NO_LOGIN = 0x00, SOCKS5_PASSWORD = 0x02, SOCKS5_NO_METHOD = 0xff };
enum { SOCKS5_IPV4 = 1, SOCKS5_NAME = 3, SOCKS5_IPV6 = 4 };

static bool socks5_begin(wsc_tunnel *tunnel, const wsc_proxy *proxy) {
  static const uint8_t both[] = {5, 2, SOCKS5_NO_LOGIN, SOCKS5_PASSWORD};
  static const uint8_t plain[] = {5, 1, SOCKS5_NO_LOGIN};
  tunnel->step = SOCKS5_METHOD;
  return proxy->user ? wsc_buf_append(&tunnel->output, both, sizeof both)
                     : wsc_buf_append(&tunnel->output, plain, sizeof plain);
}

/* A text behind its length in one byte; proxy.c and RFC 1035 keep it within 255. */
static bool append_short(wsc_buf *out, const char *text) {
  size_t size = strlen(text);
  uint8_t length = (uint8_t)size;
  return wsc_buf_append(out, &length, 1) && wsc_buf_append(out, text, size);
}

static bool append_login(wsc_tunnel *tunnel) {
  static const uint8_t version = 1;
  tunnel->step = SOCKS5_LOGIN;
  return wsc_buf_append(&tunnel->output, &version, 1) &&
         append_short(&tunnel->output, tunnel->user) &&
         append_short(&tunnel->output, tunnel->password);
}

/* A numeric address as such, a name for the proxy to look up. */
static bool append_target(wsc_tunnel *tunnel) {
  uint8_t bytes[17];
  size_t size = wsc_ip_parse(bytes + 1, (wsc_slice){tunnel->host, strlen(tunnel->host)});
  bytes[0] = size == 0 ? SOCKS5_NAME : size == 4 ? SOCKS5_IPV4 : SOCKS5_IPV6;
  return wsc_buf_append(&tunnel->output, bytes, 1 + size) &&
         (size > 0 || append_short(&tunnel->output, tunnel->host));
}

static int socks5_request(wsc_tunnel *tunnel) {
  static const uint8_t connect[] = {5, 1, 0};
  uint8_t port[] = {(uint8_t)(tunnel->port >> 8), (uint8_t)(tunnel->port & 0xff)};
  tunnel->step = SOCKS5_REPLY;
  if (strlen(tunnel->host) > 255)
    return wsc_tunnel_fail(tunnel, "the host's name is longer than the 255 bytes that SOCKS5 can "
                                   "carry");
  bool done = wsc_buf_append(&tunnel->output, connect, sizeof connect) && append_target(tunnel) &&
              wsc_buf_append(&tunnel->output, port, sizeof port);
  return done ? WSC_AGAIN : WSC_ERR_MEMORY;
}

/* ---------------------------------------------------------------- answers */

static int socks5_method(wsc_tunnel *tunnel, uint8_t method) {
  wsc_buf_consume(&tunnel->input, 2);
  if (method == SOCKS5_NO_LOGIN) return socks5_request(tunnel);
  if (method == SOCKS5_PASSWORD && tunnel->user)
    return append_login(tunnel) ? WSC_AGAIN : WSC_ERR_MEMORY;
  if (method == SOCKS5_NO_METHOD && !tunnel->user)
    return wsc_tunnel_fail(tunnel, "the SOCKS5 proxy requires a user and a password");
  if (method == SOCKS5_NO_METHOD)
    return wsc_tunnel_fail(tunnel, "the SOCKS5 proxy does not accept a user and a password");
  return wsc_tunnel_fail(
      tunnel, "the SOCKS5 proxy chose a login method that was not offered (0x%02x)", method);
}

static int socks5_login(wsc_tunnel *tunnel, uint8_t status) {
  wsc_buf_consume(&tunnel->input, 2);
  if (status == 0) return socks5_request(tunnel);
  return wsc_tunnel_fail(tunnel, "the SOCKS5 proxy refused the user or password");
}

static const char *reply_text(uint8_t reply) {
  static const char *const texts[] = {"granted",
                                      "general failure",
                                      "not allowed by its rules",
                                      "network unreachable",
                                      "host unreachable",
                                      "connection refused",
                                      "time to live expired",
                                      "command not supported",
                                      "address type not supported"};
  return reply < sizeof texts / sizeof *texts ? texts[reply] : "an unknown reply";
}

/* How long the whole reply is; 0: more bytes are needed to tell; 1: not a kind of address. */
static size_t reply_size(const uint8_t *data, size_t held) {
  if (held < 5) return 0;
  switch (data[3]) {
  case SOCKS5_IPV4:
    return 4 + 4 + 2;
  case SOCKS5_IPV6:
    return 4 + 16 + 2;
  case SOCKS5_NAME:
    return 4 + 1 + (size_t)data[4] + 2;
  default:
    return 1;
  }
}

static int socks5_reply(wsc_tunnel *tunnel, const uint8_t *data, size_t held) {
  size_t size = reply_size(data, held);
  if (data[1] != 0) /* some proxies send no more than this of a refusal */
    return wsc_tunnel_fail(tunnel, "the SOCKS5 proxy could not connect to %.120s: %s (reply %d)",
                           tunnel->authority, reply_text(data[1]), data[1]);
  if (size == 1)
    return wsc_tunnel_fail(tunnel, "the SOCKS5 proxy's reply has an unknown address type (%d)",
                           data[3]);
  if (size == 0 || held < size) return WSC_AGAIN;
  wsc_buf_consume(&tunnel->input, size);
  return WSC_OK;
}

static int socks5_answer(wsc_tunnel *tunnel) {
  size_t held = wsc_buf_size(&tunnel->input);
  if (held == 0) return WSC_AGAIN;
  const uint8_t *data = wsc_buf_data(&tunnel->input);
  /* A login's answer has a version of its own, and proxies differ in it. */
  if (tunnel->step != SOCKS5_LOGIN && data[0] != 5)
    return wsc_tunnel_fail(
        tunnel, "the proxy does not speak SOCKS5 (its answer begins with 0x%02x)", data[0]);
  if (held < 2) return WSC_AGAIN;
  switch (tunnel->step) {
  case SOCKS5_METHOD:
    return socks5_method(tunnel, data[1]);
  case SOCKS5_LOGIN:
    return socks5_login(tunnel, data[1]);
  default:
    return socks5_reply(tunnel, data, held);
  }
}

const wsc_tunnel_protocol wsc_tunnel_socks5 = {
    .name = "SOCKS5", .begin = socks5_begin, .answer = socks5_answer};
