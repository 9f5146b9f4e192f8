/* The stream below TLS as an OpenSSL BIO.
 *
 * What OpenSSL writes is always taken: the part that the lower stream refuses waits in `output`. So
 * a record is never half accepted, and bytes count as written as soon as they are encrypted; the
 * caller may then drop the rest of its queue, which OpenSSL's own retry rule (the same bytes again)
 * would forbid. */
#include "tls_private.h"

#include <string.h>

#include <openssl/bio.h>

#include "core/hidden.h"

/* A peer may make OpenSSL answer (KeyUpdate) without ever reading: above this it has to wait. */
#define TLS_OUTPUT_MAX 65536

/* Writing failed for good: the peer may still have something to say, an alert or a Close frame, so
 * OpenSSL is not told and goes on reading. */
static void output_failed(wsc_tls_stream *tls, int error) {
  tls->write_error = error;
  wsc_buf_free(&tls->output);
}

bool wsc_tls_flush(wsc_tls_stream *tls) {
  wsc_stream *lower = tls->stream.lower;
  if (wsc_buf_size(&tls->output) == 0) return true;
  while (wsc_buf_size(&tls->output) > 0) {
    int64_t taken =
        lower->ops->write(lower, wsc_buf_data(&tls->output), wsc_buf_size(&tls->output));
    if (taken == WSC_AGAIN || taken == 0) return false;
    if (taken < 0) {
      output_failed(tls, (int)taken);
      return true;
    }
    wsc_buf_consume(&tls->output, (size_t)taken);
  }
  wsc_buf_free(&tls->output);
  return true;
}

static int bio_write(BIO *bio, const char *data, int size) {
  wsc_tls_stream *tls = BIO_get_data(bio);
  wsc_stream *lower = tls->stream.lower;
  int64_t taken = 0;
  BIO_clear_retry_flags(bio);
  if (size <= 0 || tls->write_error != WSC_OK) return size;
  if (wsc_buf_size(&tls->output) >= TLS_OUTPUT_MAX) {
    BIO_set_retry_write(bio);
    return -1;
  }
  if (wsc_buf_size(&tls->output) == 0) taken = lower->ops->write(lower, data, (size_t)size);
  if (taken == WSC_AGAIN) taken = 0;
  if (taken < 0)
    output_failed(tls, (int)taken);
  else if (taken < size && !wsc_buf_append(&tls->output, data + taken, (size_t)(size - taken)))
    output_failed(tls, WSC_ERR_MEMORY);
  return size;
}

/* The first bytes show what it is that does not speak TLS. */
static void keep_head(wsc_tls_stream *tls, const char *data, size_t size) {
  size_t room = sizeof tls->head - tls->head_size;
  if (tls->ready || room == 0) return;
  if (size > room) size = room;
  memcpy(tls->head + tls->head_size, data, size);
  tls->head_size += size;
}

static int bio_read(BIO *bio, char *data, int size) {
  wsc_tls_stream *tls = BIO_get_data(bio);
  wsc_stream *lower = tls->stream.lower;
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  if (wsc_tls_holds_records(tls)) {
    BIO_set_retry_read(bio);
    return -1;
  }
  int64_t got =
      (tls->patient ? lower->ops->read_wait : lower->ops->read)(lower, data, (size_t)size);
  tls->patient = false; /* whatever OpenSSL asks for next: one wait is enough */
  tls->lower_more = got == size;
  if (got > 0) {
    tls->lower_error = WSC_OK;
    keep_head(tls, data, (size_t)got);
    return (int)got;
  }
  tls->lower_error = got == 0 ? WSC_ERR_EOF : (int)got;
  if (got == WSC_AGAIN) BIO_set_retry_read(bio);
  return -1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *wsc_tls_bio_method_new(void) {
  /* No number of its own from BIO_get_new_index: there are 127 for the whole process. */
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "wsclose stream");
  if (!method) return NULL;
  BIO_meth_set_write(method, bio_write); /* only stored: these cannot fail */
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_control);
  return method;
}
