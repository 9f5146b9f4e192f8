/* See path.h. */
#define WSC_TESTING_PATH    best
#define WSC_TESTING_CPU_MAX WSC_CPU_AVX2
#include "path.h"
