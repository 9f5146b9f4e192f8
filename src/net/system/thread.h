/* Threads of the library's own. */
#ifndef WSC_NET_THREAD_H
#define WSC_NET_THREAD_H

/* Calls `run` on a detached thread with a small stack, on which all signals are blocked.  It may go
 * on after the last object of this library is gone: the library's code stays loaded from the first
 * thread on.  0, or the number of the error. */
int wsc_thread_start(void *(*run)(void *argument), void *argument);

/* A descriptor by which a thread wakes who waits; -1: none, errno says why.  Eight bytes written to
 * it, or to *write_end where that is another one (else -1), make it readable, and all that are
 * shared with it by dup. */
int wsc_wake_open(int *write_end);

#endif
