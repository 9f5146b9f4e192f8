/* Threads of the library's own. */
#ifndef WSC_NET_THREAD_H
#define WSC_NET_THREAD_H

/* Calls `run` on a detached thread with a small stack, on which all signals are blocked.  It may go
 * on after the last object of this library is gone: the library's code stays loaded from the first
 * thread on.  0, or the number of the error. */
int wsc_thread_start(void *(*run)(void *argument), void *argument);

#endif
