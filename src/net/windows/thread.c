/* Starting threads, and being woken by them: see thread.h. */
#include "net/system/thread.h"

#include "core/buf.h"
#include "winsock.h"

#include <errno.h>
#include <process.h>
#include <stdlib.h>

#include <windows.h>

#include "core/hidden.h"

#define THREAD_STACK_SIZE (512u * 1024u)

/* lua_close unloads C modules. */
void wsc_keep_loaded(void) {
  static const char anchor = 0;
  HMODULE module;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     (const wchar_t *)(const void *)&anchor, &module);
}

typedef struct thread_start {
  void *(*run)(void *);
  void *argument;
} thread_start;

static unsigned __stdcall run_thread(void *argument) {
  thread_start start = *(thread_start *)argument;
  free(argument);
  start.run(start.argument);
  return 0;
}

int wsc_thread_start(void *(*run)(void *), void *argument) {
  thread_start *start = malloc(sizeof *start);
  if (!start) return ENOMEM;
  *start = (thread_start){run, argument};
  wsc_keep_loaded();
  uintptr_t thread = _beginthreadex(NULL, THREAD_STACK_SIZE, run_thread, start,
                                    STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
  int number = errno;
  if (thread == 0) {
    free(start);
    return number;
  }
  CloseHandle((HANDLE)thread);
  return 0;
}

/* ---------------------------------------------------------------- mutexes */

struct wsc_mutex {
  SRWLOCK lock;
};

wsc_mutex *wsc_mutex_new(const wsc_platform *platform) {
  wsc_mutex *mutex = wsc_alloc(platform, 1, sizeof *mutex);
  if (mutex) InitializeSRWLock(&mutex->lock);
  return mutex;
}

void wsc_mutex_free(wsc_mutex *mutex, const wsc_platform *platform) {
  wsc_release(platform, mutex);
}

void wsc_mutex_lock(wsc_mutex *mutex) {
  AcquireSRWLockExclusive(&mutex->lock);
}

void wsc_mutex_unlock(wsc_mutex *mutex) {
  ReleaseSRWLockExclusive(&mutex->lock);
}

/* ---------------------------------------------------------------- wake descriptors */

/* What is waited for is a socket: this one sends itself a datagram, and takes none from others. */
static bool connect_to_itself(SOCKET fd) {
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int size = sizeof self;
  return bind(fd, (struct sockaddr *)&self, size) == 0 &&
         getsockname(fd, (struct sockaddr *)&self, &size) == 0 &&
         connect(fd, (struct sockaddr *)&self, size) == 0;
}

wsc_socket wsc_wake_open(wsc_socket *write_end, int *number) {
  *write_end = WSC_NO_SOCKET;
  wsc_socket fd = wsc_winsock_open(AF_INET, SOCK_DGRAM, number);
  if (fd == WSC_NO_SOCKET || connect_to_itself(fd)) return fd;
  *number = wsc_winsock_errno();
  closesocket(fd);
  return WSC_NO_SOCKET;
}

wsc_socket wsc_wake_share(wsc_socket fd, int *number) {
  WSAPROTOCOL_INFOW info;
  SOCKET other = INVALID_SOCKET;
  if (WSADuplicateSocketW(fd, GetCurrentProcessId(), &info) == 0)
    other = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
                       WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
  if (other == INVALID_SOCKET) *number = wsc_winsock_errno();
  return other;
}

void wsc_wake_signal(wsc_socket fd) {
  send(fd, "", 1, 0);
}

void wsc_wake_close(wsc_socket fd) {
  closesocket(fd);
}
