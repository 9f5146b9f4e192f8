/* The handshake: what answers it becomes an open connection, or a refusal. */
#include "conn.h"

#include <stdio.h>
#include <string.h>

#include "hidden.h"

/* What a refusal's body is worth keeping of. */
#define BODY_MAX 4096u

/* What answers plain HTTP where TLS is expected begins so (RFC 8446 5.1), and HTTP never does. */
#define TLS_ALERT 0x15

static wsc_input_step fail_handshake(wsc_conn *conn, int error, const char *text) {
  wsc_conn_fail(conn, error, WSC_PHASE_HANDSHAKE, text);
  return WSC_INPUT_AGAIN;
}

/* A refusal is reported with the beginning of its body, as far as it comes before the deadline. */
wsc_input_step wsc_conn_read_body(wsc_conn *conn) {
  size_t have = wsc_buf_size(&conn->input);
  bool complete = have >= conn->body_left;
  if (!complete && conn->body_chunked)
    wsc_http_dechunk(NULL, wsc_buf_data(&conn->input), have, &complete);
  if (!complete) return WSC_INPUT_MORE;
  wsc_conn_finish(conn);
  return WSC_INPUT_AGAIN;
}

/* What the server says in its own words mostly tells more than its status. */
static void quote_body(wsc_conn *conn) {
  char quote[WSC_HTTP_QUOTE_SIZE], text[512];
  wsc_http_quote(quote, conn->response.body, conn->response.body_size);
  if (!*quote || !conn->error_text) return;
  int size = snprintf(text, sizeof text, "%s%s", conn->error_text, quote);
  char *longer = wsc_copy_string(conn->platform, text, (size_t)size);
  if (!longer) return;
  wsc_release(conn->platform, conn->error_text);
  conn->error_text = longer;
}

void wsc_conn_keep_body(wsc_conn *conn) {
  uint8_t *body = wsc_buf_data(&conn->input);
  size_t have = wsc_buf_size(&conn->input), size = have < conn->body_left ? have : conn->body_left;
  bool complete;
  if (conn->body_chunked) size = wsc_http_dechunk(body, body, size, &complete);
  conn->response.body = body;
  conn->response.body_size = size;
  quote_body(conn);
}

static wsc_input_step refuse(wsc_conn *conn, const wsc_handshake_result *result) {
  wsc_conn_set_error(conn, WSC_ERR_HTTP, WSC_PHASE_HANDSHAKE, result->sentence);
  size_t size = wsc_handshake_body_size(&result->head);
  conn->body_left = size < BODY_MAX ? size : BODY_MAX;
  conn->body_chunked = wsc_http_has_token(&result->head, "Transfer-Encoding", "chunked");
  conn->reading = WSC_READ_BODY;
  return WSC_INPUT_AGAIN;
}

static wsc_input_step open_connection(wsc_conn *conn, const wsc_handshake_result *result,
                                      wsc_event *event) {
  if (result->agreement.missing[0]) {
    wsc_conn_mandatory(conn, result->agreement.missing);
    return WSC_INPUT_AGAIN;
  }
  conn->state = WSC_OPEN;
  conn->reading = WSC_READ_ALL;
  wsc_conn_start_timer(conn, &conn->ping_timer);
  conn->opened = true;
  event->type = WSC_EVENT_OPEN;
  wsc_conn_return_input(conn); /* the next look for events may be long in coming */
  return WSC_INPUT_EVENT;
}

/* Takes over what lasts.  What else the judgement needed, half a KiB, is not carried along. */
static void keep_result(wsc_conn *conn, const wsc_handshake_result *result) {
  conn->agreed = result->answer.items;
  conn->agreed_count = result->answer.count;
  conn->protocol = result->protocol;
  conn->response = (wsc_response){.status = result->head.status,
                                  .headers = result->head.headers,
                                  .header_count = result->head.header_count};
}

static int check_head(wsc_conn *conn, wsc_handshake_result *result, size_t size) {
  const uint8_t *data = wsc_buf_data(&conn->input);
  int outcome = WSC_OK;
  if (conn->server) {
    outcome = wsc_handshake_answer(conn->handshake, data, size, result, &conn->queue.buf);
    wsc_queue_raw(&conn->queue);
  } else {
    outcome = wsc_handshake_check(conn->handshake, data, size, result);
  }
  wsc_buf_consume(&conn->input, size);
  return outcome;
}

/* The deflate object is made with the tuning that the handshake remembered, before that is let go.
 */
