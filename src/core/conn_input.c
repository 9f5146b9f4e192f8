/* Bytes in: the handshake's answer and the frames behind it become events. */
#include "conn.h"

#include <assert.h>
#include <string.h>

#include "mask.h"

/* One read brings many small frames; larger ones lend what is left of them. */
#define INPUT_ROOM WSC_SPARE_SIZE

/* What a refusal's body is worth keeping of. */
#define BODY_MAX 4096u

typedef enum input_step { STEP_MORE, STEP_AGAIN, STEP_EVENT } input_step;

static void release_lent(wsc_conn *conn) {
  wsc_buf_consume(&conn->input, conn->lent);
  conn->lent = 0;
  if (!conn->trace) return;
  wsc_buf_consume(&conn->trace->records, conn->trace->lent);
  conn->trace->lent = 0;
}

static bool waits_for_whole_frame(const wsc_conn *conn) {
  return conn->frame_part != WSC_PART_HEAD && conn->reading <= WSC_READ_NO_PONG &&
         conn->reading >= WSC_READ_ALL && !wsc_opcode_is_control(conn->frame.opcode) &&
         wsc_message_is_whole(&conn->message, &conn->frame);
}

uint8_t *wsc_conn_input(wsc_conn *conn, size_t *room) {
  if (wsc_conn_is_closed(conn) || wsc_conn_input_ended(conn)) return NULL;
  release_lent(conn);
  size_t missing = 0, have = wsc_buf_size(&conn->input);
  /* the head passed the limits, so the size is one we are ready to hold */
  if (waits_for_whole_frame(conn) && conn->frame_left > have)
    missing = (size_t)conn->frame_left - have;
  *room = missing;
  if (!conn->input.block && missing <= INPUT_ROOM) wsc_buf_borrow_spare(&conn->input);
  uint8_t *data = missing > INPUT_ROOM ? wsc_buf_reserve_exact(&conn->input, missing)
                                       : wsc_buf_reserve(&conn->input, INPUT_ROOM, room);
  if (!data) wsc_conn_fail(conn, WSC_ERR_MEMORY, wsc_conn_phase(conn), "no memory to read more");
  return data;
}

/* Empty, the room to read into is for whichever connection reads next. */
static void return_input(wsc_conn *conn) {
  if (wsc_buf_size(&conn->input) == 0) wsc_buf_return_spare(&conn->input);
}

void wsc_conn_input_done(wsc_conn *conn, size_t n) {
  if (n == 0) return_input(conn);
  if (n == 0) return;
  wsc_buf_commit(&conn->input, n);
  conn->stats.bytes_in += n;
  conn->parsed = false;
  wsc_conn_note_input(conn);
}

bool wsc_conn_wants_input(const wsc_conn *conn) {
  return !wsc_conn_is_closed(conn) && !wsc_conn_input_ended(conn) && conn->parsed;
}

/* ---------------------------------------------------------------- the handshake */

static input_step fail_handshake(wsc_conn *conn, int error, const char *text) {
  wsc_conn_fail(conn, error, WSC_PHASE_HANDSHAKE, text);
  return STEP_AGAIN;
}

/* A refusal is reported with the beginning of its body, as far as it comes before the deadline. */
static input_step read_body(wsc_conn *conn) {
  size_t have = wsc_buf_size(&conn->input);
  bool complete = have >= conn->body_left;
  if (!complete && conn->body_chunked)
    wsc_http_dechunk(NULL, wsc_buf_data(&conn->input), have, &complete);
  if (!complete) return STEP_MORE;
  wsc_conn_finish(conn);
  return STEP_AGAIN;
}

void wsc_conn_keep_body(wsc_conn *conn) {
  uint8_t *body = wsc_buf_data(&conn->input);
  size_t have = wsc_buf_size(&conn->input), size = have < conn->body_left ? have : conn->body_left;
  bool complete;
  if (conn->body_chunked) size = wsc_http_dechunk(body, body, size, &complete);
  conn->response.body = body;
  conn->response.body_size = size;
}

static input_step refuse(wsc_conn *conn, const wsc_handshake_result *result) {
  wsc_conn_set_error(conn, WSC_ERR_HTTP, WSC_PHASE_HANDSHAKE, result->sentence);
  size_t size = wsc_handshake_body_size(&result->head);
  conn->body_left = size < BODY_MAX ? size : BODY_MAX;
  conn->body_chunked = wsc_http_has_token(&result->head, "Transfer-Encoding", "chunked");
  conn->reading = WSC_READ_BODY;
  return STEP_AGAIN;
}

