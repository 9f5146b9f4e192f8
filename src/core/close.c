/* Close codes and the payload of a Close frame, RFC 6455 5.5.1 and 7.4: see close.h. */
#include "close.h"
#include "utf8.h"

#include <assert.h>
#include <string.h>

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
