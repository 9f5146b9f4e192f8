#include "support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *text) {
  fprintf(stderr, "fuzz: %s\n", text);
  abort();
}

/* ---------------------------------------------------------------- platform */

static void *resize_counted(void *user, void *block, size_t size) {
  fuzz_platform *platform = user;
  if (size == 0) {
    platform->blocks -= block != NULL;
    free(block);
    return NULL;
  }
  fuzz_check(size <= FUZZ_BLOCK_MAX, "a block far larger than the limits");
  if (platform->fail_in == 0) return NULL;
  if (platform->fail_in != SIZE_MAX) platform->fail_in--;
  void *result = realloc(block, size);
  fuzz_check(result != NULL, "the machine has no memory");
  platform->blocks += block == NULL;
  return result;
}

static bool count_up(void *user, void *bytes, size_t size) {
  fuzz_platform *platform = user;
  uint8_t *out = bytes;
  for (size_t i = 0; i < size; i++) out[i] = platform->next_random++;
  return true;
}

static bool digest_zeros(void *user, const void *data, size_t size, uint8_t digest[20]) {
  (void)user;
  (void)data;
  (void)size;
  memset(digest, 0, 20);
  return true;
}

void fuzz_platform_init(fuzz_platform *platform, size_t fail_in) {
  *platform = (fuzz_platform){
      .face = {.resize = resize_counted, .random = count_up, .sha1 = digest_zeros},
      .fail_in = fail_in,
  };
  platform->face.user = platform;
}

void fuzz_platform_done(const fuzz_platform *platform) {
  fuzz_check(platform->blocks == 0, "memory is still held at the end");
}

/* ---------------------------------------------------------------- input */

uint8_t fuzz_byte(fuzz_input *input) {
  if (input->size == 0) return 0;
  input->size--;
  return *input->data++;
}

fuzz_input fuzz_piece(fuzz_input *input, size_t size) {
  if (size > input->size) size = input->size;
  fuzz_input piece = {.data = input->data, .size = size};
  if (size > 0) input->data += size;
  input->size -= size;
  return piece;
}

fuzz_input fuzz_short_piece(fuzz_input *input) {
  return fuzz_piece(input, fuzz_byte(input) % 16u);
}

char *fuzz_string(fuzz_input input) {
  char *text = malloc(input.size + 1);
  fuzz_check(text != NULL, "the machine has no memory");
  if (input.size > 0) memcpy(text, input.data, input.size);
  text[input.size] = '\0';
  return text;
}

/* ---------------------------------------------------------------- log */

static void reserve(fuzz_log *log, size_t size) {
  if (log->capacity - log->size >= size) return;
  log->capacity = 2 * (log->size + size);
  log->text = realloc(log->text, log->capacity);
  fuzz_check(log->text != NULL, "the machine has no memory");
}

void fuzz_log_line(fuzz_log *log, const char *format, ...) {
  char line[512];
  va_list values;
  va_start(values, format);
  int size = vsnprintf(line, sizeof line, format, values);
  va_end(values);
  fuzz_check(size >= 0 && (size_t)size < sizeof line, "a line of the log is too long");
  reserve(log, (size_t)size + 1);
  memcpy(log->text + log->size, line, (size_t)size);
  log->text[log->size + (size_t)size] = '\n';
  log->size += (size_t)size + 1;
}

void fuzz_log_bytes(fuzz_log *log, const char *name, const void *data, size_t size) {
  static const char digits[] = "0123456789abcdef";
  const uint8_t *bytes = data;
  reserve(log, strlen(name) + 2 * size + 2);
  char *out = log->text + log->size;
  memcpy(out, name, strlen(name));
  out += strlen(name);
  *out++ = ' ';
  for (size_t i = 0; i < size; i++) {
    *out++ = digits[bytes[i] >> 4];
    *out++ = digits[bytes[i] & 15];
  }
  *out++ = '\n';
  log->size = (size_t)(out - log->text);
}

void fuzz_log_free(fuzz_log *log) {
  free(log->text);
  *log = (fuzz_log){.text = NULL};
}

void fuzz_log_compare(const fuzz_log *a, const char *a_name, const fuzz_log *b,
                      const char *b_name) {
  if (a->size == b->size && (a->size == 0 || memcmp(a->text, b->text, a->size) == 0)) return;
  fprintf(stderr, "---- %s\n%.*s", a_name, (int)a->size, a->text ? a->text : "");
  fprintf(stderr, "---- %s\n%.*s", b_name, (int)b->size, b->text ? b->text : "");
  fuzz_fail("the same bytes, cut elsewhere, do something else");
}

/* ---------------------------------------------------------------- UTF-8, RFC 3629 4 */

/* How many bytes the character at `at` has; 0: it is none. */
static size_t utf8_length(const uint8_t *at, size_t left) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (at[0] < 0x80) return 1;
  size_t length = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
  if (at[0] < 0xC2 || at[0] > 0xF4 || length > left) return 0;
  uint32_t point = at[0] & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; i++) {
    if ((at[i] & 0xC0) != 0x80) return 0;
    point = point << 6 | (at[i] & 0x3Fu);
  }
  bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  return point < least[length] || point > 0x10FFFF || surrogate ? 0 : length;
}

bool fuzz_is_utf8(const uint8_t *data, size_t size) {
  for (size_t at = 0; at < size;) {
    size_t length = utf8_length(data + at, size - at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}
