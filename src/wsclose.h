/* wsclose.h: the public C face of wsclose, a WebSocket client (RFC 6455, RFC 7692).
 *
 * Two parts.  `wsc_conn` is the protocol without any I/O: it is fed bytes, asked for events and
 * asked for bytes to write; it knows no socket, no clock and no Lua.  `wsc_client` drives a
 * wsc_conn over DNS, TCP, proxy and TLS without ever blocking.  `luaopen_wsclose_core` is the Lua
 * binding over both, for static linking.
 *
 * Conventions.  Functions that can fail return WSC_OK (0) or a negative `wsc_error`.  A pointer
 * argument is *copied* unless the text says that the callee *owns* or *borrows* it; a returned
 * pointer is *lent* until the next call on the same object unless the text says otherwise.  Times
 * are microseconds on a monotonic clock chosen by the caller. No object may be used from two
 * threads at once; different objects may, when they share no platform. SPDX-License-Identifier: MIT
 */
#ifndef WSCLOSE_H
#define WSCLOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Names are visible outside only in a library of wsclose alone, which is compiled with WSC_SHARED;
 * in a Lua module or a program they stay inside. */
#if defined(WSC_SHARED) && defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility push(default)
#endif

#define WSC_VERSION "0.2.0"

/* A time that never comes: "no deadline". */
#define WSC_NEVER UINT64_MAX

/* A socket as the system has them: Windows' SOCKET is wider than an int. */
#if defined(_WIN32)
typedef uintptr_t wsc_socket;
#else
typedef int wsc_socket;
#endif
#define WSC_NO_SOCKET ((wsc_socket)-1)

/* ---------------------------------------------------------------- errors */

/* The first error of a connection sticks; `wsc_error_close_code` maps it to the code that goes on
 * the wire. */
typedef enum wsc_error {
  WSC_OK = 0,
  WSC_AGAIN = -1,         /* not an error: nothing can be done until the descriptor is ready */
  WSC_ERR_PROTOCOL = -2,  /* 1002 */
  WSC_ERR_UTF8 = -3,      /* 1007 */
  WSC_ERR_TOO_BIG = -4,   /* 1009 */
  WSC_ERR_DEFLATE = -5,   /* 1002 */
  WSC_ERR_MEMORY = -6,    /* 1011 */
  WSC_ERR_HANDSHAKE = -7, /* from here on: nothing goes on the wire */
  WSC_ERR_EXTENSION = -8,
  WSC_ERR_HTTP = -9, /* the server answered, but not 101 */
  WSC_ERR_REDIRECT = -10,
  WSC_ERR_TIMEOUT = -11,
  WSC_ERR_DNS = -12,
  WSC_ERR_REFUSED = -13,
  WSC_ERR_UNREACHABLE = -14,
  WSC_ERR_RESET = -15,
  WSC_ERR_PROXY = -16,
  WSC_ERR_TLS = -17,
  WSC_ERR_PING_TIMEOUT = -18, /* 1011 is tried */
  WSC_ERR_CLOSE_TIMEOUT = -19,
  WSC_ERR_EOF = -20,
  WSC_ERR_STATE = -21, /* the call does not fit the connection's state */
  WSC_ERR_BUSY = -22,  /* the send queue is full */
  WSC_ERR_URL = -23,
  WSC_ERR_CANCELLED =
      -24, /* the program closed while connecting: 1006 without an error of its own */
  WSC_ERR_CERTIFICATE =
      -25 /* named "tls" too; a certificate or host name: 1015 that no retry mends */
} wsc_error;

/* The name that Lua programs see: "protocol", "utf8", "too_big", …  Never NULL. */
const char *wsc_error_name(int error);

/* The close code that an endpoint sends for `error`, or 0 where nothing is sent. */
unsigned wsc_error_close_code(int error);

/* Where an attempt was when it ended. */
typedef enum wsc_phase {
  WSC_PHASE_DNS,
  WSC_PHASE_TCP,
  WSC_PHASE_PROXY,
  WSC_PHASE_TLS,
  WSC_PHASE_HANDSHAKE,
  WSC_PHASE_OPEN,
  WSC_PHASE_CLOSE
} wsc_phase;

