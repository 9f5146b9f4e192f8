/* Reports of the core as Lua tables.  Each function of the name wsc_lua_push pushes one value. */
#ifndef WSC_BINDING_LUA_PUSH_H
#define WSC_BINDING_LUA_PUSH_H

#include "wsclose.h"
#include "compat.h"

/* Set a field of the table on top; a string that is NULL, none. */
void wsc_lua_set_string(lua_State *L, const char *name, const char *value);
void wsc_lua_set_bytes(lua_State *L, const char *name, const void *data, size_t size);
void wsc_lua_set_bool(lua_State *L, const char *name, bool value);
void wsc_lua_set_integer(lua_State *L, const char *name, uint64_t value);

/* The full table of on_close, but for what only lua/wsclose knows (name, attempt, duration,
 * retry_in). */
void wsc_lua_push_close_info(lua_State *L, const wsc_conn *conn);

/* A list of {name, value} pairs that is also keyed by lower-case name, repeated values joined by
 * ", ". */
void wsc_lua_push_headers(lua_State *L, const wsc_response *response);

/* A list of {name=, params={name=value or true}} that is also keyed by name. */
void wsc_lua_push_extensions(lua_State *L, const wsc_conn *conn);

void wsc_lua_push_stats(lua_State *L, const wsc_conn_stats *stats);

/* The event of a frame: three values, "frame", direction, frame. */
int wsc_lua_push_frame(lua_State *L, const wsc_frame_info *frame);

/* Three values: nil, the sentence (NULL: there was no memory for one), the error's name. */
int wsc_lua_push_error(lua_State *L, int error, const char *sentence);

/* A descriptor; < 0: nil, a sentence, "state". */
int wsc_lua_push_pollfd(lua_State *L, int fd);

/* Seconds, or nil for WSC_NEVER. */
void wsc_lua_push_seconds(lua_State *L, uint64_t time_us);

#endif
