/* wsclose.core_testing: buf of the core. */
#include "testing.h"

#include "core/buf.h"

#include <string.h>

/* Sizes are Lua numbers; math.huge stands for SIZE_MAX. */
static size_t check_size(lua_State *L, int index) {
  lua_Number number = luaL_checknumber(L, index);
  luaL_argcheck(L, number >= 0, index, "not negative");
  return number >= (lua_Number)SIZE_MAX ? SIZE_MAX : (size_t)number;
}

static int push_size(lua_State *L, size_t size) {
  lua_pushinteger(L, (lua_Integer)size);
  return 1;
}

static int push_boolean(lua_State *L, bool value) {
  lua_pushboolean(L, value);
  return 1;
}

/* ------------------------------------------------------------ buf */

static const char buf_type[] = "wsclose testing buf";

static wsc_buf *check_buf(lua_State *L) {
  return luaL_checkudata(L, 1, buf_type);
}

static int l_buf_new(lua_State *L) {
  wsc_platform *platform = wsc_testing_platform(L);
  wsc_buf *buf = lua_newuserdata(L, sizeof *buf);
  wsc_buf_init(buf, platform);
  luaL_getmetatable(L, buf_type);
  lua_setmetatable(L, -2);
  return 1;
}

static int l_buf_free(lua_State *L) {
  wsc_buf_free(check_buf(L));
  return 0;
}

/* reserve(size, exact) -> the room there is, or nil */
static int l_buf_reserve(lua_State *L) {
  wsc_buf *buf = check_buf(L);
  size_t size = check_size(L, 2), room = 0;
  bool exact = lua_toboolean(L, 3);
  uint8_t *lent = exact ? wsc_buf_reserve_exact(buf, size) : wsc_buf_reserve(buf, size, &room);
  if (!lent) return 0;
  if (exact) room = buf->capacity - buf->end;
  memset(lent, 0xEE, room); /* all of it must be ours to write */
  return push_size(L, room);
}

/* commit(bytes): written into the room and committed; the spec has reserved it */
static int l_buf_commit(lua_State *L) {
  wsc_buf *buf = check_buf(L);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  luaL_argcheck(L, size <= buf->capacity - buf->end, 2, "more than the room");
  if (size > 0) memcpy(buf->block + buf->end, bytes, size);
  wsc_buf_commit(buf, size);
  return 0;
}

static size_t check_held(lua_State *L, const wsc_buf *buf) {
  size_t size = check_size(L, 2);
  luaL_argcheck(L, size <= wsc_buf_size(buf), 2, "more than is held");
  return size;
}

static int l_buf_consume(lua_State *L) {
  wsc_buf *buf = check_buf(L);
  wsc_buf_consume(buf, check_held(L, buf));
  return 0;
}

static int l_buf_truncate(lua_State *L) {
  wsc_buf *buf = check_buf(L);
  wsc_buf_truncate(buf, check_held(L, buf));
  return 0;
}

static int l_buf_append(lua_State *L) {
  wsc_buf *buf = check_buf(L);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  return push_boolean(L, wsc_buf_append(buf, bytes, size));
}

static int l_buf_append_string(lua_State *L) {
  wsc_buf *buf = check_buf(L);
  return push_boolean(L, wsc_buf_append_string(buf, luaL_checkstring(L, 2)));
}

/* take(size) -> the bytes that lie in the block given away and the NUL behind them, or nil */
static int l_buf_take(lua_State *L) {
  wsc_buf *buf = check_buf(L);
  size_t size = check_held(L, buf);
  const uint8_t *data = NULL;
  uint8_t *block = wsc_buf_take(buf, size, &data);
  if (!block) return 0;
  lua_pushlstring(L, (const char *)data, size + 1);
  wsc_release(buf->platform, block);
  return 1;
}

static int l_buf_data(lua_State *L) {
  const wsc_buf *buf = check_buf(L);
  const uint8_t *data = wsc_buf_data(buf);
  lua_pushlstring(L, data ? (const char *)data : "", wsc_buf_size(buf));
  return 1;
}

/* -> start, end, capacity */
static int l_buf_shape(lua_State *L) {
  const wsc_buf *buf = check_buf(L);
  push_size(L, buf->start);
  push_size(L, buf->end);
  push_size(L, buf->capacity);
  return 3;
}

/* alloc(count, size) -> whether there was memory and all of it zero; it is released again */
static int l_buf_alloc(lua_State *L) {
  wsc_platform *platform = wsc_testing_platform(L);
  size_t count = check_size(L, 1), size = check_size(L, 2);
  uint8_t *block = wsc_alloc(platform, count, size);
  bool zero = block != NULL;
  for (size_t i = 0; zero && i < count * size; i++) zero = block[i] == 0;
  wsc_release(platform, block);
  return push_boolean(L, zero);
}

/* copy_string(bytes) -> the copy with the NUL behind it, or nil */
static int l_buf_copy_string(lua_State *L) {
  wsc_platform *platform = wsc_testing_platform(L);
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  char *copy = wsc_copy_string(platform, bytes, size);
  if (!copy) return 0;
  lua_pushlstring(L, copy, size + 1);
  wsc_release(platform, copy);
  return 1;
}

static const luaL_Reg buf_methods[] = {{"reserve", l_buf_reserve},
                                       {"commit", l_buf_commit},
                                       {"consume", l_buf_consume},
                                       {"truncate", l_buf_truncate},
                                       {"take", l_buf_take},
                                       {"append", l_buf_append},
                                       {"append_string", l_buf_append_string},
                                       {"data", l_buf_data},
                                       {"shape", l_buf_shape},
                                       {"free", l_buf_free},
                                       {"__gc", l_buf_free},
                                       {NULL, NULL}};

static const luaL_Reg buf_functions[] = {
    {"new", l_buf_new}, {"alloc", l_buf_alloc}, {"copy_string", l_buf_copy_string}, {NULL, NULL}};

void wsc_testing_leaves(lua_State *L) {
  wsc_testing_kind(L, buf_type, buf_methods);
  wsc_testing_add(L, "buf", buf_functions);
}
