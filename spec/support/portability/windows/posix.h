/* What spec/c takes from POSIX, by Windows' means: included before all else there, with empty
 * headers beside it for the names that Windows does not have.  Sockets are numbers here, which
 * Windows keeps small; a pair of them leads over the loopback. */
#ifndef WSC_SPEC_WINDOWS_POSIX_H
#define WSC_SPEC_WINDOWS_POSIX_H

#include <winsock2.h>
#include <ws2tcpip.h>

#include <windows.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* ------------------------------------------------------------ memory */

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

/* ------------------------------------------------------------ the environment, modules */

static inline int setenv(const char *name, const char *value, int replace) {
  (void)replace;
  return _putenv_s(name, value);
}

static inline int unsetenv(const char *name) {
  return _putenv_s(name, "");
}

typedef struct Dl_info {
  const char *dli_fname;
} Dl_info;

enum { RTLD_LAZY, RTLD_NOLOAD = 0, RTLD_NODELETE = 0 };

/* Keeps the module of `anchor` loaded, all that the caller wants to know it for; hence 0: there is
 * nothing left to do. */
static inline int dladdr(const void *anchor, Dl_info *info) {
  HMODULE module;
  info->dli_fname = "";
  GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, anchor,
                     &module);
  return 0;
}

static inline void *dlopen(const char *name, int how) {
  (void)name, (void)how;
  return NULL;
}

/* ------------------------------------------------------------ sockets */

#define EHOSTDOWN EHOSTUNREACH /* as src/net/system/fault.c has it */

#define MSG_NOSIGNAL 0
#define MSG_DONTWAIT 0x1000000
#define SOCK_CLOEXEC 0
#define SHUT_RDWR    SD_BOTH

/* A pair of packets is one of UDP. */
int wsc_posix_socketpair(int family, int type, int protocol, int *ends);
int wsc_posix_close(int fd); /* who waits for a packet from it gets an empty one */
int wsc_posix_dup(int fd);
ssize_t wsc_posix_send(int fd, const void *data, size_t size, int flags);
ssize_t wsc_posix_recv(int fd, void *data, size_t size, int flags);

#define socketpair wsc_posix_socketpair
#define close      wsc_posix_close
#define dup        wsc_posix_dup
#define send       wsc_posix_send
#define recv       wsc_posix_recv

#endif
