#include "lua_module.h"

#include "core/uri.h"
#include "core/utf8.h"
#include "lua_client.h"
#include "lua_conn.h"
#include "lua_options.h"
#include "lua_push.h"
#include "net/system/clock.h"
#include "net/system/poll.h"

#include <string.h>

#include "core/hidden.h"

/* ---------------------------------------------------------------- functions of the module */

static int module_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)wsc_clock_now_us() / 1e6);
  return 1;
}

/* sleep(seconds): lets time pass; a signal ends it early */
static int module_sleep(lua_State *L) {
  wsc_sleep_us(wsc_lua_to_us(luaL_checknumber(L, 1)));
  return 0;
}

/* read(fd, seconds, other) -> what can be read from the descriptor `fd`, "" for nothing yet, nil
 * for its end; waits at most `seconds` for that, or for `other` to be readable */
static int module_read(lua_State *L) {
  char data[32768];
  int fd = (int)luaL_checkinteger(L, 1), other = (int)luaL_optinteger(L, 3, -1);
  uint64_t timeout_us = wsc_lua_to_us(luaL_checknumber(L, 2));
  int64_t got = wsc_poll_read(fd, other, timeout_us, data, sizeof data);
  if (got == 0) return 0;
  lua_pushlstring(L, data, got > 0 ? (size_t)got : 0);
  return 1;
}

/* true, or nil, a sentence and the error's name */
static int push_verdict(lua_State *L, int error, const char *sentence) {
  if (error != WSC_OK) return wsc_lua_push_error(L, error, sentence);
  lua_pushboolean(L, 1);
  return 1;
}

static void push_decoded(lua_State *L, wsc_slice text, bool lower) {
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  while (text.size > 0) {
    char c = (char)wsc_slice_take_decoded(&text);
    luaL_addchar(&buffer, lower ? wsc_lower(c) : c);
  }
  luaL_pushresult(&buffer);
}

/* The parts of the URL that is the first argument; else what is wrong with it. */
static const char *split_url(lua_State *L, wsc_url_parts *parts) {
  size_t size;
  const char *url = luaL_checklstring(L, 1, &size);
  const char *sentence = wsc_url_split(parts, url);
  return strlen(url) == size ? sentence : "the URL holds a NUL byte";
}

/* check_url(url) -> "ws" or "wss"; or nil, sentence, "url" */
static int module_check_url(lua_State *L) {
  wsc_url_parts parts;
  const char *sentence = split_url(L, &parts);
  if (sentence) return wsc_lua_push_error(L, WSC_ERR_URL, sentence);
  lua_pushstring(L, parts.secure ? "wss" : "ws");
  return 1;
}

/* split(url) -> host in lower case (an IPv6 address without brackets, with its zone), port, is it
 * TLS, the path of a unix socket or nil; or nil, sentence */
static int module_split(lua_State *L) {
  wsc_url_parts parts;
  const char *sentence = split_url(L, &parts);
  if (sentence) return wsc_lua_push_error(L, WSC_ERR_URL, sentence);
  push_decoded(L, parts.host, true);
  if (parts.zone.size > 0) {
    lua_pushliteral(L, "%");
    lua_pushlstring(L, parts.zone.data, parts.zone.size);
    lua_concat(L, 3);
  }
  lua_pushinteger(L, (lua_Integer)parts.port);
  lua_pushboolean(L, parts.secure);
  if (parts.on_socket)
    push_decoded(L, parts.path, false);
  else
    lua_pushnil(L);
  return 4;
}

static int module_check_header(lua_State *L) {
  size_t name_size, value_size;
  const char *name = luaL_checklstring(L, 1, &name_size);
  const char *value = luaL_checklstring(L, 2, &value_size);
  const char *sentence = NULL;
  int error = wsc_header_check(name, name_size, value, value_size, &sentence);
  return push_verdict(L, error, sentence);
}

static int module_check_extension(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  wsc_extension extension = {0};
  wsc_lua_read_extension(L, 1, &extension);
  const char *sentence = NULL;
  int error = wsc_extension_check(&extension, &sentence);
  return push_verdict(L, error, sentence);
}

static int module_check_proxy(lua_State *L) {
  const char *sentence = NULL;
  int error = wsc_proxy_check(luaL_checkstring(L, 1), &sentence);
  return push_verdict(L, error, sentence);
}

static int module_check_protocols(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  size_t count;
  const char *const *names = wsc_lua_read_strings(L, 1, &count);
  const char *sentence = NULL;
  int error = wsc_protocol_check(names, count, &sentence);
  return push_verdict(L, error, sentence);
}

/* is_socket(fd): of a stream */
static int module_is_socket(lua_State *L) {
  lua_pushboolean(L, wsc_poll_is_socket((wsc_socket)luaL_checkinteger(L, 1)));
  return 1;
}

