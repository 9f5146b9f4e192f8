/* How connections end, for spin to try in every order there is: `make model`.
 *
 * Two endpoints and a TCP connection between them.  Each endpoint is the core and what drives it,
 * under the names that these rules have in src: an inline of the model stands for the function of
 * that name, in the file that is named above it, and spec/model_spec.lua looks whether it is still
 * there.  The network delays as it likes, and once it may fail: lose a direction for good, or reset
 * either end.  The program sends, closes, leaves and pauses whenever it likes.  Every deadline
 * passes at any moment, so nothing here depends on how long anything takes.
 *
 * OURS: both endpoints are ours, a client (0) and a server (1).  Without it the other side is a
 * stranger, who says anything, ends in any way, and need not read.  CALM: the network does not fail,
 * no deadline passes, and nobody leaves.
 *
 * What has to hold, whatever happens:
 *   - each side is told its end once, and nothing goes round without end or waits for ever;
 *   - the code that is told is the peer's, wherever its Close came before time was up;
 *   - nothing is sent after a Close, and one that is told as sent has left;
 *   - with nothing in the way both sides end clean. */

#ifdef CALM
#define TROUBLE false
#else
#define TROUBLE true
#endif
#ifdef OURS
#define FAILS TROUBLE
#else
#define FAILS false /* a stranger does all that a network could */
#endif

/* What travels: one number is one frame.  From CLOSE on it is a Close with its code. */
#define ANSWER   1 /* the 101 */
#define DATA     2
#define PING     3
#define PONG     4
#define BROKEN   5 /* no frame at all */
#define CLOSE    10
#define BAD_CODE 11 /* a Close whose code may not travel */
#define C1001    12
#define C1002    13
#define C1006    14 /* is told, never sent */
#define C1010    15
#define C1011    16
#define CODE(i)  (20 + i) /* which the program of that side gives to close() */

/* wsc_state */
#define CONNECTING 0
#define OPEN       1
#define CLOSING    2
#define CLOSED     3

/* wsc_reading */
#define READ_HEAD      0
#define READ_ALL       1
#define READ_NO_PONG   2
#define READ_FOR_CLOSE 3
#define READ_NOTHING   4
#define READ_TOLD      5

/* Errors, as far as a rule asks which. */
#define PROTOCOL      1
#define EXTENSION     2
#define PING_TIMEOUT  3
#define CLOSE_TIMEOUT 4
#define CANCELLED     5
#define ENDED         6

/* end_error */
#define AGAIN    0 /* the input goes on */
#define IN_ORDER 1
#define FAULT    2

/* A deadline: SEEN once a look at what has come began after it had passed. */
#define OFF     0
#define RUNNING 1
#define PASSED  2
#define SEEN    3

/* wsc_readable; QUIET is MAYBE here, for a read without effect is no step. */
#define MAYBE 0
#define MORE  1
#define OVER  2 /* WSC_READABLE_ENDED */

/* What the kernel takes before a write blocks, holds for the reader, and gives by one read; what
 * waits to be written. */
#define WIRE   1
#define KERNEL 2
#define READ   1
#define QUEUE  6
#ifndef SAID
#define SAID 1 /* by a stranger, after the answer */
#endif

typedef endpoint {
  byte state, reading, error, end_error;
  byte sent_code, received_code, fail_code, code;
  bool parsed, in_flight, late_pong;
  byte handshake_timer, close_timer, drain_timer, linger_timer, ping_timer, pong_timer;
  byte readable, pongs;
  bool write_error, broken, paused, gone; /* gone: its socket is closed */
  /* the program */
  bool may_send, may_close, may_leave, may_pause;
  /* what is to be proved */
  bool close_has_left, left, refused, reported, clean;
  byte heard; /* the peer's Close that came in time */
  byte told
};
endpoint e[2];

chan queue[2] = [QUEUE] of { byte };
chan input[2] = [READ] of { byte };   /* read, and not parsed yet */
chan wire[2] = [WIRE] of { byte };    /* sent by that side */
chan kernel[2] = [KERNEL] of { byte } /* has come to that side */

