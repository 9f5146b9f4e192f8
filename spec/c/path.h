/* One path of mask and utf8 once more, under names of its own, so that specs and benchmarks compare
 * all paths in one program.  A file defines WSC_TESTING_PATH and WSC_TESTING_CPU_MAX, the path's
 * name and ceiling, and includes this.  No Lua here. */

#include "paths.h"

#define TESTING_JOIN_(name, path) name##_##path
#define TESTING_JOIN(name, path)  TESTING_JOIN_(name, path)

#define wsc_mask_copy   TESTING_JOIN(wsc_testing_mask_copy, WSC_TESTING_PATH)
#define wsc_utf8_check  TESTING_JOIN(wsc_testing_utf8_check, WSC_TESTING_PATH)
#define wsc_utf8_valid  TESTING_JOIN(wsc_testing_utf8_valid, WSC_TESTING_PATH)
#define wsc_utf8_range  TESTING_JOIN(wsc_testing_utf8_range, WSC_TESTING_PATH)
#define wsc_testing_own TESTING_JOIN(wsc_testing_path, WSC_TESTING_PATH)

#undef WSC_CPU_MAX /* that of the build */
#define WSC_CPU_MAX WSC_TESTING_CPU_MAX

/* NOLINTBEGIN(bugprone-suspicious-include): the same code, compiled otherwise */
#include "core/mask.c"
#include "core/utf8.c"
#include "core/utf8_range.c"
/* NOLINTEND(bugprone-suspicious-include) */

#include "cpu.h"

static const char *testing_path_taken(void) {
  return wsc_testing_cpu_path();
}

const wsc_testing_path wsc_testing_own = {testing_path_taken, wsc_mask_copy, wsc_utf8_check};
