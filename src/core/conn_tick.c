/* Time: the deadlines of handshake and closing, and keepalive. */
#include "conn.h"

#include <stdio.h>

/* Buffers that nothing went through for this long are given back. */
#define IDLE_US 1000000u

static uint64_t after(uint64_t now_us, uint64_t wait_ms) {
  return now_us + wait_ms * 1000u;
}

static void arm(wsc_timer *timer, uint64_t now_us, uint32_t wait_ms) {
  if (*timer == WSC_TIMER_WANTED) *timer = wait_ms ? after(now_us, wait_ms) : WSC_TIMER_OFF;
}

static void stop(wsc_timer *timer) {
  *timer = WSC_TIMER_OFF;
}

static bool due(const wsc_timer *timer, uint64_t now_us) {
  return *timer != WSC_TIMER_WANTED && *timer <= now_us;
}

/* ---------------------------------------------------------------- keepalive */

/* FNV-1a: enough to tell the answer to our latest ping from others. */
static uint64_t print_of(const uint8_t *payload, size_t size) {
  uint64_t print = 14695981039346656037u;
  for (size_t i = 0; i < size; i++) print = (print ^ payload[i]) * 1099511628211u;
  return print;
}

void wsc_conn_start_timer(wsc_conn *conn, wsc_timer *timer) {
  *timer = WSC_TIMER_WANTED;
  conn->deadline_us = 0;
}

void wsc_conn_note_ping(wsc_conn *conn, const uint8_t *payload, size_t size) {
  conn->ping_print = print_of(payload, size);
  conn->ping_waits = conn->ping_unsent_clock = true;
  conn->deadline_us = 0;
}

void wsc_conn_got_pong(wsc_conn *conn, const uint8_t *payload, size_t size, uint64_t *rtt_us) {
  conn->stats.pongs_in++;
  if (!conn->ping_waits || conn->ping_unsent_clock || print_of(payload, size) != conn->ping_print)
    return;
  conn->ping_waits = false;
  *rtt_us = conn->stats.rtt_us = conn->now_us - conn->ping_sent_us;
}

static void send_keepalive(wsc_conn *conn) {
  uint8_t payload[8];
  for (unsigned i = 0; i < sizeof payload; i++) payload[i] = (uint8_t)(conn->now_us >> (8 * i));
  wsc_frame frame = {.fin = true, .opcode = WSC_OP_PING, .size = sizeof payload};
  /* without memory there is no ping to wait for; the next interval tries again */
  if (wsc_conn_queue_frame(conn, &frame, payload) != WSC_OK) {
    conn->ping_timer = WSC_TIMER_WANTED;
    return;
  }
  wsc_conn_note_ping(conn, payload, sizeof payload);
  conn->ping_unsent_clock = false;
  conn->ping_sent_us = conn->now_us;
  if (conn->ping_timeout_ms)
    conn->pong_timer = WSC_TIMER_WANTED;
  else
    conn->ping_timer = WSC_TIMER_WANTED;
}

static void give_up_on_peer(wsc_conn *conn) {
  char text[96];
  snprintf(text, sizeof text, "nothing came from the peer for %g s after a ping",
           conn->ping_timeout_ms / 1000.0);
  wsc_conn_fail(conn, WSC_ERR_PING_TIMEOUT, WSC_PHASE_OPEN, text);
}

static void keep_alive(wsc_conn *conn) {
  if (conn->state != WSC_OPEN || conn->ping_interval_ms == 0) {
    stop(&conn->ping_timer);
    stop(&conn->pong_timer);
    return;
  }
  /* any byte shows life; a paused program does not look, so silence shows nothing */
  if (conn->heard || conn->paused) {
    stop(&conn->pong_timer);
    conn->ping_timer = WSC_TIMER_WANTED;
  }
  conn->heard = false;
  if (due(&conn->pong_timer, conn->now_us)) {
    give_up_on_peer(conn);
  } else if (due(&conn->ping_timer, conn->now_us)) {
    stop(&conn->ping_timer);
    send_keepalive(conn);
  }
  if (conn->finished) return;
  arm(&conn->ping_timer, conn->now_us, conn->ping_interval_ms);
  arm(&conn->pong_timer, conn->now_us, conn->ping_timeout_ms);
}

