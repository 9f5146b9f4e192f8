/* The system's words for its errors: see fault.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strerror_r under -std=c11 */
#endif
#include "net/system/fault.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "core/hidden.h"

/* strerror_r comes in two shapes: POSIX's fills the buffer, GNU's gives text of its own. */
static void words_from_posix(int result, char *text, size_t size, int number) {
  if (result != 0) snprintf(text, size, "system error %d", number);
}
static void words_from_gnu(const char *words, char *text, size_t size, int number) {
  (void)number;
  if (words != text) snprintf(text, size, "%s", words);
}

void wsc_errno_words(char *text, size_t size, int number) {
  _Generic(strerror_r(number, text, size), int: words_from_posix, char *: words_from_gnu)(
      strerror_r(number, text, size), text, size, number);
}

int wsc_errno_of_system(int number) {
  return number;
}

void wsc_lookup_words(char *text, size_t size, int code) {
  if (code == EAI_SYSTEM)
    wsc_errno_words(text, size, errno);
  else
    snprintf(text, size, "%s", gai_strerror(code));
}
