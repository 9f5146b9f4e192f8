/* A Lua interpreter without options: `lua script arguments…` or `lua -e code`.  `make test-asan`
 * builds it with the sanitizers, so that they are in the process before the module is loaded and
 * in no other process that the suite starts. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

static int traceback(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  lua_getglobal(L, "debug");
  lua_getfield(L, -1, "traceback");
  lua_pushstring(L, message ? message : "an error that is no string");
  lua_pushinteger(L, 2);
  lua_call(L, 2, 1);
  return 1;
}

/* arg[0] is the script, arg[-1] this program, as in the stock interpreter. */
static void set_arguments(lua_State *L, int count, char **arguments) {
  lua_newtable(L);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, arguments[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
}

#ifdef WSC_STATIC /* nothing can be loaded: the modules are in this program (scripts/portability)  \
                   */
int luaopen_wsclose_core(lua_State *L);
int luaopen_wsclose_core_testing(lua_State *L);

static void preload(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_wsclose_core);
  lua_setfield(L, -2, "wsclose.core");
  lua_pushcfunction(L, luaopen_wsclose_core_testing);
  lua_setfield(L, -2, "wsclose.core_testing");
  lua_pop(L, 2);
}
#else
static void preload(lua_State *L) {
  (void)L;
}
#endif

static int run(lua_State *L, int count, char **arguments) {
  if (count < 2) return fprintf(stderr, "usage: %s script | -e code\n", arguments[0]);
  luaL_openlibs(L);
  preload(L);
  set_arguments(L, count, arguments);
  lua_pushcfunction(L, traceback);
  int handler = lua_gettop(L);
  int status = count > 2 && strcmp(arguments[1], "-e") == 0 ? luaL_loadstring(L, arguments[2])
                                                            : luaL_loadfile(L, arguments[1]);
  int pushed = 0;
  while (status == 0 && 2 + pushed < count) lua_pushstring(L, arguments[2 + pushed++]);
  if (status == 0) status = lua_pcall(L, pushed, 0, handler);
  if (status != 0) fprintf(stderr, "%s: %s\n", arguments[0], lua_tostring(L, -1));
  return status;
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0); /* a report of leaks at exit drops what is not yet written */
  lua_State *L = luaL_newstate();
  if (!L) return 1;
  int status = run(L, count, arguments);
  lua_close(L);
  return status != 0;
}
