/* The environment: see environment.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* secure_getenv under -std=c11 */
#endif
#include "net/system/environment.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/hidden.h"

#ifdef __linux__
static const char *look_up(const char *name) {
  return secure_getenv(name); /* knows of file capabilities too */
}
#else
static const char *look_up(const char *name) {
  return getuid() == geteuid() && getgid() == getegid() ? getenv(name) : NULL;
}
#endif

const char *wsc_environment_trusted(const char *name) {
  const char *value = look_up(name);
  return value && *value != '\0' ? value : NULL;
}

int wsc_process_id(void) {
  return (int)getpid();
}
