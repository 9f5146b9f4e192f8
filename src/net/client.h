/* Inside of wsc_client: what client.c, prepare.c, transfer.c and wait.c share.
 *
 *   client.c    making, starting an attempt, stepping, the deadline, the end
 *   prepare.c   what TLS needs, before an attempt
 *   transfer.c  bytes between the stream and the connection
 *   wait.c      waiting for one or many clients, the descriptor for foreign loops
 *
 * An attempt is in one of three conditions: `setup` leads the way to the server; then `stream`
 * carries bytes; then neither is there and the connection object only tells how it ended. */
#ifndef WSC_NET_CLIENT_H
#define WSC_NET_CLIENT_H

#include "net/reach/setup.h"

#include <sys/types.h>

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
  char *address; /* owned; of the latest peer, NULL before there was one */
  int port, family;

  /* of the attempt */
  pid_t pid; /* the process that made it */
  uint32_t connect_timeout_ms;
  uint64_t now_us; /* the latest time told */
  uint64_t connect_at_us;
  wsc_phase phase; /* of the setup */
  int write_error; /* a write failed; what the peer had sent before is still read, then told */

  /* what is narrow stands together: clients are many */
  bool paused;          /* lasts over attempts */
  bool address_current; /* `address` is this attempt's peer */
  bool tls_on_top;      /* the stream's top is TLS to the server */

  /* of the stream */
  bool eof;        /* nothing more can be read */
  bool broken;     /* the transport failed and the connection was told */
  bool blocked;    /* the latest write was not taken whole */
  bool quiet;      /* the latest read found nothing */
  bool overdue;    /* the handshake's deadline passed while bytes were coming in */
  bool read_ahead; /* the latest wait has read; more_ahead: and there is more */
  bool more_ahead;

  /* what the latest wait found, valid for one step */
  bool ready_known;
  uint8_t ready[WSC_WATCH_MAX];
};

/* prepare.c.  Brings the client's contexts up to date, those that `setup` will need.  False:
 * `fault` says why not. */
bool wsc_client_renew_tls(wsc_client *client, const wsc_setup *setup, const wsc_tls_config *config,
                          char *fault, size_t size);

/* transfer.c; client->stream is there */
bool wsc_client_read(wsc_client *client);      /* true: more can be read at once */
bool wsc_client_read_wait(wsc_client *client); /* waits a little for bytes; false: it cannot */
void wsc_client_write(wsc_client *client);
bool wsc_client_reads(const wsc_client *client);     /* is the connection to be fed? */
unsigned wsc_client_wants(const wsc_client *client); /* from the descriptor */

/* The transport failed: the connection is told, in the phase it is in. */
void wsc_client_abort_stream(wsc_client *client, int error, const char *text);

/* wait.c */
size_t wsc_client_watches(const wsc_client *client, wsc_watch *watches);
void wsc_client_register(wsc_client *client); /* brings the pollsets up to date */
int wsc_poll_for(struct pollfd *entries, size_t count, uint64_t timeout_us);
struct pollfd wsc_poll_entry(const wsc_watch *watch);

/* For specs: looks names up with `function` (resolve.h) from the next attempt on. */
void wsc_client_set_lookup(wsc_client *client, wsc_lookup_fn function, void *user);

#endif
