/* Is the peer's certificate good, and if not, what is wrong with it: in a sentence that a person
 * can act on. */
#include "tls_private.h"

#include "net/system/inet.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/hidden.h"

enum { NAMES_SHOWN = 4, REFUSAL_SIZE = 256 }; /* of a sentence: names, bytes */

/* ---------------------------------------------------------------- pieces of a text */

/* A text in the making; what finds no room is left out. */
typedef struct tls_text {
  char *data;
  size_t size, used; /* used >= size: something was left out */
} tls_text;

static void say(tls_text *text, const char *format, ...) WSC_PRINTF_LIKE(2, 3);

static void say(tls_text *text, const char *format, ...) {
  size_t room = text->used < text->size ? text->size - text->used : 0;
  va_list arguments;
  va_start(arguments, format);
  int wanted = vsnprintf(room ? text->data + text->used : NULL, room, format, arguments);
  va_end(arguments);
  if (wanted > 0) text->used += (size_t)wanted;
}

/* A certificate is the peer's text: nothing in it may steer a terminal or a log. */
static void say_bytes(tls_text *text, const unsigned char *bytes, int size) {
  for (int i = 0; i < size; i++) say(text, "%c", bytes[i] > ' ' && bytes[i] < 127 ? bytes[i] : '?');
}

/* As "CN=feed.example,O=Feeds": RFC 2253, which escapes what is no printable ASCII. */
static void say_name(tls_text *text, const X509_NAME *name) {
  BIO *bio = BIO_new(BIO_s_mem());
  char *data = NULL;
  if (!bio) return;
  if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
    long size = BIO_get_mem_data(bio, &data);
    if (size > 0) say(text, "%.*s", (int)size, data);
  }
  BIO_free(bio);
}

static void say_time(tls_text *text, const ASN1_TIME *time) {
  struct tm tm;
  if (ASN1_TIME_to_tm(time, &tm) != 1) {
    say(text, "an unreadable time");
    return;
  }
  say(text, "%04d-%02d-%02d %02d:%02d:%02d UTC", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
      tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* What the sentence is about: the server's certificate, or one that leads to its authority. */
static void say_subject(tls_text *text, X509 *certificate, int depth) {
  say(text, depth == 0 ? "certificate" : "certificate of the authority ");
  if (depth > 0) say_name(text, X509_get_subject_name(certificate));
}

/* ---------------------------------------------------------------- host names */

static void say_address(tls_text *text, const ASN1_OCTET_STRING *address) {
  char digits[INET6_ADDRSTRLEN] = "?";
  int size = ASN1_STRING_length(address);
  if (size == 4 || size == 16)
    inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), digits,
              sizeof digits);
  say(text, "%s", digits);
}

/* False: a name of a kind that no host is compared with. */
static bool say_alternative_name(tls_text *text, const GENERAL_NAME *name, const char *separator) {
  if (name->type != GEN_DNS && name->type != GEN_IPADD) return false;
  say(text, "%s", separator);
  if (name->type == GEN_IPADD)
    say_address(text, name->d.iPAddress);
  else
    say_bytes(text, ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName));
  return true;
}

/* How many were said, `most` of them. */
static int say_alternative_names(tls_text *text, X509 *certificate, const char *separator,
                                 int most) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  int said = 0, more = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (said == most)
      more += name->type == GEN_DNS || name->type == GEN_IPADD;
    else if (say_alternative_name(text, name, said == 0 ? "" : separator))
      said++;
  }
  if (more > 0) say(text, " and %d more", more);
  GENERAL_NAMES_free(names);
  return said;
}

static void say_host_mismatch(tls_text *text, X509 *certificate, const char *host) {
  say(text, "host name mismatch: asked for %s, certificate is for ", host);
  if (say_alternative_names(text, certificate, ", ", NAMES_SHOWN) == 0)
    say_name(text, X509_get_subject_name(certificate));
}

/* ---------------------------------------------------------------- one sentence for each fault */

/* `what`: " has expired (notAfter ", say. */
static void say_validity(tls_text *text, X509 *certificate, int depth, const char *what,
                         const ASN1_TIME *time) {
  say_subject(text, certificate, depth);
  say(text, "%s", what);
  say_time(text, time);
  say(text, ")");
}

static void say_with_name(tls_text *text, const char *what, const X509_NAME *name) {
  say(text, "%s", what);
  say_name(text, name);
  say(text, ")");
}

static void say_wrong_usage(tls_text *text, X509 *certificate, int depth) {
  EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
  say_subject(text, certificate, depth);
  say(text, " is not meant for a server (its usage: ");
  if (!usage) say(text, "none that fits");
  for (int i = 0; i < sk_ASN1_OBJECT_num(usage); i++) {
    const char *name = OBJ_nid2ln(OBJ_obj2nid(sk_ASN1_OBJECT_value(usage, i)));
    say(text, "%s%s", i == 0 ? "" : ", ", name);
  }
  say(text, ")");
  EXTENDED_KEY_USAGE_free(usage);
}

static void say_weak_key(tls_text *text, X509 *certificate, int depth) {
  EVP_PKEY *key = X509_get0_pubkey(certificate);
  say_subject(text, certificate, depth);
  if (!key)
    say(text, " has a key that cannot be used");
  else
    say(text, " has a weak key (%d bits, %s)", EVP_PKEY_bits(key),
        OBJ_nid2sn(EVP_PKEY_base_id(key)));
}

