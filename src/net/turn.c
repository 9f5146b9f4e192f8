/* The turn: what wsc_client_next does, and all that there is between the socket and the program.
 *
 * A turn gives the events that are there.  When there are none left, it writes what the program has
 * queued meanwhile, all in one; then it makes its step, which may wait: it reads, tells the time,
 * and writes.  Then it gives the events that the step brought, writes again, and is over.
 *
 *   OVER -> BEGUN -> STEPPED -> OVER        -> DRAINED -> OVER where a queue has emptied
 *
 * Every turn ends: it reads as much as one read brings, whatever the peer sends and whatever the
 * program does in between; a second step follows only where a read waited and nothing came.  With a
 * limit of time a turn reads on within it, and a connection whose time to close is up looks through
 * what lies here. */
#include "turn.h"

#include "client.h"

#include "core/hidden.h"

/* A wait so short that no deadline suffers by it, whatever the time is: the clock need not be read.
 */
#define SHORT_WAIT_US (WSC_READ_WAIT_MS * UINT64_C(1000))

/* So much may wait to be written before the program counts as one that wants to know when it has
 * left. */
#define DRAIN_MARK (64u << 10)

uint64_t wsc_client_now(wsc_client *client) {
  uint64_t now_us = wsc_now_us(client->platform);
  if (now_us > client->now_us) client->now_us = now_us;
  return client->now_us;
}

static uint64_t after(uint64_t now_us, uint64_t wait_us) {
  return wait_us < WSC_NEVER - now_us ? now_us + wait_us : WSC_NEVER;
}

static uint64_t time_left(uint64_t end_us, uint64_t now_us) {
  if (end_us == WSC_NEVER) return WSC_NEVER;
  return end_us > now_us ? end_us - now_us : 0;
}

/* ---------------------------------------------------------------- what is due */

static bool is_drained(const wsc_client *client) {
  return client->conn->drain_wanted && wsc_conn_state(client->conn) == WSC_OPEN &&
         wsc_conn_output_size(client->conn) <= client->drained_size;
}

/* Can be gone on with at once, though no descriptor is ready. */
static bool has_work(const wsc_client *client) {
  const wsc_conn *conn = client->conn;
  if (wsc_client_is_over(client)) return true;
  if (client->setup) return false;
  if (is_drained(client)) return true;
  if (wsc_client_holds(client)) return false;
  return wsc_conn_has_events(conn) || client->write_error != WSC_OK ||
         (wsc_client_reads(client) &&
          (client->readable == WSC_READABLE_MORE || client->stream->ops->pending(client->stream)));
}

uint64_t wsc_client_deadline(const wsc_client *client) {
  if (!client->setup && !client->stream)
    return client->conn && wsc_conn_has_events(client->conn) ? 0 : WSC_NEVER;
  if (has_work(client)) return 0;
  if (client->setup) return wsc_setup_deadline(client->setup);
  /* what is not looked at cannot be too late */
  return wsc_client_holds(client) ? WSC_NEVER : wsc_conn_deadline(client->conn);
}

/* ---------------------------------------------------------------- the wait */

/* Is the answer about to come?  Then the wait is the read itself: a poll less. */
static bool can_read_wait(const wsc_client *client, uint64_t timeout_us) {
  return timeout_us >= SHORT_WAIT_US && client->stream && client->readable != WSC_READABLE_QUIET &&
         wsc_stream_can_wait(client->stream) && wsc_client_reads(client) &&
         wsc_client_wants(client) == WSC_WANT_READ;
}

/* True: there is something to do.  A signal ends the wait early: its handler may have left work for
 * the program, as that of the Lua interpreter does when Ctrl-C is pressed. */
static bool poll_client(wsc_client *client, uint64_t timeout_us) {
  wsc_watch watches[WSC_WATCH_MAX];
  size_t count = wsc_client_watches(client, watches);
  int ready = wsc_watch_wait(watches, count, timeout_us, client->ready); /* none: time passes */
  client->ready_known = count > 0;
  return ready > 0;
}

bool wsc_client_wait(wsc_client *client, uint64_t timeout_us) {
  uint64_t deadline_us = wsc_client_deadline(client);
  if (deadline_us == 0) return true;
  uint64_t left_us = time_left(deadline_us, wsc_client_now(client));
  return poll_client(client, left_us < timeout_us ? left_us : timeout_us) ||
         deadline_us <= wsc_client_now(client);
}

/* ---------------------------------------------------------------- the step */

/* TLS may have to read in order to write: above a bare socket any readiness will do. */
static bool may_write(const wsc_client *client) {
  if (!client->blocked || !client->ready_known) return true;
  return client->ready[0] &
         (client->stream->lower ? WSC_WANT_READ | WSC_WANT_WRITE : WSC_WANT_WRITE);
}

