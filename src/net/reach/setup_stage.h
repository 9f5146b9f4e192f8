/* Inside of wsc_setup: its state, and the rules of each stage.  setup.c makes it and leads it from
 * stage to stage; setup_stage.c knows what happens in each. */
#ifndef WSC_NET_SETUP_STAGE_H
#define WSC_NET_SETUP_STAGE_H

#include "setup.h"

/* In the order they follow each other; those that an attempt does not need are left out. */
typedef enum wsc_stage {
  WSC_STAGE_TARGET_NAME,   /* the server's, where a SOCKS5 proxy wants an address */
  WSC_STAGE_NEXT_HOP_NAME, /* of what is dialled: the proxy, else the server */
  WSC_STAGE_DIAL,
  WSC_STAGE_PROXY_TLS,
  WSC_STAGE_TUNNEL,
  WSC_STAGE_TLS,
  WSC_STAGE_READY
} wsc_stage;

/* Which of the configured times limits a stage; the first is that of the whole way. */
typedef enum wsc_time_limit {
  WSC_LIMIT_CONNECT,
  WSC_LIMIT_DNS,
  WSC_LIMIT_TLS,
  WSC_LIMITS
} wsc_time_limit;

struct wsc_setup {
  const wsc_platform *platform;
  wsc_uri uri;
  wsc_proxy proxy;
  int family;
  bool nodelay, has_bind;
  wsc_address bind;
  char *avoid;       /* owned, or NULL */
  char *server_name; /* owned; what the server's certificate must carry; NULL: the host's name */
  uint32_t limit_ms[WSC_LIMITS];
  wsc_lookup_fn lookup;
  void *lookup_user;
  wsc_tls_context *tls, *proxy_tls; /* borrowed */

  wsc_stage stage;
  bool begun;      /* the stage's `begin` was called */
  int early_error; /* a fault found while the setup was made, reported by its first step */
  uint64_t connect_at_us, stage_at_us; /* deadlines */
  wsc_name target, next_hop;
  wsc_dial *dial;
  wsc_stream *stream;
  wsc_address peer;
  char fault[640];
};

typedef struct wsc_stage_rules {
  wsc_phase phase;
  wsc_time_limit limit; /* WSC_LIMIT_CONNECT: none of its own */
  bool (*is_needed)(const wsc_setup *setup);
  int (*begin)(wsc_setup *setup); /* puts its layer on the last one's; WSC_OK or WSC_ERR_MEMORY */
  int (*go_on)(wsc_setup *setup,
               const wsc_step *step); /* WSC_OK: through; else as wsc_setup_step */
} wsc_stage_rules;

extern const wsc_stage_rules wsc_stages[WSC_STAGE_READY];

void wsc_stage_tell(const wsc_setup *setup, char *text,
                    size_t size); /* what did not come in time */

static inline bool wsc_setup_on_unix(const wsc_setup *setup) {
  return setup->uri.path != NULL;
}

static inline bool wsc_setup_by_proxy(const wsc_setup *setup) {
  return setup->proxy.kind != WSC_PROXY_NONE;
}

#endif
