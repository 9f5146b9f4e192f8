/* wsclose.core_testing: extension of the core. */
#include "codec.h"

#include "binding/compat.h"

#include <string.h>

/* ------------------------------------------------------------ tables to structures */

/* lua_newuserdata of size 0 is fine, but the core shall see no list where there is none. */
static void *new_list(lua_State *L, size_t count, size_t size) {
  if (count == 0) {
    lua_pushnil(L);
    return NULL;
  }
  void *list = lua_newuserdata(L, count * size);
  memset(list, 0, count * size);
  return list;
}

static size_t list_size(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return 0;
  luaL_checktype(L, index, LUA_TTABLE);
  return lua_rawlen(L, index);
}

static const char *item_string(lua_State *L, int index, int item) {
  lua_rawgeti(L, index, item);
  const char *text = luaL_optstring(L, -1, NULL);
  lua_pop(L, 1); /* the table holds it */
  return text;
}

const char *const *wsc_testing_read_strings(lua_State *L, int index, size_t *count) {
  *count = list_size(L, index);
  const char **strings = new_list(L, *count, sizeof *strings);
  for (size_t i = 0; i < *count; i++) strings[i] = item_string(L, index, (int)i + 1);
  return strings;
}

static const wsc_param *read_params(lua_State *L, int index, size_t *count) {
  *count = list_size(L, index);
  wsc_param *params = new_list(L, *count, sizeof *params);
  for (size_t i = 0; i < *count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    params[i].name = item_string(L, lua_gettop(L), 1);
    params[i].value = item_string(L, lua_gettop(L), 2);
    lua_pop(L, 1);
  }
  return params;
}

static void read_extension(lua_State *L, int index, wsc_extension *extension) {
  luaL_checkstack(L, 8, "extensions");
  lua_getfield(L, index, "name");
  extension->name = luaL_checkstring(L, -1);
  lua_pop(L, 1);
  lua_getfield(L, index, "required");
  extension->required = lua_toboolean(L, -1);
  lua_pop(L, 1);
  lua_getfield(L, index, "params");
  extension->params = read_params(L, lua_gettop(L), &extension->param_count);
  lua_getfield(L, index, "require");
  extension->require = wsc_testing_read_strings(L, lua_gettop(L), &extension->require_count);
}

const wsc_extension *wsc_testing_read_extensions(lua_State *L, int index, size_t *count) {
  *count = list_size(L, index);
  wsc_extension *extensions = new_list(L, *count, sizeof *extensions);
  for (size_t i = 0; i < *count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    read_extension(L, lua_gettop(L), &extensions[i]);
  }
  return extensions;
}

/* ------------------------------------------------------------ structures to tables */

static void set_string(lua_State *L, int item, const char *text) {
  lua_pushstring(L, text); /* NULL gives nil */
  lua_rawseti(L, -2, item);
}

