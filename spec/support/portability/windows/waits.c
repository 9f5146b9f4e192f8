/* Counts how often this module, the client that is part of it included, asks the system to wait:
 * its imports of what can wait are replaced by functions that look at the time they are given. */
#include "../../../c/testing.h"

#include <string.h>

void wsc_testing_waits(lua_State *L); /* of system.c */

static int waits;
static DWORD thread; /* the one that is watched: others look up names */

static void count(DWORD time_ms) {
  if (time_ms != 0 && GetCurrentThreadId() == thread) waits++;
}

/* The functions that are replaced, by the order of `counted`. */
enum { POLL, SLEEP, OBJECT, LOOKUP };
static uintptr_t theirs[4];

static int WSAAPI count_poll(LPWSAPOLLFD entries, ULONG size, INT time_ms) {
  count((DWORD)time_ms);
  return ((int(WSAAPI *)(LPWSAPOLLFD, ULONG, INT))theirs[POLL])(entries, size, time_ms);
}

static VOID WINAPI count_sleep(DWORD time_ms) {
  count(time_ms);
  ((VOID(WINAPI *)(DWORD))theirs[SLEEP])(time_ms);
}

static DWORD WINAPI count_object(HANDLE handle, DWORD time_ms) {
  count(time_ms);
  return ((DWORD(WINAPI *)(HANDLE, DWORD))theirs[OBJECT])(handle, time_ms);
}

static INT WSAAPI count_lookup(PCSTR host, PCSTR service, const ADDRINFOA *hints,
                               PADDRINFOA *list) {
  count(INFINITE);
  return ((INT(WSAAPI *)(PCSTR, PCSTR, const ADDRINFOA *, PADDRINFOA *))theirs[LOOKUP])(
      host, service, hints, list);
}

static const struct {
  const char *name;
  uintptr_t ours;
} counted[] = {{"WSAPoll", (uintptr_t)count_poll},
               {"Sleep", (uintptr_t)count_sleep},
               {"WaitForSingleObject", (uintptr_t)count_object},
               {"getaddrinfo", (uintptr_t)count_lookup}};

static void replace(const char *name, uintptr_t *place) {
  DWORD before;
  for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
    if (strcmp(counted[i].name, name) != 0) continue;
    theirs[i] = *place;
    VirtualProtect(place, sizeof *place, PAGE_READWRITE, &before);
    *place = counted[i].ours;
    VirtualProtect(place, sizeof *place, before, &before);
  }
}

static void replace_imports(uint8_t *base) {
  const IMAGE_NT_HEADERS *head =
      (const void *)(base + ((const IMAGE_DOS_HEADER *)(void *)base)->e_lfanew);
  const IMAGE_IMPORT_DESCRIPTOR *library =
      (const void *)(base + head->OptionalHeader.DataDirectory[1].VirtualAddress);
  for (; library->Name != 0; library++) {
    const uintptr_t *names = (const void *)(base + library->OriginalFirstThunk);
    uintptr_t *places = (void *)(base + library->FirstThunk);
    for (; *names != 0; names++, places++)
      if (!IMAGE_SNAP_BY_ORDINAL64(*names)) replace((const char *)base + *names + 2, places);
  }
}

/* count_waits(): from now on, of this thread */
static int l_count_waits(lua_State *L) {
  static HMODULE module;
  static const char anchor = 0;
  (void)L;
  if (!module &&
      GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                         &anchor, &module))
    replace_imports((uint8_t *)module);
  thread = GetCurrentThreadId();
  waits = 0;
  return 0;
}

/* waits() -> how often it was */
static int l_waits(lua_State *L) {
  lua_pushinteger(L, waits);
  return 1;
}

void wsc_testing_waits(lua_State *L) {
  static const luaL_Reg functions[] = {{"count", l_count_waits}, {"seen", l_waits}, {NULL, NULL}};
  wsc_testing_add(L, "waits", functions);
}
