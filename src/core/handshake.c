/* What is remembered of a handshake, and the check of the server's answer, RFC 6455 4.1.  The
 * request is written in handshake_request.c, a server's answer in handshake_answer.c. */
#include "handshake_private.h"

#include <stdio.h>
#include <string.h>

#include "hidden.h"

/* ---------------------------------------------------------------- remembering */

/* Made twice: without a block it only counts what is needed. */
typedef struct copy_arena {
  uint8_t *block;
  size_t used;
} copy_arena;

static void *take_block(copy_arena *arena, size_t size) {
  void *place = arena->block ? arena->block + arena->used : NULL;
  arena->used += (size + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
  return place;
}

static const char *copy_text(copy_arena *arena, const char *text) {
  if (!text) return NULL;
  size_t size = strlen(text) + 1;
  char *copy = take_block(arena, size);
  if (copy) memcpy(copy, text, size);
  return copy;
}

static const char *const *copy_texts(copy_arena *arena, const char *const *texts, size_t count) {
  const char **copies = take_block(arena, count * sizeof *copies);
  for (size_t i = 0; i < count; i++) {
    const char *copy = copy_text(arena, texts[i]);
    if (copies) copies[i] = copy;
  }
  return copies;
}

static const wsc_param *copy_params(copy_arena *arena, const wsc_param *params, size_t count) {
  wsc_param *copies = take_block(arena, count * sizeof *copies);
  for (size_t i = 0; i < count; i++) {
    wsc_param copy = {copy_text(arena, params[i].name), copy_text(arena, params[i].value)};
    if (copies) copies[i] = copy;
  }
  return copies;
}

static const wsc_extension *copy_extensions(copy_arena *arena, const wsc_extension *extensions,
                                            size_t count) {
  wsc_extension *copies = take_block(arena, count * sizeof *copies);
  for (size_t i = 0; i < count; i++) {
    wsc_extension copy = extensions[i];
    copy.name = copy_text(arena, copy.name);
    copy.params = copy_params(arena, copy.params, copy.param_count);
    copy.require = copy_texts(arena, copy.require, copy.require_count);
    if (copies) copies[i] = copy;
  }
  return copies;
}

static wsc_handshake *copy_config(copy_arena *arena, const wsc_config *config) {
  wsc_handshake *copy = take_block(arena, sizeof *copy);
  wsc_handshake made = {
      .platform = config->platform,
      .server = config->server,
      .require_protocol = config->require_protocol,
      .protocols = copy_texts(arena, config->protocols, config->protocol_count),
      .protocol_count = config->protocol_count,
      .extensions = copy_extensions(arena, config->extensions, config->extension_count),
      .extension_count = config->extension_count,
      .tuning = config->deflate,
  };
  if (copy) *copy = made;
  return copy;
}

static wsc_handshake *remember(const wsc_config *config) {
  copy_arena arena = {0};
  copy_config(&arena, config);
  arena.block = wsc_alloc(config->platform, 1, arena.used);
  if (!arena.block) return NULL;
  arena.used = 0;
  return copy_config(&arena, config);
}

/* The program's side has checked all this already.  It is checked again, since an unchecked CR LF
 * would let whoever wrote a header's value write the rest of the request. */
static bool is_fit_to_write(const wsc_config *config) {
  const char *sentence;
  size_t hosts = 0; /* RFC 9112 3.2: with two, who reads the request may take either */
  for (size_t i = 0; i < config->header_count; i++) {
    const wsc_header *header = &config->headers[i];
    size_t size = strlen(header->name);
    if (wsc_header_check(header->name, size, header->value, strlen(header->value), &sentence))
      return false;
    if (wsc_http_equal_nocase(header->name, size, "Host") && ++hosts > 1) return false;
  }
  for (size_t i = 0; i < config->extension_count; i++)
    if (wsc_extension_check(&config->extensions[i], &sentence)) return false;
  return wsc_protocol_check(config->protocols, config->protocol_count, &sentence) == WSC_OK;
}

bool wsc_handshake_accept(const wsc_platform *platform, const char *key,
                          char accept[WSC_ACCEPT_SIZE]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  char text[WSC_KEY_SIZE - 1 + sizeof guid];
  uint8_t digest[20];
  memcpy(text, key, WSC_KEY_SIZE - 1);
  memcpy(text + WSC_KEY_SIZE - 1, guid, sizeof guid);
  if (!platform->sha1(platform->user, text, sizeof text - 1, digest)) return false;
  wsc_base64(accept, digest, sizeof digest);
  return true;
}

static bool write_request(wsc_handshake *handshake, const wsc_config *config, const wsc_uri *uri,
                          wsc_buf *out) {
  const wsc_platform *platform = config->platform;
  uint8_t nonce[16];
  char key[WSC_KEY_SIZE];
  handshake->secure = uri->secure;
  if (!platform->random(platform->user, nonce, sizeof nonce)) return false;
  wsc_base64(key, nonce, sizeof nonce);
  return wsc_handshake_accept(platform, key, handshake->accept) &&
         wsc_handshake_write_request(out, config, uri, key);
}

static bool parse_and_write(wsc_handshake *handshake, const wsc_config *config, wsc_buf *out) {
  const char *sentence;
  wsc_uri uri;
  if (wsc_uri_parse(&uri, config->platform, config->url, &sentence) != WSC_OK) return false;
  bool written = write_request(handshake, config, &uri, out);
  wsc_uri_free(&uri);
  return written;
}

wsc_handshake *wsc_handshake_new(const wsc_config *config, const wsc_uri *uri, wsc_buf *out) {
  if (!is_fit_to_write(config)) return NULL;
  wsc_handshake *handshake = remember(config);
  if (!handshake || config->server) return handshake;
  size_t before = wsc_buf_size(out);
  bool written =
      uri ? write_request(handshake, config, uri, out) : parse_and_write(handshake, config, out);
  if (written) return handshake;
  wsc_buf_truncate(out, before);
  wsc_handshake_free(handshake);
  return NULL;
}

const wsc_deflate_tuning *wsc_handshake_tuning(const wsc_handshake *handshake) {
  return &handshake->tuning;
}

void wsc_handshake_free(wsc_handshake *handshake) {
  if (handshake) wsc_release(handshake->platform, handshake);
}

void wsc_handshake_result_init(wsc_handshake_result *result, const wsc_platform *platform) {
  memset(result, 0, sizeof *result);
  result->head.platform = platform;
  result->answer.platform = platform;
}

void wsc_handshake_result_free(wsc_handshake_result *result) {
  wsc_http_head_free(&result->head);
  wsc_extension_list_free(&result->answer);
  wsc_release(result->answer.platform, result->protocol_copy);
  memset(result, 0, sizeof *result);
}

/* ---------------------------------------------------------------- checking the answer */

/* What the server wrote is cut in sentences. */
#define SAY(result, ...) snprintf((result)->sentence, sizeof(result)->sentence, __VA_ARGS__)
#define QUOTED           "\"%.60s\""

static size_t size_until(const char *text, const char *stops) {
  size_t size = 0;
  while (text[size] && !strchr(stops, text[size])) size++;
  return size;
}

/* User, password and the values of a query are nobody's business. */
static void point_to(char *text, size_t size, const char *url) {
  const char *slash = strchr(url, '/');
  const char *host = slash && slash[1] == '/' ? slash + 2 : url;
  const char *at = host == url ? NULL : memchr(host, '@', size_until(host, "/?#"));
  size_t scheme = (size_t)(host - url);
  if (at) host = at + 1;
  size_t shown = size_until(host, "?#");
  snprintf(text, size, ": it points to %.*s%.*s%s", scheme < 20 ? (int)scheme : 20, url,
           shown < 120 ? (int)shown : 120, host, host[shown] == '?' ? "?..." : "");
}

static void describe_status(wsc_handshake_result *result) {
  const wsc_http_head *head = &result->head;
  const wsc_header *versions = wsc_http_find(head, "Sec-WebSocket-Version", NULL);
  const wsc_header *location = wsc_http_find(head, "Location", NULL);
  int size = SAY(result, "the server answered %d%s%.60s", head->status, *head->reason ? " " : "",
                 head->reason);
  char *rest = result->sentence + size;
  size_t room = sizeof result->sentence - (size_t)size;
  if (head->status / 100 == 2)
    snprintf(rest, room, " instead of 101: nothing at this path speaks WebSocket");
  else if (head->status / 100 == 3 && location)
    point_to(rest, room, location->value);
  else if (versions && wsc_http_has_token(head, "Sec-WebSocket-Version", "13"))
    snprintf(rest, room,
             ": it speaks WebSocket version 13 as well, so a part of the request may have been "
             "lost on the way");
  else if (versions)
    snprintf(rest, room, ": it speaks WebSocket version %.40s, this client 13", versions->value);
}

/* The value of a header that must stand there once; else NULL. */
static const char *only_one(wsc_handshake_result *result, const char *name, const char *expected) {
  const wsc_header *header = wsc_http_find(&result->head, name, NULL);
  if (!header)
    SAY(result, "the server's answer has no %s header; expected \"%s: %s\"", name, name, expected);
  else if (wsc_http_find(&result->head, name, header))
    SAY(result, "the server's answer has %d %s headers; expected one, \"%s: %s\"",
        (int)wsc_http_count(&result->head, name), name, name, expected);
  else
    return header->value;
  return NULL;
}

static bool upgrades(wsc_handshake_result *result) {
  const char *value = only_one(result, "Upgrade", "websocket");
  if (!value) return false;
  if (wsc_http_equal_nocase(value, strlen(value), "websocket")) return true;
  SAY(result, "the server answered \"Upgrade: %.60s\"; expected \"websocket\"", value);
  return false;
}

static bool connects(wsc_handshake_result *result) {
  if (wsc_http_has_token(&result->head, "Connection", "upgrade")) return true;
  const wsc_header *header = wsc_http_find(&result->head, "Connection", NULL);
  if (!header)
    SAY(result, "the server's answer has no Connection header; expected \"Connection: Upgrade\"");
  else
    SAY(result, "the server answered \"Connection: %.60s\"; expected \"Upgrade\" in it",
        header->value);
  return false;
}

static bool accepts(const wsc_handshake *handshake, wsc_handshake_result *result) {
  const char *value = only_one(result, "Sec-WebSocket-Accept", handshake->accept);
  if (!value) return false;
  if (strcmp(value, handshake->accept) == 0) return true;
  SAY(result,
      "the server answered " QUOTED " as Sec-WebSocket-Accept; expected \"%s\" for the key sent",
      value, handshake->accept);
  return false;
}

static bool asked_for(const wsc_handshake *handshake, const char *protocol) {
  for (size_t i = 0; i < handshake->protocol_count; i++)
    if (strcmp(handshake->protocols[i], protocol) == 0) return true;
  return false;
}

/* "v2, v1", or as many of them as fit; "none" */
static void list_asked(const wsc_handshake *handshake, char *text, size_t size) {
  size_t used = 0;
  snprintf(text, size, "none");
  for (size_t i = 0; i < handshake->protocol_count; i++) {
    const char *name = handshake->protocols[i];
    bool fits = strlen(name) + 6 < size - used; /* and ", ..." after it */
    int more = snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", fits ? name : "...");
    if (!fits) return;
    used += (size_t)more;
  }
}

/* RFC 6455 4.1: a subprotocol that was not asked for fails.  That none was chosen is legal; by
 * default it fails all the same, since a program that names protocols can hardly do without. */
static bool chooses_protocol(const wsc_handshake *handshake, wsc_handshake_result *result) {
  static const char name[] = "Sec-WebSocket-Protocol";
  const wsc_header *header = wsc_http_find(&result->head, name, NULL);
  char asked[100];
  if (!header && (handshake->protocol_count == 0 || !handshake->require_protocol)) return true;
  list_asked(handshake, asked, sizeof asked);
  if (!header) {
    SAY(result,
        "the server chose no subprotocol; protocols asks for one of %s (require_protocol = false: "
        "or none)",
        asked);
    return false;
  }
  if (wsc_http_count(&result->head, name) > 1) {
    SAY(result, "the server's answer has %s more than once; expected it once", name);
    return false;
  }
  if (!asked_for(handshake, header->value)) {
    SAY(result,
        "the server chose the subprotocol " QUOTED ", which was not asked for; expected %s%s",
        header->value, handshake->protocol_count > 1 ? "one of " : "", asked);
    return false;
  }
  result->protocol = header->value;
  return true;
}

void wsc_handshake_describe_end(const wsc_handshake *handshake, bool answered, char *text,
                                size_t size) {
  char asked[100];
  list_asked(handshake, asked, sizeof asked);
  bool asks = !handshake->server && handshake->protocol_count > 0;
  snprintf(text, size, "the %s ended the connection during the handshake%s%s%s%s",
           handshake->server ? "client" : "server", asks ? " (subprotocols asked for: " : "",
           asks ? asked : "", asks ? ")" : "",
           answered || handshake->secure || handshake->server
               ? ""
               : "; if this port speaks TLS the URL begins with wss://");
}

static int check_extensions(const wsc_handshake *handshake, wsc_handshake_result *result) {
  const char *sentence = "";
  int error = wsc_extension_parse(&result->answer, handshake->platform, &result->head, &sentence);
  if (error == WSC_ERR_EXTENSION) SAY(result, "the server's answer is ill-formed: %s", sentence);
  if (error) return error;
  return wsc_extension_check_answer(&result->agreement, handshake->extensions,
                                    handshake->extension_count, &result->answer, result->sentence,
                                    sizeof result->sentence);
}

int wsc_handshake_check(wsc_handshake *handshake, const uint8_t *data, size_t size,
                        wsc_handshake_result *result) {
  const char *sentence = "";
  wsc_http_head *head = &result->head;
  wsc_handshake_result_init(result, handshake->platform);
  int error = wsc_http_parse_response(head, handshake->platform, data, size, &sentence);
  if (error) {
    SAY(result, "%s", sentence);
    return error;
  }
  if (head->status != 101) {
    describe_status(result);
    return WSC_ERR_HTTP;
  }
  if (head->minor < 1) {
    SAY(result, "the server answered 101 with HTTP/1.0; expected HTTP/1.1");
    return WSC_ERR_HANDSHAKE;
  }
  if (!upgrades(result) || !connects(result) || !accepts(handshake, result) ||
      !chooses_protocol(handshake, result))
    return WSC_ERR_HANDSHAKE;
  return check_extensions(handshake, result);
}

/* RFC 9112 6.3 */
size_t wsc_handshake_body_size(const wsc_http_head *head) {
  const wsc_header *length = wsc_http_find(head, "Content-Length", NULL);
  if (head->status == 204 || head->status == 304) return 0;
  if (wsc_http_find(head, "Transfer-Encoding", NULL) || !length || !*length->value) return SIZE_MAX;
  size_t size = 0;
  for (const char *digit = length->value; *digit; digit++) {
    if (*digit < '0' || *digit > '9' || size > (SIZE_MAX - 9) / 10) return SIZE_MAX;
    size = size * 10 + (size_t)(*digit - '0');
  }
  return wsc_http_count(head, "Content-Length") == 1 ? size : SIZE_MAX;
}
