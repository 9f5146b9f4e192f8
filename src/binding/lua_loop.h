/* wsc_loop as a Lua object: what lua/wsclose/many.lua drives. */
#ifndef WSC_BINDING_LUA_LOOP_H
#define WSC_BINDING_LUA_LOOP_H

#include "lua_box.h"

/* Adds the function loop to the module at `core`; `anchor`: see WSC_UP_ANCHOR.  Both absolute. */
void wsc_lua_add_loop(lua_State *L, int core, int anchor);

#endif
