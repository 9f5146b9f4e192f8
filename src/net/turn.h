/* wsc_client_next in two parts, for who knows where a turn begins. */
#ifndef WSC_NET_TURN_H
#define WSC_NET_TURN_H

#include "wsclose.h"

/* A turn begins, in the place of one that is under way; its step waits until timeout_us from now at
 * the most. */
void wsc_turn_begin(wsc_client *client, uint64_t timeout_us);

/* The turn's next event; WSC_EVENT_NONE: it is over. */
wsc_event_type wsc_turn_next(wsc_client *client, wsc_event *event);

#endif
