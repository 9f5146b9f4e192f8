/* `wsclose.core`: what the Lua files of wsclose build on.  Not for programs: its face follows the
 * needs of lua/wsclose. */
#ifndef WSC_BINDING_LUA_MODULE_H
#define WSC_BINDING_LUA_MODULE_H

#include "wsclose.h"
#include "compat.h"

/* Pushes the module's table.  `platform` is borrowed and must outlive the Lua state; NULL: a
 * platform of OpenSSL and realloc is made for this state and lives as long as its last object. */
int wsc_lua_open(lua_State *L, const wsc_platform *platform);

#endif