static void write_and_look(wsc_client *client) {
  wsc_client_write(client);
  if (wsc_conn_awaits_answer(client->conn)) client->unsent = wsc_stream_unsent(client->stream);
}

/* The time to close is up, and there is more to be looked through for the peer's Close. */
static bool hurries(const wsc_client *client) {
  return client->readable == WSC_READABLE_MORE && client->hurried < WSC_HURRY_MAX &&
         wsc_conn_is_overdue(client->conn, client->now_us);
}

/* What the system took may be on its way for long: as long as that gets less, the peer lives.  A
 * socket that was called full may take some all the same. */
static void look_at_output(wsc_client *client) {
  if (client->blocked) wsc_client_write(client);
  uint32_t unsent = wsc_stream_unsent(client->stream);
  if (unsent < client->unsent) wsc_conn_note_progress(client->conn);
  client->unsent = unsent;
}

/* looked_us: a time before the read. */
static void exchange(wsc_client *client, bool waits, uint64_t looked_us) {
  uint64_t before = wsc_conn_get_stats(client->conn)->bytes_in;
  bool looked = wsc_client_read(client, waits);
  if (waits) wsc_client_now(client);
  bool on_its_way = client->unsent > 0 || client->blocked;
  if (on_its_way && !client->broken && wsc_conn_awaits_answer(client->conn)) look_at_output(client);
  if (wsc_conn_is_overdue(client->conn, client->now_us))
    client->hurried += (uint32_t)(wsc_conn_get_stats(client->conn)->bytes_in - before);
  wsc_conn_tell(client->conn, client->now_us, looked && !hurries(client) ? looked_us : 0);
  if (!client->broken && may_write(client)) write_and_look(client);
}

/* What the step is to wait for is far away, and the answer near: the clock need not be read. */
static bool waits_shortly(const wsc_client *client, uint64_t end_us) {
  return client->readable == WSC_READABLE_MAYBE && !client->platform->now &&
         end_us >= client->now_us + 2 * SHORT_WAIT_US && can_read_wait(client, SHORT_WAIT_US);
}

/* Waits until `until_us` at most.  After a wait in vain, or none, the turn waits no more: so it is
 * never made of steps without end.  What a wait did not find, here or before, may have come since:
 * no deadline counts by it. */
static void step(wsc_client *client, uint64_t until_us) {
  uint64_t deadline_us = until_us > 0 ? wsc_client_deadline(client) : 0;
  uint64_t end_us = deadline_us < until_us ? deadline_us : until_us;
  bool waits = waits_shortly(client, end_us);
  uint64_t looked_us = waits ? client->now_us : wsc_client_now(client);
  uint64_t wait_us = time_left(end_us, looked_us);
  if (!waits) waits = can_read_wait(client, wait_us);
  bool vain = wait_us == 0;
  if (!waits && wait_us > 0) {
    vain = !poll_client(client, wait_us);
    uint64_t now_us = wsc_client_now(client);
    if (!vain) looked_us = now_us;
  } else if (client->stream && wsc_conn_deadline(client->conn) <= looked_us) {
    client->ready_known = false;
  }
  if (vain) client->turn_until_us = 0;
  if (client->setup)
    wsc_client_go_on_setup(client);
  else if (!wsc_client_is_over(client))
    exchange(client, waits, looked_us);
  wsc_client_settle(client);
}

/* Timers run from the moment they are asked for.  While connecting there is none to start: the
 * handshake's belongs to the step that begins it. */
static void start_timers(wsc_client *client) {
  if (wsc_conn_deadline(client->conn) != 0 || wsc_conn_state(client->conn) == WSC_CONNECTING)
    return;
  wsc_conn_tell(client->conn, wsc_client_now(client), 0);
}

/* What the program queued leaves in one write.  The time is told after it too: a ping waits for its
 * pong from when it has left. */
static void write_queued(wsc_client *client) {
  if (!client->stream || wsc_client_is_over(client)) return;
  start_timers(client);
  size_t size = wsc_conn_output_size(client->conn);
  if (client->turn != WSC_TURN_OVER && size >= DRAIN_MARK) client->conn->drain_wanted = true;
  if (size == 0 || client->blocked) return;
  write_and_look(client);
  if (wsc_conn_output_size(client->conn) >= DRAIN_MARK) client->conn->drain_wanted = true;
  start_timers(client);
}

void wsc_client_flush(wsc_client *client) {
  if (!client->setup && !client->stream) return;
  write_queued(client);
  wsc_client_settle(client);
}

