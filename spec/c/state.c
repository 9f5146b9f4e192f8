/* wsclose.core_testing: Lua states of their own. */
#include "testing.h"

#include "binding/lua_module.h"

#include <lualib.h>

void wsc_testing_set_path(lua_State *from, int index, lua_State *to, const char *field) {
  lua_getglobal(to, "package");
  lua_pushstring(to, luaL_checkstring(from, index));
  lua_setfield(to, -2, field);
  lua_pop(to, 1);
}

static int open_core(lua_State *L) {
  return wsc_lua_open(L, lua_touserdata(L, lua_upvalueindex(1)));
}

int wsc_testing_in_state(lua_State *L) {
  lua_State *other = luaL_newstate();
  if (!other) return luaL_error(L, "no memory for a state");
  luaL_openlibs(other);
  wsc_testing_set_path(L, 1, other, "path");
  lua_getglobal(other, "package");
  lua_getfield(other, -1, "preload");
  lua_pushlightuserdata(other, wsc_testing_platform(L));
  lua_pushcclosure(other, open_core, 1);
  lua_setfield(other, -2, "wsclose.core");
  lua_settop(other, 0);
  bool failed = luaL_dostring(other, luaL_checkstring(L, 2));
  lua_pushstring(L, failed ? lua_tostring(other, -1) : NULL);
  lua_close(other);
  return failed ? lua_error(L) : 0;
}