const char *wsc_phase_name(wsc_phase phase);

/* ---------------------------------------------------------------- close codes, RFC 6455 7.4 */

#define WSC_CLOSE_NORMAL              1000
#define WSC_CLOSE_GOING_AWAY          1001
#define WSC_CLOSE_PROTOCOL_ERROR      1002
#define WSC_CLOSE_NO_STATUS           1005
#define WSC_CLOSE_ABNORMAL            1006
#define WSC_CLOSE_INVALID_PAYLOAD     1007
#define WSC_CLOSE_MESSAGE_TOO_BIG     1009
#define WSC_CLOSE_MANDATORY_EXTENSION 1010
#define WSC_CLOSE_INTERNAL_ERROR      1011
#define WSC_CLOSE_TLS_HANDSHAKE       1015

/* The longest reason a Close frame can carry, in bytes: 125 less two for the code. */
#define WSC_REASON_MAX 123

/* May an endpoint put `code` into a Close frame?  1000-1003, 1007-1014, 3000-4999. */
bool wsc_close_code_sendable(unsigned code);

/* ---------------------------------------------------------------- what the core needs from outside
 */

/* A block that the connections of a platform read into by turns, so that those that lie idle hold
 * none.  Zeroed by its maker; what it holds is given back with the last connection. */
typedef struct wsc_spare {
  uint8_t *block;
  size_t users;
} wsc_spare;

/* Memory, randomness and SHA-1.  Borrowed: it must outlive every object made with it. */
typedef struct wsc_platform {
  void *user;
  /* realloc's contract, with size 0 meaning free; NULL means "no memory". */
  void *(*resize)(void *user, void *block, size_t size);
  /* Fills `bytes` with unpredictable ones (RFC 6455 10.3). */
  bool (*random)(void *user, void *bytes, size_t size);
  /* SHA-1 for Sec-WebSocket-Accept (RFC 6455 1.3); no security hangs on it. */
  bool (*sha1)(void *user, const void *data, size_t size, uint8_t digest[20]);
  /* Borrowed.  NULL: each connection has a block of its own, until it was idle for a second. */
  wsc_spare *spare;
  /* Microseconds on a clock that never goes back, for clients and loops.  NULL: the system's. */
  uint64_t (*now)(void *user);
} wsc_platform;

/* A platform of realloc and OpenSSL, with a pool of random bytes that a fork empties.  Owned by the
 * caller; NULL when there is no memory. */
wsc_platform *wsc_platform_new(void);
void wsc_platform_free(wsc_platform *platform);

/* ---------------------------------------------------------------- configuration of a connection */

typedef struct wsc_header {
  const char *name;
  const char *value;
} wsc_header;

/* One `;`-parameter of an extension.  value NULL: the parameter stands without one. */
typedef struct wsc_param {
  const char *name;
  const char *value;
} wsc_param;

/* One offer in Sec-WebSocket-Extensions (RFC 6455 9.1), in the order it is to be sent. */
typedef struct wsc_extension {
  const char *name;
  const wsc_param *params;
  size_t param_count;
  bool required;              /* missing in a valid answer: Close 1010 */
  const char *const *require; /* parameters that the answer must carry, else Close 1010 */
  size_t require_count;
} wsc_extension;

/* Tuning of permessage-deflate that is not negotiated. */
typedef struct wsc_deflate_tuning {
  int level;         /* 0-9, zlib's; -1: zlib's default */
  int mem_level;     /* 1-9; 0: 8 */
  int64_t threshold; /* messages shorter than this go uncompressed; -1: 64 with context takeover,
                        512 without */
} wsc_deflate_tuning;

/* Everything counts from 1; 0 takes the default given in wsc_config_init, which for a frame is the
 * message's. */
