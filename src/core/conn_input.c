/* Bytes in: they become events, those of the handshake in conn_open.c. */
#include "conn.h"

#include <assert.h>
#include <string.h>

#include "mask.h"

#include "hidden.h"

/* One read brings many small frames; larger ones lend what is left of them. */
#define INPUT_ROOM WSC_SPARE_SIZE

/* While large messages are taken, the next block is made for one like the last: with its head and a
 * NUL, and little more that would have to be moved. */
enum { TAKEN_MAX = 1 << 20, TAKEN_ROOM = 64 };

static size_t room_to_read(const wsc_conn *conn) {
  size_t like_last = (size_t)conn->taken + TAKEN_ROOM;
  return like_last > INPUT_ROOM ? like_last : INPUT_ROOM;
}

static void release_lent(wsc_conn *conn) {
  wsc_buf_consume(&conn->input, conn->lent);
  conn->lent = 0;
  if (!conn->trace) return;
  wsc_buf_consume(&conn->trace->records, conn->trace->lent);
  conn->trace->lent = 0;
}

static bool waits_for_whole_frame(const wsc_conn *conn) {
  return conn->frame_part != WSC_PART_HEAD && conn->reading <= WSC_READ_NO_PONG &&
         !wsc_opcode_is_control(conn->frame.opcode) &&
         wsc_message_is_whole(&conn->message, &conn->frame);
}

/* The block is the message's alone, with a place for a NUL: nothing is read beyond its end. */
static bool gets_own_block(const wsc_conn *conn, size_t missing) {
  return missing > INPUT_ROOM ||
         (missing > 0 && conn->taken > 0 && conn->frame.size >= WSC_TAKE_MIN);
}

uint8_t *wsc_conn_input(wsc_conn *conn, size_t *room) {
  if (wsc_conn_is_closed(conn) || wsc_conn_input_ended(conn)) return NULL;
  release_lent(conn);
  size_t missing = 0, have = wsc_buf_size(&conn->input);
  /* the head passed the limits, so the size is one we are ready to hold */
  if (waits_for_whole_frame(conn) && conn->frame_left > have)
    missing = (size_t)conn->frame_left - have;
  *room = missing;
  size_t wanted = room_to_read(conn);
  if (conn->taken > 0 && have == 0 && conn->input.capacity > wanted) wsc_buf_free(&conn->input);
  if (!conn->input.block && wanted == INPUT_ROOM && missing <= INPUT_ROOM)
    wsc_buf_borrow_spare(&conn->input);
  uint8_t *data = gets_own_block(conn, missing) ? wsc_buf_reserve_exact(&conn->input, missing + 1)
                                                : wsc_buf_reserve(&conn->input, wanted, room);
  if (!data) wsc_conn_fail(conn, WSC_ERR_MEMORY, wsc_conn_phase(conn), "no memory to read more");
  return data;
}

void wsc_conn_return_input(wsc_conn *conn) {
  if (wsc_buf_size(&conn->input) == 0) wsc_buf_return_spare(&conn->input);
}

void wsc_conn_input_done(wsc_conn *conn, size_t n) {
  if (n == 0) wsc_conn_return_input(conn);
  if (n == 0) return;
  wsc_buf_commit(&conn->input, n);
  conn->stats.bytes_in += n;
  conn->parsed = false;
  wsc_conn_note_input(conn);
}

bool wsc_conn_wants_input(const wsc_conn *conn) {
  return !wsc_conn_is_closed(conn) && !wsc_conn_input_ended(conn) && conn->parsed;
}

/* ---------------------------------------------------------------- frames */

static wsc_input_step fail_frame(wsc_conn *conn, int error, const char *sentence) {
  wsc_conn_fail(conn, error, wsc_conn_phase(conn), sentence);
  return WSC_INPUT_AGAIN;
}

static int check_frame(wsc_conn *conn, wsc_message_fault *fault) {
  const wsc_frame *frame = &conn->frame;
  if (frame->masked != conn->server) {
    fault->text =
        conn->server ? "the client sent a frame that is not masked" : "the server masked a frame";
    return WSC_ERR_PROTOCOL;
  }
  if (wsc_opcode_is_control(frame->opcode)) {
    fault->text = "a control frame has a reserved bit set";
    return frame->rsv ? WSC_ERR_PROTOCOL : WSC_OK;
  }
  if (conn->reading == WSC_READ_FOR_CLOSE) return WSC_OK;
  return wsc_message_frame(&conn->message, frame, conn->deflate != NULL, &conn->limits, fault);
}

