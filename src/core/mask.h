/* Masking, RFC 6455 5.3: out[i] = in[i] ^ key[(offset + i) % 4]. */
#ifndef WSC_CORE_MASK_H
#define WSC_CORE_MASK_H

#include "wsclose.h"

/* One pass, copy and mask; `out` may be `in` (in place) but must not overlap it otherwise. `offset`
 * is the position of in[0] within the payload. */
void wsc_mask_copy(uint8_t *out, const uint8_t *in, size_t size, const uint8_t key[4],
                   size_t offset);

#endif
