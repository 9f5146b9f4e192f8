/* wsc_client as a Lua object: what lua/wsclose/client.lua drives. */
#ifndef WSC_BINDING_LUA_CLIENT_H
#define WSC_BINDING_LUA_CLIENT_H

#include "lua_box.h"

/* Those of wsc_lua_conn_methods come in addition. */
extern const luaL_Reg wsc_lua_client_methods[];

/* client(random_bytes, clock) -> object */
int wsc_lua_client_new(lua_State *L);

#endif