static input_step open_connection(wsc_conn *conn, const wsc_handshake_result *result,
                                  wsc_event *event) {
  if (result->agreement.missing[0]) {
    wsc_conn_mandatory(conn, result->agreement.missing);
    return STEP_AGAIN;
  }
  conn->state = WSC_OPEN;
  conn->reading = WSC_READ_ALL;
  wsc_conn_start_timer(conn, &conn->ping_timer);
  conn->opened = true;
  event->type = WSC_EVENT_OPEN;
  return_input(conn); /* the next look for events may be long in coming */
  return STEP_EVENT;
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
  int status = result->head.status;
  return outcome == WSC_ERR_HTTP && status >= 100 && status <= 199;
}

static input_step check_answer(wsc_conn *conn, wsc_event *event, size_t size) {
  wsc_handshake_result result;
  int outcome = check_head(conn, &result, size);
  if (is_interim(&result, outcome)) {
    wsc_handshake_result_free(&result);
    return STEP_AGAIN;
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
    return STEP_AGAIN;
  }
  if (outcome != WSC_OK) return fail_handshake(conn, outcome, result.sentence);
  return open_connection(conn, &result, event);
}

static input_step read_handshake(wsc_conn *conn, wsc_event *event) {
  size_t have = wsc_buf_size(&conn->input), max = conn->limits.header_size_max - conn->heads_size;
  size_t size = wsc_http_find_end(wsc_buf_data(&conn->input), have, &conn->head_scanned);
  if (size > max || (size == 0 && have >= max))
    return fail_handshake(conn, WSC_ERR_HANDSHAKE,
                          "the head of the handshake is longer than limits.header");
  if (size == 0) return STEP_MORE;
  conn->head_scanned = 0;
  conn->heads_size += size;
  return check_answer(conn, event, size);
}

/* ---------------------------------------------------------------- frames */