/* TCP's own signs: 1 sent by that side, 2 delivered. */
byte fin[2], rst[2];
bool eof[2], reset[2]; /* delivered to that side */
bool cut[2];           /* nothing that side sends arrives any more */
bool failed;           /* the network has */

byte f, x;
bool given, looked, paused; /* of the step that is being made */

#define none(q)          (len(q) == 0)
#define some(q)          (len(q) > 0)
#define has_room(q, max) (len(q) < max)
#define is_closed(i)     (e[i].state == CLOSED)
#define input_ended(i)   (e[i].end_error != AGAIN)
#define is_close(f)      (f >= CLOSE)
#define is_over(i)       (e[i].broken || is_closed(i))
#define holds(i)         (e[i].paused && e[i].state == OPEN)
#define has_events(i)    (!e[i].parsed)
#define late(timer)      (timer == PASSED || timer == SEEN)
#define has_transport(i) (!e[i].gone && !is_over(i))

/* ---------------------------------------------------------------- the model's own */

inline drain(queue_of_all) {
  do
  :: some(queue_of_all) -> queue_of_all?_
  :: else -> break
  od
}

/* What nothing asks for any more would only make more states of one. */
inline forget(i) {
  drain(queue[i]);
  drain(input[i]);
  e[i].error = 0;
  e[i].sent_code = 0;
  e[i].received_code = 0;
  e[i].fail_code = 0;
  e[i].code = 0;
  e[i].left = false;
  e[i].refused = false;
  e[i].heard = 0;
  e[i].pongs = 0;
  e[i].in_flight = false;
  e[i].late_pong = false;
  e[i].close_has_left = false;
  e[i].handshake_timer = OFF;
  e[i].close_timer = OFF;
  e[i].drain_timer = OFF;
  e[i].linger_timer = OFF;
  e[i].ping_timer = OFF;
  e[i].pong_timer = OFF;
  e[i].may_send = false;
  e[i].may_close = false;
  e[i].may_leave = false;
  e[i].may_pause = false;
  e[i].paused = false
}

/* ---------------------------------------------------------------- src/core/send_queue.c */

inline wsc_queue_drop(i) {
  x = 0;
  if
  :: e[i].in_flight -> queue[i]?x
  :: else
  fi;
  drain(queue[i]);
  e[i].pongs = 0;
  if
  :: x -> queue[i]!x
  :: else
  fi;
  x = 0
}

inline begin_frame(i) {
  if
  :: f == PONG && !e[i].in_flight -> e[i].pongs--
  :: else
  fi
}

/* ---------------------------------------------------------------- src/core/conn_tick.c */

#define is_overdue(i) \
  (e[i].state == CLOSING && (late(e[i].close_timer) || late(e[i].drain_timer)))
#define awaits_pong(i)    (e[i].pong_timer != OFF)

inline wsc_conn_note_input(i) {
  if
  :: e[i].state == OPEN -> e[i].pong_timer = OFF; e[i].ping_timer = RUNNING
  :: else
  fi
}

inline wsc_conn_note_output(i) {
  if
  :: e[i].state == CLOSING && e[i].close_timer != OFF ->
     if
     :: none(queue[i]) -> e[i].drain_timer = OFF
     :: else
     fi;
     e[i].close_timer = RUNNING
  :: else
  fi
}

inline send_keepalive(i) {
  if
  :: has_room(queue[i], QUEUE) ->
     queue[i]!PING;
     e[i].pong_timer = RUNNING
  :: else
  fi;
  e[i].ping_timer = OFF
}

inline give_up_on_peer(i) { wsc_conn_fail(i, PING_TIMEOUT, C1011) }

inline keep_alive(i) {
  if
  :: e[i].state != OPEN -> e[i].ping_timer = OFF; e[i].pong_timer = OFF
  :: else ->
     if
     :: e[i].pong_timer == SEEN -> give_up_on_peer(i)
     :: else ->
        if
        :: e[i].ping_timer == SEEN -> send_keepalive(i)
        :: else
        fi
     fi
  fi
}

