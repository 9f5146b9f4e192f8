/* The client's request, RFC 6455 4.1, and what a program may put into it. */
#include "handshake_private.h"

#include <string.h>

#include "hidden.h"

/* ---------------------------------------------------------------- checks */

typedef struct owned_header {
  const char *name, *sentence;
} owned_header;

static const char owned_by_handshake[] =
    "the handshake writes Upgrade, Connection and every Sec-WebSocket header itself";
static const char owned_by_protocols[] =
    "Sec-WebSocket-Protocol is written by the handshake: use the option protocols";
static const char owned_by_extensions[] =
    "Sec-WebSocket-Extensions is written by the handshake: use the option extensions";
static const char owned_by_nobody[] = "a handshake has no body: Content-Length, Transfer-Encoding, "
                                      "TE, Trailer and Expect are refused";
static const char owned_by_transport[] =
    "Keep-Alive and Proxy-Connection are refused: the handshake manages the connection";

static const owned_header owned_headers[] = {
    {"Upgrade", owned_by_handshake},
    {"Connection", owned_by_handshake},
    {"Keep-Alive", owned_by_transport},
    {"Proxy-Connection", owned_by_transport},
    {"Sec-WebSocket-Protocol", owned_by_protocols},
    {"Sec-WebSocket-Extensions", owned_by_extensions},
    {"Content-Length", owned_by_nobody},
    {"Transfer-Encoding", owned_by_nobody},
    {"TE", owned_by_nobody},
    {"Trailer", owned_by_nobody},
    {"Expect", owned_by_nobody},
};

static const char *find_owner(const char *name, size_t size) {
  static const char prefix[] = "Sec-WebSocket-";
  for (size_t i = 0; i < sizeof owned_headers / sizeof *owned_headers; i++)
    if (wsc_http_equal_nocase(name, size, owned_headers[i].name)) return owned_headers[i].sentence;
  if (size >= sizeof prefix - 1 && wsc_http_equal_nocase(name, sizeof prefix - 1, prefix))
    return owned_by_handshake;
  return NULL;
}

/* RFC 9110 5.5 */
static const char *find_value_fault(const char *value, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)value[i];
    if (c == '\r' || c == '\n' || c == '\0') return "a header's value must not hold CR, LF or NUL";
    if ((c < 0x20 && c != '\t') || c == 0x7F) return "a header's value must not hold control bytes";
  }
  return NULL;
}

/* RFC 9110 7.2: a host and maybe a port.  Who reads another end of the host into it is led astray.
 */
static const char *find_host_fault(const char *value, size_t size) {
  static const char ends[] = " \t,/?#@\\";
  for (size_t i = 0; i < size; i++)
    if (memchr(ends, value[i], sizeof ends - 1)) size = 0;
  return size == 0 ? "a Host header holds a host and maybe a port: \"feed.example:8443\"" : NULL;
}

int wsc_header_check(const char *name, size_t name_size, const char *value, size_t value_size,
                     const char **sentence) {
  const char *fault = NULL;
  if (!wsc_http_is_token(name, name_size))
    fault = "a header's name must be a token: letters, digits and !#$%&'*+-.^_`|~ only";
  if (!fault) fault = find_owner(name, name_size);
  if (!fault) fault = find_value_fault(value, value_size);
  if (!fault && wsc_http_equal_nocase(name, name_size, "Host"))
    fault = find_host_fault(value, value_size);
  if (!fault) return WSC_OK;
  *sentence = fault;
  return WSC_ERR_HANDSHAKE;
}

int wsc_protocol_check(const char *const *protocols, size_t count, const char **sentence) {
  for (size_t i = 0; i < count; i++) {
    if (!wsc_http_is_token(protocols[i], strlen(protocols[i]))) {
      *sentence = "a subprotocol must be a token: letters, digits and !#$%&'*+-.^_`|~ only";
      return WSC_ERR_HANDSHAKE;
    }
    for (size_t k = 0; k < i; k++)
      if (strcmp(protocols[k], protocols[i]) == 0) {
        *sentence = "a subprotocol is in the list twice";
        return WSC_ERR_HANDSHAKE;
      }
  }
  return WSC_OK;
}

