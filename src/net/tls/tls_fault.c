/* Why a TLS operation failed, in a sentence. */
#include "tls_private.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/hidden.h"

/* Takes OpenSSL's error queue out: what TLS itself has to say of the failure goes before what the
 * libraries under it say; 0: nothing. */
static unsigned long take_error(void) {
  unsigned long first = 0, error;
  while ((error = ERR_get_error()) != 0) {
    bool is_better = ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_LIB(first) != ERR_LIB_SSL;
    if (first == 0 || is_better || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) first = error;
  }
  return first;
}

static const char *reason_text(unsigned long error) {
  const char *text = error == 0 ? NULL : ERR_reason_error_string(error);
  return text ? text : "an unnamed fault";
}

const char *wsc_tls_reason(void) {
  return reason_text(ERR_peek_error());
}

bool wsc_tls_lacked_memory(void) {
  return ERR_GET_REASON(take_error()) == ERR_R_MALLOC_FAILURE;
}

static int fault(wsc_tls_stream *tls, int error, const char *sentence) {
  wsc_stream_say(&tls->stream, "%s", sentence);
  return error;
}

/* ---------------------------------------------------------------- a peer that speaks something
 * else */

/* TLS begins with a handshake record or an alert (RFC 8446 5.1). */
static bool peer_speaks_tls(const wsc_tls_stream *tls) {
  return tls->head_size == 0 || tls->head[0] == 0x15 || tls->head[0] == 0x16;
}

/* OpenSSL asks for the head of a record only, and then for no more. */
static void complete_head(wsc_tls_stream *tls) {
  wsc_stream *lower = tls->stream.lower;
  size_t room = sizeof tls->head - tls->head_size;
  int64_t got = room == 0 ? 0 : lower->ops->read(lower, tls->head + tls->head_size, room);
  if (got > 0) tls->head_size += (size_t)got;
}

static int explain_no_tls(wsc_tls_stream *tls) {
  complete_head(tls);
  char shown[4 * WSC_TLS_HEAD_MAX + 1] = "";
  size_t used = 0;
  for (size_t i = 0; i < tls->head_size && tls->head[i] != '\r' && tls->head[i] != '\n'; i++) {
    uint8_t byte = tls->head[i];
    bool printable = byte >= ' ' && byte < 127;
    snprintf(shown + used, sizeof shown - used, printable ? "%c" : "\\x%02x", byte);
    used += strlen(shown + used);
  }
  wsc_stream_say(&tls->stream,
                 "the peer does not speak TLS, which ws:// does not need (it answered \"%s\")",
                 shown);
  return WSC_ERR_TLS;
}

/* ---------------------------------------------------------------- alerts, RFC 8446 6 */

static const char *alert_hint(const wsc_tls_stream *tls, int alert) {
  switch (alert) {
  case SSL_AD_HANDSHAKE_FAILURE:
    return tls->ready ? "" : ": no cipher in common, or it wants a client certificate";
  case SSL_AD_PROTOCOL_VERSION:
    return ": it speaks no version of TLS that is allowed here";
  case SSL_AD_UNRECOGNIZED_NAME:
    return ": it does not know the host name";
  case SSL_AD_NO_APPLICATION_PROTOCOL:
    return ": it speaks none of the protocols in tls.alpn";
  case SSL_AD_BAD_CERTIFICATE:
  case SSL_AD_UNKNOWN_CA:
    return ": it does not accept tls.cert";
  case SSL_AD_CERTIFICATE_REQUIRED:
    return ": it wants a client certificate, tls.cert";
  default:
    return "";
  }
}

/* OpenSSL names the alerts of TLS 1.3 in its error texts only, "tlsv13 alert certificate required".
 */
static const char *alert_name(int alert, unsigned long error) {
  const char *name = SSL_alert_desc_string_long(alert);
  if (strcmp(name, "unknown") != 0) return name;
  name = ERR_reason_error_string(error);
  const char *behind = name ? strstr(name, "alert ") : NULL;
  return behind ? behind + strlen("alert ") : "unknown";
}

static int explain_alert(wsc_tls_stream *tls, int alert, unsigned long error) {
  wsc_stream_say(&tls->stream, "the peer sent the TLS alert \"%s\" (%d)%s",
                 alert_name(alert, error), alert, alert_hint(tls, alert));
  return WSC_ERR_TLS;
}

/* ---------------------------------------------------------------- what OpenSSL itself reports */

static int explain_ssl(wsc_tls_stream *tls, unsigned long error) {
  switch (ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0) {
  case SSL_R_UNSUPPORTED_PROTOCOL:
  case SSL_R_WRONG_SSL_VERSION:
  case SSL_R_WRONG_VERSION_NUMBER:
    return fault(tls, WSC_ERR_TLS, "the peer speaks no version of TLS that is allowed here");
  case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    return fault(tls, WSC_ERR_TLS, "a TLS record was damaged on its way");
  default:
    wsc_stream_say(&tls->stream, "TLS failed: %s", reason_text(error));
    return WSC_ERR_TLS;
  }
}

static int explain_queue(wsc_tls_stream *tls) {
  unsigned long error = take_error();
  int alert = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET;
  if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) return fault(tls, WSC_ERR_MEMORY, "no memory");
  if (tls->refused) return WSC_ERR_CERTIFICATE;
  if (!tls->ready && !peer_speaks_tls(tls)) return explain_no_tls(tls);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && alert > 0 && alert < 256)
    return explain_alert(tls, alert, error);
  return explain_ssl(tls, error);
}

/* ---------------------------------------------------------------- the stream below */

static int explain_end(wsc_tls_stream *tls) {
  if (tls->ready) return fault(tls, WSC_ERR_EOF, "the connection ended without TLS close_notify");
  if (!peer_speaks_tls(tls)) return explain_no_tls(tls);
  return fault(tls, WSC_ERR_TLS, "the peer closed the connection during the TLS handshake");
}

/* An established connection reports what happened below; a handshake that broke is a TLS fault
 * (1015). */
static int explain_lower(wsc_tls_stream *tls, int error) {
  if (error == WSC_ERR_EOF) return explain_end(tls);
  if (error == WSC_ERR_MEMORY) return fault(tls, error, "no memory");
  if (tls->ready) return fault(tls, error, wsc_stream_fault(tls->stream.lower, error));
  wsc_stream_say(&tls->stream, "the connection broke during the TLS handshake: %.180s",
                 wsc_stream_fault(tls->stream.lower, error));
  return WSC_ERR_TLS;
}

int wsc_tls_explain(wsc_tls_stream *tls) {
  int error;
  if (tls->lower_error != WSC_OK && tls->lower_error != WSC_AGAIN)
    error = explain_lower(tls, tls->lower_error);
  else if (tls->write_error != WSC_OK && (tls->lower_error == WSC_AGAIN || ERR_peek_error() == 0))
    error = explain_lower(tls, tls->write_error);
  else
    error = explain_queue(tls);
  ERR_clear_error();
  return error;
}
