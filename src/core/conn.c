/* Making a connection, the wire side out, and sending. */
#include "conn.h"

#include <assert.h>
#include <string.h>

#include "mask.h"

#include "hidden.h"

void wsc_config_init(wsc_config *config, const wsc_platform *platform) {
  *config = (wsc_config){
      .platform = platform,
      .require_protocol = true,
      .deflate = {.level = -1, .mem_level = 8, .threshold = -1},
      .limits = {.message_size_max = 16u << 20,
                 .fragments_max = 262144,
                 .header_size_max = 16u << 10,
                 .send_queue_size_max = 16u << 20},
      .handshake_timeout_ms = 5000,
      .drain_timeout_ms = 30000,
      .close_timeout_ms = 5000,
      .linger_ms = 2000,
      .ping_interval_ms = 20000,
      .ping_timeout_ms = 20000,
  };
}

/* What is to be held as a whole is never longer than a block may be. */
static uint64_t block_max(uint64_t size) {
  return size < SIZE_MAX / 2 ? size : SIZE_MAX / 2;
}

static wsc_limits fill_limits(wsc_limits limits, bool whole) {
  wsc_config defaults;
  wsc_config_init(&defaults, NULL);
  if (!limits.message_size_max) limits.message_size_max = defaults.limits.message_size_max;
  if (!limits.frame_size_max) limits.frame_size_max = limits.message_size_max;
  if (!limits.fragments_max) limits.fragments_max = defaults.limits.fragments_max;
  if (!limits.header_size_max) limits.header_size_max = defaults.limits.header_size_max;
  if (!limits.send_queue_size_max) limits.send_queue_size_max = defaults.limits.send_queue_size_max;
  if (whole) limits.message_size_max = block_max(limits.message_size_max);
  if (whole) limits.frame_size_max = block_max(limits.frame_size_max);
  return limits;
}

static void init_conn(wsc_conn *conn, const wsc_config *config) {
  *conn = (wsc_conn){
      .platform = config->platform,
      .limits = fill_limits(config->limits, config->piece_size_max == 0),
      .handshake_timeout_ms = config->handshake_timeout_ms,
      .drain_timeout_ms = config->drain_timeout_ms,
      .close_timeout_ms = config->close_timeout_ms,
      .linger_ms = config->linger_ms,
      .ping_interval_ms = config->ping_interval_ms,
      .ping_timeout_ms = config->ping_timeout_ms,
      .server = config->server,
      .parsed = true,
      .end_error = WSC_AGAIN,
      .received_code = -1,
      .handshake_timer = WSC_TIMER_WANTED,
      .drain_timer = WSC_TIMER_OFF,
      .close_timer = WSC_TIMER_OFF,
      .linger_timer = WSC_TIMER_OFF,
      .ping_timer = WSC_TIMER_OFF,
      .pong_timer = WSC_TIMER_OFF,
      .idle_timer = WSC_TIMER_OFF,
      .connect_at_us = WSC_NEVER,
      .stats = {.rtt_us = WSC_NEVER},
  };
  wsc_buf_init(&conn->input, conn->platform);
  wsc_queue_init(&conn->queue, conn->platform, !conn->server);
  wsc_message_init(&conn->message, conn->platform, config->piece_size_max);
}

static bool make_trace(wsc_conn *conn, bool payloads) {
  conn->trace = wsc_alloc(conn->platform, 1, sizeof *conn->trace);
  if (!conn->trace) return false;
  wsc_buf_init(&conn->trace->records, conn->platform);
  conn->trace->payloads = payloads;
  return true;
}

static void free_trace(wsc_conn *conn) {
  if (conn->trace) wsc_buf_free(&conn->trace->records);
  wsc_release(conn->platform, conn->trace);
}

