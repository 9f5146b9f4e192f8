/* The wait of a loop: who is due, who is heard of. */
#include "core/buf.h"
#include "loop_private.h"

#include "core/hidden.h"

/* How long to wait where not all descriptors can be looked at. */
#define BLIND_US 10000u

/* ---------------------------------------------------------------- who is due */

/* The loop's clock tells nothing of a client that has another. */
static uint64_t deadline_of(const wsc_member *member) {
  uint64_t at_us = wsc_client_deadline(member->client);
  if (at_us > 0 && member->client->platform->now != member->loop->platform->now) at_us = WSC_NEVER;
  return at_us < member->alarm_us ? at_us : member->alarm_us;
}

/* Each message moves its client's deadline further away.  The heap learns that when the old one
 * comes to the top: moving it at once would touch a dozen other members. */
static void set_due(wsc_member *member, uint64_t at_us) {
  wsc_alarms *alarms = &member->loop->due;
  member->due_us = at_us;
  if (at_us < wsc_alarms_at(alarms, &member->due)) wsc_alarms_set(alarms, &member->due, at_us);
}

/* An alarm rings once. */
static void ring_alarm(wsc_member *member, uint64_t now_us) {
  if (member->alarm_us <= now_us) member->alarm_us = WSC_NEVER;
  set_due(member, WSC_NEVER);
  wsc_member_ready(member);
}

/* Where the kernel would not take a descriptor, the client is stepped now and then: it looks for
 * itself, and asks again. */
static uint64_t not_blind(const wsc_member *member, uint64_t at_us, uint64_t now_us) {
  if (!wsc_pollset_lacks(member->set) || at_us < now_us + BLIND_US) return at_us;
  return now_us + BLIND_US;
}

static void look_at_member(wsc_member *member, uint64_t now_us) {
  member->loop->looks++;
  uint64_t at_us = not_blind(member, deadline_of(member), now_us);
  if (at_us <= now_us)
    ring_alarm(member, now_us);
  else
    set_due(member, at_us);
}

static void look_at_touched(wsc_loop *loop, uint64_t now_us) {
  while (!wsc_ring_is_alone(&loop->touched)) {
    wsc_member *member = WSC_MEMBER_OF(loop->touched.next, round);
    wsc_ring_leave(&member->round);
    if (member->client) look_at_member(member, now_us);
  }
}

/* The member that is due first, the heap's top being what it is said to be; NULL: nobody. */
static wsc_member *first_due(wsc_loop *loop) {
  for (wsc_alarm *first; (first = wsc_alarms_first(&loop->due)) != NULL;) {
    wsc_member *member = WSC_MEMBER_OF(first, due);
    if (member->due_us == wsc_alarms_at(&loop->due, first)) return member;
    wsc_alarms_set(&loop->due, first, member->due_us);
  }
  return NULL;
}

static uint64_t first_due_us(wsc_loop *loop) {
  const wsc_member *first = first_due(loop);
  return first ? first->due_us : WSC_NEVER;
}

static void expire_alarms(wsc_loop *loop, uint64_t now_us) {
  for (wsc_member *first; (first = first_due(loop)) != NULL && first->due_us <= now_us;)
    ring_alarm(first, now_us);
}

/* ---------------------------------------------------------------- who is heard of */

/* A client that watches one descriptor knows what it is about; one that tries several addresses
 * looks for itself. */
static void note_ready(wsc_member *member, uint8_t bits) {
  wsc_client *client = member->client;
  wsc_watch watches[WSC_WATCH_MAX];
  if (wsc_client_watches(client, watches) == 1) {
    client->ready[0] = client->ready_known ? client->ready[0] | bits : bits;
    client->ready_known = true;
  }
  wsc_member_ready(member);
}

static void make_all_ready(wsc_loop *loop) {
  for (wsc_ring *place = loop->all.next; place != &loop->all; place = place->next)
    wsc_member_ready(WSC_MEMBER_OF(place, all));
}

/* Nothing can be looked at: every client is to look for itself, after a while. */
static bool wait_blindly(wsc_loop *loop, uint64_t timeout_us) {
  wsc_sleep_us(timeout_us < BLIND_US ? timeout_us : BLIND_US);
  make_all_ready(loop);
  return false;
}

