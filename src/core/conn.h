/* Inside of wsc_conn.  Four files share it, each with one idea:
 *   conn.c        making, wire side out, sending
 *   conn_input.c  bytes in: the handshake's answer and frames become events
 *   conn_close.c  how a connection ends, and the report of it
 *   conn_tick.c   time: deadlines and keepalive
 *
 * The life of a connection (client; a server differs only in the handshake and in closing first):
 *
 *   CONNECTING --101--> OPEN --Close sent or received, or failed--> CLOSING --> CLOSED
 *        |                                                             ^           ^
 *        |--101 without a required extension: Close 1010---------------+           |
 *        +--refused, cancelled, timed out, transport lost--------------------------+
 *
 * Every way to the end passes through `wsc_conn_finish`, once. */
#ifndef WSC_CORE_CONN_H
#define WSC_CORE_CONN_H

#include "buf.h"
#include "codes.h"
#include "handshake.h"
#include "message.h"
#include "send_queue.h"

/* A moment, or one of these.  A deadline that is asked for between two ticks starts at the next
 * one: only tick knows the time. */
typedef uint64_t wsc_timer;
#define WSC_TIMER_WANTED 0
#define WSC_TIMER_OFF    WSC_NEVER

/* What is done with frames that come in; each takes less than the one before. */
typedef enum wsc_reading {
  WSC_READ_ALL,       /* messages, pings, all */
  WSC_READ_NO_PONG,   /* after our Close: messages are delivered, pings not answered */
  WSC_READ_FOR_CLOSE, /* after Close 1010: only the peer's Close counts */
  WSC_READ_NOTHING    /* after the peer's Close, or failed: all is thrown away until the end */
} wsc_reading;

/* What wsc_conn_next_event gives as WSC_EVENT_FRAME. */
typedef struct wsc_trace {
  wsc_buf records; /* wsc_frame_info and payload, one after the other */
  size_t lent;
} wsc_trace;

/* As wsc_conn_new, with config->url already taken apart; NULL: that is done here. */
wsc_conn *wsc_conn_new_to(const wsc_config *config, const wsc_uri *uri);

/* Connections are many and most lie idle: what only some need stands behind a pointer, what is not
 * needed at the same time shares its place, and what is narrow stands together: each bool between
 * two pointers would take as much as one. */
struct wsc_conn {
  const wsc_platform *platform;
  wsc_limits limits;
  uint32_t handshake_timeout_ms, close_timeout_ms, linger_ms, ping_interval_ms, ping_timeout_ms;

  /* state */
  wsc_state state;
  wsc_reading reading;

  /* wire side */
  wsc_buf input;
  size_t lent; /* bytes of input that the last event lends */
  wsc_queue queue;
  wsc_message message;
  wsc_trace *trace; /* owned; NULL: frames are not traced */

  /* handshake and what it agreed on */
  wsc_handshake *handshake;
  wsc_response response;        /* its headers: owned, one block with their text */
  wsc_agreed_extension *agreed; /* owned, one block with all they point to */
  size_t agreed_count;
  const char *protocol; /* within the response's headers; a server's own copy */
  wsc_deflate *deflate;

  uint8_t *pong; /* owned: room for the payload of the pending pong, made by the first ping */
  uint64_t now_us;

  /* the end */
  int error, end_error;
  wsc_phase error_phase, end_phase;
  char *error_text, *end_text;         /* owned */
  char *sent_reason, *received_reason; /* owned */
  uint8_t sent_reason_size, received_reason_size;
  uint16_t sent_code, received_code, fail_code;
  int proxy_status;

  /* what is narrow: of the state */
  bool server, paused;
  bool parsed;      /* all input was turned into events; more is welcome */
  bool input_ended; /* the transport gives nothing more; end_error says how it ended */
  bool finished;
  bool close_given; /* WSC_EVENT_CLOSE was taken */
  /* of the wire side */
  bool body_chunked;
  bool refused; /* the head of a refusal came; its body is being read */
  bool in_frame, frame_traced;
  bool message_lent; /* the last event lends message.body */
  /* of sending */
  bool fragmenting, fragment_written, fragment_compressed;
  uint8_t fragment_opcode;
  wsc_utf8_state fragment_utf8;
  bool pong_pending;
  uint8_t pong_size;
  /* of time */
  bool heard, moved;      /* bytes came in; bytes went either way since the last tick */
  bool expiry_due;        /* a tick waits for the input to be parsed before it judges deadlines */
  bool ping_unsent_clock; /* the latest ping's time is set at the next tick */
  bool ping_waits;        /* the latest ping is not answered */
  /* of the end */
  bool close_sent, close_received, we_began, opened;

  wsc_conn_stats stats;
  union {
    struct { /* until finished */
      wsc_timer handshake_timer, close_timer, linger_timer, ping_timer, pong_timer, idle_timer;
      uint64_t deadline_us; /* the earliest of them; 0: there is one to be set */
      uint64_t ping_sent_us, ping_print;
      union {
        struct {               /* while connecting, and for a refusal's body */
          size_t head_scanned; /* of the handshake's head */
          size_t heads_size;   /* of those that were read: interim answers count */
          size_t body_left;    /* of a refusal's body, SIZE_MAX: unknown */
        };
        struct { /* from then on: the frame being read */
          wsc_frame frame;
          uint64_t frame_left;  /* payload bytes not yet taken out of the input */
          size_t frame_checked; /* of those: already unmasked and checked in a frame that will be
                                   lent */
        };
      };
    };
    wsc_close_info info; /* finished */
  };
};

/* conn.c */
int wsc_conn_queue_frame(wsc_conn *conn, const wsc_frame *frame, const void *payload);
void wsc_conn_trace(wsc_conn *conn, bool outgoing, const wsc_frame *frame, const void *payload);
/* A ping is to be answered.  False: no memory to keep its payload. */
bool wsc_conn_keep_ping(wsc_conn *conn, const uint8_t *payload, size_t size);
void wsc_conn_flush_pong(wsc_conn *conn);

/* conn_close.c */

/* The first error sticks (RFC 6455 7.1.7): what waits is dropped, a Close goes out if the handshake
 * is done, and nothing more is read.  `text` is copied. */
void wsc_conn_fail(wsc_conn *conn, int error, wsc_phase phase, const char *text);

/* Records the first error without doing anything about it. */
void wsc_conn_set_error(wsc_conn *conn, int error, wsc_phase phase, const char *text);

/* The transport has ended and what it brought has been read. */
void wsc_conn_end(wsc_conn *conn);

void wsc_conn_got_close(wsc_conn *conn, const uint8_t *payload, size_t size);
void wsc_conn_mandatory(wsc_conn *conn, const char *missing);

/* Server: the refusal waits in the output; the connection ends when it is written. */
void wsc_conn_refuse(wsc_conn *conn, const char *text);
bool wsc_conn_queue_close(wsc_conn *conn, unsigned code, const char *reason, size_t size);

/* Closes are exchanged and written: a server ends, a client lingers. */
void wsc_conn_settle(wsc_conn *conn);
void wsc_conn_finish(wsc_conn *conn);

/* conn_tick.c */

/* From the next tick on. */
void wsc_conn_start_timer(wsc_conn *conn, wsc_timer *timer);

/* Judges the deadlines by the latest tick's time. */
void wsc_conn_expire(wsc_conn *conn);
void wsc_conn_got_pong(wsc_conn *conn, const uint8_t *payload, size_t size, uint64_t *rtt_us);
void wsc_conn_note_ping(wsc_conn *conn, const uint8_t *payload, size_t size);

#endif
