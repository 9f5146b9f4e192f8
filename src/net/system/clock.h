/* The monotonic clock; wsc_clock_now_us stands in wsclose.h. */
#ifndef WSC_NET_CLOCK_H
#define WSC_NET_CLOCK_H

#include "wsclose.h"

/* Lets time pass, for ever with WSC_NEVER; a signal ends it early. */
void wsc_sleep_us(uint64_t time_us);

/* The platform's time. */
static inline uint64_t wsc_now_us(const wsc_platform *platform) {
  return platform->now ? platform->now(platform->user) : wsc_clock_now_us();
}

#endif
