/* A tunnel through a proxy as a stream: the proxy is asked and its answer read, then bytes pass. */
#include "proxy.h"

#include "core/tunnel.h"

#include <assert.h>
#include <string.h>

#include "core/hidden.h"

/* One read of an answer; what is read beyond it belongs to the target. */
#define TUNNEL_READ_SIZE 1024

typedef struct tunnel_stream {
  wsc_stream stream;  /* first: a wsc_stream is cast back */
  wsc_tunnel *tunnel; /* owned; NULL once it is open and its first bytes are read */
  bool ready;
} tunnel_stream;

/* ---------------------------------------------------------------- open */

/* The stream below failed while the proxy was spoken to. */
static int lower_failed(tunnel_stream *self, int64_t result) {
  if (result == 0 || result == WSC_ERR_EOF) {
    int error = wsc_tunnel_eof(self->tunnel);
    wsc_stream_say(&self->stream, "%s", self->tunnel->fault);
    return error;
  }
  wsc_stream_say(&self->stream, "the connection to the proxy broke: %.200s",
                 wsc_stream_fault(self->stream.lower, (int)result));
  return (int)result;
}

static int tunnel_flush(tunnel_stream *self) {
  wsc_stream *lower = self->stream.lower;
  wsc_buf *output = &self->tunnel->output;
  while (wsc_buf_size(output) > 0) {
    int64_t taken = lower->ops->write(lower, wsc_buf_data(output), wsc_buf_size(output));
    if (taken == WSC_AGAIN) return WSC_AGAIN;
    if (taken < 0) return lower_failed(self, taken);
    wsc_buf_consume(output, (size_t)taken);
  }
  return WSC_OK;
}

static int tunnel_read_answer(tunnel_stream *self) {
  wsc_stream *lower = self->stream.lower;
  size_t room;
  uint8_t *to = wsc_buf_reserve(&self->tunnel->input, TUNNEL_READ_SIZE, &room);
  if (!to) {
    wsc_stream_say(&self->stream, "no memory");
    return WSC_ERR_MEMORY;
  }
  int64_t got = lower->ops->read(lower, to, room);
  if (got == WSC_AGAIN) return WSC_AGAIN;
  if (got <= 0) return lower_failed(self, got);
  wsc_buf_commit(&self->tunnel->input, (size_t)got);
  return WSC_OK;
}

/* Asks, checks, reads, as far as it goes without waiting. */
static int tunnel_advance(tunnel_stream *self) {
  for (;;) {
    int result = tunnel_flush(self);
    if (result != WSC_OK) return result;
    result = wsc_tunnel_step(self->tunnel);
    if (result != WSC_OK && result != WSC_AGAIN)
      wsc_stream_say(&self->stream, "%s", self->tunnel->fault);
    if (result != WSC_AGAIN) return result;
    if (wsc_buf_size(&self->tunnel->output) > 0) continue;
    result = tunnel_read_answer(self);
    if (result != WSC_OK) return result;
  }
}

static void drop_read_tunnel(tunnel_stream *self) {
  if (wsc_buf_size(&self->tunnel->input) > 0) return;
  wsc_tunnel_free(self->tunnel);
  self->tunnel = NULL;
}

static int tunnel_open(wsc_stream *stream) {
  tunnel_stream *self = (tunnel_stream *)stream;
  if (self->ready) return WSC_OK;
  int result = tunnel_advance(self);
  self->ready = result == WSC_OK;
  if (self->ready) drop_read_tunnel(self);
  return result;
}

/* ---------------------------------------------------------------- once it is open */

/* The failed stream's sentence is the caller's to read at the top. */
static int64_t pass_fault(tunnel_stream *self, int64_t result) {
  if (result < 0 && result != WSC_AGAIN)
    wsc_stream_say(&self->stream, "%s", wsc_stream_fault(self->stream.lower, (int)result));
  return result;
}

static int64_t tunnel_read(wsc_stream *stream, void *data, size_t size) {
  tunnel_stream *self = (tunnel_stream *)stream;
  assert(self->ready);
  if (!self->tunnel) return pass_fault(self, stream->lower->ops->read(stream->lower, data, size));
  wsc_buf *held = &self->tunnel->input;
  if (size > wsc_buf_size(held)) size = wsc_buf_size(held);
  memcpy(data, wsc_buf_data(held), size);
  wsc_buf_consume(held, size);
  drop_read_tunnel(self);
  return (int64_t)size;
}

static int64_t tunnel_write(wsc_stream *stream, const void *data, size_t size) {
  tunnel_stream *self = (tunnel_stream *)stream;
  assert(self->ready);
  return pass_fault(self, stream->lower->ops->write(stream->lower, data, size));
}

static unsigned tunnel_want(const wsc_stream *stream, unsigned wishes) {
  const tunnel_stream *self = (const tunnel_stream *)stream;
  if (!self->ready)
    wishes = wsc_buf_size(&self->tunnel->output) > 0 ? WSC_WANT_WRITE : WSC_WANT_READ;
  return stream->lower->ops->want(stream->lower, wishes);
}

static bool tunnel_pending(const wsc_stream *stream) {
  const tunnel_stream *self = (const tunnel_stream *)stream;
  return (self->ready && self->tunnel) || stream->lower->ops->pending(stream->lower);
}

static wsc_socket tunnel_fd(const wsc_stream *stream) {
  return stream->lower->ops->fd(stream->lower);
}

static void tunnel_shutdown(wsc_stream *stream) {
  stream->lower->ops->shutdown(stream->lower);
}

static void tunnel_free(wsc_stream *stream) {
  tunnel_stream *self = (tunnel_stream *)stream;
  wsc_tunnel_free(self->tunnel);
  stream->lower->ops->free(stream->lower);
  wsc_stream_forget_fault(stream);
  wsc_release(stream->platform, self);
}

static const wsc_stream_ops tunnel_ops = {.open = tunnel_open,
                                          .read = tunnel_read,
                                          .write = tunnel_write,
                                          .want = tunnel_want,
                                          .pending = tunnel_pending,
                                          .fd = tunnel_fd,
                                          .shutdown = tunnel_shutdown,
                                          .free = tunnel_free};

wsc_stream *wsc_tunnel_stream_new(const wsc_platform *platform, wsc_stream *lower,
                                  const wsc_proxy *proxy, const char *host, uint16_t port) {
  tunnel_stream *self = wsc_alloc(platform, 1, sizeof *self);
  if (self) self->tunnel = wsc_tunnel_new(platform, proxy, host, port);
  if (!self || !self->tunnel) {
    lower->ops->free(lower);
    wsc_release(platform, self);
    return NULL;
  }
  self->stream.ops = &tunnel_ops;
  self->stream.lower = lower;
  self->stream.platform = platform;
  return &self->stream;
}

int wsc_tunnel_stream_status(const wsc_stream *stream) {
  const tunnel_stream *self = (const tunnel_stream *)stream;
  return self->tunnel ? self->tunnel->status : 0;
}
