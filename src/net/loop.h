/* Inside of wsc_loop: what client.c tells it, and what the binding adds.  The loop's face is in
 * wsclose.h.
 *
 * A member is a client in one loop; a client has one for each loop that it is in.  What a client
 * does changes when it is due, so each step, flush or pause touches its members, and the next wait
 * looks at those that were touched, and at no others. */
#ifndef WSC_NET_LOOP_H
#define WSC_NET_LOOP_H

#include "wsclose.h"

/* client.c: when the client is due may have changed. */
void wsc_loop_touch(const wsc_client *client);

/* client.c: the client is being freed.  Each of its loops gives out its user once more. */
void wsc_loop_client_gone(wsc_client *client);

/* All loops that the client is in give it out at once. */
void wsc_loop_wake(const wsc_client *client);

/* For specs, before the first client is added: as on a system that has neither epoll nor kqueue. */
void wsc_loop_use_poll(wsc_loop *loop);

/* How often a wait has looked at a client. */
uint64_t wsc_loop_looks(const wsc_loop *loop);

#endif