typedef struct wsc_limits {
  uint64_t message_size_max;  /* bytes after inflating; UINT64_MAX: none */
  uint64_t frame_size_max;    /* bytes on the wire; compressed, a sixteenth more */
  size_t fragments_max;       /* frames of one message */
  size_t header_size_max;     /* bytes of the handshake answer's head */
  size_t send_queue_size_max; /* bytes not yet taken by wsc_conn_output_done */
} wsc_limits;

typedef struct wsc_config {
  const wsc_platform *platform; /* borrowed */
  bool server;                  /* answer a handshake instead of asking for one */

  /* client: the handshake request */
  const char *url; /* ws, wss, ws+unix or wss+unix; checked with wsc_url_check */
  const wsc_header
      *headers; /* in addition to those of the handshake; checked with wsc_header_check */
  size_t header_count;
  bool absolute_target; /* request line names the whole URL; reserved for plain HTTP proxies */

  const char *const *protocols; /* client: in order of preference.  server: those it speaks.
                                   Checked with wsc_protocol_check */
  size_t protocol_count;
  bool require_protocol; /* protocols asked, none chosen: the handshake fails */

  const wsc_extension *extensions; /* client: offers.  server: names it accepts */
  size_t extension_count;
  wsc_deflate_tuning deflate;

  wsc_limits limits;
  size_t piece_size_max; /* 0: messages are given whole.  Else as they come, in WSC_EVENT_PIECEs of
                            so many bytes at most; a connection then holds no more of one */
  uint32_t handshake_timeout_ms; /* 0: none, as everywhere below */
  uint32_t drain_timeout_ms;     /* for what was sent before the Close, as long as bytes leave */
  uint32_t close_timeout_ms;     /* from when the Close has left, or from the last byte that left */
  uint32_t linger_ms;
  uint32_t ping_interval_ms;
  uint32_t ping_timeout_ms;
  bool trace;          /* give WSC_EVENT_FRAME for each frame, both ways */
  bool trace_payloads; /* and the first WSC_TRACE_PAYLOAD_MAX bytes that it carries on the wire */
} wsc_config;

/* Fills in the defaults of the contract: timeouts 5/30/5/2 s, keepalive 20/20 s, limits 16 MiB / as
 * the message / 262144 / 16 KiB / 16 MiB, require_protocol, zlib's defaults.  No extension is
 * offered until one is listed. */
void wsc_config_init(wsc_config *config, const wsc_platform *platform);

/* WSC_OK, or WSC_ERR_URL and a sentence that names the fault (static text). */
int wsc_url_check(const char *url, const char **sentence);

/* WSC_OK, or WSC_ERR_HANDSHAKE and a sentence: CR, LF, NUL or another control byte, a name that is
 * no token or that the handshake owns: Upgrade, Connection, Keep-Alive, Proxy-Connection,
 * Sec-WebSocket-*, and those that speak of a body.  Host, once at the most, stands in the place of
 * the URL's; User-Agent in that of "wsclose/VERSION". */
int wsc_header_check(const char *name, size_t name_size, const char *value, size_t value_size,
                     const char **sentence);

/* WSC_OK, or WSC_ERR_HANDSHAKE and a sentence: subprotocols are tokens, and none stands twice
 * (RFC 6455 4.1). */
int wsc_protocol_check(const char *const *protocols, size_t count, const char **sentence);

/* WSC_OK, or WSC_ERR_EXTENSION and a sentence: a name or parameter that the grammar (RFC 6455 9.1)
 * or RFC 7692 forbids in an offer. */
int wsc_extension_check(const wsc_extension *extension, const char **sentence);

/* ---------------------------------------------------------------- events and reports */

typedef enum wsc_event_type {
  WSC_EVENT_NONE,    /* feed more bytes */
  WSC_EVENT_OPEN,    /* the handshake is done */
  WSC_EVENT_MESSAGE, /* opcode 1 or 2 */
  WSC_EVENT_PIECE, /* of a message, with config.piece_size_max: the next bytes of it.  They may end
                      within a character, and are checked UTF-8 as far as they go */
  WSC_EVENT_PING,  /* already answered */
  WSC_EVENT_PONG,
  WSC_EVENT_FRAME, /* config.trace */
  WSC_EVENT_DRAIN, /* of a client: a queue that was seen full has emptied; at most once a turn */
  WSC_EVENT_CLOSE  /* the last one; wsc_conn_close_info tells all */
} wsc_event_type;

