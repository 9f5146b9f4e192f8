/* TLS as a stream, over OpenSSL (1.1.1 and 3.x).  With net/random the only place that includes it.
 */
#ifndef WSC_NET_TLS_H
#define WSC_NET_TLS_H

#include "net/stream.h"

/* An SSL_CTX, which other clients may share, with the client's own sessions; lives in the client,
 * over reconnects. */
typedef struct wsc_tls_context wsc_tls_context;

/* Everything the config names is read and copied here, unless config->cache has it.  NULL: `fault`
 * (size bytes) says why in a sentence: a file that cannot be read, a wrong password, …; it is empty
 * where there was no memory.
 * A proxy reached over TLS wants a context of its own, without pins, client certificate and ALPN
 * meant for the server. */
wsc_tls_context *wsc_tls_context_new(const wsc_platform *platform, const wsc_tls_config *config,
                                     char *fault, size_t size);
void wsc_tls_context_free(
    wsc_tls_context *context); /* NULL is fine; streams made from it may outlive it */

/* Would `config` make the same context, with the files it names unchanged?  If not, a new attempt
 * takes a new context, so that no session or certificate outlives the settings it came from. */
bool wsc_tls_context_fits(const wsc_tls_context *context, const wsc_tls_config *config);

/* A TLS stream over `lower`, which is open (owned from here on, also when NULL is returned: no
 * memory).  `host`: the name or numeric address that the certificate must carry, and SNI where it
 * is a name. `origin` ("host:port") is, together with `host`, the key under which a session is
 * looked up and kept. */
wsc_stream *wsc_tls_new(wsc_tls_context *context, wsc_stream *lower, const char *host,
                        const char *origin);

/* After open; static text. */
const char *wsc_tls_version(const wsc_stream *stream);
const char *wsc_tls_cipher(const wsc_stream *stream);
bool wsc_tls_resumed(const wsc_stream *stream);
const char *wsc_tls_group(const wsc_stream *stream); /* NULL: not told */

/* See wsc_client_certificate. */
size_t wsc_tls_certificate(const wsc_stream *stream, char *text, size_t size, int64_t *not_after);

#endif
