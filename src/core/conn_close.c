/* How a connection ends, RFC 6455 7, and the report of it. */
#include "conn.h"

#include <assert.h>
#include <string.h>

void wsc_conn_set_error(wsc_conn *conn, int error, wsc_phase phase, const char *text) {
  if (conn->error != WSC_OK) return;
  conn->error = error;
  conn->error_phase = phase;
  /* without memory for the sentence the error's name still tells */
  conn->error_text = text ? wsc_copy_string(conn->platform, text, strlen(text)) : NULL;
}

static char *keep_reason(wsc_conn *conn, const char *reason, size_t size, uint8_t *kept) {
  char *copy = wsc_copy_string(conn->platform, reason, size);
  assert(size <= WSC_REASON_MAX);
  *kept = copy ? (uint8_t)size : 0;
  return copy;
}

bool wsc_conn_queue_close(wsc_conn *conn, unsigned code, const char *reason, size_t size) {
  uint8_t payload[WSC_CONTROL_PAYLOAD_MAX] = {0};
  wsc_frame frame = {.fin = true, .opcode = WSC_OP_CLOSE};
  size_t payload_size = wsc_close_write(payload, code, reason, size);
  frame.size = payload_size;
  if (wsc_conn_queue_frame(conn, &frame, payload) != WSC_OK) return false;
  conn->close_sent = true;
  conn->sent_code = (uint16_t)(code ? code : WSC_CLOSE_NO_STATUS);
  size_t reason_size = payload_size > 2 ? payload_size - 2 : 0;
  conn->sent_reason = keep_reason(conn, reason, reason_size, &conn->sent_reason_size);
  conn->state = WSC_CLOSING;
  conn->pong_pending = false;
  wsc_conn_start_timer(conn, &conn->close_timer);
  return true;
}

/* What waits behind the frame in flight gives way to the Close. */
static bool close_at_once(wsc_conn *conn, unsigned code, const char *reason, size_t size) {
  wsc_queue_drop(&conn->queue);
  return wsc_conn_queue_close(conn, code, reason, size);
}

void wsc_conn_fail(wsc_conn *conn, int error, wsc_phase phase, const char *text) {
  if (conn->finished || conn->reading == WSC_READ_NOTHING) return;
  wsc_conn_set_error(conn, error, phase, text);
  conn->reading = WSC_READ_NOTHING;
  unsigned code = wsc_error_close_code(error);
  if (conn->state == WSC_CONNECTING || code == 0) {
    wsc_conn_finish(conn);
    return;
  }
  if (!conn->close_sent) {
    if (!close_at_once(conn, code, text, strlen(text))) {
      wsc_conn_finish(conn);
      return;
    }
    /* a peer that went silent did not see our 1011: to the program it is a lost connection */
    if (error != WSC_ERR_PING_TIMEOUT) conn->fail_code = (uint16_t)code;
  }
  wsc_conn_settle(conn);
}

void wsc_conn_refuse(wsc_conn *conn, const char *text) {
  wsc_conn_set_error(conn, WSC_ERR_HANDSHAKE, WSC_PHASE_HANDSHAKE, text);
  conn->reading = WSC_READ_NOTHING;
  conn->state = WSC_CLOSING;
  wsc_conn_start_timer(conn, &conn->close_timer);
}

void wsc_conn_mandatory(wsc_conn *conn, const char *missing) {
  static const char prefix[] = "the server's answer lacks a required extension: ";
  char text[sizeof prefix + WSC_REASON_MAX];
  size_t size = strlen(missing);
  assert(size <= WSC_REASON_MAX);
  memcpy(text, prefix, sizeof prefix - 1);
  memcpy(text + sizeof prefix - 1, missing, size + 1);
  wsc_conn_set_error(conn, WSC_ERR_EXTENSION, WSC_PHASE_HANDSHAKE, text);
  conn->we_began = true;
  conn->fail_code = WSC_CLOSE_MANDATORY_EXTENSION;
  conn->reading = WSC_READ_FOR_CLOSE;
  if (!close_at_once(conn, conn->fail_code, missing, size)) wsc_conn_finish(conn);
}

