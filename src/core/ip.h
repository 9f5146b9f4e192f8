/* Numeric addresses of IP as text. */
#ifndef WSC_CORE_IP_H
#define WSC_CORE_IP_H

#include <stdint.h>

#include "slice.h"

/* The address in network order, and its size: 4 for "192.0.2.1" in its one standard form; 16 for
 * IPv6 (RFC 4291 2.2) without brackets and zone; 0: the text is no address. */
size_t wsc_ip_parse(uint8_t bytes[16], wsc_slice text);

#endif
