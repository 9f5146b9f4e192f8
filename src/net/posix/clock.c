/* The monotonic clock: it goes on evenly whatever is done to the time of day. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* clock_gettime, nanosleep under -std=c11 */
#endif
#include "net/system/clock.h"

#include <time.h>

#include "core/hidden.h"

uint64_t wsc_clock_now_us(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return 0; /* POSIX: cannot happen */
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void wsc_sleep_us(uint64_t time_us) {
  uint64_t seconds = time_us / 1000000u;
  struct timespec time = {.tv_sec = seconds < INT32_MAX ? (time_t)seconds : INT32_MAX,
                          .tv_nsec = (long)(time_us % 1000000u) * 1000};
  nanosleep(&time, NULL); /* a signal ends it early */
}
