/* getaddrinfo: see addrinfo.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* EAI_NODATA, EAI_ADDRFAMILY */
#endif
#include "addrinfo.h"

#include <stdio.h>
#include <string.h>

#include "core/hidden.h"

static int ask_system(const char *host, uint16_t port, int family, int flags,
                      struct addrinfo **list) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
  char service[8];
  snprintf(service, sizeof service, "%u", (unsigned)port);
  if (family != 0) hints.ai_family = family == 4 ? AF_INET : AF_INET6;
  return getaddrinfo(host, service, &hints, list);
}

static size_t keep_addresses(const struct addrinfo *list, wsc_address *addresses) {
  size_t count = 0;
  for (; list && count < WSC_LOOKUP_MAX; list = list->ai_next) {
    if (list->ai_family != AF_INET && list->ai_family != AF_INET6) continue;
    wsc_address *address = &addresses[count++];
    memcpy(&address->storage, list->ai_addr, list->ai_addrlen);
    address->size = (socklen_t)list->ai_addrlen;
  }
  return count;
}

static bool is_no(int code) {
#ifdef EAI_NODATA
  if (code == EAI_NODATA) return true;
#endif
#ifdef EAI_ADDRFAMILY
  if (code == EAI_ADDRFAMILY) return true;
#endif
  return code == EAI_NONAME;
}

/* AI_ADDRCONFIG spares a machine without IPv6 the questions about it; but it also hides names that
 * lead to the machine itself, so that a "no" is asked again without it. */
int wsc_addrinfo_find(void *user, const char *host, uint16_t port, int family,
                      wsc_address *addresses, size_t *count) {
  struct addrinfo *list = NULL;
  int careful = family == 0 ? AI_ADDRCONFIG : 0;
  (void)user;
  int code = ask_system(host, port, family, careful, &list);
  if (careful && is_no(code)) code = ask_system(host, port, family, 0, &list);
  if (code != 0) return code;
  *count = keep_addresses(list, addresses);
  freeaddrinfo(list);
  return 0;
}
