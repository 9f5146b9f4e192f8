/* The server's side of permessage-deflate's negotiation, RFC 7692 5 and 7.1. */
#include "extension.h"
#include "extension_parameters.h"

#include <stdio.h>
#include <string.h>

#include "hidden.h"

static uint8_t smaller_bits(uint8_t a, uint8_t b) {
  if (a == 0 || b == 0) return a ? a : b;
  return a < b ? a : b;
}

/* What the client asks for is granted; the server's wishes are added where the offer leaves room:
 * a limit on the client's window only if the client offered it (7.1.2.2). */
static wsc_parameters grant(const wsc_parameters *asked, const wsc_parameters *wished) {
  wsc_parameters granted;
  for (int parameter = 0; parameter < WSC_PARAMETER_COUNT; parameter++) {
    granted.given[parameter] = asked->given[parameter] || wished->given[parameter];
    granted.bits[parameter] = smaller_bits(asked->bits[parameter], wished->bits[parameter]);
  }
  if (!asked->given[WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS])
    granted.bits[WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS] = 0;
  return granted;
}

static bool write_parameters(wsc_buf *out, const wsc_parameters *parameters) {
  for (int i = 0; i < WSC_PARAMETER_COUNT; i++) {
    wsc_parameter parameter = (wsc_parameter)i;
    bool is_bits = parameter == WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS ||
                   parameter == WSC_PARAMETER_SERVER_MAX_WINDOW_BITS;
    if (is_bits ? !parameters->bits[parameter] : !parameters->given[parameter]) continue;
    char value[8];
    snprintf(value, sizeof value, "%u", parameters->bits[parameter]);
    wsc_param param = {wsc_parameter_name(parameter), is_bits ? value : NULL};
    if (!wsc_extension_write_params(out, &param, 1)) return false;
  }
  return true;
}

static wsc_deflate_params params_of(const wsc_parameters *parameters) {
  uint8_t client = parameters->bits[WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS];
  uint8_t server = parameters->bits[WSC_PARAMETER_SERVER_MAX_WINDOW_BITS];
  return (wsc_deflate_params){
      .client_no_context_takeover = parameters->given[WSC_PARAMETER_CLIENT_NO_CONTEXT_TAKEOVER],
      .server_no_context_takeover = parameters->given[WSC_PARAMETER_SERVER_NO_CONTEXT_TAKEOVER],
      .client_max_window_bits = client ? client : 15,
      .server_max_window_bits = server ? server : 15,
  };
}

static const wsc_agreed_extension *find_acceptable(const wsc_extension *accepted,
                                                   const wsc_extension_list *offers,
                                                   wsc_parameters *asked) {
  bool deflate = strcmp(accepted->name, WSC_DEFLATE_NAME) == 0;
  for (size_t i = 0; i < offers->count; i++) {
    const wsc_agreed_extension *offer = &offers->items[i];
    const wsc_param *faulty;
    if (strcmp(offer->name, accepted->name) != 0) continue;
    if (!deflate) return offer;
    if (wsc_parameters_read(asked, offer->params, offer->param_count, true, &faulty) ==
        WSC_PARAMETER_OK)
      return offer;
  }
  return NULL;
}

static bool answer_deflate(wsc_buf *out, wsc_agreement *agreement, const wsc_extension *accepted,
                           const wsc_parameters *asked) {
  const wsc_param *faulty;
  wsc_parameters wished;
  wsc_parameters_read(&wished, accepted->params, accepted->param_count, true, &faulty);
  wsc_parameters granted = grant(asked, &wished);
  agreement->deflate = true;
  agreement->params = params_of(&granted);
  return write_parameters(out, &granted);
}

bool wsc_extension_answer(wsc_buf *out, wsc_agreement *agreement, const wsc_extension *accepted,
                          size_t count, const wsc_extension_list *offers) {
  *agreement = (wsc_agreement){0};
  const char *mark = "";
  for (size_t i = 0; i < count; i++) {
    wsc_parameters asked = {0};
    if (!find_acceptable(&accepted[i], offers, &asked)) continue;
    const char *const texts[] = {mark, accepted[i].name, NULL};
    bool deflate = strcmp(accepted[i].name, WSC_DEFLATE_NAME) == 0;
    if (!wsc_buf_append_strings(out, texts) ||
        !(deflate ? answer_deflate(out, agreement, &accepted[i], &asked)
                  : wsc_extension_write_params(out, accepted[i].params, accepted[i].param_count)))
      return false;
    mark = ", ";
  }
  return true;
}
