/* How a connection ends, RFC 6455 7, and the report of it. */
#include "conn.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "hidden.h"

void wsc_conn_set_error(wsc_conn *conn, int error, wsc_phase phase, const char *text) {
  if (conn->error != WSC_OK) return;
  conn->error = (int16_t)error;
  conn->error_phase = (uint8_t)phase;
  /* without memory for the sentence the error's name still tells */
  conn->error_text = text ? wsc_copy_string(conn->platform, text, strlen(text)) : NULL;
}

static char *keep_reason(wsc_conn *conn, const char *reason, size_t size, uint8_t *kept) {
  char *copy = wsc_copy_string(conn->platform, reason, size);
  assert(size <= WSC_REASON_MAX);
  *kept = copy ? (uint8_t)size : 0;
  return copy;
}

static bool queue_close(wsc_conn *conn, unsigned code, const char *reason, size_t size) {
  uint8_t payload[WSC_CONTROL_PAYLOAD_MAX] = {0};
  wsc_frame frame = {.fin = true, .opcode = WSC_OP_CLOSE};
  size_t payload_size = wsc_close_write(payload, code, reason, size);
  frame.size = payload_size;
  if (wsc_conn_queue_frame(conn, &frame, payload) != WSC_OK) return false;
  conn->sent_code = (uint16_t)(code ? code : WSC_CLOSE_NO_STATUS);
  size_t reason_size = payload_size > 2 ? payload_size - 2 : 0;
  conn->sent_reason = keep_reason(conn, reason, reason_size, &conn->sent_reason_size);
  conn->state = WSC_CLOSING;
  wsc_conn_start_timer(conn, &conn->close_timer);
  wsc_conn_start_timer(conn, &conn->drain_timer);
  return true;
}

/* What waits behind the frame in flight gives way to the Close. */
static bool close_at_once(wsc_conn *conn, unsigned code, const char *reason, size_t size) {
  wsc_queue_drop(&conn->queue);
  return queue_close(conn, code, reason, size);
}

wsc_phase wsc_conn_phase(const wsc_conn *conn) {
  switch (conn->state) {
  case WSC_CONNECTING:
    return WSC_PHASE_HANDSHAKE;
  case WSC_OPEN:
    return WSC_PHASE_OPEN;
  default:
    return WSC_PHASE_CLOSE;
  }
}

