/* Incremental UTF-8 validation, RFC 3629, RFC 6455 8.1: an invalid byte is found where it stands.
 */
#ifndef WSC_CORE_UTF8_H
#define WSC_CORE_UTF8_H

#include "wsclose.h"

/* Zero is the start and the only state in which a text may end. */
typedef uint8_t wsc_utf8_state;

#define WSC_UTF8_ACCEPT 0
#define WSC_UTF8_REJECT 1

/* The state after `data`; WSC_UTF8_REJECT sticks.  Overlong forms, surrogates, above U+10FFFF are
 * rejected at their first impossible byte. */
wsc_utf8_state wsc_utf8_check(wsc_utf8_state state, const uint8_t *data, size_t size);

/* A whole text. */
bool wsc_utf8_valid(const void *data, size_t size);

#endif
