/* getaddrinfo on a helper thread: see resolve.h.
 *
 * Everything the thread touches lies in the lookup, which comes from malloc: a platform may belong
 * to a Lua state that is closed while the thread still waits for a name server.  Its code must stay
 * too, though lua_close unloads C modules: so the module is pinned before the first thread starts.
 *
 * The descriptor that wakes the caller is closed by the caller, not with the last reference: a
 * program that connects and cancels must not collect descriptors as long as a dead name server
 * makes threads wait.  `state` decides who closes it when drop and completion meet. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr, pipe2 under -std=c11 */
#endif
#include "resolve.h"

#include "net/fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

/* NSS modules keep buffers of tens of kilobytes on the stack. */
#define THREAD_STACK_SIZE ((size_t)512 * 1024)

enum {
  RUNNING,    /* the thread has no result yet */
  SIGNALLING, /* the result stands, the thread is about to write to the descriptor */
  DONE,       /* the thread touches the descriptor no more */
  DROPPED     /* the caller is gone */
};

struct wsc_lookup {
  atomic_int references; /* the caller's and the thread's */
  atomic_int state;
  int wake_read, wake_write; /* one and the same for an eventfd */
  pid_t pid;                 /* whose thread it is */
  wsc_lookup_fn function;
  void *user;
  int family;
  uint16_t port;
  int code;          /* getaddrinfo's */
  int system_number; /* errno with EAI_SYSTEM */
  size_t count;
  wsc_address addresses[WSC_LOOKUP_MAX];
  char host[];
};

/* ---------------------------------------------------------------- the wake descriptor */

#ifdef __linux__
static bool wake_open(wsc_lookup *lookup) {
  lookup->wake_read = lookup->wake_write = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return lookup->wake_read >= 0;
}
#else
static bool wake_open(wsc_lookup *lookup) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  for (int i = 0; i < 2; i++) {
    fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    fcntl(ends[i], F_SETFL, O_NONBLOCK);
  }
  lookup->wake_read = ends[0];
  lookup->wake_write = ends[1];
  return true;
}
#endif

/* Eight bytes, as an eventfd wants them; a pipe does not mind.  It cannot be full. */
static void wake_signal(const wsc_lookup *lookup) {
  uint64_t one = 1;
  while (write(lookup->wake_write, &one, sizeof one) < 0 && errno == EINTR) continue;
}

static void wake_close(wsc_lookup *lookup) {
  close(lookup->wake_read);
  if (lookup->wake_write != lookup->wake_read) close(lookup->wake_write);
}

/* ---------------------------------------------------------------- the thread's side */

static void let_go(wsc_lookup *lookup) {
  if (atomic_fetch_sub(&lookup->references, 1) == 1) free(lookup);
}

static int ask_system(wsc_lookup *lookup, int flags, struct addrinfo **list) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
  char service[8];
  snprintf(service, sizeof service, "%u", (unsigned)lookup->port);
  if (lookup->family != 0) hints.ai_family = lookup->family == 4 ? AF_INET : AF_INET6;
  int code = getaddrinfo(lookup->host, service, &hints, list);
  if (code == EAI_SYSTEM) lookup->system_number = errno;
  return code;
}

static void keep_addresses(wsc_lookup *lookup, const struct addrinfo *list) {
  for (; list && lookup->count < WSC_LOOKUP_MAX; list = list->ai_next) {
    if (list->ai_family != AF_INET && list->ai_family != AF_INET6) continue;
    wsc_address *address = &lookup->addresses[lookup->count++];
    memcpy(&address->storage, list->ai_addr, list->ai_addrlen);
    address->size = list->ai_addrlen;
  }
}

static bool is_no(int code) {
#ifdef EAI_NODATA
  if (code == EAI_NODATA) return true;
#endif
#ifdef EAI_ADDRFAMILY
  if (code == EAI_ADDRFAMILY) return true;
#endif
  return code == EAI_NONAME;
}

/* AI_ADDRCONFIG spares a machine without IPv6 the questions about it; but it also hides names that
 * lead to the machine itself, so that a "no" is asked again without it. */
static void look_up(wsc_lookup *lookup) {
  struct addrinfo *list = NULL;
  int careful = lookup->family == 0 ? AI_ADDRCONFIG : 0;
  lookup->code = ask_system(lookup, careful, &list);
  if (careful && is_no(lookup->code)) lookup->code = ask_system(lookup, 0, &list);
  if (lookup->code != 0) return;
  keep_addresses(lookup, list);
  freeaddrinfo(list);
}