void wsc_conn_fail(wsc_conn *conn, int error, wsc_phase phase, const char *text) {
  if (conn->reading >= WSC_READ_NOTHING) return;
  wsc_conn_set_error(conn, error, phase, text);
  conn->reading = WSC_READ_NOTHING;
  unsigned code = wsc_error_close_code(error);
  if (conn->state == WSC_CONNECTING || code == 0) {
    wsc_conn_finish(conn);
    return;
  }
  if (!conn->sent_code) {
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

/* RFC 6455 7.4.1, 7.4.2, 5.5.1: a Close that may not be sent as it came. */
static void fail_close(wsc_conn *conn, int error, unsigned code, size_t size) {
  char text[96];
  if (error == WSC_ERR_UTF8)
    snprintf(text, sizeof text, "the reason in the peer's Close frame (%u) is not valid UTF-8",
             code);
  else if (size == 1)
    snprintf(text, sizeof text, "the peer's Close frame has a body of one byte");
  else
    snprintf(text, sizeof text, "the peer's Close frame carries %u, a code that may not travel",
             code);
  wsc_conn_fail(conn, error, wsc_conn_phase(conn), text);
}

void wsc_conn_got_close(wsc_conn *conn, const uint8_t *payload, size_t size) {
  const char *reason;
  size_t reason_size;
  unsigned code;
  int result = wsc_close_parse(payload, size, &code, &reason, &reason_size);
  if (size != 1) conn->received_code = (int32_t)code;
  if (wsc_utf8_valid(reason, reason_size)) /* also beside a code that may not travel */
    conn->received_reason = keep_reason(conn, reason, reason_size, &conn->received_reason_size);
  if (result != WSC_OK) {
    fail_close(conn, result, code, size);
    return;
  }
  conn->reading = WSC_READ_NOTHING;
  if (!conn->sent_code &&
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
  if (wsc_conn_is_closed(conn) || conn->sent_code) return WSC_OK;
  if (conn->state == WSC_CONNECTING) {
    cancel(conn);
    return WSC_OK;
  }
  wsc_conn_queue_late_pong(conn);
  if (!queue_close(conn, code, reason, size)) {
    wsc_conn_fail(conn, WSC_ERR_MEMORY, WSC_PHASE_CLOSE, "no memory to close");
    return WSC_ERR_MEMORY;
  }
  conn->we_began = true;
  conn->reading = WSC_READ_NO_PONG;
  return WSC_OK;
}

void wsc_conn_settle(wsc_conn *conn) {
  if (conn->state != WSC_CLOSING || conn->reading != WSC_READ_NOTHING) return;
  if (wsc_buf_size(&conn->queue.buf) > 0) return;
  /* RFC 6455 7.1.1: the server closes TCP first, and so it is the one that holds TIME_WAIT */
  if (conn->server || wsc_conn_input_ended(conn)) {
    wsc_conn_finish(conn);
    return;
  }
  conn->close_timer = WSC_TIMER_OFF;
  wsc_conn_start_timer(conn, &conn->linger_timer);
}

/* ---------------------------------------------------------------- the transport's end */

void wsc_conn_input_eof(wsc_conn *conn) {
  if (wsc_conn_input_ended(conn)) return;
  conn->parsed = false;
  conn->end_error = WSC_OK;
}

void wsc_conn_abort(wsc_conn *conn, int error, wsc_phase phase, const char *text) {
  if (wsc_conn_is_closed(conn) || conn->end_error < WSC_AGAIN) return;
  conn->parsed = false;
  conn->end_error = (int16_t)error;
  conn->end_phase = (uint8_t)phase;
  conn->end_text = text ? wsc_copy_string(conn->platform, text, strlen(text)) : NULL;
}

void wsc_conn_note_proxy(wsc_conn *conn, int status) {
  conn->proxy_status = (uint16_t)status;
}

static void set_end_error(wsc_conn *conn) {
  if (conn->end_error != WSC_OK) {
    wsc_conn_set_error(conn, conn->end_error, conn->end_phase, conn->end_text);
  } else if (conn->state == WSC_CONNECTING && conn->handshake) { /* else it was refused */
    char text[WSC_HANDSHAKE_END_SIZE];
    wsc_handshake_describe_end(conn->handshake, conn->stats.bytes_in > 0, text, sizeof text);
    wsc_conn_set_error(conn, WSC_ERR_EOF, WSC_PHASE_HANDSHAKE, text);
  } else {
    wsc_conn_set_error(conn, WSC_ERR_EOF, wsc_conn_phase(conn),
                       "the connection ended without a Close frame from the peer");
  }
}

void wsc_conn_end(wsc_conn *conn) {
  if (wsc_conn_is_closed(conn)) return;
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
  if (conn->we_began || conn->fail_code) return WSC_BY_CLIENT;
  if (conn->received_code >= 0 || conn->error == WSC_ERR_HTTP) return WSC_BY_PEER;
  return handshake_refused(conn->error) ? WSC_BY_CLIENT : WSC_BY_NETWORK;
}

static bool tls_failed(const wsc_conn *conn) {
  return conn->error_phase == WSC_PHASE_TLS &&
         (conn->error == WSC_ERR_TLS || conn->error == WSC_ERR_CERTIFICATE);
}

/* A Close that the peer may not send is told as received; how the connection ended it does not say.
 */
static bool received_well(const wsc_conn *conn) {
  return conn->received_code >= 0 && conn->error != WSC_ERR_PROTOCOL && conn->error != WSC_ERR_UTF8;
}

static void report_code(const wsc_conn *conn, wsc_close_info *info) {
  info->reason = "";
  if (conn->fail_code) {
    info->code = conn->fail_code;
    if (conn->sent_reason) info->reason = conn->sent_reason;
    info->reason_size = conn->sent_reason_size;
  } else if (received_well(conn)) {
    info->code = info->received.code;
    info->reason = info->received.reason;
    info->reason_size = info->received.reason_size;
  } else {
    info->code = tls_failed(conn) ? WSC_CLOSE_TLS_HANDSHAKE : WSC_CLOSE_ABNORMAL;
  }
}

static wsc_close_frame report_frame(bool present, unsigned code, const char *reason, size_t size) {
  return (wsc_close_frame){
      .present = present, .code = code, .reason = reason ? reason : "", .reason_size = size};
}

/* A Close stands behind all else: it has left if the queue is empty. */
static void fill_info(wsc_conn *conn, bool left) {
  wsc_close_info *info = &conn->info;
  uint64_t undelivered = wsc_queue_undelivered(&conn->queue);
  bool broken = wsc_error_close_code(conn->error) != 0;
  *info = (wsc_close_info){.opened = conn->opened, .proxy_status = conn->proxy_status};
  info->sent = report_frame(left && conn->sent_code, conn->sent_code, conn->sent_reason,
                            conn->sent_reason_size);
  info->received = report_frame(conn->received_code >= 0, (unsigned)conn->received_code,
                                conn->received_reason, conn->received_reason_size);
  report_code(conn, info);
  info->clean = info->sent.present && info->received.present && !broken;
  info->by = find_by(conn);
  info->error = conn->error == WSC_ERR_CANCELLED ? WSC_OK : conn->error;
  info->phase = conn->error_phase;
  info->error_text = info->error == WSC_OK ? NULL : conn->error_text;
  if (info->error != WSC_OK && !info->error_text) info->error_text = wsc_error_name(info->error);
  info->undelivered = undelivered < SIZE_MAX ? (size_t)undelivered : SIZE_MAX;
  info->dropped = conn->dropped;
}

static void finish(wsc_conn *conn, bool left) {
  if (wsc_conn_is_closed(conn)) return;
  if (conn->reading == WSC_READ_BODY) wsc_conn_keep_body(conn);
  fill_info(conn, left && wsc_buf_size(&conn->queue.buf) == 0); /* over what only a living
                                                                   connection needs */
  conn->reading = WSC_READ_NOTHING;
  conn->state = WSC_CLOSED;
  conn->parsed = false; /* the report waits to be taken */
  wsc_queue_free(&conn->queue);
  wsc_deflate_free(conn->deflate);
  conn->deflate = NULL;
}

void wsc_conn_finish(wsc_conn *conn) {
  finish(conn, true);
}

/* ---------------------------------------------------------------- leaving */

void wsc_conn_pass_over(wsc_conn *conn) {
  if (conn->reading == WSC_READ_ALL || conn->reading == WSC_READ_NO_PONG)
    conn->reading = WSC_READ_FOR_CLOSE;
}

/* Where nothing was exchanged the Close is all there is to tell, if it left. */
void wsc_conn_leave(wsc_conn *conn, bool left) {
  if (wsc_conn_is_closed(conn)) return;
  wsc_conn_set_error(conn, WSC_ERR_CANCELLED, wsc_conn_phase(conn), NULL);
  if (conn->received_code < 0) conn->we_began = true;
  left = left && wsc_buf_size(&conn->queue.buf) == 0;
  if (left && conn->sent_code == WSC_CLOSE_GOING_AWAY && conn->received_code < 0)
    conn->fail_code = conn->sent_code;
  finish(conn, left);
}

bool wsc_conn_finished(const wsc_conn *conn) {
  return wsc_conn_is_closed(conn);
}

const wsc_close_info *wsc_conn_close_info(const wsc_conn *conn) {
  static const wsc_close_info nothing_yet = {.reason = ""};
  return wsc_conn_is_closed(conn) ? &conn->info : &nothing_yet;
}
