/* wsclose.core_testing: close, frame and error of the core.  What a parser reads lies against an
 * unmapped page. */
#include "testing.h"

#include "core/codes.h"
#include "core/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ close */

/* parse(payload) -> code, reason, or as wsc_testing_push_error */
static int l_close_parse(lua_State *L) {
  size_t size;
  const char *payload = luaL_checklstring(L, 1, &size);
  luaL_argcheck(L, size <= 125, 1, "a control frame holds 125 bytes");
  unsigned code;
  const char *reason;
  size_t reason_size;
  const uint8_t *bytes = wsc_testing_copy_before_wall(L, payload, size);
  int error = wsc_close_parse(bytes, size, &code, &reason, &reason_size);
  if (error != WSC_OK) return wsc_testing_push_error(L, error, NULL);
  lua_pushinteger(L, (lua_Integer)code);
  lua_pushlstring(L, reason, reason_size);
  return 2;
}

/* write(code, reason) -> payload */
static int l_close_write(lua_State *L) {
  unsigned code = (unsigned)luaL_checkinteger(L, 1);
  size_t size;
  const char *reason = luaL_checklstring(L, 2, &size);
  luaL_argcheck(L, code == 0 || wsc_close_code_sendable(code), 1, "may not be sent");
  const void *text = wsc_testing_copy_before_wall(L, reason, size);
  uint8_t *payload = wsc_testing_before_wall(L, WSC_TESTING_OUTPUT, 125, 0);
  size_t written = wsc_close_write(payload, code, text, size);
  lua_pushlstring(L, (const char *)payload, written);
  return 1;
}

static int l_close_sendable(lua_State *L) {
  lua_pushboolean(L, wsc_close_code_sendable((unsigned)luaL_checkinteger(L, 1)));
  return 1;
}

static const luaL_Reg close_functions[] = {{"parse", l_close_parse},
                                           {"write", l_close_write},
                                           {"sendable", l_close_sendable},
                                           {NULL, NULL}};

/* ------------------------------------------------------------ frame */

static void push_frame(lua_State *L, const wsc_frame *frame) {
  char hex[17];
  lua_newtable(L);
  lua_pushboolean(L, frame->fin);
  lua_setfield(L, -2, "fin");
  lua_pushboolean(L, frame->masked);
  lua_setfield(L, -2, "masked");
  lua_pushinteger(L, frame->rsv);
  lua_setfield(L, -2, "rsv");
  lua_pushinteger(L, frame->opcode);
  lua_setfield(L, -2, "opcode");
  lua_pushlstring(L, (const char *)frame->key, 4);
  lua_setfield(L, -2, "key");
  snprintf(hex, sizeof hex, "%016llx", (unsigned long long)frame->size);
  lua_pushstring(L, hex); /* a double cannot hold each 64-bit size */
  lua_setfield(L, -2, "size");
}

/* read(bytes) -> size of the head, its fields; 0 when more is needed; or as wsc_testing_push_error
 */
static int l_frame_read(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  const char *sentence = NULL, *again = NULL;
  wsc_frame frame, other;
  const uint8_t *data = wsc_testing_copy_before_wall(L, bytes, size);
  int head = wsc_frame_read_head(&frame, data, size, &sentence);
  data = wsc_testing_copy_behind_wall(L, bytes, size);
  if (wsc_frame_read_head(&other, data, size, &again) != head || again != sentence)
    return luaL_error(L, "the same bytes elsewhere, another head");
  if (head < 0) return wsc_testing_push_error(L, head, sentence);
  lua_pushinteger(L, head);
  if (head == 0) return 1;
  push_frame(L, &frame);
  return 2;
}

static lua_Integer field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  lua_Integer value = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : lua_tointeger(L, -1);
  lua_pop(L, 1);
  return value;
}

/* write{fin, rsv, opcode, masked, key, size} -> bytes; `size` in hexadecimal, as read gives it */
static int l_frame_write(lua_State *L) {
  wsc_frame frame = {.fin = field(L, "fin") != 0,
                     .masked = field(L, "masked") != 0,
                     .rsv = (uint8_t)field(L, "rsv"),
                     .opcode = (uint8_t)field(L, "opcode")};
  lua_getfield(L, 1, "key");
  size_t key_size;
  const char *key = luaL_optlstring(L, -1, "\0\0\0", &key_size);
  luaL_argcheck(L, key_size == 4 || !frame.masked, 1, "a key of four bytes expected");
  if (frame.masked) memcpy(frame.key, key, 4);
  lua_getfield(L, 1, "size");
  frame.size = strtoull(luaL_checkstring(L, -1), NULL, 16);
  size_t expected = wsc_frame_head_size(frame.size, frame.masked);
  uint8_t head[WSC_FRAME_HEAD_MAX];
  size_t written = wsc_frame_write_head(head, &frame);
  if (written != expected) return luaL_error(L, "wsc_frame_head_size says %d", (int)expected);
  lua_pushlstring(L, (const char *)head, written);
  return 1;
}

static const luaL_Reg frame_functions[] = {
    {"read", l_frame_read}, {"write", l_frame_write}, {NULL, NULL}};

/* ------------------------------------------------------------ error */

static int l_error_name(lua_State *L) {
  lua_pushstring(L, wsc_error_name((int)luaL_checkinteger(L, 1)));
  return 1;
}

static int l_error_close_code(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)wsc_error_close_code((int)luaL_checkinteger(L, 1)));
  return 1;
}

static int l_error_phase_name(lua_State *L) {
  lua_pushstring(L, wsc_phase_name((wsc_phase)luaL_checkinteger(L, 1)));
  return 1;
}

static const luaL_Reg error_functions[] = {{"name", l_error_name},
                                           {"close_code", l_error_close_code},
                                           {"phase_name", l_error_phase_name},
                                           {NULL, NULL}};

void wsc_testing_wire(lua_State *L) {
  wsc_testing_add(L, "close", close_functions);
  wsc_testing_add(L, "frame", frame_functions);
  wsc_testing_add(L, "error", error_functions);
}
