/* The bounded cache of TLS sessions: see tls_private.h. */
#include "tls_private.h"

#include <string.h>

#include <openssl/ssl.h>

/* A server gives two tickets by default; one client has one connection to an origin at a time.
 * More of one origin would only push the others out. */
enum { SESSIONS_PER_KEY = 2 };

void wsc_tls_cache_init(wsc_tls_cache *cache, const wsc_platform *platform, size_t size_max) {
  *cache = (wsc_tls_cache){.platform = platform, .size_max = size_max};
}

/* Takes the entry out; the session's reference goes to the caller. */
static SSL_SESSION *cache_remove(wsc_tls_cache *cache, size_t at) {
  SSL_SESSION *session = cache->entries[at].session;
  wsc_release(cache->platform, cache->entries[at].key);
  cache->count--;
  memmove(cache->entries + at, cache->entries + at + 1,
          (cache->count - at) * sizeof *cache->entries);
  return session;
}

void wsc_tls_cache_free(wsc_tls_cache *cache) {
  while (cache->count > 0) SSL_SESSION_free(cache_remove(cache, cache->count - 1));
  wsc_release(cache->platform, cache->entries);
  wsc_tls_cache_init(cache, cache->platform, cache->size_max);
}

static bool cache_has_room(wsc_tls_cache *cache) {
  if (cache->count < cache->capacity) return true;
  size_t capacity = cache->capacity == 0 ? 2 : cache->capacity * 2;
  wsc_tls_session *entries = cache->platform->resize(cache->platform->user, cache->entries,
                                                     capacity * sizeof *cache->entries);
  if (entries == NULL) return false;
  cache->entries = entries;
  cache->capacity = capacity;
  return true;
}

/* Lets the oldest go that stands in the way of one more. */
static void cache_evict(wsc_tls_cache *cache, const char *key) {
  size_t same = 0, oldest = 0;
  for (size_t i = cache->count; i-- > 0;) {
    if (strcmp(cache->entries[i].key, key) != 0) continue;
    same++;
    oldest = i;
  }
  if (same >= SESSIONS_PER_KEY) SSL_SESSION_free(cache_remove(cache, oldest));
  if (cache->count >= cache->size_max) SSL_SESSION_free(cache_remove(cache, 0));
}

/* A session holds the verdict on a certificate, not the certificate's end: once that has passed,
 * the full handshake has to say so. */
static bool session_is_usable(SSL_SESSION *session) {
  X509 *peer = SSL_SESSION_get0_peer(session);
  if (!SSL_SESSION_is_resumable(session)) return false;
  return peer == NULL || X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

void wsc_tls_cache_put(wsc_tls_cache *cache, const char *key, SSL_SESSION *session) {
  char *copy = NULL;
  if (cache->size_max > 0 && SSL_SESSION_is_resumable(session)) {
    cache_evict(cache, key);
    if (cache_has_room(cache)) copy = wsc_copy_string(cache->platform, key, strlen(key));
  }
  if (copy == NULL) {
    SSL_SESSION_free(session);
    return;
  }
  cache->entries[cache->count++] = (wsc_tls_session){.key = copy, .session = session};
}

/* Out on use: a TLS 1.3 ticket must not be used twice (RFC 8446 C.4); an older session comes back
 * with wsc_tls_cache_put once its handshake went well. */
SSL_SESSION *wsc_tls_cache_take(wsc_tls_cache *cache, const char *key) {
  for (size_t i = cache->count; i-- > 0;) {
    if (strcmp(cache->entries[i].key, key) != 0) continue;
    SSL_SESSION *session = cache_remove(cache, i);
    if (session_is_usable(session)) return session;
    SSL_SESSION_free(session);
  }
  return NULL;
}
