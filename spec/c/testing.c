/* wsclose.core_testing: its platform, and the walls that specs lay bytes against.  See
 * testing.h. */
#include "testing.h"

#include "binding/lua_module.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __has_include
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif

#if defined(_WIN32)
#define TESTING_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define TESTING_EXPORT __attribute__((visibility("default")))
#else
#define TESTING_EXPORT
#endif

/* Pages between two unmapped ones. */
typedef struct walled {
  uint8_t *pages; /* NULL at first */
  size_t size;
} walled;

typedef struct testing_state {
  wsc_platform platform, bare; /* the second one without a spare block */
  wsc_spare spare;
  wsc_platform *real; /* owned */
  walled rooms[2];
  size_t live_blocks, live_bytes, peak_bytes, large_blocks, attempts;
  bool ended;      /* its Lua state's objects are gone: it goes with the last block */
  size_t fail_at;  /* the attempt that fails; 0: none */
  bool fail_on;    /* and all that follow it */
  char secret[64]; /* looked for in what is given back; "": none */
  size_t leaks;    /* how often it stood there */
  bool no_random, no_sha1;
  size_t random_size, random_at; /* size 0: the real source */
  uint8_t random_bytes[256];
} testing_state;

static const char state_key = 's'; /* its address is the registry's key */

/* ------------------------------------------------------------ memory */

/* No spec needs a larger block; sanitizers end the program over absurd ones. */
#define BLOCK_SIZE_MAX ((size_t)1 << 31)

/* A page: what nothing that lies idle may hold. */
#define LARGE_BLOCK_SIZE 4096

/* Before each block, which is then aligned as strictly as malloc's. */
typedef struct block_head {
  _Alignas(max_align_t) size_t size;
} block_head;

static bool attempt_fails(testing_state *state) {
  state->attempts++;
  if (state->fail_at == 0) return false;
  return state->attempts == state->fail_at || (state->fail_on && state->attempts > state->fail_at);
}

/* Bytes that nobody wrote are looked at too, which is no fault here. */
static bool holds_secret(const testing_state *state, const void *block, size_t size) {
  const char *data = block;
  size_t length = strlen(state->secret);
#ifdef VALGRIND_MAKE_MEM_DEFINED
  if (length > 0) (void)VALGRIND_MAKE_MEM_DEFINED(block, size);
#endif
  for (size_t i = 0; length > 0 && i + length <= size; i++)
    if (memcmp(data + i, state->secret, length) == 0) return true;
  return false;
}

static void drop_block(testing_state *state, block_head *head) {
  state->leaks += holds_secret(state, head + 1, head->size);
  state->live_blocks--;
  state->large_blocks -= head->size >= LARGE_BLOCK_SIZE;
  state->live_bytes -= head->size;
  memset(head + 1, 0xDD, head->size); /* a stale pointer shall not find what it looks for */
  free(head);
}

static void count_block(testing_state *state, size_t size) {
  state->live_blocks++;
  state->large_blocks += size >= LARGE_BLOCK_SIZE;
  state->live_bytes += size;
  if (state->live_bytes > state->peak_bytes) state->peak_bytes = state->live_bytes;
}

/* Every block moves whenever it is resized, so that a pointer kept too long is found out. */
static void *testing_resize(void *user, void *block, size_t size) {
  testing_state *state = user;
  block_head *old = block ? (block_head *)block - 1 : NULL;
  if (size == 0) {
    if (old) drop_block(state, old);
    if (state->ended && state->live_blocks == 0) free(state);
    return NULL;
  }
  if (attempt_fails(state) || size > BLOCK_SIZE_MAX) return NULL;
  block_head *head = malloc(sizeof(block_head) + size);
  if (!head) return NULL;
  head->size = size;
  /* what others left there would be taken for ours */
  if (state->secret[0] != '\0') memset(head + 1, 0, size);
  if (old) {
    memcpy(head + 1, block, old->size < size ? old->size : size);
    drop_block(state, old);
  }
  count_block(state, size);
  return head + 1;
}

static bool testing_random(void *user, void *bytes, size_t size) {
  testing_state *state = user;
  uint8_t *out = bytes;
  if (state->no_random) return false;
  if (state->random_size == 0) return state->real->random(state->real->user, bytes, size);
  for (size_t i = 0; i < size; i++) {
    out[i] = state->random_bytes[state->random_at];
    state->random_at = (state->random_at + 1) % state->random_size;
  }
  return true;
}

