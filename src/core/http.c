/* HTTP/1.1 heads, RFC 9112, and the little of RFC 9110 and RFC 4648 that a handshake needs: see
 * http.h.
 *
 * A head is copied once and cut up within its copy: ends of names and values are overwritten with
 * NUL, a folded line moves up to the one it continues.  Control bytes are refused before anything
 * else is looked at, so no string handed out can hold a NUL, CR or LF of the peer's. */
#include "http.h"
#include "ascii.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"

#include "hidden.h"

static const char no_status_line[] = "the answer does not begin with an HTTP/1.x status line";
static const char no_request_line[] = "the request does not begin with an HTTP/1.x request line";

typedef struct head_parser {
  wsc_http_head *head;
  char *next, *end; /* what is not yet read */
  char *line;       /* the current line, without its end */
  size_t line_size;
  char *value_end; /* of the latest header; NULL before the first */
  const char *fault;
} head_parser;

size_t wsc_http_find_end(const uint8_t *data, size_t size, size_t *scanned) {
  while (*scanned < size) {
    const uint8_t *feed = memchr(data + *scanned, '\n', size - *scanned);
    if (!feed) {
      *scanned = size;
      break;
    }
    size_t at = (size_t)(feed - data);
    *scanned = at + 1;
    if (at > 0 && data[at - 1] == '\r') at--;
    if (at == 0 || data[at - 1] == '\n') return *scanned;
  }
  return 0;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* RFC 9110 5.6.2 tchar */
static bool is_token_char(char c) {
  static const char marks[] = "!#$%&'*+-.^_`|~";
  return wsc_is_letter(c) || wsc_is_digit(c) || memchr(marks, c, sizeof marks - 1);
}

static bool holds_control(const char *text, size_t size) {
  for (const char *at = text, *end = text + size; at < end; at++) {
    unsigned char c = (unsigned char)*at;
    if ((c < 0x20 || c == 0x7F) && c != '\t') return true;
  }
  return false;
}

static bool refuse_head(head_parser *parser, const char *fault) {
  parser->fault = fault;
  return false;
}

/* A line ends with CRLF or, RFC 9112 2.2, a bare LF.  False at the end, and for a fault. */
static bool next_line(head_parser *parser) {
  size_t left = (size_t)(parser->end - parser->next);
  if (left == 0) return false;
  char *feed = memchr(parser->next, '\n', left);
  if (!feed) return refuse_head(parser, "the HTTP head ends in the middle of a line");
  parser->line = parser->next;
  parser->line_size = (size_t)(feed - parser->line);
  parser->next = feed + 1;
  if (parser->line_size > 0 && feed[-1] == '\r') parser->line_size--;
  if (holds_control(parser->line, parser->line_size))
    return refuse_head(parser, "the HTTP head holds a control byte");
  parser->line[parser->line_size] = '\0';
  return true;
}

/* "HTTP/1.x" */
static bool read_version(const char *text, int *minor) {
  for (size_t i = 0; i < 7; i++)
    if (text[i] != "HTTP/1."[i]) return false;
  if (!wsc_is_digit(text[7])) return false;
  *minor = text[7] - '0';
  return true;
}

/* RFC 9112 4.  The blank before an empty reason is often left out. */
static bool parse_status_line(head_parser *parser) {
  wsc_http_head *head = parser->head;
  const char *line = parser->line;
  if (!read_version(line, &head->minor) || line[8] != ' ')
    return refuse_head(parser, no_status_line);
  const char *digits = line + 9;
  if (digits[0] < '1' || digits[0] > '9' || !wsc_is_digit(digits[1]) || !wsc_is_digit(digits[2]))
    return refuse_head(parser, no_status_line);
  if (digits[3] != ' ' && digits[3] != '\0') return refuse_head(parser, no_status_line);
  head->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  head->reason = digits[3] == ' ' ? digits + 4 : digits + 3;
  return true;
}

static bool is_visible(const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c <= 0x20 || c >= 0x7F) return false;
  }
  return size > 0;
}

/* RFC 9112 3 */
static bool parse_request_line(head_parser *parser) {
  wsc_http_head *head = parser->head;
  char *end = parser->line + parser->line_size;
  char *target = memchr(parser->line, ' ', parser->line_size);
  char *version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
  if (!version) return refuse_head(parser, no_request_line);
  *target++ = '\0';
  *version++ = '\0';
  if (!wsc_http_is_token(parser->line, strlen(parser->line)) || !is_visible(target, strlen(target)))
    return refuse_head(parser, no_request_line);
  if (!read_version(version, &head->minor) || version[8] != '\0')
    return refuse_head(parser, no_request_line);
  head->method = parser->line;
  head->target = target;
  return true;
}

static char *skip_blanks(char *text) {
  while (is_blank(*text)) text++;
  return text;
}

