/* Connections as Lua objects: the methods that the protocol object and the client have in common,
 * and the protocol object itself. */
#ifndef WSC_BINDING_LUA_CONN_H
#define WSC_BINDING_LUA_CONN_H

#include "lua_box.h"

/* Pushes nil, a sentence and the error's name; returns 3. */
int wsc_lua_push_failure(lua_State *L, const wsc_lua_box *box, int error);

/* The event came; the end comes again until it was pushed. */
static inline wsc_event_type wsc_lua_take_close(wsc_lua_box *box, wsc_event_type type) {
  if (type == WSC_EVENT_CLOSE) box->close_taken = true;
  return box->close_taken ? WSC_EVENT_CLOSE : type;
}

/* Pushes a large message as a string that is the very block it was read into; false, and nothing,
 * where that cannot be: the core does not hand it over, there is no memory, or Lua is older. */
bool wsc_lua_push_taken(lua_State *L, wsc_lua_box *box, wsc_event *event);

/* Pushes the data and the kind of a message; what `event` lends may then be Lua's. */
void wsc_lua_push_message(lua_State *L, wsc_lua_box *box, wsc_event *event);

/* Pushes "open" | "message", data, kind | "piece", data, kind, last | "ping", data | "pong", data,
 * rtt | "frame", direction, frame | "drain" | "close", code, reason, info | for WSC_EVENT_NONE nil.
 */
int wsc_lua_push_event(lua_State *L, wsc_lua_box *box, wsc_event *event);

/* free(): gives everything back */
int wsc_lua_conn_free(lua_State *L);

/* The methods that both kinds have, and those of the protocol object alone. */
extern const luaL_Reg wsc_lua_conn_methods[];
extern const luaL_Reg wsc_lua_protocol_methods[];

/* protocol(config, random_bytes) -> object */
int wsc_lua_protocol_new(lua_State *L);

#endif
