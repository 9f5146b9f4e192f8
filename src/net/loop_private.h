/* Inside of wsc_loop: its state, and what loop.c and loop_wait.c share.
 *
 *   loop.c       making, members, what clients tell, giving out
 *   loop_wait.c  who is due, who is heard of, the wait */
#ifndef WSC_NET_LOOP_PRIVATE_H
#define WSC_NET_LOOP_PRIVATE_H

#include "alarms.h"
#include "client.h"
#include "loop.h"

/* A place in a ring: that of a member, or the ring's own, which comes first. */
typedef struct wsc_ring {
  struct wsc_ring *previous, *next;
} wsc_ring;

typedef struct wsc_member {
  wsc_ring all;
  wsc_ring round; /* the loop's ready or touched, alone where it is in neither */
  wsc_loop *loop;
  wsc_client *client;       /* NULL once it was freed */
  struct wsc_member *other; /* the same client's, in another loop */
  void *user;
  wsc_pollset *set; /* owned; NULL where the loop uses poll */
  uint64_t alarm_us;
  uint64_t due_us; /* what it is due for first, WSC_NEVER while it is ready */
  wsc_alarm due;   /* set to that or earlier */
  bool is_ready;
} wsc_member;

struct wsc_loop {
  const wsc_platform *platform; /* borrowed */
  wsc_pollset *hub;             /* owned; NULL: poll */
  wsc_ring ready, touched, all;
  size_t ready_count, count;
  wsc_alarms due;
  struct pollfd *polled; /* owned, without a hub */
  size_t polled_room;
  uint64_t looks;
};

#define WSC_MEMBER_OF(place, field)                                                                \
  ((wsc_member *)(void *)((char *)(place)-offsetof(wsc_member, field)))

static inline bool wsc_ring_is_alone(const wsc_ring *place) {
  return place->next == place;
}
void wsc_ring_join(wsc_ring *first, wsc_ring *place); /* as the last */
void wsc_ring_leave(wsc_ring *place);                 /* alone afterwards, as one may be before */

/* The next wait looks at it; at one that is ready, once it was given out. */
void wsc_member_touch(wsc_member *member);
void wsc_member_ready(wsc_member *member); /* wsc_loop_next gives it out */

#endif
