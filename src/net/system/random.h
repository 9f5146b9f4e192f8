/* Random bytes and SHA-1 from OpenSSL; wsc_platform_new (wsclose.h) stands here too. */
#ifndef WSC_NET_RANDOM_H
#define WSC_NET_RANDOM_H

#include "wsclose.h"

#endif
