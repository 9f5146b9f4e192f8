/* Random bytes and SHA-1 for the default platform: wsc_platform_new (wsclose.h). */
#ifndef WSC_NET_RANDOM_H
#define WSC_NET_RANDOM_H

#include "wsclose.h"

/* The system's, where the platform is not made with OpenSSL's. */
bool wsc_system_random(void *bytes, size_t size);
bool wsc_system_sha1(const void *data, size_t size, uint8_t digest[20]);

#endif