/* ---------------------------------------------------------------- writing */

static const char *given_header(const wsc_config *config, const char *name) {
  for (size_t i = 0; i < config->header_count; i++) {
    const char *given = config->headers[i].name;
    if (wsc_http_equal_nocase(given, strlen(given), name)) return config->headers[i].value;
  }
  return NULL;
}

static bool write_own_headers(wsc_buf *out, const wsc_config *config, const wsc_uri *uri,
                              const char *key) {
  const char *host = given_header(config, "Host");
  const char *const texts[] = {
      "Host: ",
      host ? host : uri->authority,
      "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ",
      key,
      "\r\nSec-WebSocket-Version: 13\r\n",
      NULL};
  return wsc_buf_append_strings(out, texts);
}

static bool write_header(wsc_buf *out, const char *name, const char *value) {
  const char *const texts[] = {name, ": ", value, "\r\n", NULL};
  return wsc_buf_append_strings(out, texts);
}

/* RFC 6455 4.1: the target is the resource name, or an absolute http or https URI that names the
 * same. */
static bool write_request_line(wsc_buf *out, const wsc_config *config, const wsc_uri *uri) {
  const char *const origin[] = {"GET ", uri->target, " HTTP/1.1\r\n", NULL};
  const char *const absolute[] = {"GET ",          uri->secure ? "https://" : "http://",
                                  uri->authority,  uri->target,
                                  " HTTP/1.1\r\n", NULL};
  return wsc_buf_append_strings(out, config->absolute_target ? absolute : origin);
}

static bool write_protocols(wsc_buf *out, const wsc_config *config) {
  for (size_t i = 0; i < config->protocol_count; i++) {
    const char *const texts[] = {i > 0 ? ", " : "Sec-WebSocket-Protocol: ", config->protocols[i],
                                 i + 1 == config->protocol_count ? "\r\n" : NULL, NULL};
    if (!wsc_buf_append_strings(out, texts)) return false;
  }
  return true;
}

static bool write_extensions(wsc_buf *out, const wsc_config *config) {
  return wsc_buf_append_string(out, "Sec-WebSocket-Extensions: ") &&
         wsc_extension_write_offers(out, config->extensions, config->extension_count) &&
         wsc_buf_append_string(out, "\r\n");
}

/* RFC 7617, from the URL's userinfo. */
static bool write_authorization(wsc_buf *out, const char *userinfo) {
  size_t size = strlen(userinfo), encoded = (size + 2) / 3 * 4;
  if (!wsc_buf_append_string(out, "Authorization: Basic ")) return false;
  uint8_t *room = wsc_buf_reserve(out, encoded + 1, NULL);
  if (!room) return false;
  wsc_base64((char *)room, (const uint8_t *)userinfo, size);
  wsc_buf_commit(out, encoded);
  return wsc_buf_append_string(out, "\r\n");
}

/* The program's own; Host stands above, where servers look for it first. */
static bool write_given_headers(wsc_buf *out, const wsc_config *config) {
  bool ok =
      given_header(config, "User-Agent") || write_header(out, "User-Agent", "wsclose/" WSC_VERSION);
  for (size_t i = 0; i < config->header_count && ok; i++) {
    const wsc_header *header = &config->headers[i];
    if (!wsc_http_equal_nocase(header->name, strlen(header->name), "Host"))
      ok = write_header(out, header->name, header->value);
  }
  return ok;
}

bool wsc_handshake_write_request(wsc_buf *out, const wsc_config *config, const wsc_uri *uri,
                                 const char *key) {
  bool ok = write_request_line(out, config, uri) && write_own_headers(out, config, uri, key) &&
            write_protocols(out, config);
  if (ok && config->extension_count > 0) ok = write_extensions(out, config);
  if (ok && uri->userinfo && !given_header(config, "Authorization"))
    ok = write_authorization(out, uri->userinfo);
  return ok && write_given_headers(out, config) && wsc_buf_append_string(out, "\r\n");
}
