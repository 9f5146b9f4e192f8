/* Lookups and the threads that make them: see resolve.h.
 *
 * A job is one question.  It queues until a thread takes it, and is known in a table as long as
 * others may join: until it is answered, or nobody waits for it any more.  Its waiters are the
 * wsc_lookup of the callers, each with a descriptor of its own.  Everything is linked and unlinked
 * under the pool's mutex, which nobody holds while he waits for anything, so that update never
 * waits for a name server; only whether a job is answered is read without it.
 *
 * What threads touch comes from realloc, never from the platform of a client: that may belong to a
 * Lua state which is closed while a thread still waits for a name server. */
#include "resolve.h"

#include "addrinfo.h"
#include "net/system/fault.h"
#include "net/system/environment.h"
#include "net/system/thread.h"

#include "core/buf.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hidden.h"

/* A program talks to a few hosts, and one lookup serves all clients of a host: with eight, names
 * that a dead server keeps for half a minute each leave room for others.  It is also what a program
 * pays at worst, 4 MiB of stacks, however many names it asks for. */
#define THREADS_MAX 8

#define BUCKETS 256

typedef enum job_state {
  JOB_QUEUED,
  JOB_RUNNING,
  JOB_ANSWERED /* what stands in the job does not change any more */
} job_state;

typedef struct lookup_job {
  _Atomic(job_state) state;
  wsc_lookup *waiters;           /* the latest first */
  struct lookup_job *next_alike; /* in its bucket of the table */
  struct lookup_job *next;       /* in the queue */
  struct lookup_job **link;      /* where the pointer to it stands */
  wsc_question question;         /* whose host is `host` */
  wsc_socket wake_write;         /* of a pipe; WSC_NO_SOCKET: a waiter's descriptor will do */
  char fault[96];                /* why there is no address */
  size_t count;
  wsc_address *addresses; /* owned */
  char host[];
} lookup_job;

typedef struct lookup_pool {
  struct lookup_pool *parents; /* after a fork; never touched */
  int pid;
  wsc_mutex *mutex;
  unsigned threads;
  lookup_job *queue, **queue_end;
  lookup_job *table[BUCKETS];
} lookup_pool;

struct wsc_lookup {
  const wsc_platform *platform;
  lookup_pool *pool;
  lookup_job *job;
  wsc_lookup *next, **link; /* among the job's waiters, as in the queue */
  wsc_socket fd;
};

static void *resize_for_threads(void *user, void *block, size_t size) {
  (void)user;
  if (size > 0) return realloc(block, size);
  free(block);
  return NULL;
}

static const wsc_platform usual_memory = {.resize = resize_for_threads};

typedef struct process_wide {
  _Atomic(lookup_pool *) pool;
  unsigned threads_max;
  const wsc_platform *memory;
} process_wide;

/* The one thing in this library that changes and belongs to no object but to the process, as its
 * threads do: eight of them for each client or Lua state would be no bound.  What is not the pool
 * is changed by specs only. */
static process_wide of_process = {.threads_max = THREADS_MAX, .memory = &usual_memory};

void wsc_lookup_tune(unsigned threads, const wsc_platform *memory) {
  of_process.threads_max = threads ? threads : THREADS_MAX;
  of_process.memory = memory ? memory : &usual_memory;
}

/* ---------------------------------------------------------------- the pool of this process */

static lookup_pool *new_lookup_pool(lookup_pool *parents) {
  lookup_pool *pool = wsc_alloc(of_process.memory, 1, sizeof *pool);
  if (!pool) return NULL;
  pool->parents = parents;
  pool->pid = wsc_process_id();
  pool->queue_end = &pool->queue;
  pool->mutex = wsc_mutex_new(of_process.memory);
  if (pool->mutex) return pool;
  wsc_release(of_process.memory, pool);
  return NULL;
}

static void free_lookup_pool(lookup_pool *pool) {
  wsc_mutex_free(pool->mutex, of_process.memory);
  wsc_release(of_process.memory, pool);
}

/* In a forked child the pool that it has copied knows of threads that are not there, and its mutex
 * may be locked for ever: so it is left as it is, and a new one takes its place.  NULL: no memory.
 */
static lookup_pool *own_pool(void) {
  lookup_pool *known = atomic_load(&of_process.pool);
  while (!known || known->pid != wsc_process_id()) {
    lookup_pool *pool = new_lookup_pool(known);
    if (!pool) return NULL;
    if (atomic_compare_exchange_strong(&of_process.pool, &known, pool)) return pool;
    free_lookup_pool(pool); /* another thread was quicker */
  }
  return known;
}

