/* Files: see file.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_CLOEXEC under -std=c11 */
#endif
#include "net/system/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/hidden.h"

bool wsc_file_marks(const char *path, uint64_t marks[WSC_FILE_MARKS]) {
  struct stat status;
  if (stat(path, &status) != 0) return false;
  marks[0] = (uint64_t)status.st_ino;
  marks[1] = (uint64_t)status.st_size;
  marks[2] = (uint64_t)status.st_mtime;
  marks[3] = (uint64_t)status.st_ctime;
  return true;
}

int wsc_file_check(const char *path) {
  return access(path, R_OK) == 0 ? 0 : errno;
}

int wsc_folder_find(const char *path, bool (*fits)(const char *name)) {
  DIR *folder = opendir(path);
  struct dirent *entry = NULL;
  if (!folder) return errno;
  do entry = readdir(folder);
  while (entry && !fits(entry->d_name));
  closedir(folder);
  return entry ? 0 : -1;
}

/* A pipe that nobody reads is not waited for. */
int wsc_file_append(const char *path, int *number) {
  int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                  S_IRUSR | S_IWUSR);
  if (file < 0) *number = errno;
  return file;
}

void wsc_file_write(int file, const char *data, size_t size) {
  ssize_t written = write(file, data, size);
  (void)written;
}

void wsc_file_close(int file) {
  close(file);
}

bool wsc_authorities_each(void (*take)(void *user, const uint8_t *der, size_t size), void *user) {
  (void)take, (void)user;
  return false;
}
