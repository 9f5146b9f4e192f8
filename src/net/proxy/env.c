/* Which proxy: see proxy.h.  The one that the environment names is chosen with curl's meaning: the
 * variable for the scheme, lower case before upper, then all_proxy; no_proxy excepts hosts.  A
 * variable that is empty counts as unset. */
#include "proxy.h"

#include <stdlib.h>

#include "core/hidden.h"

static const char *first_variable(const char *const *names) {
  for (; *names; names++) {
    const char *value = getenv(*names);
    if (value && *value != '\0') return value;
  }
  return NULL;
}

/* HTTP_PROXY in capitals is what a CGI server makes of the request header "Proxy:". */
static const char *const plain_names[] = {"ws_proxy",  "WS_PROXY",  "http_proxy",
                                          "all_proxy", "ALL_PROXY", NULL};
static const char *const secure_names[] = {"wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY",
                                           "all_proxy", "ALL_PROXY", NULL};
static const char *const except_names[] = {"no_proxy", "NO_PROXY", NULL};

static const char *from_environment(const wsc_uri *target) {
  const char *proxy = first_variable(target->secure ? secure_names : plain_names);
  const char *except = first_variable(except_names);
  if (!proxy || !except) return proxy;
  return wsc_proxy_is_excepted(except, target->host, target->port) ? NULL : proxy;
}

int wsc_proxy_choose(wsc_proxy *chosen, const wsc_platform *platform, const char *proxy,
                     const wsc_uri *target, const char **sentence) {
  if (!proxy) proxy = from_environment(target);
  if (!proxy || target->path) proxy = ""; /* a unix socket is on this machine */
  return wsc_proxy_parse(chosen, platform, proxy, sentence);
}
