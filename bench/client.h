/* What the C clients of the benchmarks share: arguments, the message and its check, the clock of
 * the process, the line of the result.  C++ may include it too.
 *
 * PROGRAM URL WORKLOAD SIZE COUNT prints "RESULT units cpu_ns" and ends with 0, or says what went
 * wrong on standard error and ends with 1. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BENCH_IN_FLIGHT = 64 };

typedef struct bench {
  const char *url; /* without a path: ws://127.0.0.1:PORT or wss://… */
  const char *workload;
  size_t size;
  uint64_t count, warm; /* units measured, and units before that */
  bool tls;
  int port;
  uint64_t began_ns, took_ns;
  char path[160]; /* of the workload */
} bench;

__attribute__((noreturn, format(printf, 1, 2))) static inline void bench_fail(const char *format,
                                                                              ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static inline void bench_check(bool good, const char *sentence) {
  if (!good) bench_fail("%s", sentence);
}

static inline bool bench_is(const bench *b, const char *workload) {
  return strcmp(b->workload, workload) == 0;
}

static inline void bench_choose_path(bench *b) {
  const char *format = "/echo";
  if (bench_is(b, "receive")) format = "/flood?size=%zu&count=%" PRIu64 "&warm=%" PRIu64;
  if (bench_is(b, "inflate")) format = "/json?size=%zu&count=%" PRIu64 "&warm=%" PRIu64;
  if (bench_is(b, "send")) format = "/sink?size=%zu&count=%" PRIu64 "&warm=%" PRIu64;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  snprintf(b->path, sizeof b->path, format, b->size, b->count, b->warm);
#pragma GCC diagnostic pop
}

static inline bench bench_arguments(int argc, char **argv) {
  bench b;
  memset(&b, 0, sizeof b);
  if (argc != 5) bench_fail("usage: %s URL WORKLOAD SIZE COUNT", argv[0]);
  b.url = argv[1];
  b.workload = argv[2];
  b.size = strtoull(argv[3], NULL, 10);
  b.count = strtoull(argv[4], NULL, 10);
  b.warm = b.count / 10 > 0 ? b.count / 10 : 1;
  b.tls = strncmp(b.url, "wss:", 4) == 0;
  const char *colon = strrchr(b.url, ':');
  b.port = colon ? (int)strtol(colon + 1, NULL, 10) : 0;
  bench_check(b.port > 0, "the URL has no port");
  bench_choose_path(&b);
  return b;
}

/* The message of `size` bytes that all send and expect. */
static inline uint8_t *bench_message(size_t size) {
  uint8_t *message = (uint8_t *)malloc(size + 1);
  bench_check(message != NULL, "no memory");
  for (size_t i = 0; i < size; i++) message[i] = (uint8_t)('a' + i % 26);
  message[size] = 0;
  return message;
}

/* The look at the last message. */
static inline void bench_check_content(const bench *b, const void *data, size_t size) {
  const uint8_t *bytes = (const uint8_t *)data;
  bench_check(size == b->size, "a message has another size");
  if (bench_is(b, "inflate")) {
    bench_check(size > 9 && memcmp(bytes, "{\"seq\":", 7) == 0 && bytes[size - 1] == '}',
                "a message has another content");
    return;
  }
  for (size_t i = 0; i < size; i++)
    bench_check(bytes[i] == (uint8_t)('a' + i % 26), "a message has another content");
}

static inline uint64_t bench_cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static inline void bench_begin(bench *b) {
  b->began_ns = bench_cpu_ns();
}

static inline void bench_end(bench *b) {
  b->took_ns = bench_cpu_ns() - b->began_ns;
}

static inline void bench_result(const bench *b) {
  printf("RESULT %" PRIu64 " %" PRIu64 "\n", b->count, b->took_ns);
}

/* Resident memory of this process in bytes. */
static inline int64_t bench_resident(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  bench_check(file && fscanf(file, "%*s %ld", &pages) == 1, "/proc/self/statm");
  fclose(file);
  return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

#endif