static wsc_input_step read_head(wsc_conn *conn) {
  wsc_message_fault fault;
  int size = wsc_frame_read_head(&conn->frame, wsc_buf_data(&conn->input),
                                 wsc_buf_size(&conn->input), &fault.text);
  if (size == 0) return WSC_INPUT_MORE;
  if (size < 0 && wsc_conn_meets_http(conn)) return wsc_conn_read_http(conn);
  if (size < 0) return fail_frame(conn, size, fault.text);
  wsc_buf_consume(&conn->input, (size_t)size);
  conn->frame_part = conn->trace ? WSC_PART_TRACE : WSC_PART_PAYLOAD;
  conn->frame_left = conn->frame.size;
  conn->frame_checked = 0;
  conn->stats.frames_in++;
  int result = check_frame(conn, &fault);
  return result == WSC_OK ? WSC_INPUT_AGAIN : fail_frame(conn, result, fault.text);
}

/* A lent empty payload still has an address. */
static void lend(wsc_event *event, wsc_event_type type, const uint8_t *data, size_t size) {
  event->type = type;
  event->data = size ? data : (const uint8_t *)"";
  event->size = size;
}

static void count_message(wsc_conn *conn, uint64_t size) {
  wsc_message_end(&conn->message);
  conn->stats.messages_in++;
  conn->stats.payload_in += size;
  conn->stats.wire_in += conn->message.wire_size;
}

static wsc_input_step end_message(wsc_conn *conn, wsc_event *event, const uint8_t *data,
                                  size_t size) {
  conn->frame_part = WSC_PART_HEAD;
  if (size < WSC_TAKE_MIN) conn->taken = 0;
  count_message(conn, size);
  event->opcode = conn->message.opcode;
  lend(event, WSC_EVENT_MESSAGE, data, size);
  return WSC_INPUT_EVENT;
}

static void unmask(const wsc_conn *conn, uint8_t *data, size_t size, size_t offset) {
  if (conn->frame.masked) wsc_mask_copy(data, data, size, conn->frame.key, offset);
}

/* The message is this one plain frame: it is checked as it grows and lent where it lies. */
static wsc_input_step read_whole_message(wsc_conn *conn, wsc_event *event) {
  uint8_t *data = wsc_buf_data(&conn->input);
  size_t size = (size_t)conn->frame.size;
  size_t have = wsc_buf_size(&conn->input) < size ? wsc_buf_size(&conn->input) : size;
  size_t checked = conn->frame_checked;
  wsc_message_fault fault;
  if (have > checked) unmask(conn, data + checked, have - checked, checked);
  const uint8_t *fresh = have > checked ? data + checked : NULL;
  int result = wsc_message_check(&conn->message, fresh, have - checked, have == size, &fault);
  if (result != WSC_OK) return fail_frame(conn, result, fault.text);
  conn->frame_checked = have;
  if (have < size) return WSC_INPUT_MORE;
  conn->lent = size;
  return end_message(conn, event, data, size);
}

static wsc_input_step read_fragment(wsc_conn *conn, wsc_event *event) {
  size_t have = wsc_buf_size(&conn->input);
  size_t n = have < conn->frame_left ? have : (size_t)conn->frame_left;
  if (n == 0 && conn->frame_left > 0) return WSC_INPUT_MORE;
  uint8_t *data = wsc_buf_data(&conn->input);
  if (n) unmask(conn, data, n, (size_t)((conn->frame.size - conn->frame_left) % 4));
  bool last = conn->frame.fin && n == conn->frame_left;
  wsc_message_fault fault = {.text = "no memory for a message"};
  int result = wsc_message_add(&conn->message, conn->deflate, data, n, last,
                               conn->limits.message_size_max, &fault);
  if (result != WSC_OK) return fail_frame(conn, result, fault.text);
  wsc_buf_consume(&conn->input, n);
  conn->frame_left -= n;
  if (conn->frame_left > 0) return WSC_INPUT_MORE;
  conn->frame_part = WSC_PART_HEAD;
  if (!last) return WSC_INPUT_AGAIN;
  return end_message(conn, event, wsc_buf_data(&conn->message.body),
                     wsc_buf_size(&conn->message.body));
}

