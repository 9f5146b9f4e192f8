/* The server's side of the handshake, RFC 6455 4.2: for tests, examples and small servers. */
#include "handshake_private.h"

#include <stdio.h>
#include <string.h>

#include "hidden.h"

typedef struct refusal {
  int status; /* 0: none */
  const char *sentence;
} refusal;

static const char key_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 6455 4.2.1: base64 of 16 bytes, which is 22 digits (the last one with four empty bits) and
 * "==". */
static bool is_key(const char *key) {
  if (strlen(key) != WSC_KEY_SIZE - 1 || strcmp(key + 22, "==") != 0) return false;
  for (size_t i = 0; i < 22; i++)
    if (!memchr(key_digits, key[i], sizeof key_digits - 1)) return false;
  return memchr("AQgw", key[21], 4) != NULL;
}

static const char *only_value(const wsc_http_head *head, const char *name) {
  return wsc_http_count(head, name) == 1 ? wsc_http_find(head, name, NULL)->value : NULL;
}

static refusal check_request(const wsc_http_head *head) {
  const char *version = only_value(head, "Sec-WebSocket-Version");
  const char *key = only_value(head, "Sec-WebSocket-Key");
  if (strcmp(head->method, "GET") != 0)
    return (refusal){405, "a WebSocket handshake is a GET request"};
  if (head->minor < 1) return (refusal){400, "a WebSocket handshake needs HTTP/1.1"};
  if (!only_value(head, "Host")) return (refusal){400, "the request needs exactly one Host header"};
  if (!wsc_http_has_token(head, "Upgrade", "websocket"))
    return (refusal){426, "this server speaks WebSocket: expected \"Upgrade: websocket\""};
  if (!wsc_http_has_token(head, "Connection", "upgrade"))
    return (refusal){426, "this server speaks WebSocket: expected \"Connection: Upgrade\""};
  if (!version) return (refusal){400, "the request needs exactly one Sec-WebSocket-Version header"};
  if (strcmp(version, "13") != 0)
    return (refusal){426, "this server speaks version 13 of WebSocket"};
  if (!key || !is_key(key))
    return (refusal){400, "Sec-WebSocket-Key is not the base64 form of 16 bytes"};
  return (refusal){0, NULL};
}

static bool write_refusal(wsc_buf *out, refusal why) {
  bool not_get = why.status == 405, upgrade = why.status == 426;
  const char *reason = not_get   ? "405 Method Not Allowed"
                       : upgrade ? "426 Upgrade Required"
                                 : "400 Bad Request";
  const char *needed = not_get   ? "\r\nAllow: GET"
                       : upgrade ? "\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
                                 : "";
  char length[24];
  snprintf(length, sizeof length, "%zu", strlen(why.sentence) + 1);
  const char *const texts[] = {"HTTP/1.1 ",
                               reason,
                               needed,
                               "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ",
                               length,
                               "\r\nConnection: ",
                               upgrade ? "Upgrade, close\r\n\r\n" : "close\r\n\r\n",
                               why.sentence,
                               "\n",
                               NULL};
  return wsc_buf_append_strings(out, texts);
}

static int write_or_fail(wsc_handshake_result *result, wsc_buf *out, refusal why) {
  snprintf(result->sentence, sizeof result->sentence, "%s", why.sentence);
  return write_refusal(out, why) ? WSC_ERR_HANDSHAKE : WSC_ERR_MEMORY;
}

/* The protocol that text[0, size) names, if the server speaks it. */
static const char *find_spoken(const wsc_handshake *handshake, const char *text, size_t size) {
  for (size_t i = 0; i < handshake->protocol_count; i++) {
    const char *spoken = handshake->protocols[i];
    if (strlen(spoken) == size && memcmp(spoken, text, size) == 0) return spoken;
  }
  return NULL;
}

