/* Sec-WebSocket-Extensions: any value parsed, checked as an answer to offers of several kinds, and
 * answered as a server would.  What was parsed and written anew is parsed to the same, and a
 * server's own answer never displeases the client whose offer it answers.
 *
 * Input: flags; then the header's values, one a line. */
#include "support.h"

#include "core/extension.h"

#include <stdlib.h>
#include <string.h>

static const wsc_param client_bits[] = {{.name = "client_max_window_bits"}};
static const wsc_param all_wishes[] = {
    {.name = "server_no_context_takeover"},
    {.name = "client_no_context_takeover"},
    {.name = "server_max_window_bits", .value = "10"},
    {.name = "client_max_window_bits", .value = "11"},
};
static const char *const require_all[] = {"server_no_context_takeover", "server_max_window_bits"};

/* Offers of a client; `kind` chooses.  The third repeats the first's name, as a client may. */
static size_t make_offers(wsc_extension extensions[3], unsigned kind) {
  extensions[0] = (wsc_extension){.name = "permessage-deflate"};
  extensions[1] = (wsc_extension){.name = "bbf-usp-protocol", .required = kind & 8};
  extensions[2] = (wsc_extension){.name = "permessage-deflate", .params = all_wishes};
  if (kind & 1) {
    extensions[0].params = client_bits;
    extensions[0].param_count = 1;
  }
  if (kind & 2) {
    extensions[0].params = all_wishes;
    extensions[0].param_count = 4;
  }
  if (kind & 4) {
    extensions[0].require = require_all;
    extensions[0].require_count = 2;
  }
  return 1 + (kind >> 4) % 3;
}

/* What a server accepts: each name once. */
static size_t make_accepted(wsc_extension extensions[3], unsigned kind) {
  size_t count = make_offers(extensions, kind);
  return count < 2 ? count : 2;
}

/* A head whose extension lines are the input's lines. */
static int parse(wsc_extension_list *list, const wsc_platform *platform, fuzz_input input,
                 const char **sentence) {
  char *text = fuzz_string(input);
  wsc_header headers[16];
  wsc_http_head head = {.status = 101, .headers = headers, .platform = platform};
  for (char *line = strtok(text, "\n"); line && head.header_count < 16; line = strtok(NULL, "\n"))
    headers[head.header_count++] = (wsc_header){"Sec-WebSocket-Extensions", line};
  int result = wsc_extension_parse(list, platform, &head, sentence);
  free(text);
  return result;
}

static void check_same(const wsc_extension_list *a, const wsc_extension_list *b) {
  fuzz_check(a->count == b->count, "written and parsed again: another count");
  for (size_t i = 0; i < a->count; i++) {
    const wsc_agreed_extension *one = &a->items[i], *other = &b->items[i];
    fuzz_check(strcmp(one->name, other->name) == 0, "written and parsed again: another name");
    fuzz_check(one->param_count == other->param_count,
               "written and parsed again: other parameters");
    for (size_t k = 0; k < one->param_count; k++) {
      const wsc_param *p = &one->params[k], *q = &other->params[k];
      fuzz_check(strcmp(p->name, q->name) == 0, "written and parsed again: another parameter");
      fuzz_check((!p->value) == (!q->value), "a value came or went");
      fuzz_check(!p->value || strcmp(p->value, q->value) == 0, "another value");
    }
  }
}

static void check_again(const wsc_extension_list *list, const wsc_platform *platform) {
  wsc_buf out;
  wsc_buf_init(&out, platform);
  for (size_t i = 0; i < list->count; i++) {
    const wsc_agreed_extension *item = &list->items[i];
    bool written = wsc_buf_append_string(&out, i > 0 ? "," : "") &&
                   wsc_buf_append_string(&out, item->name) &&
                   wsc_extension_write_params(&out, item->params, item->param_count);
    fuzz_check(written, "nothing is written");
  }
  wsc_extension_list again;
  const char *sentence = NULL;
  fuzz_input value = {.data = wsc_buf_data(&out), .size = wsc_buf_size(&out)};
  fuzz_check(parse(&again, platform, value, &sentence) == WSC_OK, "not taken a second time");
  check_same(list, &again);
  wsc_extension_list_free(&again);
  wsc_buf_free(&out);
}

