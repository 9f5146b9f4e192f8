/* wsclose.core_testing: handshake of the core. */
#include "codec.h"

#include "binding/compat.h"
#include "core/handshake.h"

#include <string.h>

static const char handshake_type[] = "wsclose.testing.handshake";

typedef struct handshake_box {
  wsc_handshake *handshake; /* NULL at first */
  wsc_buf out;
} handshake_box;

static void read_headers(lua_State *L, int index, wsc_config *config) {
  if (lua_isnil(L, index)) return;
  config->header_count = lua_rawlen(L, index);
  wsc_header *headers = lua_newuserdata(L, (config->header_count + 1) * sizeof *headers);
  for (size_t i = 0; i < config->header_count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    headers[i] = (wsc_header){luaL_checkstring(L, -2), luaL_checkstring(L, -1)};
    lua_pop(L, 3);
  }
  config->headers = headers;
}

static bool flag(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

static void read_config(lua_State *L, wsc_config *config) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkstack(L, 64, "config");
  *config = (wsc_config){.platform = wsc_testing_platform(L),
                         .server = flag(L, "server"),
                         .absolute_target = flag(L, "absolute_target"),
                         .require_protocol = flag(L, "require_protocol")};
  lua_getfield(L, 1, "url");
  config->url = luaL_optstring(L, -1, "ws://a.example/");
  lua_getfield(L, 1, "headers");
  read_headers(L, lua_gettop(L), config);
  lua_getfield(L, 1, "protocols");
  config->protocols = wsc_testing_read_strings(L, lua_gettop(L), &config->protocol_count);
  lua_getfield(L, 1, "extensions");
  config->extensions = wsc_testing_read_extensions(L, lua_gettop(L), &config->extension_count);
}

/* new{url=, headers={{name, value}, …}, protocols=, require_protocol=, extensions=, server=,
 * absolute_target=} -> handshake, request; or nil */
static int l_handshake_new(lua_State *L) {
  wsc_config config;
  read_config(L, &config);
  handshake_box *box = lua_newuserdata(L, sizeof *box);
  box->handshake = NULL;
  wsc_buf_init(&box->out, config.platform);
  luaL_getmetatable(L, handshake_type);
  lua_setmetatable(L, -2);
  box->handshake = wsc_handshake_new(&config, NULL, &box->out);
  if (!box->handshake && wsc_buf_size(&box->out) > 0)
    return luaL_error(L, "a refused request leaves bytes behind");
  if (!box->handshake) {
    wsc_buf_free(&box->out);
    lua_pushnil(L);
    return 1;
  }
  wsc_testing_push_buf(L, &box->out);
  wsc_buf_free(&box->out);
  return 2;
}

static handshake_box *check_handshake(lua_State *L) {
  handshake_box *box = luaL_checkudata(L, 1, handshake_type);
  luaL_argcheck(L, box->handshake != NULL, 1, "freed");
  return box;
}

static int l_handshake_free(lua_State *L) {
  handshake_box *box = luaL_checkudata(L, 1, handshake_type);
  wsc_handshake_free(box->handshake);
  wsc_buf_free(&box->out);
  box->handshake = NULL;
  return 0;
}

/* The outcome as {status=, protocol=, extensions=, agreement=}, or nil, sentence, name, status. */
static int push_result(lua_State *L, int error, wsc_handshake_result *result) {
  if (error) {
    wsc_testing_push_error(L, error, result->sentence);
    lua_pushinteger(L, result->head.status);
  } else {
    lua_newtable(L);
    lua_pushinteger(L, result->head.status);
    lua_setfield(L, -2, "status");
    lua_pushstring(L, result->protocol);
    lua_setfield(L, -2, "protocol");
    wsc_testing_push_extensions(L, &result->answer);
    lua_setfield(L, -2, "extensions");
    wsc_testing_push_agreement(L, &result->agreement);
    lua_setfield(L, -2, "agreement");
  }
  wsc_handshake_result_free(result);
  wsc_handshake_result_free(result); /* twice is harmless */
  return error ? 4 : 1;
}

/* handshake:check(head) */
static int l_handshake_check(lua_State *L) {
  handshake_box *box = check_handshake(L);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  wsc_handshake_result result;
  memset(&result, 0xA5, sizeof result);
  int error = wsc_handshake_check(box->handshake, wsc_testing_copy_before_wall(L, bytes, size),
                                  size, &result);
  return push_result(L, error, &result);
}

/* handshake:answer(head) -> bytes, then as check */
static int l_handshake_answer(lua_State *L) {
  handshake_box *box = check_handshake(L);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  wsc_handshake_result result;
  memset(&result, 0xA5, sizeof result);
  int error = wsc_handshake_answer(box->handshake, wsc_testing_copy_before_wall(L, bytes, size),
                                   size, &result, &box->out);
  wsc_testing_push_buf(L, &box->out);
  wsc_buf_free(&box->out);
  return 1 + push_result(L, error, &result);
}

/* header_check(name, value) -> true */
static int l_header_check(lua_State *L) {
  size_t name_size, value_size;
  const char *name = luaL_checklstring(L, 1, &name_size);
  const char *value = luaL_checklstring(L, 2, &value_size);
  const char *sentence = NULL;
  value = (const char *)wsc_testing_copy_before_wall(L, value, value_size);
  name = memcpy(wsc_testing_before_wall(L, WSC_TESTING_OUTPUT, name_size, 0), name, name_size);
  int error = wsc_header_check(name, name_size, value, value_size, &sentence);
  if (error) return wsc_testing_push_error(L, error, sentence);
  lua_pushboolean(L, true);
  return 1;
}

/* protocol_check{name, …} -> true */
static int l_protocol_check(lua_State *L) {
  size_t count;
  const char *const *protocols = wsc_testing_read_strings(L, 1, &count);
  const char *sentence = NULL;
  int error = wsc_protocol_check(protocols, count, &sentence);
  if (error) return wsc_testing_push_error(L, error, sentence);
  lua_pushboolean(L, true);
  return 1;
}

/* body_size(head) -> bytes, or false: unknown */
static int l_body_size(lua_State *L) {
  size_t size;
  const uint8_t *bytes = (const uint8_t *)luaL_checklstring(L, 1, &size);
  const char *sentence = NULL;
  wsc_http_head head;
  int error = wsc_http_parse_response(&head, wsc_testing_platform(L), bytes, size, &sentence);
  if (error) return wsc_testing_push_error(L, error, sentence);
  size_t body = wsc_handshake_body_size(&head);
  wsc_http_head_free(&head);
  if (body == SIZE_MAX)
    lua_pushboolean(L, false);
  else
    wsc_lua_push_count(L, body);
  return 1;
}

static const luaL_Reg handshake_methods[] = {{"check", l_handshake_check},
                                             {"answer", l_handshake_answer},
                                             {"free", l_handshake_free},
                                             {"__gc", l_handshake_free},
                                             {NULL, NULL}};

static const luaL_Reg handshake_functions[] = {{"new", l_handshake_new},
                                               {"header_check", l_header_check},
                                               {"protocol_check", l_protocol_check},
                                               {"body_size", l_body_size},
                                               {NULL, NULL}};

void wsc_testing_handshake(lua_State *L) {
  wsc_testing_kind(L, handshake_type, handshake_methods);
  wsc_testing_add(L, "handshake", handshake_functions);
}