#define WSC_TRACE_PAYLOAD_MAX 1024

/* A frame as it went by. */
typedef struct wsc_frame_info {
  bool outgoing;
  bool fin, rsv1, masked;
  uint8_t opcode;
  uint64_t size;          /* payload bytes on the wire */
  const uint8_t *payload; /* unmasked; of data frames only with trace_payloads, else NULL; lent as
                             wsc_event.data is */
  size_t payload_size;    /* less than `size` where it was cut */
} wsc_frame_info;

typedef struct wsc_event {
  wsc_event_type type;
  uint8_t opcode;      /* MESSAGE, PIECE: 1 text, 2 binary */
  bool last;           /* PIECE: it ends the message; it may be empty then */
  const uint8_t *data; /* MESSAGE, PIECE, PING, PONG: lent until the next call on the connection */
  size_t size;
  uint64_t rtt_us; /* PONG that answers our latest ping, else WSC_NEVER */
  wsc_frame_info frame;
} wsc_event;

typedef enum wsc_by { WSC_BY_PEER, WSC_BY_CLIENT, WSC_BY_NETWORK } wsc_by;

typedef struct wsc_close_frame {
  bool present;
  unsigned code; /* 1005 for an empty one */
  const char *reason;
  size_t reason_size;
} wsc_close_frame;

/* Why and how a connection attempt ended.  Complete once WSC_EVENT_CLOSE was given.  Lent for the
 * connection's life. */
typedef struct wsc_close_info {
  unsigned code; /* 1000-4999; 1005, 1006 and 1015 are local */
  const char *reason;
  size_t reason_size;
  bool clean;  /* both Close frames went their way and TCP ended as it should */
  bool opened; /* WSC_EVENT_OPEN was given */
  wsc_by by;
  wsc_close_frame sent, received; /* sent: as far as known it has left */
  int error;                      /* WSC_OK or the first error */
  wsc_phase phase;                /* of the error */
  const char *error_text;         /* a sentence, or NULL */
  int proxy_status;               /* HTTP status of a proxy that opened no way, or 0 */
  size_t undelivered; /* payload bytes of messages that were taken by send and not wholly written */
  uint64_t dropped;   /* messages that had come and the program had not taken */
} wsc_close_info;

/* The handshake's answer.  `status` is 0 until its head is complete. */
typedef struct wsc_response {
  int status;
  const wsc_header *headers; /* as received, folded lines joined; repeated names stay apart */
  size_t header_count;
  const uint8_t *body; /* of a refusal, 4096 bytes at most */
  size_t body_size;
} wsc_response;

/* An extension as agreed. */
typedef struct wsc_agreed_extension {
  const char *name;
  const wsc_param *params;
  size_t param_count;
} wsc_agreed_extension;

typedef struct wsc_conn_stats {
  uint64_t bytes_in, bytes_out, frames_in, frames_out, messages_in, messages_out;
  uint64_t messages_started;        /* of messages_out: those of which a byte was written */
  uint64_t messages_written;        /* of messages_out: those of which no frame is partly written */
  uint64_t payload_in, payload_out; /* bytes of messages as the program sees them */
  uint64_t wire_in, wire_out; /* the same messages' frame payloads: what compression left of them */
  uint64_t pings_in, pongs_in;
  uint64_t rtt_us; /* latest round trip, WSC_NEVER before the first */
} wsc_conn_stats;

typedef enum wsc_state { WSC_CONNECTING, WSC_OPEN, WSC_CLOSING, WSC_CLOSED } wsc_state;

/* ---------------------------------------------------------------- the connection, without I/O */

typedef struct wsc_conn wsc_conn;

