#include "lua_conn.h"

#include "core/utf8.h"
#include "lua_push.h"

#include <stdio.h>
#include <string.h>

#include "core/hidden.h"

/* ---------------------------------------------------------------- arguments */

/* Some methods are called by lua/wsclose/client.lua: the line at fault is one level up. */
static int raise_argument(lua_State *L, const wsc_lua_box *box, const char *format,
                          const char *what) {
  luaL_where(L, box->mark == &wsc_lua_marks[1] && !box->direct ? 2 : 1);
  lua_pushfstring(L, format, what);
  lua_concat(L, 2);
  return lua_error(L);
}

static const char *check_bytes(lua_State *L, const wsc_lua_box *box, int index, size_t *size) {
  const char *data = lua_tolstring(L, index, size);
  if (!data) raise_argument(L, box, "expected a string to send, got %s", luaL_typename(L, index));
  return data;
}

static int check_opcode(lua_State *L, const wsc_lua_box *box, int index) {
  if (lua_gettop(L) < index || lua_isnil(L, index)) return 1;
  if (lua_rawequal(L, index, lua_upvalueindex(WSC_UP_TEXT))) return 1;
  if (lua_rawequal(L, index, lua_upvalueindex(WSC_UP_BINARY))) return 2;
  if (lua_type(L, index) == LUA_TNUMBER) {
    lua_Number opcode = lua_tonumber(L, index);
    if (opcode == 1 || opcode == 2) return (int)opcode;
  }
  const char *given = lua_isstring(L, index) ? lua_tostring(L, index) : luaL_typename(L, index);
  return raise_argument(L, box, "expected the kind \"text\", \"binary\", 1 or 2, got %s", given);
}

static unsigned check_send_flags(lua_State *L, const wsc_lua_box *box, int index) {
  if (lua_gettop(L) < index || lua_isnil(L, index)) return 0;
  if (!lua_istable(L, index))
    raise_argument(L, box, "expected a table such as {compress=false}, got %s",
                   luaL_typename(L, index));
  unsigned flags = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    bool known = strcmp(name, "compress") == 0;
    if (!known || !lua_isboolean(L, -1))
      raise_argument(L, box, "send takes {compress=true} or {compress=false}, got %s",
                     known ? luaL_typename(L, -1) : name);
    if (!lua_toboolean(L, -1)) flags = WSC_SEND_UNCOMPRESSED;
  }
  return flags;
}

/* ---------------------------------------------------------------- outcomes */

static const char *why_not(const wsc_conn *conn, int error) {
  switch (error) {
  case WSC_ERR_BUSY:
    return "the send queue is full; wait for on_drain, or raise limits.send_queue";
  case WSC_ERR_UTF8:
    return "the text is not valid UTF-8; send such bytes with the kind \"binary\"";
  case WSC_ERR_MEMORY:
    return "not enough memory";
  default:
    break;
  }
  switch (conn ? wsc_conn_state(conn) : WSC_CONNECTING) {
  case WSC_CONNECTING:
    return "the connection is not open yet";
  case WSC_OPEN:
    return "a message in fragments is being sent; finish it first";
  case WSC_CLOSING:
    return "the connection is closing";
  default:
    return "the connection is closed";
  }
}

int wsc_lua_push_failure(lua_State *L, const wsc_lua_box *box, int error) {
  return wsc_lua_push_error(L, error, why_not(box->conn, error));
}

static int push_too_big(lua_State *L, const wsc_lua_box *box, size_t size) {
  char sentence[112];
  snprintf(sentence, sizeof sentence,
           "a message of %zu bytes never fits: limits.send_queue is %zu bytes", size,
           wsc_conn_send_max(box->conn));
  return wsc_lua_push_error(L, WSC_ERR_TOO_BIG, sentence);
}

