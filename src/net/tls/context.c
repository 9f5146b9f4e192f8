/* A wsc_tls_config becomes an SSL_CTX, which clients share over a cache; and what each keeps for
 * TLS beside it: see tls.h and tls_private.h. */
#include "tls_private.h"

#include "net/system/environment.h"
#include "net/system/file.h"
#include "net/system/thread.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "core/hidden.h"

/* ---------------------------------------------------------------- fingerprint */

/* A failure sticks, and there is no fingerprint. */
typedef struct hashing {
  EVP_MD_CTX *md;
  bool failed;
} hashing;

static void hash_bytes(hashing *hash, const void *bytes, size_t size) {
  if (EVP_DigestUpdate(hash->md, bytes, size) != 1) hash->failed = true;
}

/* The terminating NUL keeps neighbours apart, the byte in front NULL from "". */
static void hash_text(hashing *hash, const char *text) {
  hash_bytes(hash, text ? "+" : "-", 1);
  if (text) hash_bytes(hash, text, strlen(text) + 1);
}

static void hash_number(hashing *hash, uint64_t number) {
  hash_bytes(hash, &number, sizeof number);
}

/* A file's name, and what tells that it was replaced or written to. */
static void hash_file(hashing *hash, const char *path) {
  uint64_t marks[WSC_FILE_MARKS];
  hash_text(hash, path);
  if (path && !wsc_tls_is_pem(path) && wsc_file_marks(path, marks))
    hash_bytes(hash, marks, sizeof marks);
}

/* The system's authorities: where OpenSSL looks for them. */
static void hash_system(hashing *hash) {
  const char *file = getenv(X509_get_default_cert_file_env());
  const char *path = getenv(X509_get_default_cert_dir_env());
  hash_file(hash, file ? file : X509_get_default_cert_file());
  hash_file(hash, path ? path : X509_get_default_cert_dir());
}

static void hash_authorities(hashing *hash, const wsc_tls_config *config) {
  hash_number(hash, config->verify);
  if (!config->verify) return;
  if (wsc_tls_uses_system(config)) hash_system(hash);
  hash_file(hash, config->ca_file);
  hash_file(hash, config->ca_path);
}

static const char *keylog_path(const wsc_tls_config *config) {
  return config->keylog_file ? config->keylog_file : wsc_environment_trusted("SSLKEYLOGFILE");
}

static void hash_config(hashing *hash, const wsc_tls_config *config) {
  hash_authorities(hash, config);
  hash_file(hash, config->cert);
  hash_file(hash, config->key);
  hash_text(hash, config->password);
  hash_text(hash, config->ciphers);
  hash_text(hash, config->groups);
  hash_number(hash, (uint64_t)config->min_version);
  hash_number(hash, config->pin_count);
  hash_bytes(hash, config->pins, config->pin_count * 32);
  hash_text(hash, config->alpn);
  hash_text(hash, keylog_path(config));
}

bool wsc_tls_take_fingerprint(const wsc_tls_config *config, uint8_t fingerprint[32]) {
  hashing hash = {.md = EVP_MD_CTX_new()};
  bool done = hash.md && EVP_DigestInit_ex(hash.md, EVP_sha256(), NULL) == 1;
  if (done) hash_config(&hash, config);
  done = done && !hash.failed && EVP_DigestFinal_ex(hash.md, fingerprint, NULL) == 1;
  EVP_MD_CTX_free(hash.md);
  ERR_clear_error();
  return done;
}

/* Where nobody is verified the text is not asked for. */
static const char *ca_of(const wsc_tls_config *config) {
  return config->verify ? config->ca : NULL;
}

/* Compared, not hashed: a system's list of authorities is a quarter of a megabyte, and every
 * attempt asks. */
bool wsc_tls_base_fits(const wsc_tls_base *base, const wsc_tls_config *config,
                       const uint8_t fingerprint[32]) {
  const char *ca = ca_of(config);
  if (memcmp(base->fingerprint, fingerprint, sizeof base->fingerprint) != 0) return false;
  return !ca || !base->ca ? ca == base->ca : strcmp(ca, base->ca) == 0;
}