wsc_conn *wsc_conn_new_to(const wsc_config *config, const wsc_uri *uri) {
  wsc_conn *conn = wsc_alloc(config->platform, 1, sizeof *conn);
  if (!conn) return NULL;
  init_conn(conn, config);
  wsc_spare_join(conn->platform);
  if (!config->trace || make_trace(conn, config->trace_payloads))
    conn->handshake = wsc_handshake_new(config, uri, &conn->queue.buf);
  if (!conn->handshake) {
    wsc_conn_free(conn);
    return NULL;
  }
  wsc_queue_raw(&conn->queue);
  return conn;
}

wsc_conn *wsc_conn_new(const wsc_config *config) {
  return wsc_conn_new_to(config, NULL);
}

void wsc_conn_free(wsc_conn *conn) {
  if (!conn) return;
  const wsc_platform *platform = conn->platform;
  wsc_handshake_free(conn->handshake);
  wsc_release(platform, conn->response.headers);
  wsc_release(platform, conn->agreed);
  if (conn->server) wsc_release(platform, conn->protocol);
  wsc_deflate_free(conn->deflate);
  wsc_message_free(&conn->message);
  wsc_queue_free(&conn->queue);
  wsc_buf_drop(&conn->input);
  free_trace(conn);
  wsc_release(platform, conn->late_pong);
  wsc_release(platform, conn->error_text);
  wsc_release(platform, conn->end_text);
  wsc_release(platform, conn->sent_reason);
  wsc_release(platform, conn->received_reason);
  wsc_release(platform, conn);
  wsc_spare_leave(platform);
}

/* ---------------------------------------------------------------- wire side, out */

const uint8_t *wsc_conn_output(wsc_conn *conn, size_t *size) {
  wsc_conn_queue_late_pong(conn);
  *size = wsc_conn_is_closed(conn) ? 0 : wsc_buf_size(&conn->queue.buf);
  return wsc_buf_data(&conn->queue.buf);
}

void wsc_conn_output_done(wsc_conn *conn, size_t n) {
  if (n == 0) return;
  wsc_queue_done(&conn->queue, n);
  conn->stats.messages_started = conn->queue.messages_started;
  conn->stats.messages_written = wsc_queue_messages_written(&conn->queue);
  conn->stats.bytes_out += n;
  wsc_conn_note_output(conn);
  /* the handshake is out: many connections that are being made hold one such block each */
  if (conn->state == WSC_CONNECTING && wsc_buf_size(&conn->queue.buf) == 0)
    wsc_buf_free(&conn->queue.buf);
  wsc_conn_settle(conn);
}

size_t wsc_conn_output_size(const wsc_conn *conn) {
  if (wsc_conn_is_closed(conn)) return 0;
  size_t size = wsc_buf_size(&conn->queue.buf);
  if (conn->late_pong)
    size += wsc_frame_head_size(conn->late_pong->size, !conn->server) + conn->late_pong->size;
  return size;
}

/* The room and the mask for the frame are there. */
static void put_frame(wsc_conn *conn, const wsc_frame *frame, const void *payload) {
  wsc_queue_put(&conn->queue, frame, payload);
  conn->stats.frames_out++;
  if (conn->trace) wsc_conn_trace(conn, true, frame, payload);
}

int wsc_conn_queue_frame(wsc_conn *conn, const wsc_frame *frame, const void *payload) {
  wsc_frame masked = *frame;
  if (!wsc_queue_reserve(&conn->queue, frame->size, masked.key)) return WSC_ERR_MEMORY;
  put_frame(conn, &masked, payload);
  return WSC_OK;
}

/* Pongs that wait to be written.  A peer that pings and does not read costs no more than these and
 * one: RFC 6455 5.5.3 lets us leave out all but the latest. */
#define PONGS_MAX 64

static bool queue_pong(wsc_conn *conn, const uint8_t *payload, size_t size) {
  wsc_frame frame = {.fin = true, .opcode = WSC_OP_PONG, .size = size};
  return conn->queue.pongs < PONGS_MAX && wsc_conn_queue_frame(conn, &frame, payload) == WSC_OK;
}

