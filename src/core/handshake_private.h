/* What the handshake's files share. */
#ifndef WSC_CORE_HANDSHAKE_PRIVATE_H
#define WSC_CORE_HANDSHAKE_PRIVATE_H

#include "handshake.h"

/* base64 of 16 and of 20 bytes, with NUL */
#define WSC_KEY_SIZE    25
#define WSC_ACCEPT_SIZE 29

/* One block of memory with all it points to. */
struct wsc_handshake {
  const wsc_platform *platform;
  bool server, require_protocol, secure;
  const char *const *protocols;
  size_t protocol_count;
  const wsc_extension *extensions;
  size_t extension_count;
  wsc_deflate_tuning tuning;    /* of what is being negotiated */
  char accept[WSC_ACCEPT_SIZE]; /* client: what must come */
};

/* RFC 6455 4.2.2 step 5.4: base64(SHA-1(key + GUID)).  false: the platform has no SHA-1. */
bool wsc_handshake_accept(const wsc_platform *platform, const char *key,
                          char accept[WSC_ACCEPT_SIZE]);

/* Empty, and safe to free. */
void wsc_handshake_result_init(wsc_handshake_result *result, const wsc_platform *platform);

/* Appends the whole request.  false: no memory; part of it may stand in `out` then. */
bool wsc_handshake_write_request(wsc_buf *out, const wsc_config *config, const wsc_uri *uri,
                                 const char *key);

#endif
