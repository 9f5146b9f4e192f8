/* wsclose.core_testing: http and uri of the core, the parsers that own memory. */
#include "testing.h"

#include "core/http.h"
#include "core/uri.h"

#include <string.h>

/* Fields are put into the table on top of the stack; NULL is left out. */
static void put_string(lua_State *L, const char *name, const char *value) {
  if (!value) return;
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

static void put_integer(lua_State *L, const char *name, int value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void put_boolean(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

/* ------------------------------------------------------------ http */

typedef int (*head_function)(wsc_http_head *, const wsc_platform *, const uint8_t *, size_t,
                             const char **);

/* find_end(bytes, scanned) -> size or 0, scanned */
static int l_http_find_end(lua_State *L) {
  size_t size, scanned = (size_t)luaL_optinteger(L, 2, 0), again = scanned;
  const char *bytes = luaL_checklstring(L, 1, &size);
  size_t end = wsc_http_find_end(wsc_testing_copy_before_wall(L, bytes, size), size, &scanned);
  if (wsc_http_find_end(wsc_testing_copy_behind_wall(L, bytes, size), size, &again) != end)
    return luaL_error(L, "the same bytes elsewhere, another end");
  lua_pushinteger(L, (lua_Integer)end);
  lua_pushinteger(L, (lua_Integer)scanned);
  return 2;
}

/* headers = {{name, value}, …} */
static void put_headers(lua_State *L, const wsc_http_head *head) {
  lua_newtable(L);
  for (size_t i = 0; i < head->header_count; i++) {
    lua_newtable(L);
    lua_pushstring(L, head->headers[i].name);
    lua_rawseti(L, -2, 1);
    lua_pushstring(L, head->headers[i].value);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "headers");
}

static int push_head(lua_State *L, head_function parse) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  const uint8_t *data = wsc_testing_copy_before_wall(L, bytes, size);
  wsc_http_head head;
  const char *sentence = NULL;
  int error = parse(&head, wsc_testing_platform(L), data, size, &sentence);
  if (error != WSC_OK) return wsc_testing_push_error(L, error, sentence);
  lua_newtable(L);
  put_integer(L, "status", head.status);
  put_integer(L, "minor", head.minor);
  put_string(L, "reason", head.reason);
  put_string(L, "method", head.method);
  put_string(L, "target", head.target);
  put_headers(L, &head);
  wsc_http_head_free(&head);
  wsc_http_head_free(&head); /* twice is harmless */
  return 1;
}

static int l_http_response(lua_State *L) {
  return push_head(L, wsc_http_parse_response);
}

static int l_http_request(lua_State *L) {
  return push_head(L, wsc_http_parse_request);
}

static void check_response(lua_State *L, wsc_http_head *head) {
  size_t size;
  const uint8_t *data = (const uint8_t *)luaL_checklstring(L, 1, &size);
  const char *sentence = "no memory";
  if (wsc_http_parse_response(head, wsc_testing_platform(L), data, size, &sentence) != WSC_OK)
    luaL_error(L, "%s", sentence);
}

/* find(answer, name) -> the list of its values, how many wsc_http_count sees */
static int l_http_find(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  wsc_http_head head;
  check_response(L, &head);
  lua_newtable(L);
  int found = 0;
  for (const wsc_header *header = NULL; (header = wsc_http_find(&head, name, header)) != NULL;) {
    lua_pushstring(L, header->value);
    lua_rawseti(L, -2, ++found);
  }
  lua_pushinteger(L, (lua_Integer)wsc_http_count(&head, name));
  wsc_http_head_free(&head);
  return 2;
}

/* has_token(answer, name, token) */
static int l_http_has_token(lua_State *L) {
  const char *name = luaL_checkstring(L, 2), *token = luaL_checkstring(L, 3);
  wsc_http_head head;
  check_response(L, &head);
  lua_pushboolean(L, wsc_http_has_token(&head, name, token));
  wsc_http_head_free(&head);
  return 1;
}

static int l_http_is_token(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  text = (const char *)wsc_testing_copy_before_wall(L, text, size);
  lua_pushboolean(L, wsc_http_is_token(text, size));
  return 1;
}

static int l_http_equal_nocase(lua_State *L) {
  size_t size, other_size;
  const char *text = luaL_checklstring(L, 1, &size);
  const char *other = luaL_checklstring(L, 2, &other_size);
  text = (const char *)wsc_testing_copy_before_wall(L, text, size);
  uint8_t *wall = wsc_testing_before_wall(L, WSC_TESTING_OUTPUT, other_size + 1, 0);
  memcpy(wall, other, other_size + 1);
  lua_pushboolean(L, wsc_http_equal_nocase(text, size, (const char *)wall));
  return 1;
}

static int l_http_base64(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  size_t bound = 4 * ((size + 2) / 3) + 1;
  const uint8_t *data = wsc_testing_copy_before_wall(L, bytes, size);
  char *out = (char *)wsc_testing_before_wall(L, WSC_TESTING_OUTPUT, bound, 0);
  wsc_base64(out, data, size);
  lua_pushstring(L, out);
  return 1;
}

static const luaL_Reg http_functions[] = {{"find_end", l_http_find_end},
                                          {"response", l_http_response},
                                          {"request", l_http_request},
                                          {"find", l_http_find},
                                          {"has_token", l_http_has_token},
                                          {"is_token", l_http_is_token},
                                          {"equal_nocase", l_http_equal_nocase},
                                          {"base64", l_http_base64},
                                          {NULL, NULL}};

/* ------------------------------------------------------------ uri */

/* The text with its NUL, against an unmapped page. */
static const char *check_text(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  return (const char *)wsc_testing_copy_before_wall(L, text, size + 1);
}

/* parse(text) -> {secure, ipv6, path, host, dial_host, port, authority, target, userinfo}, or an
 * error */
static int l_uri_parse(lua_State *L) {
  wsc_uri uri;
  const char *sentence = NULL;
  int error = wsc_uri_parse(&uri, wsc_testing_platform(L), check_text(L), &sentence);
  if (error != WSC_OK) return wsc_testing_push_error(L, error, sentence);
  lua_newtable(L);
  put_boolean(L, "secure", uri.secure);
  put_boolean(L, "ipv6", uri.ipv6);
  put_string(L, "path", uri.path);
  put_string(L, "host", uri.host);
  if (uri.dial_host != uri.host) put_string(L, "dial_host", uri.dial_host);
  put_integer(L, "port", uri.port);
  put_string(L, "authority", uri.authority);
  put_string(L, "target", uri.target);
  put_string(L, "userinfo", uri.userinfo);
  wsc_uri_free(&uri);
  wsc_uri_free(&uri); /* twice is harmless */
  return 1;
}

/* check(text) -> true, or an error */
static int l_uri_check(lua_State *L) {
  const char *sentence = NULL;
  int error = wsc_url_check(check_text(L), &sentence);
  if (error != WSC_OK) return wsc_testing_push_error(L, error, sentence);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg uri_functions[] = {
    {"parse", l_uri_parse}, {"check", l_uri_check}, {NULL, NULL}};

void wsc_testing_heads(lua_State *L) {
  wsc_testing_add(L, "http", http_functions);
  wsc_testing_add(L, "uri", uri_functions);
}
