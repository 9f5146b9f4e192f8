/* See path.h. */
#define WSC_TESTING_PATH    portable
#define WSC_TESTING_CPU_MAX WSC_CPU_PORTABLE
#include "path.h"
