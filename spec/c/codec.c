/* wsclose.core_testing: deflate of the core; extension and handshake have files of their own. */
#include "codec.h"

#include "core/deflate.h"

void wsc_testing_push_buf(lua_State *L, const wsc_buf *buf) {
  size_t size = wsc_buf_size(buf);
  lua_pushlstring(L, size > 0 ? (const char *)wsc_buf_data(buf) : "", size);
}

static const char deflate_type[] = "wsclose.testing.deflate";

typedef struct deflate_box {
  wsc_deflate *deflate; /* NULL at first */
  wsc_buf message;      /* what one message has inflated to so far */
} deflate_box;

static int field_integer(lua_State *L, const char *name, int fallback) {
  lua_getfield(L, 1, name);
  int value = (int)luaL_optinteger(L, -1, fallback);
  lua_pop(L, 1);
  return value;
}

static bool field_boolean(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* new{…as agreed…, level=, mem_level=, threshold=, server=} -> deflate */
static int l_deflate_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  wsc_deflate_params params = {
      .client_no_context_takeover = field_boolean(L, "client_no_context_takeover"),
      .server_no_context_takeover = field_boolean(L, "server_no_context_takeover"),
      .client_max_window_bits = (uint8_t)field_integer(L, "client_max_window_bits", 15),
      .server_max_window_bits = (uint8_t)field_integer(L, "server_max_window_bits", 15),
  };
  wsc_deflate_tuning tuning = {.level = field_integer(L, "level", -1),
                               .mem_level = field_integer(L, "mem_level", 0),
                               .threshold = field_integer(L, "threshold", -1)};
  deflate_box *box = lua_newuserdata(L, sizeof *box);
  box->deflate = NULL;
  wsc_buf_init(&box->message, wsc_testing_platform(L));
  luaL_getmetatable(L, deflate_type);
  lua_setmetatable(L, -2);
  box->deflate =
      wsc_deflate_new(wsc_testing_platform(L), &params, &tuning, field_boolean(L, "server"));
  return box->deflate ? 1 : wsc_testing_push_error(L, WSC_ERR_MEMORY, NULL);
}

static deflate_box *check_deflate(lua_State *L) {
  deflate_box *box = luaL_checkudata(L, 1, deflate_type);
  luaL_argcheck(L, box->deflate != NULL, 1, "freed");
  return box;
}

static int l_deflate_free(lua_State *L) {
  deflate_box *box = luaL_checkudata(L, 1, deflate_type);
  wsc_deflate_free(box->deflate);
  wsc_buf_free(&box->message);
  box->deflate = NULL;
  return 0;
}

/* deflate:worth(data) -> boolean */
static int l_deflate_worth(lua_State *L) {
  deflate_box *box = check_deflate(L);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  const uint8_t *bytes = wsc_testing_copy_before_wall(L, data, size);
  lua_pushboolean(L, wsc_deflate_worth(box->deflate, bytes, size));
  return 1;
}

/* deflate:compress(data, fin, room) -> bytes; `room` is what the output buffer holds beforehand.
 * No data is no pointer. */
static int l_deflate_compress(lua_State *L) {
  deflate_box *box = check_deflate(L);
  size_t size, room = (size_t)luaL_optinteger(L, 4, 0);
  const char *data = luaL_checklstring(L, 2, &size);
  const uint8_t *bytes = size > 0 ? wsc_testing_copy_before_wall(L, data, size) : NULL;
  wsc_buf out;
  wsc_buf_init(&out, wsc_testing_platform(L));
  int error = WSC_OK;
  if (room > 0 && !wsc_buf_reserve_exact(&out, room)) error = WSC_ERR_MEMORY;
  if (!error) error = wsc_deflate_compress(box->deflate, &out, bytes, size, lua_toboolean(L, 3));
  if (error && wsc_buf_size(&out) > 0) luaL_error(L, "bytes are left behind an error");
  if (!error) wsc_testing_push_buf(L, &out);
  wsc_buf_free(&out);
  return error ? wsc_testing_push_error(L, error, NULL) : 1;
}

static void push_message(lua_State *L, const wsc_buf *message, size_t from) {
  size_t size = wsc_buf_size(message) - from;
  lua_pushlstring(L, size > 0 ? (const char *)wsc_buf_data(message) + from : "", size);
}

/* deflate:inflate(data, fin, limit, room) -> what this piece gave; or nil, sentence, name, what it
 * gave all the same.  Two more values: bytes of the message so far, and the buffer's capacity.
 * `room` is what the buffer holds beforehand. */
static int l_deflate_inflate(lua_State *L) {
  deflate_box *box = check_deflate(L);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  bool fin = lua_toboolean(L, 3);
  size_t limit = lua_isnoneornil(L, 4) ? SIZE_MAX : (size_t)luaL_checknumber(L, 4);
  const uint8_t *bytes = size > 0 ? wsc_testing_copy_before_wall(L, data, size) : NULL;
  const char *sentence = NULL;
  wsc_buf *message = &box->message;
  size_t before = wsc_buf_size(message), room = (size_t)luaL_optinteger(L, 5, 0);
  if (room > 0 && !wsc_buf_reserve_exact(message, room)) return luaL_error(L, "no memory");
  wsc_inflate_room inflate_room = {.most = SIZE_MAX, .limit = limit};
  int error =
      wsc_deflate_inflate(box->deflate, message, bytes, &size, fin, &inflate_room, &sentence);
  if (error) wsc_testing_push_error(L, error, sentence);
  push_message(L, message, before);
  lua_pushinteger(L, (lua_Integer)wsc_buf_size(message));
  lua_pushinteger(L, (lua_Integer)message->capacity);
  if (fin || error) wsc_buf_free(message);
  return error ? 6 : 3;
}

static const luaL_Reg deflate_methods[] = {
    {"worth", l_deflate_worth}, {"compress", l_deflate_compress}, {"inflate", l_deflate_inflate},
    {"free", l_deflate_free},   {"__gc", l_deflate_free},         {NULL, NULL}};

static const luaL_Reg deflate_functions[] = {{"new", l_deflate_new}, {NULL, NULL}};

void wsc_testing_deflate(lua_State *L) {
  wsc_testing_kind(L, deflate_type, deflate_methods);
  wsc_testing_add(L, "deflate", deflate_functions);
}

void wsc_testing_codec(lua_State *L) {
  wsc_testing_extension(L);
  wsc_testing_deflate(L);
  wsc_testing_handshake(L);
}
