/* Sec-WebSocket-Extensions as text, RFC 6455 9.1: see extension.h.  What the extensions mean is
 * checked in extension_check_answer.c.
 *
 *   extension-list  = 1#extension
 *   extension       = extension-token *( ";" extension-param )
 *   extension-param = token [ "=" (token | quoted-string) ] */
#include "extension.h"

#include <string.h>

#include "hidden.h"

/* Strings are stored behind each other with a NUL each; the separator or line end that every one of
 * them is followed by makes the room for it. */
typedef struct list_reader {
  wsc_extension_list *list;
  const char *at;
  char *text;
  size_t param_count;
  const char *fault;
} list_reader;

static bool list_fault(list_reader *reader, const char *fault) {
  reader->fault = fault;
  return false;
}

static void skip_list_blanks(list_reader *reader) {
  while (*reader->at == ' ' || *reader->at == '\t') reader->at++;
}

static size_t token_size(const char *text) {
  size_t size = 0;
  while (wsc_http_is_token(text + size, 1)) size++;
  return size;
}

/* Stores the token that stands here; NULL where there is none. */
static const char *take_token(list_reader *reader) {
  size_t size = token_size(reader->at);
  if (size == 0) return NULL;
  char *token = reader->text;
  memcpy(token, reader->at, size);
  token[size] = '\0';
  reader->text += size + 1;
  reader->at += size;
  return token;
}

/* RFC 9110 5.6.4; "the value after quoted-string unescaping MUST conform to the 'token' ABNF". */
static const char *take_quoted(list_reader *reader) {
  const char *in = reader->at + 1;
  char *token = reader->text, *end = token;
  for (; *in != '"'; in++) {
    if (*in == '\\') in++;
    if (*in == '\0') {
      list_fault(reader, "a quoted value in Sec-WebSocket-Extensions is not closed");
      return NULL;
    }
    *end++ = *in;
  }
  if (!wsc_http_is_token(token, (size_t)(end - token))) {
    list_fault(reader, "a quoted value in Sec-WebSocket-Extensions is not a token");
    return NULL;
  }
  *end = '\0';
  reader->text = end + 1;
  reader->at = in + 1;
  return token;
}

/* What follows a ';'. */
static bool read_param(list_reader *reader, wsc_agreed_extension *item) {
  skip_list_blanks(reader);
  wsc_param *param = &reader->list->params[reader->param_count];
  param->name = take_token(reader);
  if (!param->name)
    return list_fault(reader, "a parameter in Sec-WebSocket-Extensions has no name");
  reader->param_count++;
  item->param_count++;
  skip_list_blanks(reader);
  if (*reader->at != '=') return true;
  reader->at++;
  skip_list_blanks(reader);
  param->value = *reader->at == '"' ? take_quoted(reader) : take_token(reader);
  if (param->value || reader->fault) return param->value != NULL;
  return list_fault(reader, "a parameter in Sec-WebSocket-Extensions has no value after its '='");
}

static bool read_extension(list_reader *reader) {
  wsc_agreed_extension *item = &reader->list->items[reader->list->count];
  item->name = take_token(reader);
  if (!item->name)
    return list_fault(reader, "an extension in Sec-WebSocket-Extensions has no name");
  item->params = reader->list->params + reader->param_count;
  reader->list->count++;
  skip_list_blanks(reader);
  while (*reader->at == ';') {
    reader->at++;
    if (!read_param(reader, item)) return false;
    skip_list_blanks(reader);
  }
  if (*reader->at == ',' || *reader->at == '\0') return true;
  return list_fault(
      reader, "Sec-WebSocket-Extensions has something other than ',' or ';' after a name or value");
}

static bool read_list(list_reader *reader, const char *value) {
  reader->at = value;
  for (;;) {
    skip_list_blanks(reader);
    while (*reader->at == ',') {
      reader->at++;
      skip_list_blanks(reader);
    }
    if (*reader->at == '\0') return true;
    if (!read_extension(reader)) return false;
  }
}

static size_t count_char(const char *text, char c) {
  size_t count = 0;
  for (; *text; text++) count += *text == c;
  return count;
}

static const char header_name[] = "Sec-WebSocket-Extensions";

/* As much as the lines can hold at the most, in one block. */
static bool allocate_list(wsc_extension_list *list, const wsc_http_head *head) {
  size_t items = 0, params = 0, text = 0;
  const wsc_header *line = NULL;
  while ((line = wsc_http_find(head, header_name, line)) != NULL) {
    items += count_char(line->value, ',') + 1;
    params += count_char(line->value, ';');
    text += strlen(line->value) + 1;
  }
  if (items == 0) return true;
  size_t items_size = items * sizeof *list->items, params_size = params * sizeof *list->params;
  list->items = wsc_alloc(list->platform, 1, items_size + params_size + text);
  if (!list->items) return false;
  list->params = (wsc_param *)(list->items + items);
  list->text = (char *)(list->params + params);
  return true;
}

int wsc_extension_parse(wsc_extension_list *list, const wsc_platform *platform,
                        const wsc_http_head *head, const char **sentence) {
  *list = (wsc_extension_list){.platform = platform};
  if (!allocate_list(list, head)) return WSC_ERR_MEMORY;
  list_reader reader = {.list = list, .text = list->text};
  const wsc_header *line = NULL;
  while ((line = wsc_http_find(head, header_name, line)) != NULL) {
    if (read_list(&reader, line->value)) continue;
    wsc_extension_list_free(list);
    *sentence = reader.fault;
    return WSC_ERR_EXTENSION;
  }
  return WSC_OK;
}

void wsc_extension_list_free(wsc_extension_list *list) {
  wsc_release(list->platform, list->items);
  *list = (wsc_extension_list){.platform = list->platform};
}

bool wsc_extension_write_params(wsc_buf *out, const wsc_param *params, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const char *value = params[i].value;
    const char *const texts[] = {"; ", params[i].name, value ? "=" : NULL, value, NULL};
    if (!wsc_buf_append_strings(out, texts)) return false;
  }
  return true;
}

bool wsc_extension_write_offers(wsc_buf *out, const wsc_extension *offers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const char *const texts[] = {i > 0 ? ", " : "", offers[i].name, NULL};
    if (!wsc_buf_append_strings(out, texts) ||
        !wsc_extension_write_params(out, offers[i].params, offers[i].param_count))
      return false;
  }
  return true;
}
