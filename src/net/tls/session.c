/* The bounded cache of TLS sessions: see tls_private.h. */
#include "tls_private.h"

#include <string.h>

#include <openssl/ssl.h>

#include "core/hidden.h"

/* A server gives two tickets by default; one client has one connection to an origin at a time.
 * More of one origin would only push the others out. */
enum { SESSIONS_PER_KEY = 2 };

void wsc_tls_sessions_init(wsc_tls_sessions *sessions, const wsc_platform *platform,
                           size_t size_max) {
  *sessions = (wsc_tls_sessions){.platform = platform, .size_max = size_max};
}

/* Takes the entry out; the session's reference goes to the caller. */
static SSL_SESSION *sessions_remove(wsc_tls_sessions *sessions, size_t at) {
  SSL_SESSION *session = sessions->entries[at].session;
  wsc_release(sessions->platform, sessions->entries[at].key);
  sessions->count--;
  memmove(sessions->entries + at, sessions->entries + at + 1,
          (sessions->count - at) * sizeof *sessions->entries);
  return session;
}

void wsc_tls_sessions_free(wsc_tls_sessions *sessions) {
  while (sessions->count > 0) SSL_SESSION_free(sessions_remove(sessions, sessions->count - 1));
  wsc_release(sessions->platform, sessions->entries);
}

static bool sessions_has_room(wsc_tls_sessions *sessions) {
  if (sessions->count < sessions->capacity) return true;
  size_t capacity = sessions->capacity == 0 ? 2 : sessions->capacity * 2;
  wsc_tls_session *entries = sessions->platform->resize(sessions->platform->user, sessions->entries,
                                                        capacity * sizeof *sessions->entries);
  if (!entries) return false;
  sessions->entries = entries;
  sessions->capacity = capacity;
  return true;
}

/* Lets the oldest go that stands in the way of one more. */
static void sessions_evict(wsc_tls_sessions *sessions, const char *key) {
  size_t same = 0, oldest = 0;
  for (size_t i = sessions->count; i-- > 0;) {
    if (strcmp(sessions->entries[i].key, key) != 0) continue;
    same++;
    oldest = i;
  }
  if (same >= SESSIONS_PER_KEY) SSL_SESSION_free(sessions_remove(sessions, oldest));
  if (sessions->count >= sessions->size_max) SSL_SESSION_free(sessions_remove(sessions, 0));
}

/* A session remembers that the certificate was accepted, not until when it is valid: once it has
 * expired, a full handshake has to refuse it. */
static bool session_is_usable(SSL_SESSION *session) {
  X509 *peer = SSL_SESSION_get0_peer(session);
  if (!SSL_SESSION_is_resumable(session)) return false;
  return !peer || X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

void wsc_tls_sessions_put(wsc_tls_sessions *sessions, const char *key, SSL_SESSION *session) {
  char *copy = NULL;
  if (sessions->size_max > 0 && SSL_SESSION_is_resumable(session)) {
    sessions_evict(sessions, key);
    if (sessions_has_room(sessions)) copy = wsc_copy_string(sessions->platform, key, strlen(key));
  }
  if (!copy) {
    SSL_SESSION_free(session);
    return;
  }
  sessions->entries[sessions->count++] = (wsc_tls_session){.key = copy, .session = session};
}

/* Out on use: a TLS 1.3 ticket must not be used twice (RFC 8446 C.4); an older session comes back
 * with wsc_tls_sessions_put once its handshake went well. */
SSL_SESSION *wsc_tls_sessions_take(wsc_tls_sessions *sessions, const char *key) {
  for (size_t i = sessions->count; i-- > 0;) {
    if (strcmp(sessions->entries[i].key, key) != 0) continue;
    SSL_SESSION *session = sessions_remove(sessions, i);
    if (session_is_usable(session)) return session;
    SSL_SESSION_free(session);
  }
  return NULL;
}