/* A connection in state CONNECTING whose handshake request waits in its output.  The config is
 * copied as far as it is still needed.  NULL: no memory, no randomness, or a URL, header,
 * subprotocol or extension that the checks above refuse. */
wsc_conn *wsc_conn_new(const wsc_config *config);
void wsc_conn_free(wsc_conn *conn); /* NULL is fine */

/* Wire side, in.  `wsc_conn_input` lends at least one byte of room; the caller writes n <= *room
 * bytes there and calls `wsc_conn_input_done`.  No other call may stand between the two.  NULL: no
 * memory (the connection has failed) or nothing is read any more. */
uint8_t *wsc_conn_input(wsc_conn *conn, size_t *room);
void wsc_conn_input_done(wsc_conn *conn, size_t n);

/* Does the connection still want bytes?  False once finished, and while it holds an event not yet
 * taken.  A failed connection goes on reading, and throws away what it reads, so that its Close is
 * not lost to a reset. */
bool wsc_conn_wants_input(const wsc_conn *conn);

/* The transport ended: in order (FIN, or TLS close_notify), or by a fault. `text` may be NULL. */
void wsc_conn_input_eof(wsc_conn *conn);
void wsc_conn_abort(wsc_conn *conn, int error, wsc_phase phase, const char *text);

/* With wsc_conn_abort, where it was a proxy that refused: the HTTP status it gave, or 0. */
void wsc_conn_note_proxy(wsc_conn *conn, int status);

/* Wire side, out.  Lends the bytes to be written, *size of them (0: none); tell how many were
 * taken. */
const uint8_t *wsc_conn_output(wsc_conn *conn, size_t *size);
void wsc_conn_output_done(wsc_conn *conn, size_t n);

/* Bytes that wait for the transport. */
size_t wsc_conn_output_size(const wsc_conn *conn);

/* The transport is to be closed now; no byte will be read or written any more. */
bool wsc_conn_finished(const wsc_conn *conn);

/* Tells the time, and that all that came until then was handed in; gives the next deadline, or
 * WSC_NEVER.  The first call starts the handshake's timer.  A deadline counts once all input is
 * parsed: WSC_EVENT_NONE was given. */
uint64_t wsc_conn_tick(wsc_conn *conn, uint64_t now_us);

/* The same deadline without telling the time; 0: a timer was asked for (by close, ping, a Close
 * that came) and starts at the next tick. */
uint64_t wsc_conn_deadline(const wsc_conn *conn);

/* Program side.  The next event; *event is filled in.  Returns event->type. */
wsc_event_type wsc_conn_next_event(wsc_conn *conn, wsc_event *event);

/* After WSC_EVENT_MESSAGE, with the event it came in: the block that the message lies in becomes
 * the caller's, who gives it back with the platform's resize.  event->data then points into it, and
 * event->data[event->size] is 0.  Nothing is copied: the connection reads on into another block.
 * NULL, and the message is lent as before: it is shorter than WSC_TAKE_MIN, shares its block with
 * too much else, or there is no memory. */
#define WSC_TAKE_MIN 16384
void *wsc_conn_take_message(wsc_conn *conn, wsc_event *event);

/* Queues a message.  opcode 1 (text, checked: WSC_ERR_UTF8) or 2.  WSC_ERR_STATE unless open;
 * WSC_ERR_BUSY when the queue would pass its limit now, WSC_ERR_TOO_BIG when the message alone
 * would (wsc_conn_send_max); WSC_ERR_MEMORY.  After an error nothing has happened, and the same
 * call may be made again. */
enum { WSC_SEND_UNCOMPRESSED = 1 };
int wsc_conn_send(wsc_conn *conn, int opcode, const void *data, size_t size, unsigned flags);

/* Bytes that the queue holds at the most: the longest message that can be sent. */
size_t wsc_conn_send_max(const wsc_conn *conn);

/* One piece of a message, as wsc_conn_send; the first names the opcode, `fin` ends it.  Messages do
 * not interleave: WSC_ERR_STATE for wsc_conn_send meanwhile.  A piece of text may end within a
 * character. */
