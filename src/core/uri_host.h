/* What the host of a URL may be. */
#ifndef WSC_CORE_URI_HOST_H
#define WSC_CORE_URI_HOST_H

#include "uri_slice.h"

/* Is it an IPv6 address, as it stands within brackets?  RFC 4291 2.2; no zone id. */
bool wsc_uri_is_ipv6(url_slice host);

/* NULL for a DNS name (RFC 1035 2.3.4) or a dotted IPv4 address; else a sentence (static).  The
 * host is not empty. */
const char *wsc_uri_name_fault(url_slice host);

#endif
