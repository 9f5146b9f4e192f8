/* In the place of net/tls*.c in a build without OpenSSL (WITH_TLS=0): no context can be made, and
 * the sentence says why.  So an attempt at wss:// ends as with any other TLS setting that cannot
 * be: close code 1015, and no retry. */
#include "net/tls/tls.h"

#include <stdio.h>

#include "core/hidden.h"

wsc_tls_cache *wsc_tls_cache_new(const wsc_platform *platform) {
  (void)platform;
  return NULL;
}

void wsc_tls_cache_free(wsc_tls_cache *cache) {
  (void)cache;
}

wsc_tls_context *wsc_tls_context_new(const wsc_platform *platform, const wsc_tls_config *config,
                                     char *fault, size_t size) {
  (void)platform, (void)config;
  snprintf(fault, size, "wss:// and https:// need TLS, and this wsclose was built without it");
  return NULL;
}

void wsc_tls_context_free(wsc_tls_context *context) {
  (void)context;
}

bool wsc_tls_context_fits(const wsc_tls_context *context, const wsc_tls_config *config) {
  (void)context, (void)config;
  return false;
}

wsc_stream *wsc_tls_new(wsc_tls_context *context, wsc_stream *lower, const char *host,
                        const char *origin) {
  (void)context, (void)host, (void)origin;
  lower->ops->free(lower);
  return NULL;
}

const char *wsc_tls_version(const wsc_stream *stream) {
  (void)stream;
  return NULL;
}

const char *wsc_tls_cipher(const wsc_stream *stream) {
  (void)stream;
  return NULL;
}

bool wsc_tls_resumed(const wsc_stream *stream) {
  (void)stream;
  return false;
}

const char *wsc_tls_group(const wsc_stream *stream) {
  (void)stream;
  return NULL;
}

size_t wsc_tls_certificate(const wsc_stream *stream, char *text, size_t size, int64_t *not_after) {
  (void)stream, (void)text, (void)size, (void)not_after;
  return 0;
}
