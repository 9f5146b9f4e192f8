/* wsc_tunnel as a Lua object, for who has a stream of their own to the proxy. */
#ifndef WSC_BINDING_LUA_TUNNEL_H
#define WSC_BINDING_LUA_TUNNEL_H

#include "lua_box.h"

/* Adds the function tunnel to the module at `core`; `anchor`: see WSC_UP_ANCHOR.  Both absolute. */
void wsc_lua_add_tunnel(lua_State *L, int core, int anchor);

#endif
