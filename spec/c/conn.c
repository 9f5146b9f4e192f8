/* wsclose.core_testing: a connection as programs in C have it, without the Lua side's care. */
#include "testing.h"

static const char conn_type[] = "wsclose.testing.conn";

static wsc_conn *check_conn(lua_State *L) {
  return *(wsc_conn **)luaL_checkudata(L, 1, conn_type);
}

static int l_conn_free(lua_State *L) {
  wsc_conn **conn = luaL_checkudata(L, 1, conn_type);
  wsc_conn_free(*conn);
  *conn = NULL;
  return 0;
}

/* new(url) -> connection */
static int l_conn_new(lua_State *L) {
  wsc_config config;
  wsc_config_init(&config, wsc_testing_platform(L));
  config.url = luaL_checkstring(L, 1);
  wsc_conn **conn = lua_newuserdata(L, sizeof *conn);
  *conn = NULL;
  luaL_getmetatable(L, conn_type);
  lua_setmetatable(L, -2);
  *conn = wsc_conn_new(&config);
  return *conn ? 1 : luaL_error(L, "no connection");
}

/* output() -> what waits to be written, which stays there */
static int l_conn_output(lua_State *L) {
  size_t size;
  const uint8_t *data = wsc_conn_output(check_conn(L), &size);
  lua_pushlstring(L, size ? (const char *)data : "", size);
  return 1;
}

static int l_conn_output_done(lua_State *L) {
  wsc_conn_output_done(check_conn(L), (size_t)luaL_checkinteger(L, 2));
  return 0;
}

/* input(bytes) -> were all of them taken? */
static int l_conn_input(lua_State *L) {
  wsc_conn *conn = check_conn(L);
  size_t size, room = 0;
  const char *data = luaL_checklstring(L, 2, &size);
  uint8_t *to = wsc_conn_input(conn, &room);
  bool fits = to && size <= room;
  for (size_t i = 0; fits && i < size; i++) to[i] = (uint8_t)data[i];
  if (to) wsc_conn_input_done(conn, fits ? size : 0);
  lua_pushboolean(L, fits);
  return 1;
}

static int l_conn_wants_input(lua_State *L) {
  lua_pushboolean(L, wsc_conn_wants_input(check_conn(L)));
  return 1;
}

static int l_conn_eof(lua_State *L) {
  wsc_conn_input_eof(check_conn(L));
  return 0;
}

/* abort(sentence): by a reset */
static int l_conn_abort(lua_State *L) {
  wsc_conn_abort(check_conn(L), WSC_ERR_RESET, WSC_PHASE_OPEN, luaL_optstring(L, 2, NULL));
  return 0;
}

/* next() -> "none", "open", "message" or "close"; of a message whether it can be taken; of the end
 * code, the error's name and its sentence */
static int l_conn_next(lua_State *L) {
  wsc_conn *conn = check_conn(L);
  wsc_event event;
  switch (wsc_conn_next_event(conn, &event)) {
  case WSC_EVENT_OPEN:
    lua_pushliteral(L, "open");
    return 1;
  case WSC_EVENT_MESSAGE: {
    void *block = wsc_conn_take_message(conn, &event);
    wsc_platform *platform = wsc_testing_platform(L);
    lua_pushliteral(L, "message");
    lua_pushboolean(L, block != NULL);
    if (block) platform->resize(platform->user, block, 0);
    return 2;
  }
  case WSC_EVENT_CLOSE: {
    const wsc_close_info *info = wsc_conn_close_info(conn);
    lua_pushliteral(L, "close");
    lua_pushinteger(L, (lua_Integer)info->code);
    lua_pushstring(L, wsc_error_name(info->error));
    lua_pushstring(L, info->error_text);
    return 4;
  }
  default:
    lua_pushliteral(L, "none");
    return 1;
  }
}

/* tick(microseconds) -> the deadline, false: none */
static int l_conn_tick(lua_State *L) {
  uint64_t at_us = wsc_conn_tick(check_conn(L), (uint64_t)luaL_checknumber(L, 2));
  if (at_us == WSC_NEVER)
    lua_pushboolean(L, 0);
  else
    lua_pushnumber(L, (lua_Number)at_us);
  return 1;
}

/* close(code, reason) -> the error's name */
static int l_conn_close(lua_State *L) {
  size_t size;
  const char *reason = luaL_checklstring(L, 3, &size);
  int error = wsc_conn_close(check_conn(L), (unsigned)luaL_checkinteger(L, 2), reason, size);
  lua_pushstring(L, wsc_error_name(error));
  return 1;
}

/* proxy_check(url) -> the error's name; nil: none is named */
static int l_proxy_check(lua_State *L) {
  const char *sentence;
  lua_pushstring(L, wsc_error_name(wsc_proxy_check(luaL_optstring(L, 1, NULL), &sentence)));
  return 1;
}

static const luaL_Reg conn_methods[] = {{"output", l_conn_output},
                                        {"output_done", l_conn_output_done},
                                        {"input", l_conn_input},
                                        {"wants_input", l_conn_wants_input},
                                        {"eof", l_conn_eof},
                                        {"abort", l_conn_abort},
                                        {"next", l_conn_next},
                                        {"tick", l_conn_tick},
                                        {"close", l_conn_close},
                                        {"__gc", l_conn_free},
                                        {NULL, NULL}};

static const luaL_Reg conn_functions[] = {
    {"new", l_conn_new}, {"proxy_check", l_proxy_check}, {NULL, NULL}};

void wsc_testing_conn(lua_State *L) {
  wsc_testing_kind(L, conn_type, conn_methods);
  wsc_testing_add(L, "conn", conn_functions);
}
