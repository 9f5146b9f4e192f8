/* wsclose.core_testing: what specs see of the C side behind the public interface.  Never installed.
 *
 * Everything hangs on one platform per Lua state which counts memory, fails an allocation on demand
 * and gives the random bytes that a spec wants. */
#ifndef WSC_BINDING_LUA_TESTING_H
#define WSC_BINDING_LUA_TESTING_H

#include "wsclose.h"

#include <lua.h>
#include <lauxlib.h>

/* The platform of this Lua state, made at the first call.  Lent for the state's life. */
wsc_platform *wsc_testing_platform(lua_State *L);

/* Two places to lay bytes in, so that input and output can be apart. */
typedef enum wsc_testing_place { WSC_TESTING_INPUT, WSC_TESTING_OUTPUT } wsc_testing_place;

/* Room for `size` bytes that ends `slack` bytes before an unmapped page: with no slack, reading or
 * writing one byte too far crashes.  Lent until the next call for the same place. */
uint8_t *wsc_testing_before_wall(lua_State *L, wsc_testing_place place, size_t size, size_t slack);

/* Room for `size` bytes that begins right behind an unmapped page. */
uint8_t *wsc_testing_behind_wall(lua_State *L, wsc_testing_place place, size_t size);

/* Copies of `data` in such room, for a parser to read. */
const uint8_t *wsc_testing_copy_before_wall(lua_State *L, const void *data, size_t size);
const uint8_t *wsc_testing_copy_behind_wall(lua_State *L, const void *data, size_t size);

/* Puts a new table with `functions` into field `name` of the table on top of the stack; NULL: into
 * that table itself. */
void wsc_testing_add(lua_State *L, const char *name, const luaL_Reg *functions);

/* Makes a kind of userdata with these methods, __gc among them where it is to be collected. */
void wsc_testing_kind(lua_State *L, const char *kind, const luaL_Reg *methods);

/* nil, sentence (or nil), the error's name: how every failed call of this module answers. */
int wsc_testing_push_error(lua_State *L, int error, const char *sentence);

/* These add fields to the table on top of the stack. */
void wsc_testing_leaves(lua_State *L);  /* buf */
void wsc_testing_cpu(lua_State *L);     /* mask utf8 cpu_path cpu_paths */
void wsc_testing_wire(lua_State *L);    /* close frame error */
void wsc_testing_conn(lua_State *L);    /* conn */
void wsc_testing_heads(lua_State *L);   /* http uri */
void wsc_testing_codec(lua_State *L);   /* extension deflate handshake */
void wsc_testing_net(lua_State *L);     /* address fault random resolve socket watch */
void wsc_testing_loop(lua_State *L);    /* loop */
void wsc_testing_native(lua_State *L);  /* native */
void wsc_testing_proxy(lua_State *L);   /* proxy environment */
void wsc_testing_options(lua_State *L); /* options */
void wsc_testing_process(lua_State *L); /* forks, signals, processor time */

/* Sets package.path or cpath of the state `to`: the string at `index` of `from`. */
void wsc_testing_set_path(lua_State *from, int index, lua_State *to, const char *field);

/* process.in_state(path, code): runs the code in a Lua state of its own, whose wsclose is on the
 * testing platform of this one, and closes it. */
int wsc_testing_in_state(lua_State *L);

#endif
