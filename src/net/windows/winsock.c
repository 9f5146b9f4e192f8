/* Winsock itself: its beginning, its sockets and its error numbers. */
#include "winsock.h"

#include "net/system/fault.h"

#include <errno.h>

#include <windows.h>

#include "core/hidden.h"

static BOOL CALLBACK start_winsock(INIT_ONCE *once, void *unused, void **result) {
  WSADATA data;
  (void)once, (void)unused, (void)result;
  return WSAStartup(MAKEWORD(2, 2), &data) == 0;
}

/* Once for a process, which ends it too: a thread may be in the middle of getaddrinfo for longer
 * than any object lives.  Where it fails there are no sockets, and their sentence says so. */
static void need_winsock(void) {
  static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
  InitOnceExecuteOnce(&once, start_winsock, NULL, NULL);
}

wsc_socket wsc_winsock_open(int family, int type, int *number) {
  u_long on = 1;
  need_winsock();
  SOCKET fd =
      WSASocketW(family, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
  if (fd == INVALID_SOCKET) *number = wsc_winsock_errno();
  if (fd != INVALID_SOCKET) ioctlsocket(fd, (long)FIONBIO, &on);
  return fd;
}

bool wsc_winsock_is_again(void) {
  return WSAGetLastError() == WSAEWOULDBLOCK;
}

/* ---------------------------------------------------------------- error numbers */

static const struct {
  int winsock, number;
} winsock_numbers[] = {
    {WSAECONNREFUSED, ECONNREFUSED},
    {WSAECONNRESET, ECONNRESET},
    {WSAENETRESET, ECONNRESET},
    {WSAECONNABORTED, ECONNABORTED},
    {WSAETIMEDOUT, ETIMEDOUT},
    {WSAENETUNREACH, ENETUNREACH},
    {WSAEHOSTUNREACH, EHOSTUNREACH},
    {WSAEHOSTDOWN, EHOSTUNREACH},
    {WSAENETDOWN, ENETDOWN},
    {WSAEADDRNOTAVAIL, EADDRNOTAVAIL},
    {WSAEAFNOSUPPORT, EAFNOSUPPORT},
    {WSAEPROTONOSUPPORT, EAFNOSUPPORT},
    {WSAESOCKTNOSUPPORT, EAFNOSUPPORT},
    {WSAEACCES, EACCES},
    {WSAENOBUFS, ENOBUFS},
    {WSA_NOT_ENOUGH_MEMORY, ENOMEM},
    {WSAESHUTDOWN, EPIPE},
    {WSAENOTCONN, ECONNRESET},
};

int wsc_errno_of_system(int number) {
  for (size_t i = 0; i < sizeof winsock_numbers / sizeof *winsock_numbers; i++)
    if (winsock_numbers[i].winsock == number) return winsock_numbers[i].number;
  return number;
}

int wsc_winsock_errno(void) {
  return wsc_errno_of_system(WSAGetLastError());
}
