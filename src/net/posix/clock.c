/* The monotonic clock: it goes on evenly whatever is done to the time of day. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* clock_gettime under -std=c11 */
#endif
#include "net/system/clock.h"

#include "net/system/poll.h"

#include <time.h>

#include "core/hidden.h"

uint64_t wsc_clock_now_us(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return 0; /* POSIX: cannot happen */
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void wsc_sleep_us(uint64_t time_us) {
  wsc_poll_for(NULL, 0, time_us);
}