static wsc_input_step lend_piece(wsc_conn *conn, wsc_event *event, const wsc_piece *piece) {
  bool over = conn->frame_left == 0 && !wsc_deflate_holds(conn->deflate);
  bool last = over && conn->frame.fin;
  if (over) conn->frame_part = WSC_PART_HEAD;
  conn->lent = piece->taken;
  if (piece->size == 0 && !last) {
    release_lent(conn);
    return over ? WSC_INPUT_AGAIN : WSC_INPUT_MORE;
  }
  if (last) count_message(conn, conn->message.given);
  event->opcode = conn->message.opcode;
  event->last = last;
  lend(event, WSC_EVENT_PIECE, piece->data, piece->size);
  return WSC_INPUT_PIECE;
}

/* What has come of the message is given at once, where it lies or inflated, and never put together.
 * A piece may be full with less than what is there: what was unmasked of that, once, stays. */
static wsc_input_step read_piece(wsc_conn *conn, wsc_event *event) {
  size_t have = wsc_buf_size(&conn->input), clear = conn->frame_checked;
  size_t n = have < conn->frame_left ? have : (size_t)conn->frame_left;
  if (n == 0 && conn->frame_left > 0 && !wsc_deflate_holds(conn->deflate)) return WSC_INPUT_MORE;
  uint8_t none = 0, *data = n > 0 ? wsc_buf_data(&conn->input) : &none;
  size_t offset = (size_t)((conn->frame.size - conn->frame_left + clear) % 4);
  if (n > clear) unmask(conn, data + clear, n - clear, offset);
  wsc_piece piece = {0};
  wsc_message_fault fault = {.text = "no memory for a message"};
  int result = wsc_message_take(&conn->message, conn->deflate, data, n,
                                conn->frame.fin && n == conn->frame_left,
                                conn->limits.message_size_max, &piece, &fault);
  if (result != WSC_OK) return fail_frame(conn, result, fault.text);
  conn->frame_left -= piece.taken;
  conn->frame_checked = n - piece.taken;
  return lend_piece(conn, event, &piece);
}

/* The last frame of a message that nobody takes is one message dropped. */
static wsc_input_step skip_frame(wsc_conn *conn) {
  size_t have = wsc_buf_size(&conn->input);
  size_t n = have < conn->frame_left ? have : (size_t)conn->frame_left;
  wsc_buf_consume(&conn->input, n);
  conn->frame_left -= n;
  if (conn->frame_left > 0) return WSC_INPUT_MORE;
  conn->frame_part = WSC_PART_HEAD;
  conn->dropped += conn->frame.fin;
  return WSC_INPUT_AGAIN;
}

static wsc_input_step handle_control(wsc_conn *conn, wsc_event *event, const uint8_t *payload,
                                     size_t size) {
  conn->frame_part = WSC_PART_HEAD;
  if (conn->frame.opcode == WSC_OP_CLOSE) {
    wsc_conn_got_close(conn, payload, size);
    wsc_buf_consume(&conn->input, size);
    return WSC_INPUT_AGAIN;
  }
  conn->lent = size;
  if (conn->reading == WSC_READ_FOR_CLOSE) {
    release_lent(conn);
    return WSC_INPUT_AGAIN;
  }
  if (conn->frame.opcode == WSC_OP_PING) {
    conn->stats.pings_in++;
    bool answered = conn->reading != WSC_READ_ALL || wsc_conn_answer_ping(conn, payload, size);
    if (!answered) conn->lent = 0;
    if (!answered) return fail_frame(conn, WSC_ERR_MEMORY, "no memory to answer a ping");
    lend(event, WSC_EVENT_PING, payload, size);
  } else {
    wsc_conn_got_pong(conn, payload, size, &event->rtt_us);
    lend(event, WSC_EVENT_PONG, payload, size);
  }
  return WSC_INPUT_EVENT;
}

static wsc_input_step read_control(wsc_conn *conn, wsc_event *event) {
  size_t size = (size_t)conn->frame.size;
  if (wsc_buf_size(&conn->input) < size) return WSC_INPUT_MORE;
  uint8_t *payload = wsc_buf_data(&conn->input);
  if (size) unmask(conn, payload, size, 0);
  conn->frame.masked = false; /* in place, so once */
  if (conn->frame_part == WSC_PART_PAYLOAD) return handle_control(conn, event, payload, size);
  conn->frame_part = WSC_PART_PAYLOAD;
  wsc_conn_trace(conn, false, &conn->frame, payload);
  return WSC_INPUT_AGAIN;
}

