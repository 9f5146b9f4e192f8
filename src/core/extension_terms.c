#include "extension_terms.h"

#include <string.h>

static const char *const term_names[WSC_TERM_COUNT] = {
    [WSC_TERM_CLIENT_NO_CONTEXT_TAKEOVER] = "client_no_context_takeover",
    [WSC_TERM_SERVER_NO_CONTEXT_TAKEOVER] = "server_no_context_takeover",
    [WSC_TERM_CLIENT_MAX_WINDOW_BITS] = "client_max_window_bits",
    [WSC_TERM_SERVER_MAX_WINDOW_BITS] = "server_max_window_bits",
};

wsc_term wsc_term_find(const char *name) {
  int term = 0;
  while (term < WSC_TERM_COUNT && strcmp(name, term_names[term]) != 0) term++;
  return (wsc_term)term;
}

const char *wsc_term_name(wsc_term term) {
  return term_names[term];
}

/* RFC 7692 7.1.2: "a decimal integer value without leading zeroes between 8 to 15 inclusive". */
static uint8_t read_bits(const char *value) {
  if ((value[0] == '8' || value[0] == '9') && value[1] == '\0') return (uint8_t)(value[0] - '0');
  if (value[0] == '1' && value[1] >= '0' && value[1] <= '5' && value[2] == '\0')
    return (uint8_t)(10 + value[1] - '0');
  return 0;
}

static wsc_term_fault read_term(wsc_terms *terms, wsc_term term, const char *value, bool offer) {
  if (terms->given[term]) return WSC_TERM_REPEATED;
  terms->given[term] = true;
  bool takes_value =
      term == WSC_TERM_CLIENT_MAX_WINDOW_BITS || term == WSC_TERM_SERVER_MAX_WINDOW_BITS;
  if (!takes_value) return value ? WSC_TERM_HAS_VALUE : WSC_TERM_OK;
  if (!value)
    return offer && term == WSC_TERM_CLIENT_MAX_WINDOW_BITS ? WSC_TERM_OK : WSC_TERM_NO_VALUE;
  terms->bits[term] = read_bits(value);
  return terms->bits[term] ? WSC_TERM_OK : WSC_TERM_BAD_VALUE;
}

wsc_term_fault wsc_terms_read(wsc_terms *terms, const wsc_param *params, size_t count, bool offer,
                              const wsc_param **culprit) {
  *terms = (wsc_terms){0};
  for (size_t i = 0; i < count; i++) {
    *culprit = &params[i];
    wsc_term term = wsc_term_find(params[i].name);
    if (term == WSC_TERM_COUNT) return WSC_TERM_UNKNOWN;
    wsc_term_fault fault = read_term(terms, term, params[i].value, offer);
    if (fault) return fault;
  }
  return WSC_TERM_OK;
}