static void check_agreement(const wsc_agreement *agreement) {
  const wsc_deflate_params *p = &agreement->params;
  fuzz_check(strlen(agreement->missing) <= WSC_REASON_MAX, "a reason over 123 bytes");
  if (!agreement->deflate) return;
  fuzz_check(p->client_max_window_bits >= 8 && p->client_max_window_bits <= 15, "client's bits");
  fuzz_check(p->server_max_window_bits >= 8 && p->server_max_window_bits <= 15, "server's bits");
}

static void check(const wsc_extension_list *list, unsigned kind) {
  wsc_extension offers[3];
  size_t count = make_offers(offers, kind);
  wsc_agreement agreement;
  char sentence[256] = "";
  int result =
      wsc_extension_check_answer(&agreement, offers, count, list, sentence, sizeof sentence);
  fuzz_check(strlen(sentence) < sizeof sentence, "a sentence without end");
  if (result == WSC_OK)
    check_agreement(&agreement);
  else
    fuzz_check(result == WSC_ERR_EXTENSION && sentence[0], "a fault without a sentence");
}

static void answer(const wsc_extension_list *list, const wsc_platform *platform, unsigned kind) {
  wsc_extension accepted[3];
  size_t count = make_accepted(accepted, kind);
  wsc_buf out;
  wsc_buf_init(&out, platform);
  wsc_agreement agreement;
  fuzz_check(wsc_extension_answer(&out, &agreement, accepted, count, list), "no answer");
  check_agreement(&agreement);
  wsc_extension_list said;
  const char *sentence = NULL;
  fuzz_input value = {.data = wsc_buf_data(&out), .size = wsc_buf_size(&out)};
  fuzz_check(parse(&said, platform, value, &sentence) == WSC_OK, "a server's answer is ill-formed");
  fuzz_check(said.count <= list->count, "a server answers what was not offered");
  wsc_extension_list_free(&said);
  wsc_buf_free(&out);
}

/* Our client's offer, our server's answer: they always agree. */
static void agree(const wsc_platform *platform, unsigned kind) {
  wsc_extension offers[3], accepted[3];
  size_t offer_count = make_offers(offers, kind & 0xF3u);
  size_t count = make_accepted(accepted, kind >> 6);
  offers[1].required = false;
  wsc_buf out, reply;
  wsc_buf_init(&out, platform);
  wsc_buf_init(&reply, platform);
  fuzz_check(wsc_extension_write_offers(&out, offers, offer_count), "no offer");
  wsc_extension_list offered, said;
  const char *sentence = NULL;
  fuzz_input value = {.data = wsc_buf_data(&out), .size = wsc_buf_size(&out)};
  fuzz_check(parse(&offered, platform, value, &sentence) == WSC_OK, "an offer is ill-formed");
  wsc_agreement ours, theirs;
  fuzz_check(wsc_extension_answer(&reply, &theirs, accepted, count, &offered), "no answer");
  value = (fuzz_input){.data = wsc_buf_data(&reply), .size = wsc_buf_size(&reply)};
  fuzz_check(parse(&said, platform, value, &sentence) == WSC_OK, "an answer is ill-formed");
  char fault[256] = "";
  int result = wsc_extension_check_answer(&ours, offers, offer_count, &said, fault, sizeof fault);
  fuzz_check(result == WSC_OK, fault);
  fuzz_check(ours.deflate == theirs.deflate, "one side compresses");
  fuzz_check(!ours.deflate || memcmp(&ours.params, &theirs.params, sizeof ours.params) == 0,
             "the sides understand other parameters");
  wsc_extension_list_free(&offered);
  wsc_extension_list_free(&said);
  wsc_buf_free(&out);
  wsc_buf_free(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_platform platform;
  fuzz_platform_init(&platform, SIZE_MAX);
  fuzz_input input = {.data = data, .size = size};
  unsigned kind = fuzz_byte(&input);
  kind |= (unsigned)fuzz_byte(&input) << 8;
  wsc_extension_list list;
  const char *sentence = NULL;
  int result = parse(&list, &platform.face, input, &sentence);
  if (result == WSC_OK) {
    check_again(&list, &platform.face);
    check(&list, kind);
    answer(&list, &platform.face, kind);
    wsc_extension_list_free(&list);
  } else {
    fuzz_check(result == WSC_ERR_EXTENSION && sentence, "a fault without a sentence");
  }
  agree(&platform.face, kind);
  fuzz_platform_done(&platform);
  return 0;
}
