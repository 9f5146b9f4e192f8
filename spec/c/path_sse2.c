/* See path.h. */
#define WSC_TESTING_PATH    sse2
#define WSC_TESTING_CPU_MAX WSC_CPU_SSE2
#include "path.h"
