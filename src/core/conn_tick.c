/* Time: the deadlines of handshake and closing, and keepalive.
 *
 * A deadline has passed when it lies before the moment up to which all that came was read and
 * parsed (`looked_us`, once `parsed` is set), never when it merely lies before now.  So an answer
 * that is on this machine is found before its deadline counts; what a slow program, a pause or a
 * budget holds back makes no peer look dead; and a peer that sends without end moves that moment
 * with every read, and still meets its deadline. */
#include "conn.h"

#include <stdio.h>

#include "hidden.h"

/* Buffers that nothing went through for this long are given back. */
#define IDLE_MS 1000u

static void arm(wsc_timer *timer, uint64_t now_us, uint32_t wait_ms) {
  if (*timer != WSC_TIMER_WANTED) return;
  *timer = wait_ms ? now_us + (uint64_t)wait_ms * 1000u : WSC_TIMER_OFF;
}

static bool has_passed(wsc_timer timer, uint64_t at_us) {
  return timer != WSC_TIMER_WANTED && timer <= at_us;
}

void wsc_conn_start_timer(wsc_conn *conn, wsc_timer *timer) {
  *timer = WSC_TIMER_WANTED;
  conn->deadline_us = 0;
}

void wsc_conn_connect_by(wsc_conn *conn, uint64_t at_us, uint32_t timeout_ms) {
  conn->connect_at_us = at_us;
  conn->connect_timeout_ms = timeout_ms;
}

/* ---------------------------------------------------------------- keepalive */

/* FNV-1a: enough to tell the answer to our latest ping from others. */
static uint64_t print_of(const uint8_t *payload, size_t size) {
  uint64_t print = 14695981039346656037u;
  for (size_t i = 0; i < size; i++) print = (print ^ payload[i]) * 1099511628211u;
  return print;
}

static bool ping_has_left(const wsc_conn *conn) {
  return conn->stats.bytes_out >= conn->ping_end;
}

void wsc_conn_note_ping(wsc_conn *conn, const uint8_t *payload, size_t size) {
  conn->ping_print = print_of(payload, size);
  conn->ping_end = conn->stats.bytes_out + wsc_buf_size(&conn->queue.buf);
  conn->ping_sent_us = WSC_NEVER;
  conn->deadline_us = 0; /* it is to be known when it leaves */
}

void wsc_conn_got_pong(wsc_conn *conn, const uint8_t *payload, size_t size, uint64_t *rtt_us) {
  conn->stats.pongs_in++;
  bool ours = conn->ping_end != 0 && ping_has_left(conn);
  if (!ours || print_of(payload, size) != conn->ping_print) return;
  conn->ping_end = 0;
  *rtt_us = conn->stats.rtt_us = conn->now_us - conn->ping_sent_us;
}

static bool awaits_pong(const wsc_conn *conn) {
  return conn->pong_timer != WSC_TIMER_OFF;
}

/* Any byte shows life. */
void wsc_conn_note_input(wsc_conn *conn) {
  conn->idle_timer = WSC_TIMER_WANTED;
  if (conn->state != WSC_OPEN) return;
  conn->pong_timer = WSC_TIMER_OFF;
  conn->ping_timer = WSC_TIMER_WANTED;
}

/* While our ping is behind other bytes, their leaving shows life; the answer is waited for from
 * when it has left. */
static void note_ping_output(wsc_conn *conn) {
  if (conn->ping_end == 0 || conn->ping_sent_us != WSC_NEVER) return;
  if (awaits_pong(conn)) conn->pong_timer = WSC_TIMER_WANTED;
  if (!ping_has_left(conn)) return;
  conn->ping_sent_us = conn->now_us;
  conn->deadline_us = 0;
}