static int module_valid_utf8(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  lua_pushboolean(L, wsc_utf8_valid(text, size));
  return 1;
}

static bool is_alike(lua_State *L, int a, int b);

static size_t count_fields(lua_State *L, int table) {
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) count++;
  return count;
}

/* Pushes table[the value at `key`]. */
static void push_field(lua_State *L, int table, int key) {
  lua_pushvalue(L, key);
  lua_rawget(L, table);
}

/* What goes round, or is deeper than 20 tables, which no option is, is alike to nothing else. */
enum { ALIKE_TOP_MAX = 60, ALIKE_ROOM = ALIKE_TOP_MAX + 8 };

/* What it leaves on the stack is the caller's to cut back.  `without`: a table whose keys are not
 * looked at in a; 0: none. */
static bool fields_are_alike(lua_State *L, int a, int b, int without) {
  size_t count = 0;
  if (lua_gettop(L) > ALIKE_TOP_MAX) return false;
  for (lua_pushnil(L); lua_next(L, a);) {
    int value = lua_gettop(L);
    if (without) push_field(L, without, value - 1);
    if (!without || lua_isnil(L, -1)) {
      lua_settop(L, value);
      push_field(L, b, value - 1);
      if (!is_alike(L, value, value + 1)) return false;
      count++;
    }
    lua_settop(L, value - 1);
  }
  return count == count_fields(L, b);
}

static bool are_plain_tables(lua_State *L, int a, int b) {
  return lua_istable(L, a) && lua_istable(L, b) && !lua_getmetatable(L, a) &&
         !lua_getmetatable(L, b);
}

static bool is_alike(lua_State *L, int a, int b) {
  if (lua_rawequal(L, a, b)) return true;
  return are_plain_tables(L, a, b) && fields_are_alike(L, a, b, 0);
}

/* is_alike(a, b, without): the same value, or tables without metatables that are alike all the way
 * down; in the table a, the keys of the table `without` do not count.  Every client that is made
 * compares its settings with those there are. */
static int module_is_alike(lua_State *L) {
  lua_settop(L, 3);
  luaL_checkstack(L, ALIKE_ROOM, "to compare tables");
  bool alike = lua_isnil(L, 3) ? is_alike(L, 1, 2)
                               : are_plain_tables(L, 1, 2) && fields_are_alike(L, 1, 2, 3);
  lua_pushboolean(L, alike);
  return 1;
}

static const luaL_Reg module_functions[] = {
    {"now", module_now},
    {"sleep", module_sleep},
    {"read", module_read},
    {"is_alike", module_is_alike},
    {"check_url", module_check_url},
    {"split", module_split},
    {"check_header", module_check_header},
    {"check_extension", module_check_extension},
    {"check_protocols", module_check_protocols},
    {"is_socket", module_is_socket},
    {"valid_utf8", module_valid_utf8},
    {"check_proxy", module_check_proxy},
    {NULL, NULL},
};

/* ---------------------------------------------------------------- the parts put together */

/* As fields of the table on top. */
static void set_functions(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name; functions++) {
    lua_pushcfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
}

static int collect_shared(lua_State *L) {
  wsc_lua_shared **anchor = lua_touserdata(L, 1);
  if (*anchor) wsc_lua_shared_drop(*anchor);
  *anchor = NULL;
  return 0;
}

/* The module's own count of the platform, given back when nothing can make objects any more. */
static void push_anchor(lua_State *L, const wsc_platform *platform) {
  wsc_lua_shared **anchor = wsc_lua_newuserdata(L, sizeof *anchor, 0);
  *anchor = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, collect_shared);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  *anchor = wsc_lua_shared_new(platform);
  if (!*anchor) luaL_error(L, "wsclose: not enough memory");
}

/* Pushes the upvalues of methods: the metatable at `metatable`, the module and ready-made strings,
 * the platform. */
static void push_upvalues(lua_State *L, int metatable, int core, int anchor, const void *mark) {
  union {
    const void *given;
    void *pointer;
  } kind = {mark};
  lua_pushvalue(L, metatable);
  lua_pushvalue(L, core);
  lua_pushliteral(L, "message");
  lua_pushliteral(L, "text");
  lua_pushliteral(L, "binary");
  lua_pushliteral(L, "_handle");
  lua_pushvalue(L, anchor);
  lua_pushlightuserdata(L, kind.pointer);
  lua_pushcfunction(L, wsc_lua_run_inside);
  lua_pushliteral(L, "on_message");
}

/* A kind of object: its methods (core[methods_field]), the functions of the module that make and
 * take it, and which method ends a variable's scope (__close). */
