/* TLS as a stream: see tls.h and stream.h. */
#include "tls_private.h"

#include "core/ip.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/hidden.h"

/* A peer may send records without data on and on, tickets or changes of keys, which cost more than
 * their bytes.  After so many reads in a row that brought nothing else, it has had its say. */
enum { TLS_SILENT_READS_MAX = 32 };

/* Of one read, whatever there is: to decrypt all of a long message, or of a burst of short ones,
 * where a record costs more than its bytes, would hold up a frame. */
enum { TLS_READ_MAX = 65536, TLS_RECORDS_MAX = 128 };

/* ---------------------------------------------------------------- sessions */

int wsc_tls_new_session(SSL *ssl, SSL_SESSION *session) {
  wsc_tls_stream *tls = SSL_get_app_data(ssl);
  if (tls->ready) {
    wsc_tls_sessions_put(&tls->context->sessions, tls->key, session);
    return 1;
  }
  /* TLS 1.2 gives it before the pins are compared: a session of a refused peer is not kept. */
  SSL_SESSION_free(tls->early_session);
  tls->early_session = session;
  return 1; /* the reference is ours */
}

static void keep_session(wsc_tls_stream *tls) {
  SSL_SESSION *session = tls->early_session;
  tls->early_session = NULL;
  /* TLS 1.2 resumed without a new ticket: the old one, taken out for this connection, serves on. */
  if (!session && SSL_session_reused(tls->ssl) && SSL_version(tls->ssl) < TLS1_3_VERSION)
    session = SSL_get1_session(tls->ssl);
  if (session) wsc_tls_sessions_put(&tls->context->sessions, tls->key, session);
}

/* ---------------------------------------------------------------- open */

static int tls_fail(wsc_tls_stream *tls, int error) {
  tls->error = error;
  return error;
}

static int handshake_done(wsc_tls_stream *tls) {
  int error = wsc_tls_check_peer(tls);
  if (error != WSC_OK) return tls_fail(tls, error);
  tls->ready = true;
  keep_session(tls);
  return WSC_OK;
}

static int tls_handshake(wsc_tls_stream *tls) {
  if (wsc_tls_holds_start(tls)) return WSC_AGAIN;
  ERR_clear_error();
  if (tls->pieces & WSC_TLS_PIECE_HELLO) SSL_set_read_ahead(tls->ssl, 1);
  tls->held = false;
  int result = SSL_do_handshake(tls->ssl);
  int why = SSL_get_error(tls->ssl, result);
  bool waits = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE || tls->held;
  if (result == 1) {
    result = handshake_done(tls);
    ERR_clear_error();
    return result;
  }
  if (waits && tls->write_error == WSC_OK) return WSC_AGAIN;
  return tls_fail(tls, wsc_tls_explain(tls));
}

static int tls_open(wsc_stream *stream) {
  wsc_tls_stream *tls = (wsc_tls_stream *)stream;
  if (tls->error != WSC_OK) return tls->error;
  bool flushed = wsc_tls_flush(tls);
  if (!tls->ready) {
    int result = tls_handshake(tls);
    if (result != WSC_OK) return result;
    flushed = wsc_tls_flush(tls);
  }
  if (tls->write_error != WSC_OK) {
    tls->ready = false; /* the peer has not all of our part of the handshake */
    return tls_fail(tls, wsc_tls_explain(tls));
  }
  return flushed ? WSC_OK : WSC_AGAIN;
}

/* ---------------------------------------------------------------- read and write */

/* OpenSSL checks a call by the thread's queue of errors, which others use too.  To clear an empty
 * one costs a tenth of a short message. */
