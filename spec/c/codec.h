/* What the testing files for extension, deflate and handshake share: the tables they take and give
 * look like those of the public options. */
#ifndef WSC_BINDING_LUA_TESTING_CODEC_H
#define WSC_BINDING_LUA_TESTING_CODEC_H

#include "testing.h"

#include "core/extension.h"

/* Reads { {name=, params={{name, value}, …}, required=, require={…}}, … } at `index`; nil is an
 * empty list.  Memory and strings belong to Lua: what was read lives as long as the stack slots
 * that this call leaves behind. */
const wsc_extension *wsc_testing_read_extensions(lua_State *L, int index, size_t *count);

/* Reads a list of strings; the same rules. */
const char *const *wsc_testing_read_strings(lua_State *L, int index, size_t *count);

/* Pushes { {name=, params={{name, value}, …}}, … }. */
void wsc_testing_push_extensions(lua_State *L, const wsc_extension_list *list);

/* Pushes {deflate=, missing=, client_no_context_takeover=, …}. */
void wsc_testing_push_agreement(lua_State *L, const wsc_agreement *agreement);

/* Pushes the bytes a buffer holds, none for one without memory. */
void wsc_testing_push_buf(lua_State *L, const wsc_buf *buf);

/* These add one field each to the table on top of the stack. */
void wsc_testing_extension(lua_State *L);
void wsc_testing_deflate(lua_State *L);
void wsc_testing_handshake(lua_State *L);

#endif
