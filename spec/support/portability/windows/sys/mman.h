/* What wsclose.core_testing takes from POSIX to build its walls, by Windows' means. */
#ifndef WSC_SPEC_WINDOWS_MMAN_H
#define WSC_SPEC_WINDOWS_MMAN_H

#include <windows.h>

enum { PROT_NONE, PROT_READ, PROT_WRITE, MAP_PRIVATE = 0, MAP_ANONYMOUS = 0, _SC_PAGESIZE = 0 };

#define MAP_FAILED NULL

static inline long sysconf(int name) {
  SYSTEM_INFO info;
  (void)name;
  GetSystemInfo(&info);
  return (long)info.dwPageSize;
}

static inline void *mmap(void *place, size_t size, int rights, int flags, int fd, long offset) {
  (void)place, (void)rights, (void)flags, (void)fd, (void)offset;
  return VirtualAlloc(NULL, size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
}

static inline int munmap(void *pages, size_t size) {
  (void)size;
  return VirtualFree(pages, 0, MEM_RELEASE) ? 0 : -1;
}

static inline int mprotect(void *pages, size_t size, int rights) {
  DWORD before;
  (void)rights; /* PROT_NONE is all that is asked for */
  return VirtualProtect(pages, size, PAGE_NOACCESS, &before) ? 0 : -1;
}

#endif
