/* Addresses of TCP and unix sockets, as text and back. */
#ifndef WSC_NET_ADDRESS_H
#define WSC_NET_ADDRESS_H

#include "inet.h"
#include "wsclose.h"

typedef struct wsc_address {
  struct sockaddr_storage storage;
  socklen_t size;
} wsc_address;

/* "192.0.2.1" or "2001:db8::1" with *port, or the path of a unix socket with port 0; "" for
 * one without a name.  text has
 * WSC_ADDRESS_TEXT bytes. */
#define WSC_ADDRESS_TEXT 112
void wsc_address_format(const wsc_address *address, char *text, int *port);

/* The same as one word group, "192.0.2.1 port 80" or a path.  text has WSC_PEER_TEXT bytes. */
#define WSC_PEER_TEXT (WSC_ADDRESS_TEXT + 16)
void wsc_address_peer(const wsc_address *address, char *text);

int wsc_address_family(const wsc_address *address); /* 4, 6, or 0 for a path */

/* A numeric address without brackets; false: it is a name. */
bool wsc_address_parse(wsc_address *address, const char *text, uint16_t port);
bool wsc_address_unix(wsc_address *address, const char *path); /* false: the path is too long */

#endif
