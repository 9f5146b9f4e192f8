/* The names of errors and phases, and the close code that each error puts on the wire. */
#include "error.h"

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
