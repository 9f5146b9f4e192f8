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

/* User values cost memory in every object: 1 for one that wsc_lua_tie is called for, else 0. */
#if LUA_VERSION_NUM >= 504
#define wsc_lua_newuserdata(L, size, values) lua_newuserdatauv(L, size, values)
#else
#define wsc_lua_newuserdata(L, size, values) lua_newuserdata(L, size)
#endif

#if LUA_VERSION_NUM < 502
#define lua_setuservalue(L, index) lua_setfenv(L, index)
#endif

/* Pops a value that then lives as long as the userdata below it, and is garbage with it: what it
 * refers to may refer to the userdata. */
static inline void wsc_lua_tie(lua_State *L) {
  lua_createtable(L, 1, 0); /* until 5.2 it has to be one */
  lua_insert(L, -2);
  lua_rawseti(L, -2, 1);
  (void)lua_setuservalue(L, -2);
}

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