static bool testing_sha1(void *user, const void *data, size_t size, uint8_t digest[20]) {
  testing_state *state = user;
  return !state->no_sha1 && state->real->sha1(state->real->user, data, size, digest);
}

/* ------------------------------------------------------------ the state */

/* Strings of Lua 5.5 go after all objects, and their blocks with them. */
static int free_state(lua_State *L) {
  testing_state *state = *(testing_state **)lua_touserdata(L, 1);
  wsc_platform_free(state->real);
  state->real = NULL;
  for (int i = 0; i < 2; i++)
    if (state->rooms[i].pages) munmap(state->rooms[i].pages, state->rooms[i].size);
  state->ended = true;
  if (state->live_blocks == 0) free(state);
  return 0;
}

static testing_state *new_state(lua_State *L) {
  testing_state **place = lua_newuserdata(L, sizeof *place), *state = calloc(1, sizeof *state);
  if (!state) {
    luaL_error(L, "no memory for the testing state");
    return NULL; /* luaL_error does not return; lua.h has no way to say so */
  }
  *place = state;
  lua_newtable(L);
  lua_pushcfunction(L, free_state);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  state->real = wsc_platform_new();
  if (!state->real) luaL_error(L, "no memory for a platform");
  lua_pushlightuserdata(L, (void *)&state_key);
  lua_insert(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  state->platform = (wsc_platform){.user = state,
                                   .resize = testing_resize,
                                   .random = testing_random,
                                   .sha1 = testing_sha1,
                                   .spare = &state->spare};
  state->bare = state->platform;
  state->bare.spare = NULL;
  return state;
}

static testing_state *get_state(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&state_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  testing_state **place = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return place ? *place : new_state(L);
}

wsc_platform *wsc_testing_platform(lua_State *L) {
  return &get_state(L)->platform;
}

/* ------------------------------------------------------------ walls */

static void build_walls(lua_State *L, walled *room, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t total = (size + page - 1) / page * page + 2 * page;
  uint8_t *pages = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) luaL_error(L, "no memory for %d walled bytes", (int)size);
  if (room->pages) munmap(room->pages, room->size);
  *room = (walled){.pages = pages, .size = total};
  if (mprotect(pages, page, PROT_NONE) != 0 || mprotect(pages + total - page, page, PROT_NONE) != 0)
    luaL_error(L, "cannot protect a page");
}

static walled *walled_room(lua_State *L, wsc_testing_place place, size_t size) {
  walled *room = &get_state(L)->rooms[place];
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (!room->pages || room->size - 2 * page < size) build_walls(L, room, size + 1);
  return room;
}

uint8_t *wsc_testing_before_wall(lua_State *L, wsc_testing_place place, size_t size, size_t slack) {
  walled *room = walled_room(L, place, size + slack);
  return room->pages + room->size - (size_t)sysconf(_SC_PAGESIZE) - slack - size;
}

uint8_t *wsc_testing_behind_wall(lua_State *L, wsc_testing_place place, size_t size) {
  return walled_room(L, place, size)->pages + (size_t)sysconf(_SC_PAGESIZE);
}

const uint8_t *wsc_testing_copy_before_wall(lua_State *L, const void *data, size_t size) {
  return memcpy(wsc_testing_before_wall(L, WSC_TESTING_INPUT, size, 0), data, size);
}

const uint8_t *wsc_testing_copy_behind_wall(lua_State *L, const void *data, size_t size) {
  return memcpy(wsc_testing_behind_wall(L, WSC_TESTING_INPUT, size), data, size);
}

/* ------------------------------------------------------------ memory and random, from Lua */

/* fail_at(n, on): the n-th allocation from now fails, and with `on` all after it; fail_at(): none.
 */
static int l_memory_fail_at(lua_State *L) {
  testing_state *state = get_state(L);
  state->attempts = 0;
  state->fail_at = (size_t)luaL_optinteger(L, 1, 0);
  state->fail_on = lua_toboolean(L, 2);
  return 0;
}

/* Allocations tried since fail_at. */
static int l_memory_attempts(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)get_state(L)->attempts);
  return 1;
}

static int l_memory_live_blocks(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)get_state(L)->live_blocks);
  return 1;
}

static int l_memory_large_blocks(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)get_state(L)->large_blocks);
  return 1;
}

static int l_memory_live_bytes(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)get_state(L)->live_bytes);
  return 1;
}

