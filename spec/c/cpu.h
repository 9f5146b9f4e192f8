/* The path that mask and utf8 take.  Included where cpu.h was, or may be, with the ceiling of the
 * file that includes it. */
#ifndef WSC_BINDING_LUA_TESTING_CPU_H
#define WSC_BINDING_LUA_TESTING_CPU_H

#include "core/cpu.h"

/* The best path of this build on this machine. */
static inline const char *wsc_testing_cpu_path(void) {
#if defined(WSC_CPU_HAS_AVX2)
  if (wsc_cpu_avx2()) return "avx2";
#endif
#if defined(WSC_CPU_HAS_SSSE3)
  if (wsc_cpu_ssse3()) return "ssse3";
#endif
#if defined(WSC_CPU_HAS_SSE2)
  return "sse2";
#elif defined(WSC_CPU_HAS_NEON)
  return "neon";
#else
  return "portable";
#endif
}

#endif
