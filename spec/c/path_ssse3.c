/* See path.h. */
#define WSC_TESTING_PATH    ssse3
#define WSC_TESTING_CPU_MAX WSC_CPU_SSSE3
#include "path.h"