inline expire_handshake(i) { wsc_conn_set_error(i, ENDED); wsc_conn_finish(i) }

inline expire_close(i) { wsc_conn_set_error(i, CLOSE_TIMEOUT); wsc_conn_finish(i) }

inline wsc_conn_expire(i) {
  if
  :: is_closed(i)
  :: e[i].state == CONNECTING ->
     if
     :: e[i].handshake_timer == SEEN -> expire_handshake(i)
     :: else
     fi
  :: else ->
     e[i].handshake_timer = OFF;
     if
     :: e[i].close_timer == SEEN || e[i].drain_timer == SEEN -> expire_close(i)
     :: else ->
        if
        :: e[i].linger_timer == SEEN -> wsc_conn_finish(i)
        :: else -> keep_alive(i)
        fi
     fi
  fi
}

#define see(timer) timer = (timer == PASSED -> SEEN : timer)

inline wsc_conn_tell(i, looked) {
  if
  :: looked ->
     see(e[i].handshake_timer);
     see(e[i].close_timer);
     see(e[i].drain_timer);
     see(e[i].linger_timer);
     see(e[i].ping_timer);
     see(e[i].pong_timer)
  :: else
  fi;
  if
  :: e[i].parsed -> wsc_conn_expire(i)
  :: else
  fi;
  if
  :: is_overdue(i) -> wsc_conn_pass_over(i)
  :: else
  fi
}

/* ---------------------------------------------------------------- src/core/conn_close.c */

inline wsc_conn_set_error(i, why) {
  if
  :: e[i].error == 0 -> e[i].error = why
  :: else
  fi
}

inline queue_close(i, frame) {
  queue[i]!frame;
  e[i].sent_code = frame;
  e[i].state = CLOSING;
  e[i].close_timer = RUNNING;
  e[i].drain_timer = RUNNING
}

inline close_at_once(i, frame) { wsc_queue_drop(i); queue_close(i, frame) }

inline wsc_conn_fail(i, why, frame) {
  if
  :: e[i].reading >= READ_NOTHING
  :: else ->
     wsc_conn_set_error(i, why);
     e[i].reading = READ_NOTHING;
     if
     :: e[i].state == CONNECTING -> wsc_conn_finish(i)
     :: else ->
        if
        :: !e[i].sent_code ->
           close_at_once(i, frame);
           e[i].fail_code = (why != PING_TIMEOUT -> frame : 0)
        :: else
        fi;
        wsc_conn_settle(i)
     fi
  fi
}

inline wsc_conn_mandatory(i) {
  wsc_conn_set_error(i, EXTENSION);
  e[i].fail_code = C1010;
  e[i].reading = READ_FOR_CLOSE;
  close_at_once(i, C1010)
}

inline fail_close(i) { wsc_conn_fail(i, PROTOCOL, C1002) }

inline wsc_conn_got_close(i, frame) {
  e[i].received_code = frame;
  if
  :: frame == BAD_CODE -> fail_close(i)
  :: else ->
     e[i].reading = READ_NOTHING;
     if
     :: !e[i].sent_code -> close_at_once(i, frame)
     :: else
     fi;
     wsc_conn_settle(i)
  fi
}

inline cancel(i) { wsc_conn_set_error(i, CANCELLED); wsc_conn_finish(i) }

inline wsc_conn_close(i, frame) {
  if
  :: is_closed(i) || e[i].sent_code
  :: else ->
     if
     :: e[i].state == CONNECTING -> cancel(i)
     :: else ->
        wsc_conn_queue_late_pong(i);
        queue_close(i, frame);
        e[i].reading = READ_NO_PONG
     fi
  fi
}

inline wsc_conn_settle(i) {
  if
  :: e[i].state == CLOSING && e[i].reading == READ_NOTHING && none(queue[i]) ->
     if
     :: i == 1 || input_ended(i) -> wsc_conn_finish(i)
     :: else -> e[i].close_timer = OFF; e[i].linger_timer = RUNNING
     fi
  :: else
  fi
}

inline wsc_conn_input_eof(i) {
  if
  :: input_ended(i)
  :: else -> e[i].parsed = false; e[i].end_error = IN_ORDER
  fi
}

