/* An engine of one's own: Lua and wsclose linked statically, every Lua file embedded, a fixed loop
 * of 60 frames a second, and no way from Lua to the file system.
 *
 *   make -C examples/engine && build/engine/lua5.4/engine
 *
 * The game's frame() is called once a frame; it returns a word that says what it was doing.  Ctrl-C
 * ends the loop; open connections say 1001 as the Lua state is closed.  Then the longest frame is
 * printed, as CPU time of the call. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "embedded.h" /* made by embed.lua: static const embedded_file embedded_files[] */
#include "wsclose.h"

#define FRAME_NS (1000000000L / 60)

static volatile sig_atomic_t quit;

static void on_signal(int number) {
  (void)number;
  quit = 1;
}

/* ---------------------------------------------------------------- Lua */

static void check(lua_State *L, int status) {
  if (status == 0) return;
  fprintf(stderr, "engine: %s\n", lua_tostring(L, -1));
  exit(1);
}

static const embedded_file *find_file(const char *name) {
  for (size_t i = 0; i < sizeof embedded_files / sizeof *embedded_files; i++)
    if (strcmp(embedded_files[i].name, name) == 0) return &embedded_files[i];
  return NULL;
}

static void load_file(lua_State *L, const embedded_file *file) {
  char chunk_name[128];
  snprintf(chunk_name, sizeof chunk_name, "=%s", file->name);
  check(L, luaL_loadbuffer(L, (const char *)file->bytes, file->size, chunk_name));
}

static void run_file(lua_State *L, const char *name) {
  load_file(L, find_file(name));
  check(L, lua_pcall(L, 0, 0, 0));
}

/* What require finds: nothing but this. */
static void preload(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_wsclose_core);
  lua_setfield(L, -2, "wsclose.core");
  for (size_t i = 0; i < sizeof embedded_files / sizeof *embedded_files; i++) {
    load_file(L, &embedded_files[i]);
    lua_setfield(L, -2, embedded_files[i].name);
  }
  lua_pop(L, 2);
}

/* cpu_time() -> seconds of processor time that this thread has had */
static int cpu_time(lua_State *L) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  lua_pushnumber(L, (lua_Number)time.tv_sec + (lua_Number)time.tv_nsec / 1e9);
  return 1;
}

static lua_State *open_lua(void) {
  lua_State *L = luaL_newstate();
  if (!L) exit(1);
  luaL_openlibs(L);
  lua_register(L, "cpu_time", cpu_time);
  preload(L);
  run_file(L, "sandbox");
  run_file(L, "game");
  return L;
}

/* ---------------------------------------------------------------- the loop */

static long elapsed_ns(const struct timespec *from, const struct timespec *to) {
  return (to->tv_sec - from->tv_sec) * 1000000000L + (to->tv_nsec - from->tv_nsec);
}

typedef struct longest_frame {
  long ns;
  char doing[32];
} longest_frame;

/* Calls frame() and measures it; its CPU time, so that a busy machine is not held against it. */
static void frame(lua_State *L, longest_frame *longest) {
  struct timespec before, after;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  lua_getglobal(L, "frame");
  check(L, lua_pcall(L, 0, 1, 0));
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  long ns = elapsed_ns(&before, &after);
  if (ns > longest->ns) {
    const char *doing = lua_tostring(L, -1);
    longest->ns = ns;
    snprintf(longest->doing, sizeof longest->doing, "%s", doing ? doing : "?");
  }
  lua_pop(L, 1);
}

/* Sleeps until the next frame; frames that are past by then are left out. */
static void wait_for_next(struct timespec *next) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  do {
    next->tv_nsec += FRAME_NS;
    if (next->tv_nsec >= 1000000000L) {
      next->tv_nsec -= 1000000000L;
      next->tv_sec++;
    }
  } while (elapsed_ns(&now, next) < 0);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

int main(int argc, char **argv) {
  long frames = 0, frames_max = argc > 1 ? strtol(argv[1], NULL, 10) : -1;
  longest_frame longest = {0, "-"};
  struct timespec next;
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  lua_State *L = open_lua();
  clock_gettime(CLOCK_MONOTONIC, &next);
  while (!quit && frames != frames_max) {
    frame(L, &longest);
    wait_for_next(&next);
    frames++;
  }
  lua_close(L);
  printf("%ld frames, the longest took %.3f ms of CPU (%s)\n", frames, (double)longest.ns / 1e6,
         longest.doing);
  return 0;
}
