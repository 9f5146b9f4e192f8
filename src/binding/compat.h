/* One face of the Lua C API for Lua 5.1 to 5.5 and LuaJIT, as far as the binding needs it. */
#ifndef WSC_BINDING_COMPAT_H
#define WSC_BINDING_COMPAT_H

#include <lua.h>
#include <lauxlib.h>

#include <stdint.h>

#if LUA_VERSION_NUM < 502
#define lua_rawlen(L, index) lua_objlen(L, index)
#elif LUA_VERSION_NUM >= 504
/* lua_Unsigned, which has more bits than a length where size_t has 32. */
#define lua_rawlen(L, index) ((size_t)(lua_rawlen)(L, index))
#endif

/* User values cost memory in every object; none are used. */
#if LUA_VERSION_NUM >= 504
#define wsc_lua_newuserdata(L, size) lua_newuserdatauv(L, size, 0)
#else
#define wsc_lua_newuserdata(L, size) lua_newuserdata(L, size)
#endif

/* A counter of 64 bits: an integer where Lua has them, else a float, exact up to 2^53. */
static inline void wsc_lua_push_count(lua_State *L, uint64_t count) {
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)count);
#else
  lua_pushnumber(L, (lua_Number)count);
#endif
}

/* Coroutines may yield, the main thread never can. */
static inline int wsc_lua_on_main_thread(lua_State *L) {
  int main = lua_pushthread(L);
  lua_pop(L, 1);
  return main;
}

#endif