inline wsc_conn_abort(i) {
  if
  :: is_closed(i) || e[i].end_error == FAULT
  :: else -> e[i].parsed = false; e[i].end_error = FAULT
  fi
}

inline wsc_conn_end(i) {
  if
  :: is_closed(i)
  :: !is_closed(i) && e[i].reading != READ_NOTHING ->
     wsc_conn_set_error(i, ENDED);
     wsc_conn_finish(i)
  :: !is_closed(i) && e[i].reading == READ_NOTHING ->
     if
     :: e[i].end_error == IN_ORDER && some(queue[i])
     :: else -> wsc_conn_finish(i)
     fi
  fi
}

#define received_well(i) (e[i].received_code && e[i].error != PROTOCOL)

inline report_code(i) {
  if
  :: e[i].fail_code -> e[i].code = e[i].fail_code
  :: else -> e[i].code = (received_well(i) -> e[i].received_code : C1006)
  fi
}

/* What failed before the Close was read keeps its own code: RFC 6455 7.1.7.  Only once the step that
 * brought the end is over, so that this stands in one place. */
inline fill_info(i) {
  report_code(i);
  e[i].clean = e[i].left && e[i].sent_code && e[i].received_code &&
    (e[i].error == 0 || e[i].error == EXTENSION);
  assert(!e[i].left || !e[i].sent_code || e[i].close_has_left);
  assert(!e[i].heard || e[i].code == e[i].heard || e[i].refused ||
         e[i].error == PROTOCOL || e[i].error == EXTENSION);
  e[i].reported = true;
  forget(i)
}

inline finish(i, how) {
  if
  :: is_closed(i)
  :: else ->
     e[i].left = how && none(queue[i]);
     e[i].refused = (e[i].state == CONNECTING);
     e[i].reading = READ_NOTHING;
     e[i].state = CLOSED;
     e[i].parsed = false
  fi
}

inline wsc_conn_finish(i) { finish(i, true) }

inline wsc_conn_pass_over(i) {
  if
  :: e[i].reading == READ_ALL || e[i].reading == READ_NO_PONG -> e[i].reading = READ_FOR_CLOSE
  :: else
  fi
}

inline wsc_conn_leave(i, left) {
  if
  :: is_closed(i)
  :: else ->
     wsc_conn_set_error(i, CANCELLED);
     if
     :: left && none(queue[i]) && e[i].sent_code == C1001 && !e[i].received_code ->
        e[i].fail_code = C1001
     :: else
     fi;
     finish(i, left)
  fi
}

/* ---------------------------------------------------------------- src/core/conn.c */

#define PONGS_MAX 1

inline wsc_conn_answer_ping(i) {
  if
  :: e[i].late_pong || e[i].pongs == PONGS_MAX -> e[i].late_pong = true
  :: else -> queue[i]!PONG; e[i].pongs++
  fi
}

inline wsc_conn_queue_late_pong(i) {
  if
  :: e[i].late_pong && e[i].state != OPEN -> e[i].late_pong = false
  :: e[i].late_pong && e[i].state == OPEN ->
     if
     :: e[i].pongs == PONGS_MAX
     :: else -> queue[i]!PONG; e[i].pongs++; e[i].late_pong = false
     fi
  :: !e[i].late_pong
  fi
}

inline wsc_conn_send(i) {
  if
  :: e[i].state == OPEN -> queue[i]!DATA
  :: else
  fi
}

inline wsc_conn_output_done(i) {
  wsc_conn_note_output(i);
  wsc_conn_settle(i)
}

/* ---------------------------------------------------------------- src/core/conn_input.c */

inline handle_control(i, frame) {
  if
  :: is_close(frame) -> wsc_conn_got_close(i, frame)
  :: frame == PING && e[i].reading == READ_ALL -> wsc_conn_answer_ping(i)
  :: else
  fi
}

/* What is left of the input where messages are not given. */
inline skip_frame(i, frame) { skip }

