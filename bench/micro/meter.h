/* Tasks measured side by side: each round runs all of a group, one after the other, so that what
 * else the machine does meets all of them; the median of the rounds counts. */
#ifndef BENCH_MICRO_METER_H
#define BENCH_MICRO_METER_H

#include <stddef.h>
#include <stdint.h>

enum { METER_ROUNDS = 41, METER_TASKS = 8 };

typedef struct meter_task {
  void (*run)(void *subject); /* once */
  void *subject;
  double ns; /* the median for one run, after meter_group */
} meter_task;

/* The first task tells how often all of them are run in a round. */
void meter_group(meter_task *tasks, size_t count);

/* What is computed must look used. */
void meter_keep(const void *bytes);

#endif
