/* Name lookup that never waits: getaddrinfo on a helper thread.
 *
 * A lookup belongs to two sides, the caller and the thread; the one that lets go last frees it.  So
 * dropping a lookup neither waits for the thread nor leaves it anything to touch that is gone: a
 * thread in the middle of getaddrinfo ends by itself, some seconds later at most, unnoticed. */
#ifndef WSC_NET_RESOLVE_H
#define WSC_NET_RESOLVE_H

#include "net/posix/socket.h"

#define WSC_LOOKUP_MAX 32 /* addresses kept of one name */

/* What the thread calls.  Fills in at most WSC_LOOKUP_MAX addresses, sets *count; returns 0, or
 * what getaddrinfo returns (an EAI_… value).  `user` must stay valid as long as the function runs,
 * which may be longer than the client lives.  Specs put slow and silent resolvers here. */
typedef int (*wsc_lookup_fn)(void *user, const char *host, uint16_t port, int family,
                             wsc_address *addresses, size_t *count);

typedef struct wsc_lookup wsc_lookup;

/* Starts to look up `host` (copied).  family: 0, 4 or 6.  function NULL: getaddrinfo.  NULL: no
 * memory, or no thread; text (size bytes) then holds a sentence. */
wsc_lookup *wsc_lookup_start(const char *host, uint16_t port, int family, wsc_lookup_fn function,
                             void *user, char *text, size_t size);

/* Lets go at once, whatever the thread does.  NULL is fine. */
void wsc_lookup_drop(wsc_lookup *lookup);

/* WSC_AGAIN while it runs; WSC_OK: *addresses (lent until the drop), *count >= 1; WSC_ERR_DNS: a
 * sentence that names host and cause goes into text. */
int wsc_lookup_result(const wsc_lookup *lookup, const wsc_address **addresses, size_t *count,
                      char *text, size_t size);

/* Turns readable when the result is there. */
int wsc_lookup_fd(const wsc_lookup *lookup);

#endif