inline read_frame(i, frame) {
  if
  :: frame == ANSWER || frame == BROKEN -> wsc_conn_fail(i, PROTOCOL, C1002)
  :: frame == DATA && e[i].reading == READ_FOR_CLOSE -> skip_frame(i, frame)
  :: frame == DATA && e[i].reading != READ_FOR_CLOSE -> given = true
  :: frame == PING || frame == PONG || is_close(frame) -> handle_control(i, frame)
  fi
}

inline parse(i) {
  input[i]?f;
  if
  :: e[i].reading == READ_HEAD -> wsc_conn_read_handshake(i, f)
  :: e[i].reading >= READ_NOTHING
  :: else -> read_frame(i, f)
  fi;
  f = 0
}

inline at_rest(i) {
  e[i].parsed = true;
  if
  :: input_ended(i) -> wsc_conn_end(i)
  :: else -> wsc_conn_expire(i)
  fi
}

inline next_close(i) {
  e[i].reading = READ_TOLD;
  e[i].parsed = true;
  e[i].told++;
  assert(e[i].told == 1);
  given = true
}

/* One event, or none: then all was parsed. */
inline wsc_conn_next_event(i) {
  given = false;
  do
  :: given -> break
  :: !given && is_closed(i) ->
     if
     :: e[i].reading == READ_TOLD -> break
     :: else -> next_close(i)
     fi
  :: !given && !is_closed(i) && some(input[i]) -> parse(i)
  :: !given && !is_closed(i) && none(input[i]) ->
     at_rest(i);
     if
     :: is_closed(i)
     :: else -> break
     fi
  od;
  given = false
}

inline wsc_conn_skip_input(i) {
  do
  :: !is_closed(i) && some(input[i]) -> parse(i)
  :: else -> break
  od;
  given = false;
  if
  :: is_closed(i)
  :: else -> at_rest(i)
  fi
}

/* ---------------------------------------------------------------- src/core/conn_open.c */

/* A client may find that the answer lacks what it requires. */
inline wsc_conn_read_handshake(i, frame) {
  if
  :: frame != ANSWER -> wsc_conn_fail(i, PROTOCOL, 0)
  :: frame == ANSWER -> e[i].state = OPEN; e[i].reading = READ_ALL; given = true
  :: frame == ANSWER -> wsc_conn_mandatory(i)
  fi;
  e[i].handshake_timer = OFF
}

/* ---------------------------------------------------------------- src/net/transfer.c */

inline abort_stream(i) { wsc_conn_abort(i); e[i].broken = true }

#define wsc_client_reads(i) (e[i].readable != OVER && !is_closed(i) && !holds(i) && e[i].parsed)

inline reading_stopped(i) {
  if
  :: !reset[i] && !eof[i] && !e[i].write_error -> e[i].readable = MAYBE
  :: else ->
     e[i].readable = OVER;
     if
     :: e[i].write_error || reset[i] -> abort_stream(i)
     :: else -> wsc_conn_input_eof(i)
     fi
  fi
}

inline wsc_client_read(i) {
  looked = true;
  if
  :: e[i].readable == OVER
  :: e[i].readable != OVER && !wsc_client_reads(i) -> looked = false
  :: wsc_client_reads(i) && none(kernel[i]) -> reading_stopped(i)
  :: wsc_client_reads(i) && some(kernel[i]) ->
     do
     :: some(kernel[i]) && has_room(input[i], READ) -> kernel[i]?f; input[i]!f
     :: else -> break
     od;
     f = 0;
     e[i].parsed = false;
     wsc_conn_note_input(i);
     e[i].readable = (some(kernel[i]) || e[i].write_error -> MORE : MAYBE)
  fi
}

/* A write that fails, one that takes all there is room for, one that takes half a frame. */
inline write_output(i) {
  do
  :: reset[i] && some(queue[i]) -> e[i].write_error = true; break
  :: !reset[i] && some(queue[i]) && has_room(wire[i], WIRE) ->
     queue[i]?f;
     begin_frame(i);
     assert(!e[i].close_has_left);
     e[i].close_has_left = is_close(f);
     wire[i]!f;
     e[i].in_flight = false;
     wsc_conn_output_done(i)
  :: !reset[i] && some(queue[i]) && !has_room(wire[i], WIRE) -> break
  :: !reset[i] && some(queue[i]) && !has_room(wire[i], WIRE) && !e[i].in_flight ->
     queue[i]?<f>;
     begin_frame(i);
     e[i].in_flight = true;
     wsc_conn_note_output(i);
     break
  :: none(queue[i]) -> break
  od;
  f = 0
}

