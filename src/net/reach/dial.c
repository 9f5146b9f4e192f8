/* Happy Eyeballs: see dial.h. */
#include "dial.h"

#include "core/buf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/hidden.h"

/* Attempts at a time.  When one more is due the oldest is given up: it had two seconds by then. */
#define ATTEMPTS_MAX WSC_WATCH_MAX

typedef struct attempt {
  wsc_stream *stream;
  size_t index; /* of its address */
} attempt;

struct wsc_dial {
  const wsc_platform *platform;
  char *label; /* owned */
  wsc_socket_options socket;
  wsc_address bind;
  int family;             /* wanted; 0: any */
  wsc_address *addresses; /* owned, in the order of trying */
  size_t count, next;
  uint64_t next_at_us;
  attempt attempts[ATTEMPTS_MAX]; /* oldest first */
  size_t attempt_count;
  attempt winner;
  int error; /* the most telling so far */
  size_t report_size;
  char report[512]; /* of the attempts that failed */
};

void wsc_stream_drop(wsc_stream *stream, wsc_pollset *set) {
  if (!stream) return;
  wsc_pollset_forget(set, stream->ops->fd(stream));
  stream->ops->free(stream);
}

/* ---------------------------------------------------------------- the order of addresses */

static bool same_address(const wsc_address *a, const wsc_address *b) {
  return a->size == b->size && memcmp(&a->storage, &b->storage, (size_t)a->size) == 0;
}

static bool is_candidate(const wsc_dial *dial, const wsc_address *address) {
  int family = wsc_address_family(address);
  if (dial->family != 0 && family != 0 && family != dial->family) return false;
  for (size_t i = 0; i < dial->count; i++)
    if (same_address(&dial->addresses[i], address)) return false;
  return true;
}

static void insert_address(wsc_dial *dial, size_t at, const wsc_address *address) {
  memmove(dial->addresses + at + 1, dial->addresses + at,
          (dial->count - at) * sizeof *dial->addresses);
  dial->addresses[at] = *address;
  dial->count++;
}

/* RFC 8305 4: the families take turns, and the one that the resolver put first begins; within each
 * the resolver's order stays.  So an address goes between the first two alike of the other family.
 */
static void weave_in(wsc_dial *dial, const wsc_address *address) {
  int family = wsc_address_family(address);
  size_t at = 0;
  int previous = 0;
  for (; at < dial->count; at++) {
    int here = wsc_address_family(&dial->addresses[at]);
    if (at > 0 && here == previous && family != here) break;
    previous = here;
  }
  insert_address(dial, at, address);
}

static void put_last(wsc_dial *dial, const char *avoid) {
  char text[WSC_ADDRESS_TEXT];
  int port;
  for (size_t i = 0; i + 1 < dial->count; i++) {
    wsc_address_format(&dial->addresses[i], text, &port);
    if (strcmp(text, avoid) != 0) continue;
    wsc_address avoided = dial->addresses[i];
    memmove(dial->addresses + i, dial->addresses + i + 1, (dial->count - i - 1) * sizeof avoided);
    dial->addresses[dial->count - 1] = avoided;
    return;
  }
}

static void order_addresses(wsc_dial *dial, const wsc_address *addresses, size_t count,
                            const char *avoid) {
  for (size_t i = 0; i < count; i++)
    if (is_candidate(dial, &addresses[i])) weave_in(dial, &addresses[i]);
  if (avoid) put_last(dial, avoid);
}

/* ---------------------------------------------------------------- making */

static void keep_options(wsc_dial *dial, const wsc_dial_options *options) {
  dial->family = options->family;
  dial->socket.nodelay = options->nodelay;
  if (!options->bind) return;
  dial->bind = *options->bind;
  dial->socket.bind = &dial->bind;
  if (dial->family == 0) dial->family = wsc_address_family(options->bind);
}

