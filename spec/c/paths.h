/* The paths of mask and utf8 side by side; see path.h. */
#ifndef WSC_BINDING_LUA_TESTING_PATHS_H
#define WSC_BINDING_LUA_TESTING_PATHS_H

#include "core/utf8.h"

typedef struct wsc_testing_path {
  const char *(*taken)(void); /* "ssse3" and the like: what this machine makes of the ceiling */
  void (*mask_copy)(uint8_t *out, const uint8_t *in, size_t size, const uint8_t key[4],
                    size_t offset);
  wsc_utf8_state (*utf8_check)(wsc_utf8_state state, const uint8_t *data, size_t size);
} wsc_testing_path;

extern const wsc_testing_path wsc_testing_path_portable;
extern const wsc_testing_path wsc_testing_path_sse2;
extern const wsc_testing_path wsc_testing_path_ssse3;
extern const wsc_testing_path wsc_testing_path_best;

#endif