inline wsc_client_write(i) {
  wsc_conn_queue_late_pong(i);
  if
  :: e[i].write_error
  :: else ->
     write_output(i);
     if
     :: e[i].write_error && e[i].readable == OVER -> abort_stream(i)
     :: else
     fi
  fi
}

/* ---------------------------------------------------------------- src/net/turn.c */

#define hurries(i) (e[i].readable == MORE && is_overdue(i))

/* Time that is up, and known to be, has no effect: the step would be made again and again. */
#define is_ignored(i)                                                                 \
  (e[i].parsed && !is_over(i) &&                                                         \
   ((e[i].state == CONNECTING && e[i].handshake_timer == SEEN) ||                        \
    (e[i].state == OPEN && (e[i].ping_timer == SEEN || e[i].pong_timer == SEEN)) ||      \
    (e[i].state == CLOSING && (e[i].close_timer == SEEN || e[i].drain_timer == SEEN ||   \
                               e[i].linger_timer == SEEN))))

inline exchange(i) {
  wsc_client_read(i);
  /* else it would be made again and again: time that is up needs a look to count */
  assert(looked || has_events(i) || holds(i));
  if
  :: hurries(i) -> looked = false
  :: else
  fi;
  wsc_conn_tell(i, looked);
  if
  :: e[i].broken || is_closed(i)
  :: else -> wsc_client_write(i)
  fi;
  looked = false;
  wsc_client_settle(i);
  assert(!is_ignored(i))
}

inline write_queued(i) { wsc_client_write(i); wsc_client_settle(i) }

inline take_event(i) { wsc_conn_next_event(i); wsc_client_settle(i) }

/* The time to close runs while a backlog keeps the turn from its step. */
inline wsc_turn_begin(i) { wsc_conn_tell(i, false); wsc_client_settle(i) }

/* ---------------------------------------------------------------- src/net/client.c */

inline end_transport(i) {
  if
  :: e[i].gone
  :: else -> e[i].gone = true; close_socket(i)
  fi
}

inline wsc_client_settle(i) {
  if
  :: is_closed(i) && !e[i].reported -> fill_info(i)
  :: else
  fi;
  if
  :: is_over(i) -> end_transport(i)
  :: else
  fi
}

inline hear_out(i) {
  paused = e[i].paused;
  e[i].paused = false;
  wsc_conn_pass_over(i);
  wsc_conn_skip_input(i);
  do
  :: wsc_client_read(i);
     wsc_conn_skip_input(i);
     if
     :: looked && e[i].readable == MORE
     :: else -> break
     fi
  od;
  looked = false;
  e[i].paused = paused;
  paused = false
}

inline say_goodbye(i) {
  if
  :: e[i].state == CONNECTING
  :: else ->
     hear_out(i);
     if
     :: is_closed(i)
     :: else ->
        wsc_conn_close(i, C1001);
        wsc_client_write(i);
        wsc_conn_leave(i, !e[i].write_error)
     fi
  fi
}

inline wsc_client_leave(i) {
  if
  :: has_transport(i) -> say_goodbye(i)
  :: else
  fi;
  wsc_conn_leave(i, false);
  wsc_client_settle(i)
}

/* ---------------------------------------------------------------- one side */

/* The kernel sends what it has taken, and the end; where something lies unread, a reset. */
inline close_socket(i) {
  if
  :: rst[i] || reset[i]
  :: else ->
     if
     :: some(kernel[i]) -> rst[i] = 1
     :: else -> fin[i] = (fin[i] -> fin[i] : 1)
     fi
  fi;
  drain(kernel[i])
}

