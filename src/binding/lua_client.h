/* wsc_client as a Lua object: what lua/wsclose/client.lua drives. */
#ifndef WSC_BINDING_LUA_CLIENT_H
#define WSC_BINDING_LUA_CLIENT_H

#include "lua_box.h"

/* Those of wsc_lua_conn_methods come in addition. */
extern const luaL_Reg wsc_lua_client_methods[];

/* client(random_bytes, clock) -> object */
int wsc_lua_client_new(lua_State *L);

/* loop(poll) -> object: what lua/wsclose/many.lua drives */
extern const luaL_Reg wsc_lua_loop_methods[];
int wsc_lua_loop_new(lua_State *L);

/* tunnel(url, proxy, headers, address) -> object, for who has a stream of their own to the proxy */
extern const luaL_Reg wsc_lua_tunnel_methods[];
int wsc_lua_tunnel_new(lua_State *L);

#endif
