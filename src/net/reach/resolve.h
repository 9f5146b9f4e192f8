/* Name lookup that never waits: getaddrinfo on helper threads.
 *
 * A process has a handful of such threads at most, whatever its Lua states and clients ask for; the
 * rest queues.  Who asks what is being looked up already waits for the same answer.  Dropping a
 * lookup neither waits for a thread nor leaves it anything to touch that is gone: a question that
 * nobody waits for any more is taken out of the queue, and where a thread is in the middle of
 * getaddrinfo, that ends by itself, some seconds later at most, unnoticed. */
#ifndef WSC_NET_RESOLVE_H
#define WSC_NET_RESOLVE_H

#include "net/system/socket.h"

#define WSC_LOOKUP_MAX 32 /* addresses kept of one name */

/* What a thread calls.  Fills in at most WSC_LOOKUP_MAX addresses, sets *count; returns 0, or what
 * getaddrinfo returns (an EAI_… value).  `user` must stay valid as long as the function runs, which
 * may be longer than the client lives.  Specs put slow and silent resolvers here. */
typedef int (*wsc_lookup_fn)(void *user, const char *host, uint16_t port, int family,
                             wsc_address *addresses, size_t *count);

typedef struct wsc_question {
  const char *host;
  uint16_t port;
  int family;             /* 0, 4 or 6 */
  wsc_lookup_fn function; /* NULL: getaddrinfo */
  void *user;
} wsc_question;

typedef struct wsc_lookup wsc_lookup; /* one that waits for an answer */

/* Starts to look up, or joins who does.  The question is copied.  WSC_OK; WSC_ERR_MEMORY or
 * WSC_ERR_DNS (no thread, no descriptor): text (size bytes) then holds a sentence. */
int wsc_lookup_start(wsc_lookup **result, const wsc_platform *platform,
                     const wsc_question *question, char *text, size_t size);

/* Lets go at once, whatever the threads do.  NULL is fine. */
void wsc_lookup_drop(wsc_lookup *lookup);

/* WSC_AGAIN while it runs; WSC_OK: *addresses (lent until the drop), *count >= 1; WSC_ERR_DNS: a
 * sentence that names host and cause goes into text. */
int wsc_lookup_result(const wsc_lookup *lookup, const wsc_address **addresses, size_t *count,
                      char *text, size_t size);

/* Turns readable when the result is there. */
wsc_socket wsc_lookup_fd(const wsc_lookup *lookup);

/* For specs, while nothing is looked up: other than the usual number of threads (0: the usual one),
 * and what threads share from elsewhere than realloc (NULL), whose `resize` any thread may call. */
void wsc_lookup_tune(unsigned threads, const wsc_platform *memory);

#endif
