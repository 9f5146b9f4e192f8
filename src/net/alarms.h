/* Who is due when: a binary heap, the earliest on top. */
#ifndef WSC_NET_ALARMS_H
#define WSC_NET_ALARMS_H

#include "wsclose.h"

/* Part of what is due. */
typedef struct wsc_alarm {
  uint32_t place; /* in the heap, counted from 1; 0: not set */
} wsc_alarm;

typedef struct wsc_alarm_slot {
  uint64_t at_us; /* beside the pointer: comparing touches no alarm */
  wsc_alarm *alarm;
} wsc_alarm_slot;

typedef struct wsc_alarms {
  const wsc_platform *platform; /* borrowed */
  wsc_alarm_slot *slots;        /* owned */
  size_t count, room;
} wsc_alarms;

/* Makes room for `count` alarms, so that setting them cannot fail.  False: no memory. */
bool wsc_alarms_reserve(wsc_alarms *alarms, size_t count);
void wsc_alarms_free(wsc_alarms *alarms);

void wsc_alarms_set(wsc_alarms *alarms, wsc_alarm *alarm, uint64_t at_us); /* WSC_NEVER: unset */

uint64_t wsc_alarms_at(const wsc_alarms *alarms, const wsc_alarm *alarm); /* WSC_NEVER: not set */

wsc_alarm *wsc_alarms_first(const wsc_alarms *alarms); /* NULL: none is set */

#endif
