/* A handshake in pieces: between two of them the caller has its turn back, though there is more to
 * do at once.
 *
 * What comes with the server's answer would keep one call of SSL_do_handshake busy for longer than
 * a frame of a game can spare: the agreed secret, the certificates' keys (OpenSSL 3.0 takes longer
 * to read one than to use it), their signatures, the proof that the server has the key. */
#include "tls_private.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "core/hidden.h"

/* Each piece ends once in a handshake.  True: here, now. */
static bool ends_here(wsc_tls_stream *tls, unsigned piece) {
  if (tls->pieces & piece) return false;
  tls->pieces |= piece;
  tls->held = true;
  return true;
}

/* The connect, which on a near network the hello follows at once, has cost enough. */
bool wsc_tls_holds_start(wsc_tls_stream *tls) {
  return ends_here(tls, WSC_TLS_PIECE_START);
}

/* Asked before the next record is read. */
bool wsc_tls_holds_records(wsc_tls_stream *tls) {
  return !tls->ready && SSL_get_state(tls->ssl) == TLS_ST_CR_SRVR_HELLO &&
         ends_here(tls, WSC_TLS_PIECE_HELLO);
}

/* OpenSSL then calls wsc_tls_verify once more.  OpenSSL 1.1.1 cannot stop there. */
static bool stops_verifying(wsc_tls_stream *tls, unsigned piece) {
#ifdef SSL_set_retry_verify
  if (!ends_here(tls, piece)) return false;
  (void)SSL_set_retry_verify(tls->ssl); /* sets a mark: it cannot fail */
  return true;
#else
  (void)tls, (void)piece;
  return false;
#endif
}

int wsc_tls_verify(X509_STORE_CTX *store, void *unused) {
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  wsc_tls_stream *tls = SSL_get_app_data(ssl);
  (void)unused;
  if (stops_verifying(tls, WSC_TLS_PIECE_CERTIFICATE)) return 1;
  if (tls->context->base->verify && !tls->verified) {
    if (X509_verify_cert(store) <= 0) return 0;
    tls->verified = true;
    if (stops_verifying(tls, WSC_TLS_PIECE_SIGNATURES)) return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}
