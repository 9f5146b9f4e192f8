#include "lua_client.h"

#include "lua_conn.h"
#include "lua_options.h"
#include "lua_push.h"
#include "net/loop.h"

#include <string.h>

static uint64_t optional_us(lua_State *L, int index, uint64_t fallback) {
  return lua_isnoneornil(L, index) ? fallback : wsc_lua_to_us(luaL_checknumber(L, index));
}

int wsc_lua_client_new(lua_State *L) {
  lua_settop(L, 2);
  wsc_lua_box *box = wsc_lua_push_box(L, 1, 2);
  box->client = wsc_client_new(wsc_lua_platform(box));
  wsc_lua_reraise(L, box);
  if (!box->client) return wsc_lua_push_failure(L, NULL, WSC_ERR_MEMORY);
  return 1;
}

static wsc_lua_box *check_client(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  if (!box->client) luaL_error(L, "the client was closed for good");
  return box;
}

static void read_config(lua_State *L, const wsc_lua_box *box, wsc_client_config *config) {
  luaL_checktype(L, 2, LUA_TTABLE);
  wsc_client_config_init(config, wsc_lua_platform(box));
  wsc_lua_read_client_config(L, 2, config);
  config->tls.cache = box->shared->tls_cache;
}

/* prepare(config, url): see wsc_client_prepare */
static int client_prepare(lua_State *L) {
  wsc_lua_box *box = check_client(L);
  wsc_client_config config;
  lua_settop(L, 3);
  read_config(L, box, &config);
  config.conn.url = luaL_checkstring(L, 3);
  wsc_client_prepare(box->client, &config);
  return 0;
}

static int refuse_start(lua_State *L, const char *sentence, int error) {
  lua_pushnil(L);
  lua_pushstring(L, sentence ? sentence : "not enough memory");
  lua_pushstring(L, wsc_error_name(error));
  return 3;
}

static bool holds_nul(lua_State *L, int index) {
  size_t size;
  const char *text = luaL_checklstring(L, index, &size);
  return strlen(text) != size;
}

/* begin(now, url): an attempt begins */
static int client_begin(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  box->began = luaL_checknumber(L, 2);
  box->attempts++;
  wsc_lua_keep_url(L, box, 3);
  return 0;
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
  if (!lua_isnil(L, 4)) wsc_lua_read_headers(L, 4, &config->conn);
  if (!lua_isnil(L, 5)) {
    const char *const *names = wsc_lua_read_strings(L, 5, &config->conn.protocol_count);
    config->conn.protocols = names;
  }
  config->other_address = lua_toboolean(L, 6) != 0;
}

/* start(config, url, headers, protocols, other_address) -> true, or nil, sentence, name.
 * headers and protocols: lists as in the config, in the place of its own; nil: those. */
static int client_start(lua_State *L) {
  wsc_lua_box *box = check_client(L);
  lua_settop(L, 6);
  wsc_lua_keep_url(L, box, 3);
  if (holds_nul(L, 3)) return refuse_start(L, "the URL holds a NUL byte", WSC_ERR_URL);
  uint64_t now = wsc_lua_now(L, box);
  wsc_client_config config;
  read_config(L, box, &config);
  read_attempt(L, &config);
  box->conn = NULL; /* the last one is freed now */
  box->corked = box->watched = box->more = box->unread = box->look = box->close_taken = false;
  box->ended = false;
  const char *sentence = NULL;
  int error = wsc_client_start(box->client, &config, now, &sentence);
  box->conn = error == WSC_OK ? wsc_client_conn(box->client) : NULL;
  wsc_lua_reraise(L, box);
  if (error != WSC_OK) return refuse_start(L, sentence, error);
  lua_pushboolean(L, 1);
  return 1;
}

/* A wait so short that no deadline suffers by it, whatever the time is: the system's clock need not
 * be read.  A program that was away until the deadline has made it late already. */
#define SHORT_WAIT_US 250000u

static bool may_wait_shortly(const wsc_lua_box *box, uint64_t deadline, uint64_t wait) {
  return box->lively && wait >= SHORT_WAIT_US && box->clock_ref == LUA_NOREF &&
         deadline >= box->now_us + UINT64_C(2) * SHORT_WAIT_US;
}

