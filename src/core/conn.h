/* Inside of wsc_conn.  Five files share it, each with one idea:
 *   conn.c        making, wire side out, sending
 *   conn_open.c   bytes in: the handshake's answer
 *   conn_input.c  bytes in: frames become events
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

/* A moment, or one of these.  A timer that is wanted starts when the time is told next: the
 * connection has no clock. */
typedef uint64_t wsc_timer;
#define WSC_TIMER_WANTED 0
#define WSC_TIMER_OFF    WSC_NEVER

/* What is done with what comes in; from WSC_READ_ALL on each takes less than the one before. */
typedef enum wsc_reading {
  WSC_READ_HEAD,      /* the handshake */
  WSC_READ_BODY,      /* of a refusal, whose head has come */
  WSC_READ_ALL,       /* messages, pings, all */
  WSC_READ_NO_PONG,   /* after our Close: messages are delivered, pings not answered */
  WSC_READ_FOR_CLOSE, /* only the peer's Close counts: after Close 1010, and once the time to close
                         is up; messages are passed over and counted */
  WSC_READ_NOTHING,   /* after the peer's Close, or failed: all is thrown away until the end */
  WSC_READ_TOLD       /* the same, and WSC_EVENT_CLOSE was taken */
} wsc_reading;

/* Where the input stands within a frame. */
typedef enum wsc_frame_part {
  WSC_PART_HEAD,  /* none is begun */
  WSC_PART_TRACE, /* its head was read, and is to be traced */
  WSC_PART_PAYLOAD
} wsc_frame_part;

/* A message that the program sends in pieces. */
typedef enum wsc_sending {
  WSC_SEND_WHOLE, /* there is none */
  WSC_SEND_BEGUN, /* nothing of it was queued */
  WSC_SEND_CONTINUED
} wsc_sending;

/* What wsc_conn_next_event gives as WSC_EVENT_FRAME. */
typedef struct wsc_trace {
  wsc_buf records; /* wsc_frame_info and payload, one after the other */
  size_t lent;
  bool payloads; /* of data frames too */
} wsc_trace;

/* The answer to the latest ping, where there was no place for it in the queue. */
typedef struct wsc_late_pong {
  uint8_t size;
  uint8_t payload[WSC_CONTROL_PAYLOAD_MAX];
} wsc_late_pong;

/* As wsc_conn_new, with config->url already taken apart; NULL: that is done here. */
wsc_conn *wsc_conn_new_to(const wsc_config *config, const wsc_uri *uri);

/* Connections are many and most lie idle: what only some need stands behind a pointer, what is not
 * needed at the same time shares its place, and what is narrow stands together: each bool between
 * two pointers would take as much as one. */
struct wsc_conn {
  const wsc_platform *platform;
  wsc_limits limits;
  uint32_t handshake_timeout_ms, drain_timeout_ms, close_timeout_ms, linger_ms, ping_interval_ms,
      ping_timeout_ms;

  /* state */
  uint8_t state;   /* wsc_state */
  uint8_t reading; /* wsc_reading */

  /* the end; more below */
  uint8_t error_phase, end_phase; /* wsc_phase */
  int16_t error;
  int16_t end_error; /* how the input ended: WSC_AGAIN: not yet; WSC_OK: in order; else a fault */

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

  wsc_late_pong *late_pong; /* owned; NULL: every ping that was read has its pong in the queue */

  /* time */
  uint64_t now_us;    /* as it was told last */
  uint64_t looked_us; /* all that came before was handed in; parsed too where `parsed` is set */

  /* the end */
  char *error_text, *end_text;         /* owned */
  char *sent_reason, *received_reason; /* owned */
  uint64_t dropped;                    /* messages that were passed over */
  int32_t received_code;               /* of the peer's Close frame; -1: there was none */
  uint16_t sent_code;                  /* of ours; 0: there is none */
  uint16_t fail_code;                  /* of our Close, where it is what the attempt ended with */
  uint16_t proxy_status;
  uint8_t sent_reason_size, received_reason_size;

  /* what is narrow */
  bool server;
  bool parsed;        /* all input was turned into events; more is welcome */
  bool we_began;      /* the closing */
  bool opened;        /* WSC_EVENT_OPEN was given */
  bool drain_wanted;  /* the client is to tell when the queue is empty */
  uint8_t frame_part; /* wsc_frame_part */
  uint8_t sending;    /* wsc_sending; of that message: */
  uint8_t fragment_opcode;
  wsc_utf8_state fragment_utf8;
  uint32_t taken; /* size of the latest message, as far as one read goes, where the program wanted
                     to take its block; else 0 */

  wsc_conn_stats stats;
  union {
    struct { /* until closed */
      wsc_timer handshake_timer, drain_timer, close_timer, linger_timer, ping_timer, pong_timer,
          idle_timer;
      uint64_t deadline_us;  /* the earliest of them; 0: there is one to be set */
      uint64_t ping_end;     /* the latest ping has left once so many bytes have; 0: none waits for
                                its pong */
      uint64_t ping_sent_us; /* when it had; WSC_NEVER: not yet */
      uint64_t ping_print;
      union {
        struct {                  /* while connecting, and for a refusal's body */
          size_t head_scanned;    /* of the handshake's head */
          size_t heads_size;      /* of those that were read: interim answers count */
          size_t body_left;       /* of a refusal's body, SIZE_MAX: unknown */
          uint64_t connect_at_us; /* the handshake is to be over by then, whatever its own time */
          uint32_t connect_timeout_ms; /* for the sentence */
          bool body_chunked;           /* RFC 9112 7.1 */
        };
        struct { /* from then on: the frame being read */
          wsc_frame frame;
          uint64_t frame_left;  /* payload bytes not yet taken out of the input */
          size_t frame_checked; /* of those: already unmasked and checked in a frame that will be
                                   lent */
        };
      };
    };
    wsc_close_info info; /* closed */
  };
};

