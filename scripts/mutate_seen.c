/* For scripts/mutate.lua: which basic blocks of a module and which lines of lua/wsclose have run, a
 * byte each in files of the folder WSCLOSE_SEEN, which all processes share.  It is linked into
 * modules of -fsanitize-coverage=trace-pc, and loaded by LUA_INIT. */
#include <dlfcn.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HIDDEN __attribute__((visibility("hidden")))

enum { CODE_MAX = 1 << 19, LINES_MAX = 1024, FILES_MAX = 128 };

static unsigned char *map_file(const char *name, size_t size) {
  char path[4096];
  int folder = snprintf(path, sizeof path, "%s/", getenv("WSCLOSE_SEEN"));
  snprintf(path + folder, sizeof path - (size_t)folder, "%s", name);
  for (char *at = path + folder; (at = strchr(at, '/')) != NULL;) *at = ':';
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return NULL;
  void *map = MAP_FAILED;
  if (ftruncate(file, (off_t)size) == 0) {
    map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  close(file);
  return map != MAP_FAILED ? map : NULL;
}

/* ---------------------------------------------------------------- blocks of a module */

static unsigned char *blocks;
static const char *base;

__attribute__((constructor)) static void start(void) {
  Dl_info module;
  if (getenv("WSCLOSE_SEEN") == NULL || dladdr(&base, &module) == 0) return;
  base = module.dli_fbase;
  const char *name = strrchr(module.dli_fname, '/') + 1;
  if (strncmp(name, "core", 4) == 0) blocks = map_file(name, CODE_MAX);
}

/* What the compiler calls at the head of each block. */
HIDDEN void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
  const char *pc = __builtin_return_address(0);
  if (blocks != NULL && pc - base < CODE_MAX) blocks[pc - base] = 1;
}

/* ---------------------------------------------------------------- lines of Lua */

static struct {
  const char *name;
  unsigned char *lines;
} files[FILES_MAX];

static unsigned char *lines_of(const char *name) {
  int i = 0;
  while (files[i].name != NULL && strcmp(files[i].name, name) != 0) i++;
  if (files[i].name == NULL && i + 1 < FILES_MAX) {
    files[i].name = strdup(name);
    files[i].lines = map_file(name, LINES_MAX);
  }
  return files[i].lines;
}

/* What runs when a file is loaded counts for nothing: it is for all who use the file. */
static void see(lua_State *L, lua_Debug *at) {
  if (lua_getinfo(L, "S", at) == 0) return;
  const char *name = strstr(at->source, "lua/wsclose/");
  if (name == NULL || strcmp(at->what, "main") == 0) return;
  static const char *last;
  static unsigned char *lines;
  if (name != last) lines = lines_of(name);
  last = name;
  if (lines != NULL && at->currentline < LINES_MAX) lines[at->currentline] = 1;
}

/* New coroutines have the hook of who makes them. */
int luaopen_seen(lua_State *L);
int luaopen_seen(lua_State *L) {
  lua_sethook(L, see, LUA_MASKLINE, 0);
  return 0;
}
