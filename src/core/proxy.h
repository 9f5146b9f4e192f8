/* What a proxy's URL says, and which hosts no_proxy excepts. */
#ifndef WSC_CORE_PROXY_H
#define WSC_CORE_PROXY_H

#include "buf.h"

typedef enum wsc_proxy_kind {
  WSC_PROXY_NONE,
  WSC_PROXY_HTTP,
  WSC_PROXY_HTTPS,
  WSC_PROXY_SOCKS5
} wsc_proxy_kind;

typedef struct wsc_proxy {
  wsc_proxy_kind kind;
  bool local_names; /* socks5:// (names are looked up here); false for socks5h:// and HTTP */
  const char *host;
  uint16_t port;
  const char *user, *password; /* NULL: none */
  char *text;                  /* owned: what all these strings point into */
  size_t text_size;
  char *headers; /* owned: further lines for CONNECT, or NULL */
  const wsc_platform *platform;
} wsc_proxy;

/* Takes a proxy's URL apart; "": WSC_PROXY_NONE.  WSC_OK; WSC_ERR_URL and a sentence (static);
 * WSC_ERR_MEMORY.  On failure nothing is owned. */
int wsc_proxy_parse(wsc_proxy *proxy, const wsc_platform *platform, const char *url,
                    const char **sentence);
void wsc_proxy_free(wsc_proxy *proxy); /* wipes password and headers */

/* Has CONNECT carry these too; for other proxies nothing is done.  Proxy-Authorization takes the
 * place of the URL's user and password.  WSC_OK; WSC_ERR_URL and a sentence (static): one that
 * wsc_header_check refuses, or Host, which is the target's; WSC_ERR_MEMORY. */
int wsc_proxy_add_headers(wsc_proxy *proxy, const wsc_header *headers, size_t count,
                          const char **sentence);

/* Does `list`, the value of no_proxy, except this host?  Entries are hosts with all below them,
 * addresses, networks in CIDR, each maybe with a port, or "*"; as curl reads it. */
bool wsc_proxy_is_excepted(const char *list, const char *host, uint16_t port);

#endif
