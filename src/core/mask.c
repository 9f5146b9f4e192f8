/* Masking, RFC 6455 5.3: see mask.h.
 *
 * A size that is no multiple of the step is finished by one step that ends at the last byte and
 * overlaps the one before.  It is loaded before the loop and stored behind it, which keeps that
 * right in place too, where the loop has by then masked the bytes they share. */
#include "mask.h"

#include "cpu.h"

#include <string.h>

#if defined(WSC_CPU_HAS_AVX2)
#include <immintrin.h>
#elif defined(WSC_CPU_HAS_SSE2)
#include <emmintrin.h>
#elif defined(WSC_CPU_HAS_NEON)
#include <arm_neon.h>
#endif

#include "hidden.h"

static uint32_t load_32(const uint8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, 4);
  return word;
}

static uint64_t load_64(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, 8);
  return word;
}

static bool is_little_endian(void) {
  const uint16_t one = 1;
  uint8_t first;
  memcpy(&first, &one, 1);
  return first == 1;
}

/* The key as it lies in memory `offset` bytes further on.  Shifted in a register: bytes written one
 * by one and read back as a word would stall. */
static uint32_t rotate_key(uint32_t key, size_t offset) {
  unsigned bits = 8 * (unsigned)(offset & 3);
  if (bits == 0) return key;
  return is_little_endian() ? key >> bits | key << (32 - bits) : key << bits | key >> (32 - bits);
}

static uint64_t widen_key(uint32_t key) {
  return (uint64_t)key << 32 | key;
}

/* Fewer than eight bytes. */
static void mask_short(uint8_t *out, const uint8_t *in, size_t size, uint32_t key) {
  if (size >= 4) {
    uint32_t head = load_32(in) ^ key;
    uint32_t tail = load_32(in + size - 4) ^ rotate_key(key, size);
    memcpy(out, &head, 4);
    memcpy(out + size - 4, &tail, 4);
    return;
  }
  uint8_t bytes[4];
  memcpy(bytes, &key, 4);
  for (size_t i = 0; i < size; i++) out[i] = in[i] ^ bytes[i];
}

/* `key` begins at in[0] here and below. */
static void mask_words(uint8_t *out, const uint8_t *in, size_t size, uint32_t key) {
  if (size < 8) {
    mask_short(out, in, size, key);
    return;
  }
  size_t last = size - 8;
  uint64_t tail = load_64(in + last) ^ widen_key(rotate_key(key, last));
  uint64_t wide = widen_key(key);
  for (size_t i = 0; i < last; i += 8) {
    uint64_t word = load_64(in + i) ^ wide;
    memcpy(out + i, &word, 8);
  }
  memcpy(out + last, &tail, 8);
}

#if defined(WSC_CPU_HAS_SSE2)
typedef __m128i mask_vector;

static mask_vector vector_key(uint32_t key) {
  return _mm_set1_epi32((int)key);
}
static mask_vector vector_masked(const uint8_t *in, mask_vector key) {
  return _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)in), key);
}
static void vector_store(uint8_t *out, mask_vector bytes) {
  _mm_storeu_si128((__m128i *)(void *)out, bytes);
}
#elif defined(WSC_CPU_HAS_NEON)
typedef uint8x16_t mask_vector;

static mask_vector vector_key(uint32_t key) {
  return vreinterpretq_u8_u32(vdupq_n_u32(key));
}
static mask_vector vector_masked(const uint8_t *in, mask_vector key) {
  return veorq_u8(vld1q_u8(in), key);
}
static void vector_store(uint8_t *out, mask_vector bytes) {
  vst1q_u8(out, bytes);
}
#endif

#if defined(WSC_CPU_HAS_SSE2) || defined(WSC_CPU_HAS_NEON)
static void mask_64(uint8_t *out, const uint8_t *in, mask_vector key) {
  mask_vector a = vector_masked(in, key), b = vector_masked(in + 16, key);
  mask_vector c = vector_masked(in + 32, key), d = vector_masked(in + 48, key);
  vector_store(out, a);
  vector_store(out + 16, b);
  vector_store(out + 32, c);
  vector_store(out + 48, d);
}

static void mask_vectors(uint8_t *out, const uint8_t *in, size_t size, uint32_t key) {
  if (size < 16) {
    mask_words(out, in, size, key);
    return;
  }
  size_t last = size - 16, i = 0;
  mask_vector tail = vector_masked(in + last, vector_key(rotate_key(key, last)));
  mask_vector wide = vector_key(key);
  for (; last - i >= 64; i += 64) mask_64(out + i, in + i, wide);
  for (; i < last; i += 16) vector_store(out + i, vector_masked(in + i, wide));
  vector_store(out + last, tail);
}
#else
static void mask_vectors(uint8_t *out, const uint8_t *in, size_t size, uint32_t key) {
  mask_words(out, in, size, key);
}
#endif

#if defined(WSC_CPU_HAS_AVX2)
#define MASK_AVX2 __attribute__((target("avx2")))

/* Below it, asking for AVX2 costs more than it gains. */
#define MASK_AVX2_SIZE_MIN 256

static MASK_AVX2 __m256i avx2_masked(const uint8_t *in, __m256i key) {
  return _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)in), key);
}

static MASK_AVX2 void avx2_store(uint8_t *out, __m256i bytes) {
  _mm256_storeu_si256((__m256i *)(void *)out, bytes);
}

static MASK_AVX2 void mask_128(uint8_t *out, const uint8_t *in, __m256i key) {
  __m256i a = avx2_masked(in, key), b = avx2_masked(in + 32, key);
  __m256i c = avx2_masked(in + 64, key), d = avx2_masked(in + 96, key);
  avx2_store(out, a);
  avx2_store(out + 32, b);
  avx2_store(out + 64, c);
  avx2_store(out + 96, d);
}

static MASK_AVX2 void mask_avx2(uint8_t *out, const uint8_t *in, size_t size, uint32_t key) {
  size_t last = size - 32, i = 0;
  __m256i tail = avx2_masked(in + last, _mm256_set1_epi32((int)rotate_key(key, last)));
  __m256i wide = _mm256_set1_epi32((int)key);
  for (; last - i >= 128; i += 128) mask_128(out + i, in + i, wide);
  for (; i < last; i += 32) avx2_store(out + i, avx2_masked(in + i, wide));
  avx2_store(out + last, tail);
}
#endif

void wsc_mask_copy(uint8_t *out, const uint8_t *in, size_t size, const uint8_t key[4],
                   size_t offset) {
  uint32_t turned = rotate_key(load_32(key), offset);
#if defined(WSC_CPU_HAS_AVX2)
  if (size >= MASK_AVX2_SIZE_MIN && wsc_cpu_avx2()) {
    mask_avx2(out, in, size, turned);
    return;
  }
#endif
  mask_vectors(out, in, size, turned);
}
