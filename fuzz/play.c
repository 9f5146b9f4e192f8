#include "play.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER                                                                                     \
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"              \
  "Sec-WebSocket-Accept: " FUZZ_ACCEPT "\r\n"
#define REQUEST                                                                                    \
  "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                     \
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
#define EXTENSIONS "Sec-WebSocket-Extensions: permessage-deflate"
#define NO_TAKEOVER                                                                                \
  "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8"

const char fuzz_answer[] = ANSWER "\r\n";
const char fuzz_answer_deflate[] = ANSWER EXTENSIONS "\r\n\r\n";
const char fuzz_answer_no_takeover[] = ANSWER EXTENSIONS NO_TAKEOVER "\r\n\r\n";
const char fuzz_request[] = REQUEST "\r\n";
const char fuzz_request_deflate[] = REQUEST EXTENSIONS "; client_max_window_bits\r\n\r\n";

void fuzz_plan_config(const fuzz_plan *plan, wsc_config *config, const wsc_platform *platform) {
  wsc_config_init(config, platform);
  config->server = plan->server;
  config->trace = config->trace_payloads = plan->trace;
  config->piece_size_max = plan->piece_size;
  config->url = "ws://a.example/";
  config->extensions = plan->extensions;
  config->extension_count = plan->extension_count;
  config->protocols = plan->protocols;
  config->protocol_count = plan->protocol_count;
  config->limits.message_size_max = FUZZ_MESSAGE_MAX;
  config->limits.frame_size_max = FUZZ_FRAME_MAX;
  config->limits.fragments_max = FUZZ_FRAGMENTS_MAX;
  config->limits.header_size_max = 1000;
  config->limits.send_queue_size_max = 4000;
}

/* ---------------------------------------------------------------- the program's side */

void fuzz_act(wsc_conn *conn, uint8_t action, fuzz_log *log) {
  static const char long_text[] =
      "a text that compresses, a text that compresses, a text that compresses, and then some; "
      "a text that compresses, a text that compresses, a text that compresses, and then some; ";
  int result = WSC_OK;
  switch (action % 12) {
  case 1:
    result = wsc_conn_send(conn, 1, "hello", 5, 0);
    break;
  case 2:
    result = wsc_conn_send(conn, 2, long_text, sizeof long_text, 0);
    break;
  case 3:
    result = wsc_conn_send(conn, 1, "\xC3", 1, 0);
    break;
  case 4:
    result = wsc_conn_ping(conn, "ping", 4);
    break;
  case 5:
    result = wsc_conn_close(conn, 1000, "bye", 3);
    break;
  case 6:
    result = wsc_conn_close(conn, 0, "", 0);
    break;
  case 7:
    result = wsc_conn_close(conn, 4999, "\xFF", 1);
    break;
  case 8:
    result = wsc_conn_send_fragment(conn, 1, "\xE2\x82", 2, false);
    break;
  case 9:
    result = wsc_conn_send_fragment(conn, 1, "\xAC", 1, true);
    break;
  case 10:
    result = wsc_conn_send_fragment(conn, 2, long_text, sizeof long_text, false);
    break;
  case 11:
    result = wsc_conn_send(conn, 2, "", 0, WSC_SEND_UNCOMPRESSED);
    break;
  default:
    return;
  }
  fuzz_log_line(log, "action %d: %s", action % 12, wsc_error_name(result));
}

/* The registry once more, RFC 6455 7.4.2, so that the core is not checked by itself. */
static bool may_travel(unsigned code) {
  static const unsigned assigned[] = {1000, 1001, 1002, 1003, 1007, 1008,
                                      1009, 1010, 1011, 1012, 1013, 1014};
  for (size_t i = 0; i < sizeof assigned / sizeof *assigned; i++)
    if (code == assigned[i]) return true;
  return code / 1000 == 3 || code / 1000 == 4;
}

static bool reportable(unsigned code) {
  return may_travel(code) || code == 1005 || code == 1006 || code == 1015;
}

