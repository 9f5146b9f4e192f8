/* URLs: what is taken is clean, and written anew it means the same.
 *
 * Input: the URL. */
#include "support.h"

#include "core/uri.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_clean(const char *text) {
  for (; *text; text++)
    fuzz_check((uint8_t)*text > 0x20 && (uint8_t)*text < 0x7F,
               "a blank or control byte gets through");
}

static void check_uri(const wsc_uri *uri) {
  fuzz_check(uri->host && uri->authority && uri->target, "a part is missing");
  check_clean(uri->host);
  check_clean(uri->authority);
  check_clean(uri->target);
  fuzz_check(uri->host[0] != '\0', "an empty host");
  fuzz_check(uri->target[0] == '/', "a target that does not begin with a slash");
  fuzz_check(!strchr(uri->target, '#'), "a fragment gets through");
  fuzz_check((uri->path != NULL) == (uri->port == 0), "a socket has no port, all else has one");
  for (const char *c = uri->host; *c; c++)
    fuzz_check(*c < 'A' || *c > 'Z', "a capital in the host");
}

static void check_same(const wsc_uri *a, const wsc_uri *b) {
  fuzz_check(a->secure == b->secure && a->ipv6 == b->ipv6 && a->port == b->port, "not the same");
  fuzz_check(strcmp(a->host, b->host) == 0, "the host is another");
  fuzz_check(strcmp(a->authority, b->authority) == 0, "the authority is another");
  fuzz_check(strcmp(a->target, b->target) == 0, "the target is another");
}

/* The parts put together again. */
static void check_again(const wsc_uri *uri, const wsc_platform *platform) {
  if (uri->path) return;
  size_t size = strlen(uri->authority) + strlen(uri->target) + 8;
  char *text = malloc(size);
  fuzz_check(text != NULL, "the machine has no memory");
  snprintf(text, size, "%s%s%s", uri->secure ? "wss://" : "ws://", uri->authority, uri->target);
  wsc_uri again;
  const char *sentence = NULL;
  fuzz_check(wsc_uri_parse(&again, platform, text, &sentence) == WSC_OK, "not taken a second time");
  check_same(uri, &again);
  wsc_uri_free(&again);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_platform platform;
  fuzz_platform_init(&platform, SIZE_MAX);
  char *text = fuzz_string((fuzz_input){.data = data, .size = size});
  wsc_uri uri;
  const char *sentence = NULL;
  int result = wsc_uri_parse(&uri, &platform.face, text, &sentence);
  const char *other = NULL;
  fuzz_check(result == wsc_url_check(text, &other), "the check and the parser disagree");
  if (result == WSC_OK) {
    check_uri(&uri);
    check_again(&uri, &platform.face);
    wsc_uri_free(&uri);
  } else {
    fuzz_check(result == WSC_ERR_URL && sentence, "a fault without a sentence");
    fuzz_check(strcmp(sentence, other) == 0, "the check and the parser say other things");
  }
  free(text);
  fuzz_platform_done(&platform);
  return 0;
}