int wsc_conn_send_fragment(wsc_conn *conn, int opcode, const void *data, size_t size, bool fin);

/* size <= 125 (asserted).  WSC_ERR_STATE unless open. */
int wsc_conn_ping(wsc_conn *conn, const void *data, size_t size);

/* Starts the closing handshake.  code 0: an empty Close frame.  `code` must be sendable, size <=
 * 123 (asserted). WSC_ERR_UTF8 for a reason that is not UTF-8.  While connecting it cancels.
 * Repeated calls do nothing. */
int wsc_conn_close(wsc_conn *conn, unsigned code, const char *reason, size_t size);

wsc_state wsc_conn_state(const wsc_conn *conn);
const wsc_close_info *wsc_conn_close_info(const wsc_conn *conn);
const wsc_response *wsc_conn_response(const wsc_conn *conn);
const char *wsc_conn_protocol(const wsc_conn *conn); /* the subprotocol, or NULL */
const wsc_agreed_extension *wsc_conn_extensions(const wsc_conn *conn, size_t *count);
const wsc_conn_stats *wsc_conn_get_stats(const wsc_conn *conn);

/* ---------------------------------------------------------------- the client: a connection over
 * the network */

typedef struct wsc_resolve_entry {
  const char *host;             /* compared without case */
  const char *const *addresses; /* numeric, IPv4 or IPv6 without brackets */
  size_t address_count;
} wsc_resolve_entry;

/* Clients whose wsc_tls_config is the same, down to the files it names, share what is made of it:
 * certificate authorities, certificate and key.  It holds nothing longer than one of them does. */
typedef struct wsc_tls_cache wsc_tls_cache;

/* NULL: no memory, or a build without TLS. */
wsc_tls_cache *wsc_tls_cache_new(const wsc_platform *platform);

/* NULL is fine.  To be called after the clients that use it are freed. */
void wsc_tls_cache_free(wsc_tls_cache *cache);

typedef struct wsc_tls_config {
  bool verify;
  const char *ca_file, *ca_path; /* NULL with ca NULL: the system's, SSL_CERT_FILE, SSL_CERT_DIR */
  const char *ca;                /* PEM text */
  const char *cert, *key;        /* files, or PEM text */
  const char *password;          /* of the key */
  const char *server_name;       /* SNI and the name checked; NULL: the URL's host */
  const char *ciphers;       /* OpenSSL's list, TLS 1.2; names that begin with TLS_ go to TLS 1.3 */
  const char *groups;        /* OpenSSL's list of groups for the key exchange; NULL: its own */
  int min_version;           /* 12 or 13; 0: 12 */
  const uint8_t (*pins)[32]; /* SHA-256 of SubjectPublicKeyInfo; one of them must match */
  size_t pin_count;
  const char *alpn; /* NULL: http/1.1; "": none */
  const char *keylog_file;
  size_t session_cache_size; /* sessions kept for resumption; 0: none */
  wsc_tls_cache *cache;      /* borrowed; NULL: what is made of this belongs to the client alone */
} wsc_tls_config;

typedef struct wsc_client_config {
  wsc_config conn;             /* conn.url is where to */
  uint32_t connect_timeout_ms; /* all phases until open */
  uint32_t dns_timeout_ms;
  uint32_t tls_timeout_ms;
  int family;       /* 0, 4 or 6 */
  const char *bind; /* numeric local address, or NULL */
  bool nodelay;
  const wsc_resolve_entry *resolve;
  size_t resolve_count;
  bool other_address; /* after 1013: try another address of the host than the last one first */
  wsc_socket socket;  /* connected, a stream, in the place of name, TCP and proxy; WSC_NO_SOCKET:
                         none.  It is wsc_client_start's from the call on, whatever that gives */
  const char *proxy;  /* URL; "": none; NULL: as the environment says */
  const wsc_header *proxy_headers; /* for CONNECT, checked as conn.headers; Host is refused */
  size_t proxy_header_count;
  wsc_tls_config tls;
} wsc_client_config;

