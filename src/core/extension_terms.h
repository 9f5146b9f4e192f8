/* The four parameters of permessage-deflate, RFC 7692 7.1, as they stand in an offer or an answer.
 */
#ifndef WSC_CORE_EXTENSION_TERMS_H
#define WSC_CORE_EXTENSION_TERMS_H

#include "wsclose.h"

typedef enum wsc_term {
  WSC_TERM_CLIENT_NO_CONTEXT_TAKEOVER,
  WSC_TERM_SERVER_NO_CONTEXT_TAKEOVER,
  WSC_TERM_CLIENT_MAX_WINDOW_BITS,
  WSC_TERM_SERVER_MAX_WINDOW_BITS,
  WSC_TERM_COUNT
} wsc_term;

typedef enum wsc_term_fault {
  WSC_TERM_OK,
  WSC_TERM_UNKNOWN,
  WSC_TERM_REPEATED,
  WSC_TERM_HAS_VALUE, /* where none belongs */
  WSC_TERM_NO_VALUE,
  WSC_TERM_BAD_VALUE /* not 8 to 15 */
} wsc_term_fault;

typedef struct wsc_terms {
  bool given[WSC_TERM_COUNT];
  uint8_t bits[WSC_TERM_COUNT]; /* 8-15; 0: no value */
} wsc_terms;

/* WSC_TERM_COUNT for a name that is none of the four. */
wsc_term wsc_term_find(const char *name);
const char *wsc_term_name(wsc_term term);

/* Reads all of `params`.  In an offer client_max_window_bits may stand without a value (7.1.2.2),
 * in an answer it may not.  On a fault *culprit is the parameter that has it. */
wsc_term_fault wsc_terms_read(wsc_terms *terms, const wsc_param *params, size_t count, bool offer,
                              const wsc_param **culprit);

#endif
