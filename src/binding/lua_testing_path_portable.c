/* See lua_testing_path.h. */
#define WSC_TESTING_PATH    portable
#define WSC_TESTING_CPU_MAX WSC_CPU_PORTABLE
#include "lua_testing_path.h"
