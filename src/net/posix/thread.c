/* Starting threads, and being woken by them: see thread.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr, F_DUPFD_CLOEXEC and the flags of eventfd under -std=c11 */
#endif
#include "net/system/thread.h"

#include "core/buf.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

#include "core/hidden.h"

/* NSS modules keep buffers of tens of kilobytes on the stack. */
#define THREAD_STACK_SIZE ((size_t)512 * 1024)

/* lua_close unloads C modules.  This is dlopen of what is loaded already, with a flag that makes
 * unloading a no-op; where the code is linked into the program there is nothing to unload and
 * nothing happens. */
void wsc_keep_loaded(void) {
#if defined(RTLD_NODELETE) && defined(RTLD_NOLOAD)
  Dl_info info;
  /* any object of this module will do; a function pointer could not be cast to void * */
  static const char anchor = 0;
  if (dladdr(&anchor, &info) == 0) return;
  void *module = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (module) dlclose(module);
#endif
}

/* A program with much thread-local data may need more than our stack: then the system's default. */
static int create_thread(void *(*run)(void *), void *argument) {
  pthread_attr_t attributes;
  pthread_t thread;
  int number = pthread_attr_init(&attributes);
  if (number != 0) return number;
  pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE);
  number = pthread_create(&thread, &attributes, run, argument);
  if (number == EINVAL) number = pthread_create(&thread, NULL, run, argument);
  pthread_attr_destroy(&attributes);
  if (number == 0) pthread_detach(thread);
  return number;
}

/* The program's signals are for the program's threads, so ours is born with all of them blocked. */
int wsc_thread_start(void *(*run)(void *), void *argument) {
  sigset_t all, before;
  wsc_keep_loaded();
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int number = create_thread(run, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return number;
}

/* ---------------------------------------------------------------- mutexes */

struct wsc_mutex {
  pthread_mutex_t mutex;
};

wsc_mutex *wsc_mutex_new(const wsc_platform *platform) {
  wsc_mutex *mutex = wsc_alloc(platform, 1, sizeof *mutex);
  if (!mutex || pthread_mutex_init(&mutex->mutex, NULL) == 0) return mutex;
  wsc_release(platform, mutex);
  return NULL;
}

void wsc_mutex_free(wsc_mutex *mutex, const wsc_platform *platform) {
  pthread_mutex_destroy(&mutex->mutex);
  wsc_release(platform, mutex);
}

void wsc_mutex_lock(wsc_mutex *mutex) {
  pthread_mutex_lock(&mutex->mutex);
}

void wsc_mutex_unlock(wsc_mutex *mutex) {
  pthread_mutex_unlock(&mutex->mutex);
}

/* ---------------------------------------------------------------- wake descriptors */

#ifdef __linux__
static int open_wake(int *write_end) {
  (void)write_end;
  return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}
#else
static int open_wake(int *write_end) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  for (int i = 0; i < 2; i++) {
    fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    fcntl(ends[i], F_SETFL, O_NONBLOCK);
  }
  *write_end = ends[1];
  return ends[0];
}
#endif

wsc_socket wsc_wake_open(wsc_socket *write_end, int *number) {
  *write_end = WSC_NO_SOCKET;
  int fd = open_wake(write_end);
  if (fd < 0) *number = errno;
  return fd;
}

/* A number of its own, for several clients may be registered with one epoll instance. */
wsc_socket wsc_wake_share(wsc_socket fd, int *number) {
  int other = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (other < 0) *number = errno;
  return other;
}

/* Eight bytes, as an eventfd wants them; a pipe does not mind.  It cannot be full. */
void wsc_wake_signal(wsc_socket fd) {
  uint64_t one = 1;
  while (write(fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

void wsc_wake_close(wsc_socket fd) {
  close(fd);
}
