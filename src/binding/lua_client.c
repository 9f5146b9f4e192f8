#include "lua_client.h"

#include "lua_conn.h"
#include "lua_options.h"
#include "lua_push.h"
#include "net/loop.h"
#include "net/turn.h"

#include <string.h>

#include "core/hidden.h"

int wsc_lua_client_new(lua_State *L) {
  lua_settop(L, 2);
  wsc_lua_box *box = wsc_lua_push_box(L, 1, 2);
  box->client = wsc_client_new(wsc_lua_platform(box));
  if (!box->client) return wsc_lua_push_failure(L, box, WSC_ERR_MEMORY);
  return 1;
}

static void need_client(lua_State *L, const wsc_lua_box *box) {
  if (!box->client) luaL_error(L, "the client was closed for good, or expected one of wsclose's");
}

static void read_config(lua_State *L, const wsc_lua_box *box, wsc_client_config *config) {
  luaL_checktype(L, 2, LUA_TTABLE);
  wsc_client_config_init(config, wsc_lua_platform(box));
  wsc_lua_read_client_config(L, 2, config);
  config->tls.cache = box->shared->tls_cache;
}

/* prepare(config, url): see wsc_client_prepare */
static int client_prepare(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  wsc_client_config config;
  lua_settop(L, 3);
  need_client(L, box);
  luaL_checkstring(L, 3);
  read_config(L, box, &config);
  config.conn.url = lua_tostring(L, 3);
  need_client(L, box); /* reading makes Lua values */
  wsc_client_prepare(box->client, &config);
  return 0;
}

static bool holds_nul(lua_State *L, int index) {
  size_t size;
  const char *text = luaL_checklstring(L, index, &size);
  return strlen(text) != size;
}

/* begin(now, url) -> its number: an attempt begins */
static int client_begin(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  box->began = luaL_checknumber(L, 2);
  box->attempts++;
  wsc_lua_keep_url(L, box, 3);
  lua_pushinteger(L, (lua_Integer)box->attempts);
  return 1;
}

/* attempt() -> how many there were; of the latest: when it began and where it leads to */
static int client_attempt(lua_State *L) {
  const wsc_lua_box *box = wsc_lua_check_box(L);
  lua_pushinteger(L, (lua_Integer)box->attempts);
  if (box->attempts == 0) return 1;
  lua_pushnumber(L, box->began);
  lua_rawgeti(L, LUA_REGISTRYINDEX, box->url_ref);
  return 3;
}

/* What one attempt has of its own: start's arguments 3 to 6. */
static void read_attempt(lua_State *L, wsc_client_config *config) {
  config->conn.url = lua_tostring(L, 3);
  if (!lua_isnil(L, 4))
    config->conn.headers = wsc_lua_read_headers(L, 4, &config->conn.header_count);
  if (!lua_isnil(L, 5)) {
    const char *const *names = wsc_lua_read_strings(L, 5, &config->conn.protocol_count);
    config->conn.protocols = names;
  }
  config->other_address = lua_toboolean(L, 6) != 0;
  config->socket = (wsc_socket)luaL_optinteger(L, 7, -1);
  if (holds_nul(L, 3)) config->conn.url = "\1"; /* refused as well */
}

/* start(config, url, headers, protocols, other_address, socket) -> true, or nil, sentence, name.
 * headers and protocols: lists as in the config, in the place of its own; nil: those; socket: a
 * descriptor, see wsc_client_config. */
static int client_start(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  lua_settop(L, 7);
  need_client(L, box);
  wsc_lua_keep_url(L, box, 3);
  wsc_client_config config;
  read_config(L, box, &config);
  read_attempt(L, &config);
  need_client(L, box); /* reading makes Lua values */
  box->conn = NULL;    /* the last one is freed now */
  box->corked = box->close_taken = false;
  const char *sentence = NULL;
  int error = wsc_client_start(box->client, &config, &sentence);
  box->conn = error == WSC_OK ? wsc_client_conn(box->client) : NULL;
  wsc_lua_let_go(L, box);
  if (error != WSC_OK) return wsc_lua_push_error(L, error, sentence);
  lua_pushboolean(L, 1);
  return 1;
}

/* limit(messages, seconds): see wsc_client_limit_turn; nil: any */
static int client_limit(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  lua_Number messages = luaL_optnumber(L, 2, 0), seconds = luaL_optnumber(L, 3, 0);
  need_client(L, box);
  uint64_t time_us = wsc_lua_to_us(seconds);
  if (seconds > 0 && time_us == 0) time_us = 1;
  wsc_client_limit_turn(box->client, messages < UINT32_MAX ? (uint32_t)messages : 0,
                        time_us < UINT32_MAX ? (uint32_t)time_us : 0);
  return 0;
}

