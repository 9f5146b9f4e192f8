/* The four parameters of permessage-deflate, RFC 7692 7.1, as they stand in an offer or an answer.
 */
#ifndef WSC_CORE_EXTENSION_PARAMETERS_H
#define WSC_CORE_EXTENSION_PARAMETERS_H

#include "wsclose.h"

typedef enum wsc_parameter {
  WSC_PARAMETER_CLIENT_NO_CONTEXT_TAKEOVER,
  WSC_PARAMETER_SERVER_NO_CONTEXT_TAKEOVER,
  WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS,
  WSC_PARAMETER_SERVER_MAX_WINDOW_BITS,
  WSC_PARAMETER_COUNT
} wsc_parameter;

typedef enum wsc_parameter_fault {
  WSC_PARAMETER_OK,
  WSC_PARAMETER_UNKNOWN,
  WSC_PARAMETER_REPEATED,
  WSC_PARAMETER_HAS_VALUE, /* where none belongs */
  WSC_PARAMETER_NO_VALUE,
  WSC_PARAMETER_BAD_VALUE /* not 8 to 15 */
} wsc_parameter_fault;

typedef struct wsc_parameters {
  bool given[WSC_PARAMETER_COUNT];
  uint8_t bits[WSC_PARAMETER_COUNT]; /* 8-15; 0: no value */
} wsc_parameters;

/* WSC_PARAMETER_COUNT for a name that is none of the four. */
wsc_parameter wsc_parameter_find(const char *name);
const char *wsc_parameter_name(wsc_parameter parameter);

/* Reads all of `params`.  In an offer client_max_window_bits may stand without a value (7.1.2.2),
 * in an answer it may not.  On a fault *faulty is the parameter that has it. */
wsc_parameter_fault wsc_parameters_read(wsc_parameters *parameters, const wsc_param *params,
                                        size_t count, bool offer, const wsc_param **faulty);

#endif
