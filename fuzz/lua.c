/* Targets in Lua: fuzz/NAME.lua gives a function that each input is called with; it raises where a
 * law is broken.  The module runs on the counting platform, whose memory must be given back after
 * each input.  The fuzzer sees which lines of lua/wsclose an input reaches.
 *
 * WSC_FUZZ_SCRIPT is the file. */
#include "play.h"

#include "binding/lua_module.h"

#include <lauxlib.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef WSC_FUZZ_SCRIPT
#define WSC_FUZZ_SCRIPT "fuzz/client.lua"
#endif

static fuzz_platform platform;
static wsc_spare spare;

/* ---------------------------------------------------------------- lines of Lua as coverage */

enum { LINES = 1 << 14 };

/* libFuzzer takes what lies in this section for counters of its own. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t lines[LINES];

static void count_line(lua_State *L, lua_Debug *at) {
  lua_getinfo(L, "S", at);
  if (strncmp(at->source, "@lua/", 5) != 0) return;
  uintptr_t place = (uintptr_t)at->source / 16 * 31 + (uintptr_t)at->currentline;
  lines[place % LINES]++;
}

/* ---------------------------------------------------------------- what scripts call */

/* check_output(bytes, whole) -> messages: whole frames of a client behind its request; without
 * `whole` the last one may be cut short */
static int l_check_output(lua_State *L) {
  fuzz_input output;
  output.data = (const uint8_t *)luaL_checklstring(L, 1, &output.size);
  lua_pushinteger(L, (lua_Integer)fuzz_check_output(output, false, lua_toboolean(L, 2)));
  return 1;
}

/* is_utf8(bytes) -> by a check that is not the core's */
static int l_is_utf8(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  lua_pushboolean(L, fuzz_is_utf8((const uint8_t *)text, size));
  return 1;
}

/* blocks() -> how many the module holds */
static int l_blocks(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)(platform.blocks - (spare.block != NULL)));
  return 1;
}

/* fail_in(count): so many allocations succeed, all later ones fail; nil: none fails */
static int l_fail_in(lua_State *L) {
  platform.fail_in = lua_isnoneornil(L, 1) ? SIZE_MAX : (size_t)luaL_checkinteger(L, 1);
  return 0;
}

/* pair() -> ours, theirs: two descriptors of a stream */
static int l_pair(lua_State *L) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    fuzz_fail("no socket pair");
  lua_pushinteger(L, ends[0]);
  lua_pushinteger(L, ends[1]);
  return 2;
}

static int l_put(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  lua_pushboolean(L, send((int)luaL_checkinteger(L, 1), bytes, size, MSG_NOSIGNAL) >= 0);
  return 1;
}

/* take(fd) -> what has come, "" for nothing */
static int l_take(lua_State *L) {
  char bytes[4096];
  ssize_t size = recv((int)luaL_checkinteger(L, 1), bytes, sizeof bytes, MSG_DONTWAIT);
  lua_pushlstring(L, bytes, size > 0 ? (size_t)size : 0);
  return 1;
}

/* shut(fd): nothing more is sent */
static int l_shut(lua_State *L) {
  shutdown((int)luaL_checkinteger(L, 1), SHUT_WR);
  return 0;
}

static int l_close(lua_State *L) {
  close((int)luaL_checkinteger(L, 1));
  return 0;
}

static const luaL_Reg functions[] = {{"check_output", l_check_output},
                                     {"is_utf8", l_is_utf8},
                                     {"blocks", l_blocks},
                                     {"fail_in", l_fail_in},
                                     {"pair", l_pair},
                                     {"put", l_put},
                                     {"take", l_take},
                                     {"shut", l_shut},
                                     {"close", l_close},
                                     {NULL, NULL}};

/* ---------------------------------------------------------------- one state for all inputs */

static int open_core(lua_State *L) {
  return wsc_lua_open(L, &platform.face);
}

static void set_field(lua_State *L, const char *table, const char *name) {
  lua_getglobal(L, "package");
  if (*table) lua_getfield(L, -1, table);
  lua_pushvalue(L, *table ? -3 : -2);
  lua_setfield(L, -2, name);
  lua_settop(L, 0);
}

static void load(lua_State *L) {
  luaL_openlibs(L);
  lua_pushliteral(L, "./lua/?.lua;./lua/?/init.lua");
  set_field(L, "", "path");
  lua_pushcfunction(L, open_core);
  set_field(L, "preload", "wsclose.core");
  lua_newtable(L);
  for (const luaL_Reg *function = functions; function->name; function++) {
    lua_pushcfunction(L, function->func);
    lua_setfield(L, -2, function->name);
  }
  lua_pushliteral(L, FUZZ_ACCEPT);
  lua_setfield(L, -2, "accept");
  set_field(L, "loaded", "fuzz");
  if (luaL_loadfile(L, WSC_FUZZ_SCRIPT) || lua_pcall(L, 0, 1, 0)) fuzz_fail(lua_tostring(L, -1));
  lua_sethook(L, count_line, LUA_MASKLINE, 0);
}

static int add_traceback(lua_State *L) {
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

static void collect(lua_State *L) {
  for (int i = 0; i < 3; i++) lua_gc(L, LUA_GCCOLLECT, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  static size_t blocks;
  if (!L) {
    fuzz_platform_init(&platform, SIZE_MAX);
    platform.face.spare = &spare;
    L = luaL_newstate();
    load(L);
    collect(L);
    blocks = platform.blocks;
  }
  platform.next_random = 0;
  lua_pushcfunction(L, add_traceback);
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 0, 2)) fuzz_fail(lua_tostring(L, -1));
  lua_settop(L, 1);
  platform.fail_in = SIZE_MAX;
  collect(L);
  fuzz_check(platform.blocks == blocks, "memory is still held at the end");
  return 0;
}
