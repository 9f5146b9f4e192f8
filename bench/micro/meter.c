#include "meter.h"

#include <stdlib.h>
#include <time.h>

enum { ROUND_NS = 150000 };

void meter_keep(const void *bytes) {
  __asm__ volatile("" : : "r"(bytes) : "memory");
}

static double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double time_runs(const meter_task *task, unsigned runs) {
  double start = now_ns();
  for (unsigned i = 0; i < runs; i++) task->run(task->subject);
  return (now_ns() - start) / runs;
}

static unsigned runs_of_a_round(const meter_task *task) {
  unsigned runs = 1;
  while (time_runs(task, runs) * runs < ROUND_NS) runs *= 2;
  return runs;
}

static int compare_doubles(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

void meter_group(meter_task *tasks, size_t count) {
  static double rounds[METER_TASKS][METER_ROUNDS];
  unsigned runs = runs_of_a_round(&tasks[0]);
  for (size_t round = 0; round < METER_ROUNDS; round++)
    for (size_t i = 0; i < count; i++) rounds[i][round] = time_runs(&tasks[i], runs);
  for (size_t i = 0; i < count; i++) {
    qsort(rounds[i], METER_ROUNDS, sizeof rounds[i][0], compare_doubles);
    tasks[i].ns = rounds[i][METER_ROUNDS / 2];
  }
}