/* ---------------------------------------------------------------- jobs, in the table and queue */

static bool same_question(const wsc_question *a, const wsc_question *b) {
  return a->port == b->port && a->family == b->family && a->function == b->function &&
         a->user == b->user && strcmp(a->host, b->host) == 0;
}

/* FNV-1a */
static lookup_job **bucket_of(lookup_pool *pool, const char *host) {
  uint32_t hash = 2166136261u;
  for (; *host; host++) hash = (hash ^ (uint8_t)*host) * 16777619u;
  return &pool->table[hash % BUCKETS];
}

static lookup_job *find_job(lookup_pool *pool, const wsc_question *question) {
  lookup_job *job = *bucket_of(pool, question->host);
  while (job && !same_question(&job->question, question)) job = job->next_alike;
  return job;
}

static void forget_job(lookup_pool *pool, lookup_job *job) {
  lookup_job **place = bucket_of(pool, job->host);
  while (*place != job) place = &(*place)->next_alike;
  *place = job->next_alike;
}

static lookup_job *add_job(lookup_pool *pool, const wsc_question *question) {
  size_t size = strlen(question->host) + 1;
  lookup_job *job = wsc_alloc(of_process.memory, 1, sizeof *job + size);
  if (!job) return NULL;
  job->question = *question;
  job->question.host = memcpy(job->host, question->host, size);
  job->wake_write = WSC_NO_SOCKET;
  lookup_job **bucket = bucket_of(pool, job->host);
  job->next_alike = *bucket;
  *bucket = job;
  job->link = pool->queue_end;
  *pool->queue_end = job;
  pool->queue_end = &job->next;
  return job;
}

static void unqueue_job(lookup_pool *pool, lookup_job *job) {
  *job->link = job->next;
  *(job->next ? &job->next->link : &pool->queue_end) = job->link;
}

static void free_job(lookup_job *job) {
  wsc_release(of_process.memory, job->addresses);
  wsc_release(of_process.memory, job);
}

/* ---------------------------------------------------------------- a thread's side */

static void run_job(lookup_job *job) {
  const wsc_question *question = &job->question;
  wsc_lookup_fn function = question->function ? question->function : wsc_addrinfo_find;
  wsc_address found[WSC_LOOKUP_MAX];
  size_t count = 0;
  int code =
      function(question->user, question->host, question->port, question->family, found, &count);
  if (code != 0) wsc_lookup_words(job->fault, sizeof job->fault, code);
  if (code != 0 || count == 0) return;
  job->addresses = wsc_alloc(of_process.memory, count, sizeof *found);
  if (job->addresses) {
    memcpy(job->addresses, found, count * sizeof *found);
    job->count = count;
  } else {
    snprintf(job->fault, sizeof job->fault, "no memory for them");
  }
}

static lookup_job *take_job(lookup_pool *pool) {
  lookup_job *job = pool->queue;
  if (!job) return NULL;
  unqueue_job(pool, job);
  atomic_store(&job->state, JOB_RUNNING);
  return job;
}

static void finish_job(lookup_pool *pool, lookup_job *job) {
  if (!job->waiters) {
    free_job(job);
    return;
  }
  forget_job(pool, job);
  atomic_store(&job->state, JOB_ANSWERED);
  wsc_wake_signal(job->wake_write != WSC_NO_SOCKET ? job->wake_write : job->waiters->fd);
}

static void *serve_queue(void *argument) {
  lookup_pool *pool = argument;
  lookup_job *job;
  wsc_mutex_lock(pool->mutex);
  while ((job = take_job(pool)) != NULL) {
    wsc_mutex_unlock(pool->mutex);
    run_job(job);
    wsc_mutex_lock(pool->mutex);
    finish_job(pool, job);
  }
  pool->threads--;
  wsc_mutex_unlock(pool->mutex);
  return NULL;
}

/* One more thread for what queues, if there may be one more.  0, or the number of the error where
 * there is none at all; so as long as something queues there is one. */
static int staff_queue(lookup_pool *pool) {
  if (!pool->queue || pool->threads >= of_process.threads_max) return 0;
  int number = wsc_thread_start(serve_queue, pool);
  if (number == 0) pool->threads++;
  return pool->threads > 0 ? 0 : number;
}

