/* SOCKS5, RFC 1928, with user and password, RFC 1929. */
#include "tunnel_private.h"

#include "ip.h"

#include <assert.h>
#include <string.h>

#include "hidden.h"

/* What the proxy answers, in this order. */
enum { SOCKS5_METHOD, SOCKS5_LOGIN, SOCKS5_REPLY };

enum { SOCKS5_NO_LOGIN = 0x00, SOCKS5_PASSWORD = 0x02, SOCKS5_NO_METHOD = 0xff };
enum { SOCKS5_IPV4 = 1, SOCKS5_NAME = 3, SOCKS5_IPV6 = 4 };

#define SHORT_MAX 255

static bool socks5_begin(wsc_tunnel *tunnel, const wsc_proxy *proxy) {
  static const uint8_t both[] = {5, 2, SOCKS5_NO_LOGIN, SOCKS5_PASSWORD};
  static const uint8_t plain[] = {5, 1, SOCKS5_NO_LOGIN};
  tunnel->step = SOCKS5_METHOD;
  return proxy->user ? wsc_buf_append(&tunnel->output, both, sizeof both)
                     : wsc_buf_append(&tunnel->output, plain, sizeof plain);
}

/* A text behind its length in one byte, and where it ends. */
static uint8_t *put_short(uint8_t *out, const char *text) {
  size_t size = strlen(text);
  assert(size <= SHORT_MAX);
  *out = (uint8_t)size;
  memcpy(out + 1, text, size);
  return out + 1 + size;
}

/* Room for all of it is made first, so that no copy of a secret is left where it has grown. */
static int socks5_send_login(wsc_tunnel *tunnel) {
  uint8_t *login = wsc_buf_reserve(&tunnel->output, 3 + 2 * SHORT_MAX, NULL);
  if (!login) return WSC_ERR_MEMORY;
  tunnel->step = SOCKS5_LOGIN;
  *login = 1;
  uint8_t *end = put_short(put_short(login + 1, tunnel->user), tunnel->password);
  wsc_buf_commit(&tunnel->output, (size_t)(end - login));
  return WSC_AGAIN;
}

/* A numeric address as such, a name for the proxy to look up. */
static uint8_t *put_destination(uint8_t *out, const char *host) {
  size_t size = wsc_ip_parse(out + 1, (wsc_slice){host, strlen(host)});
  *out = size == 0 ? SOCKS5_NAME : size == 4 ? SOCKS5_IPV4 : SOCKS5_IPV6;
  return size == 0 ? put_short(out + 1, host) : out + 1 + size;
}

static int socks5_request(wsc_tunnel *tunnel) {
  static const uint8_t connect[] = {5, 1, 0};
  if (strlen(tunnel->host) > SHORT_MAX)
    return wsc_tunnel_fail(tunnel, "the host's name is longer than the 255 bytes that SOCKS5 can "
                                   "carry");
  uint8_t *request = wsc_buf_reserve(&tunnel->output, sizeof connect + 2 + SHORT_MAX + 2, NULL);
  if (!request) return WSC_ERR_MEMORY;
  tunnel->step = SOCKS5_REPLY;
  memcpy(request, connect, sizeof connect);
  uint8_t *end = put_destination(request + sizeof connect, tunnel->host);
  *end++ = (uint8_t)(tunnel->port >> 8);
  *end++ = (uint8_t)(tunnel->port & 0xff);
  wsc_buf_commit(&tunnel->output, (size_t)(end - request));
  return WSC_AGAIN;
}

/* ---------------------------------------------------------------- answers */

static int socks5_method(wsc_tunnel *tunnel, uint8_t method) {
  wsc_buf_consume(&tunnel->input, 2);
  if (method == SOCKS5_NO_LOGIN) return socks5_request(tunnel);
  if (method == SOCKS5_PASSWORD && tunnel->user) return socks5_send_login(tunnel);
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
