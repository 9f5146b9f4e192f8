#include "lua_push.h"

#include "core/ascii.h"

#include <string.h>

#include "core/hidden.h"

void wsc_lua_set_string(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value); /* NULL: nil */
  lua_setfield(L, -2, name);
}

void wsc_lua_set_bytes(lua_State *L, const char *name, const void *data, size_t size) {
  lua_pushlstring(L, size ? data : "", size);
  lua_setfield(L, -2, name);
}

void wsc_lua_set_bool(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

void wsc_lua_set_integer(lua_State *L, const char *name, uint64_t value) {
  wsc_lua_push_count(L, value);
  lua_setfield(L, -2, name);
}

int wsc_lua_push_error(lua_State *L, int error, const char *sentence) {
  lua_pushnil(L);
  lua_pushstring(L, sentence ? sentence : "not enough memory");
  lua_pushstring(L, wsc_error_name(error));
  return 3;
}

int wsc_lua_push_pollfd(lua_State *L, int fd) {
  if (fd < 0)
    return wsc_lua_push_error(L, WSC_ERR_STATE,
                              "no descriptor tells of this client's work: call update");
  lua_pushinteger(L, fd);
  return 1;
}

void wsc_lua_push_seconds(lua_State *L, uint64_t time_us) {
  if (time_us == WSC_NEVER)
    lua_pushnil(L);
  else
    lua_pushnumber(L, (lua_Number)time_us / 1e6);
}

/* ---------------------------------------------------------------- headers and extensions */

/* ASCII only: header names are tokens. */
static void push_lower(lua_State *L, const char *text) {
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (; *text; text++) luaL_addchar(&buffer, wsc_lower(*text));
  luaL_pushresult(&buffer);
}

/* Adds to the map in the table on top: the first value, then ", " and each further one. */
static void map_header(lua_State *L, const wsc_header *header) {
  push_lower(L, header->name);
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushstring(L, header->value);
  } else {
    lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), header->value);
    lua_remove(L, -2);
  }
  lua_rawset(L, -3);
}

void wsc_lua_push_headers(lua_State *L, const wsc_response *response) {
  int count = (int)response->header_count; /* the parser allows 128 */
  lua_createtable(L, count, count);
  for (int i = 0; i < count; i++) {
    const wsc_header *header = &response->headers[i];
    lua_createtable(L, 2, 0);
    lua_pushstring(L, header->name);
    lua_rawseti(L, -2, 1);
    lua_pushstring(L, header->value);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i + 1);
    map_header(L, header);
  }
}

static void push_extension(lua_State *L, const wsc_agreed_extension *extension) {
  lua_createtable(L, 0, 2);
  wsc_lua_set_string(L, "name", extension->name);
  lua_createtable(L, 0, (int)extension->param_count);
  for (size_t i = 0; i < extension->param_count; i++) {
    const wsc_param *param = &extension->params[i];
    if (param->value)
      wsc_lua_set_string(L, param->name, param->value);
    else
      wsc_lua_set_bool(L, param->name, true);
  }
  lua_setfield(L, -2, "params");
}

