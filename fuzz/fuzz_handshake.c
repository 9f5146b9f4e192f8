/* The opening handshake: any bytes as the server's answer (or, for a server, as the request),
 * checked by offers and protocols of several kinds.  Holds the chunking law.
 *
 * Input: flags; the cuts; the answer and what stands behind it. */
#include "play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { SERVER = 1, DEFLATE = 2, REQUIRED = 4, OTHER = 8, PROTOCOLS = 16 };
  static const char *const protocols[] = {"chat.v2", "chat.v1"};
  static const char *const require[] = {"server_no_context_takeover"};
  static const wsc_param params[] = {{.name = "client_max_window_bits", .value = "12"},
                                     {.name = "server_no_context_takeover"}};
  fuzz_input input = {.data = data, .size = size};
  unsigned flags = fuzz_byte(&input);
  wsc_extension extensions[] = {
      {.name = "permessage-deflate", .params = params, .param_count = 2},
      {.name = "bbf-usp-protocol", .required = flags & REQUIRED},
  };
  extensions[0].required = flags & REQUIRED;
  extensions[0].require = require;
  extensions[0].require_count = flags & REQUIRED ? 1 : 0;
  fuzz_plan plan = {.server = flags & SERVER, .head = ""};
  plan.extensions = flags & DEFLATE ? extensions : extensions + 1;
  plan.extension_count = (flags & DEFLATE ? 1u : 0u) + (flags & OTHER ? 1u : 0u);
  plan.protocols = protocols;
  plan.protocol_count = flags & PROTOCOLS ? 2 : 0;
  fuzz_input cuts = fuzz_short_piece(&input);
  plan.stream = input;
  fuzz_hold_law(&plan, cuts);
  return 0;
}