static void forget_errors(void) {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

/* After SSL_read_ex gave nothing: 0, WSC_AGAIN or an error. */
static int read_failed(wsc_tls_stream *tls) {
  switch (SSL_get_error(tls->ssl, 0)) {
  case SSL_ERROR_ZERO_RETURN:
    tls->ended = true;
    return 0;
  case SSL_ERROR_WANT_READ:
  case SSL_ERROR_WANT_WRITE:
    if (tls->lower_error != WSC_AGAIN || tls->write_error == WSC_OK) return WSC_AGAIN;
    break;
  }
  return tls_fail(tls, wsc_tls_explain(tls));
}

/* One record, or less: WSC_AGAIN also after some that held no application data. */
static int64_t read_record(wsc_tls_stream *tls, uint8_t *data, size_t size) {
  size_t got = 0;
  if (SSL_read_ex(tls->ssl, data, size, &got) == 1) {
    tls->silent = 0;
    return (int64_t)got;
  }
  int result = read_failed(tls);
  if (result != WSC_AGAIN || tls->lower_error == WSC_AGAIN) return result;
  if (++tls->silent <= TLS_SILENT_READS_MAX) return WSC_AGAIN;
  wsc_stream_say(&tls->stream, "the peer sends TLS records without data on and on");
  return tls_fail(tls, WSC_ERR_TLS);
}

/* Without another look at the lower stream, unless the last one showed that there is more. */
static bool has_records(const wsc_tls_stream *tls) {
  return SSL_has_pending(tls->ssl) || tls->lower_more;
}

static int64_t tls_read(wsc_stream *stream, void *data, size_t size) {
  wsc_tls_stream *tls = (wsc_tls_stream *)stream;
  if (size > TLS_READ_MAX) size = TLS_READ_MAX;
  size_t total = 0;
  int64_t got = 0;
  int records = 0;
  assert(tls->ready || tls->error != WSC_OK);
  tls->unread = false;
  if (tls->error != WSC_OK) return tls->error;
  if (tls->ended) return 0;
  if (wsc_buf_size(&tls->output) > 0) wsc_tls_flush(tls);
  forget_errors();
  do {
    got = read_record(tls, (uint8_t *)data + total, size - total);
    if (got > 0) total += (size_t)got;
  } while (got > 0 && total < size && ++records < TLS_RECORDS_MAX && has_records(tls));
  if (got <= 0) forget_errors();
  if (total == 0) return got;
  tls->unread = got <= 0 && got != WSC_AGAIN;
  return (int64_t)total;
}

static int64_t tls_read_wait(wsc_stream *stream, void *data, size_t size) {
  wsc_tls_stream *tls = (wsc_tls_stream *)stream;
  tls->patient = true;
  int64_t got = tls_read(stream, data, size);
  tls->patient = false;
  return got;
}

/* Encrypts one record; what the lower stream does not take waits in `output`. */
static int64_t write_record(wsc_tls_stream *tls, const uint8_t *data, size_t size) {
  size_t taken = 0;
  if (SSL_write_ex(tls->ssl, data, size, &taken) == 1) return (int64_t)taken;
  int why = SSL_get_error(tls->ssl, 0);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return WSC_AGAIN;
  return tls_fail(tls, wsc_tls_explain(tls));
}

static int64_t write_failed(wsc_tls_stream *tls) {
  int error = tls->write_error;
  const char *text = wsc_stream_fault(tls->stream.lower, error);
  wsc_stream_say(&tls->stream, "%s", error == WSC_ERR_MEMORY ? "no memory" : text);
  return error;
}

/* Nothing new, and nothing held here: the stream below may hold bytes, TLS within TLS. */
static int64_t write_nothing(wsc_tls_stream *tls) {
  int64_t taken = tls->stream.lower->ops->write(tls->stream.lower, "", 0);
  if (taken >= 0 || taken == WSC_AGAIN) return taken;
  tls->write_error = (int)taken;
  return write_failed(tls);
}

static int64_t tls_write(wsc_stream *stream, const void *data, size_t size) {
  wsc_tls_stream *tls = (wsc_tls_stream *)stream;
  size_t total = 0;
  int64_t taken = 0;
  assert(tls->ready || tls->error != WSC_OK);
  if (tls->error != WSC_OK) return tls->error;
  bool flushed = wsc_tls_flush(tls);
  if (tls->write_error != WSC_OK) return write_failed(tls);
  if (!flushed) return WSC_AGAIN;
  if (size == 0) return write_nothing(tls);
  forget_errors();
  while (total < size && wsc_buf_size(&tls->output) == 0 && tls->write_error == WSC_OK) {
    taken = write_record(tls, (const uint8_t *)data + total, size - total);
    if (taken < 0 || tls->write_error != WSC_OK) break; /* nobody will read half a record */
    total += (size_t)taken;
  }
  if (taken < 0) forget_errors();
  if (total > 0) return (int64_t)total;
  return tls->write_error != WSC_OK ? write_failed(tls) : taken;
}

/* ---------------------------------------------------------------- the rest of the interface */

static unsigned tls_want(const wsc_stream *stream, unsigned wishes) {
  const wsc_tls_stream *tls = (const wsc_tls_stream *)stream;
  if (!tls->ready) wishes = WSC_WANT_READ;
  if (wsc_buf_size(&tls->output) > 0) wishes |= WSC_WANT_WRITE;
  return stream->lower->ops->want(stream->lower, wishes);
}

static bool tls_pending(const wsc_stream *stream) {
  const wsc_tls_stream *tls = (const wsc_tls_stream *)stream;
  if (tls->unread || tls->held) return true;
  if (tls->error != WSC_OK || tls->ended || tls->lower_error == WSC_AGAIN) return false;
  return has_records(tls) || stream->lower->ops->pending(stream->lower);
}

static wsc_socket tls_fd(const wsc_stream *stream) {
  return stream->lower->ops->fd(stream->lower);
}

static void tls_shutdown(wsc_stream *stream) {
  wsc_tls_stream *tls = (wsc_tls_stream *)stream;
  bool broken = tls->error != WSC_OK && tls->error != WSC_ERR_EOF;
  if (tls->ready && !broken && !tls->closed && tls->write_error == WSC_OK) {
    tls->closed = true;
    ERR_clear_error();
    wsc_tls_flush(tls);
    SSL_shutdown(tls->ssl);
    wsc_tls_flush(tls);
    ERR_clear_error();
  }
  stream->lower->ops->shutdown(stream->lower);
}

static void tls_free(wsc_stream *stream) {
  wsc_tls_stream *tls = (wsc_tls_stream *)stream;
  const wsc_platform *platform = tls->context->platform;
  /* A connection that just stops does not make its session a bad one (RFC 5246 7.2.1); OpenSSL
   * would think so.  Nothing is sent. */
  if (tls->ssl) SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(tls->ssl);
  SSL_SESSION_free(tls->early_session);
  stream->lower->ops->free(stream->lower);
  wsc_buf_free(&tls->output);
  wsc_stream_forget_fault(stream);
  wsc_tls_context_free(tls->context);
  wsc_release(platform, tls->host);
  wsc_release(platform, tls->key);
  wsc_release(platform, tls);
}

static const wsc_stream_ops tls_ops = {.open = tls_open,
                                       .read = tls_read,
                                       .read_wait = tls_read_wait,
                                       .write = tls_write,
                                       .want = tls_want,
                                       .pending = tls_pending,
                                       .fd = tls_fd,
                                       .shutdown = tls_shutdown,
                                       .free = tls_free};

/* ---------------------------------------------------------------- making one */

static bool set_address(wsc_tls_stream *tls, bool *is_address) {
  unsigned char bytes[16];
  size_t size = wsc_ip_parse(bytes, (wsc_slice){tls->host, strlen(tls->host)});
  *is_address = size > 0;
  if (size == 0) return true;
  return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(tls->ssl), bytes, size) == 1;
}