wsc_dial *wsc_dial_new(const wsc_platform *platform, const wsc_address *addresses, size_t count,
                       const wsc_dial_options *options) {
  wsc_dial *dial = wsc_alloc(platform, 1, sizeof *dial);
  if (!dial) return NULL;
  dial->platform = platform;
  keep_options(dial, options);
  dial->label = wsc_copy_string(platform, options->label, strlen(options->label));
  dial->addresses = wsc_alloc(platform, count, sizeof *addresses);
  if (!dial->label || !dial->addresses) {
    wsc_dial_free(dial, NULL);
    return NULL;
  }
  order_addresses(dial, addresses, count, options->avoid);
  return dial;
}

static void drop_attempts(wsc_dial *dial, wsc_pollset *set) {
  for (size_t i = 0; i < dial->attempt_count; i++) wsc_stream_drop(dial->attempts[i].stream, set);
  dial->attempt_count = 0;
}

void wsc_dial_free(wsc_dial *dial, wsc_pollset *set) {
  if (!dial) return;
  drop_attempts(dial, set);
  wsc_stream_drop(dial->winner.stream, set);
  wsc_release(dial->platform, dial->addresses);
  wsc_release(dial->platform, dial->label);
  wsc_release(dial->platform, dial);
}

/* ---------------------------------------------------------------- failures */

/* Which of several errors is reported: a refusal proves that a host is there, silence leaves it
 * open, and a missing route says nothing of the host. */
static int weight_of(int error) {
  static const int order[] = {WSC_ERR_REFUSED, WSC_ERR_RESET, WSC_ERR_TIMEOUT, WSC_ERR_UNREACHABLE};
  int weight = 0;
  while (weight < 4 && order[weight] != error) weight++;
  return 4 - weight;
}

static void append_report(char *report, size_t capacity, size_t *used, const char *fault) {
  int n = snprintf(report + *used, capacity - *used, "%s%s", *used ? "; " : "", fault);
  if (n > 0) *used += (size_t)n;
  if (*used >= capacity) *used = capacity - 1;
}

static void note_failure(wsc_dial *dial, int error, const char *fault) {
  if (dial->error == WSC_OK || weight_of(error) > weight_of(dial->error)) dial->error = error;
  append_report(dial->report, sizeof dial->report, &dial->report_size, fault);
  dial->next_at_us = 0; /* RFC 8305 5: the next attempt need not wait any longer */
}

static void silence_fault(const wsc_dial *dial, const attempt *silent, char *text, size_t size) {
  char peer[WSC_PEER_TEXT];
  wsc_address_peer(&dial->addresses[silent->index], peer);
  snprintf(text, size, "no answer from %s", peer);
}

static void remove_attempt(wsc_dial *dial, size_t at, wsc_pollset *set) {
  wsc_stream_drop(dial->attempts[at].stream, set);
  dial->attempt_count--;
  memmove(dial->attempts + at, dial->attempts + at + 1,
          (dial->attempt_count - at) * sizeof *dial->attempts);
}

static void give_up_oldest(wsc_dial *dial, wsc_pollset *set) {
  char fault[WSC_PEER_TEXT + 32];
  silence_fault(dial, &dial->attempts[0], fault, sizeof fault);
  note_failure(dial, WSC_ERR_TIMEOUT, fault);
  remove_attempt(dial, 0, set);
}

/* ---------------------------------------------------------------- stepping */

static void win(wsc_dial *dial, size_t at, wsc_pollset *set) {
  dial->winner = dial->attempts[at];
  dial->attempts[at].stream = NULL;
  drop_attempts(dial, set);
}

/* WSC_OK: won; WSC_AGAIN: it goes on; else it failed and is gone. */
static int try_attempt(wsc_dial *dial, size_t at, wsc_pollset *set) {
  wsc_stream *stream = dial->attempts[at].stream;
  int result = stream->ops->open(stream);
  if (result == WSC_AGAIN) return result;
  if (result == WSC_OK) {
    win(dial, at, set);
    return result;
  }
  note_failure(dial, result, wsc_stream_fault(stream, result));
  remove_attempt(dial, at, set);
  return result;
}