void wsc_conn_got_close(wsc_conn *conn, const uint8_t *payload, size_t size) {
  const char *reason;
  size_t reason_size;
  unsigned code;
  int result = wsc_close_parse(payload, size, &code, &reason, &reason_size);
  if (result != WSC_OK) {
    const char *text = result == WSC_ERR_UTF8
                           ? "the reason in the peer's Close frame is not valid UTF-8"
                           : "the peer's Close frame carries no code that may travel";
    wsc_conn_fail(conn, result, conn->close_sent ? WSC_PHASE_CLOSE : WSC_PHASE_OPEN, text);
    return;
  }
  conn->close_received = true;
  conn->received_code = (uint16_t)code;
  conn->received_reason = keep_reason(conn, reason, reason_size, &conn->received_reason_size);
  conn->reading = WSC_READ_NOTHING;
  if (!conn->close_sent &&
      !close_at_once(conn, code == WSC_CLOSE_NO_STATUS ? 0 : code, reason, reason_size)) {
    wsc_conn_finish(conn);
    return;
  }
  wsc_conn_settle(conn);
}

static void cancel(wsc_conn *conn) {
  wsc_conn_set_error(conn, WSC_ERR_CANCELLED, WSC_PHASE_HANDSHAKE, NULL);
  conn->we_began = true;
  wsc_conn_finish(conn);
}

int wsc_conn_close(wsc_conn *conn, unsigned code, const char *reason, size_t size) {
  assert(code == 0 ? size == 0 : wsc_close_code_sendable(code));
  assert(size <= WSC_REASON_MAX);
  if (!wsc_utf8_valid(reason, size)) return WSC_ERR_UTF8;
  if (conn->finished || conn->close_sent) return WSC_OK;
  if (conn->state == WSC_CONNECTING) {
    cancel(conn);
    return WSC_OK;
  }
  wsc_conn_flush_pong(conn);
  if (!wsc_conn_queue_close(conn, code, reason, size)) {
    wsc_conn_fail(conn, WSC_ERR_MEMORY, WSC_PHASE_CLOSE, "no memory to close");
    return WSC_ERR_MEMORY;
  }
  conn->we_began = true;
  conn->reading = WSC_READ_NO_PONG;
  return WSC_OK;
}

void wsc_conn_settle(wsc_conn *conn) {
  if (conn->state != WSC_CLOSING || conn->finished) return;
  if (conn->reading != WSC_READ_NOTHING || wsc_buf_size(&conn->queue.buf) > 0) return;
  /* RFC 6455 7.1.1: the server closes TCP first, so that it is not the one left in TIME_WAIT's
   * favour */
  if (conn->server || conn->input_ended) {
    wsc_conn_finish(conn);
    return;
  }
  conn->close_timer = WSC_TIMER_OFF;
  wsc_conn_start_timer(conn, &conn->linger_timer);
}

/* ---------------------------------------------------------------- the transport's end */

void wsc_conn_input_eof(wsc_conn *conn) {
  if (conn->input_ended) return;
  conn->input_ended = true;
  conn->parsed = false;
  conn->end_error = WSC_OK;
}

void wsc_conn_abort(wsc_conn *conn, int error, wsc_phase phase, const char *text) {
  if (conn->finished || conn->end_error != WSC_OK) return;
  conn->input_ended = true;
  conn->parsed = false;
  conn->end_error = error;
  conn->end_phase = phase;
  conn->end_text = text ? wsc_copy_string(conn->platform, text, strlen(text)) : NULL;
}

void wsc_conn_note_proxy(wsc_conn *conn, int status) {
  conn->proxy_status = status;
}

static void set_end_error(wsc_conn *conn) {
  if (conn->end_error != WSC_OK) {
    wsc_conn_set_error(conn, conn->end_error, conn->end_phase, conn->end_text);
  } else if (conn->state == WSC_CONNECTING) {
    wsc_conn_set_error(conn, WSC_ERR_EOF, WSC_PHASE_HANDSHAKE,
                       "the server ended the connection during the handshake");
  } else {
    wsc_conn_set_error(conn, WSC_ERR_EOF,
                       conn->state == WSC_OPEN ? WSC_PHASE_OPEN : WSC_PHASE_CLOSE,
                       "the connection ended without a Close frame from the peer");
  }
}

