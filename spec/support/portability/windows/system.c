/* In the place of spec/c/process.c: what Windows has of it.  There is no fork, and no signal that a
 * socket could raise. */
#include "../../../c/testing.h"

#include <tlhelp32.h>

void wsc_testing_waits(lua_State *L);

static int l_nothing(lua_State *L) {
  (void)L;
  return 0;
}

static int l_signals_seen(lua_State *L) {
  lua_pushinteger(L, 0);
  return 1;
}

static double seconds_of(const FILETIME *time) {
  return ((double)time->dwHighDateTime * 4294967296.0 + time->dwLowDateTime) / 1e7;
}

/* cpu() -> seconds of processor time that this thread has had */
static int l_cpu(lua_State *L) {
  FILETIME begun, ended, kernel, user;
  GetThreadTimes(GetCurrentThread(), &begun, &ended, &kernel, &user);
  lua_pushnumber(L, seconds_of(&kernel) + seconds_of(&user));
  return 1;
}

/* monotonic() -> seconds on the system's clock that nobody sets */
static int l_monotonic(lua_State *L) {
  LARGE_INTEGER ticks, per_second;
  QueryPerformanceCounter(&ticks);
  QueryPerformanceFrequency(&per_second);
  lua_pushnumber(L, (lua_Number)ticks.QuadPart / (lua_Number)per_second.QuadPart);
  return 1;
}

#define HANDLE_MAX 4096 /* they are multiples of four, and the lowest that is free is taken */

/* handles() -> those of sockets by number, as "socket:", and how many there are of all kinds, as
 * /proc tells of descriptors */
static int l_handles(lua_State *L) {
  DWORD count = 0;
  lua_newtable(L);
  for (SOCKET each = 4; each < HANDLE_MAX; each += 4) {
    int type = 0, size = sizeof type;
    if (getsockopt(each, SOL_SOCKET, SO_TYPE, (char *)&type, &size) != 0) continue;
    lua_pushfstring(L, "%d", (int)each);
    lua_pushliteral(L, "socket:");
    lua_settable(L, -3);
  }
  GetProcessHandleCount(GetCurrentProcess(), &count);
  lua_pushliteral(L, "0");
  lua_pushfstring(L, "%d handles", (int)count);
  lua_settable(L, -3);
  return 1;
}

/* threads() -> how many this process has */
static int l_threads(lua_State *L) {
  THREADENTRY32 entry = {.dwSize = sizeof entry};
  HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
  int count = 0;
  for (BOOL more = Thread32First(all, &entry); more; more = Thread32Next(all, &entry))
    count += entry.th32OwnerProcessID == GetCurrentProcessId();
  CloseHandle(all);
  lua_pushinteger(L, count);
  return 1;
}

static const luaL_Reg process_functions[] = {{"in_state", wsc_testing_in_state},
                                             {"count_signals", l_nothing},
                                             {"ignore_signals", l_nothing},
                                             {"signals_seen", l_signals_seen},
                                             {"allow_files", l_nothing},
                                             {"cpu", l_cpu},
                                             {"monotonic", l_monotonic},
                                             {"handles", l_handles},
                                             {"threads", l_threads},
                                             {NULL, NULL}};

void wsc_testing_process(lua_State *L) {
  wsc_testing_add(L, "process", process_functions);
  wsc_testing_waits(L);
}