/* Of the peer's any code may be told, as long as it is told to be wrong. */
static void log_close_frame(fuzz_log *log, const char *name, const wsc_close_frame *frame,
                            bool may_be_wrong) {
  if (!frame->present) return;
  fuzz_log_line(log, "%s %u", name, frame->code);
  fuzz_log_bytes(log, name, frame->reason, frame->reason_size);
  fuzz_check(may_be_wrong || frame->code == 1005 || may_travel(frame->code),
             "a code that never travels");
  fuzz_check(frame->reason_size <= WSC_REASON_MAX, "a reason over 123 bytes");
  fuzz_check(fuzz_is_utf8((const uint8_t *)frame->reason, frame->reason_size),
             "a reason not UTF-8");
}

static void take_close(wsc_conn *conn, fuzz_log *log) {
  const wsc_close_info *info = wsc_conn_close_info(conn);
  fuzz_check(reportable(info->code), "a code that nobody may see");
  fuzz_check(wsc_conn_state(conn) == WSC_CLOSED, "closed, yet not in that state");
  fuzz_log_line(log, "close %u clean %d opened %d by %d undelivered %zu dropped %llu", info->code,
                info->clean, info->opened, info->by, info->undelivered,
                (unsigned long long)info->dropped);
  fuzz_log_line(log, "error %s in %s: %s", wsc_error_name(info->error), wsc_phase_name(info->phase),
                info->error_text ? info->error_text : "");
  fuzz_log_bytes(log, "reason", info->reason, info->reason_size);
  log_close_frame(log, "sent", &info->sent, false);
  log_close_frame(log, "received", &info->received, info->error != WSC_OK);
}

static void take_frame(const wsc_frame_info *frame, fuzz_log *log) {
  fuzz_log_line(log, "frame out %d fin %d rsv1 %d masked %d opcode %d size %llu", frame->outgoing,
                frame->fin, frame->rsv1, frame->masked, frame->opcode,
                (unsigned long long)frame->size);
  if (frame->payload) fuzz_log_bytes(log, "payload", frame->payload, frame->payload_size);
}

void fuzz_take(wsc_conn *conn, const wsc_event *event, fuzz_log *log) {
  fuzz_log_line(log, "event %d opcode %d", event->type, event->opcode);
  switch (event->type) {
  case WSC_EVENT_MESSAGE:
    fuzz_check(event->size <= FUZZ_MESSAGE_MAX, "a message over its limit");
    fuzz_check(event->opcode == 1 || event->opcode == 2, "a message of no kind");
    fuzz_check(event->opcode == 2 || fuzz_is_utf8(event->data, event->size), "text not UTF-8");
    fuzz_log_bytes(log, "data", event->data, event->size);
    break;
  case WSC_EVENT_PIECE:
    fuzz_check(event->size > 0 || event->last, "a piece of nothing");
    fuzz_log_bytes(log, event->last ? "last" : "piece", event->data, event->size);
    break;
  case WSC_EVENT_PING:
  case WSC_EVENT_PONG:
    fuzz_check(event->size <= 125, "a control frame over 125 bytes");
    fuzz_log_bytes(log, "data", event->data, event->size);
    break;
  case WSC_EVENT_FRAME:
    take_frame(&event->frame, log);
    break;
  case WSC_EVENT_CLOSE:
    take_close(conn, log);
    break;
  default:
    break;
  }
}

/* ---------------------------------------------------------------- the output */

static uint64_t read_number(fuzz_input bytes) {
  uint64_t number = 0;
  while (bytes.size > 0) number = number << 8 | fuzz_byte(&bytes);
  return number;
}

/* A payload's size, RFC 6455 5.2: in the shortest form. */
static size_t read_size(fuzz_input *output, uint8_t second) {
  unsigned form = second & 127u;
  if (form < 126) return form;
  fuzz_input bytes = fuzz_piece(output, form == 126 ? 2 : 8);
  uint64_t size = read_number(bytes);
  fuzz_check(size > (form == 126 ? 125u : 65535u), "a frame's size is not in the shortest form");
  return (size_t)size;
}

typedef struct output_state {
  bool fragmented, closed;
  size_t messages;
} output_state;

static void check_close(fuzz_input payload, const uint8_t key[4]) {
  fuzz_check(payload.size != 1, "a Close with half a code");
  if (payload.size == 0) return;
  unsigned high = payload.data[0] ^ (unsigned)key[0], low = payload.data[1] ^ (unsigned)key[1];
  fuzz_check(may_travel(high << 8 | low), "a Close with a code that never travels");
}

