/* Inside of wsc_client: what client.c, turn.c and transfer.c share.
 *
 *   client.c    making, starting an attempt, its end, what foreign loops ask for
 *   turn.c      wsc_client_next: when to read, to write, to wait, to give events
 *   transfer.c  bytes between the stream and the connection
 *
 * An attempt is in one of three conditions: `setup` leads the way to the server; then `stream`
 * carries bytes; then neither is there and the connection object only tells how it ended. */
#ifndef WSC_NET_CLIENT_H
#define WSC_NET_CLIENT_H

#include "core/conn.h"
#include "net/system/clock.h"
#include "net/reach/setup.h"

/* Where a turn stands: see turn.c. */
typedef enum wsc_turn {
  WSC_TURN_OVER,    /* none is under way */
  WSC_TURN_BEGUN,   /* the events that are there are given; then its step is made */
  WSC_TURN_STEPPED, /* the step was made, and the events that it brought are given */
  WSC_TURN_DRAINED  /* WSC_EVENT_DRAIN was given: the last of them */
} wsc_turn;

/* What is known of reading from the stream. */
typedef enum wsc_readable {
  WSC_READABLE_MAYBE, /* a read tells */
  WSC_READABLE_QUIET, /* the latest read found nothing */
  WSC_READABLE_MORE,  /* the latest read left more */
  WSC_READABLE_ENDED  /* nothing more can come */
} wsc_readable;

/* When the time to close is up, the peer's Close is looked for behind what else lies here, in so
 * many bytes: more than a kernel holds for a connection. */
#define WSC_HURRY_MAX (8u << 20)

struct wsc_client {
  const wsc_platform *platform; /* borrowed */
  wsc_conn *conn;               /* owned; NULL before the first attempt */
  wsc_setup *setup;             /* owned; until the stream is open */
  wsc_stream *stream;           /* owned; from then until the transport is closed */
  wsc_pollset *set;             /* chain: the one of wsc_client_pollfd, owned, and its loops' */
  struct wsc_member *members;   /* loop.h: its places in loops */

  /* lasts over attempts */
  wsc_tls_context *tls, *proxy_tls; /* owned */
  wsc_lookup_fn lookup;             /* NULL: getaddrinfo */
  void *lookup_user;
  char *address;          /* owned; of the latest peer, NULL before there was one */
  uint32_t turn_messages; /* at most, for a turn; 0: any number */
  uint32_t turn_time_us;  /* as turn_messages */
  size_t drained_size;    /* with so much waiting a queue counts as empty */

  /* of the attempt */
  int pid;         /* the process that made it */
  int write_error; /* a write failed; what the peer had sent before is still read, then told */
  uint64_t now_us; /* the time as it was read last */

  /* of the turn */
  uint64_t turn_until_us;  /* its step waits until then, at most */
  uint64_t turn_end_us;    /* when its time is used up; WSC_NEVER: it has none, or waits yet */
  uint32_t messages_given; /* by it */
  uint32_t hurried;        /* bytes read since the time to close was up */
  uint32_t unsent;         /* wsc_stream_unsent, after the latest write that waits for an answer */

  /* what is narrow stands together: clients are many */
  uint16_t port;        /* of the latest peer, as family */
  uint8_t family;       /* 4, 6, or 0 */
  uint8_t phase;        /* wsc_phase, of the setup */
  uint8_t turn;         /* wsc_turn */
  uint8_t readable;     /* wsc_readable */
  bool paused;          /* lasts over attempts */
  bool address_current; /* `address` is this attempt's peer */
  bool tls_on_top;      /* the stream's top is TLS to the server */
  bool broken;          /* the transport failed and the connection was told */
  bool blocked;         /* the latest write was not taken whole */
  bool ready_known;     /* `ready` tells what the latest wait found, and holds for one step */
  uint8_t ready[WSC_WATCH_MAX];
};

/* client.c */

/* The attempt needs its transport no more: the connection has ended, or was told of its fault. */
static inline bool wsc_client_is_over(const wsc_client *client) {
  return client->broken || wsc_conn_is_closed(client->conn);
}

/* Does a pause hold events back? */
static inline bool wsc_client_holds(const wsc_client *client) {
  return client->paused && wsc_conn_state(client->conn) == WSC_OPEN;
}

/* After anything that was done to the attempt: lets go of a transport that is over, else has loops
 * and pollsets know what is waited for. */
void wsc_client_settle(wsc_client *client);

/* Goes on with the way to the server. */
void wsc_client_go_on_setup(wsc_client *client);

size_t wsc_client_watches(const wsc_client *client, wsc_watch *watches);
void wsc_client_register(wsc_client *client); /* brings the pollsets up to date */

/* turn.c */

/* Reads the clock. */
uint64_t wsc_client_now(wsc_client *client);

/* transfer.c; client->stream is there */

/* Reads once, or waits for bytes with `waits` (wsc_stream_can_wait) and reads.  True: there was a
 * look at what has come; false: nothing more is to be read for now. */
bool wsc_client_read(wsc_client *client, bool waits);
void wsc_client_write(wsc_client *client);
bool wsc_client_reads(const wsc_client *client);     /* is the connection to be fed? */
unsigned wsc_client_wants(const wsc_client *client); /* from the descriptor */

/* For specs: looks names up with `function` (resolve.h) from the next attempt on. */
void wsc_client_set_lookup(wsc_client *client, wsc_lookup_fn function, void *user);

#endif
