/* From the option tables that lua/wsclose/options.lua has checked and brought into one shape, to
 * the core's configuration.  The rules stand there; here a value of the wrong type only raises. */
#ifndef WSC_BINDING_LUA_OPTIONS_H
#define WSC_BINDING_LUA_OPTIONS_H

#include "wsclose.h"
#include "compat.h"

/* Fill in what the table at `index` (absolute) says; what it leaves out stays as it is.  Strings
 * are lent by the table, arrays by userdata left on the stack: the config is good until the stack
 * is cut back. */
void wsc_lua_read_conn_config(lua_State *L, int index, wsc_config *config);
void wsc_lua_read_client_config(lua_State *L, int index, wsc_client_config *config);

/* A flat list {name, value, name, value, ...} at `index` (absolute); NULL for an empty one. */
const wsc_header *wsc_lua_read_headers(lua_State *L, int index, size_t *count);

/* A list of strings at `index` (absolute); NULL for an empty one. */
const char **wsc_lua_read_strings(lua_State *L, int index, size_t *count);

/* Reads one extension {name=, params={name, value or false, ...}, required=, require={...}}. */
void wsc_lua_read_extension(lua_State *L, int index, wsc_extension *extension);

#endif
