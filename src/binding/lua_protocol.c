/* The protocol object: a connection whose bytes the program carries. */
#include "lua_conn.h"

#include <math.h>
#include <string.h>

#include "core/conn.h"
#include "lua_options.h"
#include "lua_push.h"

#include "core/hidden.h"

int wsc_lua_protocol_new(lua_State *L) {
  lua_settop(L, 2);
  lua_pushnil(L); /* time is told by tick */
  luaL_checktype(L, 1, LUA_TTABLE);
  wsc_lua_box *box = wsc_lua_push_box(L, 2, 3);
  int object = lua_gettop(L);
  wsc_config config;
  wsc_config_init(&config, wsc_lua_platform(box));
  wsc_lua_read_conn_config(L, 1, &config);
  box->conn = wsc_conn_new(&config);
  wsc_lua_let_go(L, box);
  if (!box->conn) return wsc_lua_push_failure(L, box, WSC_ERR_MEMORY);
  lua_settop(L, object);
  return 1;
}

/* next() -> the next event, or nil */
static int protocol_next(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  wsc_event event = {.type = WSC_EVENT_NONE};
  if (box->conn && !box->close_taken) wsc_conn_next_event(box->conn, &event);
  wsc_lua_come_back(L, box);
  event.type = wsc_lua_take_close(box, event.type);
  if (event.type == WSC_EVENT_NONE) wsc_lua_let_go(L, box);
  int count = wsc_lua_push_event(L, box, &event);
  if (count > 0) return count;
  lua_pushnil(L);
  return 1;
}

/* (box, max) -> bytes */
static int output_inside(lua_State *L) {
  wsc_lua_box *box = lua_touserdata(L, 1);
  lua_Number max = lua_tonumber(L, 2);
  size_t left = max < 0 ? 0 : max < (lua_Number)SIZE_MAX ? (size_t)max : SIZE_MAX;
  size_t size = 0;
  const uint8_t *data = NULL;
  lua_settop(L, 1);
  lua_pushliteral(L, "");
  while (left > 0 && (data = wsc_conn_output(box->conn, &size), size > 0)) {
    if (size > left) size = left;
    lua_pushlstring(L, (const char *)data, size);
    wsc_conn_output_done(box->conn, size);
    left -= size;
    lua_concat(L, 2);
  }
  return 1;
}

/* output(max) -> the bytes that wait for the transport, `max` of them at the most (default: all);
 * "" for none */
static int protocol_output(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  lua_Number max = luaL_optnumber(L, 2, HUGE_VAL);
  lua_settop(L, 1);
  lua_pushliteral(L, "");
  if (!box->conn) return 1;
  lua_pushnumber(L, max);
  wsc_lua_call_inside(L, box, output_inside, 1, 1);
  return 1;
}

/* input(bytes) -> false once nothing is read any more */
static int protocol_input(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  size_t size, room;
  const char *data = luaL_checklstring(L, 2, &size);
  bool taken = box->conn != NULL; /* after the argument was read, which may collect garbage */
  while (taken && size > 0) {
    uint8_t *to = wsc_conn_input(box->conn, &room);
    taken = to != NULL;
    if (!taken) break;
    size_t n = size < room ? size : room;
    memcpy(to, data, n);
    wsc_conn_input_done(box->conn, n);
    data += n;
    size -= n;
  }
  wsc_lua_let_go(L, box);
  lua_pushboolean(L, taken);
  return 1;
}

/* Error names that a transport can fail with, and where it is then; a reset comes at any time. */
static const struct {
  int error;
  wsc_phase phase;
} transport_errors[] = {
    {WSC_ERR_RESET, WSC_PHASE_OPEN},      {WSC_ERR_TIMEOUT, WSC_PHASE_HANDSHAKE},
    {WSC_ERR_DNS, WSC_PHASE_DNS},         {WSC_ERR_REFUSED, WSC_PHASE_TCP},
    {WSC_ERR_UNREACHABLE, WSC_PHASE_TCP}, {WSC_ERR_PROXY, WSC_PHASE_PROXY},
    {WSC_ERR_CERTIFICATE, WSC_PHASE_TLS}, {WSC_ERR_TLS, WSC_PHASE_TLS},
    {WSC_ERR_CANCELLED, WSC_PHASE_CLOSE},
};

static void abort_conn(lua_State *L, wsc_lua_box *box, const char *name, const char *text) {
  bool certificate = strcmp(name, "certificate") == 0;
  size_t count = sizeof transport_errors / sizeof *transport_errors;
  for (size_t i = 0; i < count; i++) {
    int error = transport_errors[i].error;
    bool same = error == WSC_ERR_CERTIFICATE ? certificate : !strcmp(wsc_error_name(error), name);
    if (!same) continue;
    wsc_conn_note_proxy(box->conn, (int)luaL_optinteger(L, 4, 0));
    bool reset = error == WSC_ERR_RESET;
    wsc_phase phase = reset ? wsc_conn_phase(box->conn) : transport_errors[i].phase;
    wsc_conn_abort(box->conn, error, phase, text);
    return;
  }
  luaL_error(L, "unknown error name '%s' of a transport", name);
}

/* eof(name, sentence, status): the transport ended, in order (no arguments) or by a fault: "reset",
 * "timeout", "dns", "refused", "unreachable", "proxy", "tls", "certificate", "cancelled".  status:
 * of HTTP, where a proxy refused. */
static int protocol_eof(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  const char *name = luaL_optstring(L, 2, NULL), *text = luaL_optstring(L, 3, NULL);
  if (!box->conn) return 0; /* after the arguments were read, which may collect garbage */
  if (name)
    abort_conn(L, box, name, text);
  else
    wsc_conn_input_eof(box->conn);
  return 0;
}

/* tick(now, looked) -> the next deadline on the same clock, in seconds, or nil.  looked: the moment
 * up to which all that came was handed in, where that is not now. */
static int protocol_tick(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  lua_Number now = luaL_checknumber(L, 2), looked = luaL_optnumber(L, 3, now);
  if (box->conn) wsc_conn_tell(box->conn, wsc_lua_to_us(now), wsc_lua_to_us(looked));
  uint64_t deadline = box->conn ? wsc_conn_deadline(box->conn) : WSC_NEVER;
  wsc_lua_let_go(L, box);
  wsc_lua_push_seconds(L, deadline);
  return 1;
}

/* finished() -> the transport is to be closed now */
static int protocol_finished(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  lua_pushboolean(L, !box->conn || wsc_conn_finished(box->conn));
  return 1;
}

/* skip(): what came is read without events; only the peer's Close counts from now on. */
static int protocol_skip(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  if (box->conn) wsc_conn_pass_over(box->conn);
  if (box->conn) wsc_conn_skip_input(box->conn);
  wsc_lua_let_go(L, box);
  return 0;
}

/* depart(left): the transport is closed here; `left`: all that output gave has left.  "close" is
 * the next event. */
static int protocol_depart(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  if (box->conn) wsc_conn_leave(box->conn, lua_toboolean(L, 2) != 0);
  return 0;
}

const luaL_Reg wsc_lua_protocol_methods[] = {
    {"next", protocol_next},      {"output", protocol_output},
    {"input", protocol_input},    {"eof", protocol_eof},
    {"tick", protocol_tick},      {"finished", protocol_finished},
    {"skip", protocol_skip},      {"depart", protocol_depart},
    {"leave", wsc_lua_conn_free}, {NULL, NULL},
};