/* A Close has as long as bytes before it leave, and from when it has left. */
void wsc_conn_note_output(wsc_conn *conn) {
  conn->idle_timer = WSC_TIMER_WANTED;
  note_ping_output(conn);
  if (conn->state != WSC_CLOSING || conn->close_timer == WSC_TIMER_OFF) return;
  if (wsc_buf_size(&conn->queue.buf) == 0) conn->drain_timer = WSC_TIMER_OFF;
  wsc_conn_start_timer(conn, &conn->close_timer);
}

bool wsc_conn_awaits_answer(const wsc_conn *conn) {
  return conn->state == WSC_CLOSING || (conn->state == WSC_OPEN && awaits_pong(conn));
}

void wsc_conn_note_progress(wsc_conn *conn) {
  if (awaits_pong(conn)) wsc_conn_start_timer(conn, &conn->pong_timer);
  if (conn->state == WSC_CLOSING && conn->close_timer != WSC_TIMER_OFF)
    wsc_conn_start_timer(conn, &conn->close_timer);
}

/* Without memory there is no ping to wait for; the next interval tries again. */
static void send_keepalive(wsc_conn *conn) {
  uint8_t payload[8];
  for (unsigned i = 0; i < sizeof payload; i++) payload[i] = (uint8_t)(conn->now_us >> (8 * i));
  wsc_frame frame = {.fin = true, .opcode = WSC_OP_PING, .size = sizeof payload};
  bool queued = wsc_conn_queue_frame(conn, &frame, payload) == WSC_OK;
  if (queued) wsc_conn_note_ping(conn, payload, sizeof payload);
  bool waits = queued && conn->ping_timeout_ms;
  conn->ping_timer = waits ? WSC_TIMER_OFF : WSC_TIMER_WANTED;
  if (waits) conn->pong_timer = WSC_TIMER_WANTED;
  conn->deadline_us = 0;
}

static void give_up_on_peer(wsc_conn *conn) {
  char text[96];
  snprintf(text, sizeof text, "nothing came from the peer for %g s after a ping",
           conn->ping_timeout_ms / 1000.0);
  wsc_conn_fail(conn, WSC_ERR_PING_TIMEOUT, WSC_PHASE_OPEN, text);
}

static void keep_alive(wsc_conn *conn) {
  if (conn->state != WSC_OPEN)
    conn->ping_timer = conn->pong_timer = WSC_TIMER_OFF;
  else if (has_passed(conn->pong_timer, conn->looked_us))
    give_up_on_peer(conn);
  else if (has_passed(conn->ping_timer, conn->looked_us))
    send_keepalive(conn);
}

/* ---------------------------------------------------------------- deadlines */

static void expire_handshake(wsc_conn *conn) {
  char text[96];
  uint32_t timeout_ms = conn->handshake_timeout_ms;
  bool whole = conn->handshake_timer == conn->connect_at_us;
  if (whole) timeout_ms = conn->connect_timeout_ms;
  snprintf(text, sizeof text, "the handshake was not complete within %g s%s", timeout_ms / 1000.0,
           whole ? " of the start" : "");
  /* a refusal whose body does not come stays a refusal: its error was first */
  wsc_conn_set_error(conn, WSC_ERR_TIMEOUT, WSC_PHASE_HANDSHAKE, text);
  wsc_conn_finish(conn);
}

static void expire_close(wsc_conn *conn, bool drain) {
  char text[112];
  if (drain)
    snprintf(text, sizeof text, "what was sent before the Close did not leave within %g s",
             conn->drain_timeout_ms / 1000.0);
  else
    snprintf(text, sizeof text, "the closing handshake was not complete within %g s",
             conn->close_timeout_ms / 1000.0);
  wsc_conn_set_error(conn, WSC_ERR_CLOSE_TIMEOUT, WSC_PHASE_CLOSE, text);
  wsc_conn_finish(conn);
}

