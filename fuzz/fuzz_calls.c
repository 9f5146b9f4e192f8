/* Calls in any order the contract allows, time that runs, a transport that takes and gives little,
 * and an allocation that fails: no crash, no leak, one close event.
 *
 * Input: flags; after how many allocations memory runs out; then operations, some with bytes. */
#include "play.h"

#include <stdlib.h>
#include <string.h>

typedef struct caller {
  wsc_conn *conn;
  bool closed;
  uint64_t now_us;
  fuzz_log log;
} caller;

static void note(caller *c, const wsc_event *event) {
  fuzz_check(!c->closed, "an event behind the close event");
  c->closed = event->type == WSC_EVENT_CLOSE;
  fuzz_take(c->conn, event, &c->log);
}

static void take_event(caller *c) {
  wsc_event event;
  if (wsc_conn_next_event(c->conn, &event) != WSC_EVENT_NONE) note(c, &event);
}

static void take_events(caller *c) {
  for (wsc_event event; wsc_conn_next_event(c->conn, &event) != WSC_EVENT_NONE;) note(c, &event);
}

static void give_input(caller *c, fuzz_input bytes) {
  size_t room = 0;
  uint8_t *to = wsc_conn_input(c->conn, &room);
  if (!to) return;
  fuzz_check(room > 0, "no room is lent");
  if (bytes.size > room) bytes.size = room;
  if (bytes.size > 0) memcpy(to, bytes.data, bytes.size);
  wsc_conn_input_done(c->conn, bytes.size);
}

static void take_output(caller *c, size_t size) {
  size_t have = 0;
  const uint8_t *bytes = wsc_conn_output(c->conn, &have);
  fuzz_check(have == 0 || bytes, "output without an address");
  fuzz_log_bytes(&c->log, "output", bytes, have);
  wsc_conn_output_done(c->conn, have < size ? have : size);
}

static void pass_time(caller *c, uint8_t amount) {
  c->now_us += (uint64_t)amount * amount * 1000;
  wsc_conn_tick(c->conn, c->now_us);
}

static void operate(caller *c, uint8_t operation, fuzz_input *input) {
  static const int faults[] = {WSC_ERR_RESET, WSC_ERR_TLS, WSC_ERR_MEMORY, WSC_ERR_EOF};
  uint8_t choice = operation / 8;
  switch (operation % 8) {
  case 0:
    give_input(c, fuzz_piece(input, choice));
    break;
  case 1:
    take_event(c);
    break;
  case 2:
    take_output(c, (size_t)choice * 8);
    break;
  case 3:
    pass_time(c, (uint8_t)(choice * 8));
    break;
  case 4:
    fuzz_act(c->conn, choice, &c->log);
    break;
  case 5:
    take_events(c);
    break;
  case 6:
    give_input(c, fuzz_piece(input, fuzz_byte(input)));
    break;
  default:
    if (choice == 0) wsc_conn_input_eof(c->conn);
    if (choice == 1) wsc_conn_abort(c->conn, faults[fuzz_byte(input) % 4], WSC_PHASE_OPEN, "fault");
    take_event(c);
    break;
  }
}

/* Whatever was done before: once the transport has ended and taken what it was owed, the connection
 * is at its end. */
static void end(caller *c) {
  take_output(c, SIZE_MAX);
  wsc_conn_input_eof(c->conn);
  take_events(c);
  take_output(c, SIZE_MAX);
  take_events(c);
  fuzz_check(c->closed, "the end of the input brought no close event");
  fuzz_check(wsc_conn_finished(c->conn), "closed, and not finished");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { SERVER = 1, DEFLATE = 2, TRACE = 4, OPENED = 8, PIECES = 16 };
  fuzz_input input = {.data = data, .size = size};
  unsigned flags = fuzz_byte(&input);
  size_t fail_in = fuzz_byte(&input);
  wsc_extension deflate = {.name = "permessage-deflate"};
  fuzz_plan plan = {.server = flags & SERVER, .trace = flags & TRACE, .extensions = &deflate};
  plan.extension_count = flags & DEFLATE ? 1 : 0;
  plan.piece_size = flags & PIECES ? 5 : 0;
  fuzz_platform platform;
  fuzz_platform_init(&platform, fail_in == 255 ? SIZE_MAX : fail_in);
  wsc_config config;
  fuzz_plan_config(&plan, &config, &platform.face);
  caller c = {.conn = wsc_conn_new(&config)};
  if (c.conn) {
    const char *answer = flags & DEFLATE ? fuzz_answer_deflate : fuzz_answer;
    const char *request = flags & DEFLATE ? fuzz_request_deflate : fuzz_request;
    const char *head = plan.server ? request : answer;
    if (flags & OPENED)
      give_input(&c, (fuzz_input){.data = (const uint8_t *)head, .size = strlen(head)});
    while (input.size > 0) operate(&c, fuzz_byte(&input), &input);
    end(&c);
  }
  wsc_conn_free(c.conn);
  fuzz_log_free(&c.log);
  fuzz_platform_done(&platform);
  return 0;
}
