#include "lua_box.h"

#include <string.h>

/* ---------------------------------------------------------------- the state's platform */

wsc_lua_shared *wsc_lua_shared_new(const wsc_platform *platform) {
  wsc_platform *owned = platform ? NULL : wsc_platform_new();
  if (!platform) platform = owned;
  if (!platform) return NULL;
  wsc_lua_shared *shared = platform->resize(platform->user, NULL, sizeof *shared);
  if (shared)
    *shared = (wsc_lua_shared){
        .platform = platform, .owned = owned, .tls_cache = wsc_tls_cache_new(platform), .users = 1};
  else if (owned)
    wsc_platform_free(owned);
  return shared;
}

void wsc_lua_shared_drop(wsc_lua_shared *shared) {
  if (--shared->users > 0) return;
  wsc_platform *owned = shared->owned;
  wsc_tls_cache_free(shared->tls_cache);
  shared->platform->resize(shared->platform->user, shared, 0);
  if (owned) wsc_platform_free(owned);
}

/* ---------------------------------------------------------------- randomness from Lua */

static void *resize_shared(void *user, void *block, size_t size) {
  const wsc_platform *shared = ((wsc_lua_box *)user)->shared->platform;
  return shared->resize(shared->user, block, size);
}

static bool sha1_shared(void *user, const void *data, size_t size, uint8_t digest[20]) {
  const wsc_platform *shared = ((wsc_lua_box *)user)->shared->platform;
  return shared->sha1(shared->user, data, size, digest);
}

/* An error stays where it is, on top of the stack, and is raised when the core is left: a longjmp
 * must not cross it. */
static bool keep_random_error(wsc_lua_box *box) {
  if (box->random_failed) lua_pop(box->own->L, 1);
  box->random_failed = true;
  return false;
}

/* Called on a stack with LUA_MINSTACK places, of which methods use few. */
static bool random_from_lua(void *user, void *bytes, size_t size) {
  wsc_lua_box *box = user;
  lua_State *L = box->own->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, box->random_ref);
  lua_pushinteger(L, (lua_Integer)size);
  if (lua_pcall(L, 1, 1, 0) != 0) return keep_random_error(box);
  size_t got = 0;
  const char *given = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &got) : NULL;
  if (!given || got != size) {
    lua_pop(L, 1);
    lua_pushliteral(L, "option 'random_bytes': the function must return a string of n bytes");
    return keep_random_error(box);
  }
  memcpy(bytes, given, size);
  lua_pop(L, 1);
  return true;
}

void wsc_lua_reraise(lua_State *L, wsc_lua_box *box) {
  if (!box->random_failed) return;
  box->random_failed = false;
  lua_error(L);
}

const wsc_platform *wsc_lua_platform(const wsc_lua_box *box) {
  return box->random_ref == LUA_NOREF ? box->shared->platform : &box->own->platform;
}

/* ---------------------------------------------------------------- time */

uint64_t wsc_lua_to_us(lua_Number seconds) {
  if (!(seconds > 0)) return 0;
  if (seconds >= 9007199254.0) return WSC_NEVER;
  return (uint64_t)(seconds * 1e6 + 0.5);
}

uint64_t wsc_lua_now(lua_State *L, const wsc_lua_box *box) {
  if (box->clock_ref == LUA_NOREF) return wsc_clock_now_us();
  lua_rawgeti(L, LUA_REGISTRYINDEX, box->clock_ref);
  lua_call(L, 0, 1);
  if (lua_type(L, -1) != LUA_TNUMBER)
    luaL_error(L, "option 'clock': the function must return seconds, not %s", luaL_typename(L, -1));
  uint64_t now = wsc_lua_to_us(lua_tonumber(L, -1));
  lua_pop(L, 1);
  return now;
}

/* ---------------------------------------------------------------- boxes */

static int keep_function(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return LUA_NOREF;
  lua_pushvalue(L, index);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

static const char box_mark;

/* A userdata of others has another address in its first word, or is too small to have one. */
wsc_lua_box *wsc_lua_to_box(lua_State *L, int index) {
  wsc_lua_box *box = lua_touserdata(L, index);
  if (!box || lua_rawlen(L, index) < sizeof *box || box->mark != &box_mark) return NULL;
  return box;
}

wsc_lua_box *wsc_lua_check_box(lua_State *L) {
  int given = lua_type(L, 1);
  if (given == LUA_TTABLE) {
    lua_pushvalue(L, lua_upvalueindex(WSC_UP_HANDLE));
    lua_rawget(L, 1);
    lua_replace(L, 1);
  }
  wsc_lua_box *box = wsc_lua_to_box(L, 1);
  if (!box) {
    luaL_error(L, "expected a wsclose object, got %s (call its methods with a colon)",
               lua_typename(L, given));
    return NULL; /* luaL_error does not return; lua.h has no way to say so */
  }
  if (box->random_ref != LUA_NOREF) box->own->L = L;
  box->direct = given == LUA_TTABLE;
  return box;
}

wsc_lua_box *wsc_lua_push_box(lua_State *L, int random, int clock) {
  wsc_lua_shared **anchor = lua_touserdata(L, lua_upvalueindex(WSC_UP_ANCHOR));
  if (!*anchor) {
    luaL_error(L, "wsclose: the Lua state is being closed");
    return NULL; /* as above */
  }
  bool own = !lua_isnoneornil(L, random);
  wsc_lua_box *box = wsc_lua_newuserdata(L, sizeof *box + (own ? sizeof *box->own : 0));
  *box = (wsc_lua_box){
      .mark = &box_mark, .random_ref = LUA_NOREF, .clock_ref = LUA_NOREF, .url_ref = LUA_NOREF};
  lua_pushvalue(L, lua_upvalueindex(WSC_UP_METATABLE));
  lua_setmetatable(L, -2);
  if (own)
    *box->own = (wsc_lua_own){.platform = {.user = box,
                                           .resize = resize_shared,
                                           .random = random_from_lua,
                                           .sha1 = sha1_shared,
                                           .spare = (*anchor)->platform->spare},
                              .L = L};
  box->random_ref = keep_function(L, random);
  box->clock_ref = keep_function(L, clock);
  box->shared = *anchor;
  box->shared->users++;
  return box;
}

void wsc_lua_free_box(lua_State *L, wsc_lua_box *box) {
  if (!box->shared) return;
  if (box->client)
    wsc_client_leave(box->client);
  else
    wsc_conn_free(box->conn);
  box->client = NULL;
  box->conn = NULL;
  if (box->random_failed) lua_pop(L, 1); /* there is nobody to tell any more */
  box->random_failed = false;
  luaL_unref(L, LUA_REGISTRYINDEX, box->random_ref);
  luaL_unref(L, LUA_REGISTRYINDEX, box->clock_ref);
  box->random_ref = box->clock_ref = LUA_NOREF;
  wsc_lua_shared_drop(box->shared);
  box->shared = NULL;
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