static inline bool wsc_conn_is_closed(const wsc_conn *conn) {
  return conn->state == WSC_CLOSED;
}
static inline bool wsc_conn_input_ended(const wsc_conn *conn) {
  return conn->end_error != WSC_AGAIN;
}

/* Is there an event to be taken, or input that may hold one? */
static inline bool wsc_conn_has_events(const wsc_conn *conn) {
  return !conn->parsed || (conn->trace && wsc_buf_size(&conn->trace->records) > conn->trace->lent);
}

/* conn.c */
int wsc_conn_queue_frame(wsc_conn *conn, const wsc_frame *frame, const void *payload);
void wsc_conn_trace(wsc_conn *conn, bool outgoing, const wsc_frame *frame, const void *payload);
size_t wsc_conn_traced_size(const wsc_conn *conn, const wsc_frame *frame); /* of its payload */

/* Queues the pong to a ping.  False: no memory for it. */
bool wsc_conn_answer_ping(wsc_conn *conn, const uint8_t *payload, size_t size);
void wsc_conn_queue_late_pong(wsc_conn *conn);

/* conn_input.c */

/* What a part of the input has come to. */
typedef enum wsc_input_step {
  WSC_INPUT_MORE,  /* more bytes are needed */
  WSC_INPUT_PIECE, /* as EVENT; more may be made of the bytes there were */
  WSC_INPUT_AGAIN, /* on to the next part */
  WSC_INPUT_EVENT  /* the event is filled in */
} wsc_input_step;

/* Empty, the room to read into is for whichever connection reads next. */
void wsc_conn_return_input(wsc_conn *conn);

/* Reads what input there is without giving events. */
void wsc_conn_skip_input(wsc_conn *conn);

/* conn_open.c */
wsc_input_step wsc_conn_read_handshake(wsc_conn *conn, wsc_event *event);
wsc_input_step wsc_conn_read_body(wsc_conn *conn); /* of a refusal */

/* Where frames are expected: does HTTP begin there, and what to make of it. */
bool wsc_conn_meets_http(const wsc_conn *conn);
wsc_input_step wsc_conn_read_http(wsc_conn *conn);

/* What is a refusal's body, as far as it came, in the place of the input. */
void wsc_conn_keep_body(wsc_conn *conn);

/* conn_close.c */

/* The first error sticks (RFC 6455 7.1.7): what waits is dropped, a Close goes out if the handshake
 * is done, and nothing more is read.  `text` is copied. */
void wsc_conn_fail(wsc_conn *conn, int error, wsc_phase phase, const char *text);

/* The phase that a fault of the connection itself falls into. */
wsc_phase wsc_conn_phase(const wsc_conn *conn);

/* Records the first error without doing anything about it. */
void wsc_conn_set_error(wsc_conn *conn, int error, wsc_phase phase, const char *text);

/* The transport has ended and what it brought has been read. */
void wsc_conn_end(wsc_conn *conn);

void wsc_conn_got_close(wsc_conn *conn, const uint8_t *payload, size_t size);
void wsc_conn_mandatory(wsc_conn *conn, const char *missing);

/* Server: the refusal waits in the output; the connection ends when it is written. */
void wsc_conn_refuse(wsc_conn *conn, const char *text);

/* Closes are exchanged and written: a server ends, a client lingers. */
void wsc_conn_settle(wsc_conn *conn);
void wsc_conn_finish(wsc_conn *conn);

/* Messages that come from now on are passed over: only the peer's Close still counts. */
void wsc_conn_pass_over(wsc_conn *conn);

/* The program goes away, and the transport with it.  `left`: what wsc_conn_output gave has left
 * this process too. */
void wsc_conn_leave(wsc_conn *conn, bool left);

/* conn_tick.c */

/* The time is now_us, and all that came before looked_us was handed in.  wsc_conn_tick for who
 * knows one without the other. */
void wsc_conn_tell(wsc_conn *conn, uint64_t now_us, uint64_t looked_us);

/* Closing, and the time for it is up. */
bool wsc_conn_is_overdue(const wsc_conn *conn, uint64_t now_us);

/* The handshake is to be over at at_us, `timeout_ms` from the attempt's start. */
void wsc_conn_connect_by(wsc_conn *conn, uint64_t at_us, uint32_t timeout_ms);

/* From when the time is told next. */
void wsc_conn_start_timer(wsc_conn *conn, wsc_timer *timer);

/* Ends what has a deadline before the moment up to which all was read and parsed. */
void wsc_conn_expire(wsc_conn *conn);

/* Bytes came in; bytes left. */
void wsc_conn_note_input(wsc_conn *conn);
void wsc_conn_note_output(wsc_conn *conn);

/* Does it wait for the peer's Close or pong?  And: what left before is still on its way there. */
bool wsc_conn_awaits_answer(const wsc_conn *conn);
void wsc_conn_note_progress(wsc_conn *conn);

void wsc_conn_got_pong(wsc_conn *conn, const uint8_t *payload, size_t size, uint64_t *rtt_us);

/* A ping stands at the queue's end. */
void wsc_conn_note_ping(wsc_conn *conn, const uint8_t *payload, size_t size);

#endif
