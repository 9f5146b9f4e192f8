/* The default platform without OpenSSL's random bytes and SHA-1: realloc, and the system's own.  No
 * pool is kept, so a fork needs no care; a mask key costs a system call. */
#include "net/system/random.h"

#include <stdlib.h>

#include "core/hidden.h"

static void *resize_block(void *user, void *block, size_t size) {
  (void)user;
  if (size != 0) return realloc(block, size);
  free(block);
  return NULL;
}

static bool random_bytes(void *user, void *bytes, size_t size) {
  (void)user;
  return wsc_system_random(bytes, size);
}

static bool sha1_digest(void *user, const void *data, size_t size, uint8_t digest[20]) {
  (void)user;
  return wsc_system_sha1(data, size, digest);
}

typedef struct system_platform {
  wsc_platform face; /* the first member: a pointer to it is one to the whole */
  wsc_spare spare;
} system_platform;

wsc_platform *wsc_platform_new(void) {
  system_platform *platform = calloc(1, sizeof *platform);
  if (!platform) return NULL;
  platform->face = (wsc_platform){.resize = resize_block,
                                  .random = random_bytes,
                                  .sha1 = sha1_digest,
                                  .spare = &platform->spare};
  return &platform->face;
}

void wsc_platform_free(wsc_platform *platform) {
  free(platform);
}