/* A name is compared whole or with "*." for its first label (RFC 9525 6.3).  No name at all, or one
 * that begins with a dot, would match more than one host in OpenSSL. */
static bool set_name(wsc_tls_stream *tls) {
  if (tls->host[0] == '\0' || tls->host[0] == '.') {
    wsc_stream_say(&tls->stream, "no host name that a certificate could be checked for: \"%s\"",
                   tls->host);
    tls->error = WSC_ERR_TLS;
    return true;
  }
  SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(tls->ssl, tls->host) == 1 &&
         SSL_set_tlsext_host_name(tls->ssl, tls->host) == 1;
}

static bool set_peer(wsc_tls_stream *tls) {
  size_t size = strlen(tls->host);
  bool is_address = false;
  /* The dot of a fully qualified name stands in no certificate, nor in SNI (RFC 6066 3). */
  if (size > 0 && tls->host[size - 1] == '.') tls->host[size - 1] = '\0';
  return set_address(tls, &is_address) && (is_address || set_name(tls));
}

static bool set_bio(wsc_tls_stream *tls) {
  BIO *bio = BIO_new(tls->context->base->bio_method);
  if (!bio) return false;
  BIO_set_data(bio, tls);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls->ssl, bio, bio);
  return true;
}

static bool set_session(wsc_tls_stream *tls) {
  SSL_SESSION *session = wsc_tls_sessions_take(&tls->context->sessions, tls->key);
  if (!session) return true;
  bool set = SSL_set_session(tls->ssl, session) == 1;
  SSL_SESSION_free(session);
  return set;
}