typedef struct object_kind {
  const char *name, *methods_field;
  const void *mark;
  const luaL_Reg *methods;
  const luaL_Reg *functions;
  const char *close_method;
} object_kind;

static void set_metamethod(lua_State *L, int metatable, const char *name, int methods,
                           const char *method) {
  lua_getfield(L, methods, method);
  lua_setfield(L, metatable, name);
}

static void add_kind(lua_State *L, int core, int anchor, const object_kind *kind) {
  lua_createtable(L, 0, 5);
  int metatable = lua_gettop(L);
  lua_createtable(L, 0, 32);
  int methods = lua_gettop(L);
  push_upvalues(L, metatable, core, anchor, kind->mark);
  wsc_lua_set_methods(L, methods, wsc_lua_conn_methods);
  wsc_lua_set_methods(L, methods, kind->methods);
  wsc_lua_set_methods(L, core, kind->functions);
  lua_settop(L, methods);
  set_metamethod(L, metatable, "__gc", methods, "__gc");
  set_metamethod(L, metatable, "__close", methods, kind->close_method);
  lua_pushstring(L, kind->name);
  lua_setfield(L, metatable, "__name");
  lua_pushvalue(L, methods);
  lua_setfield(L, metatable, "__index");
  lua_setfield(L, core, kind->methods_field);
  lua_settop(L, metatable - 1);
}

static const luaL_Reg protocol_functions[] = {{"protocol", wsc_lua_protocol_new}, {NULL, NULL}};

static const object_kind protocol_kind = {.name = "wsclose.protocol",
                                          .mark = &wsc_lua_marks[0],
                                          .methods_field = "protocol_methods",
                                          .methods = wsc_lua_protocol_methods,
                                          .functions = protocol_functions,
                                          .close_method = "leave"};

#ifndef WSC_WITHOUT_NET
static const luaL_Reg client_functions[] = {{"client", wsc_lua_client_new}, {NULL, NULL}};

/* A client's scope ends with its Lua object; that of the core's is a loop over its events. */
static const object_kind client_kind = {.name = "wsclose.core.client",
                                        .mark = &wsc_lua_marks[1],
                                        .methods_field = "client_methods",
                                        .methods = wsc_lua_client_methods,
                                        .functions = client_functions,
                                        .close_method = "flush"};

/* core[name] = make, whose upvalues are the metatable of what it makes and the platform. */
static void add_maker(lua_State *L, int core, int anchor, const char *name, lua_CFunction make,
                      const luaL_Reg *methods) {
  lua_createtable(L, 0, 12);
  set_functions(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, anchor);
  lua_pushcclosure(L, make, 2);
  lua_setfield(L, core, name);
}

static void add_clients(lua_State *L, int core, int anchor) {
  add_kind(L, core, anchor, &client_kind);
  add_maker(L, core, anchor, "loop", wsc_lua_loop_new, wsc_lua_loop_methods);
  add_maker(L, core, anchor, "tunnel", wsc_lua_tunnel_new, wsc_lua_tunnel_methods);
}
#else
static int refuse_client(lua_State *L) {
  return wsc_lua_push_error(L, WSC_ERR_STATE,
                            "this wsclose was built without sockets: bring your own and use the "
                            "protocol object");
}

static void add_clients(lua_State *L, int core, int anchor) {
  (void)anchor;
  lua_pushcfunction(L, refuse_client);
  lua_setfield(L, core, "client");
  lua_getfield(L, core, "protocol_methods");
  lua_setfield(L, core, "client_methods");
}
#endif

int wsc_lua_open(lua_State *L, const wsc_platform *platform) {
  luaL_checkstack(L, 2 * WSC_UP_COUNT + LUA_MINSTACK, "to load wsclose"); /* set_methods copies */
  lua_createtable(L, 0, 16);
  int core = lua_gettop(L);
  set_functions(L, module_functions);
  lua_pushliteral(L, WSC_VERSION);
  lua_setfield(L, core, "version");
  push_anchor(L, platform);
  int anchor = lua_gettop(L);
  add_kind(L, core, anchor, &protocol_kind);
  add_clients(L, core, anchor);
  lua_settop(L, core);
  return 1;
}

#if defined(_MSC_VER) /* which wants each declaration alike, wsclose.h's too */
#pragma comment(linker, "/EXPORT:luaopen_wsclose_core")
#define SEEN_OUTSIDE
#elif defined(_WIN32)
#define SEEN_OUTSIDE __declspec(dllexport)
#elif defined(__GNUC__)
#define SEEN_OUTSIDE __attribute__((visibility("default")))
#else
#define SEEN_OUTSIDE
#endif
SEEN_OUTSIDE int luaopen_wsclose_core(lua_State *L) {
  return wsc_lua_open(L, NULL);
}