/* peak(reset): the most live bytes so far; with `reset` it starts over from what lives now. */
static int l_memory_peak(lua_State *L) {
  testing_state *state = get_state(L);
  lua_pushinteger(L, (lua_Integer)state->peak_bytes);
  if (lua_toboolean(L, 1)) state->peak_bytes = state->live_bytes;
  return 1;
}

/* leaks(secret): how many blocks were given back, or moved, with the last one's secret in them. */
static int l_memory_leaks(lua_State *L) {
  testing_state *state = get_state(L);
  size_t size;
  const char *secret = luaL_optlstring(L, 1, "", &size);
  luaL_argcheck(L, size < sizeof state->secret, 1, "at most 63 bytes expected");
  lua_pushinteger(L, (lua_Integer)state->leaks);
  memcpy(state->secret, secret, size + 1);
  state->leaks = 0;
  return 1;
}

static const luaL_Reg memory_functions[] = {{"fail_at", l_memory_fail_at},
                                            {"attempts", l_memory_attempts},
                                            {"live_blocks", l_memory_live_blocks},
                                            {"large_blocks", l_memory_large_blocks},
                                            {"live_bytes", l_memory_live_bytes},
                                            {"peak", l_memory_peak},
                                            {"leaks", l_memory_leaks},
                                            {NULL, NULL}};

/* set(bytes): these over and over; set(nil): the real source; set(false): it fails. */
static int l_random_set(lua_State *L) {
  testing_state *state = get_state(L);
  size_t size = 0;
  state->random_size = state->random_at = 0;
  state->no_random = lua_isboolean(L, 1) && !lua_toboolean(L, 1);
  if (state->no_random || lua_isnoneornil(L, 1)) return 0;
  const char *bytes = luaL_checklstring(L, 1, &size);
  luaL_argcheck(L, size > 0 && size <= sizeof state->random_bytes, 1, "1 to 256 bytes expected");
  memcpy(state->random_bytes, bytes, size);
  state->random_size = size;
  return 0;
}

static const luaL_Reg random_functions[] = {{"set", l_random_set}, {NULL, NULL}};

/* ------------------------------------------------------------ the module */

static int l_sha1(lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 1, &size);
  wsc_platform *platform = wsc_testing_platform(L);
  uint8_t digest[20];
  if (!platform->sha1(platform->user, data, size, digest)) return luaL_error(L, "no SHA-1");
  lua_pushlstring(L, (const char *)digest, sizeof digest);
  return 1;
}

/* fail_sha1(fails): from now on */
static int l_fail_sha1(lua_State *L) {
  get_state(L)->no_sha1 = lua_toboolean(L, 1);
  return 0;
}

/* wsclose.core as a program gets it, but on this state's testing platform.
 * open_core(bare): on one that has no spare block, as an engine's may be */
static int l_open_core(lua_State *L) {
  testing_state *state = get_state(L);
  return wsc_lua_open(L, lua_toboolean(L, 1) ? &state->bare : &state->platform);
}

static const luaL_Reg module_functions[] = {
    {"sha1", l_sha1}, {"fail_sha1", l_fail_sha1}, {"open_core", l_open_core}, {NULL, NULL}};

void wsc_testing_add(lua_State *L, const char *name, const luaL_Reg *functions) {
  if (name) lua_newtable(L);
  for (; functions->name; functions++) {
    lua_pushcfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
  if (name) lua_setfield(L, -2, name);
}

void wsc_testing_kind(lua_State *L, const char *kind, const luaL_Reg *methods) {
  luaL_newmetatable(L, kind);
  wsc_testing_add(L, NULL, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int wsc_testing_push_error(lua_State *L, int error, const char *sentence) {
  lua_pushnil(L);
  lua_pushstring(L, sentence); /* NULL gives nil */
  lua_pushstring(L, wsc_error_name(error));
  return 3;
}

TESTING_EXPORT int luaopen_wsclose_core_testing(lua_State *L);

TESTING_EXPORT int luaopen_wsclose_core_testing(lua_State *L) {
  lua_newtable(L);
  wsc_testing_add(L, NULL, module_functions);
  wsc_testing_add(L, "memory", memory_functions);
  wsc_testing_add(L, "random", random_functions);
  wsc_testing_leaves(L);
  wsc_testing_cpu(L);
  wsc_testing_wire(L);
  wsc_testing_conn(L);
  wsc_testing_heads(L);
  wsc_testing_codec(L);
  wsc_testing_proxy(L);
  wsc_testing_net(L);
  wsc_testing_options(L);
  wsc_testing_process(L);
  wsc_testing_loop(L);
  wsc_testing_native(L);
  return 1;
}
