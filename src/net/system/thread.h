/* Threads of the library's own. */
#ifndef WSC_NET_THREAD_H
#define WSC_NET_THREAD_H

#include "wsclose.h"

/* The library's code stays loaded from now on: for what is still to be called when lua_close has
 * unloaded every module. */
void wsc_keep_loaded(void);

/* Calls `run` on a detached thread with a small stack, on which all signals are blocked.  It may go
 * on after the last object of this library is gone: the library's code stays loaded from the first
 * thread on.  0, or the number of the error. */
int wsc_thread_start(void *(*run)(void *argument), void *argument);

typedef struct wsc_mutex wsc_mutex;

wsc_mutex *wsc_mutex_new(const wsc_platform *platform); /* NULL: no memory */
void wsc_mutex_free(wsc_mutex *mutex, const wsc_platform *platform);
void wsc_mutex_lock(wsc_mutex *mutex);
void wsc_mutex_unlock(wsc_mutex *mutex);

/* A descriptor by which a thread wakes who waits; WSC_NO_SOCKET: none, *number says why.  A signal
 * to it, or to *write_end where that is another one (else WSC_NO_SOCKET), makes it readable, and
 * all that are shared with it. */
wsc_socket wsc_wake_open(wsc_socket *write_end, int *number);
wsc_socket wsc_wake_share(wsc_socket fd, int *number); /* one more, for another to wait with */
void wsc_wake_signal(wsc_socket fd);
void wsc_wake_close(wsc_socket fd);

#endif
