/* Random bytes and SHA-1 from CNG: see random.h. */
#include "net/system/random.h"

#include <limits.h>

#include <windows.h>

#include <bcrypt.h>

#include "core/hidden.h"

bool wsc_system_random(void *bytes, size_t size) {
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

bool wsc_system_sha1(const void *data, size_t size, uint8_t digest[20]) {
  BCRYPT_ALG_HANDLE sha1 = NULL;
  if (size > ULONG_MAX || BCryptOpenAlgorithmProvider(&sha1, BCRYPT_SHA1_ALGORITHM, NULL, 0) != 0)
    return false;
  bool done = hash_with(sha1, data, size, digest);
  BCryptCloseAlgorithmProvider(sha1, 0);
  return done;
}
