/* What a server made of our offers: RFC 6455 4.1 step 5, RFC 7692 5 and 7.1. */
#include "extension.h"
#include "extension_parameters.h"

#include <stdio.h>
#include <string.h>

#include "hidden.h"

/* Names that come from the peer are cut in sentences. */
#define SHOWN "%.60s"

typedef struct answer_check {
  const wsc_extension *offers;
  size_t offer_count;
  const wsc_extension_list *answer;
  char *sentence;
  size_t sentence_size;
} answer_check;

static bool requires_parameter(const wsc_extension *offer, const char *name) {
  for (size_t i = 0; i < offer->require_count; i++)
    if (strcmp(offer->require[i], name) == 0) return true;
  return false;
}

static bool answers_param(const wsc_agreed_extension *item, const char *name) {
  for (size_t i = 0; i < item->param_count; i++)
    if (strcmp(item->params[i].name, name) == 0) return true;
  return false;
}

static bool meets_require(const wsc_extension *offer, const wsc_agreed_extension *item) {
  for (size_t i = 0; i < offer->require_count; i++)
    if (!answers_param(item, offer->require[i])) return false;
  return true;
}

/* ---------------------------------------------------------------- permessage-deflate */

/* "the server answered permessage-deflate with <name>[=<value>]<expectation>" */
static void refuse_param(const answer_check *check, const wsc_param *param,
                         const char *expectation) {
  const char *equals = param->value ? "=" : "", *value = param->value ? param->value : "";
  snprintf(check->sentence, check->sentence_size,
           "the server answered permessage-deflate with " SHOWN "%s" SHOWN "%s", param->name,
           equals, value, expectation);
}

static bool read_answer(const answer_check *check, const wsc_agreed_extension *item,
                        wsc_parameters *parameters) {
  static const char *const expectations[] = {
      [WSC_PARAMETER_UNKNOWN] = "; expected only the parameters of RFC 7692",
      [WSC_PARAMETER_REPEATED] = " again; expected it once",
      [WSC_PARAMETER_HAS_VALUE] = "; expected it without a value",
      [WSC_PARAMETER_NO_VALUE] = " without a value; expected 8 to 15",
      [WSC_PARAMETER_BAD_VALUE] = "; expected 8 to 15",
  };
  const wsc_param *faulty;
  wsc_parameter_fault fault =
      wsc_parameters_read(parameters, item->params, item->param_count, false, &faulty);
  if (fault != WSC_PARAMETER_OK) refuse_param(check, faulty, expectations[fault]);
  return fault == WSC_PARAMETER_OK;
}

static bool refuse_bits(const answer_check *check, wsc_parameter parameter, unsigned bits,
                        unsigned most) {
  snprintf(check->sentence, check->sentence_size,
           "the server answered permessage-deflate with %s=%u; expected at most the %u offered",
           wsc_parameter_name(parameter), bits, most);
  return false;
}

/* What was asked for and must be confirmed (RFC 7692 7.1.1.1, 7.1.2.1).  Under `require` its
 * absence is a matter of Close 1010 instead. */
static bool confirms(const answer_check *check, const wsc_extension *offer,
                     const wsc_parameters *asked, const wsc_parameters *answered,
                     wsc_parameter parameter) {
  if (!asked->given[parameter] || answered->given[parameter]) return true;
  if (requires_parameter(offer, wsc_parameter_name(parameter))) return true;
  snprintf(check->sentence, check->sentence_size,
           "the server answered permessage-deflate without %s; expected it, as it was asked for",
           wsc_parameter_name(parameter));
  return false;
}

static bool fits_deflate_offer(const answer_check *check, const wsc_extension *offer,
                               const wsc_parameters *answered) {
  const wsc_parameter client = WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS,
                      server = WSC_PARAMETER_SERVER_MAX_WINDOW_BITS;
  const wsc_param *faulty;
  wsc_parameters asked;
  wsc_parameters_read(&asked, offer->params, offer->param_count, true, &faulty);
  if (answered->given[client] && !asked.given[client]) {
    snprintf(check->sentence, check->sentence_size,
             "the server answered permessage-deflate with client_max_window_bits=%u; expected it "
             "only if it had been offered",
             answered->bits[client]);
    return false;
  }
  if (asked.bits[client] && answered->bits[client] > asked.bits[client])
    return refuse_bits(check, client, answered->bits[client], asked.bits[client]);
  if (asked.bits[server] && answered->bits[server] > asked.bits[server])
    return refuse_bits(check, server, answered->bits[server], asked.bits[server]);
  return confirms(check, offer, &asked, answered, server) &&
         confirms(check, offer, &asked, answered, WSC_PARAMETER_SERVER_NO_CONTEXT_TAKEOVER);
}

static uint8_t first_bits(uint8_t a, uint8_t b) {
  return a ? a : b ? b : 15;
}

/* What the client offers for its own direction is a promise that holds without an answer too
 * (RFC 7692 7.1.1.2, 7.1.2.2). */
static void agree(wsc_agreement *agreement, const wsc_extension *offer,
                  const wsc_agreed_extension *item) {
  const wsc_param *faulty;
  wsc_parameters asked, answered;
  wsc_parameters_read(&asked, offer->params, offer->param_count, true, &faulty);
  wsc_parameters_read(&answered, item->params, item->param_count, false, &faulty);
  agreement->deflate = true;
  agreement->params = (wsc_deflate_params){
      .client_no_context_takeover = asked.given[WSC_PARAMETER_CLIENT_NO_CONTEXT_TAKEOVER] ||
                                    answered.given[WSC_PARAMETER_CLIENT_NO_CONTEXT_TAKEOVER],
      .server_no_context_takeover = answered.given[WSC_PARAMETER_SERVER_NO_CONTEXT_TAKEOVER],
      .client_max_window_bits = first_bits(answered.bits[WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS],
                                           asked.bits[WSC_PARAMETER_CLIENT_MAX_WINDOW_BITS]),
      .server_max_window_bits = first_bits(answered.bits[WSC_PARAMETER_SERVER_MAX_WINDOW_BITS], 0),
  };
}