static void check_opcode(output_state *state, unsigned opcode, bool fin, size_t size) {
  if (opcode >= 8) {
    fuzz_check(opcode <= 10 && fin && size <= 125, "an ill-formed control frame goes out");
    return;
  }
  fuzz_check(opcode <= 2, "a frame of no kind goes out");
  fuzz_check((opcode == 0) == state->fragmented, "fragments go out of order");
  state->fragmented = !fin;
}

/* What stands before the payload of the frame in front: 2 to 14 bytes. */
static size_t head_size(fuzz_input output) {
  if (output.size < 2) return 2;
  unsigned second = output.data[1], form = second & 127u;
  return 2u + (form == 126 ? 2u : form == 127 ? 8u : 0u) + (second & 128u ? 4u : 0u);
}

/* False: the frame in front is not all there. */
static bool check_frame(fuzz_input *output, output_state *state, bool server) {
  fuzz_check(!state->closed, "a frame goes out behind the Close");
  if (output->size < head_size(*output)) return false;
  uint8_t first = fuzz_byte(output), second = fuzz_byte(output);
  unsigned opcode = first & 15u;
  fuzz_check((first & 0x30) == 0, "a reserved bit goes out");
  fuzz_check((first & 0x40) == 0 || opcode == 1 || opcode == 2, "RSV1 stands where it may not");
  fuzz_check((second >> 7) == !server, "masked by the wrong side");
  size_t size = read_size(output, second);
  uint8_t key[4] = {0};
  for (int i = 0; i < 4 && !server; i++) key[i] = fuzz_byte(output);
  check_opcode(state, opcode, first & 0x80, size);
  fuzz_input payload = fuzz_piece(output, size);
  if (payload.size < size) return false;
  if (opcode == 8) check_close(payload, key);
  state->closed = opcode == 8;
  state->messages += opcode < 8 && first & 0x80;
  return true;
}

static const uint8_t *find_head_end(fuzz_input output) {
  for (size_t i = 3; i < output.size; i++)
    if (memcmp(output.data + i - 3, "\r\n\r\n", 4) == 0) return output.data + i + 1;
  return NULL;
}

size_t fuzz_check_output(fuzz_input output, bool server, bool whole) {
  const uint8_t *end = find_head_end(output);
  fuzz_check(end || output.size == 0 || !whole, "a head without end goes out");
  if (!end) return 0;
  if (server && memcmp(output.data, "HTTP/1.1 101 ", 13) != 0) return 0;
  fuzz_piece(&output, (size_t)(end - output.data));
  output_state state = {.closed = false};
  bool complete = true;
  while (output.size > 0 && complete) complete = check_frame(&output, &state, server);
  fuzz_check(complete || !whole, "a frame goes out cut short");
  return state.messages;
}

/* ---------------------------------------------------------------- one run */

typedef struct run {
  const fuzz_plan *plan;
  wsc_conn *conn;
  fuzz_input actions;
  bool closed, written;
  fuzz_log log;
  size_t joined_size;
  uint8_t joined[FUZZ_MESSAGE_MAX]; /* the pieces of a message so far */
} run;

/* The last piece of a message becomes the message.  False: it was another. */
static bool join(run *r, wsc_event *event) {
  bool large = event->size > r->plan->piece_size || event->size > FUZZ_MESSAGE_MAX - r->joined_size;
  fuzz_check(!large, "a piece too large");
  fuzz_check(event->size > 0 || event->last, "a piece of nothing");
  memcpy(r->joined + r->joined_size, event->data, event->size);
  r->joined_size += event->size;
  if (!event->last) return false;
  event->type = WSC_EVENT_MESSAGE;
  event->data = r->joined;
  event->size = r->joined_size;
  r->joined_size = 0;
  return true;
}

static void take_events(run *r) {
  wsc_event event;
  while (wsc_conn_next_event(r->conn, &event) != WSC_EVENT_NONE) {
    if (event.type == WSC_EVENT_PIECE && !join(r, &event)) continue;
    fuzz_check(!r->closed, "an event behind the close event");
    r->closed = event.type == WSC_EVENT_CLOSE;
    fuzz_take(r->conn, &event, &r->log);
    if (!r->closed) fuzz_act(r->conn, fuzz_byte(&r->actions), &r->log);
    if (r->closed) break;
  }
  if (r->closed)
    fuzz_check(wsc_conn_next_event(r->conn, &event) == WSC_EVENT_NONE, "an event after the end");
}

