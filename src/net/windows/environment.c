/* The process and its environment: see environment.h.  Nobody runs for another here. */
#include "net/system/environment.h"

#include <stdlib.h>

#include "core/hidden.h"

const char *wsc_environment_trusted(const char *name) {
  const char *value = getenv(name);
  return value && *value != '\0' ? value : NULL;
}

int wsc_process_id(void) {
  return 0;
}