static void say_refusal(tls_text *text, X509 *certificate, int depth, int error, const char *host) {
  switch (error) {
  case X509_V_ERR_CERT_HAS_EXPIRED:
    say_validity(text, certificate, depth, " has expired (notAfter ",
                 X509_get0_notAfter(certificate));
    break;
  case X509_V_ERR_CERT_NOT_YET_VALID:
    say_validity(text, certificate, depth, " is not yet valid (notBefore ",
                 X509_get0_notBefore(certificate));
    break;
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH:
    say_host_mismatch(text, certificate, host);
    break;
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    say_with_name(text, "self-signed certificate (", X509_get_subject_name(certificate));
    say(text, "; to trust it: tls = { ca_file = … }");
    break;
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
  case X509_V_ERR_CERT_UNTRUSTED:
    say_with_name(text, "certificate signed by an unknown authority (issuer ",
                  X509_get_issuer_name(certificate));
    break;
  case X509_V_ERR_INVALID_PURPOSE:
    say_wrong_usage(text, certificate, depth);
    break;
  case X509_V_ERR_EE_KEY_TOO_SMALL:
  case X509_V_ERR_CA_KEY_TOO_SMALL:
    say_weak_key(text, certificate, depth);
    break;
  case X509_V_ERR_CA_MD_TOO_WEAK:
    say_subject(text, certificate, depth);
    say(text, " is signed with a weak algorithm (%s)",
        OBJ_nid2ln(X509_get_signature_nid(certificate)));
    break;
  default:
    say_subject(text, certificate, depth);
    say(text, " refused: %s", X509_verify_cert_error_string(error));
  }
}

int wsc_tls_verify_callback(int ok, X509_STORE_CTX *store) {
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  wsc_tls_stream *tls = SSL_get_app_data(ssl);
  X509 *certificate = X509_STORE_CTX_get_current_cert(store);
  if (ok || !certificate) return ok;
  char sentence[REFUSAL_SIZE];
  tls_text text = {.data = sentence, .size = sizeof sentence};
  tls->refused = true;
  say_refusal(&text, certificate, X509_STORE_CTX_get_error_depth(store),
              X509_STORE_CTX_get_error(store), tls->host);
  wsc_stream_say(&tls->stream, "%s", sentence);
  return 0;
}

/* ---------------------------------------------------------------- after the handshake */

/* SHA-256 of SubjectPublicKeyInfo, as RFC 7469 2.4 counts a pin. */
static bool take_pin(X509 *certificate, uint8_t pin[32]) {
  unsigned char *der = NULL;
  int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  bool done = size > 0 && EVP_Digest(der, (size_t)size, pin, NULL, EVP_sha256(), NULL) == 1;
  OPENSSL_free(der);
  return done;
}

static bool pin_matches(const wsc_tls_base *base, const uint8_t pin[32]) {
  for (size_t i = 0; i < base->pin_count; i++)
    if (memcmp(base->pins[i], pin, 32) == 0) return true;
  return false;
}

static int refuse_certificate(wsc_tls_stream *tls, const char *sentence, const char *what) {
  wsc_stream_say(&tls->stream, "%s%s", sentence, what);
  tls->refused = true;
  return WSC_ERR_CERTIFICATE;
}

/* The key of the server itself is compared, not those above it: that holds also where nothing
 * above was verified. */
static int check_pin(wsc_tls_stream *tls, X509 *certificate) {
  uint8_t pin[32];
  unsigned char seen[45];
  if (tls->context->base->pin_count == 0) return WSC_OK;
  if (!certificate)
    return refuse_certificate(tls, "pin mismatch: the server gave no certificate", "");
  if (!take_pin(certificate, pin)) {
    wsc_stream_say(&tls->stream, "no memory to compare pins");
    return WSC_ERR_MEMORY;
  }
  if (pin_matches(tls->context->base, pin)) return WSC_OK;
  EVP_EncodeBlock(seen, pin, sizeof pin);
  return refuse_certificate(tls, "pin mismatch: the certificate's key is sha256//",
                            (const char *)seen);
}

int wsc_tls_check_peer(wsc_tls_stream *tls) {
  /* The session has it also where a handshake was cut short by resumption. */
  X509 *certificate = SSL_SESSION_get0_peer(SSL_get_session(tls->ssl));
  long result = SSL_get_verify_result(tls->ssl);
  if (tls->context->base->verify && !certificate)
    return refuse_certificate(tls, "the server gave no certificate", "");
  if (tls->context->base->verify && result != X509_V_OK)
    return refuse_certificate(tls, "certificate refused: ", X509_verify_cert_error_string(result));
  return check_pin(tls, certificate);
}

/* ---------------------------------------------------------------- for programs that ask */

static bool to_seconds(const ASN1_TIME *time, int64_t *seconds) {
  int days = 0, rest = 0;
  ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
  bool known = epoch && ASN1_TIME_diff(&days, &rest, epoch, time) == 1;
  ASN1_TIME_free(epoch);
  *seconds = (int64_t)days * 86400 + rest;
  return known;
}

size_t wsc_tls_certificate(const wsc_stream *stream, char *data, size_t size, int64_t *not_after) {
  const wsc_tls_stream *tls = (const wsc_tls_stream *)stream;
  X509 *certificate = SSL_SESSION_get0_peer(SSL_get_session(tls->ssl));
  tls_text text = {.data = data, .size = size};
  if (!certificate || !to_seconds(X509_get0_notAfter(certificate), not_after)) return 0;
  say_name(&text, X509_get_subject_name(certificate));
  say(&text, "\n");
  say_alternative_names(&text, certificate, "\n", INT_MAX);
  return text.used;
}
