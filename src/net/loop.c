/* Many clients, one wait, at a cost that follows the clients with work: see wsclose.h. */
#include "loop.h"

#include "core/buf.h"
#include "loop_private.h"

#include "core/hidden.h"

/* ---------------------------------------------------------------- rings */

static void make_alone(wsc_ring *place) {
  place->previous = place->next = place;
}

void wsc_ring_leave(wsc_ring *place) {
  place->previous->next = place->next;
  place->next->previous = place->previous;
  make_alone(place);
}

void wsc_ring_join(wsc_ring *first, wsc_ring *place) {
  place->previous = first->previous;
  place->next = first;
  first->previous->next = place;
  first->previous = place;
}

void wsc_member_touch(wsc_member *member) {
  if (wsc_ring_is_alone(&member->round)) wsc_ring_join(&member->loop->touched, &member->round);
}

void wsc_member_ready(wsc_member *member) {
  if (member->is_ready) return;
  wsc_ring_leave(&member->round);
  wsc_ring_join(&member->loop->ready, &member->round);
  member->is_ready = true;
  member->loop->ready_count++;
}

static void leave_round(wsc_member *member) {
  wsc_ring_leave(&member->round);
  if (member->is_ready) member->loop->ready_count--;
  member->is_ready = false;
}

/* ---------------------------------------------------------------- making */

wsc_loop *wsc_loop_new(const wsc_platform *platform) {
  wsc_loop *loop = wsc_alloc(platform, 1, sizeof *loop);
  if (!loop) return NULL;
  loop->platform = loop->due.platform = platform;
  make_alone(&loop->ready);
  make_alone(&loop->touched);
  make_alone(&loop->all);
  loop->hub = wsc_pollset_new(platform, NULL, NULL);
  return loop;
}

void wsc_loop_use_poll(wsc_loop *loop) {
  wsc_pollset_free(loop->hub);
  loop->hub = NULL;
}

static wsc_member *find_member(const wsc_loop *loop, const wsc_client *client) {
  wsc_member *member = client->members;
  while (member && member->loop != loop) member = member->other;
  return member;
}

static void unlink_member(wsc_client *client, const wsc_member *member) {
  wsc_member **place = &client->members;
  while (*place != member) place = &(*place)->other;
  *place = member->other;
}

/* What it watched is forgotten, unless its loop is a forked parent's. */
static void detach_client(wsc_member *member) {
  if (!member->client) return;
  unlink_member(member->client, member);
  wsc_pollset_unlink(&member->client->set, member->set);
  wsc_pollset_update(member->set, NULL, 0);
  wsc_pollset_free(member->set);
  wsc_alarms_set(&member->loop->due, &member->due, WSC_NEVER);
  member->client = NULL;
  member->set = NULL;
}

static void free_member(wsc_member *member) {
  detach_client(member);
  leave_round(member);
  wsc_ring_leave(&member->all);
  member->loop->count--;
  wsc_release(member->loop->platform, member);
}

void wsc_loop_free(wsc_loop *loop) {
  if (!loop) return;
  while (!wsc_ring_is_alone(&loop->all)) free_member(WSC_MEMBER_OF(loop->all.next, all));
  wsc_pollset_free(loop->hub);
  wsc_alarms_free(&loop->due);
  wsc_release(loop->platform, loop->polled);
  wsc_release(loop->platform, loop);
}

static wsc_member *new_member(wsc_loop *loop, wsc_client *client) {
  if (!wsc_alarms_reserve(&loop->due, loop->count + 1)) return NULL;
  wsc_member *member = wsc_alloc(loop->platform, 1, sizeof *member);
  if (!member) return NULL;
  *member =
      (wsc_member){.loop = loop, .client = client, .alarm_us = WSC_NEVER, .due_us = WSC_NEVER};
  if (loop->hub) member->set = wsc_pollset_new(loop->platform, loop->hub, member);
  if (member->set || !loop->hub) return member;
  wsc_release(loop->platform, member);
  return NULL;
}

int wsc_loop_add(wsc_loop *loop, wsc_client *client, void *user) {
  wsc_member *member = find_member(loop, client);
  if (member) {
    member->user = user;
    return WSC_OK;
  }
  member = new_member(loop, client);
  if (!member) return WSC_ERR_MEMORY;
  make_alone(&member->round);
  wsc_ring_join(&loop->all, &member->all);
  loop->count++;
  member->user = user;
  member->other = client->members;
  client->members = member;
  if (member->set) wsc_pollset_link(&client->set, member->set);
  wsc_client_register(client);
  wsc_member_touch(member);
  return WSC_OK;
}

void wsc_loop_remove(wsc_loop *loop, wsc_client *client) {
  wsc_member *member = find_member(loop, client);
  if (member) free_member(member);
}

size_t wsc_loop_count(const wsc_loop *loop) {
  return loop->count;
}

/* ---------------------------------------------------------------- what clients tell */

void wsc_loop_touch(const wsc_client *client) {
  for (wsc_member *member = client->members; member; member = member->other)
    wsc_member_touch(member);
}

void wsc_loop_client_gone(wsc_client *client) {
  while (client->members) {
    wsc_member *member = client->members;
    detach_client(member);
    wsc_member_ready(member);
  }
}

static void set_alarm(wsc_member *member, uint64_t at_us) {
  if (member->alarm_us == at_us) return;
  member->alarm_us = at_us;
  wsc_member_touch(member);
}

void wsc_loop_wake(const wsc_client *client) {
  for (wsc_member *member = client->members; member; member = member->other) set_alarm(member, 0);
}

void wsc_loop_alarm(wsc_loop *loop, wsc_client *client, uint64_t at_us) {
  wsc_member *member = find_member(loop, client);
  if (member) set_alarm(member, at_us);
}

/* ---------------------------------------------------------------- giving out */

bool wsc_loop_next(wsc_loop *loop, wsc_client **client, void **user) {
  if (loop->ready_count == 0) return false;
  wsc_member *member = WSC_MEMBER_OF(loop->ready.next, round);
  *client = member->client;
  *user = member->user;
  leave_round(member);
  if (member->client)
    wsc_member_touch(member);
  else
    free_member(member);
  return true;
}

int wsc_loop_pollfd(wsc_loop *loop) {
  return wsc_pollset_fd(loop->hub);
}

uint64_t wsc_loop_looks(const wsc_loop *loop) {
  return loop->looks;
}