/* Waits for work, but not past a deadline. */
static void wait_for_work(lua_State *L, wsc_lua_box *box, uint64_t wait) {
  uint64_t deadline = wsc_client_deadline(box->client);
  if (may_wait_shortly(box, deadline, wait)) {
    wait = SHORT_WAIT_US;
  } else if (deadline != WSC_NEVER) {
    uint64_t now = wsc_lua_now(L, box);
    uint64_t left = deadline > now ? deadline - now : 0;
    if (left < wait) wait = left;
  }
  if (wait > 0) box->lively = wsc_client_wait(&box->client, 1, wait) > 0;
}

static void make_step(lua_State *L, wsc_lua_box *box) {
  box->step_due = false;
  if (box->wait_us > 0 && (!box->more || box->paused)) wait_for_work(L, box, box->wait_us);
  box->now_us = wsc_lua_now(L, box);
  box->more = wsc_client_step(box->client, box->now_us);
}

/* What the program queued so far leaves in one write.  True: there was something; a write that
 * fails may bring the end. */
static bool end_step(lua_State *L, wsc_lua_box *box) {
  wsc_lua_start_timers(L, box);
  box->corked = false;
  if (wsc_conn_output_size(box->conn) == 0) return false;
  wsc_client_flush(box->client);
  return true;
}

/* The program saw bytes waiting, and now they are gone. */
static bool is_drained(const wsc_lua_box *box) {
  return box->watched && wsc_conn_output_size(box->conn) == 0;
}

/* The next event of those there are; then, if a turn has begun, of those that a step brings. */
static wsc_event_type next_of_turn(lua_State *L, wsc_lua_box *box, wsc_event *event) {
  wsc_event_type type = WSC_EVENT_NONE;
  for (;;) {
    if (!box->paused) type = wsc_lua_next_event(box, event);
    if (type == WSC_EVENT_NONE && end_step(L, box) && !box->paused)
      type = wsc_lua_next_event(box, event);
    if (type != WSC_EVENT_NONE || !box->step_due || is_drained(box)) return type;
    make_step(L, box);
  }
}

/* The attempt is over: the transport is let go of, and there is nothing to step. */
static void end_attempt(wsc_lua_box *box) {
  box->step_due = false;
  box->ended = true;
  wsc_client_flush(box->client);
}

/* Corked, what the program sends on the event's account waits for the turn's end. */
static int give_event(lua_State *L, wsc_lua_box *box, bool cork) {
  if (!box->conn) return 0;
  wsc_event event;
  wsc_event_type type = next_of_turn(L, box, &event);
  if (type == WSC_EVENT_CLOSE) end_attempt(box);
  wsc_lua_reraise(L, box);
  bool drained = type == WSC_EVENT_NONE && is_drained(box);
  if (drained) box->watched = false;
  bool given = type != WSC_EVENT_NONE || drained;
  box->unread =
      box->paused || (given && !(type == WSC_EVENT_MESSAGE && wsc_conn_wants_input(box->conn)));
  box->look = false;
  box->corked = given && cork && wsc_lua_on_main_thread(L);
  if (!drained) return wsc_lua_push_event(L, box, type, &event);
  lua_pushliteral(L, "drain");
  return 1;
}

/* Where the last turn ended with nothing left, its step can be made without a look at events. */
static void begin_turn(lua_State *L, wsc_lua_box *box) {
  box->step_due = true;
  box->wait_us = wsc_lua_to_us(lua_tonumber(L, 2));
  if (box->conn && !box->unread && !box->look && !box->watched) make_step(L, box);
}

/* turn(seconds) -> the first event, turn(that) -> the next one, … nil; "drain": what the program
 * saw waiting has left.  The iterator of a loop over a turn of work.  What is there comes first;
 * then one step is made, which waits at most `seconds` for work.  Sends wait from the first event
 * until nil, so that those of one turn leave together; in a coroutine, which may yield for any time
 * before, they do not wait. */
static int client_turn(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  if (lua_type(L, 2) == LUA_TNUMBER) begin_turn(L, box);
  return give_event(L, box, true);
}

/* take(seconds) -> the next event, or nil if a step that waits at most `seconds` brings none; nil:
 * without a step.  For a program that acts on events outside of a turn: sends leave at once. */