static void push_params(lua_State *L, const wsc_param *params, size_t count) {
  lua_newtable(L);
  for (size_t i = 0; i < count; i++) {
    lua_newtable(L);
    set_string(L, 1, params[i].name);
    set_string(L, 2, params[i].value);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

void wsc_testing_push_extensions(lua_State *L, const wsc_extension_list *list) {
  lua_newtable(L);
  for (size_t i = 0; i < list->count; i++) {
    lua_newtable(L);
    lua_pushstring(L, list->items[i].name);
    lua_setfield(L, -2, "name");
    push_params(L, list->items[i].params, list->items[i].param_count);
    lua_setfield(L, -2, "params");
    lua_rawseti(L, -2, (int)i + 1);
  }
}

static void set_boolean(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, int value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

void wsc_testing_push_agreement(lua_State *L, const wsc_agreement *agreement) {
  const wsc_deflate_params *params = &agreement->params;
  luaL_checkstack(L, 4, "the extensions stand below");
  lua_newtable(L);
  set_boolean(L, "deflate", agreement->deflate);
  lua_pushstring(L, agreement->missing);
  lua_setfield(L, -2, "missing");
  if (!agreement->deflate) return;
  set_boolean(L, "client_no_context_takeover", params->client_no_context_takeover);
  set_boolean(L, "server_no_context_takeover", params->server_no_context_takeover);
  set_integer(L, "client_max_window_bits", params->client_max_window_bits);
  set_integer(L, "server_max_window_bits", params->server_max_window_bits);
}

/* ------------------------------------------------------------ functions */

/* Parses the list of header values at `index`.  The last one lies before the wall. */
static int parse_lines(lua_State *L, int index, wsc_extension_list *list, const char **sentence) {
  size_t count;
  const char *const *values = wsc_testing_read_strings(L, index, &count);
  wsc_header *headers = new_list(L, count, sizeof *headers);
  for (size_t i = 0; i < count; i++)
    headers[i] =
        (wsc_header){i % 2 ? "sec-websocket-extensions" : "Sec-WebSocket-Extensions", values[i]};
  if (count > 0)
    headers[count - 1].value = (const char *)wsc_testing_copy_before_wall(
        L, values[count - 1], strlen(values[count - 1]) + 1);
  wsc_header none = {"", ""};
  wsc_http_head head = {.headers = count > 0 ? headers : &none, .header_count = count};
  return wsc_extension_parse(list, wsc_testing_platform(L), &head, sentence);
}

/* parse{value, …} -> extensions */
static int l_extension_parse(lua_State *L) {
  wsc_extension_list list;
  const char *sentence = NULL;
  int error = parse_lines(L, 1, &list, &sentence);
  if (error) return wsc_testing_push_error(L, error, sentence);
  wsc_testing_push_extensions(L, &list);
  wsc_extension_list_free(&list);
  wsc_extension_list_free(&list); /* twice is harmless */
  return 1;
}

/* write(offers) -> value */
static int l_extension_write(lua_State *L) {
  size_t count;
  const wsc_extension *offers = wsc_testing_read_extensions(L, 1, &count);
  wsc_buf out;
  wsc_buf_init(&out, wsc_testing_platform(L));
  bool ok = wsc_extension_write_offers(&out, offers, count);
  if (ok) wsc_testing_push_buf(L, &out);
  wsc_buf_free(&out);
  return ok ? 1 : wsc_testing_push_error(L, WSC_ERR_MEMORY, NULL);
}

/* check(extension) -> true */
static int l_extension_check(lua_State *L) {
  wsc_extension extension;
  const char *sentence = NULL;
  read_extension(L, 1, &extension);
  int error = wsc_extension_check(&extension, &sentence);
  if (error) return wsc_testing_push_error(L, error, sentence);
  lua_pushboolean(L, true);
  return 1;
}

/* check_answer(offers, {value, …}, sentence_size) -> agreement */
static int l_extension_check_answer(lua_State *L) {
  size_t count, sentence_size = (size_t)luaL_optinteger(L, 3, 256);
  const wsc_extension *offers = wsc_testing_read_extensions(L, 1, &count);
  wsc_extension_list list;
  wsc_agreement agreement;
  const char *fault = NULL;
  int error = parse_lines(L, 2, &list, &fault);
  if (error) return wsc_testing_push_error(L, error, fault);
  char *sentence = (char *)wsc_testing_before_wall(L, WSC_TESTING_OUTPUT, sentence_size, 0);
  error = wsc_extension_check_answer(&agreement, offers, count, &list, sentence, sentence_size);
  wsc_extension_list_free(&list);
  if (error) return wsc_testing_push_error(L, error, sentence);
  if (*sentence) return luaL_error(L, "a sentence without an error: %s", sentence);
  wsc_testing_push_agreement(L, &agreement);
  return 1;
}

/* answer(accepted, {value, …}) -> value, agreement */
static int l_extension_answer(lua_State *L) {
  size_t count;
  const wsc_extension *accepted = wsc_testing_read_extensions(L, 1, &count);
  wsc_extension_list list;
  wsc_agreement agreement;
  const char *sentence = NULL;
  int error = parse_lines(L, 2, &list, &sentence);
  if (error) return wsc_testing_push_error(L, error, sentence);
  wsc_buf out;
  wsc_buf_init(&out, wsc_testing_platform(L));
  bool ok = wsc_extension_answer(&out, &agreement, accepted, count, &list);
  if (ok) {
    wsc_testing_push_buf(L, &out);
    wsc_testing_push_agreement(L, &agreement);
  }
  wsc_buf_free(&out);
  wsc_extension_list_free(&list);
  return ok ? 2 : wsc_testing_push_error(L, WSC_ERR_MEMORY, NULL);
}

static const luaL_Reg extension_functions[] = {
    {"parse", l_extension_parse},   {"write", l_extension_write},
    {"check", l_extension_check},   {"check_answer", l_extension_check_answer},
    {"answer", l_extension_answer}, {NULL, NULL}};

void wsc_testing_extension(lua_State *L) {
  wsc_testing_add(L, "extension", extension_functions);
}
