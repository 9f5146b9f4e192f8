/* Errors: their names, phases and close codes.  The functions stand in wsclose.h. */
#ifndef WSC_CORE_ERROR_H
#define WSC_CORE_ERROR_H

#include "wsclose.h"

#endif
