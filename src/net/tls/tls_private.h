/* What the parts of net/tls share.  OpenSSL's types are named by tag only: who includes this is not
 * given OpenSSL with it. */
#ifndef WSC_NET_TLS_PRIVATE_H
#define WSC_NET_TLS_PRIVATE_H

#include "core/buf.h"
#include "tls.h"

struct bio_method_st;
struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;
struct x509_store_ctx_st;

/* ---------------------------------------------------------------- session.c */

/* Sessions for resumption, oldest first, bounded.  A key says for whom: the name checked and the
 * origin. */
typedef struct wsc_tls_session {
  char *key;                      /* owned */
  struct ssl_session_st *session; /* owned (a reference) */
} wsc_tls_session;

typedef struct wsc_tls_sessions {
  const wsc_platform *platform; /* borrowed */
  wsc_tls_session *entries;     /* owned */
  size_t count, capacity, size_max;
} wsc_tls_sessions;

void wsc_tls_sessions_init(wsc_tls_sessions *sessions, const wsc_platform *platform,
                           size_t size_max);
void wsc_tls_sessions_free(wsc_tls_sessions *sessions);

/* Owns the reference to `session` from here on; what does not fit or cannot be resumed is freed.
 */
void wsc_tls_sessions_put(wsc_tls_sessions *sessions, const char *key,
                          struct ssl_session_st *session);

/* The newest usable session of that key, out of the cache and owned by the caller, or NULL. */
struct ssl_session_st *wsc_tls_sessions_take(wsc_tls_sessions *sessions, const char *key);

/* ---------------------------------------------------------------- the settings, context.c */

/* A wsc_tls_config as OpenSSL knows it.  Contexts with the same settings share it over a cache. */
typedef struct wsc_tls_base {
  const wsc_platform *platform; /* borrowed */
  size_t references;            /* of contexts */
  wsc_tls_cache *cache;         /* borrowed; NULL: in none */
  struct wsc_tls_base *next;    /* in the cache */
  struct ssl_ctx_st *ssl_ctx;
  struct bio_method_st *bio_method; /* shared by the streams */
  bool verify;
  uint8_t (*pins)[32]; /* owned */
  size_t pin_count;
  int keylog_fd; /* -1: none */
  uint8_t fingerprint[32];
  char *ca; /* owned; the authorities' text, or NULL */
} wsc_tls_base;

/* Of all settings that a base is made from but the text of authorities; files count with what tells
 * that they have changed.  False: no memory. */
bool wsc_tls_take_fingerprint(const wsc_tls_config *config, uint8_t fingerprint[32]);

/* Is it what these settings make?  `fingerprint` is theirs. */
bool wsc_tls_base_fits(const wsc_tls_base *base, const wsc_tls_config *config,
                       const uint8_t fingerprint[32]);

/* As wsc_tls_context_new. */
wsc_tls_base *wsc_tls_base_new(const wsc_platform *platform, const wsc_tls_config *config,
                               char *fault, size_t size);
void wsc_tls_base_free(wsc_tls_base *base); /* NULL is fine */

/* OpenSSL's callback for a session that may be kept (tls.c). */
int wsc_tls_new_session(struct ssl_st *ssl, struct ssl_session_st *session);

/* ---------------------------------------------------------------- the context, context.c */

struct wsc_tls_cache {
  const wsc_platform *platform; /* borrowed */
  wsc_tls_base *first;          /* not owned: each takes itself off */
};

struct wsc_tls_context {
  const wsc_platform *platform; /* borrowed */
  size_t references;            /* the client's and one for each stream */
  wsc_tls_base *base;           /* counted */
  wsc_tls_sessions sessions;
};

/* ---------------------------------------------------------------- files and PEM, load.c */

/* Each false: `fault` says why, with the option's name. */
bool wsc_tls_load_authorities(struct ssl_ctx_st *ctx, const wsc_tls_config *config, char *fault,
                              size_t size);
bool wsc_tls_load_client_certificate(struct ssl_ctx_st *ctx, const wsc_tls_config *config,
                                     char *fault, size_t size);

