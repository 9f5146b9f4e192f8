/* Heads of answers and chunked bodies, beside Node's former http-parser: what both take means the
 * same to both.  The kinds of difference that are known stand in README.md.
 *
 * Input: the answer and its body. */
#include "support.h"

#include "core/http.h"

#include <http_parser.h>

#include <stdlib.h>
#include <string.h>

/* An answer as one of the two has read it. */
typedef struct reading {
  bool taken;    /* the head */
  bool complete; /* the body too */
  fuzz_log head, body;
  bool in_value;
} reading;

/* ---------------------------------------------------------------- http-parser */

static void add(fuzz_log *log, const char *at, size_t size) {
  for (size_t i = 0; i < size; i++) fuzz_log_line(log, "%02x", (uint8_t)at[i]);
}

static int on_field(http_parser *parser, const char *at, size_t size) {
  reading *theirs = parser->data;
  if (theirs->taken) return 0; /* a trailer */
  if (theirs->in_value) fuzz_log_line(&theirs->head, "field");
  theirs->in_value = false;
  add(&theirs->head, at, size);
  return 0;
}

static int on_value(http_parser *parser, const char *at, size_t size) {
  reading *theirs = parser->data;
  if (theirs->taken) return 0;
  if (!theirs->in_value) fuzz_log_line(&theirs->head, "value");
  theirs->in_value = true;
  add(&theirs->head, at, size);
  return 0;
}

static int on_head(http_parser *parser) {
  reading *theirs = parser->data;
  fuzz_log_line(&theirs->head, "status %u", parser->status_code);
  theirs->taken = true;
  return 0;
}

static int on_body(http_parser *parser, const char *at, size_t size) {
  reading *theirs = parser->data;
  add(&theirs->body, at, size);
  return 0;
}

static int on_end(http_parser *parser) {
  reading *theirs = parser->data;
  theirs->complete = true;
  http_parser_pause(parser, 1);
  return 0;
}

static reading read_with_parser(fuzz_input answer) {
  static const http_parser_settings settings = {.on_header_field = on_field,
                                                .on_header_value = on_value,
                                                .on_headers_complete = on_head,
                                                .on_body = on_body,
                                                .on_message_complete = on_end};
  reading theirs = {.in_value = true};
  http_parser parser;
  http_parser_init(&parser, HTTP_RESPONSE);
  parser.data = &theirs;
  http_parser_execute(&parser, &settings, (const char *)answer.data, answer.size);
  return theirs;
}

/* ---------------------------------------------------------------- wsclose */

/* The last coding is chunked, and nothing else is said of the size (RFC 9112 6.3). */
static bool is_chunked(const wsc_http_head *head) {
  const wsc_header *coding = wsc_http_find(head, "Transfer-Encoding", NULL);
  return coding && wsc_http_equal_nocase(coding->value, strlen(coding->value), "chunked") &&
         wsc_http_count(head, "Transfer-Encoding") == 1 &&
         wsc_http_count(head, "Content-Length") == 0 && head->status >= 200 &&
         head->status != 204 && head->status != 304;
}

static void read_body(reading *ours, fuzz_input body) {
  char *copy = fuzz_string(body);
  size_t size = wsc_http_dechunk((uint8_t *)copy, (uint8_t *)copy, body.size, &ours->complete);
  fuzz_check(size <= body.size, "a body larger than its chunks");
  add(&ours->body, copy, size);
  free(copy);
}

static reading read_with_wsclose(fuzz_input answer, bool *chunked) {
  reading ours = {.taken = false};
  fuzz_platform platform;
  wsc_http_head head;
  size_t scanned = 0, size = wsc_http_find_end(answer.data, answer.size, &scanned);
  const char *sentence = NULL;
  fuzz_platform_init(&platform, SIZE_MAX);
  if (size > 0 &&
      wsc_http_parse_response(&head, &platform.face, answer.data, size, &sentence) == WSC_OK) {
    ours.taken = true;
    for (size_t i = 0; i < head.header_count; i++) {
      fuzz_log_line(&ours.head, "field");
      add(&ours.head, head.headers[i].name, strlen(head.headers[i].name));
      fuzz_log_line(&ours.head, "value");
      add(&ours.head, head.headers[i].value, strlen(head.headers[i].value));
    }
    fuzz_log_line(&ours.head, "status %d", head.status);
    *chunked = is_chunked(&head);
    fuzz_piece(&answer, size);
    if (*chunked) read_body(&ours, answer);
    wsc_http_head_free(&head);
  }
  fuzz_platform_done(&platform);
  return ours;
}

/* ---------------------------------------------------------------- what differs */

/* A folded line: one blank here, and there what stood at the fold; blanks before the end of a line.
 * An answer that has none is compared. */
static bool has_blanks_at_ends(fuzz_input answer) {
  for (size_t i = 1; i < answer.size; i++) {
    bool ends = answer.data[i] == '\r' || answer.data[i] == '\n';
    bool blank = answer.data[i - 1] == ' ' || answer.data[i - 1] == '\t';
    bool starts = answer.data[i] == ' ' || answer.data[i] == '\t';
    if ((ends && blank) || (starts && answer.data[i - 1] == '\n')) return true;
  }
  return false;
}

/* http-parser takes any byte behind a CR for the LF; to wsclose an LF alone ends a line too. */
static bool has_other_line_ends(fuzz_input answer) {
  for (size_t i = 0; i < answer.size; i++) {
    bool after_cr = i > 0 && answer.data[i - 1] == '\r';
    if (after_cr != (answer.data[i] == '\n')) return true;
  }
  return false;
}

/* http-parser takes any two bytes for the end of a chunk; wsclose ends there. */
static void check_body(const reading *ours, const reading *theirs) {
  bool starts =
      ours->body.size <= theirs->body.size &&
      (ours->body.size == 0 || memcmp(ours->body.text, theirs->body.text, ours->body.size) == 0);
  if (!starts) fuzz_log_compare(&ours->body, "wsclose", &theirs->body, "http-parser");
  fuzz_check(ours->complete, "the last chunk is not seen");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input answer = {.data = data, .size = size};
  bool chunked = false;
  reading ours = read_with_wsclose(answer, &chunked), theirs = read_with_parser(answer);
  if (ours.taken && theirs.taken && !has_blanks_at_ends(answer)) {
    fuzz_log_compare(&ours.head, "wsclose", &theirs.head, "http-parser");
    if (chunked && theirs.complete && !has_other_line_ends(answer)) check_body(&ours, &theirs);
  }
  fuzz_log_free(&ours.head);
  fuzz_log_free(&ours.body);
  fuzz_log_free(&theirs.head);
  fuzz_log_free(&theirs.body);
  return 0;
}