/* ---------------------------------------------------------------- settings */

/* False: `fault` says why; where it stays empty, there was no memory. */
typedef bool setting(wsc_tls_base *base, const wsc_tls_config *config, char *fault, size_t size);

/* A key under 2048 bits of RSA, or SHA-1 under a certificate, is refused whatever OpenSSL was built
 * with: level 2, the default of Debian and of OpenSSL from 3.2 on.  The cipher list may name a
 * level of its own ("DEFAULT@SECLEVEL=0"), it comes later. */
static bool set_protocol(wsc_tls_base *base, const wsc_tls_config *config, char *fault,
                         size_t size) {
  SSL_CTX *ctx = base->ssl_ctx;
  int version = config->min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  /* A peer that sends nothing but tickets must not keep SSL_read busy for good: see tls.c. */
  SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(ctx, 1);
  if (config->verify && SSL_CTX_get_security_level(ctx) < 2) SSL_CTX_set_security_level(ctx, 2);
  /* The system's own setting may ask for more. */
  if (SSL_CTX_get_min_proto_version(ctx) >= version) return true;
  if (SSL_CTX_set_min_proto_version(ctx, version) == 1) return true;
  snprintf(fault, size, "tls.min_version: %s", wsc_tls_reason());
  return false;
}

static bool set_verification(wsc_tls_base *base, const wsc_tls_config *config, char *fault,
                             size_t size) {
  base->verify = config->verify;
  SSL_CTX_set_verify(base->ssl_ctx, config->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     config->verify ? wsc_tls_verify_callback : NULL);
  SSL_CTX_set_cert_verify_callback(base->ssl_ctx, wsc_tls_verify, NULL);
  /* Reading some hundred authorities that nobody asks for would take its time. */
  return (!config->verify || wsc_tls_load_authorities(base->ssl_ctx, config, fault, size)) &&
         wsc_tls_load_client_certificate(base->ssl_ctx, config, fault, size);
}

static bool keep_ca(wsc_tls_base *base, const wsc_tls_config *config, char *fault, size_t size) {
  (void)fault;
  (void)size;
  return wsc_keep_string(base->platform, &base->ca, ca_of(config));
}

static bool set_pins(wsc_tls_base *base, const wsc_tls_config *config, char *fault, size_t size) {
  (void)fault;
  (void)size;
  if (config->pin_count == 0) return true;
  base->pins = wsc_alloc(base->platform, config->pin_count, sizeof *base->pins);
  if (!base->pins) return false;
  memcpy(base->pins, config->pins, config->pin_count * sizeof *base->pins);
  base->pin_count = config->pin_count;
  return true;
}

/* Appends one name of a cipher list to the list it belongs to. */
static void sort_cipher(const char *name, size_t size, char *older, char *tls13) {
  char *list = size > 4 && memcmp(name, "TLS_", 4) == 0 ? tls13 : older;
  size_t held = strlen(list);
  if (held > 0) list[held++] = ':';
  memcpy(list + held, name, size);
  list[held + size] = '\0';
}

static void sort_ciphers(const char *names, char *older, char *tls13) {
  while (*names != '\0') {
    size_t size = strcspn(names, ":, ");
    if (size > 0) sort_cipher(names, size, older, tls13);
    names += size;
    names += strspn(names, ":, ");
  }
}

static bool set_cipher_lists(SSL_CTX *ctx, const char *older, const char *tls13) {
  return (*older == '\0' || SSL_CTX_set_cipher_list(ctx, older) == 1) &&
         (*tls13 == '\0' || SSL_CTX_set_ciphersuites(ctx, tls13) == 1);
}

static bool set_ciphers(wsc_tls_base *base, const wsc_tls_config *config, char *fault,
                        size_t size) {
  if (!config->ciphers) return true;
  size_t length = strlen(config->ciphers) + 1;
  char *lists = wsc_alloc(base->platform, 2, length);
  bool set = false;
  if (lists) {
    sort_ciphers(config->ciphers, lists, lists + length);
    set = set_cipher_lists(base->ssl_ctx, lists, lists + length);
  }
  if (!set && lists)
    snprintf(fault, size, "tls.ciphers: \"%s\": %s", config->ciphers, wsc_tls_reason());
  wsc_release(base->platform, lists);
  return set;
}

