/* The server's side of permessage-deflate's negotiation, RFC 7692 5 and 7.1. */
#include "extension.h"
#include "extension_terms.h"

#include <stdio.h>
#include <string.h>

static uint8_t smaller_bits(uint8_t a, uint8_t b) {
  if (a == 0 || b == 0) return a ? a : b;
  return a < b ? a : b;
}

/* What the client asks for is granted; the server's wishes are added where the offer leaves room:
 * a limit on the client's window only if the client offered it (7.1.2.2). */
static wsc_terms grant(const wsc_terms *asked, const wsc_terms *wished) {
  wsc_terms granted;
  for (int term = 0; term < WSC_TERM_COUNT; term++) {
    granted.given[term] = asked->given[term] || wished->given[term];
    granted.bits[term] = smaller_bits(asked->bits[term], wished->bits[term]);
  }
  if (!asked->given[WSC_TERM_CLIENT_MAX_WINDOW_BITS])
    granted.bits[WSC_TERM_CLIENT_MAX_WINDOW_BITS] = 0;
  return granted;
}

static bool write_terms(wsc_buf *out, const wsc_terms *terms) {
  for (int i = 0; i < WSC_TERM_COUNT; i++) {
    wsc_term term = (wsc_term)i;
    bool is_bits =
        term == WSC_TERM_CLIENT_MAX_WINDOW_BITS || term == WSC_TERM_SERVER_MAX_WINDOW_BITS;
    if (is_bits ? !terms->bits[term] : !terms->given[term]) continue;
    char value[8];
    snprintf(value, sizeof value, "%u", terms->bits[term]);
    wsc_param param = {wsc_term_name(term), is_bits ? value : NULL};
    if (!wsc_extension_write_params(out, &param, 1)) return false;
  }
  return true;
}

static wsc_deflate_params params_of(const wsc_terms *terms) {
  uint8_t client = terms->bits[WSC_TERM_CLIENT_MAX_WINDOW_BITS];
  uint8_t server = terms->bits[WSC_TERM_SERVER_MAX_WINDOW_BITS];
  return (wsc_deflate_params){
      .client_no_context_takeover = terms->given[WSC_TERM_CLIENT_NO_CONTEXT_TAKEOVER],
      .server_no_context_takeover = terms->given[WSC_TERM_SERVER_NO_CONTEXT_TAKEOVER],
      .client_max_window_bits = client ? client : 15,
      .server_max_window_bits = server ? server : 15,
  };
}

static const wsc_agreed_extension *
find_acceptable(const wsc_extension *accepted, const wsc_extension_list *offers, wsc_terms *asked) {
  bool deflate = strcmp(accepted->name, WSC_DEFLATE_NAME) == 0;
  for (size_t i = 0; i < offers->count; i++) {
    const wsc_agreed_extension *offer = &offers->items[i];
    const wsc_param *culprit;
    if (strcmp(offer->name, accepted->name) != 0) continue;
    if (!deflate) return offer;
    if (wsc_terms_read(asked, offer->params, offer->param_count, true, &culprit) == WSC_TERM_OK)
      return offer;
  }
  return NULL;
}

static bool answer_deflate(wsc_buf *out, wsc_agreement *agreement, const wsc_extension *accepted,
                           const wsc_terms *asked) {
  const wsc_param *culprit;
  wsc_terms wished;
  wsc_terms_read(&wished, accepted->params, accepted->param_count, true, &culprit);
  wsc_terms granted = grant(asked, &wished);
  agreement->deflate = true;
  agreement->params = params_of(&granted);
  return write_terms(out, &granted);
}

bool wsc_extension_answer(wsc_buf *out, wsc_agreement *agreement, const wsc_extension *accepted,
                          size_t count, const wsc_extension_list *offers) {
  *agreement = (wsc_agreement){0};
  bool ok = true;
  const char *mark = "";
  for (size_t i = 0; i < count && ok; i++) {
    wsc_terms asked = {0};
    if (!find_acceptable(&accepted[i], offers, &asked)) continue;
    ok = wsc_buf_append_string(out, mark) && wsc_buf_append_string(out, accepted[i].name);
    mark = ", ";
    if (!ok) break;
    if (strcmp(accepted[i].name, WSC_DEFLATE_NAME) == 0)
      ok = answer_deflate(out, agreement, &accepted[i], &asked);
    else
      ok = wsc_extension_write_params(out, accepted[i].params, accepted[i].param_count);
  }
  return ok;
}
