/* The monotonic clock. */
#include "net/system/clock.h"

#include <windows.h>

#include "core/hidden.h"

uint64_t wsc_clock_now_us(void) {
  LARGE_INTEGER ticks, per_second;
  QueryPerformanceCounter(&ticks); /* neither fails since Windows XP */
  QueryPerformanceFrequency(&per_second);
  uint64_t count = (uint64_t)ticks.QuadPart, rate = (uint64_t)per_second.QuadPart;
  return count / rate * 1000000u + count % rate * 1000000u / rate;
}

void wsc_sleep_us(uint64_t time_us) {
  uint64_t time_ms = time_us / 1000u + (time_us % 1000u != 0);
  Sleep(time_ms < INFINITE ? (DWORD)time_ms : INFINITE);
}