/* wsc_config_init, and connect/dns/tls timeouts 10/5/5 s, nodelay, verify. */
void wsc_client_config_init(wsc_client_config *config, const wsc_platform *platform);

/* WSC_OK or a sentence that names the fault in `proxy` (static text). */
int wsc_proxy_check(const char *proxy, const char **sentence);

typedef struct wsc_client wsc_client;

/* A client with no attempt under way.  One client makes many attempts, one after the other; what
 * lasts between them (the polled descriptor, TLS sessions, the last address) lives here. */
wsc_client *wsc_client_new(const wsc_platform *platform);

/* Drops everything at once; nothing is sent (see wsc_client_leave).  Safe at any moment, also while
 * a name is being looked up. */
void wsc_client_free(wsc_client *client);

/* Reads now what an attempt would read at its start: the certificate authorities that `config`
 * names, or the system's, which may be hundreds, and the client's certificate.  Attempts with the
 * same settings then find it, as long as the files stay as they are.  Touches no network.  What
 * cannot be read is for the attempt to tell; while one is on its way to the server nothing is done.
 * Not needed, but by programs that a wait of some 20 ms would hurt later.  Takes no socket
 * (asserted).
 */
void wsc_client_prepare(wsc_client *client, const wsc_client_config *config);

/* What one turn of wsc_client_next gives at the most: messages, and the time that it takes from its
 * first event on (in a turn that does not wait, from its start); 0: any.  What is left comes with
 * the next turn.  Within a limit of time a turn reads on while there is more. */
void wsc_client_limit_turn(wsc_client *client, uint32_t messages, uint32_t time_us);

/* Begins an attempt: the previous connection object is freed.  Never waits.  Faults of name,
 * network and peer come as WSC_EVENT_CLOSE of wsc_client_conn; returned are WSC_ERR_MEMORY and
 * WSC_ERR_URL (*sentence, static) only. */
int wsc_client_start(wsc_client *client, const wsc_client_config *config, const char **sentence);

/* The connection of the current attempt, for events, send, ping and close; NULL before the first.
 * Lent until the next wsc_client_start or wsc_client_free. */
wsc_conn *wsc_client_conn(wsc_client *client);

/* The next thing that happened, waiting at most timeout_us for it (WSC_NEVER: for ever).
 *
 * Its calls make turns: first the events that are there; then what the program has queued meanwhile
 * is written, in one go; then one step is made, which waits where there was no event; then its
 * events; then WSC_EVENT_NONE, and the next call begins another turn.  So a turn ends whatever the
 * peer sends, and `while (wsc_client_next(client, 0, &event) != WSC_EVENT_NONE)` never waits and
 * always comes back.  A signal ends the wait early, so that its handler's wishes are looked at. */
wsc_event_type wsc_client_next(wsc_client *client, uint64_t timeout_us, wsc_event *event);

/* Writes what the program queued; outside of a turn sends leave with this, or with the next turn.
 * Writing may bring the end: it is then among the next events. */
void wsc_client_flush(wsc_client *client);

/* WSC_EVENT_DRAIN is to be given once what waits now has left.  So it is without this call where a
 * send was refused with WSC_ERR_BUSY, and where more than 64 KiB wait. */
void wsc_client_watch_drain(wsc_client *client);

/* It is given already when no more than `size` bytes wait (0). */
void wsc_client_drain_at(wsc_client *client, size_t size);

/* Stops or resumes reading. */
void wsc_client_pause(wsc_client *client, bool paused);

/* The next moment at which there is work though no descriptor is ready; 0: at once; WSC_NEVER:
 * none. */
uint64_t wsc_client_deadline(const wsc_client *client);

/* Waits until the client has work or timeout_us passed (WSC_NEVER: for ever).  True: it has; false
 * also after a signal.  Many clients wait in a wsc_loop. */
bool wsc_client_wait(wsc_client *client, uint64_t timeout_us);

/* A descriptor that turns readable when the client has work, the same for the client's whole life;
 * -1 where the system has neither epoll nor kqueue, as Windows.  Made at the first call. */
