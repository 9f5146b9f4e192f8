/* Close codes and the payload of a Close frame, RFC 6455 5.5.1 and 7.4.  What stands in wsclose.h
 * alone: the names of errors and phases, and the close code that an error puts on the wire. */
#ifndef WSC_CORE_CODES_H
#define WSC_CORE_CODES_H

#include "wsclose.h"

/* Reads a Close frame's payload (size <= 125, asserted).  WSC_OK: *code (1005 for an empty payload)
 * and the reason as a slice of `payload`.  WSC_ERR_PROTOCOL: one byte, or a code that may not
 * travel.  WSC_ERR_UTF8: the reason. */
int wsc_close_parse(const uint8_t *payload, size_t size, unsigned *code, const char **reason,
                    size_t *reason_size);

/* Writes a payload of at most 125 bytes and returns its size; code 0: empty.  A reason over 123
 * bytes is cut before the character that would not fit. */
size_t wsc_close_write(uint8_t payload[125], unsigned code, const char *reason, size_t reason_size);

#endif
