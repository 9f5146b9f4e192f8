/* wsclose.core_testing: what happens to a process: forks, signals, the end of its Lua state,
 * processor time. */
#include "testing.h"

#include <lualib.h>

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------ fork */

/* Linked in by gcc --coverage: what the child has run counts once its exit handlers are through. */
extern void __gcov_init(void *) __attribute__((weak));

/* The child's part of fork: no state is closed, no buffer flushed, no exit handler run. */
static void run_child(lua_State *L, int fd) {
  bool failed = lua_pcall(L, 0, 1, 0) != 0;
  size_t size = 0;
  const char *said = lua_tolstring(L, -1, &size);
  bool told = write(fd, failed ? "-" : "+", 1) == 1;
  if (said) told = told && write(fd, said, size) == (ssize_t)size;
  if (__gcov_init) exit(told ? 0 : 1);
  _exit(told ? 0 : 1);
}

static void read_to_end(lua_State *L, int fd) {
  luaL_Buffer buffer;
  ssize_t size;
  luaL_buffinit(L, &buffer);
  do {
    char *room = luaL_prepbuffer(&buffer);
    size = read(fd, room, LUAL_BUFFERSIZE);
    if (size > 0) luaL_addsize(&buffer, (size_t)size);
  } while (size > 0 || (size < 0 && errno == EINTR));
  luaL_pushresult(&buffer);
}

/* fork(f) -> what f gave, called in a forked child: a short string or nothing; raises what it
 * raised, or how the child ended */
static int l_fork(lua_State *L) {
  int ends[2], status = 0;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  if (pipe(ends) != 0) return luaL_error(L, "no pipe: error number %d", errno);
  fflush(NULL); /* nothing is left for the child to write again */
  pid_t pid = fork();
  if (pid < 0) return luaL_error(L, "no fork: error number %d", errno);
  if (pid == 0) run_child(L, ends[1]);
  close(ends[1]);
  read_to_end(L, ends[0]);
  close(ends[0]);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  size_t size;
  const char *said = lua_tolstring(L, -1, &size);
  if (WIFSIGNALED(status)) return luaL_error(L, "the child died by signal %d", WTERMSIG(status));
  if (*said != '+') return luaL_error(L, "in the child: %s", *said ? said + 1 : "it said nothing");
  lua_pushlstring(L, said + 1, size - 1);
  return 1;
}

/* spawn(fd, word, …): a program that has the descriptor as its input and output, as those of
 * ProxyCommand have; it is nobody's child and ends with its input */
static int l_spawn(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1), count = lua_gettop(L) - 1;
  union {
    const char *given[16];
    char *taken[16];
  } words = {{NULL}};
  luaL_argcheck(L, count > 0 && count < 16, 2, "1 to 15 words expected");
  for (int i = 0; i < count; i++) words.given[i] = luaL_checkstring(L, i + 2);
  pid_t pid = fork();
  if (pid < 0) return luaL_error(L, "no fork: error number %d", errno);
  if (pid == 0) {
    if (fork() != 0) _exit(0);
    dup2(fd, 0);
    dup2(fd, 1);
    for (int other = 3; other < 1024; other++) close(other);
    execvp(words.taken[0], words.taken);
    _exit(1);
  }
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  close(fd);
  return 0;
}

/* ------------------------------------------------------------ signals */

/* A handler has nowhere else to write to. */
static volatile sig_atomic_t signals_seen, ticks_left;

static void stop_timer(void) {
  setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0}}, NULL);
}

/* Not on POSIX's list for handlers, but a bare system call wherever specs run. */
static void count_signal(int number) {
  signals_seen = signals_seen + 1;
  if (number == SIGALRM && --ticks_left <= 0) stop_timer();
}

static int check_signal(lua_State *L) {
  static const char *const names[] = {"ALRM", "PIPE", NULL};
  static const int numbers[] = {SIGALRM, SIGPIPE};
  return numbers[luaL_checkoption(L, 1, NULL, names)];
}

/* count_signals(name): instead of whatever the program does with them; system calls that they
 * interrupt are not started anew */
static int l_count_signals(lua_State *L) {
  struct sigaction action = {.sa_handler = count_signal};
  signals_seen = 0;
  sigaction(check_signal(L), &action, NULL);
  return 0;
}

static int l_ignore_signals(lua_State *L) {
  struct sigaction action = {.sa_handler = SIG_IGN};
  stop_timer();
  sigaction(check_signal(L), &action, NULL);
  return 0;
}

static int l_signals_seen(lua_State *L) {
  lua_pushinteger(L, signals_seen);
  return 1;
}

