/* Frames, beside another library: what wslay makes of a server's bytes, and what wsclose does.  The
 * kinds of difference that are known stand in README.md; any other is a finding.
 *
 * Input: the cuts; the stream. */
#include "play.h"

#include <wslay/wslay.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a reader of the stream ended. */
typedef struct outcome {
  fuzz_log log;    /* messages and control frames before the end */
  unsigned code;   /* of the peer's Close, 1005 for none in it; or of ours; 0: neither */
  bool failed;     /* by a fault of the peer */
  char text[128];  /* what that was; of wsclose */
  fuzz_input left; /* not read yet */
} outcome;

static void log_payload(outcome *result, unsigned opcode, const void *data, size_t size) {
  fuzz_log_line(&result->log, "opcode %u", opcode);
  fuzz_log_bytes(&result->log, "payload", data, size);
}

/* ---------------------------------------------------------------- wslay */

static ssize_t give_bytes(wslay_event_context_ptr context, uint8_t *room, size_t size, int flags,
                          void *user) {
  outcome *result = user;
  fuzz_input piece = fuzz_piece(&result->left, size);
  (void)flags;
  if (piece.size == 0) wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
  if (piece.size > 0) memcpy(room, piece.data, piece.size);
  return piece.size > 0 ? (ssize_t)piece.size : -1;
}

static ssize_t take_bytes(wslay_event_context_ptr context, const uint8_t *bytes, size_t size,
                          int flags, void *user) {
  (void)context;
  (void)bytes;
  (void)flags;
  (void)user;
  return (ssize_t)size;
}

static int mask_with_zeros(wslay_event_context_ptr context, uint8_t *bytes, size_t size,
                           void *user) {
  (void)context;
  (void)user;
  memset(bytes, 0, size);
  return 0;
}

static void note_message(wslay_event_context_ptr context,
                         const struct wslay_event_on_msg_recv_arg *message, void *user) {
  outcome *result = user;
  (void)context;
  if (message->opcode != WSLAY_CONNECTION_CLOSE)
    log_payload(result, message->opcode, message->msg, message->msg_length);
  else
    result->code = message->status_code ? message->status_code : WSC_CLOSE_NO_STATUS;
}

static outcome read_with_wslay(fuzz_input stream) {
  outcome result = {.left = stream};
  struct wslay_event_callbacks callbacks = {.recv_callback = give_bytes,
                                            .send_callback = take_bytes,
                                            .genmask_callback = mask_with_zeros,
                                            .on_msg_recv_callback = note_message};
  wslay_event_context_ptr context;
  fuzz_check(wslay_event_context_client_init(&context, &callbacks, &result) == 0, "no context");
  wslay_event_config_set_max_recv_msg_length(context, FUZZ_MESSAGE_MAX);
  bool gave_up = wslay_event_recv(context) != 0;
  while (wslay_event_want_write(context) && wslay_event_send(context) == 0) continue;
  bool refused = wslay_event_get_close_sent(context) && !wslay_event_get_close_received(context);
  result.failed = gave_up || refused;
  if (refused) result.code = wslay_event_get_status_code_sent(context);
  wslay_event_context_free(context);
  return result;
}

/* ---------------------------------------------------------------- wsclose */

static void take_events(wsc_conn *conn, outcome *result) {
  wsc_event event;
  while (wsc_conn_next_event(conn, &event) != WSC_EVENT_NONE) {
    unsigned opcode = event.type == WSC_EVENT_PING   ? 9
                      : event.type == WSC_EVENT_PONG ? 10
                                                     : event.opcode;
    if (event.type == WSC_EVENT_CLOSE) break;
    if (event.type != WSC_EVENT_OPEN) log_payload(result, opcode, event.data, event.size);
  }
}