static int client_take(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  box->step_due = false;
  if (lua_type(L, 2) == LUA_TNUMBER) begin_turn(L, box);
  return give_event(L, box, false);
}

/* end_turn(): ends a turn before its events are taken.  What was sent leaves, and the step that is
 * due is made, so that time is told however long the events last. */
static int client_end_turn(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  wsc_lua_flush(box);
  box->wait_us = 0;
  if (box->step_due && box->conn) make_step(L, box);
  wsc_lua_reraise(L, box);
  return 0;
}

/* has_more() -> did the latest step leave something to read? */
static int client_has_more(lua_State *L) {
  lua_pushboolean(L, wsc_lua_check_box(L)->more);
  return 1;
}

/* flush(): what was sent in this step leaves.  Also __close: the end of a loop over next(), however
 * it ends. */
static int client_flush(lua_State *L) {
  wsc_lua_flush(wsc_lua_check_box(L));
  wsc_lua_reraise(L, wsc_lua_check_box(L));
  return 0;
}

static int client_pause(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  box->paused = lua_toboolean(L, 2) != 0;
  if (box->client) wsc_client_pause(box->client, box->paused);
  return 0;
}

uint64_t wsc_lua_client_deadline(const wsc_lua_box *box) {
  if (!box->conn || (box->ended && !box->close_taken)) return WSC_NEVER;
  bool at_once = is_drained(box) || (!box->paused && (box->more || box->unread || box->look));
  return at_once ? 0 : wsc_client_deadline(box->client);
}

/* wake(): all loops that the client is in give it out at once */
static int client_wake(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  if (box->client) wsc_loop_wake(box->client);
  return 0;
}

/* deadline() -> in seconds on the client's clock, 0: at once, or nil */
static int client_deadline(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  if (!box->client) return 0;
  wsc_lua_push_seconds(L, wsc_lua_client_deadline(box));
  return 1;
}

/* pollfd() -> descriptor, or nil where the system has none */
static int client_pollfd(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  int fd = box->client ? wsc_client_pollfd(box->client) : -1;
  if (fd < 0) return 0;
  lua_pushinteger(L, fd);
  return 1;
}

static void set_text(lua_State *L, const char *name, const char *text) {
  if (!text) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

/* peer() -> {address=, port=, family=, phase=, tls={version=, cipher=, resumed=}} */
static int client_peer(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  wsc_client_info info;
  lua_createtable(L, 0, 5);
  if (!box->client) return 1;
  wsc_client_get_info(box->client, &info);
  set_text(L, "phase", wsc_phase_name(info.phase));
  if (info.address) {
    set_text(L, "address", info.address);
    lua_pushinteger(L, info.port);
    lua_setfield(L, -2, "port");
    lua_pushinteger(L, info.family);
    lua_setfield(L, -2, "family");
  }
  if (!info.tls_version) return 1;
  lua_createtable(L, 0, 3);
  set_text(L, "version", info.tls_version);
  set_text(L, "cipher", info.tls_cipher);
  lua_pushboolean(L, info.tls_resumed);
  lua_setfield(L, -2, "resumed");
  lua_setfield(L, -2, "tls");
  return 1;
}

int wsc_lua_client_wait(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  uint64_t timeout = optional_us(L, 2, WSC_NEVER);
  size_t count = lua_rawlen(L, 1), kept = 0;
  wsc_client **clients = wsc_lua_newuserdata(L, (count + 1) * sizeof *clients);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, 1, (int)i);
    wsc_lua_box *box = wsc_lua_to_box(L, -1);
    if (!box) return luaL_error(L, "wait: expected a list of clients");
    if (box->client) clients[kept++] = box->client;
    lua_pop(L, 1);
  }
  lua_pushinteger(L, wsc_client_wait(clients, kept, timeout));
  return 1;
}

const luaL_Reg wsc_lua_client_methods[] = {
    {"prepare", client_prepare},   {"begin", client_begin},       {"attempt", client_attempt},
    {"start", client_start},       {"turn", client_turn},         {"take", client_take},
    {"end_turn", client_end_turn}, {"has_more", client_has_more}, {"flush", client_flush},
    {"pause", client_pause},       {"deadline", client_deadline}, {"pollfd", client_pollfd},
    {"peer", client_peer},         {"wake", client_wake},         {NULL, NULL},
};