#define readable(i)                                                                   \
  (some(kernel[i]) || e[i].write_error || e[i].readable == MORE ||                   \
   (e[i].readable != OVER && (eof[i] || reset[i])))
#define time_is_up(i)                                                                 \
  (is_due(i, e[i].handshake_timer) || is_due(i, e[i].close_timer) ||                     \
   is_due(i, e[i].drain_timer) || is_due(i, e[i].linger_timer) ||                        \
   is_due(i, e[i].ping_timer) || is_due(i, e[i].pong_timer))
#define is_due(i, timer) (timer == PASSED || (timer == SEEN && e[i].parsed))
#define writable(i)                                                                   \
  (!e[i].write_error && (reset[i] || has_room(wire[i], WIRE)) && (some(queue[i]) || e[i].late_pong))
#define may_act(i)                                                                    \
  ((e[i].may_send && e[i].state == OPEN) || e[i].may_leave ||                            \
   (e[i].may_close && (e[i].state != CONNECTING || TROUBLE)) ||                         \
   (e[i].may_pause && e[i].state == OPEN))

/* What the program may do, each once. */
inline act(i) {
  if
  :: e[i].may_send && e[i].state == OPEN ->
     e[i].may_send = false;
     wsc_conn_send(i)
  :: e[i].may_close && (e[i].state != CONNECTING || TROUBLE) ->
     e[i].may_close = false;
     wsc_conn_close(i, CODE(i));
     wsc_client_settle(i)
  :: e[i].may_leave -> e[i].may_leave = false; wsc_client_leave(i)
  :: e[i].may_pause && e[i].state == OPEN -> e[i].may_pause = false; e[i].paused = true
  fi
}

#ifdef OURS
#define ping_is_due(i) false
#else
#define ping_is_due(i) (e[i].ping_timer == RUNNING)
#endif
#define may_pass(i)                                                                   \
  (e[i].handshake_timer == RUNNING || e[i].close_timer == RUNNING ||                     \
   e[i].drain_timer == RUNNING || e[i].linger_timer == RUNNING ||                        \
   e[i].pong_timer == RUNNING || ping_is_due(i))

/* Any deadline passes, whenever it likes.  Only with a stranger are there pings, and he sends few. */
inline pass_time(i) {
  if
  :: e[i].handshake_timer == RUNNING -> e[i].handshake_timer = PASSED
  :: e[i].close_timer == RUNNING -> e[i].close_timer = PASSED
  :: e[i].drain_timer == RUNNING -> e[i].drain_timer = PASSED
  :: e[i].linger_timer == RUNNING -> e[i].linger_timer = PASSED
  :: e[i].pong_timer == RUNNING -> e[i].pong_timer = PASSED
  :: ping_is_due(i) -> e[i].ping_timer = PASSED
  fi
}

/* A budget, or a program that is slow, may leave any of these for later. */
proctype side(byte i) {
end:
  do
  :: atomic { has_events(i) && !holds(i) && !e[i].told -> take_event(i) }
  :: atomic { has_transport(i) && (readable(i) || time_is_up(i)) -> exchange(i) }
  :: atomic { has_transport(i) && writable(i) -> write_queued(i) }
  :: atomic { has_transport(i) && is_overdue(i) && e[i].reading < READ_FOR_CLOSE -> wsc_turn_begin(i) }
  :: atomic { may_act(i) -> act(i) }
  :: atomic { e[i].paused -> e[i].paused = false }
  :: atomic { TROUBLE && has_transport(i) && may_pass(i) -> pass_time(i) }
  od
}

/* ---------------------------------------------------------------- the network */

/* Time is not up for a Close that comes before any look that began after a deadline. */
#define in_time(i)                                                                    \
  (e[i].close_timer != SEEN && e[i].drain_timer != SEEN && e[i].pong_timer != SEEN &&     \
   e[i].reading < READ_NOTHING)

inline hear(i) {
  if
  :: is_close(f) && in_time(i) && !e[i].heard -> e[i].heard = f
  :: else
  fi
}

#define can_deliver(i)                                                                \
  (!cut[i] && some(wire[i]) && (e[1 - i].gone || has_room(kernel[1 - i], KERNEL)))

