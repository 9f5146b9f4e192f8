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

/* strerror_r comes in two shapes: POSIX's fills the buffer, GNU's may give text of its own. */
void wsc_errno_words(char *text, size_t size, int number) {
  *text = '\0';
  const char *words = _Generic(strerror_r(number, text, size),
      int: ((void)strerror_r(number, text, size), text),
      char *: strerror_r(number, text, size));
  if (words != text) snprintf(text, size, "%s", words);
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