/* ---------------------------------------------------------------- any extension */

static bool has_distinct_params(const answer_check *check, const wsc_agreed_extension *item) {
  for (size_t i = 1; i < item->param_count; i++)
    for (size_t k = 0; k < i; k++)
      if (strcmp(item->params[i].name, item->params[k].name) == 0) {
        snprintf(check->sentence, check->sentence_size,
                 "the server answered the extension " SHOWN " with the parameter " SHOWN
                 " twice; expected it once",
                 item->name, item->params[i].name);
        return false;
      }
  return true;
}

/* The offer that the answer takes up: the first it fits whose `require` it meets, else the first it
 * fits.  NULL and a sentence: it fits none. */
static const wsc_extension *find_offer(const answer_check *check,
                                       const wsc_agreed_extension *item) {
  bool deflate = strcmp(item->name, WSC_DEFLATE_NAME) == 0, offered = false;
  const wsc_extension *fitting = NULL;
  wsc_parameters answered;
  for (size_t i = 0; i < check->offer_count; i++) {
    const wsc_extension *offer = &check->offers[i];
    if (strcmp(offer->name, item->name) != 0) continue;
    if (!offered &&
        !(deflate ? read_answer(check, item, &answered) : has_distinct_params(check, item)))
      return NULL;
    offered = true;
    if (deflate && !fits_deflate_offer(check, offer, &answered)) continue;
    if (meets_require(offer, item)) return offer;
    if (!fitting) fitting = offer;
  }
  if (!offered)
    snprintf(check->sentence, check->sentence_size,
             "the server answered with the extension " SHOWN
             ", which was not offered; expected none but those offered",
             item->name);
  return fitting;
}

static bool is_repeated(const answer_check *check, size_t index) {
  const wsc_agreed_extension *items = check->answer->items;
  for (size_t i = 0; i < index; i++)
    if (strcmp(items[i].name, items[index].name) == 0) {
      snprintf(check->sentence, check->sentence_size,
               "the server answered with the extension " SHOWN " twice; expected it once",
               items[index].name);
      return true;
    }
  return false;
}

/* ---------------------------------------------------------------- what is missing: Close 1010 */

/* Names are appended whole or not at all, once one does not fit none follows: RFC 6455 5.5 leaves
 * 123 bytes.  The first is cut, so that something missing is never told by nothing. */
typedef struct missing_list {
  char *text;
  size_t size;
  bool full;
} missing_list;

static void append_missing(missing_list *list, const char *mark, const char *name) {
  size_t mark_size = strlen(mark), name_size = strlen(name);
  if (list->size == 0 && name_size > WSC_REASON_MAX) name_size = WSC_REASON_MAX;
  if (list->full || list->size + mark_size + name_size > WSC_REASON_MAX) {
    list->full = true;
    return;
  }
  memcpy(list->text + list->size, mark, mark_size);
  memcpy(list->text + list->size + mark_size, name, name_size);
  list->size += mark_size + name_size;
  list->text[list->size] = '\0';
}

static const wsc_agreed_extension *find_answer(const answer_check *check, const char *name) {
  for (size_t i = 0; i < check->answer->count; i++)
    if (strcmp(check->answer->items[i].name, name) == 0) return &check->answer->items[i];
  return NULL;
}

/* The first offer of this name that is meant to be met at any rate, or NULL. */
static const wsc_extension *find_required(const answer_check *check, const char *name) {
  for (size_t i = 0; i < check->offer_count; i++) {
    const wsc_extension *offer = &check->offers[i];
    if (strcmp(offer->name, name) == 0 && (offer->required || offer->require_count > 0))
      return offer;
  }
  return NULL;
}

static bool is_offered_before(const answer_check *check, size_t index) {
  for (size_t i = 0; i < index; i++)
    if (strcmp(check->offers[i].name, check->offers[index].name) == 0) return true;
  return false;
}

static void list_missing(const answer_check *check, missing_list *list, const char *name) {
  const char *mark = list->size > 0 ? ", " : "";
  const wsc_agreed_extension *item = find_answer(check, name);
  const wsc_extension *offer = item ? find_offer(check, item) : find_required(check, name);
  if (!offer || (item && meets_require(offer, item))) return;
  append_missing(list, mark, name);
  for (size_t i = 0; i < offer->require_count; i++)
    if (!item || !answers_param(item, offer->require[i]))
      append_missing(list, "; ", offer->require[i]);
}

int wsc_extension_check_answer(wsc_agreement *agreement, const wsc_extension *offers, size_t count,
                               const wsc_extension_list *answer, char *sentence,
                               size_t sentence_size) {
  *agreement = (wsc_agreement){0};
  answer_check check = {offers, count, answer, sentence, sentence_size};
  for (size_t i = 0; i < answer->count; i++) {
    const wsc_agreed_extension *item = &answer->items[i];
    if (is_repeated(&check, i)) return WSC_ERR_EXTENSION;
    const wsc_extension *offer = find_offer(&check, item);
    if (!offer) return WSC_ERR_EXTENSION;
    if (strcmp(item->name, WSC_DEFLATE_NAME) == 0) agree(agreement, offer, item);
  }
  missing_list missing = {.text = agreement->missing};
  for (size_t i = 0; i < count; i++)
    if (!is_offered_before(&check, i)) list_missing(&check, &missing, offers[i].name);
  *sentence = '\0'; /* another offer of the same name may have left its fault there */
  return WSC_OK;
}
