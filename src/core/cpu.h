/* Which vector instructions mask and utf8 may use: what the compiler was told of the machine, and
 * what the machine says of itself.
 *
 * SSE2 and NEON are used where the compiler may use them anyway.  SSSE3 and AVX2 are compiled in
 * besides and asked for at each call: one load and one test of a word that the compiler's own
 * runtime (libgcc, compiler-rt) fills before any constructor of ours, in each program and each
 * loaded library.  Nothing is kept here, so nothing can be seen half written by a thread. */
#ifndef WSC_CORE_CPU_H
#define WSC_CORE_CPU_H

#include <stdbool.h>

#define WSC_CPU_PORTABLE 0
#define WSC_CPU_SSE2     1
#define WSC_CPU_NEON     1
#define WSC_CPU_SSSE3    2
#define WSC_CPU_AVX2     3

/* A ceiling, so that lesser machines' paths can be tested. */
#ifndef WSC_CPU_MAX
#define WSC_CPU_MAX WSC_CPU_AVX2
#endif

#if defined(__GNUC__) && defined(__SSE2__)
#if WSC_CPU_MAX >= WSC_CPU_SSE2
#define WSC_CPU_HAS_SSE2
#endif
#if WSC_CPU_MAX >= WSC_CPU_SSSE3
#define WSC_CPU_HAS_SSSE3
#endif
/* gcc does not align the stack for 32-byte vectors on Windows (its bug 54412). */
#if WSC_CPU_MAX >= WSC_CPU_AVX2 && !defined(_WIN32)
#define WSC_CPU_HAS_AVX2
#endif
#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(__ARM_BIG_ENDIAN)
#if WSC_CPU_MAX > WSC_CPU_PORTABLE
#define WSC_CPU_HAS_NEON
#endif
#endif

#if defined(WSC_CPU_HAS_SSSE3)
static inline bool wsc_cpu_ssse3(void) {
#if defined(__SSSE3__)
  return true;
#else
  return __builtin_cpu_supports("ssse3");
#endif
}
#endif

#if defined(WSC_CPU_HAS_AVX2)
static inline bool wsc_cpu_avx2(void) {
#if defined(__AVX2__)
  return true;
#else
  return __builtin_cpu_supports("avx2");
#endif
}
#endif

#endif