/* drain_at(size): see wsc_client_drain_at */
static int client_drain_at(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  lua_Number size = luaL_checknumber(L, 2);
  if (!box->client) return 0; /* it has left */
  wsc_client_drain_at(box->client, size < (lua_Number)SIZE_MAX ? (size_t)size : SIZE_MAX);
  return 0;
}

/* With `corks`, what is sent on the event's account waits for the turn's end: not in a coroutine,
 * which may yield for any time before. */
static void take_next(lua_State *L, wsc_lua_box *box, wsc_event *event, bool corks) {
  event->type = WSC_EVENT_NONE;
  if (box->conn && !box->close_taken) wsc_turn_next(box->client, event);
  wsc_lua_come_back(L, box);
  event->type = wsc_lua_take_close(box, event->type);
  /* it may fail to reach Lua for lack of memory: loops give the client out once more */
  if (event->type == WSC_EVENT_CLOSE) wsc_loop_wake(box->client);
  box->corked = corks && event->type != WSC_EVENT_NONE;
  if (event->type == WSC_EVENT_NONE || box->parting != WSC_PARTING_NONE) wsc_lua_let_go(L, box);
}

/* For a program that is given messages outside of callbacks: what it sends then leaves at once. */
static void take_one(lua_State *L, wsc_lua_box *box, wsc_event *event) {
  take_next(L, box, event, false);
  box->corked = event->type != WSC_EVENT_NONE && event->type != WSC_EVENT_MESSAGE &&
                wsc_lua_on_main_thread(L);
}

/* The box; and a turn begun where the second argument is seconds and not an event. */
static wsc_lua_box *check_turn(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  bool begins = lua_type(L, 2) == LUA_TNUMBER && box->conn && !box->close_taken;
  if (begins) wsc_turn_begin(box->client, wsc_lua_to_us(lua_tonumber(L, 2)));
  return box;
}

/* take(seconds) -> the first event, take(that) -> the next one, … nothing.  The
 * iterator of a loop over a turn (wsclose.h, wsc_client_next), which waits at most `seconds`; for a
 * program that is given messages outside of callbacks: what it sends then leaves at once. */
static int client_take(lua_State *L) {
  wsc_lua_box *box = check_turn(L);
  wsc_event event;
  take_one(L, box, &event);
  return wsc_lua_push_event(L, box, &event);
}

/* receive(seconds) -> data, kind, or nil and the turn's first event, which is no message; to be
 * gone on from with take.  For a loop that takes one message a turn: half the work. */
static int client_receive(lua_State *L) {
  wsc_lua_box *box = check_turn(L);
  wsc_event event;
  take_one(L, box, &event);
  if (event.type == WSC_EVENT_MESSAGE) {
    wsc_lua_push_message(L, box, &event);
    return 2;
  }
  int count = wsc_lua_push_event(L, box, &event);
  lua_pushnil(L);
  lua_insert(L, -count - 1);
  return count + 1;
}

#if LUA_VERSION_NUM >= 503
/* Pushes client.on_message; false, and nothing, where that is no function. */
static bool push_on_message(lua_State *L) {
  if (lua_type(L, 3) != LUA_TTABLE) return false;
  lua_pushvalue(L, lua_upvalueindex(WSC_UP_ON_MESSAGE));
  if (lua_gettable(L, 3) == LUA_TFUNCTION) return true;
  lua_pop(L, 1);
  return false;
}

static int go_on_turn(lua_State *L, int status, lua_KContext context);

/* Calls on_message from here, which may yield; other events are for the Lua side. */
static int run_turn(lua_State *L, wsc_lua_box *box) {
  bool corks = wsc_lua_on_main_thread(L);
  for (;;) {
    wsc_event event;
    take_next(L, box, &event, corks);
    if (event.type != WSC_EVENT_MESSAGE || !push_on_message(L))
      return wsc_lua_push_event(L, box, &event);
    lua_pushvalue(L, 3);
    wsc_lua_push_message(L, box, &event);
    lua_callk(L, 3, 0, 0, go_on_turn);
  }
}

static int go_on_turn(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  lua_settop(L, 3);
  return run_turn(L, wsc_lua_check_box(L));
}
#else
static int run_turn(lua_State *L, wsc_lua_box *box) {
  wsc_event event;
  take_next(L, box, &event, wsc_lua_on_main_thread(L));
  return wsc_lua_push_event(L, box, &event);
}
#endif

/* turn(client, seconds), turn(client, event): as take, for callbacks; client: the Lua object.  From
 * Lua 5.3 on messages go to client.on_message from here, if there is one: a loop in Lua takes a
 * third longer. */
static int client_turn(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  return run_turn(L, check_turn(L));
}

