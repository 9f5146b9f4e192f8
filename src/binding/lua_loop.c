#include "lua_client.h"

#include <string.h>

#include "lua_push.h"
#include "net/loop.h"

#include "core/hidden.h"

/* Members are known to Lua by small whole numbers, their slots. */
typedef struct lua_loop {
  const void *mark;
  wsc_lua_shared *shared; /* counted; NULL once freed */
  wsc_loop *loop;         /* owned */
} lua_loop;

static const char loop_mark;

/* ---------------------------------------------------------------- making */

/* Also one that was freed. */
static lua_loop *check_any_loop(lua_State *L) {
  return wsc_lua_check_marked(L, &loop_mark, sizeof(lua_loop), "a loop");
}

static lua_loop *check_loop(lua_State *L) {
  lua_loop *self = check_any_loop(L);
  if (!self->loop) luaL_error(L, "the loop was freed");
  return self;
}

/* Also __gc. */
static int loop_free(lua_State *L) {
  lua_loop *self = check_any_loop(L);
  if (!self->shared) return 0;
  wsc_loop_free(self->loop);
  wsc_lua_shared_drop(self->shared);
  self->shared = NULL;
  self->loop = NULL;
  return 0;
}

/* loop(poll) -> object; nil: no memory, or a system without sockets.  poll: as where there is
 * neither epoll nor kqueue. */
int wsc_lua_loop_new(lua_State *L) {
  wsc_lua_shared **anchor = lua_touserdata(L, lua_upvalueindex(2));
  if (!*anchor) return luaL_error(L, "wsclose: the Lua state is being closed");
  bool poll = lua_toboolean(L, 1) != 0;
  lua_loop *self = wsc_lua_newuserdata(L, sizeof *self, 0);
  *self = (lua_loop){.mark = &loop_mark};
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, -2);
  self->loop = wsc_loop_new((*anchor)->platform);
  if (!self->loop) return 0;
  self->shared = *anchor;
  self->shared->users++;
  if (poll) wsc_loop_use_poll(self->loop);
  return 1;
}

/* ---------------------------------------------------------------- methods */

static wsc_lua_box *check_member(lua_State *L) {
  wsc_lua_box *box = wsc_lua_to_client(L, 2);
  if (!box) luaL_argerror(L, 2, "the core's client expected");
  return box;
}

/* A slot in the place of a pointer, never followed; not NULL: slots are counted from 1. */
static void *user_of(lua_Integer slot) {
  return (void *)(uintptr_t)slot; /* NOLINT(performance-no-int-to-ptr) */
}

/* add(client, slot) -> is it in? */
static int loop_add(lua_State *L) {
  lua_loop *self = check_loop(L);
  wsc_lua_box *box = check_member(L);
  void *user = user_of(luaL_checkinteger(L, 3));
  lua_pushboolean(L, box->client && box->held == 0 &&
                         wsc_loop_add(self->loop, box->client, user) == WSC_OK);
  return 1;
}

static int loop_remove(lua_State *L) {
  lua_loop *self = check_loop(L);
  wsc_lua_box *box = check_member(L);
  if (box->client) wsc_loop_remove(self->loop, box->client);
  return 0;
}

/* alarm(client, seconds): next() gives it then, once; nil: not on that account */
static int loop_alarm(lua_State *L) {
  lua_loop *self = check_loop(L);
  wsc_lua_box *box = check_member(L);
  uint64_t at_us = lua_isnoneornil(L, 3) ? WSC_NEVER : wsc_lua_to_us(luaL_checknumber(L, 3));
  if (box->client) wsc_loop_alarm(self->loop, box->client, at_us);
  return 0;
}

/* wait(seconds) -> how many have work */
static int loop_wait(lua_State *L) {
  lua_loop *self = check_loop(L);
  uint64_t timeout_us = wsc_lua_to_us(luaL_checknumber(L, 2));
  lua_pushinteger(L, wsc_loop_wait(self->loop, timeout_us));
  return 1;
}

/* next() -> the slot of one that has work, and whether it left for good; nothing: none is left */
static int loop_next(lua_State *L) {
  lua_loop *self = check_loop(L);
  wsc_client *client;
  void *user;
  if (!wsc_loop_next(self->loop, &client, &user)) return 0;
  lua_pushinteger(L, (lua_Integer)(uintptr_t)user);
  lua_pushboolean(L, client == NULL);
  return 2;
}

/* deadline() -> in seconds, 0: at once, or nil */
static int loop_deadline(lua_State *L) {
  uint64_t at_us = wsc_loop_deadline(check_loop(L)->loop);
  if (at_us == WSC_NEVER) return 0;
  lua_pushnumber(L, (lua_Number)at_us / 1e6);
  return 1;
}

/* pollfd() -> as wsc_lua_push_pollfd */
static int loop_pollfd(lua_State *L) {
  return wsc_lua_push_pollfd(L, wsc_loop_pollfd(check_loop(L)->loop));
}

/* looks() -> how often a wait has looked at a client */
static int loop_looks(lua_State *L) {
  wsc_lua_push_count(L, wsc_loop_looks(check_loop(L)->loop));
  return 1;
}

const luaL_Reg wsc_lua_loop_methods[] = {
    {"add", loop_add},   {"remove", loop_remove},     {"alarm", loop_alarm}, {"wait", loop_wait},
    {"next", loop_next}, {"pollfd", loop_pollfd},     {"looks", loop_looks}, {"free", loop_free},
    {"__gc", loop_free}, {"deadline", loop_deadline}, {NULL, NULL},
};