int wsc_client_pollfd(wsc_client *client);

/* Says goodbye without waiting and ends the attempt: reads what has come, then an open connection
 * is told Close 1001 in one write.  WSC_EVENT_CLOSE follows: its report says what was exchanged and
 * what has left.  A forked child leaves its parent's connection alone.  NULL is not passed. */
void wsc_client_leave(wsc_client *client);

typedef struct wsc_client_info {
  const char *address; /* peer as "192.0.2.1" or "2001:db8::1", or a path; NULL before connected */
  int port;
  int family;              /* 4, 6, or 0 for a path */
  wsc_phase phase;         /* where the attempt is, or where it ended */
  const char *tls_version; /* NULL without TLS */
  const char *tls_cipher;
  bool tls_resumed;
  const char *tls_group; /* of the key exchange, "x25519"; NULL also with OpenSSL before 3.0 */
} wsc_client_info;

void wsc_client_get_info(const wsc_client *client, wsc_client_info *info);

/* The server's certificate as lines of text: its subject (RFC 2253), then each host name and
 * address it is for; and its last second, counted from 1970.  Returns the size the text has without
 * its NUL, which as with snprintf may be more than there was room for; 0: no certificate. */
size_t wsc_client_certificate(const wsc_client *client, char *text, size_t size,
                              int64_t *not_after);

/* Monotonic now. */
uint64_t wsc_clock_now_us(void);

/* ---------------------------------------------------------------- many clients, one wait */

/* A loop over clients whose cost follows those that have work, not those that there are: epoll or
 * kqueue, and poll where a system has neither.  A round:
 *
 *     for (int left = wsc_loop_wait(loop, WSC_NEVER); left > 0; left--) {
 *       if (!wsc_loop_next(loop, &client, &user)) break;
 *       while (wsc_client_next(client, 0, &event) != WSC_EVENT_NONE) …
 *     }
 *
 * In between all else may be done to all clients, those of the loop included: what a client is due
 * for is looked at when the next wait begins.  Only what wsc_conn_send, _ping and _close queue
 * outside of a client's turn has to be followed by a wsc_client_flush. */
typedef struct wsc_loop wsc_loop;

wsc_loop *wsc_loop_new(const wsc_platform *platform); /* NULL: no memory */
void wsc_loop_free(wsc_loop *loop); /* the clients go on without it; NULL is fine */

/* Puts a client into the loop; it may be in several.  `user` comes back from wsc_loop_next; adding
 * again changes it.  WSC_ERR_MEMORY: it is not in. */
int wsc_loop_add(wsc_loop *loop, wsc_client *client, void *user);
void wsc_loop_remove(wsc_loop *loop, wsc_client *client);
size_t wsc_loop_count(const wsc_loop *loop);

/* Besides what it is due for itself, the client is given out at `at_us`, once, for what the program
 * wants to do then: its next attempt, say.  0: at once; WSC_NEVER: no more. */
void wsc_loop_alarm(wsc_loop *loop, wsc_client *client, uint64_t at_us);

/* Waits until a client has work, an alarm rings, or timeout_us passed; not at all while there are
 * clients that wsc_loop_next has not given out.  Returns how many there are.  A signal ends the
 * wait early. */
int wsc_loop_wait(wsc_loop *loop, uint64_t timeout_us);

/* The next client with work, those that waited longest first; false: none is left.  One that was
 * freed since it was added comes once more, with *client NULL, and is out of the loop. */
bool wsc_loop_next(wsc_loop *loop, wsc_client **client, void **user);

/* For a loop around this one: a descriptor that turns readable when a client has work, -1 where the
 * system has none; and the moment at which a wait would end all the same, 0: at once. */
int wsc_loop_pollfd(wsc_loop *loop);
uint64_t wsc_loop_deadline(wsc_loop *loop);

/* ---------------------------------------------------------------- Lua */

struct lua_State;

/* require "wsclose.core" for a statically linked module. */
int luaopen_wsclose_core(struct lua_State *L);

#if defined(WSC_SHARED) && defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif
#endif
