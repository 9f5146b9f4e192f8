/* Sec-WebSocket-Extensions, RFC 6455 9.1: the grammar, and the negotiation of permessage-deflate,
 * RFC 7692 7.1. */
#ifndef WSC_CORE_EXTENSION_H
#define WSC_CORE_EXTENSION_H

#include "buf.h"
#include "http.h"

#define WSC_DEFLATE_NAME "permessage-deflate"

/* What both sides agreed on. */
typedef struct wsc_deflate_params {
  bool client_no_context_takeover, server_no_context_takeover;
  uint8_t client_max_window_bits, server_max_window_bits; /* 8-15 */
} wsc_deflate_params;

/* A parsed list of extensions with their parameters, in the order found.  One block of memory. */
typedef struct wsc_extension_list {
  wsc_agreed_extension *items;
  size_t count;
  wsc_param *params;
  char *text;
  const wsc_platform *platform;
} wsc_extension_list;

/* Parses the values of all Sec-WebSocket-Extensions lines of `head`, as if joined by commas.  Empty
 * list elements are skipped; quoted values are unquoted and must be tokens then.  WSC_ERR_EXTENSION
 * and a sentence; WSC_ERR_MEMORY. */
int wsc_extension_parse(wsc_extension_list *list, const wsc_platform *platform,
                        const wsc_http_head *head, const char **sentence);
void wsc_extension_list_free(wsc_extension_list *list);

/* Appends the header's value for the offers, in their order; nothing for none.  false: no memory.
 */
bool wsc_extension_write_offers(wsc_buf *out, const wsc_extension *offers, size_t count);

/* Appends "; name=value" for each. */
bool wsc_extension_write_params(wsc_buf *out, const wsc_param *params, size_t count);

/* An answer, checked against the offers (client).  agreed->deflate says whether messages are
 * compressed.
 */
typedef struct wsc_agreement {
  bool deflate;
  wsc_deflate_params params;
  char missing[WSC_REASON_MAX + 1]; /* "" or the reason of Close 1010 */
} wsc_agreement;

/* WSC_OK with agreement->missing empty or filled; or WSC_ERR_EXTENSION and a sentence that names
 * extension and parameter (written to `sentence`, sentence_size bytes with NUL): not offered,
 * repeated, a parameter unknown, repeated or ill-valued, or not allowed by the offer (behaviour.md,
 * permessage-deflate).  Where several offers carry one name, the answer must fit one of them.  A
 * parameter under `require` that is merely absent makes `missing`, never an error; so does an
 * absent extension that is required (or has a non-empty require).  `missing` lists them
 * comma-separated in the order offered ("permessage-deflate; server_no_context_takeover, other"),
 * cut between names to 123 bytes. */
int wsc_extension_check_answer(wsc_agreement *agreement, const wsc_extension *offers, size_t count,
                               const wsc_extension_list *answer, char *sentence,
                               size_t sentence_size);

/* Server side: picks from the client's offers what `accepted` (names) allows, the first acceptable
 * offer of each name; appends the answer's value to `out`.  accepted[i].params of
 * permessage-deflate are wishes of the server (server_no_context_takeover,
 * client_no_context_takeover, server_max_window_bits, client_max_window_bits).  An offer it cannot
 * fulfil is declined, never an error.  false: no memory. */
bool wsc_extension_answer(wsc_buf *out, wsc_agreement *agreement, const wsc_extension *accepted,
                          size_t count, const wsc_extension_list *offers);

#endif
