/* Random bytes from the kernel, SHA-1 from a library of the system's: libmd, or libc where that has
 * the same functions (OpenBSD, NetBSD), CommonCrypto on macOS. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* getentropy under -std=c11 */
#endif
#include "net/system/random.h"

#include <stdlib.h>

#if defined(__APPLE__)
#include <CommonCrypto/CommonDigest.h>
#else
#include <sha1.h>
#include <sys/types.h>
#include <unistd.h>
#endif

#include "core/hidden.h"

#if defined(__APPLE__)

bool wsc_system_random(void *bytes, size_t size) {
  arc4random_buf(bytes, size);
  return true;
}

bool wsc_system_sha1(const void *data, size_t size, uint8_t digest[20]) {
  return size <= UINT32_MAX && CC_SHA1(data, (CC_LONG)size, digest);
}

#else

enum { ENTROPY_MAX = 256 }; /* of one call of getentropy */

bool wsc_system_random(void *bytes, size_t size) {
  uint8_t *out = bytes;
  while (size > 0) {
    size_t part = size < ENTROPY_MAX ? size : ENTROPY_MAX;
    if (getentropy(out, part) != 0) return false;
    out += part;
    size -= part;
  }
  return true;
}

bool wsc_system_sha1(const void *data, size_t size, uint8_t digest[20]) {
  SHA1_CTX context;
  SHA1Init(&context);
  SHA1Update(&context, data, size);
  SHA1Final(digest, &context);
  return true;
}

#endif
