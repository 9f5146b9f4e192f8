/* What the peers in C and C++ share: which messages a workload exchanges.  A client sends what is
 * `due`, hands in each message that comes, and stops when the exchange is `over`. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "../client.h"

#include <signal.h>
#include <sys/resource.h>

enum { IDLE_MS = 2500, GIVE_UP_S = 300 };

typedef struct peer_exchange {
  bench *call;
  const uint8_t *data; /* to be sent, */
  size_t size;
  uint64_t due;              /* so often now, */
  uint64_t unsent;           /* and so often once more for each message that comes, */
  uint64_t due_after_warmup; /* and so often when the warm-up has ended */
  uint64_t received;
  uint64_t milestones[2]; /* messages that come until the end of the warm-up, until the end */
  size_t expected;        /* bytes of each */
  bool over;
} peer_exchange;

static inline void peer_give_up(int number) {
  static const char why[] = "gave up waiting\n";
  (void)number;
  _exit(write(2, why, sizeof why - 1) < 0 ? 2 : 1);
}

static inline bool peer_compresses(const bench *b) {
  return bench_is(b, "inflate") || (bench_is(b, "idle") && b->size == 1);
}

/* The call's arguments; as many files as the system allows, and an end to waiting. */
static inline bench peer_arguments(int argc, char **argv) {
  bench b = bench_arguments(argc, argv);
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  signal(SIGALRM, peer_give_up);
  signal(SIGPIPE, SIG_IGN);
  alarm(GIVE_UP_S);
  return b;
}

/* What idle connections cost. */
static inline void peer_memory_result(const bench *b, int64_t before) {
  printf("RESULT %" PRIu64 " %" PRId64 "\n", b->count, bench_resident() - before);
}

static inline void peer_echoes(peer_exchange *e, uint64_t in_flight) {
  uint64_t total = e->milestones[1];
  e->due = total < in_flight ? total : in_flight;
  e->unsent = total - e->due;
}

/* The server says "done" after so many. */
static inline void peer_sends(peer_exchange *e) {
  e->due = e->call->warm;
  e->due_after_warmup = e->call->count;
  e->expected = 4;
  e->milestones[0] = 1;
  e->milestones[1] = 2;
}

/* The server floods for each "go". */
static inline void peer_receives(peer_exchange *e) {
  e->data = (const uint8_t *)"go";
  e->size = 2;
  e->due = e->due_after_warmup = 1;
}

static inline peer_exchange peer_begin(bench *b) {
  peer_exchange e;
  memset(&e, 0, sizeof e);
  e.call = b;
  e.data = bench_message(b->size);
  e.size = e.expected = b->size;
  e.milestones[0] = b->warm;
  e.milestones[1] = b->warm + b->count;
  if (bench_is(b, "pingpong"))
    peer_echoes(&e, 1);
  else if (bench_is(b, "pipeline"))
    peer_echoes(&e, BENCH_IN_FLIGHT);
  else if (bench_is(b, "send"))
    peer_sends(&e);
  else if (bench_is(b, "receive") || bench_is(b, "inflate"))
    peer_receives(&e);
  else
    bench_fail("no workload %s", b->workload);
  return e;
}

static inline void peer_end(peer_exchange *e, const void *data, size_t size) {
  bench_end(e->call);
  e->over = true;
  if (bench_is(e->call, "send"))
    bench_check(memcmp(data, "done", 4) == 0, "the server did not say \"done\"");
  else
    bench_check_content(e->call, data, size);
}

/* One message has come. */
static inline void peer_take(peer_exchange *e, const void *data, size_t size) {
  if (e->over) bench_fail("a message too many");
  if (size != e->expected) bench_fail("a message of %zu bytes, not of %zu", size, e->expected);
  e->received++;
  if (e->unsent > 0) {
    e->unsent--;
    e->due++;
  }
  if (e->received == e->milestones[1]) {
    peer_end(e, data, size);
  } else if (e->received == e->milestones[0]) {
    e->due += e->due_after_warmup;
    bench_begin(e->call);
  }
}

#endif
