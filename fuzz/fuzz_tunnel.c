/* Proxies: any bytes as the answer to CONNECT or to SOCKS5, however they are cut.  Holds the
 * chunking law: what is asked, how it ends and what is left over follow from the bytes alone.
 *
 * Input: flags; the cuts; for MEMORY how many allocations succeed; the answer and what stands
 * behind it. */
#include "support.h"

#include "core/tunnel.h"

#include <string.h>

enum { SOCKS5 = 1, LOGIN = 2, IPV6 = 4, ENDS = 8, MEMORY = 16 };

static const char *const proxies[] = {"http://proxy:1", "socks5h://proxy:1", "http://u:pw@proxy:1",
                                      "socks5h://u:pw@proxy:1"};

/* What is asked is written out before what comes is judged. */
static int step(wsc_tunnel *tunnel, fuzz_log *log) {
  int result;
  do {
    size_t size = wsc_buf_size(&tunnel->output);
    if (size > 0) fuzz_log_bytes(log, "asks", wsc_buf_data(&tunnel->output), size);
    if (size > 0) wsc_buf_consume(&tunnel->output, size);
    result = wsc_tunnel_step(tunnel);
  } while (result == WSC_AGAIN && wsc_buf_size(&tunnel->output) > 0);
  return result;
}

/* How many bytes come next: as many as a cut says, over and over; without cuts all. */
static size_t next_size(fuzz_input cuts, size_t at) {
  return cuts.size == 0 ? SIZE_MAX : cuts.data[at % cuts.size] % 8u + 1u;
}

static void log_end(wsc_tunnel *tunnel, int result, fuzz_input rest, fuzz_log *log) {
  if (result == WSC_OK) {
    size_t held = wsc_buf_size(&tunnel->input);
    if (held > 0)
      fuzz_check(memcmp(wsc_buf_data(&tunnel->input), rest.data - held, held) == 0,
                 "what is behind the answer is other bytes");
    fuzz_log_line(log, "open, %zu bytes behind", held + rest.size);
    return;
  }
  fuzz_check(result == WSC_AGAIN || *tunnel->fault, "a fault without a sentence");
  for (const char *c = tunnel->fault; *c; c++)
    fuzz_check(*c >= ' ' && *c < 127, "the proxy's bytes steer a log");
  fuzz_log_line(log, "%d, %d: %s", result, tunnel->status, tunnel->fault);
}

static void play(wsc_tunnel *tunnel, unsigned flags, fuzz_input answer, fuzz_input cuts,
                 fuzz_log *log) {
  int result = step(tunnel, log);
  for (size_t at = 0; result == WSC_AGAIN && answer.size > 0; at++) {
    fuzz_input piece = fuzz_piece(&answer, next_size(cuts, at));
    if (!wsc_buf_append(&tunnel->input, piece.data, piece.size)) return;
    result = step(tunnel, log);
  }
  if (result == WSC_AGAIN && flags & ENDS) result = wsc_tunnel_eof(tunnel);
  log_end(tunnel, result, answer, log);
}

static void run(unsigned flags, size_t fail_in, fuzz_input answer, fuzz_input cuts, fuzz_log *log) {
  fuzz_platform platform;
  fuzz_platform_init(&platform, fail_in);
  wsc_proxy proxy;
  const char *sentence = NULL;
  if (wsc_proxy_parse(&proxy, &platform.face, proxies[flags % 4], &sentence) == WSC_OK) {
    const char *host = flags & IPV6 ? "2001:db8::1" : "feed.example";
    wsc_tunnel *tunnel = wsc_tunnel_new(&platform.face, &proxy, host, 443);
    if (tunnel) play(tunnel, flags, answer, cuts, log);
    wsc_tunnel_free(tunnel);
  }
  wsc_proxy_free(&proxy);
  fuzz_platform_done(&platform);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {.data = data, .size = size};
  unsigned flags = fuzz_byte(&input);
  fuzz_input cuts = fuzz_short_piece(&input);
  fuzz_log whole = {.text = NULL}, cut = {.text = NULL};
  if (flags & MEMORY) {
    run(flags, fuzz_byte(&input), input, cuts, &whole);
  } else {
    run(flags, SIZE_MAX, input, (fuzz_input){.data = NULL}, &whole);
    run(flags, SIZE_MAX, input, cuts, &cut);
    fuzz_log_compare(&whole, "whole", &cut, "cut");
  }
  fuzz_log_free(&whole);
  fuzz_log_free(&cut);
  return 0;
}
