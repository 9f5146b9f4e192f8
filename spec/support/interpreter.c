/* A Lua interpreter with one option: `lua [-e code] [script arguments…]`.  `make test-asan` builds
 * it with the sanitizers, so that they are in the process before the module is loaded and in no
 * other process that the suite starts. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static lua_State *interruptible;

static void raise_interrupt(lua_State *L, lua_Debug *debug) {
  (void)debug;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

/* Ctrl-C is an error at the next instruction, as in the stock interpreter: lua_sethook is made to
 * be called from a signal handler. */
static void on_interrupt(int number) {
  signal(number, SIG_DFL);
  /* NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c) */
  lua_sethook(interruptible, raise_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static int traceback(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  lua_getglobal(L, "debug");
  lua_getfield(L, -1, "traceback");
  lua_pushstring(L, message ? message : "an error that is no string");
  lua_pushinteger(L, 2);
  lua_call(L, 2, 1);
  return 1;
}

/* arg[0] is the script, arg[-1] what stands before it, as in the stock interpreter. */
static void set_arguments(lua_State *L, int count, char **arguments, int script) {
  lua_newtable(L);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, arguments[i]);
    lua_rawseti(L, -2, i - script);
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

/* `status` is that of loading a function, which is on top; it is called with the arguments. */
static int call(lua_State *L, int status, int count, char **arguments) {
  lua_pushcfunction(L, traceback);
  lua_insert(L, -2);
  for (int i = 0; i < count && status == 0; i++) lua_pushstring(L, arguments[i]);
  if (status == 0) status = lua_pcall(L, count, 0, -count - 2);
  if (status != 0) fprintf(stderr, "lua: %s\n", lua_tostring(L, -1));
  return status;
}

static int run(lua_State *L, int count, char **arguments) {
  bool has_code = count > 2 && strcmp(arguments[1], "-e") == 0;
  int script = has_code ? 3 : 1, status = 0;
  if (count < 2) return fprintf(stderr, "usage: %s [-e code] [script]\n", arguments[0]);
  luaL_openlibs(L);
  preload(L);
  set_arguments(L, count, arguments, script);
  interruptible = L;
  signal(SIGINT, on_interrupt);
  if (has_code) status = call(L, luaL_loadstring(L, arguments[2]), 0, NULL);
  if (status != 0 || script >= count) return status;
  return call(L, luaL_loadfile(L, arguments[script]), count - script - 1, arguments + script + 1);
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0); /* a report of leaks at exit drops what is not yet written */
  lua_State *L = luaL_newstate();
  if (!L) return 1;
  int status = run(L, count, arguments);
  lua_close(L);
  return status != 0;
}