static bool set_groups(wsc_tls_base *base, const wsc_tls_config *config, char *fault, size_t size) {
  if (!config->groups || SSL_CTX_set1_groups_list(base->ssl_ctx, config->groups) == 1) return true;
  snprintf(fault, size, "tls.groups: \"%s\": expected a list such as \"X25519:P-256\"",
           config->groups);
  return false;
}

/* "h2,http/1.1" as RFC 7301 3.1 wants it: each name behind its length.  0: no such list. */
static size_t encode_alpn(uint8_t *out, const char *names) {
  size_t used = 0;
  for (;;) {
    size_t size = strcspn(names, ",");
    if (size == 0 || size > 255) return 0;
    out[used++] = (uint8_t)size;
    memcpy(out + used, names, size);
    used += size;
    if (names[size] == '\0') return used;
    names += size + 1;
  }
}

static bool set_alpn(wsc_tls_base *base, const wsc_tls_config *config, char *fault, size_t size) {
  const char *names = config->alpn ? config->alpn : "http/1.1";
  if (*names == '\0') return true;
  uint8_t *wire = wsc_alloc(base->platform, strlen(names) + 2, 1);
  size_t used = wire ? encode_alpn(wire, names) : 0;
  bool set = used > 0 && SSL_CTX_set_alpn_protos(base->ssl_ctx, wire, (unsigned)used) == 0;
  if (!set && wire)
    snprintf(fault, size, "tls.alpn: \"%s\": names of 1 to 255 bytes, split by commas", names);
  wsc_release(base->platform, wire);
  return set;
}

static void write_keylog(const SSL *ssl, const char *line) {
  const wsc_tls_base *base = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  char text[512]; /* the longest line of the format is under 300 bytes */
  size_t size = (size_t)snprintf(text, sizeof text, "%s\n", line);
  /* One call a line, for other processes may append to the same file.  What cannot be written is a
   * loss for the one who looks on, none for the connection. */
  if (size < sizeof text) wsc_file_write(base->keylog_fd, text, size);
}

/* What the environment asks for and cannot be had is nobody's fault here. */
static bool set_keylog(wsc_tls_base *base, const wsc_tls_config *config, char *fault, size_t size) {
  const char *path = keylog_path(config);
  int number = 0;
  if (!path) return true;
  base->keylog_fd = wsc_file_append(path, &number);
  if (base->keylog_fd < 0 && !config->keylog_file) return true;
  if (base->keylog_fd < 0) {
    snprintf(fault, size, "tls.keylog_file: %s: %s", config->keylog_file, strerror(number));
    return false;
  }
  SSL_CTX_set_keylog_callback(base->ssl_ctx, write_keylog);
  return true;
}

