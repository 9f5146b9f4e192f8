/* Messages that become Lua strings without a copy: Lua 5.5's external strings. */
#include "lua_conn.h"

#include "core/hidden.h"

#if LUA_VERSION_NUM < 505
bool wsc_lua_push_taken(lua_State *L, wsc_lua_box *box, wsc_event *event) {
  (void)L, (void)box, (void)event;
  return false;
}
#else

/* What lies behind such a string.  It may be the last of all that uses the platform: the state's
 * strings are freed after its objects. */
typedef struct taken_string {
  wsc_lua_shared *shared; /* counted */
  void *block;            /* owned */
  size_t size;
} taken_string;

static void *give_back(const wsc_platform *platform, void *block) {
  return platform->resize(platform->user, block, 0);
}

/* A lua_Alloc, called once: to free. */
static void *free_taken(void *user, void *text, size_t old_size, size_t new_size) {
  (void)text, (void)old_size, (void)new_size;
  taken_string *string = user;
  wsc_lua_shared *shared = string->shared;
  shared->strings -= string->size;
  give_back(shared->platform, string->block);
  give_back(shared->platform, string);
  wsc_lua_shared_drop(shared);
  return NULL;
}

/* Lua does not see the memory of these strings, and would let them pile up.  So each moves its
 * collector on as an allocation of that size would, as luaL_pushresult does; and where they have
 * grown by as much as all else that there is, and by a megabyte, all that is garbage goes before
 * the next one comes. */
#define GROWTH_MIN ((size_t)1 << 20)

static void count_string(lua_State *L, wsc_lua_shared *shared, size_t size) {
  if (lua_gc(L, LUA_GCISRUNNING) != 1) return;
  size_t growth = (size_t)lua_gc(L, LUA_GCCOUNT) << 10;
  if (growth < shared->strings_kept) growth = shared->strings_kept;
  if (growth < GROWTH_MIN) growth = GROWTH_MIN;
  if (shared->strings < shared->strings_kept + growth) {
    lua_gc(L, LUA_GCSTEP, size);
    return;
  }
  lua_gc(L, LUA_GCCOLLECT);
  shared->strings_kept = shared->strings;
}

bool wsc_lua_push_taken(lua_State *L, wsc_lua_box *box, wsc_event *event) {
  wsc_lua_shared *shared = box->shared;
  const wsc_platform *platform = shared->platform;
  if (event->type != WSC_EVENT_MESSAGE) return false;
  taken_string *string = platform->resize(platform->user, NULL, sizeof *string);
  void *block = string ? wsc_conn_take_message(box->conn, event) : NULL;
  if (!block) {
    if (string) give_back(platform, string);
    return false;
  }
  shared->users++; /* from here on nothing is lent: a finalizer may do what it likes */
  count_string(L, shared, event->size);
  shared->strings += event->size;
  *string = (taken_string){.shared = shared, .block = block, .size = event->size};
  lua_pushexternalstring(L, (const char *)event->data, event->size, free_taken, string);
  return true;
}
#endif
