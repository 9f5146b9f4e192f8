/* Frames: any bytes behind a valid handshake, client and server, with and without
 * permessage-deflate, with a program that sends and closes meanwhile.  Holds the chunking law.
 *
 * Input: flags; the program's actions; the cuts; the stream. */
#include "play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { SERVER = 1, DEFLATE = 2, NO_TAKEOVER = 4, TRACE = 8 };
  fuzz_input input = {.data = data, .size = size};
  unsigned flags = fuzz_byte(&input);
  wsc_param params[] = {{.name = "server_max_window_bits", .value = "8"},
                        {.name = "server_no_context_takeover"}};
  wsc_extension deflate = {.name = "permessage-deflate", .params = params};
  fuzz_plan plan = {.server = flags & SERVER, .trace = flags & TRACE, .extensions = &deflate};
  plan.extension_count = flags & DEFLATE ? 1 : 0;
  deflate.param_count = flags & NO_TAKEOVER ? 2 : 0;
  if (plan.server)
    plan.head = flags & DEFLATE ? fuzz_request_deflate : fuzz_request;
  else if (flags & DEFLATE)
    plan.head = flags & NO_TAKEOVER ? fuzz_answer_no_takeover : fuzz_answer_deflate;
  else
    plan.head = fuzz_answer;
  plan.actions = fuzz_short_piece(&input);
  fuzz_input cuts = fuzz_short_piece(&input);
  plan.stream = input;
  fuzz_hold_law(&plan, cuts);
  return 0;
}
