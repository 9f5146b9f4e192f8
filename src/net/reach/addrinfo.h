/* Names as the system knows them. */
#ifndef WSC_NET_ADDRINFO_H
#define WSC_NET_ADDRINFO_H

#include "resolve.h"

/* A wsc_lookup_fn that calls getaddrinfo, which waits; `user` is not used. */
int wsc_addrinfo_find(void *user, const char *host, uint16_t port, int family,
                      wsc_address *addresses, size_t *count);

#endif