void wsc_conn_expire(wsc_conn *conn) {
  uint64_t at_us = conn->looked_us;
  if (wsc_conn_is_closed(conn) || conn->deadline_us > at_us) return;
  if (conn->state == WSC_CONNECTING) {
    if (has_passed(conn->handshake_timer, at_us)) expire_handshake(conn);
    return;
  }
  conn->handshake_timer = WSC_TIMER_OFF;
  if (has_passed(conn->close_timer, at_us))
    expire_close(conn, false);
  else if (has_passed(conn->drain_timer, at_us))
    expire_close(conn, true);
  else if (has_passed(conn->linger_timer, at_us))
    wsc_conn_finish(conn);
  else
    keep_alive(conn);
}

bool wsc_conn_is_overdue(const wsc_conn *conn, uint64_t now_us) {
  return conn->state == WSC_CLOSING &&
         (has_passed(conn->close_timer, now_us) || has_passed(conn->drain_timer, now_us));
}

static void free_if_empty(wsc_buf *buf) {
  if (wsc_buf_size(buf) == 0) wsc_buf_free(buf);
}

static void free_idle(wsc_conn *conn) {
  if (!has_passed(conn->idle_timer, conn->now_us)) return;
  conn->idle_timer = WSC_TIMER_OFF;
  free_if_empty(&conn->input);
  free_if_empty(&conn->queue.buf);
  if (!conn->message.open || conn->message.piece_size_max > 0) wsc_buf_free(&conn->message.body);
  if (conn->trace) free_if_empty(&conn->trace->records);
  if (conn->deflate) wsc_deflate_drop_scratch(conn->deflate);
  wsc_spare_free(conn->platform);
}

static void arm_timers(wsc_conn *conn, uint64_t now_us) {
  arm(&conn->handshake_timer, now_us, conn->handshake_timeout_ms);
  if (conn->state == WSC_CONNECTING && conn->connect_at_us < conn->handshake_timer)
    conn->handshake_timer = conn->connect_at_us;
  arm(&conn->drain_timer, now_us, conn->drain_timeout_ms);
  arm(&conn->close_timer, now_us, conn->close_timeout_ms);
  arm(&conn->linger_timer, now_us, conn->linger_ms);
  arm(&conn->ping_timer, now_us, conn->ping_interval_ms);
  arm(&conn->pong_timer, now_us, conn->ping_timeout_ms);
  arm(&conn->idle_timer, now_us, IDLE_MS);
}

static uint64_t earlier(wsc_timer a, wsc_timer b) {
  return a < b ? a : b;
}

/* One that is wanted is the earliest. */
static uint64_t earliest_of_all(const wsc_conn *conn) {
  wsc_timer at_us = earlier(conn->handshake_timer, conn->close_timer);
  at_us = earlier(at_us, conn->drain_timer);
  at_us = earlier(at_us, conn->linger_timer);
  at_us = earlier(at_us, conn->ping_timer);
  at_us = earlier(at_us, conn->pong_timer);
  return earlier(at_us, conn->idle_timer);
}

void wsc_conn_tell(wsc_conn *conn, uint64_t now_us, uint64_t looked_us) {
  if (now_us > conn->now_us) conn->now_us = now_us;
  if (looked_us > conn->looked_us) conn->looked_us = looked_us;
  if (conn->parsed) wsc_conn_expire(conn);
  if (wsc_conn_is_closed(conn)) return;
  /* what the program has not taken gives way to the peer's Close, which may stand behind it */
  if (wsc_conn_is_overdue(conn, conn->now_us)) wsc_conn_pass_over(conn);
  free_idle(conn);
  arm_timers(conn, conn->now_us);
  conn->deadline_us = earliest_of_all(conn);
}

uint64_t wsc_conn_deadline(const wsc_conn *conn) {
  return wsc_conn_is_closed(conn) ? WSC_NEVER : conn->deadline_us;
}

uint64_t wsc_conn_tick(wsc_conn *conn, uint64_t now_us) {
  wsc_conn_tell(conn, now_us, now_us);
  return wsc_conn_deadline(conn);
}
