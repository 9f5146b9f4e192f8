/* What a client keeps for TLS, and the shelf over which clients share the larger part of it: see
 * tls.h. */
#include "tls_private.h"

#include <assert.h>
#include <stdio.h>

/* ---------------------------------------------------------------- the shelf */

wsc_tls_shelf *wsc_tls_shelf_new(const wsc_platform *platform) {
  wsc_tls_shelf *shelf = wsc_alloc(platform, 1, sizeof *shelf);
  if (shelf != NULL) shelf->platform = platform;
  return shelf;
}

void wsc_tls_shelf_free(wsc_tls_shelf *shelf) {
  if (shelf == NULL) return;
  assert(shelf->first == NULL);
  wsc_release(shelf->platform, shelf);
}

/* The one with the very settings, files included; NULL: there is none, or no memory to find out. */
static wsc_tls_base *find_base(const wsc_tls_shelf *shelf, const wsc_tls_config *config) {
  uint8_t fingerprint[32];
  if (shelf->first == NULL || !wsc_tls_take_fingerprint(config, fingerprint)) return NULL;
  wsc_tls_base *base = shelf->first;
  while (base != NULL && !wsc_tls_base_fits(base, config, fingerprint)) base = base->next;
  return base;
}

/* Memory of the shelf's platform: a base may outlive the client that made it. */
static wsc_tls_base *take_base(wsc_tls_shelf *shelf, const wsc_tls_config *config, char *fault,
                               size_t size) {
  wsc_tls_base *base = find_base(shelf, config);
  if (base != NULL) {
    base->references++;
    return base;
  }
  base = wsc_tls_base_new(shelf->platform, config, fault, size);
  if (base == NULL) return NULL;
  base->shelf = shelf;
  base->next = shelf->first;
  shelf->first = base;
  return base;
}

/* ---------------------------------------------------------------- the context */

wsc_tls_context *wsc_tls_context_new(const wsc_platform *platform, const wsc_tls_config *config,
                                     char *fault, size_t size) {
  wsc_tls_context *context = wsc_alloc(platform, 1, sizeof *context);
  if (context == NULL) {
    snprintf(fault, size, "no memory");
    return NULL;
  }
  context->platform = platform;
  context->references = 1;
  wsc_tls_cache_init(&context->cache, platform, config->session_cache_size);
  context->base = config->shelf != NULL ? take_base(config->shelf, config, fault, size)
                                        : wsc_tls_base_new(platform, config, fault, size);
  if (context->base != NULL) return context;
  wsc_tls_context_free(context);
  return NULL;
}

void wsc_tls_context_free(wsc_tls_context *context) {
  if (context == NULL || --context->references > 0) return;
  wsc_tls_cache_free(&context->cache);
  wsc_tls_base_free(context->base);
  wsc_release(context->platform, context);
}

/* A session is kept for the name that was proved: another one needs no other context. */
bool wsc_tls_context_fits(const wsc_tls_context *context, const wsc_tls_config *config) {
  uint8_t fingerprint[32];
  return context->cache.size_max == config->session_cache_size &&
         wsc_tls_take_fingerprint(config, fingerprint) &&
         wsc_tls_base_fits(context->base, config, fingerprint);
}