static bool make_deflate(wsc_conn *conn, const wsc_agreement *agreement) {
  if (!agreement->deflate || agreement->missing[0]) return true;
  conn->deflate = wsc_deflate_new(conn->platform, &agreement->params,
                                  wsc_handshake_tuning(conn->handshake), conn->server);
  return conn->deflate != NULL;
}

/* 100, 103 and their like announce the answer and are none, RFC 9110 15.2. */
static bool is_interim(const wsc_handshake_result *result, int outcome) {
  return outcome == WSC_ERR_HTTP && result->head.status <= 199;
}

static wsc_input_step check_answer(wsc_conn *conn, wsc_event *event, size_t size) {
  wsc_handshake_result result;
  int outcome = check_head(conn, &result, size);
  if (is_interim(&result, outcome)) {
    wsc_handshake_result_free(&result);
    return WSC_INPUT_AGAIN;
  }
  keep_result(conn, &result);
  if (outcome == WSC_OK && !make_deflate(conn, &result.agreement)) outcome = WSC_ERR_MEMORY;
  wsc_handshake_free(conn->handshake);
  conn->handshake = NULL;
  if (outcome == WSC_ERR_MEMORY)
    return fail_handshake(conn, outcome, "no memory for the handshake");
  if (outcome == WSC_ERR_HTTP) return refuse(conn, &result);
  if (outcome == WSC_ERR_HANDSHAKE && conn->server) {
    wsc_conn_refuse(conn, result.sentence);
    return WSC_INPUT_AGAIN;
  }
  if (outcome != WSC_OK) return fail_handshake(conn, outcome, result.sentence);
  return open_connection(conn, &result, event);
}

/* A server that thinks better of it behind its 101, engine.io for one.  To read all it says is
 * worth a moment: it is no frame however it goes on. */
bool wsc_conn_meets_http(const wsc_conn *conn) {
  size_t have = wsc_buf_size(&conn->input);
  return !conn->server && conn->stats.frames_in == 0 &&
         memcmp(wsc_buf_data(&conn->input), "HTTP/", have < 5 ? have : 5) == 0;
}

/* How much of the body behind a head is quoted, if it comes. */
static size_t quoted_size(const wsc_conn *conn, const uint8_t *data, size_t head_size) {
  wsc_http_head head = {.platform = conn->platform};
  const char *sentence;
  size_t size = WSC_HTTP_QUOTE_MAX;
  if (wsc_http_parse_response(&head, conn->platform, data, head_size, &sentence) != WSC_OK)
    return 0;
  if (wsc_handshake_body_size(&head) < size) size = wsc_handshake_body_size(&head);
  wsc_http_head_free(&head);
  return size;
}

wsc_input_step wsc_conn_read_http(wsc_conn *conn) {
  const uint8_t *data = wsc_buf_data(&conn->input);
  size_t have = wsc_buf_size(&conn->input), scanned = 0;
  size_t head = wsc_http_find_end(data, have < BODY_MAX ? have : BODY_MAX, &scanned);
  size_t wanted = head > 0 ? quoted_size(conn, data, head) : 0, body = have - head;
  bool there = head > 0 ? body >= wanted : have >= BODY_MAX;
  if (!there && !wsc_conn_input_ended(conn)) return WSC_INPUT_MORE;
  char line[WSC_HTTP_QUOTE_SIZE], quote[WSC_HTTP_QUOTE_SIZE], text[300];
  wsc_http_quote(line, data, head > 0 ? head : have);
  wsc_http_quote(quote, data + head, body < wanted ? body : wanted);
  snprintf(text, sizeof text, "the server sent HTTP behind its 101%s%s", line, quote);
  wsc_conn_fail(conn, WSC_ERR_PROTOCOL, wsc_conn_phase(conn), text);
  return WSC_INPUT_AGAIN;
}

wsc_input_step wsc_conn_read_handshake(wsc_conn *conn, wsc_event *event) {
  size_t have = wsc_buf_size(&conn->input), max = conn->limits.header_size_max - conn->heads_size;
  if (have > 0 && *wsc_buf_data(&conn->input) == TLS_ALERT)
    return fail_handshake(conn, WSC_ERR_HANDSHAKE,
                          "this port speaks TLS, so the URL begins with wss://");
  size_t size = wsc_http_find_end(wsc_buf_data(&conn->input), have, &conn->head_scanned);
  if (size > max || (size == 0 && have >= max))
    return fail_handshake(conn, WSC_ERR_HANDSHAKE,
                          "the head of the handshake is longer than limits.header");
  if (size == 0) return WSC_INPUT_MORE;
  conn->head_scanned = 0;
  conn->heads_size += size;
  return check_answer(conn, event, size);
}
