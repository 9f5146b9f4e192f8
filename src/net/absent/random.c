/* The default platform of a build without OpenSSL (WITH_TLS=0): realloc, random bytes from the
 * kernel, SHA-1 from a library of the system's: libmd, or libc where that has the same functions
 * (OpenBSD, NetBSD), CommonCrypto on macOS, CNG on Windows.  No pool is kept, so a fork needs no
 * care; a mask key costs a system call. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* getentropy under -std=c11 */
#endif
#include "net/system/random.h"

#include <limits.h>
#include <stdlib.h>

#if defined(_WIN32)

#include <windows.h>

#include <bcrypt.h>

static bool system_random(void *bytes, size_t size) {
  return size <= ULONG_MAX &&
         BCryptGenRandom(NULL, bytes, (ULONG)size, BCRYPT_USE_SYSTEM_PREFERRED_RNG) == 0;
}

static bool hash_with(BCRYPT_ALG_HANDLE sha1, const void *data, size_t size, uint8_t digest[20]) {
  BCRYPT_HASH_HANDLE hash = NULL;
  if (BCryptCreateHash(sha1, &hash, NULL, 0, NULL, 0, 0) != 0) return false;
  bool done = BCryptHashData(hash, (PUCHAR)(uintptr_t)data, (ULONG)size, 0) == 0 &&
              BCryptFinishHash(hash, digest, 20, 0) == 0;
  BCryptDestroyHash(hash);
  return done;
}

static bool system_sha1(const void *data, size_t size, uint8_t digest[20]) {
  BCRYPT_ALG_HANDLE sha1 = NULL;
  if (size > ULONG_MAX || BCryptOpenAlgorithmProvider(&sha1, BCRYPT_SHA1_ALGORITHM, NULL, 0) != 0)
    return false;
  bool done = hash_with(sha1, data, size, digest);
  BCryptCloseAlgorithmProvider(sha1, 0);
  return done;
}

#elif defined(__APPLE__)

#include <CommonCrypto/CommonDigest.h>

static bool system_random(void *bytes, size_t size) {
  arc4random_buf(bytes, size);
  return true;
}

static bool system_sha1(const void *data, size_t size, uint8_t digest[20]) {
  return size <= UINT32_MAX && CC_SHA1(data, (CC_LONG)size, digest);
}

#else

#include <sha1.h>
#include <sys/types.h>
#include <unistd.h>

enum { ENTROPY_MAX = 256 }; /* of one call of getentropy */

static bool system_random(void *bytes, size_t size) {
  uint8_t *out = bytes;
  while (size > 0) {
    size_t part = size < ENTROPY_MAX ? size : ENTROPY_MAX;
    if (getentropy(out, part) != 0) return false;
    out += part;
    size -= part;
  }
  return true;
}

static bool system_sha1(const void *data, size_t size, uint8_t digest[20]) {
  SHA1_CTX context;
  SHA1Init(&context);
  SHA1Update(&context, data, size);
  SHA1Final(digest, &context);
  return true;
}

#endif

#include "core/hidden.h"

static void *resize_block(void *user, void *block, size_t size) {
  (void)user;
  if (size != 0) return realloc(block, size);
  free(block);
  return NULL;
}

static bool random_bytes(void *user, void *bytes, size_t size) {
  (void)user;
  return system_random(bytes, size);
}

static bool sha1_digest(void *user, const void *data, size_t size, uint8_t digest[20]) {
  (void)user;
  return system_sha1(data, size, digest);
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
