/* Certificates and keys from files and PEM text into an SSL_CTX. */
#include "tls_private.h"

#include "net/system/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "core/hidden.h"

bool wsc_tls_uses_system(const wsc_tls_config *config) {
  return !config->ca && !config->ca_file && !config->ca_path;
}

bool wsc_tls_is_pem(const char *value) {
  return strstr(value, "-----BEGIN ") != NULL;
}

/* `name` is the option's; a PEM text is not repeated in the sentence, it may be a key. */
static bool load_fault(char *fault, size_t size, const char *name, const char *value,
                       const char *why) {
  if (wsc_tls_is_pem(value)) value = "the PEM text";
  snprintf(fault, size, "tls.%s: %s: %s", name, value, why);
  return false;
}

/* OpenSSL's reason alone ("too long") would not say that it is about reading. */
static bool read_fault(char *fault, size_t size, const char *name, const char *value) {
  char why[96];
  snprintf(why, sizeof why, "it cannot be read as PEM certificates (%s)", wsc_tls_reason());
  return load_fault(fault, size, name, value, why);
}

static BIO *open_text(const char *text) {
  size_t size = strlen(text);
  return size > INT_MAX ? NULL : BIO_new_mem_buf(text, (int)size);
}

static BIO *open_pem(const char *value) {
  return wsc_tls_is_pem(value) ? open_text(value) : BIO_new_file(value, "r");
}

/* errno is BIO_new_file's. */
static bool open_fault(char *fault, size_t size, const char *name, const char *value) {
  int error = errno;
  const char *why = wsc_tls_is_pem(value) || error == 0 ? "no memory" : strerror(error);
  return load_fault(fault, size, name, value, why);
}

/* "No start line" is how reading PEM ends when there is no more of it. */
static bool pem_ended(void) {
  unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/* How many certificates were added; -1: OpenSSL's error queue says why not all. */
static int add_authorities(X509_STORE *store, BIO *bio) {
  int count = 0;
  X509 *certificate;
  while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
    bool added = X509_STORE_add_cert(store, certificate) == 1;
    X509_free(certificate);
    if (!added) return -1;
    count++;
  }
  return pem_ended() ? count : -1;
}

static bool load_ca_text(SSL_CTX *ctx, const char *pem, char *fault, size_t size) {
  BIO *bio = open_text(pem);
  int count = bio ? add_authorities(SSL_CTX_get_cert_store(ctx), bio) : -1;
  BIO_free(bio);
  if (count > 0) {
    ERR_clear_error();
    return true;
  }
  if (count < 0) return read_fault(fault, size, "ca", pem);
  snprintf(fault, size, "tls.ca: it holds no certificate");
  return false;
}

static bool load_ca_file(SSL_CTX *ctx, const char *file, char *fault, size_t size) {
  int number = wsc_file_check(file);
  if (number != 0) return load_fault(fault, size, "ca_file", file, strerror(number));
  if (SSL_CTX_load_verify_locations(ctx, file, NULL) == 1) return true;
  return read_fault(fault, size, "ca_file", file);
}

/* OpenSSL looks a CA up by a name such as "5ad8a5d6.0", eight hex digits of a hash. */
static bool is_hashed_name(const char *name) {
  return strspn(name, "0123456789abcdef") == 8 && name[8] == '.';
}

/* A directory without such names would be taken in silence and then match nothing. */
static bool load_ca_path(SSL_CTX *ctx, const char *path, char *fault, size_t size) {
  int number = wsc_folder_find(path, is_hashed_name);
  if (number > 0) return load_fault(fault, size, "ca_path", path, strerror(number));
  if (number < 0)
    return load_fault(fault, size, "ca_path", path,
                      "no certificate under a hashed name (run `openssl rehash` on it)");
  if (SSL_CTX_load_verify_locations(ctx, NULL, path) == 1) return true;
  return load_fault(fault, size, "ca_path", path, wsc_tls_reason());
}

