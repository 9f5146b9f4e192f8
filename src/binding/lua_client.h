/* wsc_client as a Lua object: what lua/wsclose/client.lua drives. */
#ifndef WSC_BINDING_LUA_CLIENT_H
#define WSC_BINDING_LUA_CLIENT_H

#include "lua_box.h"

/* Those of wsc_lua_conn_methods come in addition. */
extern const luaL_Reg wsc_lua_client_methods[];

/* client(random_bytes, clock) -> object */
int wsc_lua_client_new(lua_State *L);

/* When the client has work though no descriptor is ready; 0: at once. */
uint64_t wsc_lua_client_deadline(const wsc_lua_box *box);

#endif