inline deliver(i) {
  wire[i]?f;
  if
  :: e[1 - i].gone -> rst[1 - i] = (rst[1 - i] -> rst[1 - i] : 1)
  :: else -> kernel[1 - i]!f; hear(1 - i)
  fi;
  f = 0
}

/* Some systems throw away what has come and was not read, others keep it. */
inline deliver_reset(i) {
  rst[i] = 2;
  drain(wire[i]);
  drain(wire[1 - i]);
  reset[1 - i] = true;
  if
  :: skip
  :: do
     :: some(kernel[1 - i]) ->
        kernel[1 - i]?f;
        e[1 - i].heard = (is_close(f) -> 0 : e[1 - i].heard)
     :: else -> break
     od
  fi;
  f = 0
}

proctype network() {
end:
  do
  :: atomic { can_deliver(0) -> deliver(0) }
  :: atomic { can_deliver(1) -> deliver(1) }
  :: atomic { !cut[0] && none(wire[0]) && fin[0] == 1 -> fin[0] = 2; eof[1] = true }
  :: atomic { !cut[1] && none(wire[1]) && fin[1] == 1 -> fin[1] = 2; eof[0] = true }
  :: atomic { !cut[0] && rst[0] == 1 -> deliver_reset(0) }
  :: atomic { !cut[1] && rst[1] == 1 -> deliver_reset(1) }
  :: atomic { FAILS && !failed ->
       failed = true;
       if
       :: cut[0] = true
       :: cut[1] = true
       :: !rst[0] -> rst[0] = 1
       :: !rst[1] -> rst[1] = 1
       fi
     }
  od
}

#ifndef OURS
/* ---------------------------------------------------------------- a stranger in the server's place */

inline say(frame) { wire[1]!frame; said++ }

proctype stranger() {
  byte said;
  bool deaf;
  if
  :: wire[1]!ANSWER
  :: skip
  fi;
end:
  do
  :: atomic { said < SAID && has_room(wire[1], WIRE) && !fin[1] && !e[1].gone ->
       if
       :: say(ANSWER)
       :: say(DATA)
       :: say(PING)
       :: say(BROKEN)
       :: say(CODE(1))
       :: say(BAD_CODE)
       fi
     }
  :: atomic { !deaf && some(kernel[1]) -> kernel[1]?_ }
  :: atomic { !deaf -> deaf = true }
  :: atomic { !fin[1] -> fin[1] = 1 }
  :: atomic { !e[1].gone -> end_transport(1) }
  od
}
#endif

/* ---------------------------------------------------------------- what has to hold in the end */

#ifdef OURS
#define may_stay(i) (e[i].state == OPEN && (failed || !e[1 - i].gone))
#else
#define may_stay(i) false
#endif

proctype proof() {
  timeout;
  assert(e[0].told == 1 || may_stay(0));
#ifdef OURS
  assert(e[1].told == 1 || may_stay(1));
  assert(TROUBLE || !e[0].told || (e[0].clean && e[1].clean));
#endif
}

inline may(what) {
  if
  :: what = true
  :: skip
  fi
}

/* A server's program here only closes; what is sent and paused meets a stranger, or a network that
 * works: all of it at once would be states without number. */
inline allow(i) {
  may(e[i].may_close);
  if
  :: i == 0 ->
     if
     :: TROUBLE && FAILS
     :: else -> may(e[i].may_send)
     fi;
     if
     :: TROUBLE -> may(e[i].may_leave)
     :: !FAILS -> may(e[i].may_pause)
     fi
  :: else
  fi
}

init {
  atomic {
    e[0].parsed = true;
    e[0].handshake_timer = RUNNING;
    allow(0);
    run side(0);
#ifdef OURS
    allow(1);
    e[1].parsed = true;
    e[1].state = OPEN;
    e[1].reading = READ_ALL;
    e[1].ping_timer = RUNNING;
    queue[1]!ANSWER;
    run side(1);
#else
    run stranger();
#endif
    run network();
    run proof()
  }
}
