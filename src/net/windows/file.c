/* Files by UTF-8 names, through the calls that take UTF-16: see file.h. */
#include "net/system/file.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <wchar.h>

#include <windows.h>

#include "core/hidden.h"

#define PATH_SIZE 1024

/* False, and errno: it is not UTF-8, or too long. */
static bool widen(const char *path, wchar_t wide[PATH_SIZE]) {
  if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, PATH_SIZE) > 0)
    return true;
  errno = GetLastError() == ERROR_INSUFFICIENT_BUFFER ? ENAMETOOLONG : EILSEQ;
  return false;
}

bool wsc_file_marks(const char *path, uint64_t marks[WSC_FILE_MARKS]) {
  wchar_t wide[PATH_SIZE];
  struct _stat64 status;
  if (!widen(path, wide) || _wstat64(wide, &status) != 0) return false;
  marks[0] = 0;
  marks[1] = (uint64_t)status.st_size;
  marks[2] = (uint64_t)status.st_mtime;
  marks[3] = (uint64_t)status.st_ctime;
  return true;
}

int wsc_file_check(const char *path) {
  enum { MAY_READ = 4 };
  wchar_t wide[PATH_SIZE];
  return widen(path, wide) && _waccess(wide, MAY_READ) == 0 ? 0 : errno;
}

static bool find_in(HANDLE search, WIN32_FIND_DATAW *entry, bool (*fits)(const char *name)) {
  char name[PATH_SIZE];
  do {
    int size = WideCharToMultiByte(CP_UTF8, 0, entry->cFileName, -1, name, PATH_SIZE, NULL, NULL);
    if (size > 0 && fits(name)) return true;
  } while (FindNextFileW(search, entry));
  return false;
}

int wsc_folder_find(const char *path, bool (*fits)(const char *name)) {
  char pattern[PATH_SIZE];
  wchar_t wide[PATH_SIZE];
  WIN32_FIND_DATAW entry;
  snprintf(pattern, sizeof pattern, "%s/*", path);
  if (!widen(pattern, wide)) return errno;
  HANDLE search = FindFirstFileW(wide, &entry);
  if (search == INVALID_HANDLE_VALUE) return ENOENT;
  bool found = find_in(search, &entry, fits);
  FindClose(search);
  return found ? 0 : -1;
}

int wsc_file_append(const char *path, int *number) {
  wchar_t wide[PATH_SIZE];
  int file = -1;
  if (widen(path, wide))
    file = _wopen(wide, _O_WRONLY | _O_CREAT | _O_APPEND | _O_BINARY | _O_NOINHERIT,
                  _S_IREAD | _S_IWRITE);
  if (file < 0) *number = errno;
  return file;
}

void wsc_file_write(int file, const char *data, size_t size) {
  _write(file, data, (unsigned)size);
}

void wsc_file_close(int file) {
  _close(file);
}