void wsc_client_watch_drain(wsc_client *client) {
  if (client->conn && wsc_conn_output_size(client->conn) > 0) client->conn->drain_wanted = true;
}

void wsc_client_drain_at(wsc_client *client, size_t size) {
  client->drained_size = size;
}

/* ---------------------------------------------------------------- the turn */

void wsc_client_limit_turn(wsc_client *client, uint32_t messages, uint32_t time_us) {
  client->turn_messages = messages;
  client->turn_time_us = time_us;
}

/* The time of a turn runs from its start, for reading and decrypting take some; where it may wait
 * for the first event, from there: waiting costs none. */
static void start_time(wsc_client *client) {
  if (client->turn_time_us && client->turn_end_us == WSC_NEVER)
    client->turn_end_us = wsc_client_now(client) + client->turn_time_us;
}

void wsc_turn_begin(wsc_client *client, uint64_t timeout_us) {
  client->turn = WSC_TURN_BEGUN;
  client->messages_given = 0;
  client->turn_end_us = WSC_NEVER;
  client->turn_until_us = timeout_us == 0 || timeout_us == WSC_NEVER
                              ? timeout_us
                              : after(wsc_client_now(client), timeout_us);
  if (timeout_us == 0) start_time(client);
  /* a backlog may keep it from its step: the time to close runs all the same */
  if (client->conn && wsc_conn_state(client->conn) == WSC_CLOSING)
    wsc_conn_tell(client->conn, wsc_client_now(client), 0);
}

static bool is_late(wsc_client *client) {
  return client->turn_end_us != WSC_NEVER && wsc_client_now(client) >= client->turn_end_us;
}

/* However little time there is, a turn makes its step, and gives one message where there are some.
 */
static bool is_used_up(wsc_client *client) {
  if (client->messages_given == 0) return false;
  return (client->turn_messages && client->messages_given >= client->turn_messages) ||
         is_late(client);
}

/* Whatever was given, the turn waits no more. */
static bool take_event(wsc_client *client, wsc_event *event) {
  bool any = client->conn->lent > 0 || wsc_conn_has_events(client->conn);
  if (!any || wsc_client_holds(client)) return false;
  if (wsc_conn_next_event(client->conn, event) == WSC_EVENT_NONE) return false;
  client->turn_until_us = 0;
  start_time(client);
  if (event->type == WSC_EVENT_MESSAGE || event->type == WSC_EVENT_PIECE) client->messages_given++;
  if (event->type == WSC_EVENT_CLOSE) wsc_client_settle(client);
  return true;
}

/* Is there another step in this turn?  The first; one after a wait that found nothing; and, with a
 * limit of time, as long as there is more. */
static bool steps_again(wsc_client *client) {
  if (!client->setup && !client->stream) return false;
  if (client->turn == WSC_TURN_BEGUN || hurries(client)) return true;
  if (client->turn_end_us != WSC_NEVER && client->readable == WSC_READABLE_MORE)
    return !is_late(client);
  return client->readable == WSC_READABLE_QUIET && client->turn_until_us != 0 &&
         wsc_client_now(client) < client->turn_until_us;
}

static wsc_event_type end_turn(wsc_client *client, wsc_event *event) {
  wsc_client_flush(client);
  client->turn = WSC_TURN_OVER;
  event->type = WSC_EVENT_NONE;
  return event->type;
}

static wsc_event_type give_drain(wsc_client *client, wsc_event *event) {
  client->turn = WSC_TURN_DRAINED;
  client->conn->drain_wanted = false;
  event->type = WSC_EVENT_DRAIN;
  return event->type;
}

wsc_event_type wsc_turn_next(wsc_client *client, wsc_event *event) {
  event->type = WSC_EVENT_NONE;
  if (!client->conn || client->turn == WSC_TURN_OVER) return event->type;
  if (client->turn == WSC_TURN_DRAINED) return end_turn(client, event);
  while (!is_used_up(client) || hurries(client)) {
    if (take_event(client, event)) return event->type;
    write_queued(client);
    if (take_event(client, event)) return event->type; /* a write that fails may bring the end */
    if (!steps_again(client)) break;
    step(client, is_drained(client) ? 0 : client->turn_until_us);
    client->turn = WSC_TURN_STEPPED;
  }
  write_queued(client);
  return is_drained(client) ? give_drain(client, event) : end_turn(client, event);
}

wsc_event_type wsc_client_next(wsc_client *client, uint64_t timeout_us, wsc_event *event) {
  if (client->turn == WSC_TURN_OVER) wsc_turn_begin(client, timeout_us);
  return wsc_turn_next(client, event);
}