/* One that OpenSSL cannot read is no use to anybody. */
static void take_authority(void *store, const uint8_t *der, size_t size) {
  X509 *certificate = d2i_X509(NULL, &der, (long)size);
  if (certificate) X509_STORE_add_cert(store, certificate);
  X509_free(certificate);
}

bool wsc_tls_load_authorities(SSL_CTX *ctx, const wsc_tls_config *config, char *fault,
                              size_t size) {
  if (wsc_tls_uses_system(config)) {
    bool loaded = wsc_authorities_each(take_authority, SSL_CTX_get_cert_store(ctx)) ||
                  SSL_CTX_set_default_verify_paths(ctx) == 1;
    if (!loaded) snprintf(fault, size, "the system's certificate authorities cannot be loaded");
    return loaded;
  }
  /* Whatever the program names is trusted as it stands, an intermediate or a server's own
   * certificate too. */
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
  if (config->ca && !load_ca_text(ctx, config->ca, fault, size)) return false;
  if (config->ca_file && !load_ca_file(ctx, config->ca_file, fault, size)) return false;
  return !config->ca_path || load_ca_path(ctx, config->ca_path, fault, size);
}

/* The certificate, then those that lead to its authority. */
static bool read_chain(SSL_CTX *ctx, BIO *bio) {
  X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
  bool used = certificate && SSL_CTX_use_certificate(ctx, certificate) == 1;
  X509_free(certificate);
  if (!used || SSL_CTX_clear_chain_certs(ctx) != 1) return false;
  while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
    if (SSL_CTX_add0_chain_cert(ctx, certificate) == 1) continue;
    X509_free(certificate);
    return false;
  }
  return pem_ended();
}

static bool load_chain(SSL_CTX *ctx, const char *value, char *fault, size_t size) {
  errno = 0;
  BIO *bio = open_pem(value);
  if (!bio) return open_fault(fault, size, "cert", value);
  bool read = read_chain(ctx, bio);
  BIO_free(bio);
  if (!read) return read_fault(fault, size, "cert", value);
  ERR_clear_error();
  return true;
}

typedef struct key_password {
  const char *text; /* borrowed; NULL: none */
  bool asked;
} key_password;

/* Without a callback of one's own OpenSSL would ask on the terminal. */
static int give_password(char *out, int size, int writing, void *user) {
  key_password *password = user;
  size_t length = password->text ? strlen(password->text) : 0;
  (void)writing;
  password->asked = true;
  if (!password->text || size < 0 || length > (size_t)size) return -1;
  memcpy(out, password->text, length);
  return (int)length;
}

static bool load_key(SSL_CTX *ctx, const char *name, const char *value, const char *password,
                     char *fault, size_t size) {
  key_password given = {.text = password};
  errno = 0;
  BIO *bio = open_pem(value);
  if (!bio) return open_fault(fault, size, name, value);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, give_password, &given);
  BIO_free(bio);
  if (!key && given.asked)
    return load_fault(fault, size, name, value,
                      !password ? "the key is encrypted and tls.password is not given"
                                : "tls.password does not open the key");
  if (!key) return load_fault(fault, size, name, value, "it holds no private key");
  bool used = SSL_CTX_use_PrivateKey(ctx, key) == 1;
  EVP_PKEY_free(key);
  if (used && SSL_CTX_check_private_key(ctx) == 1) return true;
  return load_fault(fault, size, name, value, "the key does not belong to the certificate");
}

bool wsc_tls_load_client_certificate(SSL_CTX *ctx, const wsc_tls_config *config, char *fault,
                                     size_t size) {
  const char *name = config->key ? "key" : "cert";
  if (!config->cert && !config->key) return true;
  if (!config->cert) {
    snprintf(fault, size, "tls.key is given without tls.cert");
    return false;
  }
  if (!load_chain(ctx, config->cert, fault, size)) return false;
  return load_key(ctx, name, config->key ? config->key : config->cert, config->password, fault,
                  size);
}