void wsc_lua_push_extensions(lua_State *L, const wsc_conn *conn) {
  size_t count;
  const wsc_agreed_extension *items = wsc_conn_extensions(conn, &count);
  lua_createtable(L, (int)count, (int)count);
  for (size_t i = 0; i < count; i++) {
    push_extension(L, &items[i]);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, items[i].name);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

/* ---------------------------------------------------------------- the end */

static void set_close_frame(lua_State *L, const char *name, const wsc_close_frame *frame) {
  if (!frame->present) return;
  lua_createtable(L, 0, 2);
  wsc_lua_set_integer(L, "code", frame->code);
  wsc_lua_set_bytes(L, "reason", frame->reason, frame->reason_size);
  lua_setfield(L, -2, name);
}

static void set_error(lua_State *L, const wsc_close_info *info) {
  if (info->error == WSC_OK) return;
  lua_createtable(L, 0, 4);
  wsc_lua_set_string(L, "name", wsc_error_name(info->error));
  wsc_lua_set_string(L, "message", info->error_text);
  wsc_lua_set_string(L, "phase", wsc_phase_name(info->phase));
  /* what tells a faulty certificate, which no retry mends, from a broken transport */
  if (info->error == WSC_ERR_CERTIFICATE) wsc_lua_set_bool(L, "certificate", true);
  if (info->proxy_status != 0) wsc_lua_set_integer(L, "status", (uint64_t)info->proxy_status);
  lua_setfield(L, -2, "error");
}

/* Status, headers and body where the server answered, but not with 101. */
static void set_refusal(lua_State *L, const wsc_response *response) {
  if (response->status == 0 || response->status == 101) return;
  lua_createtable(L, 0, 3);
  wsc_lua_set_integer(L, "status", (uint64_t)response->status);
  wsc_lua_push_headers(L, response);
  lua_setfield(L, -2, "headers");
  wsc_lua_set_bytes(L, "body", response->body, response->body_size);
  lua_setfield(L, -2, "http");
}

static const char *name_of_side(wsc_by by) {
  switch (by) {
  case WSC_BY_PEER:
    return "peer";
  case WSC_BY_CLIENT:
    return "client";
  default:
    return "network";
  }
}

void wsc_lua_push_close_info(lua_State *L, const wsc_conn *conn) {
  const wsc_close_info *info = wsc_conn_close_info(conn);
  lua_createtable(L, 0, 16);
  wsc_lua_set_integer(L, "code", info->code);
  wsc_lua_set_bytes(L, "reason", info->reason, info->reason_size);
  wsc_lua_set_bool(L, "clean", info->clean);
  wsc_lua_set_bool(L, "opened", info->opened);
  wsc_lua_set_string(L, "by", name_of_side(info->by));
  set_close_frame(L, "sent", &info->sent);
  set_close_frame(L, "received", &info->received);
  set_error(L, info);
  set_refusal(L, wsc_conn_response(conn));
  wsc_lua_set_integer(L, "undelivered", info->undelivered);
  wsc_lua_set_integer(L, "dropped", info->dropped);
}

/* ---------------------------------------------------------------- looking on */

void wsc_lua_push_stats(lua_State *L, const wsc_conn_stats *stats) {
  lua_createtable(L, 0, 20);
  wsc_lua_set_integer(L, "bytes_in", stats->bytes_in);
  wsc_lua_set_integer(L, "bytes_out", stats->bytes_out);
  wsc_lua_set_integer(L, "frames_in", stats->frames_in);
  wsc_lua_set_integer(L, "frames_out", stats->frames_out);
  wsc_lua_set_integer(L, "messages_in", stats->messages_in);
  wsc_lua_set_integer(L, "messages_out", stats->messages_out);
  wsc_lua_set_integer(L, "payload_in", stats->payload_in);
  wsc_lua_set_integer(L, "payload_out", stats->payload_out);
  wsc_lua_set_integer(L, "wire_in", stats->wire_in);
  wsc_lua_set_integer(L, "wire_out", stats->wire_out);
  wsc_lua_set_integer(L, "pings_in", stats->pings_in);
  wsc_lua_set_integer(L, "pongs_in", stats->pongs_in);
  wsc_lua_push_seconds(L, stats->rtt_us);
  lua_setfield(L, -2, "rtt");
}

static const char *opcode_name(unsigned opcode) {
  static const char *const names[16] = {[0] = "continuation", [1] = "text", [2] = "binary",
                                        [8] = "close",        [9] = "ping", [10] = "pong"};
  return names[opcode & 15] ? names[opcode & 15] : "reserved";
}

/* The payload is copied: other values come before it. */
int wsc_lua_push_frame(lua_State *L, const wsc_frame_info *frame) {
  uint8_t payload[WSC_TRACE_PAYLOAD_MAX];
  if (frame->payload) memcpy(payload, frame->payload, frame->payload_size);
  lua_pushliteral(L, "frame");
  lua_pushstring(L, frame->outgoing ? "out" : "in");
  lua_createtable(L, 0, 8);
  wsc_lua_set_integer(L, "opcode", frame->opcode);
  wsc_lua_set_string(L, "name", opcode_name(frame->opcode));
  wsc_lua_set_bool(L, "fin", frame->fin);
  wsc_lua_set_bool(L, "rsv1", frame->rsv1);
  wsc_lua_set_bool(L, "masked", frame->masked);
  wsc_lua_set_integer(L, "size", frame->size);
  if (frame->payload) wsc_lua_set_bytes(L, "payload", payload, frame->payload_size);
  return 3;
}
