/* The opening handshake, RFC 6455 4: the request, the check of its answer, and the server's
 * side of both. */
#ifndef WSC_CORE_HANDSHAKE_H
#define WSC_CORE_HANDSHAKE_H

#include "buf.h"
#include "extension.h"
#include "http.h"
#include "uri.h"

/* What must be remembered between request and answer; freed when the connection is open. */
typedef struct wsc_handshake wsc_handshake;

/* Client: makes a key (platform->random), appends the request to `out`.  Server: only remembers.
 * `uri`: config->url taken apart; NULL: that is done here.  Deep copies of what is needed of the
 * config.  NULL and nothing appended: no memory, no randomness, or a URL, header, subprotocol or
 * extension that its check refuses. */
wsc_handshake *wsc_handshake_new(const wsc_config *config, const wsc_uri *uri, wsc_buf *out);
const wsc_deflate_tuning *wsc_handshake_tuning(const wsc_handshake *handshake);
void wsc_handshake_free(wsc_handshake *handshake); /* NULL is fine */

/* The outcome of a whole head. */
typedef struct wsc_handshake_result {
  wsc_http_head head;        /* owned by the result */
  wsc_extension_list answer; /* the extensions in use; owned by the result */
  const char *protocol; /* chosen subprotocol or NULL; points into head (client) or a copy owned by
                           the result (server) */
  char *protocol_copy;  /* owned */
  wsc_agreement agreement;
  char sentence[256]; /* on failure */
} wsc_handshake_result;

/* Client: checks the answer's head `data[0, size)` (see wsc_http_find_end).  WSC_OK
 * (agreement.missing may call for 1010); WSC_ERR_HTTP: status is not 101 (head is filled, sentence
 * says "the server answered 403 Forbidden"); WSC_ERR_HANDSHAKE, WSC_ERR_EXTENSION, WSC_ERR_MEMORY.
 * Each miss has its own sentence that names what was expected and what came: Upgrade, Connection,
 * Sec-WebSocket-Accept (missing, repeated, wrong), Sec-WebSocket-Protocol (repeated, not asked for,
 * none chosen though required), extensions.  result is initialised here and must be freed in every
 * case. */
int wsc_handshake_check(wsc_handshake *handshake, const uint8_t *data, size_t size,
                        wsc_handshake_result *result);

/* Server: checks a request and appends the whole answer to `out` (101, or 400/405/426 with a plain
 * sentence as body).  WSC_OK: the connection is open.  WSC_ERR_HANDSHAKE: it was refused; close
 * after writing. */
int wsc_handshake_answer(wsc_handshake *handshake, const uint8_t *data, size_t size,
                         wsc_handshake_result *result, wsc_buf *out);

void wsc_handshake_result_free(wsc_handshake_result *result);

/* The sentence for a peer that ended the connection before the handshake was over.  `answered`: it
 * had sent something. */
#define WSC_HANDSHAKE_END_SIZE 256
void wsc_handshake_describe_end(const wsc_handshake *handshake, bool answered, char *text,
                                size_t size);

/* How long the body of a refusal is, by Content-Length: SIZE_MAX when unknown (chunked, or until
 * the end); 0 where none may follow (204, 304). */
size_t wsc_handshake_body_size(const wsc_http_head *head);

#endif
