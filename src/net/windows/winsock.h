/* What the files of this folder share. */
#ifndef WSC_NET_WINSOCK_H
#define WSC_NET_WINSOCK_H

#include "net/system/inet.h"
#include "wsclose.h"

/* A socket that no started program inherits, whose calls do not wait; WSC_NO_SOCKET: none, and
 * *number, of errno, says why. */
wsc_socket wsc_winsock_open(int family, int type, int *number);

/* What the latest call of this thread failed with, as wsc_errno_of_system has it. */
int wsc_winsock_errno(void);

/* A call that gives WSAEWOULDBLOCK is to be made again. */
bool wsc_winsock_is_again(void);

#endif
