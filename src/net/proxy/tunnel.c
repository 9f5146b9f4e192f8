/* A tunnel through a proxy as a stream: the proxy is asked and its answer read, then bytes pass. */
#include "proxy_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One read of an answer; what is read beyond it belongs to the target and waits in `input`. */
#define TUNNEL_READ_SIZE 1024

int wsc_tunnel_fail(wsc_tunnel *tunnel, const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  wsc_stream_say(&tunnel->stream, "%s", text);
  return WSC_ERR_PROXY;
}

static int tunnel_no_memory(wsc_tunnel *tunnel) {
  wsc_tunnel_fail(tunnel, "no memory");
  return WSC_ERR_MEMORY;
}

/* ---------------------------------------------------------------- open */

/* The stream below failed while the proxy was spoken to. */
static int lower_failed(wsc_tunnel *tunnel, int64_t result) {
  if (result == 0 || result == WSC_ERR_EOF)
    return wsc_tunnel_fail(
        tunnel, "the %s proxy closed the connection %s for %.150s", tunnel->protocol->name,
        wsc_buf_size(&tunnel->input) == 0 ? "without an answer" : "in the middle of its answer",
        tunnel->authority);
  wsc_tunnel_fail(tunnel, "the connection to the proxy broke: %.200s",
                  wsc_stream_fault(tunnel->stream.lower, (int)result));
  return (int)result;
}

static int tunnel_flush(wsc_tunnel *tunnel) {
  wsc_stream *lower = tunnel->stream.lower;
  while (wsc_buf_size(&tunnel->output) > 0) {
    int64_t taken =
        lower->ops->write(lower, wsc_buf_data(&tunnel->output), wsc_buf_size(&tunnel->output));
    if (taken == WSC_AGAIN) return WSC_AGAIN;
    if (taken < 0) return lower_failed(tunnel, taken);
    wsc_buf_consume(&tunnel->output, (size_t)taken);
  }
  wsc_buf_free(&tunnel->output);
  return WSC_OK;
}

static int tunnel_read_answer(wsc_tunnel *tunnel) {
  wsc_stream *lower = tunnel->stream.lower;
  size_t room;
  uint8_t *to = wsc_buf_reserve(&tunnel->input, TUNNEL_READ_SIZE, &room);
  if (!to) return tunnel_no_memory(tunnel);
  int64_t got = lower->ops->read(lower, to, room);
  if (got == WSC_AGAIN) return WSC_AGAIN;
  if (got <= 0) return lower_failed(tunnel, got);
  wsc_buf_commit(&tunnel->input, (size_t)got);
  return WSC_OK;
}

/* Asks, checks, reads, as far as it goes without waiting.  An answer may have come in one piece
 * with the one before, so it is checked before more is read. */
static int tunnel_advance(wsc_tunnel *tunnel) {
  for (;;) {
    int result = tunnel_flush(tunnel);
    if (result != WSC_OK) return result;
    result = tunnel->protocol->answer(tunnel);
    if (result == WSC_ERR_MEMORY) return tunnel_no_memory(tunnel);
    if (result != WSC_AGAIN) return result;
    if (wsc_buf_size(&tunnel->output) > 0) continue;
    result = tunnel_read_answer(tunnel);
    if (result != WSC_OK) return result;
  }
}

/* What was needed to ask is not needed again; a password least of all. */
static void tunnel_forget(wsc_tunnel *tunnel) {
  wsc_release(tunnel->stream.platform, tunnel->user);
  wsc_release(tunnel->stream.platform, tunnel->password);
  tunnel->user = tunnel->password = NULL;
  wsc_buf_free(&tunnel->output);
  if (wsc_buf_size(&tunnel->input) == 0) wsc_buf_free(&tunnel->input);
}

static int tunnel_open(wsc_stream *stream) {
  wsc_tunnel *tunnel = (wsc_tunnel *)stream;
  if (tunnel->error != WSC_OK) return tunnel->error;
  if (tunnel->ready) return WSC_OK;
  int result = tunnel_advance(tunnel);
  if (result == WSC_AGAIN) return WSC_AGAIN;
  tunnel->ready = result == WSC_OK;
  tunnel->error = result;
  tunnel_forget(tunnel);
  return result;
}

/* ---------------------------------------------------------------- once it is open */

/* The failed stream's sentence is the caller's to read at the top. */
static int64_t pass_fault(wsc_tunnel *tunnel, int64_t result) {
  if (result < 0 && result != WSC_AGAIN)
    wsc_stream_say(&tunnel->stream, "%s", wsc_stream_fault(tunnel->stream.lower, (int)result));
  return result;
}

