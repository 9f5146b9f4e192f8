/* permessage-deflate's transformation, RFC 7692 7.2.  Any bytes inflated, whole and byte by byte,
 * give the same; what one side compresses in any pieces, the other gets back.
 *
 * Input: flags; parameters; the limit; then messages: flags, a length, bytes. */
#include "support.h"

#include "core/deflate.h"

#include <stdlib.h>
#include <string.h>

typedef struct outcome {
  int result;
  const char *sentence;
  wsc_buf bytes;
} outcome;

/* One piece, whose output is asked for `most` bytes at a time. */
static int inflate_piece(wsc_deflate *deflate, fuzz_input piece, bool fin, size_t most,
                         size_t limit, outcome *o) {
  int result;
  do {
    size_t held = wsc_buf_size(&o->bytes), left = piece.size;
    wsc_inflate_room room = {.most = most < SIZE_MAX - held ? held + most : SIZE_MAX,
                             .limit = limit};
    result = wsc_deflate_inflate(deflate, &o->bytes, piece.data, &left, fin, &room, &o->sentence);
    fuzz_check(left == 0 || result != WSC_OK, "bytes were left for no reason");
    fuzz_check(result != WSC_AGAIN || wsc_buf_size(&o->bytes) == room.most, "full, and it is not");
    fuzz_piece(&piece, piece.size - left);
  } while (result == WSC_AGAIN);
  return result;
}

/* Pieces of `step` bytes at the most. */
static outcome inflate_in(wsc_deflate *deflate, const wsc_platform *platform, fuzz_input bytes,
                          size_t step, size_t most, size_t limit) {
  outcome o = {.result = WSC_OK};
  wsc_buf_init(&o.bytes, platform);
  do {
    fuzz_input piece = fuzz_piece(&bytes, step);
    o.result = inflate_piece(deflate, piece, bytes.size == 0, most, limit, &o);
  } while (o.result == WSC_OK && bytes.size > 0);
  size_t size = wsc_buf_size(&o.bytes);
  fuzz_check(size <= limit + 1, "more was inflated than one byte over the limit");
  fuzz_check((size == limit + 1) == (o.result == WSC_ERR_TOO_BIG), "the limit is not where it is");
  fuzz_check(o.result == WSC_OK || o.result == WSC_ERR_TOO_BIG || o.result == WSC_ERR_DEFLATE,
             "an error of another kind");
  fuzz_check(o.result != WSC_ERR_DEFLATE || o.sentence, "a fault without a sentence");
  return o;
}

static void check_equal(const outcome *a, const outcome *b) {
  size_t size = wsc_buf_size(&a->bytes);
  fuzz_check(a->result == b->result, "cut elsewhere, the result is another");
  fuzz_check(a->result != WSC_ERR_DEFLATE || strcmp(a->sentence, b->sentence) == 0,
             "cut elsewhere, the sentence is another");
  fuzz_check(size == wsc_buf_size(&b->bytes), "cut elsewhere, the size is another");
  fuzz_check(size == 0 || memcmp(wsc_buf_data(&a->bytes), wsc_buf_data(&b->bytes), size) == 0,
             "cut elsewhere, the bytes are others");
}

static void inflate_messages(const wsc_deflate_params *params, fuzz_input input, bool server) {
  wsc_deflate_tuning tuning = {.level = -1, .mem_level = 8, .threshold = 0};
  fuzz_platform platform;
  fuzz_platform_init(&platform, SIZE_MAX);
  size_t limit = (size_t)fuzz_byte(&input) * 40;
  wsc_deflate *whole = wsc_deflate_new(&platform.face, params, &tuning, server);
  wsc_deflate *cut = wsc_deflate_new(&platform.face, params, &tuning, server);
  fuzz_check(whole && cut, "no deflate");
  bool good = true;
  while (input.size > 0 && good) {
    fuzz_input message = fuzz_piece(&input, fuzz_byte(&input));
    outcome a = inflate_in(whole, &platform.face, message, SIZE_MAX, SIZE_MAX, limit);
    outcome b = inflate_in(cut, &platform.face, message, 1, 3, limit);
    check_equal(&a, &b);
    good = a.result == WSC_OK;
    wsc_buf_free(&a.bytes);
    wsc_buf_free(&b.bytes);
  }
  wsc_deflate_free(whole);
  wsc_deflate_free(cut);
  fuzz_platform_done(&platform);
}

/* A message in two pieces, cut where a byte says, and back. */
static void send_message(wsc_deflate *from, wsc_deflate *to, const wsc_platform *platform,
                         fuzz_input message, size_t cut) {
  wsc_buf packed;
  wsc_buf_init(&packed, platform);
  fuzz_input rest = message;
  fuzz_input piece = fuzz_piece(&rest, cut);
  wsc_deflate_worth(from, message.data, message.size);
  int result = WSC_OK;
  if (piece.size > 0) result = wsc_deflate_compress(from, &packed, piece.data, piece.size, false);
  if (result == WSC_OK) result = wsc_deflate_compress(from, &packed, rest.data, rest.size, true);
  fuzz_check(result == WSC_OK && wsc_buf_size(&packed) > 0, "a message is not compressed");
  fuzz_input wire = {.data = wsc_buf_data(&packed), .size = wsc_buf_size(&packed)};
  outcome o = inflate_in(to, platform, wire, cut + 1, SIZE_MAX, message.size);
  fuzz_check(o.result == WSC_OK && wsc_buf_size(&o.bytes) == message.size, "lost on the way");
  fuzz_check(message.size == 0 || memcmp(wsc_buf_data(&o.bytes), message.data, message.size) == 0,
             "changed on the way");
  wsc_buf_free(&o.bytes);
  wsc_buf_free(&packed);
}

static void round_trip(const wsc_deflate_params *params, fuzz_input input, bool server) {
  fuzz_platform platform;
  fuzz_platform_init(&platform, SIZE_MAX);
  wsc_deflate_tuning tuning = {.threshold = -1};
  tuning.level = fuzz_byte(&input) % 11 - 1;
  tuning.mem_level = fuzz_byte(&input) % 9 + 1;
  wsc_deflate *from = wsc_deflate_new(&platform.face, params, &tuning, server);
  wsc_deflate *to = wsc_deflate_new(&platform.face, params, &tuning, !server);
  fuzz_check(from && to, "no deflate");
  while (input.size > 0) {
    size_t cut = fuzz_byte(&input);
    fuzz_input message = fuzz_piece(&input, (size_t)fuzz_byte(&input) * 8);
    send_message(from, to, &platform.face, message, cut);
  }
  wsc_deflate_free(from);
  wsc_deflate_free(to);
  fuzz_platform_done(&platform);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { SERVER = 1, COMPRESS = 2, CLIENT_RESETS = 4, SERVER_RESETS = 8 };
  fuzz_input input = {.data = data, .size = size};
  unsigned flags = fuzz_byte(&input), bits = fuzz_byte(&input);
  wsc_deflate_params params = {
      .client_no_context_takeover = flags & CLIENT_RESETS,
      .server_no_context_takeover = flags & SERVER_RESETS,
      .client_max_window_bits = (uint8_t)(8 + bits % 8),
      .server_max_window_bits = (uint8_t)(8 + bits / 8 % 8),
  };
  if (flags & COMPRESS)
    round_trip(&params, input, flags & SERVER);
  else
    inflate_messages(&params, input, flags & SERVER);
  return 0;
}