/* tick(seconds, times): that many ALRMs, so far apart */
static int l_tick(lua_State *L) {
  struct timeval pause = {.tv_usec = (long)(luaL_checknumber(L, 1) * 1e6)};
  struct itimerval timer = {.it_interval = pause, .it_value = pause};
  ticks_left = (sig_atomic_t)luaL_checkinteger(L, 2);
  setitimer(ITIMER_REAL, &timer, NULL);
  return 0;
}

/* ------------------------------------------------------------ the end of a state */

static int count_threads(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/task");
  if (!folder) return 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
    if (entry->d_name[0] != '.') count++;
  closedir(folder);
  return count;
}

/* An exit handler has nowhere else to read from. */
static int fd_at_exit = -1;

static void close_and_look(void) {
  close(fd_at_exit);
  for (int i = 0; i < 20000 && count_threads() > 1; i++)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  puts(count_threads() == 1 ? "all threads have ended" : "a thread has not ended");
}

/* close_at_exit(fd): when the process exits, which is after its Lua state was closed, the
 * descriptor is closed; then all other threads are waited for, and a line tells of it.  This module
 * must be kept loaded, as attaching a resolver does. */
static int l_close_at_exit(lua_State *L) {
  fd_at_exit = (int)luaL_checkinteger(L, 1);
  atexit(close_and_look);
  return 0;
}

static bool is_mapped(const char *name) {
  char line[4096];
  bool found = false;
  FILE *maps = fopen("/proc/self/maps", "r");
  if (!maps) return false;
  while (!found && fgets(line, sizeof line, maps)) found = strstr(line, name) != NULL;
  fclose(maps);
  return found;
}

/* is_kept(name, path, cpath, code): is a file whose name holds `name` still mapped after a Lua
 * state of its own has run the code and was closed? */
static int l_is_kept(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *code = luaL_checkstring(L, 4);
  lua_State *other = luaL_newstate();
  if (!other) return luaL_error(L, "no memory for a state");
  luaL_openlibs(other);
  wsc_testing_set_path(L, 2, other, "path");
  wsc_testing_set_path(L, 3, other, "cpath");
  bool failed = luaL_dostring(other, code);
  lua_pushstring(L, failed ? lua_tostring(other, -1) : NULL);
  bool loaded = is_mapped(name);
  lua_close(other);
  if (failed) return lua_error(L);
  if (!loaded) return luaL_error(L, "%s was not loaded", name);
  lua_pushboolean(L, is_mapped(name));
  return 1;
}

/* ------------------------------------------------------------ time */

static int push_time(lua_State *L, clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  lua_pushnumber(L, (lua_Number)time.tv_sec + (lua_Number)time.tv_nsec / 1e9);
  return 1;
}

/* cpu() -> seconds of processor time that this thread has had */
static int l_cpu(lua_State *L) {
  return push_time(L, CLOCK_THREAD_CPUTIME_ID);
}

/* monotonic() -> seconds on the system's clock that nobody sets */
static int l_monotonic(lua_State *L) {
  return push_time(L, CLOCK_MONOTONIC);
}

/* ------------------------------------------------------------ descriptors */

/* allow_files(count): so many may be open at least, as far as the system lets this process */
static int l_allow_files(lua_State *L) {
  rlim_t count = (rlim_t)luaL_checkinteger(L, 1);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= count) return 0;
  limit.rlim_cur = count;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    return luaL_error(L, "no %d descriptors here: error number %d", (int)count, errno);
  return 0;
}

/* acknowledge(fd): TCP says now that what was read has come, and not up to 40 ms later */
static int l_acknowledge(lua_State *L) {
#ifdef TCP_QUICKACK
  int on = 1;
  setsockopt((int)luaL_checkinteger(L, 1), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#else
  (void)L;
#endif
  return 0;
}

static const luaL_Reg process_functions[] = {{"fork", l_fork},
                                             {"spawn", l_spawn},
                                             {"close_at_exit", l_close_at_exit},
                                             {"is_kept", l_is_kept},
                                             {"in_state", wsc_testing_in_state},
                                             {"count_signals", l_count_signals},
                                             {"ignore_signals", l_ignore_signals},
                                             {"signals_seen", l_signals_seen},
                                             {"tick", l_tick},
                                             {"cpu", l_cpu},
                                             {"allow_files", l_allow_files},
                                             {"acknowledge", l_acknowledge},
                                             {"monotonic", l_monotonic},
                                             {NULL, NULL}};

void wsc_testing_process(lua_State *L) {
  wsc_testing_add(L, "process", process_functions);
}
