/* The monotonic clock; wsc_clock_now_us stands in wsclose.h. */
#ifndef WSC_NET_CLOCK_H
#define WSC_NET_CLOCK_H

#include "wsclose.h"

#endif
