/* The way to the server, from the name to an open stream: dns, tcp, proxy, tls.  It lives from the
 * start of an attempt until the handshake can begin, so that an open connection does not carry it.
 */
#ifndef WSC_NET_SETUP_H
#define WSC_NET_SETUP_H

#include "dial.h"
#include "name.h"
#include "net/proxy/proxy.h"
#include "net/tls/tls.h"

typedef struct wsc_setup wsc_setup;

typedef struct wsc_setup_options {
  const char *avoid; /* see wsc_dial_options */
  wsc_lookup_fn lookup;
  void *lookup_user;
  uint64_t now_us;
} wsc_setup_options;

/* Copies what it needs; config->socket is owned from here on, in any case.  WSC_OK and *setup;
 * WSC_ERR_URL and a sentence (static) for the URL or the proxy's; WSC_ERR_MEMORY.  Whatever else is
 * wrong comes from the first step. */
int wsc_setup_new(wsc_setup **setup, const wsc_client_config *config,
                  const wsc_setup_options *options, const char **sentence);
void wsc_setup_free(wsc_setup *setup, wsc_pollset *set); /* NULL is fine */

/* The contexts that it will need, borrowed; see wsc_setup_uses_tls. */
void wsc_setup_lend_tls(wsc_setup *setup, wsc_tls_context *server, wsc_tls_context *proxy);
bool wsc_setup_uses_tls(const wsc_setup *setup);       /* to the server */
bool wsc_setup_uses_proxy_tls(const wsc_setup *setup); /* to the proxy */

/* WSC_AGAIN; WSC_OK: the stream can be taken; or an error, for which phase and fault tell more. */
int wsc_setup_step(wsc_setup *setup, const wsc_step *step);
wsc_phase wsc_setup_phase(const wsc_setup *setup);
const char *wsc_setup_fault(const wsc_setup *setup);
int wsc_setup_proxy_status(const wsc_setup *setup); /* of HTTP, where the proxy refused; else 0 */

/* The URL taken apart; lent as long as the setup lives. */
const wsc_uri *wsc_setup_uri(const wsc_setup *setup);

uint64_t wsc_setup_deadline(const wsc_setup *setup);

/* When the whole way, handshake included, is to be over, and the time that this is after. */
uint64_t wsc_setup_time_left(const wsc_setup *setup, uint32_t *limit_ms);

size_t wsc_setup_watches(const wsc_setup *setup, wsc_watch *watches);

/* The peer's address; NULL before there is a TCP connection. */
const wsc_address *wsc_setup_peer(const wsc_setup *setup);

/* After WSC_OK: the open stream, owned by the caller. */
wsc_stream *wsc_setup_take(wsc_setup *setup);

#endif
