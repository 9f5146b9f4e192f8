/* What the files of this folder share. */
#ifndef WSC_NET_WINSOCK_H
#define WSC_NET_WINSOCK_H

#include "net/system/inet.h"
#include "wsclose.h"

/* A socket that no started program inherits, whose calls do not wait; WSC_NO_SOCKET: none, and
 * *number, of errno, says why. */
wsc_socket wsc_winsock_open(int family, int type, int *number);

/* What the latest call of this thread failed with: of errno, where that has one. */
int wsc_winsock_errno(void);

/* The same for a number of Winsock's. */
int wsc_winsock_to_errno(int number);

/* A call that gives WSAEWOULDBLOCK is to be made again. */
bool wsc_winsock_is_again(void);

#endif