static void *run_lookup(void *argument) {
  wsc_lookup *lookup = argument;
  if (lookup->function)
    lookup->code = lookup->function(lookup->user, lookup->host, lookup->port, lookup->family,
                                    lookup->addresses, &lookup->count);
  else
    look_up(lookup);
  int expected = RUNNING;
  if (atomic_compare_exchange_strong(&lookup->state, &expected, SIGNALLING)) {
    wake_signal(lookup);
    expected = SIGNALLING;
    if (!atomic_compare_exchange_strong(&lookup->state, &expected, DONE)) wake_close(lookup);
  }
  let_go(lookup);
  return NULL;
}

/* ---------------------------------------------------------------- starting the thread */

/* dlopen of what is loaded already, with a flag that makes unloading a no-op; where the code is
 * linked into the program there is nothing to unload and nothing happens. */
static void pin_this_module(void) {
#if defined(RTLD_NODELETE) && defined(RTLD_NOLOAD)
  Dl_info info;
  /* any object of this module will do; a function pointer could not be cast to void * */
  static const char anchor = 0;
  if (dladdr(&anchor, &info) == 0 || !info.dli_fname) return;
  void *module = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (module) dlclose(module);
#endif
}

static int create_detached(pthread_attr_t *attributes, wsc_lookup *lookup) {
  pthread_t thread;
  pthread_attr_setdetachstate(attributes, PTHREAD_CREATE_DETACHED);
  return pthread_create(&thread, attributes, run_lookup, lookup);
}

/* A program with much thread-local data may need more than our stack: then the system's default. */
static int create_thread(wsc_lookup *lookup) {
  pthread_attr_t attributes;
  int number = pthread_attr_init(&attributes);
  if (number != 0) return number;
  if (pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE) == 0)
    number = create_detached(&attributes, lookup);
  else
    number = EINVAL;
  pthread_attr_destroy(&attributes);
  if (number != EINVAL || pthread_attr_init(&attributes) != 0) return number;
  number = create_detached(&attributes, lookup);
  pthread_attr_destroy(&attributes);
  return number;
}

/* The program's signals are for the program's threads, so ours is born with all of them blocked. */
static int start_thread(wsc_lookup *lookup) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int number = create_thread(lookup);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return number;
}

static wsc_lookup *lookup_new(const char *host, uint16_t port, int family) {
  size_t length = strlen(host);
  wsc_lookup *lookup = calloc(1, sizeof *lookup + length + 1);
  if (!lookup) return NULL;
  memcpy(lookup->host, host, length + 1);
  lookup->port = port;
  lookup->family = family;
  lookup->pid = getpid();
  atomic_init(&lookup->references, 2);
  atomic_init(&lookup->state, RUNNING);
  return lookup;
}

static wsc_lookup *give_up(wsc_lookup *lookup, const char *what, int number, char *text,
                           size_t size) {
  char words[96];
  wsc_errno_words(words, sizeof words, number);
  snprintf(text, size, "cannot look up %s: no %s (%s)", lookup->host, what, words);
  free(lookup);
  return NULL;
}

wsc_lookup *wsc_lookup_start(const char *host, uint16_t port, int family, wsc_lookup_fn function,
                             void *user, char *text, size_t size) {
  wsc_lookup *lookup = lookup_new(host, port, family);
  if (!lookup) {
    snprintf(text, size, "no memory to look up %s", host);
    return NULL;
  }
  lookup->function = function;
  lookup->user = user;
  if (!wake_open(lookup)) return give_up(lookup, "descriptor", errno, text, size);
  pin_this_module();
  int number = start_thread(lookup);
  if (number == 0) return lookup;
  wake_close(lookup);
  return give_up(lookup, "thread", number, text, size);
}

/* ---------------------------------------------------------------- the caller's side */

/* After a fork the child's copy has no thread that would ever free it. */
void wsc_lookup_drop(wsc_lookup *lookup) {
  if (!lookup) return;
  bool forked = lookup->pid != getpid();
  int state = atomic_exchange(&lookup->state, DROPPED);
  if (forked || state != SIGNALLING) wake_close(lookup);
  if (forked)
    free(lookup);
  else
    let_go(lookup);
}

int wsc_lookup_fd(const wsc_lookup *lookup) {
  return lookup->wake_read;
}

int wsc_lookup_result(const wsc_lookup *lookup, const wsc_address **addresses, size_t *count,
                      char *text, size_t size) {
  if (atomic_load(&lookup->state) == RUNNING) return WSC_AGAIN;
  if (lookup->code == 0 && lookup->count > 0) {
    *addresses = lookup->addresses;
    *count = lookup->count;
    return WSC_OK;
  }
  char words[96];
  if (lookup->code == EAI_SYSTEM)
    wsc_errno_words(words, sizeof words, lookup->system_number);
  else
    snprintf(words, sizeof words, "%s",
             lookup->code == 0 ? "the answer is empty" : gai_strerror(lookup->code));
  snprintf(text, size, "no address for %s: %s", lookup->host, words);
  return WSC_ERR_DNS;
}