static wsc_input_step read_frame(wsc_conn *conn, wsc_event *event) {
  if (conn->frame_part == WSC_PART_HEAD) {
    wsc_input_step step = read_head(conn);
    if (step != WSC_INPUT_AGAIN || conn->reading == WSC_READ_NOTHING) return step;
  }
  if (wsc_opcode_is_control(conn->frame.opcode)) return read_control(conn, event);
  if (conn->frame_part == WSC_PART_TRACE) {
    if (wsc_buf_size(&conn->input) < wsc_conn_traced_size(conn, &conn->frame))
      return WSC_INPUT_MORE;
    conn->frame_part = WSC_PART_PAYLOAD;
    wsc_conn_trace(conn, false, &conn->frame, wsc_buf_data(&conn->input));
    return WSC_INPUT_AGAIN;
  }
  if (conn->reading == WSC_READ_FOR_CLOSE) return skip_frame(conn);
  if (wsc_message_is_whole(&conn->message, &conn->frame)) return read_whole_message(conn, event);
  if (conn->message.piece_size_max > 0) return read_piece(conn, event);
  return read_fragment(conn, event);
}

/* ---------------------------------------------------------------- events */

static wsc_input_step parse(wsc_conn *conn, wsc_event *event) {
  switch (conn->reading) {
  case WSC_READ_HEAD:
    return wsc_conn_read_handshake(conn, event);
  case WSC_READ_BODY:
    return wsc_conn_read_body(conn);
  case WSC_READ_NOTHING:
  case WSC_READ_TOLD:
    wsc_buf_truncate(&conn->input, 0);
    return WSC_INPUT_MORE;
  default:
    return read_frame(conn, event);
  }
}

static bool next_trace(wsc_conn *conn, wsc_event *event) {
  if (!conn->trace || wsc_buf_size(&conn->trace->records) == 0) return false;
  const uint8_t *record = wsc_buf_data(&conn->trace->records);
  memcpy(&event->frame, record, sizeof event->frame);
  size_t kept = event->frame.payload_size;
  event->frame.payload = kept ? record + sizeof event->frame : NULL;
  conn->trace->lent = sizeof event->frame + kept;
  event->type = WSC_EVENT_FRAME;
  return true;
}

static bool next_close(wsc_conn *conn, wsc_event *event) {
  if (!wsc_conn_is_closed(conn)) return false;
  if (conn->reading == WSC_READ_TOLD) return true;
  event->type = WSC_EVENT_CLOSE;
  conn->reading = WSC_READ_TOLD;
  conn->parsed = true;
  if (!conn->response.body) wsc_buf_drop(&conn->input); /* else that lies there */
  return true;
}

/* Nothing more can be made of the input that is there.  True: the end may have come, look again. */
static bool at_rest(wsc_conn *conn) {
  conn->parsed = true;
  wsc_conn_return_input(conn);
  if (wsc_conn_input_ended(conn))
    wsc_conn_end(conn);
  else
    wsc_conn_expire(conn);
  return wsc_conn_is_closed(conn);
}

/* The event was the last of the input there is: whoever asks need not ask again to know it. */
static void note_last_event(wsc_conn *conn) {
  conn->parsed = wsc_buf_size(&conn->input) == conn->lent && conn->state == WSC_OPEN &&
                 !wsc_conn_input_ended(conn) && !conn->trace;
}

wsc_event_type wsc_conn_next_event(wsc_conn *conn, wsc_event *event) {
  release_lent(conn);
  *event = (wsc_event){.type = WSC_EVENT_NONE, .rtt_us = WSC_NEVER};
  for (;;) {
    if (next_trace(conn, event) || next_close(conn, event)) break;
    wsc_input_step result = parse(conn, event);
    if (result == WSC_INPUT_EVENT) {
      note_last_event(conn);
      break;
    }
    if (result == WSC_INPUT_PIECE) break;
    if (result == WSC_INPUT_MORE && !at_rest(conn)) break;
  }
  return event->type;
}

void *wsc_conn_take_message(wsc_conn *conn, wsc_event *event) {
  assert(event->type == WSC_EVENT_MESSAGE);
  if (event->size < WSC_TAKE_MIN) return NULL;
  conn->taken = event->size < TAKEN_MAX ? (uint32_t)event->size : TAKEN_MAX;
  wsc_buf *buf = conn->lent > 0 ? &conn->input : &conn->message.body;
  void *block = wsc_buf_take(buf, event->size, &event->data);
  if (block) conn->lent = 0;
  return block;
}

void wsc_conn_skip_input(wsc_conn *conn) {
  wsc_event event;
  release_lent(conn);
  while (!wsc_conn_is_closed(conn) && parse(conn, &event) != WSC_INPUT_MORE) release_lent(conn);
  if (!wsc_conn_is_closed(conn)) at_rest(conn);
}