static char *trim_end(char *begin, char *end) {
  while (end > begin && is_blank(end[-1])) end--;
  *end = '\0';
  return end;
}

/* RFC 9112 5.2: a line that begins with a blank continues the value before it. */
static bool join_folded_line(head_parser *parser) {
  if (!parser->value_end)
    return refuse_head(parser, "a header line is folded before the first header");
  char *piece = skip_blanks(parser->line);
  char *piece_end = trim_end(piece, parser->line + parser->line_size);
  size_t size = (size_t)(piece_end - piece);
  if (size == 0) return true;
  char *end = parser->value_end;
  if (end > parser->head->headers[parser->head->header_count - 1].value) *end++ = ' ';
  memmove(end, piece, size + 1);
  parser->value_end = end + size;
  return true;
}

/* RFC 9112 5 */
static bool parse_header_line(head_parser *parser) {
  char *colon = memchr(parser->line, ':', parser->line_size);
  if (!colon) return refuse_head(parser, "a header line has no colon");
  if (colon > parser->line && is_blank(colon[-1]))
    return refuse_head(parser, "a header line has a blank before its colon");
  if (!wsc_http_is_token(parser->line, (size_t)(colon - parser->line)))
    return refuse_head(parser, "a header's name is not a token");
  *colon = '\0';
  char *value = skip_blanks(colon + 1);
  parser->value_end = trim_end(value, parser->line + parser->line_size);
  parser->head->headers[parser->head->header_count++] =
      (wsc_header){.name = parser->line, .value = value};
  return true;
}

static bool parse_header_lines(head_parser *parser) {
  while (next_line(parser) && parser->line_size > 0) {
    bool folded = is_blank(*parser->line);
    if (!(folded ? join_folded_line(parser) : parse_header_line(parser))) return false;
  }
  return !parser->fault;
}

static size_t count_lines(const uint8_t *data, size_t size) {
  size_t count = 0;
  for (const uint8_t *at = data, *end = data + size; at < end; at++, count++)
    if ((at = memchr(at, '\n', (size_t)(end - at))) == NULL) break;
  return count;
}

static bool parse_lines(head_parser *parser, bool (*parse_first_line)(head_parser *)) {
  return next_line(parser) && parse_first_line(parser) && parse_header_lines(parser);
}

/* One block: it may be held for as long as a connection lives.  Gives the place of the text. */
static char *make_block(wsc_http_head *head, size_t lines, const uint8_t *data, size_t size) {
  size_t array_size = (lines > 1 ? lines - 1 : 0) * sizeof *head->headers;
  head->headers = wsc_alloc(head->platform, 1, array_size + size + 1);
  if (!head->headers) return NULL;
  return memcpy((char *)head->headers + array_size, data, size);
}

static int parse_head(wsc_http_head *head, const wsc_platform *platform, const uint8_t *data,
                      size_t size, bool (*parse_first_line)(head_parser *), const char **sentence) {
  *head = (wsc_http_head){.reason = "", .platform = platform};
  size_t lines = count_lines(data, size);
  if (lines > WSC_HTTP_HEADERS_MAX + 2) { /* the first line and the empty one */
    *sentence = "the HTTP head has more than 128 header lines";
    return WSC_ERR_HANDSHAKE;
  }
  char *text = make_block(head, lines, data, size);
  if (!text) return WSC_ERR_MEMORY;
  head_parser parser = {.head = head, .next = text, .end = text + size};
  if (parse_lines(&parser, parse_first_line)) return WSC_OK;
  *sentence = parser.fault ? parser.fault : "the HTTP head is empty";
  wsc_http_head_free(head);
  return WSC_ERR_HANDSHAKE;
}

int wsc_http_parse_response(wsc_http_head *head, const wsc_platform *platform, const uint8_t *data,
                            size_t size, const char **sentence) {
  return parse_head(head, platform, data, size, parse_status_line, sentence);
}

int wsc_http_parse_request(wsc_http_head *head, const wsc_platform *platform, const uint8_t *data,
                           size_t size, const char **sentence) {
  return parse_head(head, platform, data, size, parse_request_line, sentence);
}

void wsc_http_head_free(wsc_http_head *head) {
  if (!head->platform) return; /* zeroed, and never parsed into */
  wsc_release(head->platform, head->headers);
  *head = (wsc_http_head){.reason = "", .platform = head->platform};
}

bool wsc_http_equal_nocase(const char *a, size_t a_size, const char *b) {
  return strlen(b) == a_size && wsc_equal_nocase(a, b, a_size);
}

bool wsc_http_is_token(const char *text, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (!is_token_char(text[i])) return false;
  return size > 0;
}

const wsc_header *wsc_http_find(const wsc_http_head *head, const char *name,
                                const wsc_header *after) {
  const wsc_header *end = head->headers + head->header_count;
  size_t size = strlen(name);
  for (const wsc_header *header = after ? after + 1 : head->headers; header < end; header++)
    if (strlen(header->name) == size && wsc_http_equal_nocase(header->name, size, name))
      return header;
  return NULL;
}

