/* Connecting to one of several addresses: Happy Eyeballs, RFC 8305 5. */
#ifndef WSC_NET_DIAL_H
#define WSC_NET_DIAL_H

#include "net/system/pollset.h"
#include "net/system/socket.h"

#define WSC_DIAL_STAGGER_US 250000u /* RFC 8305 8: connection attempt delay */

/* What a step is told.  Nothing in here reads the clock. */
typedef struct wsc_step {
  uint64_t now_us;
  const uint8_t *ready; /* bits for the watches last asked for, in their order; NULL: unknown */
  wsc_pollset *set;     /* where those watches are registered, or NULL */
} wsc_step;

/* Frees a stream whose descriptor may be registered. */
void wsc_stream_drop(wsc_stream *stream, wsc_pollset *set); /* NULL is fine */

typedef struct wsc_dial_options {
  const char *label;       /* the host as the sentences name it: "feed.example" */
  int family;              /* 0, 4 or 6 */
  const wsc_address *bind; /* or NULL; only addresses of its family are tried */
  bool nodelay;
  const char *avoid; /* an address as text that is to be tried last, or NULL */
} wsc_dial_options;

typedef struct wsc_dial wsc_dial;

/* All is copied.  NULL: no memory.  No attempt is started yet. */
wsc_dial *wsc_dial_new(const wsc_platform *platform, const wsc_address *addresses, size_t count,
                       const wsc_dial_options *options);
void wsc_dial_free(wsc_dial *dial, wsc_pollset *set); /* NULL is fine */

/* WSC_AGAIN; WSC_OK: the winner is to be taken, the losers are closed; or the most telling of the
 * attempts' errors when all have failed. */
int wsc_dial_step(wsc_dial *dial, const wsc_step *step);

/* After WSC_OK: the connected socket, owned by the caller, and where it leads to. */
wsc_stream *wsc_dial_take(wsc_dial *dial, wsc_address *address);

uint64_t wsc_dial_deadline(const wsc_dial *dial); /* of the next attempt, or WSC_NEVER */
size_t wsc_dial_watches(const wsc_dial *dial, wsc_watch *watches);

/* One sentence part that tells what became of each address tried so far; "" when none was. */
void wsc_dial_report(const wsc_dial *dial, char *text, size_t size);

#endif
