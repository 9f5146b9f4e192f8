/* What a program reads while a client waits: no socket, so it is looked at now and then. */
#include "net/system/clock.h"
#include "net/system/poll.h"

#include <io.h>

#include <windows.h>

#include "core/hidden.h"

enum { LOOK_US = 10000 };

/* Only keys make a line. */
static bool has_keys(HANDLE console) {
  INPUT_RECORD record;
  DWORD count = 0;
  while (PeekConsoleInputW(console, &record, 1, &count) && count > 0) {
    if (record.EventType == KEY_EVENT && record.Event.KeyEvent.bKeyDown) return true;
    ReadConsoleInputW(console, &record, 1, &count);
  }
  return false;
}

/* A pipe whose other end is closed has its end to be read. */
static bool has_input(HANDLE input) {
  DWORD size = 0, mode;
  if (GetFileType(input) == FILE_TYPE_PIPE)
    return !PeekNamedPipe(input, NULL, 0, NULL, &size, NULL) || size > 0;
  return !GetConsoleMode(input, &mode) || has_keys(input);
}

/* Once a line is begun at a console it is waited for. */
int64_t wsc_poll_read(int fd, int other, uint64_t timeout_us, void *data, size_t size) {
  HANDLE input = (HANDLE)_get_osfhandle(fd);
  uint64_t begun_us = wsc_clock_now_us();
  DWORD got = 0, most = size < MAXDWORD ? (DWORD)size : MAXDWORD;
  (void)other;
  while (!has_input(input)) {
    uint64_t spent_us = wsc_clock_now_us() - begun_us;
    if (spent_us >= timeout_us) return WSC_AGAIN;
    wsc_sleep_us(timeout_us - spent_us < LOOK_US ? timeout_us - spent_us : LOOK_US);
  }
  return ReadFile(input, data, most, &got, NULL) ? (int64_t)got : 0;
}