static input_step fail_frame(wsc_conn *conn, int error, const char *sentence) {
  wsc_conn_fail(conn, error, wsc_conn_phase(conn), sentence);
  return STEP_AGAIN;
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

static input_step read_head(wsc_conn *conn) {
  wsc_message_fault fault;
  int size = wsc_frame_read_head(&conn->frame, wsc_buf_data(&conn->input),
                                 wsc_buf_size(&conn->input), &fault.text);
  if (size == 0) return STEP_MORE;
  if (size < 0) return fail_frame(conn, size, fault.text);
  wsc_buf_consume(&conn->input, (size_t)size);
  conn->frame_part = conn->trace ? WSC_PART_TRACE : WSC_PART_PAYLOAD;
  conn->frame_left = conn->frame.size;
  conn->frame_checked = 0;
  conn->stats.frames_in++;
  int result = check_frame(conn, &fault);
  return result == WSC_OK ? STEP_AGAIN : fail_frame(conn, result, fault.text);
}

/* A lent empty payload still has an address. */
static void lend(wsc_event *event, wsc_event_type type, const uint8_t *data, size_t size) {
  event->type = type;
  event->data = size ? data : (const uint8_t *)"";
  event->size = size;
}

static input_step end_message(wsc_conn *conn, wsc_event *event, const uint8_t *data, size_t size) {
  conn->frame_part = WSC_PART_HEAD;
  wsc_message_end(&conn->message);
  conn->stats.messages_in++;
  conn->stats.payload_in += size;
  conn->stats.wire_in += conn->message.wire_size;
  event->opcode = conn->message.opcode;
  lend(event, WSC_EVENT_MESSAGE, data, size);
  return STEP_EVENT;
}

static void unmask(const wsc_conn *conn, uint8_t *data, size_t size, size_t offset) {
  if (conn->frame.masked) wsc_mask_copy(data, data, size, conn->frame.key, offset);
}

/* The message is this one plain frame: it is checked as it grows and lent where it lies. */
static input_step read_whole_message(wsc_conn *conn, wsc_event *event) {
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
  if (have < size) return STEP_MORE;
  conn->lent = size;
  return end_message(conn, event, data, size);
}

static input_step read_fragment(wsc_conn *conn, wsc_event *event) {
  size_t have = wsc_buf_size(&conn->input);
  size_t n = have < conn->frame_left ? have : (size_t)conn->frame_left;
  if (n == 0 && conn->frame_left > 0) return STEP_MORE;
  uint8_t *data = wsc_buf_data(&conn->input);
  if (n) unmask(conn, data, n, (size_t)((conn->frame.size - conn->frame_left) % 4));
  bool last = conn->frame.fin && n == conn->frame_left;
  wsc_message_fault fault = {.text = "no memory for a message"};
  int result = wsc_message_add(&conn->message, conn->deflate, data, n, last,
                               conn->limits.message_size_max, &fault);
  if (result != WSC_OK) return fail_frame(conn, result, fault.text);
  wsc_buf_consume(&conn->input, n);
  conn->frame_left -= n;
  if (conn->frame_left > 0) return STEP_MORE;
  conn->frame_part = WSC_PART_HEAD;
  if (!last) return STEP_AGAIN;
  return end_message(conn, event, wsc_buf_data(&conn->message.body),
                     wsc_buf_size(&conn->message.body));
}

/* The last frame of a message that nobody takes is one message dropped. */
static input_step skip_frame(wsc_conn *conn) {
  size_t have = wsc_buf_size(&conn->input);
  size_t n = have < conn->frame_left ? have : (size_t)conn->frame_left;
  wsc_buf_consume(&conn->input, n);
  conn->frame_left -= n;
  if (conn->frame_left > 0) return STEP_MORE;
  conn->frame_part = WSC_PART_HEAD;
  conn->dropped += conn->frame.fin;
  return STEP_AGAIN;
}

static input_step handle_control(wsc_conn *conn, wsc_event *event, const uint8_t *payload,
                                 size_t size) {
  conn->frame_part = WSC_PART_HEAD;
  if (conn->frame.opcode == WSC_OP_CLOSE) {
    wsc_conn_got_close(conn, payload, size);
    wsc_buf_consume(&conn->input, size);
    return STEP_AGAIN;
  }
  conn->lent = size;
  if (conn->reading == WSC_READ_FOR_CLOSE) {
    release_lent(conn);
    return STEP_AGAIN;
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
  return STEP_EVENT;
}

static input_step read_control(wsc_conn *conn, wsc_event *event) {
  size_t size = (size_t)conn->frame.size;
  if (wsc_buf_size(&conn->input) < size) return STEP_MORE;
  uint8_t *payload = wsc_buf_data(&conn->input);
  if (size) unmask(conn, payload, size, 0);
  conn->frame.masked = false; /* in place, so once */
  if (conn->frame_part == WSC_PART_PAYLOAD) return handle_control(conn, event, payload, size);
  conn->frame_part = WSC_PART_PAYLOAD;
  wsc_conn_trace(conn, false, &conn->frame, payload);
  return STEP_AGAIN;
}

static input_step read_frame(wsc_conn *conn, wsc_event *event) {
  if (conn->frame_part == WSC_PART_HEAD) return read_head(conn);
  if (wsc_opcode_is_control(conn->frame.opcode)) return read_control(conn, event);
  if (conn->frame_part == WSC_PART_TRACE) {
    conn->frame_part = WSC_PART_PAYLOAD;
    wsc_conn_trace(conn, false, &conn->frame, NULL);
    return STEP_AGAIN;
  }
  if (conn->reading == WSC_READ_FOR_CLOSE) return skip_frame(conn);
  if (wsc_message_is_whole(&conn->message, &conn->frame)) return read_whole_message(conn, event);
  return read_fragment(conn, event);
}

/* ---------------------------------------------------------------- events */

static input_step parse(wsc_conn *conn, wsc_event *event) {
  switch (conn->reading) {
  case WSC_READ_HEAD:
    return read_handshake(conn, event);
  case WSC_READ_BODY:
    return read_body(conn);
  case WSC_READ_NOTHING:
  case WSC_READ_TOLD:
    wsc_buf_truncate(&conn->input, 0);
    return STEP_MORE;
  default:
    return read_frame(conn, event);
  }
}

static bool next_trace(wsc_conn *conn, wsc_event *event) {
  if (!conn->trace || wsc_buf_size(&conn->trace->records) == 0) return false;
  const uint8_t *record = wsc_buf_data(&conn->trace->records);
  memcpy(&event->frame, record, sizeof event->frame);
  size_t kept = wsc_opcode_is_control(event->frame.opcode) ? (size_t)event->frame.size : 0;
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
  return_input(conn);
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
    input_step result = parse(conn, event);
    if (result == STEP_EVENT) {
      note_last_event(conn);
      break;
    }
    if (result == STEP_MORE && !at_rest(conn)) break;
  }
  return event->type;
}

void wsc_conn_skip_input(wsc_conn *conn) {
  wsc_event event;
  release_lent(conn);
  while (!wsc_conn_is_closed(conn) && parse(conn, &event) != STEP_MORE) release_lent(conn);
  if (!wsc_conn_is_closed(conn)) at_rest(conn);
}
