/* wsclose.core_testing: mask and utf8 of the core, as it uses them and on each path that this
 * machine has.  What is read and written lies against an unmapped page. */
#include "testing.h"

#include "binding/compat.h"
#include "core/mask.h"
#include "cpu.h"
#include "paths.h"

#include <string.h>

static const wsc_testing_path path_of_core = {wsc_testing_cpu_path, wsc_mask_copy, wsc_utf8_check};

static const wsc_testing_path *const paths[] = {
    &wsc_testing_path_portable,
    &wsc_testing_path_sse2,
    &wsc_testing_path_ssse3,
    &wsc_testing_path_best,
};
enum { PATH_COUNT = sizeof paths / sizeof *paths };

/* The functions below have their path as upvalue. */
static const wsc_testing_path *own_path(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static size_t opt_size(lua_State *L, int index) {
  lua_Number number = luaL_optnumber(L, index, 0);
  luaL_argcheck(L, number >= 0 && number <= UINT32_MAX, index, "a size expected");
  return (size_t)number;
}

/* ------------------------------------------------------------ mask */

static const uint8_t *check_key(lua_State *L, int index) {
  size_t size;
  const char *key = luaL_checklstring(L, index, &size);
  luaL_argcheck(L, size == 4, index, "four bytes expected");
  return (const uint8_t *)key;
}

/* copy(data, key, offset, in_slack, out_slack): each place ends that far before an unmapped page */
static int l_mask_copy(lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 1, &size);
  const uint8_t *key = check_key(L, 2);
  size_t offset = opt_size(L, 3), out_slack = opt_size(L, 5);
  uint8_t *in = wsc_testing_before_wall(L, WSC_TESTING_INPUT, size, opt_size(L, 4));
  uint8_t *out = wsc_testing_before_wall(L, WSC_TESTING_OUTPUT, size, out_slack);
  memcpy(in, data, size);
  memset(out, 0xEE, size + out_slack);
  own_path(L)->mask_copy(out, in, size, key, offset);
  for (size_t i = 0; i < out_slack; i++)
    if (out[size + i] != 0xEE) return luaL_error(L, "wrote behind the end");
  lua_pushlstring(L, (const char *)out, size);
  return 1;
}

/* in_place(data, key, offset, slack); slack nil: right behind an unmapped page */
static int l_mask_in_place(lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 1, &size);
  const uint8_t *key = check_key(L, 2);
  size_t offset = opt_size(L, 3);
  bool behind = lua_isnoneornil(L, 4);
  uint8_t *bytes = behind ? wsc_testing_behind_wall(L, WSC_TESTING_OUTPUT, size)
                          : wsc_testing_before_wall(L, WSC_TESTING_OUTPUT, size, opt_size(L, 4));
  memcpy(bytes, data, size);
  own_path(L)->mask_copy(bytes, bytes, size, key, offset);
  lua_pushlstring(L, (const char *)bytes, size);
  return 1;
}

static const luaL_Reg mask_functions[] = {
    {"copy", l_mask_copy}, {"in_place", l_mask_in_place}, {NULL, NULL}};

/* ------------------------------------------------------------ utf8 */

static wsc_utf8_state check_at(lua_State *L, wsc_utf8_state state, uint8_t *place,
                               const char *bytes, size_t size) {
  memcpy(place, bytes, size);
  return own_path(L)->utf8_check(state, place, size);
}

/* check(state, bytes, slack) -> state */
static int l_utf8_check(lua_State *L) {
  wsc_utf8_state state = (wsc_utf8_state)luaL_checkinteger(L, 1);
  size_t size, slack = opt_size(L, 3);
  const char *bytes = luaL_checklstring(L, 2, &size);
  uint8_t *before = wsc_testing_before_wall(L, WSC_TESTING_INPUT, size, slack);
  wsc_utf8_state after = check_at(L, state, before, bytes, size);
  uint8_t *behind = wsc_testing_behind_wall(L, WSC_TESTING_INPUT, size);
  if (check_at(L, state, behind, bytes, size) != after)
    return luaL_error(L, "the same bytes elsewhere, another state");
  lua_pushinteger(L, after);
  return 1;
}

static int l_utf8_valid(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  lua_pushboolean(L, wsc_utf8_valid(wsc_testing_copy_before_wall(L, bytes, size), size));
  return 1;
}

static const luaL_Reg utf8_functions[] = {{"check", l_utf8_check}, {NULL, NULL}};

/* ------------------------------------------------------------ the paths */

static void add_on_path(lua_State *L, const char *name, const luaL_Reg *functions,
                        const wsc_testing_path *path) {
  lua_newtable(L);
  for (; functions->name; functions++) {
    lua_pushlightuserdata(L, (void *)path);
    lua_pushcclosure(L, functions->func, 1);
    lua_setfield(L, -2, functions->name);
  }
  lua_setfield(L, -2, name);
}

/* Puts { name = "sse2", mask = { … }, utf8 = { … } } at the end of the list on top of the stack,
 * unless this machine takes it for a path that stands there. */
static void add_path(lua_State *L, int index) {
  for (int i = 0; i < index; i++)
    if (strcmp(paths[i]->taken(), paths[index]->taken()) == 0) return;
  lua_newtable(L);
  lua_pushstring(L, paths[index]->taken());
  lua_setfield(L, -2, "name");
  add_on_path(L, "mask", mask_functions, paths[index]);
  add_on_path(L, "utf8", utf8_functions, paths[index]);
  lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
}

void wsc_testing_cpu(lua_State *L) {
  add_on_path(L, "mask", mask_functions, &path_of_core);
  add_on_path(L, "utf8", utf8_functions, &path_of_core);
  lua_getfield(L, -1, "utf8");
  lua_pushcfunction(L, l_utf8_valid);
  lua_setfield(L, -2, "valid");
  lua_pop(L, 1);
  lua_pushstring(L, wsc_testing_cpu_path());
  lua_setfield(L, -2, "cpu_path");
  lua_newtable(L);
  for (int i = 0; i < PATH_COUNT; i++) add_path(L, i);
  lua_setfield(L, -2, "cpu_paths");
}