static bool try_ready_attempts(wsc_dial *dial, const wsc_step *step) {
  uint8_t ready[ATTEMPTS_MAX];
  size_t at = 0, count = dial->attempt_count;
  if (count == 0) return false;
  if (step->ready) {
    memcpy(ready, step->ready, count);
  } else {
    wsc_watch watches[WSC_WATCH_MAX];
    wsc_watch_look(watches, wsc_dial_watches(dial, watches), ready);
  }
  for (size_t i = 0; i < count; i++) {
    int result = ready[i] ? try_attempt(dial, at, step->set) : WSC_AGAIN;
    if (result == WSC_OK) return true;
    if (result == WSC_AGAIN) at++;
  }
  return false;
}

static bool start_next(wsc_dial *dial, const wsc_step *step) {
  if (dial->attempt_count == ATTEMPTS_MAX) give_up_oldest(dial, step->set);
  size_t index = dial->next++;
  wsc_stream *stream = wsc_socket_new(dial->platform, &dial->addresses[index], &dial->socket);
  if (!stream) {
    note_failure(dial, WSC_ERR_MEMORY, "no memory for a socket");
    return false;
  }
  dial->next_at_us = step->now_us + WSC_DIAL_STAGGER_US;
  dial->attempts[dial->attempt_count++] = (attempt){.stream = stream, .index = index};
  return try_attempt(dial, dial->attempt_count - 1, step->set) == WSC_OK;
}

static bool next_is_due(const wsc_dial *dial, uint64_t now_us) {
  return dial->next < dial->count && (dial->attempt_count == 0 || now_us >= dial->next_at_us);
}

int wsc_dial_step(wsc_dial *dial, const wsc_step *step) {
  assert(!dial->winner.stream);
  if (dial->count == 0) return WSC_ERR_UNREACHABLE;
  if (try_ready_attempts(dial, step)) return WSC_OK;
  while (next_is_due(dial, step->now_us))
    if (start_next(dial, step)) return WSC_OK;
  return dial->attempt_count > 0 ? WSC_AGAIN : dial->error;
}

wsc_stream *wsc_dial_take(wsc_dial *dial, wsc_address *address) {
  wsc_stream *stream = dial->winner.stream;
  *address = dial->addresses[dial->winner.index];
  dial->winner.stream = NULL;
  return stream;
}

/* ---------------------------------------------------------------- looking on */

uint64_t wsc_dial_deadline(const wsc_dial *dial) {
  return dial->next < dial->count ? dial->next_at_us : WSC_NEVER;
}

size_t wsc_dial_watches(const wsc_dial *dial, wsc_watch *watches) {
  for (size_t i = 0; i < dial->attempt_count; i++) {
    const wsc_stream *stream = dial->attempts[i].stream;
    watches[i] = (wsc_watch){.fd = stream->ops->fd(stream), .want = stream->ops->want(stream, 0)};
  }
  return dial->attempt_count;
}

/* A host given as an address is in the fault of its one attempt already. */
static bool label_says_more(const wsc_dial *dial) {
  char text[WSC_ADDRESS_TEXT];
  int port;
  if (dial->count != 1) return true;
  wsc_address_format(&dial->addresses[0], text, &port);
  return strcmp(text, dial->label) != 0;
}

void wsc_dial_report(const wsc_dial *dial, char *text, size_t size) {
  size_t used = 0;
  *text = '\0';
  if (dial->count == 0) {
    snprintf(text, size, "%s has no IPv%d address", dial->label, dial->family);
    return;
  }
  if (label_says_more(dial)) {
    snprintf(text, size, "could not connect to %s: ", dial->label);
    used = strlen(text);
  }
  size_t written = 0;
  if (dial->report_size) append_report(text + used, size - used, &written, dial->report);
  for (size_t i = 0; i < dial->attempt_count; i++) {
    char fault[WSC_PEER_TEXT + 32];
    silence_fault(dial, &dial->attempts[i], fault, sizeof fault);
    append_report(text + used, size - used, &written, fault);
  }
}