/* Does `config` name no authorities of its own? */
bool wsc_tls_uses_system(const wsc_tls_config *config);

/* Is `value` PEM text rather than a file's name? */
bool wsc_tls_is_pem(const char *value);

/* ---------------------------------------------------------------- the stream, tls.c */

enum { WSC_TLS_HEAD_MAX = 48 };

typedef struct wsc_tls_stream {
  wsc_stream stream;        /* first: a wsc_stream is cast back */
  wsc_tls_context *context; /* counted */
  struct ssl_st *ssl;
  char *host; /* owned: the name or address to be proved */
  char *key;  /* owned: of its sessions */

  wsc_buf output;  /* ciphertext that the lower stream has not taken yet */
  int write_error; /* of the lower stream; all output is dropped from then on */
  int lower_error; /* of the latest read of the lower stream: WSC_OK, WSC_AGAIN, an error */
  bool lower_more; /* that read filled the room it was given */
  uint8_t silent;  /* reads that found records without data, since there was data */
  uint8_t head[WSC_TLS_HEAD_MAX]; /* the first bytes the peer sent */
  size_t head_size;

  int error;    /* sticks */
  bool ready;   /* handshake done, certificate accepted */
  bool refused; /* the certificate was; the stream's fault says why */
  bool ended;   /* close_notify came */
  bool unread;  /* `error` or `ended` was met behind bytes that were given out first */
  bool closed;  /* close_notify was sent */
  bool patient; /* the next read of the lower stream waits for bytes */

  unsigned pieces; /* of the handshake that have ended, WSC_TLS_PIECE_… */
  bool held;       /* it was stopped between two of them: go on without waiting */
  bool verified;   /* the certificates lead to an authority */
  struct ssl_session_st *early_session; /* owned: came before the certificate was checked */
} wsc_tls_stream;

/* ---------------------------------------------------------------- the stream below, bio.c */

/* The BIO that reads and writes through a wsc_tls_stream, which is its data; NULL: no memory. */
struct bio_method_st *wsc_tls_bio_method_new(void);

/* Writes what `output` holds.  True: nothing is held any more, or nothing can be written any more.
 */
bool wsc_tls_flush(wsc_tls_stream *tls);

/* ---------------------------------------------------------------- pieces, pace.c */

enum {
  WSC_TLS_PIECE_START = 1,       /* ends before a key is made for the client's hello */
  WSC_TLS_PIECE_HELLO = 2,       /* ends with the server's hello: the keys are agreed */
  WSC_TLS_PIECE_CERTIFICATE = 4, /* ends with the certificates read */
  WSC_TLS_PIECE_SIGNATURES = 8   /* ends with them verified */
};

/* Is the handshake to begin with the next call? */
bool wsc_tls_holds_start(wsc_tls_stream *tls);

/* Is the handshake to be stopped here, before the next record is read? */
bool wsc_tls_holds_records(wsc_tls_stream *tls);

/* OpenSSL's callback in the place of its own verification. */
int wsc_tls_verify(struct x509_store_ctx_st *store, void *unused);

/* ---------------------------------------------------------------- check, verify.c */

/* OpenSSL's verification callback: puts the sentence for a refusal into the stream's fault. */
int wsc_tls_verify_callback(int ok, struct x509_store_ctx_st *store);

/* After the handshake, also a resumed one: verification's result and the pins.  WSC_OK, or
 * WSC_ERR_CERTIFICATE or WSC_ERR_MEMORY with the stream's fault. */
int wsc_tls_check_peer(wsc_tls_stream *tls);

/* ---------------------------------------------------------------- sentences, tls_fault.c */

/* Why the operation that just failed did: fills in the stream's fault, gives the error, empties
 * OpenSSL's error queue. */
int wsc_tls_explain(wsc_tls_stream *tls);

/* The first reason in OpenSSL's error queue, in words.  Lent; static text. */
const char *wsc_tls_reason(void);

/* Is it a lack of memory that OpenSSL's error queue tells of?  Empties it. */
bool wsc_tls_lacked_memory(void);

#endif