static void drop_late_pong(wsc_conn *conn) {
  wsc_release(conn->platform, conn->late_pong);
  conn->late_pong = NULL;
}

bool wsc_conn_answer_ping(wsc_conn *conn, const uint8_t *payload, size_t size) {
  if (!conn->late_pong && queue_pong(conn, payload, size)) return true;
  if (!conn->late_pong) conn->late_pong = wsc_alloc(conn->platform, 1, sizeof *conn->late_pong);
  if (!conn->late_pong) return false;
  conn->late_pong->size = (uint8_t)size;
  if (size) memcpy(conn->late_pong->payload, payload, size);
  return true;
}

void wsc_conn_queue_late_pong(wsc_conn *conn) {
  if (!conn->late_pong) return;
  /* nothing follows a Close */
  bool over = conn->state != WSC_OPEN;
  if (over || queue_pong(conn, conn->late_pong->payload, conn->late_pong->size))
    drop_late_pong(conn);
}

size_t wsc_conn_traced_size(const wsc_conn *conn, const wsc_frame *frame) {
  if (!wsc_opcode_is_control(frame->opcode) && !conn->trace->payloads) return 0;
  return frame->size < WSC_TRACE_PAYLOAD_MAX ? (size_t)frame->size : WSC_TRACE_PAYLOAD_MAX;
}

/* Tracing is for looking on: without memory a record is left out and the connection goes on. */
void wsc_conn_trace(wsc_conn *conn, bool outgoing, const wsc_frame *frame, const void *payload) {
  size_t kept = wsc_conn_traced_size(conn, frame);
  wsc_frame_info info = {.outgoing = outgoing,
                         .fin = frame->fin,
                         .rsv1 = (frame->rsv & 4) != 0,
                         .masked = outgoing != conn->server,
                         .opcode = frame->opcode,
                         .size = frame->size,
                         .payload_size = kept};
  uint8_t *room = wsc_buf_reserve(&conn->trace->records, sizeof info + kept, NULL);
  if (!room) return;
  memcpy(room, &info, sizeof info);
  if (!outgoing && frame->masked)
    wsc_mask_copy(room + sizeof info, payload, kept, frame->key, 0);
  else if (kept)
    memcpy(room + sizeof info, payload, kept);
  wsc_buf_commit(&conn->trace->records, sizeof info + kept);
}

/* ---------------------------------------------------------------- sending */

/* What may fail comes first, so that nothing has happened where it does: room and mask are there
 * before the compressor, which cannot go back, takes a byte. */
static int send_data(wsc_conn *conn, wsc_frame frame, const void *data, size_t size,
                     bool compress) {
  size_t given = size;
  size_t most = compress ? wsc_deflate_bound(conn->deflate, size) : size;
  if (compress && most == 0) return WSC_ERR_MEMORY;
  if (!wsc_queue_reserve(&conn->queue, most, frame.key)) return WSC_ERR_MEMORY;
  if (compress) {
    wsc_buf *scratch = wsc_deflate_scratch(conn->deflate);
    if (!scratch) return WSC_ERR_MEMORY;
    int result = wsc_deflate_compress(conn->deflate, scratch, data, size, frame.fin);
    if (result != WSC_OK) return result;
    data = wsc_buf_data(scratch);
    size = wsc_buf_size(scratch);
  }
  frame.size = size;
  put_frame(conn, &frame, data);
  conn->stats.payload_out += given;
  conn->stats.wire_out += size;
  return WSC_OK;
}

static int check_room(wsc_conn *conn, size_t size) {
  size_t max = conn->limits.send_queue_size_max, held = wsc_buf_size(&conn->queue.buf);
  if (conn->state != WSC_OPEN) return WSC_ERR_STATE;
  if (size > max) return WSC_ERR_TOO_BIG;
  if (held <= max && size <= max - held) return WSC_OK;
  conn->drain_wanted = true;
  return WSC_ERR_BUSY;
}

size_t wsc_conn_send_max(const wsc_conn *conn) {
  return conn->limits.send_queue_size_max;
}

