/* What the fuzz targets share: a platform that counts blocks and fails on demand, the fuzzer's
 * bytes as numbers and pieces, a log that two runs are compared by, and an independent UTF-8 check.
 */
#ifndef WSC_FUZZ_SUPPORT_H
#define WSC_FUZZ_SUPPORT_H

#include "wsclose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Prints `text` and aborts, so that libFuzzer keeps the input. */
_Noreturn void fuzz_fail(const char *text);

static inline void fuzz_check(bool condition, const char *text) {
  if (!condition) fuzz_fail(text);
}

/* No limit that a target sets calls for more: zlib's state is a quarter of it. */
#define FUZZ_BLOCK_MAX ((size_t)1 << 20)

/* Memory of malloc, random bytes of a counter, a digest of zeros: every run is the same. */
typedef struct fuzz_platform {
  wsc_platform face; /* the first member */
  size_t fail_in;    /* so many allocations succeed, all later ones fail; SIZE_MAX: none fails */
  size_t blocks;     /* not yet given back */
  uint8_t next_random;
} fuzz_platform;

void fuzz_platform_init(fuzz_platform *platform, size_t fail_in);

/* Aborts if memory is still held. */
void fuzz_platform_done(const fuzz_platform *platform);

/* The accept value of every key, since the digest is zeros. */
#define FUZZ_ACCEPT "AAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* The fuzzer's bytes, taken from the front; 0 and empty pieces when there are no more. */
typedef struct fuzz_input {
  const uint8_t *data;
  size_t size;
} fuzz_input;

uint8_t fuzz_byte(fuzz_input *input);
fuzz_input fuzz_piece(fuzz_input *input, size_t size); /* `size` bytes, or what there is */
fuzz_input fuzz_short_piece(fuzz_input *input);        /* a byte says how many, 15 at the most */
char *fuzz_string(fuzz_input input);                   /* with a NUL behind; the caller frees */

/* Text that grows. */
typedef struct fuzz_log {
  char *text;
  size_t size, capacity;
} fuzz_log;

void fuzz_log_line(fuzz_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fuzz_log_bytes(fuzz_log *log, const char *name, const void *data, size_t size);
void fuzz_log_free(fuzz_log *log);

/* Aborts if the logs differ, and prints both. */
void fuzz_log_compare(const fuzz_log *a, const char *a_name, const fuzz_log *b, const char *b_name);

bool fuzz_is_utf8(const uint8_t *data, size_t size);

#endif