size_t wsc_http_count(const wsc_http_head *head, const char *name) {
  size_t count = 0;
  for (const wsc_header *found = wsc_http_find(head, name, NULL); found; count++)
    found = wsc_http_find(head, name, found);
  return count;
}

/* RFC 9110 5.6.1: elements between commas, blanks around them, empty ones allowed. */
static bool list_has_token(const char *list, const char *token) {
  const char *end = list + strlen(list);
  while (list < end) {
    const char *comma = memchr(list, ',', (size_t)(end - list));
    const char *next = comma ? comma : end;
    size_t size = (size_t)(next - list);
    while (size > 0 && is_blank(*list)) list++, size--;
    while (size > 0 && is_blank(list[size - 1])) size--;
    if (size > 0 && wsc_http_equal_nocase(list, size, token)) return true;
    list = next + 1;
  }
  return false;
}

bool wsc_http_has_token(const wsc_http_head *head, const char *name, const char *token) {
  const wsc_header *found = NULL;
  while ((found = wsc_http_find(head, name, found)) != NULL)
    if (list_has_token(found->value, token)) return true;
  return false;
}

void wsc_base64(char *out, const uint8_t *data, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < size; i += 3, out += 4) {
    size_t left = size - i;
    unsigned bits = (unsigned)data[i] << 16;
    if (left > 1) bits |= (unsigned)data[i + 1] << 8;
    if (left > 2) bits |= data[i + 2];
    out[0] = digits[bits >> 18];
    out[1] = digits[bits >> 12 & 63];
    out[2] = left > 1 ? digits[bits >> 6 & 63] : '=';
    out[3] = left > 2 ? digits[bits & 63] : '=';
  }
  *out = '\0';
}

/* ---------------------------------------------------------------- chunks, RFC 9112 7.1 */

/* The line with a chunk's size; extensions behind the number are passed over.  Returns the line's
 * size; 0: its end is not there; -1: no number, or one that no body we keep can have. */
static int read_chunk_line(const uint8_t *data, size_t size, size_t *chunk) {
  const uint8_t *end = memchr(data, '\n', size);
  size_t digits = 0;
  *chunk = 0;
  if (!end) return size > 1024 ? -1 : 0;
  while (wsc_hex_value((char)data[digits]) >= 0) {
    if (digits == 7) return -1;
    *chunk = *chunk * 16 + (size_t)wsc_hex_value((char)data[digits++]);
  }
  return digits && end - data < 1024 ? (int)(end - data) + 1 : -1;
}

size_t wsc_http_dechunk(uint8_t *out, const uint8_t *data, size_t size, bool *complete) {
  size_t at = 0, kept = 0;
  *complete = false;
  while (at < size) {
    size_t chunk;
    int line = read_chunk_line(data + at, size - at, &chunk);
    *complete = line < 0 || (line > 0 && chunk == 0);
    if (line == 0 || *complete) return kept;
    at += (size_t)line;
    size_t there = chunk < size - at ? chunk : size - at;
    if (out && there) memmove(out + kept, data + at, there);
    kept += there;
    at += there;
    if (at < size && data[at] == '\r') at++;
    *complete = at < size && data[at] != '\n';
    if (*complete) return kept;
    at++;
  }
  return kept;
}

/* ---------------------------------------------------------------- bodies, for people */

static bool holds(const uint8_t *body, size_t size, const char *text) {
  size_t length = strlen(text);
  for (; size >= length; body++, size--)
    if (memcmp(body, text, length) == 0) return true;
  return false;
}

/* As nginx, Go and Apache say it, in HTML or plainly. */
static bool wants_tls(const uint8_t *body, size_t size) {
  return holds(body, size, "HTTPS port") || holds(body, size, "HTTPS server") ||
         holds(body, size, "SSL-enabled server port");
}

void wsc_http_quote(char out[WSC_HTTP_QUOTE_SIZE], const uint8_t *body, size_t size) {
  static const char other_port[] = ": this port speaks TLS, so the URL begins with wss://";
  size_t length = 0;
  *out = '\0';
  if (wants_tls(body, size)) {
    memcpy(out, other_port, sizeof other_port);
    return;
  }
  for (; size > 0 && *body <= ' '; body++) size--;
  while (length < size && length < WSC_HTTP_QUOTE_MAX && body[length] >= ' ' && body[length] != 127)
    length++;
  while (length > 0 && length < size && (body[length] & 0xC0) == 0x80) length--;
  if (length < 3 || *body == '<' || !wsc_utf8_valid(body, length)) return;
  snprintf(out, WSC_HTTP_QUOTE_SIZE, ": \"%.*s\"", (int)length, (const char *)body);
}
