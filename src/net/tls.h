/* TLS as a stream, over OpenSSL (1.1.1 and 3.x).  With net/random the only place that includes it.
 */
#ifndef WSC_NET_TLS_H
#define WSC_NET_TLS_H

#include "stream.h"

/* An SSL_CTX with its sessions; lives in the client, over reconnects. */
typedef struct wsc_tls_context wsc_tls_context;

/* NULL: `fault` (size bytes) says why in a sentence: no memory, a file that cannot be read, a wrong
 * password, … */
wsc_tls_context *wsc_tls_context_new(const wsc_platform *platform, const wsc_tls_config *config,
                                     char *fault, size_t size);
void wsc_tls_context_free(
    wsc_tls_context *context); /* NULL is fine; streams made from it may outlive it */

/* A TLS stream over `lower` (owned from here on, also when NULL is returned: no memory).  `host`:
 * the name or numeric address that the certificate must carry, and SNI where it is a name. `origin`
 * ("host:port") is the key under which a session is looked up and kept. */
wsc_stream *wsc_tls_new(wsc_tls_context *context, wsc_stream *lower, const char *host,
                        const char *origin);

/* After open. */
const char *wsc_tls_version(const wsc_stream *stream);
const char *wsc_tls_cipher(const wsc_stream *stream);
bool wsc_tls_resumed(const wsc_stream *stream);

#endif