/* ---------------------------------------------------------------- deadlines */

static void expire_handshake(wsc_conn *conn) {
  if (conn->state != WSC_CONNECTING) stop(&conn->handshake_timer);
  if (!due(&conn->handshake_timer, conn->now_us)) return;
  char text[96];
  snprintf(text, sizeof text, "the handshake was not complete within %g s",
           conn->handshake_timeout_ms / 1000.0);
  /* a refusal whose body does not come stays a refusal: its error was first */
  wsc_conn_set_error(conn, WSC_ERR_TIMEOUT, WSC_PHASE_HANDSHAKE, text);
  wsc_conn_finish(conn);
}

static void expire_close(wsc_conn *conn) {
  if (!due(&conn->close_timer, conn->now_us)) return;
  char text[96];
  snprintf(text, sizeof text, "the closing handshake was not complete within %g s",
           conn->close_timeout_ms / 1000.0);
  wsc_conn_set_error(conn, WSC_ERR_CLOSE_TIMEOUT, WSC_PHASE_CLOSE, text);
  wsc_conn_finish(conn);
}

void wsc_conn_expire(wsc_conn *conn) {
  conn->expiry_due = false;
  if (!conn->finished) expire_handshake(conn);
  if (!conn->finished) expire_close(conn);
  if (!conn->finished && due(&conn->linger_timer, conn->now_us)) wsc_conn_finish(conn);
}

static void free_if_empty(wsc_buf *buf) {
  if (wsc_buf_size(buf) == 0) wsc_buf_free(buf);
}

static void free_pong(wsc_conn *conn) {
  wsc_release(conn->platform, conn->pong);
  conn->pong = NULL;
}

static void free_idle(wsc_conn *conn) {
  if (conn->moved) conn->idle_timer = conn->now_us + IDLE_US;
  conn->moved = false;
  if (!due(&conn->idle_timer, conn->now_us)) return;
  stop(&conn->idle_timer);
  free_if_empty(&conn->input);
  free_if_empty(&conn->queue.buf);
  if (!conn->message.open) free_if_empty(&conn->message.body);
  if (conn->trace) free_if_empty(&conn->trace->records);
  if (conn->deflate) wsc_deflate_drop_scratch(conn->deflate);
  if (!conn->pong_pending) free_pong(conn);
  wsc_spare_free(conn->platform);
}

static uint64_t earlier_timer(wsc_timer a, wsc_timer b) {
  return a < b ? a : b;
}

/* One that is wanted is the earliest. */
static uint64_t earliest_of_all(const wsc_conn *conn) {
  wsc_timer at_us = earlier_timer(conn->handshake_timer, conn->close_timer);
  at_us = earlier_timer(at_us, conn->linger_timer);
  at_us = earlier_timer(at_us, conn->ping_timer);
  at_us = earlier_timer(at_us, conn->pong_timer);
  return earlier_timer(at_us, conn->idle_timer);
}

uint64_t wsc_conn_deadline(const wsc_conn *conn) {
  return conn->finished ? WSC_NEVER : conn->deadline_us;
}

uint64_t wsc_conn_tick(wsc_conn *conn, uint64_t now_us) {
  if (now_us > conn->now_us) conn->now_us = now_us;
  now_us = conn->now_us;
  if (conn->finished) return WSC_NEVER;
  if (conn->ping_unsent_clock) conn->ping_sent_us = now_us;
  conn->ping_unsent_clock = false;
  arm(&conn->handshake_timer, now_us, conn->handshake_timeout_ms);
  arm(&conn->close_timer, now_us, conn->close_timeout_ms);
  arm(&conn->linger_timer, now_us, conn->linger_ms);
  keep_alive(conn);
  /* what came in may be the very thing waited for: it is read first */
  conn->expiry_due = true;
  if (conn->parsed) wsc_conn_expire(conn);
  if (conn->finished) return WSC_NEVER;
  free_idle(conn);
  conn->deadline_us = earliest_of_all(conn);
  return wsc_conn_deadline(conn);
}
