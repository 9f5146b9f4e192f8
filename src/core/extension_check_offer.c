/* What a program wants to offer, checked before anything is sent. */
#include "extension.h"
#include "extension_parameters.h"

#include <string.h>

#include "hidden.h"

static bool is_whole_token(const char *text) {
  return wsc_http_is_token(text, strlen(text));
}

static bool repeats_param(const wsc_param *params, size_t index) {
  for (size_t i = 0; i < index; i++)
    if (strcmp(params[i].name, params[index].name) == 0) return true;
  return false;
}

static const char *find_grammar_fault(const wsc_extension *extension) {
  if (!is_whole_token(extension->name))
    return "an extension's name must be a token: letters, digits and !#$%&'*+-.^_`|~ only";
  for (size_t i = 0; i < extension->param_count; i++) {
    const wsc_param *param = &extension->params[i];
    if (!is_whole_token(param->name))
      return "the name of an extension's parameter must be a token: letters, digits and "
             "!#$%&'*+-.^_`|~ only";
    if (param->value && !is_whole_token(param->value))
      return "the value of an extension's parameter must be a token: letters, digits and "
             "!#$%&'*+-.^_`|~ only";
    if (repeats_param(extension->params, i)) return "an extension has one parameter twice";
  }
  for (size_t i = 0; i < extension->require_count; i++)
    if (!is_whole_token(extension->require[i]))
      return "require must list names of parameters; one of them is not a token";
  return NULL;
}

/* RFC 7692 7.1.2.2: a server may limit the client's window only where the client offered it, so
 * requiring what was not offered could never be met. */
static const char *find_require_fault(const wsc_extension *extension,
                                      const wsc_parameters *offered) {
  for (size_t i = 0; i < extension->require_count; i++) {
    wsc_parameter parameter = wsc_parameter_find(extension->require[i]);
    if (parameter == WSC_PARAMETER_COUNT)
      return "require may list permessage-deflate's four parameters only: "
             "client_no_context_takeover, server_no_context_takeover, client_max_window_bits, "
             "server_max_window_bits";
    if (parameter == WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS && !offered->given[parameter])
      return "require lists client_max_window_bits, which a server may answer only when it is "
             "offered: offer it too";
  }
  return NULL;
}

static const char *find_deflate_fault(const wsc_extension *extension) {
  wsc_parameters parameters;
  const wsc_param *faulty;
  switch (
      wsc_parameters_read(&parameters, extension->params, extension->param_count, true, &faulty)) {
  case WSC_PARAMETER_OK:
    return find_require_fault(extension, &parameters);
  case WSC_PARAMETER_HAS_VALUE:
    return "client_no_context_takeover and server_no_context_takeover of permessage-deflate take "
           "no value";
  case WSC_PARAMETER_NO_VALUE:
  case WSC_PARAMETER_BAD_VALUE:
    return wsc_parameter_find(faulty->name) == WSC_PARAMETER_SERVER_MAX_WINDOW_BITS
               ? "server_max_window_bits of permessage-deflate must be 8 to 15"
               : "client_max_window_bits of permessage-deflate must be 8 to 15, or have no value";
  default:
    return "permessage-deflate has four parameters only: client_no_context_takeover, "
           "server_no_context_takeover, client_max_window_bits, server_max_window_bits";
  }
}

int wsc_extension_check(const wsc_extension *extension, const char **sentence) {
  const char *fault = find_grammar_fault(extension);
  if (!fault && strcmp(extension->name, WSC_DEFLATE_NAME) == 0)
    fault = find_deflate_fault(extension);
  if (!fault) return WSC_OK;
  *sentence = fault;
  return WSC_ERR_EXTENSION;
}