void wsc_conn_end(wsc_conn *conn) {
  if (conn->finished) return;
  if (conn->reading != WSC_READ_NOTHING) {
    set_end_error(conn);
  } else if (conn->end_error == WSC_OK && wsc_buf_size(&conn->queue.buf) > 0) {
    return; /* the peer only stopped sending: what is left of our Close may still reach it */
  }
  wsc_conn_finish(conn);
}

/* ---------------------------------------------------------------- the report */

static bool handshake_refused(int error) {
  return error == WSC_ERR_HANDSHAKE || error == WSC_ERR_EXTENSION || error == WSC_ERR_CERTIFICATE;
}

static wsc_by find_by(const wsc_conn *conn) {
  if (conn->close_received && !conn->we_began) return WSC_BY_PEER;
  if (conn->we_began || conn->fail_code) return WSC_BY_CLIENT;
  if (conn->error == WSC_ERR_HTTP) return WSC_BY_PEER;
  return handshake_refused(conn->error) ? WSC_BY_CLIENT : WSC_BY_NETWORK;
}

static void report_code(wsc_conn *conn, wsc_close_info *info) {
  bool ours = conn->fail_code != 0;
  const wsc_close_frame *frame = ours ? &info->sent : &info->received;
  info->reason = "";
  if (frame->present) {
    info->code = frame->code;
    info->reason = frame->reason;
    info->reason_size = frame->reason_size;
  } else {
    info->code = conn->error_phase == WSC_PHASE_TLS &&
                         (conn->error == WSC_ERR_TLS || conn->error == WSC_ERR_CERTIFICATE)
                     ? WSC_CLOSE_TLS_HANDSHAKE
                     : WSC_CLOSE_ABNORMAL;
  }
}

static wsc_close_frame report_frame(bool present, unsigned code, const char *reason, size_t size) {
  return (wsc_close_frame){
      .present = present, .code = code, .reason = reason ? reason : "", .reason_size = size};
}

static void fill_info(wsc_conn *conn) {
  wsc_close_info *info = &conn->info;
  bool flushed = wsc_buf_size(&conn->queue.buf) == 0;
  uint64_t undelivered = wsc_queue_undelivered(&conn->queue);
  *info = (wsc_close_info){.opened = conn->opened, .proxy_status = conn->proxy_status};
  info->sent =
      report_frame(conn->close_sent, conn->sent_code, conn->sent_reason, conn->sent_reason_size);
  info->received = report_frame(conn->close_received, conn->received_code, conn->received_reason,
                                conn->received_reason_size);
  report_code(conn, info);
  info->clean = conn->close_sent && conn->close_received && flushed;
  info->by = find_by(conn);
  info->error = conn->error == WSC_ERR_CANCELLED ? WSC_OK : conn->error;
  info->phase = conn->error_phase;
  info->error_text = info->error == WSC_OK ? NULL : conn->error_text;
  if (info->error != WSC_OK && !info->error_text) info->error_text = wsc_error_name(info->error);
  info->undelivered = undelivered < SIZE_MAX ? (size_t)undelivered : SIZE_MAX;
}

static void keep_body(wsc_conn *conn) {
  uint8_t *body = wsc_buf_data(&conn->input);
  size_t have = wsc_buf_size(&conn->input), size = have < conn->body_left ? have : conn->body_left;
  bool complete;
  if (conn->body_chunked) size = wsc_http_dechunk(body, body, size, &complete);
  conn->response.body = body;
  conn->response.body_size = size;
}

void wsc_conn_finish(wsc_conn *conn) {
  if (conn->finished) return;
  if (conn->refused) keep_body(conn);
  fill_info(conn); /* over what only a living connection needs */
  conn->finished = true;
  conn->reading = WSC_READ_NOTHING;
  conn->state = WSC_CLOSED;
  wsc_queue_free(&conn->queue);
  wsc_deflate_free(conn->deflate);
  conn->deflate = NULL;
}

bool wsc_conn_finished(const wsc_conn *conn) {
  return conn->finished;
}

const wsc_close_info *wsc_conn_close_info(const wsc_conn *conn) {
  static const wsc_close_info nothing_yet = {.reason = ""};
  return conn->finished ? &conn->info : &nothing_yet;
}