/* True: the time is up.  More reports than fit one call are fetched as long as that finds new ones:
 * what was reported comes again, behind the others. */
static bool wait_for_reports(wsc_loop *loop, uint64_t timeout_us) {
  wsc_report reports[WSC_REPORTS_MAX];
  for (;; timeout_us = 0) {
    size_t before = loop->ready_count;
    int count = wsc_pollset_wait(loop->hub, reports, timeout_us);
    if (count < -1) return wait_blindly(loop, timeout_us);
    for (int i = 0; i < count; i++) note_ready(reports[i].tag, reports[i].ready);
    if (count < WSC_REPORTS_MAX || loop->ready_count == before) return count == 0;
  }
}

/* ---------------------------------------------------------------- the same with poll */

static bool reserve_polled(wsc_loop *loop, size_t count) {
  size_t room = loop->polled_room ? loop->polled_room : WSC_WATCH_MAX;
  while (room < count) room *= 2;
  if (room == loop->polled_room) return true;
  struct pollfd *polled = wsc_poll_resize(loop->platform, loop->polled, room);
  if (!polled) return false;
  loop->polled = polled;
  loop->polled_room = room;
  return true;
}

/* How many descriptors there are; SIZE_MAX: no memory. */
static size_t collect_polled(wsc_loop *loop) {
  wsc_watch watches[WSC_WATCH_MAX];
  size_t total = 0;
  for (wsc_ring *place = loop->all.next; place != &loop->all; place = place->next) {
    const wsc_member *member = WSC_MEMBER_OF(place, all);
    size_t count = member->client ? wsc_client_watches(member->client, watches) : 0;
    if (!reserve_polled(loop, total + count)) return SIZE_MAX;
    for (size_t i = 0; i < count; i++) wsc_poll_put(loop->polled, total++, &watches[i]);
  }
  return total;
}

static void hand_out_polled(wsc_loop *loop) {
  wsc_watch watches[WSC_WATCH_MAX];
  size_t at = 0;
  for (wsc_ring *place = loop->all.next; place != &loop->all; place = place->next) {
    wsc_member *member = WSC_MEMBER_OF(place, all);
    size_t count = member->client ? wsc_client_watches(member->client, watches) : 0;
    for (size_t i = 0; i < count; i++, at++) {
      uint8_t ready = wsc_poll_ready(loop->polled, at);
      if (ready) note_ready(member, ready);
    }
  }
}

static bool poll_all(wsc_loop *loop, uint64_t timeout_us) {
  size_t total = collect_polled(loop);
  if (total == SIZE_MAX) return wait_blindly(loop, timeout_us);
  int count = wsc_poll_for(loop->polled, total, timeout_us);
  if (count > 0) hand_out_polled(loop);
  return count == 0;
}

/* ---------------------------------------------------------------- the wait */

/* A forked child has an instance of its own, where its copies of the clients are watched anew. */
static void renew_after_fork(wsc_loop *loop) {
  if (!wsc_pollset_renew(loop->hub)) return;
  for (wsc_ring *place = loop->all.next; place != &loop->all; place = place->next) {
    wsc_member *member = WSC_MEMBER_OF(place, all);
    if (!member->client) continue;
    wsc_client_register(member->client);
    wsc_member_touch(member);
  }
}

int wsc_loop_wait(wsc_loop *loop, uint64_t timeout_us) {
  uint64_t now_us = wsc_now_us(loop->platform);
  renew_after_fork(loop);
  look_at_touched(loop, now_us);
  expire_alarms(loop, now_us);
  uint64_t first_us = first_due_us(loop);
  if (loop->ready_count > 0)
    timeout_us = 0;
  else if (first_us != WSC_NEVER && first_us - now_us < timeout_us)
    timeout_us = first_us - now_us;
  bool over = loop->hub ? wait_for_reports(loop, timeout_us) : poll_all(loop, timeout_us);
  if (over && timeout_us != WSC_NEVER) expire_alarms(loop, now_us + timeout_us);
  return (int)loop->ready_count;
}

uint64_t wsc_loop_deadline(wsc_loop *loop) {
  look_at_touched(loop, 0);
  return loop->ready_count > 0 ? 0 : first_due_us(loop);
}
