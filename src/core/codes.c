/* Close codes and Close frames, the names of errors and phases: see codes.h. */
#include "codes.h"
#include "utf8.h"

#include <assert.h>
#include <string.h>

#include "hidden.h"

#define CLOSE_PAYLOAD_MAX (2 + WSC_REASON_MAX)

/* RFC 6455 7.4.2 and the IANA registry.  1004 is reserved; 1005, 1006 and 1015 say what happened
 * locally and never travel. */
bool wsc_close_code_sendable(unsigned code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

int wsc_close_parse(const uint8_t *payload, size_t size, unsigned *code, const char **reason,
                    size_t *reason_size) {
  assert(size <= CLOSE_PAYLOAD_MAX);
  *code = WSC_CLOSE_NO_STATUS;
  *reason = "";
  *reason_size = 0;
  if (size == 0) return WSC_OK;
  if (size == 1) return WSC_ERR_PROTOCOL;
  *code = (unsigned)payload[0] << 8 | payload[1];
  *reason = (const char *)payload + 2;
  *reason_size = size - 2;
  if (!wsc_close_code_sendable(*code)) return WSC_ERR_PROTOCOL;
  return wsc_utf8_valid(*reason, *reason_size) ? WSC_OK : WSC_ERR_UTF8;
}

/* The size of the longest prefix that fits and does not end within a character. */
static size_t cut_reason(const char *reason, size_t size) {
  if (size <= WSC_REASON_MAX) return size;
  size = WSC_REASON_MAX;
  while (size > 0 && ((unsigned char)reason[size] & 0xC0) == 0x80) size--;
  return size;
}

size_t wsc_close_write(uint8_t payload[125], unsigned code, const char *reason,
                       size_t reason_size) {
  if (code == 0) return 0; /* without a code there is no place for a reason */
  assert(wsc_close_code_sendable(code));
  reason_size = cut_reason(reason, reason_size);
  payload[0] = (uint8_t)(code >> 8);
  payload[1] = (uint8_t)code;
  if (reason_size != 0) memcpy(payload + 2, reason, reason_size);
  return 2 + reason_size;
}

/* ------------------------------------------------------------ errors and phases */

static const char *const error_names[] = {
    [-WSC_OK] = "ok",
    [-WSC_AGAIN] = "again",
    [-WSC_ERR_PROTOCOL] = "protocol",
    [-WSC_ERR_UTF8] = "utf8",
    [-WSC_ERR_TOO_BIG] = "too_big",
    [-WSC_ERR_DEFLATE] = "deflate",
    [-WSC_ERR_MEMORY] = "memory",
    [-WSC_ERR_HANDSHAKE] = "handshake",
    [-WSC_ERR_EXTENSION] = "extension",
    [-WSC_ERR_HTTP] = "http",
    [-WSC_ERR_REDIRECT] = "redirect",
    [-WSC_ERR_TIMEOUT] = "timeout",
    [-WSC_ERR_DNS] = "dns",
    [-WSC_ERR_REFUSED] = "refused",
    [-WSC_ERR_UNREACHABLE] = "unreachable",
    [-WSC_ERR_RESET] = "reset",
    [-WSC_ERR_PROXY] = "proxy",
    [-WSC_ERR_TLS] = "tls",
    [-WSC_ERR_PING_TIMEOUT] = "ping_timeout",
    [-WSC_ERR_CLOSE_TIMEOUT] = "close_timeout",
    [-WSC_ERR_EOF] = "eof",
    [-WSC_ERR_STATE] = "state",
    [-WSC_ERR_BUSY] = "busy",
    [-WSC_ERR_URL] = "url",
    [-WSC_ERR_CANCELLED] = "cancelled",
    [-WSC_ERR_CERTIFICATE] = "tls",
};

static const char *const phase_names[] = {
    [WSC_PHASE_DNS] = "dns",
    [WSC_PHASE_TCP] = "tcp",
    [WSC_PHASE_PROXY] = "proxy",
    [WSC_PHASE_TLS] = "tls",
    [WSC_PHASE_HANDSHAKE] = "handshake",
    [WSC_PHASE_OPEN] = "open",
    [WSC_PHASE_CLOSE] = "close",
};

const char *wsc_error_name(int error) {
  const int count = (int)(sizeof error_names / sizeof *error_names);
  return error > 0 || error <= -count ? "unknown" : error_names[-error];
}

unsigned wsc_error_close_code(int error) {
  switch (error) {
  case WSC_ERR_PROTOCOL:
  case WSC_ERR_DEFLATE:
    return WSC_CLOSE_PROTOCOL_ERROR;
  case WSC_ERR_UTF8:
    return WSC_CLOSE_INVALID_PAYLOAD;
  case WSC_ERR_TOO_BIG:
    return WSC_CLOSE_MESSAGE_TOO_BIG;
  case WSC_ERR_MEMORY:
  case WSC_ERR_PING_TIMEOUT:
    return WSC_CLOSE_INTERNAL_ERROR;
  default:
    return 0;
  }
}

const char *wsc_phase_name(wsc_phase phase) {
  const unsigned count = sizeof phase_names / sizeof *phase_names;
  return (unsigned)phase < count ? phase_names[phase] : "unknown";
}
