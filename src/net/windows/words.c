/* The system's words for its errors: see fault.h. */
#include "net/system/fault.h"

#include <stdio.h>
#include <string.h>

#include <winsock2.h>
#include <windows.h>

#include "core/hidden.h"

static bool is_of_errno(int number) {
  return number > 0 && number < WSABASEERR;
}

/* One line, without the full stop. */
static bool words_of_windows(char *text, size_t size, int number) {
  wchar_t wide[256];
  DWORD count = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                                   FORMAT_MESSAGE_MAX_WIDTH_MASK,
                               NULL, (DWORD)number, 0, wide, 256, NULL);
  while (count > 0 && (wide[count - 1] == L' ' || wide[count - 1] == L'.')) count--;
  /* for no room it would say how much there should be */
  int written =
      size < 2 ? 0
               : WideCharToMultiByte(CP_UTF8, 0, wide, (int)count, text, (int)size - 1, NULL, NULL);
  text[written] = '\0';
  return written > 0;
}

void wsc_errno_words(char *text, size_t size, int number) {
  if (is_of_errno(number))
    snprintf(text, size, "%s", strerror(number));
  else if (!words_of_windows(text, size, number))
    snprintf(text, size, "system error %d", number);
}

/* getaddrinfo's codes are Winsock's. */
void wsc_lookup_words(char *text, size_t size, int code) {
  wsc_errno_words(text, size, code);
}
