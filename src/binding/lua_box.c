#include "lua_box.h"

#include <string.h>

#include "core/hidden.h"

/* ---------------------------------------------------------------- the state's platform */

wsc_lua_shared *wsc_lua_shared_new(const wsc_platform *platform) {
  wsc_platform *owned = platform ? NULL : wsc_platform_new();
  if (!platform) platform = owned;
  if (!platform) return NULL;
  wsc_lua_shared *shared = platform->resize(platform->user, NULL, sizeof *shared);
  if (!shared) {
    wsc_platform_free(owned);
    return NULL;
  }
  *shared = (wsc_lua_shared){
      .platform = platform, .owned = owned, .tls_cache = wsc_tls_cache_new(platform), .users = 1};
  return shared;
}

void wsc_lua_shared_drop(wsc_lua_shared *shared) {
  if (--shared->users > 0) return;
  wsc_platform *owned = shared->owned;
  wsc_tls_cache_free(shared->tls_cache);
  shared->platform->resize(shared->platform->user, shared, 0);
  wsc_platform_free(owned);
}

/* ---------------------------------------------------------------- functions from Lua */

static void *resize_shared(void *user, void *block, size_t size) {
  const wsc_platform *shared = ((wsc_lua_box *)user)->shared->platform;
  return shared->resize(shared->user, block, size);
}

static bool random_shared(void *user, void *bytes, size_t size) {
  const wsc_platform *shared = ((wsc_lua_box *)user)->shared->platform;
  return shared->random(shared->user, bytes, size);
}

static bool sha1_shared(void *user, const void *data, size_t size, uint8_t digest[20]) {
  const wsc_platform *shared = ((wsc_lua_box *)user)->shared->platform;
  return shared->sha1(shared->user, data, size, digest);
}

/* Calls one of the functions with the `count` values on top, for one result; false: it raised, and
 * the error is kept until the core is left, for a longjmp must not cross it.  On a stack with
 * LUA_MINSTACK places. */
static bool call_own(wsc_lua_box *box, int count) {
  box->held++;
  box->own->was_called = true;
  bool good = lua_pcall(box->own->L, count, 1, 0) == 0;
  box->held--;
  if (good) return true;
  lua_replace(box->own->L, WSC_OWN_ERROR);
  box->failed = true;
  return false;
}