static int64_t tunnel_read(wsc_stream *stream, void *data, size_t size) {
  wsc_tunnel *tunnel = (wsc_tunnel *)stream;
  size_t held = wsc_buf_size(&tunnel->input);
  assert(tunnel->ready);
  if (held == 0) return pass_fault(tunnel, stream->lower->ops->read(stream->lower, data, size));
  if (size > held) size = held;
  memcpy(data, wsc_buf_data(&tunnel->input), size);
  wsc_buf_consume(&tunnel->input, size);
  if (size == held) wsc_buf_free(&tunnel->input);
  return (int64_t)size;
}

static int64_t tunnel_write(wsc_stream *stream, const void *data, size_t size) {
  wsc_tunnel *tunnel = (wsc_tunnel *)stream;
  assert(tunnel->ready);
  return pass_fault(tunnel, stream->lower->ops->write(stream->lower, data, size));
}

static unsigned tunnel_want(const wsc_stream *stream, unsigned wishes) {
  const wsc_tunnel *tunnel = (const wsc_tunnel *)stream;
  if (!tunnel->ready) wishes = wsc_buf_size(&tunnel->output) > 0 ? WSC_WANT_WRITE : WSC_WANT_READ;
  return stream->lower->ops->want(stream->lower, wishes);
}

static bool tunnel_pending(const wsc_stream *stream) {
  const wsc_tunnel *tunnel = (const wsc_tunnel *)stream;
  if (tunnel->ready && wsc_buf_size(&tunnel->input) > 0) return true;
  return stream->lower->ops->pending(stream->lower);
}

static int tunnel_fd(const wsc_stream *stream) {
  return stream->lower->ops->fd(stream->lower);
}

static void tunnel_shutdown(wsc_stream *stream) {
  stream->lower->ops->shutdown(stream->lower);
}

static void tunnel_free(wsc_stream *stream) {
  wsc_tunnel *tunnel = (wsc_tunnel *)stream;
  const wsc_platform *platform = tunnel->stream.platform;
  tunnel_forget(tunnel);
  wsc_buf_free(&tunnel->input);
  wsc_release(platform, tunnel->host);
  wsc_release(platform, tunnel->authority);
  stream->lower->ops->free(stream->lower);
  wsc_stream_forget_fault(stream);
  wsc_release(platform, tunnel);
}

static const wsc_stream_ops tunnel_ops = {.open = tunnel_open,
                                          .read = tunnel_read,
                                          .write = tunnel_write,
                                          .want = tunnel_want,
                                          .pending = tunnel_pending,
                                          .fd = tunnel_fd,
                                          .shutdown = tunnel_shutdown,
                                          .free = tunnel_free};

/* ---------------------------------------------------------------- making one */

static char *make_authority(const wsc_platform *platform, const char *host, uint16_t port) {
  size_t size = strlen(host) + sizeof "[]:65535";
  bool ipv6 = strchr(host, ':') != NULL;
  char *text = wsc_alloc(platform, size, 1);
  if (text) snprintf(text, size, ipv6 ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
  return text;
}

static bool tunnel_init(wsc_tunnel *tunnel, const wsc_proxy *proxy, const char *host) {
  const wsc_platform *platform = tunnel->stream.platform;
  tunnel->authority = make_authority(platform, host, tunnel->port);
  return tunnel->authority && wsc_keep_string(platform, &tunnel->host, host) &&
         wsc_keep_string(platform, &tunnel->user, proxy->user) &&
         wsc_keep_string(platform, &tunnel->password, proxy->password) &&
         tunnel->protocol->begin(tunnel);
}

wsc_stream *wsc_tunnel_new(const wsc_platform *platform, wsc_stream *lower, const wsc_proxy *proxy,
                           const char *host, uint16_t port) {
  wsc_tunnel *tunnel = wsc_alloc(platform, 1, sizeof *tunnel);
  if (!tunnel) {
    lower->ops->free(lower);
    return NULL;
  }
  assert(proxy->kind != WSC_PROXY_NONE);
  tunnel->stream.ops = &tunnel_ops;
  tunnel->stream.lower = lower;
  tunnel->stream.platform = platform;
  tunnel->protocol = proxy->kind == WSC_PROXY_SOCKS5 ? &wsc_tunnel_socks5 : &wsc_tunnel_http;
  tunnel->port = port;
  wsc_buf_init(&tunnel->output, platform);
  wsc_buf_init(&tunnel->input, platform);
  if (tunnel_init(tunnel, proxy, host)) return &tunnel->stream;
  tunnel_free(&tunnel->stream);
  return NULL;
}

int wsc_tunnel_status(const wsc_stream *stream) {
  return ((const wsc_tunnel *)stream)->status;
}