/* ---------------------------------------------------------------- a caller's side */

static void add_waiter(lookup_job *job, wsc_lookup *lookup) {
  lookup->job = job;
  lookup->next = job->waiters;
  lookup->link = &job->waiters;
  if (lookup->next) lookup->next->link = &lookup->next;
  job->waiters = lookup;
}

/* The last one out takes the job along, unless a thread is at it: that will see to it. */
static void leave_job(wsc_lookup *lookup) {
  lookup_job *job = lookup->job;
  job_state state = atomic_load(&job->state);
  if (lookup->fd != WSC_NO_SOCKET) wsc_wake_close(lookup->fd);
  *lookup->link = lookup->next;
  if (lookup->next) lookup->next->link = lookup->link;
  if (job->waiters) return;
  if (job->wake_write != WSC_NO_SOCKET) wsc_wake_close(job->wake_write);
  if (state != JOB_ANSWERED) forget_job(lookup->pool, job);
  if (state == JOB_QUEUED) unqueue_job(lookup->pool, job);
  if (state != JOB_RUNNING) free_job(job);
}

/* NULL: it waits for the answer.  Else what there is none of, and the number of the error. */
static const char *join_job(wsc_lookup *lookup, const wsc_question *question, int *number) {
  lookup_job *job = find_job(lookup->pool, question);
  bool is_new = !job;
  if (is_new) job = add_job(lookup->pool, question);
  if (!job) return "memory";
  const wsc_lookup *other = job->waiters;
  add_waiter(job, lookup);
  lookup->fd = other ? wsc_wake_share(other->fd, number) : wsc_wake_open(&job->wake_write, number);
  bool wakes = lookup->fd != WSC_NO_SOCKET;
  if (wakes && is_new) *number = staff_queue(lookup->pool);
  if (*number == 0) return NULL;
  const char *lacking = wakes ? "thread" : "descriptor";
  leave_job(lookup);
  return lacking;
}

static const char *start_lookup(wsc_lookup *lookup, const wsc_question *question, int *number) {
  lookup->pool = own_pool();
  if (!lookup->pool) return "memory";
  wsc_mutex_lock(lookup->pool->mutex);
  const char *lacking = join_job(lookup, question, number);
  wsc_mutex_unlock(lookup->pool->mutex);
  return lacking;
}

int wsc_lookup_start(wsc_lookup **result, const wsc_platform *platform,
                     const wsc_question *question, char *text, size_t size) {
  char words[96];
  int number = 0;
  wsc_lookup *lookup = *result = wsc_alloc(platform, 1, sizeof *lookup);
  if (lookup) lookup->platform = platform;
  const char *lacking = lookup ? start_lookup(lookup, question, &number) : "memory";
  if (!lacking) return WSC_OK;
  wsc_release(platform, lookup);
  *result = NULL;
  if (number == 0) {
    snprintf(text, size, "no memory to look up %s", question->host);
    return WSC_ERR_MEMORY;
  }
  wsc_errno_words(words, sizeof words, number);
  snprintf(text, size, "cannot look up %s: no %s (%s)", question->host, lacking, words);
  return WSC_ERR_DNS;
}

/* A forked child touches nothing but what is its own: no thread is left that would end the job, and
 * others may wait for it in their copies. */
void wsc_lookup_drop(wsc_lookup *lookup) {
  if (!lookup) return;
  if (lookup->pool->pid != wsc_process_id()) {
    wsc_wake_close(lookup->fd);
  } else {
    wsc_mutex_lock(lookup->pool->mutex);
    leave_job(lookup);
    wsc_mutex_unlock(lookup->pool->mutex);
  }
  wsc_release(lookup->platform, lookup);
}

wsc_socket wsc_lookup_fd(const wsc_lookup *lookup) {
  return lookup->fd;
}

int wsc_lookup_result(const wsc_lookup *lookup, const wsc_address **addresses, size_t *count,
                      char *text, size_t size) {
  const lookup_job *job = lookup->job;
  if (atomic_load(&job->state) != JOB_ANSWERED) return WSC_AGAIN;
  if (job->count > 0) {
    *addresses = job->addresses;
    *count = job->count;
    return WSC_OK;
  }
  snprintf(text, size, "no address for %s: %s", job->host,
           *job->fault ? job->fault : "the answer is empty");
  return WSC_ERR_DNS;
}