int wsc_conn_send(wsc_conn *conn, int opcode, const void *data, size_t size, unsigned flags) {
  assert(opcode == WSC_OP_TEXT || opcode == WSC_OP_BINARY);
  if (conn->sending != WSC_SEND_WHOLE) return WSC_ERR_STATE;
  int result = check_room(conn, size);
  if (result != WSC_OK) return result;
  if (opcode == WSC_OP_TEXT && !wsc_utf8_valid(data, size)) return WSC_ERR_UTF8;
  bool compress = conn->deflate && !(flags & WSC_SEND_UNCOMPRESSED) &&
                  wsc_deflate_worth(conn->deflate, data, size);
  wsc_frame frame = {.fin = true, .rsv = compress ? 4 : 0, .opcode = (uint8_t)opcode};
  result = send_data(conn, frame, data, size, compress);
  if (result == WSC_OK) conn->stats.messages_out++;
  return result;
}

/* The state of the text behind one more piece. */
static wsc_utf8_state check_fragment(wsc_utf8_state state, int opcode, const void *data,
                                     size_t size, bool fin) {
  if (opcode != WSC_OP_TEXT) return WSC_UTF8_ACCEPT;
  state = wsc_utf8_check(state, data, size);
  return fin && state != WSC_UTF8_ACCEPT ? WSC_UTF8_REJECT : state;
}

int wsc_conn_send_fragment(wsc_conn *conn, int opcode, const void *data, size_t size, bool fin) {
  assert(opcode == WSC_OP_TEXT || opcode == WSC_OP_BINARY);
  int result = check_room(conn, size);
  if (result != WSC_OK) return result;
  bool begun = conn->sending != WSC_SEND_WHOLE, continued = conn->sending == WSC_SEND_CONTINUED;
  if (begun) opcode = conn->fragment_opcode;
  wsc_utf8_state utf8 =
      check_fragment(begun ? conn->fragment_utf8 : WSC_UTF8_ACCEPT, opcode, data, size, fin);
  if (utf8 == WSC_UTF8_REJECT) return WSC_ERR_UTF8;
  bool compress = conn->deflate != NULL, written = size > 0 || fin;
  wsc_frame frame = {.fin = fin,
                     .rsv = compress && !continued ? 4 : 0,
                     .opcode = continued ? WSC_OP_CONTINUATION : (uint8_t)opcode};
  if (written) result = send_data(conn, frame, data, size, compress);
  if (result != WSC_OK) return result;
  conn->sending = fin ? WSC_SEND_WHOLE : written || continued ? WSC_SEND_CONTINUED : WSC_SEND_BEGUN;
  conn->fragment_opcode = (uint8_t)opcode;
  conn->fragment_utf8 = utf8;
  if (fin) conn->stats.messages_out++;
  return WSC_OK;
}

int wsc_conn_ping(wsc_conn *conn, const void *data, size_t size) {
  assert(size <= WSC_CONTROL_PAYLOAD_MAX);
  int result = check_room(conn, size);
  if (result != WSC_OK) return result;
  wsc_frame frame = {.fin = true, .opcode = WSC_OP_PING, .size = size};
  result = wsc_conn_queue_frame(conn, &frame, data);
  if (result == WSC_OK) wsc_conn_note_ping(conn, data, size);
  return result;
}

/* ---------------------------------------------------------------- looking on */

wsc_state wsc_conn_state(const wsc_conn *conn) {
  return conn->state;
}

const wsc_response *wsc_conn_response(const wsc_conn *conn) {
  return &conn->response;
}

const char *wsc_conn_protocol(const wsc_conn *conn) {
  return conn->protocol;
}

const wsc_agreed_extension *wsc_conn_extensions(const wsc_conn *conn, size_t *count) {
  *count = conn->agreed_count;
  return conn->agreed;
}

const wsc_conn_stats *wsc_conn_get_stats(const wsc_conn *conn) {
  return &conn->stats;
}
