/* HTTP/1.1 heads, RFC 9112, as far as a handshake needs them: an answer (client) or a request
 * (server). */
#ifndef WSC_CORE_HTTP_H
#define WSC_CORE_HTTP_H

#include "buf.h"

#define WSC_HTTP_HEADERS_MAX 128 /* header lines in one head */

typedef struct wsc_http_head {
  int status;          /* of an answer; 0 in a request */
  int minor;           /* of HTTP/1.x */
  const char *reason;  /* of an answer; "" when missing */
  const char *method;  /* of a request */
  const char *target;  /* of a request */
  wsc_header *headers; /* owned; names as received, values without outer blanks, folded lines joined
                          by one space; behind them what all the strings point into */
  size_t header_count;
  const wsc_platform *platform; /* borrowed */
} wsc_http_head;

/* Looks for the end of a head (an empty line; a bare LF ends a line too) in data[0, size).
 * `scanned` keeps the place between calls over growing data; start it at 0.  Returns the head's
 * size with the empty line; 0: not there yet. */
size_t wsc_http_find_end(const uint8_t *data, size_t size, size_t *scanned);

/* Parses a whole head as found by wsc_http_find_end.  WSC_OK; WSC_ERR_HANDSHAKE with a sentence
 * (static): no HTTP/1.x status line, a NUL or other control byte, a header line without colon, a
 * blank before the colon, a name that is no token, too many lines; WSC_ERR_MEMORY.  On failure
 * nothing is owned. */
int wsc_http_parse_response(wsc_http_head *head, const wsc_platform *platform, const uint8_t *data,
                            size_t size, const char **sentence);
int wsc_http_parse_request(wsc_http_head *head, const wsc_platform *platform, const uint8_t *data,
                           size_t size, const char **sentence);
void wsc_http_head_free(wsc_http_head *head);

/* The first value of a header (name without case), or NULL.  `after`: the result of the last call,
 * to go on from. */
const wsc_header *wsc_http_find(const wsc_http_head *head, const char *name,
                                const wsc_header *after);

/* How often a header stands there. */
size_t wsc_http_count(const wsc_http_head *head, const char *name);

/* Does a comma-separated list, over all lines of that name, hold `token` (without case)? */
bool wsc_http_has_token(const wsc_http_head *head, const char *name, const char *token);

/* Takes a chunked body (RFC 9112 7.1) out of its chunks, as far as it is there; `out` may be
 * `data`, or NULL to look only.  Returns the body's size; *complete: the last chunk is there, or
 * what follows is no chunk. */
size_t wsc_http_dechunk(uint8_t *out, const uint8_t *data, size_t size, bool *complete);

/* Writes `: "the body's first line"` for people, WSC_HTTP_QUOTE_MAX bytes of it at most; "" for
 * what is no text, such as HTML.  A 400 that comes of HTTP at a port for TLS says so in plainer
 * words. */
#define WSC_HTTP_QUOTE_MAX  100
#define WSC_HTTP_QUOTE_SIZE (WSC_HTTP_QUOTE_MAX + 8)
void wsc_http_quote(char out[WSC_HTTP_QUOTE_SIZE], const uint8_t *body, size_t size);

/* RFC 9110 5.6.2 */
bool wsc_http_is_token(const char *text, size_t size);
bool wsc_http_equal_nocase(const char *a, size_t a_size, const char *b); /* b ends with NUL */

/* base64 with padding (RFC 4648 4); out holds 4 * ((size + 2) / 3) + 1 bytes, ends with NUL. */
void wsc_base64(char *out, const uint8_t *data, size_t size);

#endif