/* RFC 6455 4.2.2 step 5.5: the first of the client's list, in whichever line, that is spoken. */
static const char *choose_protocol(const wsc_handshake *handshake, const wsc_http_head *head) {
  const wsc_header *line = NULL;
  const char *chosen = NULL;
  while (!chosen && (line = wsc_http_find(head, "Sec-WebSocket-Protocol", line)) != NULL) {
    const char *at = line->value;
    while (*at && !chosen) {
      size_t size = 0;
      while (wsc_http_is_token(at + size, 1)) size++;
      chosen = find_spoken(handshake, at, size);
      at += size > 0 ? size : 1;
    }
  }
  return chosen;
}

/* What was agreed on is written, and read back as the list that a client would get. */
static int answer_extensions(const wsc_handshake *handshake, wsc_handshake_result *result,
                             const wsc_extension_list *offers, wsc_buf *value) {
  const char *sentence;
  if (!wsc_extension_answer(value, &result->agreement, handshake->extensions,
                            handshake->extension_count, offers) ||
      !wsc_buf_append(value, "", 1))
    return WSC_ERR_MEMORY;
  wsc_header header = {"Sec-WebSocket-Extensions", (const char *)wsc_buf_data(value)};
  wsc_http_head head = {.headers = &header, .header_count = 1};
  return wsc_extension_parse(&result->answer, handshake->platform, &head, &sentence);
}

static bool write_switch(wsc_buf *out, const char *accept, const char *protocol,
                         const char *extensions) {
  static const char head[] =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: ";
  const char *const texts[] = {head,
                               accept,
                               protocol ? "\r\nSec-WebSocket-Protocol: " : "",
                               protocol ? protocol : "",
                               *extensions ? "\r\nSec-WebSocket-Extensions: " : "",
                               extensions,
                               "\r\n\r\n",
                               NULL};
  return wsc_buf_append_strings(out, texts);
}

static int accept_request(wsc_handshake *handshake, wsc_handshake_result *result,
                          const wsc_extension_list *offers, wsc_buf *out) {
  const wsc_platform *platform = handshake->platform;
  const char *key = only_value(&result->head, "Sec-WebSocket-Key");
  const char *protocol = choose_protocol(handshake, &result->head);
  char accept[WSC_ACCEPT_SIZE];
  if (!wsc_handshake_accept(platform, key, accept)) return WSC_ERR_MEMORY;
  if (!wsc_keep_string(platform, &result->protocol_copy, protocol)) return WSC_ERR_MEMORY;
  result->protocol = result->protocol_copy;
  wsc_buf value;
  wsc_buf_init(&value, platform);
  int error = answer_extensions(handshake, result, offers, &value);
  if (!error && !write_switch(out, accept, protocol, (const char *)wsc_buf_data(&value)))
    error = WSC_ERR_MEMORY;
  wsc_buf_free(&value);
  return error;
}

static int answer_request(wsc_handshake *handshake, const uint8_t *data, size_t size,
                          wsc_handshake_result *result, wsc_buf *out) {
  const wsc_platform *platform = handshake->platform;
  wsc_extension_list offers = {.platform = platform};
  refusal why = {400, ""};
  int error = wsc_http_parse_request(&result->head, platform, data, size, &why.sentence);
  if (error == WSC_ERR_MEMORY) return error;
  if (error) return write_or_fail(result, out, why);
  why = check_request(&result->head);
  if (why.status) return write_or_fail(result, out, why);
  why.status = 400;
  error = wsc_extension_parse(&offers, platform, &result->head, &why.sentence);
  if (error == WSC_ERR_MEMORY) return error;
  if (error) return write_or_fail(result, out, why);
  error = accept_request(handshake, result, &offers, out);
  wsc_extension_list_free(&offers);
  return error;
}

int wsc_handshake_answer(wsc_handshake *handshake, const uint8_t *data, size_t size,
                         wsc_handshake_result *result, wsc_buf *out) {
  wsc_handshake_result_init(result, handshake->platform);
  size_t before = wsc_buf_size(out);
  int error = answer_request(handshake, data, size, result, out);
  if (error == WSC_ERR_MEMORY) wsc_buf_truncate(out, before);
  return error;
}