/* flush(): what was sent in this turn leaves.  Also __close: the end of a loop over turn(), however
 * it ends. */
static int client_flush(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  bool corked = box->corked;
  box->corked = false;
  if (corked && box->client) wsc_client_flush(box->client);
  wsc_lua_let_go(L, box);
  return 0;
}

/* leave() -> true: it has said goodbye, without waiting, and "close" is the next event; false: it
 * will, when the call that this one is inside of is over. */
static int client_leave(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  if (box->client && box->parting == WSC_PARTING_NONE) box->parting = WSC_PARTING_LEAVE;
  wsc_lua_let_go(L, box);
  lua_pushboolean(L, box->parting == WSC_PARTING_NONE);
  return 1;
}

static int client_pause(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  if (box->client) wsc_client_pause(box->client, lua_toboolean(L, 2) != 0);
  return 0;
}

/* wake(): all loops that the client is in give it out at once */
static int client_wake(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  if (box->client) wsc_loop_wake(box->client);
  return 0;
}

/* deadline() -> in seconds on the client's clock, 0: at once, or nil */
static int client_deadline(lua_State *L) {
  const wsc_lua_box *box = wsc_lua_check_box(L);
  if (!box->conn) return 0;
  wsc_lua_push_seconds(L, box->close_taken ? 0 : wsc_client_deadline(box->client));
  return 1;
}

/* pollfd() -> as wsc_lua_push_pollfd */
static int client_pollfd(lua_State *L) {
  wsc_lua_box *box = wsc_lua_use_box(L);
  return wsc_lua_push_pollfd(L, box->client ? wsc_client_pollfd(box->client) : -1);
}

/* Enough for the names of most; those that find no room are left out. */
enum { CERTIFICATE_SIZE = 8192 };

/* Sets tls.certificate of the table on top: {subject=, names={…}, not_after=}. */
static void set_certificate(lua_State *L, const wsc_client *client) {
  char text[CERTIFICATE_SIZE];
  int64_t not_after = 0;
  size_t size = wsc_client_certificate(client, text, sizeof text, &not_after);
  if (size == 0) return;
  char *end = strchr(text, '\n');
  lua_createtable(L, 0, 3);
  wsc_lua_set_integer(L, "not_after", not_after > 0 ? (uint64_t)not_after : 0);
  wsc_lua_set_bytes(L, "subject", text, end ? (size_t)(end - text) : strlen(text));
  lua_createtable(L, 1, 0);
  for (int count = 1; end && end[1]; count++) {
    const char *name = end + 1;
    end = strchr(name, '\n');
    if (!end && size >= sizeof text) break; /* cut */
    lua_pushlstring(L, name, end ? (size_t)(end - name) : strlen(name));
    lua_rawseti(L, -2, count);
  }
  lua_setfield(L, -2, "names");
  lua_setfield(L, -2, "certificate");
}

/* (box, table) fills the table */
static int peer_inside(lua_State *L) {
  const wsc_lua_box *box = lua_touserdata(L, 1);
  wsc_client_info info;
  wsc_client_get_info(box->client, &info);
  wsc_lua_set_string(L, "phase", wsc_phase_name(info.phase));
  if (info.address) {
    wsc_lua_set_string(L, "address", info.address);
    wsc_lua_set_integer(L, "port", (uint64_t)info.port);
    wsc_lua_set_integer(L, "family", (uint64_t)info.family);
  }
  if (!info.tls_version) return 1;
  lua_createtable(L, 0, 5);
  wsc_lua_set_string(L, "version", info.tls_version);
  wsc_lua_set_string(L, "cipher", info.tls_cipher);
  wsc_lua_set_string(L, "group", info.tls_group);
  set_certificate(L, box->client);
  wsc_lua_set_bool(L, "resumed", info.tls_resumed);
  lua_setfield(L, -2, "tls");
  return 1;
}

/* peer() -> {address=, port=, family=, phase=, tls=} */
static int client_peer(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  lua_createtable(L, 0, 5);
  if (!box->client) return 1;
  wsc_lua_call_inside(L, box, peer_inside, 1, 1);
  return 1;
}

const luaL_Reg wsc_lua_client_methods[] = {
    {"prepare", client_prepare}, {"begin", client_begin},       {"attempt", client_attempt},
    {"start", client_start},     {"limit", client_limit},       {"drain_at", client_drain_at},
    {"turn", client_turn},       {"take", client_take},         {"receive", client_receive},
    {"flush", client_flush},     {"leave", client_leave},       {"pause", client_pause},
    {"wake", client_wake},       {"deadline", client_deadline}, {"pollfd", client_pollfd},
    {"peer", client_peer},       {"free", wsc_lua_conn_free},   {NULL, NULL},
};