/* What is called: the program's function (upvalue), and a look at what it gives. */
static int checked_random(lua_State *L) {
  lua_Integer size = lua_tointeger(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  if (lua_type(L, 1) != LUA_TSTRING || lua_rawlen(L, 1) != (size_t)size)
    return luaL_error(L, "option 'random_bytes': the function must return a string of n bytes");
  return 1;
}

static int checked_clock(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_call(L, 0, 1);
  if (lua_type(L, 1) != LUA_TNUMBER)
    return luaL_error(L, "option 'clock': the function must return seconds, not %s",
                      luaL_typename(L, 1));
  return 1;
}

static bool random_from_lua(void *user, void *bytes, size_t size) {
  wsc_lua_box *box = user;
  lua_State *L = box->own->L;
  lua_pushvalue(L, WSC_OWN_RANDOM);
  lua_pushinteger(L, (lua_Integer)size);
  if (!call_own(box, 1)) return false;
  memcpy(bytes, lua_tostring(L, -1), size);
  lua_pop(L, 1);
  return true;
}

/* Time stands still where it cannot be told. */
static uint64_t now_from_lua(void *user) {
  wsc_lua_box *box = user;
  lua_State *L = box->own->L;
  lua_pushvalue(L, WSC_OWN_CLOCK);
  if (!call_own(box, 0)) return box->own->now_us;
  box->own->now_us = wsc_lua_to_us(lua_tonumber(L, -1));
  lua_pop(L, 1);
  return box->own->now_us;
}

const wsc_platform *wsc_lua_platform(const wsc_lua_box *box) {
  return box->owns ? &box->own->platform : box->shared->platform;
}

static void push_checked(lua_State *L, int index, lua_CFunction checked) {
  lua_pushvalue(L, index);
  if (!lua_isnil(L, -1)) lua_pushcclosure(L, checked, 1);
}

/* Makes `own` of the box on top of the stack.  `random` and `clock`: see wsc_lua_push_box. */
static void make_own(lua_State *L, wsc_lua_box *box, int random, int clock) {
  const wsc_platform *shared = box->shared->platform;
  lua_State *thread = lua_newthread(L);
  wsc_lua_tie(L);
  push_checked(L, random, checked_random);
  push_checked(L, clock, checked_clock);
  lua_pushnil(L); /* WSC_OWN_ERROR */
  lua_xmove(L, thread, 3);
  bool has_random = !lua_isnil(thread, WSC_OWN_RANDOM),
       has_clock = !lua_isnil(thread, WSC_OWN_CLOCK);
  *box->own = (wsc_lua_own){.platform = {.user = box,
                                         .resize = resize_shared,
                                         .random = has_random ? random_from_lua : random_shared,
                                         .sha1 = sha1_shared,
                                         .spare = shared->spare,
                                         .now = has_clock ? now_from_lua : NULL},
                            .L = thread};
  box->owns = true;
}

uint64_t wsc_lua_to_us(lua_Number seconds) {
  if (!(seconds > 0)) return 0;
  if (seconds >= 9007199254.0) return WSC_NEVER;
  return (uint64_t)(seconds * 1e6 + 0.5);
}

/* ---------------------------------------------------------------- boxes */

const char wsc_lua_marks[2];

/* A userdata of others has another address in its first word, or is too small to have one. */
void *wsc_lua_to_marked(lua_State *L, int index, const void *mark, size_t size) {
  const void **object = lua_touserdata(L, index);
  return object && lua_rawlen(L, index) >= size && *object == mark ? object : NULL;
}

void *wsc_lua_check_marked(lua_State *L, const void *mark, size_t size, const char *expected) {
  void *object = wsc_lua_to_marked(L, 1, mark, size);
  if (!object) luaL_error(L, "expected %s, got %s", expected, luaL_typename(L, 1));
  return object;
}

wsc_lua_box *wsc_lua_to_client(lua_State *L, int index) {
  return wsc_lua_to_marked(L, index, &wsc_lua_marks[1], sizeof(wsc_lua_box));
}

wsc_lua_box *wsc_lua_check_box(lua_State *L) {
  int given = lua_type(L, 1);
  if (given == LUA_TTABLE) {
    lua_pushvalue(L, lua_upvalueindex(WSC_UP_HANDLE));
    lua_rawget(L, 1);
    lua_replace(L, 1);
  }
  const void *mark = lua_touserdata(L, lua_upvalueindex(WSC_UP_MARK));
  wsc_lua_box *box = wsc_lua_to_marked(L, 1, mark, sizeof *box);
  if (!box) {
    luaL_error(L, "expected a wsclose object, got %s (call its methods with a colon)",
               lua_typename(L, given));
    return NULL; /* luaL_error does not return; lua.h has no way to say so */
  }
  box->direct = given == LUA_TTABLE;
  return box;
}

wsc_lua_box *wsc_lua_use_box(lua_State *L) {
  wsc_lua_box *box = wsc_lua_check_box(L);
  if (box->held > 0)
    luaL_error(L, "this wsclose object is in use by the call that runs this: its functions "
                  "random_bytes and clock, and finalizers, cannot use it");
  return box;
}

wsc_lua_box *wsc_lua_push_box(lua_State *L, int random, int clock) {
  wsc_lua_shared **anchor = lua_touserdata(L, lua_upvalueindex(WSC_UP_ANCHOR));
  if (!*anchor) {
    luaL_error(L, "wsclose: the Lua state is being closed");
    return NULL; /* as above */
  }
  bool owns = !lua_isnil(L, random) || !lua_isnil(L, clock);
  wsc_lua_box *box = wsc_lua_newuserdata(L, sizeof *box + (owns ? sizeof *box->own : 0), owns);
  *box =
      (wsc_lua_box){.mark = lua_touserdata(L, lua_upvalueindex(WSC_UP_MARK)), .url_ref = LUA_NOREF};
  lua_pushvalue(L, lua_upvalueindex(WSC_UP_METATABLE));
  lua_setmetatable(L, -2);
  box->shared = *anchor;
  box->shared->users++;
  if (owns) make_own(L, box, random, clock);
  return box;
}

static void free_now(wsc_lua_box *box) {
  if (box->client) wsc_client_leave(box->client);
  wsc_client_free(box->client);
  if (!box->client) wsc_conn_free(box->conn);
  box->client = NULL;
  box->conn = NULL;
  if (box->owns) lua_settop(box->own->L, 0);
  box->failed = false; /* there is nobody to tell any more */
  wsc_lua_shared_drop(box->shared);
  box->shared = NULL;
}

void wsc_lua_free_box(wsc_lua_box *box) {
  if (!box->shared) return;
  box->parting = WSC_PARTING_FREE;
  if (box->held > 0) return;
  box->held = 1; /* saying goodbye asks for randomness */
  free_now(box);
  box->held = 0;
}

typedef struct inside_call {
  lua_CFunction function;
  wsc_lua_box *box;
} inside_call;

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* A ready-made function, for making one may fail. */
static void push_inside(lua_State *L, inside_call *call) {
  lua_pushvalue(L, lua_upvalueindex(WSC_UP_INSIDE));
  lua_pushlightuserdata(L, call);
}

void wsc_lua_come_back(lua_State *L, wsc_lua_box *box) {
  if (!box->owns || !box->own->was_called) return;
  box->own->was_called = false;
  inside_call call = {nothing, box};
  push_inside(L, &call);
  lua_call(L, 1, 0);
}

void wsc_lua_let_go(lua_State *L, wsc_lua_box *box) {
  if (box->parting != WSC_PARTING_NONE && box->held == 0 && box->shared) {
    if (box->parting == WSC_PARTING_FREE)
      wsc_lua_free_box(box);
    else
      wsc_client_leave(box->client);
    box->parting = WSC_PARTING_NONE;
  }
  wsc_lua_come_back(L, box);
  if (!box->failed) return;
  box->failed = false;
  lua_pushvalue(box->own->L, WSC_OWN_ERROR);
  lua_xmove(box->own->L, L, 1);
  lua_error(L);
}

int wsc_lua_run_inside(lua_State *L) {
  const inside_call *call = lua_touserdata(L, 1);
  lua_pushlightuserdata(L, call->box);
  lua_replace(L, 1);
  return call->function(L);
}

/* Nothing before the call makes a value, or collects garbage. */
void wsc_lua_call_inside(lua_State *L, wsc_lua_box *box, lua_CFunction function, int count,
                         int results) {
  inside_call call = {function, box};
  box->held++;
  push_inside(L, &call);
  lua_insert(L, -count - 2);
  lua_insert(L, -count - 2);
  bool good = lua_pcall(L, count + 1, results, 0) == 0;
  box->held--;
  wsc_lua_let_go(L, box);
  if (!good) lua_error(L);
}

void wsc_lua_keep_url(lua_State *L, wsc_lua_box *box, int index) {
  lua_pushvalue(L, index);
  if (box->url_ref < 0) /* none yet, or one of nil */
    box->url_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  else
    lua_rawseti(L, LUA_REGISTRYINDEX, box->url_ref);
}

void wsc_lua_set_methods(lua_State *L, int table, const luaL_Reg *methods) {
  for (; methods->name; methods++) {
    for (int i = 0; i < WSC_UP_COUNT; i++) lua_pushvalue(L, -WSC_UP_COUNT);
    lua_pushcclosure(L, methods->func, WSC_UP_COUNT);
    lua_setfield(L, table, methods->name);
  }
}
