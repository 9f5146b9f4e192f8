/* wsclose.core_testing: the heap of deadlines behind a loop. */
#include "testing.h"

#include "net/alarms.h"

#define ALARMS_MAX 1000

typedef struct alarm_box {
  wsc_alarms alarms;
  wsc_alarm each[ALARMS_MAX];
} alarm_box;

static const char alarms_type[] = "wsclose.core_testing.alarms";

static int l_alarms_free(lua_State *L) {
  alarm_box *box = luaL_checkudata(L, 1, alarms_type);
  if (box->alarms.platform) wsc_alarms_free(&box->alarms);
  return 0;
}

/* alarms() -> object */
static int l_alarms_new(lua_State *L) {
  alarm_box *box = lua_newuserdata(L, sizeof *box);
  *box = (alarm_box){.alarms = {.platform = wsc_testing_platform(L)}};
  luaL_getmetatable(L, alarms_type);
  lua_setmetatable(L, -2);
  return 1;
}

/* reserve(count) -> is there room? */
static int l_alarms_reserve(lua_State *L) {
  alarm_box *box = luaL_checkudata(L, 1, alarms_type);
  lua_pushboolean(L, wsc_alarms_reserve(&box->alarms, (size_t)luaL_checkinteger(L, 2)));
  return 1;
}

static wsc_alarm *check_alarm(lua_State *L, alarm_box *box) {
  lua_Integer number = luaL_checkinteger(L, 2);
  luaL_argcheck(L, number >= 1 && number <= ALARMS_MAX, 2, "a number up to 1000 expected");
  return &box->each[number - 1];
}

/* set(number, microseconds); nil: unset */
static int l_alarms_set(lua_State *L) {
  alarm_box *box = luaL_checkudata(L, 1, alarms_type);
  uint64_t at_us = lua_isnoneornil(L, 3) ? WSC_NEVER : (uint64_t)luaL_checkinteger(L, 3);
  wsc_alarms_set(&box->alarms, check_alarm(L, box), at_us);
  return 0;
}

/* first() -> number, microseconds; nothing: none is set */
static int l_alarms_first(lua_State *L) {
  alarm_box *box = luaL_checkudata(L, 1, alarms_type);
  const wsc_alarm *first = wsc_alarms_first(&box->alarms);
  if (!first) return 0;
  lua_pushinteger(L, (lua_Integer)(first - box->each) + 1);
  lua_pushinteger(L, (lua_Integer)wsc_alarms_at(&box->alarms, first));
  return 2;
}

static const luaL_Reg alarm_methods[] = {{"reserve", l_alarms_reserve},
                                         {"set", l_alarms_set},
                                         {"first", l_alarms_first},
                                         {"__gc", l_alarms_free},
                                         {NULL, NULL}};

static const luaL_Reg loop_functions[] = {{"alarms", l_alarms_new}, {NULL, NULL}};

void wsc_testing_loop(lua_State *L) {
  wsc_testing_kind(L, alarms_type, alarm_methods);
  wsc_testing_add(L, "loop", loop_functions);
}
