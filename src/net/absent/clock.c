/* The monotonic clock of Windows. */
#include "net/posix/clock.h"

#include <windows.h>

uint64_t wsc_clock_now_us(void) {
  LARGE_INTEGER ticks, per_second;
  QueryPerformanceCounter(&ticks); /* neither fails since Windows XP */
  QueryPerformanceFrequency(&per_second);
  uint64_t count = (uint64_t)ticks.QuadPart, rate = (uint64_t)per_second.QuadPart;
  return count / rate * 1000000u + count % rate * 1000000u / rate;
}
