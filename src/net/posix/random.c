/* The default platform: realloc, and OpenSSL for random bytes and SHA-1.
 *
 * Every frame sent takes a fresh mask key (RFC 6455 5.3), and RAND_bytes costs several hundred
 * nanoseconds however few bytes are asked for, so the bytes come out of a pool.  A forked child
 * must not hand out the keys its parent hands out too: the pool lies in a page of its own that the
 * kernel wipes at a fork (Linux 4.14), its fill level included, so the child finds it empty.  Where
 * there is no such page the process id is asked for each time. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS and madvise under -std=c11 */
#endif
#include "net/system/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/hidden.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

#define POOL_SIZE 4096

typedef struct byte_pool {
  size_t left; /* the last `left` bytes have not been handed out; 0 after a wipe */
  uint8_t bytes[POOL_SIZE - sizeof(size_t)];
} byte_pool;

typedef struct openssl_platform {
  wsc_platform face; /* the first member: a pointer to it is one to the whole */
  byte_pool *pool;
  EVP_MD *sha1; /* owned */
  wsc_spare spare;
  bool wiped_by_kernel;
  pid_t pid; /* whose bytes the pool holds, where the kernel does not wipe */
} openssl_platform;

static void *resize_block(void *user, void *block, size_t size) {
  (void)user;
  if (size != 0) return realloc(block, size);
  free(block);
  return NULL;
}

static bool pool_fill(byte_pool *pool) {
  if (RAND_bytes(pool->bytes, (int)sizeof pool->bytes) != 1) return false;
  pool->left = sizeof pool->bytes;
  return true;
}

static void forget_after_fork(openssl_platform *platform) {
  if (platform->wiped_by_kernel) return;
  pid_t pid = getpid();
  if (pid != platform->pid) platform->pool->left = 0;
  platform->pid = pid;
}

/* What was handed out is wiped, so that a later look into memory cannot tell old keys. */
static void pool_take(byte_pool *pool, void *bytes, size_t size) {
  uint8_t *from = pool->bytes + sizeof pool->bytes - pool->left;
  memcpy(bytes, from, size);
  OPENSSL_cleanse(from, size);
  pool->left -= size;
}

static bool random_bytes(void *user, void *bytes, size_t size) {
  openssl_platform *platform = user;
  byte_pool *pool = platform->pool;
  if (size > sizeof pool->bytes / 4) return size <= INT_MAX && RAND_bytes(bytes, (int)size) == 1;
  forget_after_fork(platform);
  if (pool->left < size && !pool_fill(pool)) return false;
  pool_take(pool, bytes, size);
  return true;
}

/* OpenSSL 3 looks an algorithm up by name each time it is asked for, which takes longer than to
 * digest a handshake's key. */
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
static EVP_MD *sha1_open(void) {
  return EVP_MD_fetch(NULL, "SHA1", NULL);
}
static void sha1_close(EVP_MD *sha1) {
  EVP_MD_free(sha1);
}
#else
static EVP_MD *sha1_open(void) {
  return (EVP_MD *)(uintptr_t)EVP_sha1(); /* never freed, and never written to */
}
static void sha1_close(EVP_MD *sha1) {
  (void)sha1;
}
#endif

static bool sha1_digest(void *user, const void *data, size_t size, uint8_t digest[20]) {
  const openssl_platform *platform = user;
  return EVP_Digest(data, size, digest, NULL, platform->sha1, NULL) == 1;
}

static bool wipe_at_fork(byte_pool *pool) {
#ifdef MADV_WIPEONFORK
  return madvise(pool, sizeof *pool, MADV_WIPEONFORK) == 0;
#else
  (void)pool;
  return false;
#endif
}

static byte_pool *pool_new(void) {
  void *page =
      mmap(NULL, sizeof(byte_pool), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED ? NULL : page;
}

wsc_platform *wsc_platform_new(void) {
  openssl_platform *platform = calloc(1, sizeof *platform);
  if (!platform) return NULL;
  platform->face = (wsc_platform){.user = platform,
                                  .resize = resize_block,
                                  .random = random_bytes,
                                  .sha1 = sha1_digest,
                                  .spare = &platform->spare};
  platform->pool = pool_new();
  platform->sha1 = sha1_open();
  if (!platform->pool || !platform->sha1) {
    wsc_platform_free(&platform->face);
    return NULL;
  }
  platform->wiped_by_kernel = wipe_at_fork(platform->pool);
  platform->pid = getpid();
  return &platform->face;
}

static void pool_free(byte_pool *pool) {
  if (!pool) return;
  OPENSSL_cleanse(pool, sizeof *pool);
  munmap(pool, sizeof *pool);
}

void wsc_platform_free(wsc_platform *platform) {
  if (!platform) return;
  openssl_platform *whole = platform->user;
  pool_free(whole->pool);
  sha1_close(whole->sha1);
  free(whole);
}