static void feed(wsc_conn *conn, fuzz_input bytes, fuzz_input cuts, outcome *result) {
  for (size_t i = 0; bytes.size > 0; i++) {
    size_t room, wanted = cuts.size > 0 ? cuts.data[i % cuts.size] + 1u : bytes.size;
    uint8_t *to = wsc_conn_input(conn, &room);
    if (!to) return;
    fuzz_input piece = fuzz_piece(&bytes, wanted < room ? wanted : room);
    memcpy(to, piece.data, piece.size);
    wsc_conn_input_done(conn, piece.size);
    take_events(conn, result);
  }
}

static void send_all(wsc_conn *conn) {
  size_t size;
  wsc_conn_output(conn, &size);
  wsc_conn_output_done(conn, size);
}

static outcome read_with_wsclose(fuzz_input stream, fuzz_input cuts) {
  fuzz_plan plan = {.server = false};
  fuzz_platform platform;
  wsc_config config;
  outcome result = {.code = 0};
  fuzz_platform_init(&platform, SIZE_MAX);
  fuzz_plan_config(&plan, &config, &platform.face);
  config.limits.frame_size_max = FUZZ_MESSAGE_MAX;
  config.limits.fragments_max = 100000;
  wsc_conn *conn = wsc_conn_new(&config);
  fuzz_check(conn != NULL, "no connection");
  fuzz_input head = {.data = (const uint8_t *)fuzz_answer, .size = strlen(fuzz_answer)};
  feed(conn, head, (fuzz_input){.size = 0}, &result);
  feed(conn, stream, cuts, &result);
  send_all(conn);
  wsc_conn_input_eof(conn);
  take_events(conn, &result);
  send_all(conn); /* a Close over half an HTTP answer */
  take_events(conn, &result);
  const wsc_close_info *info = wsc_conn_close_info(conn);
  result.failed = info->error != WSC_OK && info->error != WSC_ERR_EOF;
  result.code = result.failed ? info->sent.code : info->received.present ? info->received.code : 0;
  if (info->error == WSC_ERR_HTTP)
    snprintf(result.text, sizeof result.text, "an HTTP answer");
  else if (info->error_text)
    snprintf(result.text, sizeof result.text, "%s", info->error_text);
  wsc_conn_free(conn);
  fuzz_platform_done(&platform);
  return result;
}

/* ---------------------------------------------------------------- what differs */

static bool starts_with(const fuzz_log *log, const fuzz_log *start) {
  return start->size <= log->size &&
         (start->size == 0 || memcmp(log->text, start->text, start->size) == 0);
}

/* README.md, "Beside others", has who is right. */
static bool is_known(const outcome *ours, const outcome *theirs) {
  static const char *const missed_by_wslay[] = {"the server masked a frame",
                                                "the peer's Close frame has a body of one byte",
                                                "an HTTP answer"};
  bool waits = !theirs->failed && theirs->code == 0; /* for the rest of a frame */
  bool half_a_reason = theirs->code == WSC_CLOSE_INVALID_PAYLOAD && ours->code == 0;
  bool assigned_since = ours->code >= 1012 && ours->code <= 1014;
  if (!ours->failed) return theirs->failed && (assigned_since || half_a_reason);
  for (size_t i = 0; i < sizeof missed_by_wslay / sizeof *missed_by_wslay; i++)
    if (strcmp(ours->text, missed_by_wslay[i]) == 0) return true;
  return waits;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {.data = data, .size = size};
  fuzz_input cuts = fuzz_short_piece(&input);
  outcome ours = read_with_wsclose(input, cuts), theirs = read_with_wslay(input);
  bool same = ours.failed == theirs.failed && (ours.failed || ours.code == theirs.code);
  if (!same || !starts_with(&theirs.log, &ours.log) || !starts_with(&ours.log, &theirs.log)) {
    if (!is_known(&ours, &theirs)) {
      fuzz_log_line(&ours.log, "failed %d, code %u: %s", ours.failed, ours.code, ours.text);
      fuzz_log_line(&theirs.log, "failed %d, code %u", theirs.failed, theirs.code);
      fuzz_log_compare(&ours.log, "wsclose", &theirs.log, "wslay");
    }
  }
  fuzz_log_free(&ours.log);
  fuzz_log_free(&theirs.log);
  return 0;
}