/* Pieces of the sizes in `cuts`, over and over; no cuts: one piece. */
static void feed(run *r, fuzz_input bytes, fuzz_input cuts) {
  for (size_t i = 0; bytes.size > 0; i++) {
    size_t wanted = cuts.size > 0 ? (size_t)cuts.data[i % cuts.size] + 1 : bytes.size;
    size_t room = 0;
    uint8_t *to = wsc_conn_input(r->conn, &room);
    if (!to) return;
    fuzz_input piece = fuzz_piece(&bytes, wanted < room ? wanted : room);
    memcpy(to, piece.data, piece.size);
    wsc_conn_input_done(r->conn, piece.size);
    take_events(r);
  }
}

static void log_stats(run *r) {
  const wsc_conn_stats *stats = wsc_conn_get_stats(r->conn);
  fuzz_log_line(&r->log, "messages %llu of %llu, on the wire %llu; pings %llu, pongs %llu",
                (unsigned long long)stats->messages_in, (unsigned long long)stats->payload_in,
                (unsigned long long)stats->wire_in, (unsigned long long)stats->pings_in,
                (unsigned long long)stats->pongs_in);
}

static void write_output(run *r) {
  fuzz_input output = {.size = 0};
  output.data = wsc_conn_output(r->conn, &output.size);
  fuzz_log_bytes(&r->log, "output", output.data, output.size);
  if (!r->written) fuzz_check_output(output, r->plan->server, true); /* the head is there once */
  r->written = true;
  wsc_conn_output_done(r->conn, output.size);
  take_events(r);
}

/* Half an HTTP answer in the place of frames fails at the end: a Close is still to be written. */
static void finish(run *r) {
  write_output(r);
  wsc_conn_input_eof(r->conn);
  take_events(r);
  if (!r->closed) write_output(r);
  fuzz_check(r->closed, "the end of the input brought no close event");
  log_stats(r);
}

static fuzz_log play(const fuzz_plan *plan, fuzz_input bytes, fuzz_input cuts) {
  fuzz_platform platform;
  fuzz_platform_init(&platform, SIZE_MAX);
  wsc_config config;
  fuzz_plan_config(plan, &config, &platform.face);
  run r = {.plan = plan, .conn = wsc_conn_new(&config), .actions = plan->actions};
  fuzz_check(r.conn != NULL, "no connection");
  feed(&r, bytes, cuts);
  finish(&r);
  wsc_conn_free(r.conn);
  fuzz_platform_done(&platform);
  return r.log;
}

void fuzz_hold_law(const fuzz_plan *plan, fuzz_input cuts) {
  static const uint8_t zero = 0;
  size_t head = strlen(plan->head);
  uint8_t *bytes = malloc(head + plan->stream.size + 1);
  fuzz_check(bytes != NULL, "the machine has no memory");
  memcpy(bytes, plan->head, head);
  if (plan->stream.size > 0) memcpy(bytes + head, plan->stream.data, plan->stream.size);
  fuzz_input all = {.data = bytes, .size = head + plan->stream.size};
  fuzz_log whole = play(plan, all, (fuzz_input){.size = 0});
  fuzz_log single = play(plan, all, (fuzz_input){.data = &zero, .size = 1});
  fuzz_log cut = play(plan, all, cuts);
  fuzz_plan in_pieces = *plan;
  in_pieces.piece_size = cuts.size > 0 ? (size_t)cuts.data[0] + 1 : 1;
  fuzz_log joined = play(&in_pieces, all, cuts);
  fuzz_log_compare(&whole, "in one piece", &single, "byte by byte");
  fuzz_log_compare(&whole, "in one piece", &cut, "in pieces");
  fuzz_log_compare(&whole, "in one piece", &joined, "with messages given in pieces");
  fuzz_log_free(&whole);
  fuzz_log_free(&single);
  fuzz_log_free(&cut);
  fuzz_log_free(&joined);
  free(bytes);
}
