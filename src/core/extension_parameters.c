#include "extension_parameters.h"

#include <string.h>

#include "hidden.h"

static const char *const parameter_names[WSC_PARAMETER_COUNT] = {
    [WSC_PARAMETER_CLIENT_NO_CONTEXT_TAKEOVER] = "client_no_context_takeover",
    [WSC_PARAMETER_SERVER_NO_CONTEXT_TAKEOVER] = "server_no_context_takeover",
    [WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS] = "client_max_window_bits",
    [WSC_PARAMETER_SERVER_MAX_WINDOW_BITS] = "server_max_window_bits",
};

wsc_parameter wsc_parameter_find(const char *name) {
  int parameter = 0;
  while (parameter < WSC_PARAMETER_COUNT && strcmp(name, parameter_names[parameter]) != 0)
    parameter++;
  return (wsc_parameter)parameter;
}

const char *wsc_parameter_name(wsc_parameter parameter) {
  return parameter_names[parameter];
}

/* RFC 7692 7.1.2: "a decimal integer value without leading zeroes between 8 to 15 inclusive". */
static uint8_t read_bits(const char *value) {
  if ((value[0] == '8' || value[0] == '9') && value[1] == '\0') return (uint8_t)(value[0] - '0');
  if (value[0] == '1' && value[1] >= '0' && value[1] <= '5' && value[2] == '\0')
    return (uint8_t)(10 + value[1] - '0');
  return 0;
}

static wsc_parameter_fault read_parameter(wsc_parameters *parameters, wsc_parameter parameter,
                                          const char *value, bool offer) {
  if (parameters->given[parameter]) return WSC_PARAMETER_REPEATED;
  parameters->given[parameter] = true;
  bool takes_value = parameter == WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS ||
                     parameter == WSC_PARAMETER_SERVER_MAX_WINDOW_BITS;
  if (!takes_value) return value ? WSC_PARAMETER_HAS_VALUE : WSC_PARAMETER_OK;
  if (!value)
    return offer && parameter == WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS ? WSC_PARAMETER_OK
                                                                      : WSC_PARAMETER_NO_VALUE;
  parameters->bits[parameter] = read_bits(value);
  return parameters->bits[parameter] ? WSC_PARAMETER_OK : WSC_PARAMETER_BAD_VALUE;
}

wsc_parameter_fault wsc_parameters_read(wsc_parameters *parameters, const wsc_param *params,
                                        size_t count, bool offer, const wsc_param **faulty) {
  *parameters = (wsc_parameters){0};
  for (size_t i = 0; i < count; i++) {
    *faulty = &params[i];
    wsc_parameter parameter = wsc_parameter_find(params[i].name);
    if (parameter == WSC_PARAMETER_COUNT) return WSC_PARAMETER_UNKNOWN;
    wsc_parameter_fault fault = read_parameter(parameters, parameter, params[i].value, offer);
    if (fault) return fault;
  }
  return WSC_PARAMETER_OK;
}