/* OpenSSL's own cache serves servers; a client finds its session by where it connects to. */
static bool set_sessions(wsc_tls_base *base, const wsc_tls_config *config, char *fault,
                         size_t size) {
  (void)config;
  (void)fault;
  (void)size;
  SSL_CTX_set_session_cache_mode(base->ssl_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(base->ssl_ctx, wsc_tls_new_session);
  SSL_CTX_set_app_data(base->ssl_ctx, base);
  return true;
}

/* ---------------------------------------------------------------- life */

static bool apply_config(wsc_tls_base *base, const wsc_tls_config *config, char *fault,
                         size_t size) {
  static setting *const settings[] = {set_protocol,     set_sessions, keep_ca,
                                      set_verification, set_pins,     set_ciphers,
                                      set_groups,       set_alpn,     set_keylog};
  wsc_keep_loaded(); /* where OpenSSL is part of it: the process calls its exit handler */
  base->ssl_ctx = SSL_CTX_new(TLS_client_method());
  base->bio_method = wsc_tls_bio_method_new();
  if (!base->ssl_ctx || !base->bio_method) return false;
  if (!wsc_tls_take_fingerprint(config, base->fingerprint)) return false;
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    if (!settings[i](base, config, fault, size)) return false;
  return true;
}

wsc_tls_base *wsc_tls_base_new(const wsc_platform *platform, const wsc_tls_config *config,
                               char *fault, size_t size) {
  wsc_tls_base *base = wsc_alloc(platform, 1, sizeof *base);
  *fault = '\0';
  if (!base) return NULL;
  base->platform = platform;
  base->references = 1;
  base->keylog_fd = -1;
  ERR_clear_error();
  bool done = apply_config(base, config, fault, size);
  if (!done && wsc_tls_lacked_memory()) *fault = '\0';
  ERR_clear_error();
  if (done) return base;
  wsc_tls_base_free(base);
  return NULL;
}

/* Out of the cache, which is no user of its bases. */
static void leave_cache(const wsc_tls_base *base) {
  if (!base->cache) return;
  wsc_tls_base **place = &base->cache->first;
  while (*place != base) place = &(*place)->next;
  *place = base->next;
}

void wsc_tls_base_free(wsc_tls_base *base) {
  if (!base || --base->references > 0) return;
  leave_cache(base);
  SSL_CTX_free(base->ssl_ctx);
  BIO_meth_free(base->bio_method);
  if (base->keylog_fd >= 0) wsc_file_close(base->keylog_fd);
  wsc_release(base->platform, base->pins);
  wsc_release(base->platform, base->ca);
  wsc_release(base->platform, base);
}

/* ---------------------------------------------------------------- the cache */

wsc_tls_cache *wsc_tls_cache_new(const wsc_platform *platform) {
  wsc_tls_cache *cache = wsc_alloc(platform, 1, sizeof *cache);
  if (cache) cache->platform = platform;
  return cache;
}

void wsc_tls_cache_free(wsc_tls_cache *cache) {
  if (!cache) return;
  assert(!cache->first);
  wsc_release(cache->platform, cache);
}

/* The one with the very settings, files included; NULL: there is none, or no memory to find out. */
static wsc_tls_base *find_base(const wsc_tls_cache *cache, const wsc_tls_config *config) {
  uint8_t fingerprint[32];
  if (!cache->first || !wsc_tls_take_fingerprint(config, fingerprint)) return NULL;
  wsc_tls_base *base = cache->first;
  while (base && !wsc_tls_base_fits(base, config, fingerprint)) base = base->next;
  return base;
}

/* Memory of the cache's platform: a base may outlive the client that made it. */
static wsc_tls_base *take_base(wsc_tls_cache *cache, const wsc_tls_config *config, char *fault,
                               size_t size) {
  wsc_tls_base *base = find_base(cache, config);
  if (base) {
    base->references++;
    return base;
  }
  base = wsc_tls_base_new(cache->platform, config, fault, size);
  if (!base) return NULL;
  base->cache = cache;
  base->next = cache->first;
  cache->first = base;
  return base;
}

/* ---------------------------------------------------------------- the context */

wsc_tls_context *wsc_tls_context_new(const wsc_platform *platform, const wsc_tls_config *config,
                                     char *fault, size_t size) {
  wsc_tls_context *context = wsc_alloc(platform, 1, sizeof *context);
  *fault = '\0';
  if (!context) return NULL;
  context->platform = platform;
  context->references = 1;
  wsc_tls_sessions_init(&context->sessions, platform, config->session_cache_size);
  context->base = config->cache ? take_base(config->cache, config, fault, size)
                                : wsc_tls_base_new(platform, config, fault, size);
  if (context->base) return context;
  wsc_tls_context_free(context);
  return NULL;
}

void wsc_tls_context_free(wsc_tls_context *context) {
  if (!context || --context->references > 0) return;
  wsc_tls_sessions_free(&context->sessions);
  wsc_tls_base_free(context->base);
  wsc_release(context->platform, context);
}

/* A session is kept for the name that was proved: another one needs no other context. */
bool wsc_tls_context_fits(const wsc_tls_context *context, const wsc_tls_config *config) {
  uint8_t fingerprint[32];
  return context->sessions.size_max == config->session_cache_size &&
         wsc_tls_take_fingerprint(config, fingerprint) &&
         wsc_tls_base_fits(context->base, config, fingerprint);
}