/* A session belongs to the name it was verified for, not to the origin alone. */
static char *make_key(const wsc_platform *platform, const char *host, const char *origin) {
  size_t host_size = strlen(host) + 1;
  size_t origin_size = strlen(origin) + 1;
  char *key = wsc_alloc(platform, host_size + origin_size, 1);
  if (!key) return NULL;
  memcpy(key, host, host_size);
  key[host_size - 1] = '\n';
  memcpy(key + host_size, origin, origin_size);
  return key;
}

static bool tls_init(wsc_tls_stream *tls, const char *host, const char *origin) {
  const wsc_platform *platform = tls->context->platform;
  tls->host = wsc_copy_string(platform, host, strlen(host));
  tls->key = make_key(platform, host, origin);
  tls->ssl = SSL_new(tls->context->base->ssl_ctx);
  if (!tls->host || !tls->key || !tls->ssl) return false;
  SSL_set_connect_state(tls->ssl);
  SSL_set_read_ahead(tls->ssl, 0); /* up to the hello, behind which it is to be stopped */
  return SSL_set_app_data(tls->ssl, tls) == 1 && set_bio(tls) && set_peer(tls) && set_session(tls);
}

wsc_stream *wsc_tls_new(wsc_tls_context *context, wsc_stream *lower, const char *host,
                        const char *origin) {
  wsc_tls_stream *tls = wsc_alloc(context->platform, 1, sizeof *tls);
  if (!tls) {
    lower->ops->free(lower);
    return NULL;
  }
  context->references++;
  tls->stream.ops = &tls_ops;
  tls->stream.platform = context->platform;
  tls->stream.lower = lower;
  tls->context = context;
  wsc_buf_init(&tls->output, context->platform);
  ERR_clear_error();
  bool done = tls_init(tls, host, origin);
  ERR_clear_error();
  if (done) return &tls->stream;
  tls_free(&tls->stream);
  return NULL;
}

const char *wsc_tls_version(const wsc_stream *stream) {
  return SSL_get_version(((const wsc_tls_stream *)stream)->ssl);
}

const char *wsc_tls_cipher(const wsc_stream *stream) {
  return SSL_get_cipher_name(((const wsc_tls_stream *)stream)->ssl);
}

bool wsc_tls_resumed(const wsc_stream *stream) {
  return SSL_session_reused(((const wsc_tls_stream *)stream)->ssl) == 1;
}

const char *wsc_tls_group(const wsc_stream *stream) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  SSL *ssl = ((const wsc_tls_stream *)stream)->ssl;
  int group = (int)SSL_get_negotiated_group(ssl);
  return group ? SSL_group_to_name(ssl, group) : NULL;
#else
  (void)stream;
  return NULL;
#endif
}