/* What was queued leaves at once, unless more may follow within the same turn. */
static int queued(lua_State *L, wsc_lua_box *box, int error, size_t size) {
  if (box->client && error == WSC_OK && !box->corked) wsc_client_flush(box->client);
  wsc_lua_let_go(L, box);
  if (error == WSC_ERR_TOO_BIG && box->conn) return push_too_big(L, box, size);
  if (error != WSC_OK) return wsc_lua_push_failure(L, box, error);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---------------------------------------------------------------- sending */

/* send(data, kind, {compress=}) */
static int conn_send(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  size_t size;
  const char *data = check_bytes(L, box, 2, &size);
  int opcode = check_opcode(L, box, 3);
  unsigned flags = check_send_flags(L, box, 4);
  if (!box->conn) return wsc_lua_push_failure(L, box, WSC_ERR_STATE);
  return queued(L, box, wsc_conn_send(box->conn, opcode, data, size, flags), size);
}

/* send_fragment(data, kind, fin) */
static int conn_send_fragment(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  size_t size;
  const char *data = check_bytes(L, box, 2, &size);
  int opcode = check_opcode(L, box, 3);
  bool fin = lua_toboolean(L, 4) != 0;
  if (!box->conn) return wsc_lua_push_failure(L, box, WSC_ERR_STATE);
  return queued(L, box, wsc_conn_send_fragment(box->conn, opcode, data, size, fin), size);
}

static int conn_ping(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  size_t size = 0;
  const char *data = lua_isnoneornil(L, 2) ? "" : check_bytes(L, box, 2, &size);
  if (size > 125) raise_argument(L, box, "a ping carries at most %s", "125 bytes");
  if (!box->conn) return wsc_lua_push_failure(L, box, WSC_ERR_STATE);
  return queued(L, box, wsc_conn_ping(box->conn, data, size), size);
}

static unsigned check_close_code(lua_State *L, const wsc_lua_box *box, int index) {
  if (lua_isnoneornil(L, index)) return WSC_CLOSE_NORMAL;
  if (lua_type(L, index) != LUA_TNUMBER)
    raise_argument(L, box, "expected a close code, got %s", luaL_typename(L, index));
  lua_Number code = lua_tonumber(L, index);
  if (!(code >= 1000 && code <= 4999 && code == (unsigned)code) ||
      !wsc_close_code_sendable((unsigned)code))
    raise_argument(L, box,
                   "close code %s may not be sent; expected 1000-1003, 1007-1014 or 3000-4999",
                   lua_tostring(L, index));
  return (unsigned)code;
}

static const char *check_close_reason(lua_State *L, const wsc_lua_box *box, int index,
                                      size_t *size) {
  *size = 0;
  if (lua_isnoneornil(L, index)) return "";
  const char *reason = lua_tolstring(L, index, size);
  if (!reason)
    raise_argument(L, box, "expected a string as reason, got %s", luaL_typename(L, index));
  if (*size > WSC_REASON_MAX) raise_argument(L, box, "a close reason has at most %s", "123 bytes");
  if (!wsc_utf8_valid(reason, *size))
    raise_argument(L, box, "%s", "a close reason must be valid UTF-8");
  return reason;
}

/* close(code, reason): true; wrong arguments raise whatever the state is. */
static int conn_close(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  unsigned code = check_close_code(L, box, 2);
  size_t size;
  const char *reason = check_close_reason(L, box, 3, &size);
  if (box->conn) wsc_conn_close(box->conn, code, reason, size);
  if (box->conn && box->client) wsc_client_flush(box->client);
  wsc_lua_let_go(L, box);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---------------------------------------------------------------- events */

/* (box, finish) -> code, reason, info */
static int report(lua_State *L) {
  const wsc_lua_box *box = lua_touserdata(L, 1);
  const wsc_close_info *info = wsc_conn_close_info(box->conn);
  lua_pushinteger(L, (lua_Integer)info->code);
  lua_pushlstring(L, info->reason, info->reason_size);
  wsc_lua_push_close_info(L, box->conn);
  if (lua_isfunction(L, 2)) {
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 0);
  }
  return 3;
}

/* "close", code, reason, info.  A finalizer may have been told of the end meanwhile: it is told
 * once. */
static int push_close(lua_State *L, wsc_lua_box *box) {
  lua_settop(L, 1);
  lua_pushliteral(L, "close");
  lua_getfield(L, lua_upvalueindex(WSC_UP_CORE), "finish_close_info");
  if (!box->conn) return 0;
  wsc_lua_call_inside(L, box, report, 1, 3);
  if (!box->close_taken) return 0;
  box->close_taken = false;
  return 4;
}

#if LUA_VERSION_NUM < 503
/* Payloads of this size and less are copied before Lua makes a value of them: until 5.3, and in
 * LuaJIT, Lua collects garbage first, and a finalizer may call update. */
#define COPIED_MAX 1024

/* (box, event) -> string.  The collectors of Lua 5.1 and LuaJIT do one step of their work at each
 * thing that is made, however large: payloads would pile up meanwhile.  So one is counted as so
 * many small ones; where the collector is not at work that is nothing. */
static int payload_inside(lua_State *L) {
  const wsc_event *event = lua_touserdata(L, 2);
  lua_pushlstring(L, (const char *)event->data, event->size);
  for (size_t left = event->size; left > COPIED_MAX; left -= COPIED_MAX) {
    lua_pushliteral(L, "");
    lua_pop(L, 1);
  }
  return 1;
}

static void push_payload(lua_State *L, wsc_lua_box *box, wsc_event *event) {
  char copy[COPIED_MAX];
  if (event->size <= sizeof copy) {
    memcpy(copy, event->data, event->size);
    lua_pushlstring(L, copy, event->size);
    return;
  }
  lua_pushlightuserdata(L, event);
  wsc_lua_call_inside(L, box, payload_inside, 1, 1);
}
#else
static void push_payload(lua_State *L, wsc_lua_box *box, wsc_event *event) {
  if (event->size >= WSC_TAKE_MIN && wsc_lua_push_taken(L, box, event)) return;
  lua_pushlstring(L, (const char *)event->data, event->size);
}
#endif

static int push_control(lua_State *L, const char *name, const wsc_event *event) {
  char payload[125];
  if (event->size) memcpy(payload, event->data, event->size);
  lua_pushstring(L, name);
  lua_pushlstring(L, payload, event->size);
  if (event->type == WSC_EVENT_PING) return 2;
  wsc_lua_push_seconds(L, event->rtt_us);
  return 3;
}

void wsc_lua_push_message(lua_State *L, wsc_lua_box *box, wsc_event *event) {
  push_payload(L, box, event);
  lua_pushvalue(L, lua_upvalueindex(event->opcode == 1 ? WSC_UP_TEXT : WSC_UP_BINARY));
}

/* The name comes last: making it may collect garbage, and a finalizer end what is lent. */
static int push_piece(lua_State *L, wsc_lua_box *box, wsc_event *event) {
  wsc_lua_push_message(L, box, event);
  lua_pushboolean(L, event->last);
  lua_pushliteral(L, "piece");
  lua_insert(L, -4);
  return 4;
}

static int push_rare_event(lua_State *L, wsc_lua_box *box, wsc_event *event) {
  switch (event->type) {
  case WSC_EVENT_OPEN:
    lua_pushliteral(L, "open");
    return 1;
  case WSC_EVENT_DRAIN:
    lua_pushliteral(L, "drain");
    return 1;
  case WSC_EVENT_PIECE:
    return push_piece(L, box, event);
  case WSC_EVENT_PING:
    return push_control(L, "ping", event);
  case WSC_EVENT_PONG:
    return push_control(L, "pong", event);
  case WSC_EVENT_FRAME:
    return wsc_lua_push_frame(L, &event->frame);
  case WSC_EVENT_CLOSE:
    return push_close(L, box);
  default:
    return 0;
  }
}

int wsc_lua_push_event(lua_State *L, wsc_lua_box *box, wsc_event *event) {
  if (event->type != WSC_EVENT_MESSAGE) return push_rare_event(L, box, event);
  lua_pushvalue(L, lua_upvalueindex(WSC_UP_MESSAGE));
  wsc_lua_push_message(L, box, event);
  return 3;
}

/* ---------------------------------------------------------------- looking on */

static int conn_state(lua_State *L) {
  static const char *const names[] = {"connecting", "open", "closing", "closed"};
  wsc_lua_box *box = wsc_lua_check_box(L);
  lua_pushstring(L, names[box->conn ? wsc_conn_state(box->conn) : WSC_CLOSED]);
  return 1;
}

static int conn_buffered(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  size_t size = box->conn ? wsc_conn_output_size(box->conn) : 0;
  if (box->client) wsc_client_watch_drain(box->client);
  wsc_lua_push_count(L, size);
  return 1;
}

static int conn_stats(lua_State *L) {
  const wsc_lua_box *box = wsc_lua_check_box(L);
  wsc_conn_stats stats = {.rtt_us = WSC_NEVER};
  if (box->conn) stats = *wsc_conn_get_stats(box->conn);
  wsc_lua_push_stats(L, &stats);
  return 1;
}

/* progress() -> messages_out, of those how many had begun to leave, frames_in, wire_out, and of
 * messages_out how many had left: what the outbox and the retry policy ask for; nothing without a
 * connection */
static int conn_progress(lua_State *L) {
  const wsc_lua_box *box = wsc_lua_check_box(L);
  if (!box->conn) return 0;
  const wsc_conn_stats stats = *wsc_conn_get_stats(box->conn);
  wsc_lua_push_count(L, stats.messages_out);
  wsc_lua_push_count(L, stats.messages_started);
  wsc_lua_push_count(L, stats.frames_in);
  wsc_lua_push_count(L, stats.wire_out);
  wsc_lua_push_count(L, stats.messages_written);
  return 5;
}

static int protocol_inside(lua_State *L) {
  const wsc_lua_box *box = lua_touserdata(L, 1);
  lua_pushstring(L, wsc_conn_protocol(box->conn)); /* NULL: nil */
  return 1;
}

static int conn_protocol(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  if (!box->conn) return 0;
  wsc_lua_call_inside(L, box, protocol_inside, 0, 1);
  return 1;
}

/* (box, table) fills the table with what the handshake agreed on */
static int info_inside(lua_State *L) {
  const wsc_lua_box *box = lua_touserdata(L, 1);
  wsc_lua_set_string(L, "protocol", wsc_conn_protocol(box->conn));
  wsc_lua_push_extensions(L, box->conn);
  lua_setfield(L, 2, "extensions");
  const wsc_response *response = wsc_conn_response(box->conn);
  wsc_lua_push_headers(L, response);
  lua_setfield(L, 2, "headers");
  if (response->status) wsc_lua_set_integer(L, "status", (uint64_t)response->status);
  return 1;
}

/* info() -> {protocol=, extensions=, headers=, status=} */
static int conn_info(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  lua_createtable(L, 0, 12);
  if (!box->conn) return 1;
  wsc_lua_call_inside(L, box, info_inside, 1, 1);
  return 1;
}

/* free(): gives everything back. */
int wsc_lua_conn_free(lua_State *L) {
  wsc_lua_free_box(wsc_lua_check_box(L));
  return 0;
}

static int conn_collect(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  wsc_lua_free_box(box);
  if (box->held > 0) return 0; /* called by hand: it will be collected */
  luaL_unref(L, LUA_REGISTRYINDEX, box->url_ref);
  box->url_ref = LUA_NOREF;
  return 0;
}

const luaL_Reg wsc_lua_conn_methods[] = {
    {"send", conn_send},         {"send_fragment", conn_send_fragment},
    {"ping", conn_ping},         {"close", conn_close},
    {"state", conn_state},       {"buffered", conn_buffered},
    {"stats", conn_stats},       {"info", conn_info},
    {"protocol", conn_protocol}, {"progress", conn_progress},
    {"__gc", conn_collect},      {NULL, NULL},
};
