/* The system's own headers of sockets, addresses, poll: for what is the same with all of them. */
#ifndef WSC_NET_INET_H
#define WSC_NET_INET_H

#if defined(_WIN32)
#include <winsock2.h>
#include <ws2tcpip.h>

#include <afunix.h>
#include <iphlpapi.h>
#else
#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#endif

#endif
