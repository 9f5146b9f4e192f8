/* From a host to addresses: see name.h. */
#include "name.h"

#include "core/buf.h"
#include "core/http.h"

#include <stdio.h>
#include <string.h>

#include "core/hidden.h"

static const wsc_resolve_entry *find_entry(const wsc_client_config *config, const char *host) {
  for (size_t i = 0; i < config->resolve_count; i++)
    if (wsc_http_equal_nocase(host, strlen(host), config->resolve[i].host))
      return &config->resolve[i];
  return NULL;
}

static int take_entry(wsc_name *name, const wsc_resolve_entry *entry, char *text, size_t size) {
  if (entry->address_count == 0) {
    snprintf(text, size, "no address for %s: its list in `resolve` is empty", name->host);
    return WSC_ERR_DNS;
  }
  name->known = wsc_alloc(name->platform, entry->address_count, sizeof *name->known);
  if (!name->known) return WSC_ERR_MEMORY;
  for (size_t i = 0; i < entry->address_count; i++) {
    if (wsc_address_parse(&name->known[i], entry->addresses[i], name->port)) continue;
    snprintf(text, size, "no address for %s: \"%s\" in `resolve` is not a numeric address",
             name->host, entry->addresses[i]);
    return WSC_ERR_DNS;
  }
  name->addresses = name->known;
  name->count = entry->address_count;
  return WSC_OK;
}

static int take_numeric(wsc_name *name, const wsc_address *address) {
  name->known = wsc_alloc(name->platform, 1, sizeof *name->known);
  if (!name->known) return WSC_ERR_MEMORY;
  *name->known = *address;
  name->addresses = name->known;
  name->count = 1;
  return WSC_OK;
}

int wsc_name_init(wsc_name *name, const wsc_client_config *config, const char *host, uint16_t port,
                  char *text, size_t size) {
  wsc_address address;
  *name = (wsc_name){
      .platform = config->conn.platform, .host = host, .port = port, .family = config->family};
  const wsc_resolve_entry *entry = find_entry(config, host);
  if (entry) return take_entry(name, entry, text, size);
  if (wsc_address_parse(&address, host, port)) return take_numeric(name, &address);
  if (!strchr(host, '%')) return WSC_OK;
  snprintf(text, size, "no address for %s: there is no such interface", host);
  return WSC_ERR_DNS;
}

int wsc_name_step(wsc_name *name, wsc_lookup_fn function, void *user, char *text, size_t size) {
  if (name->count > 0) return WSC_OK;
  if (!name->lookup) {
    wsc_question question = {.host = name->host,
                             .port = name->port,
                             .family = name->family,
                             .function = function,
                             .user = user};
    int result = wsc_lookup_start(&name->lookup, name->platform, &question, text, size);
    if (result != WSC_OK) return result;
  }
  return wsc_lookup_result(name->lookup, &name->addresses, &name->count, text, size);
}

void wsc_name_free(wsc_name *name, wsc_pollset *set) {
  if (name->lookup) wsc_pollset_forget(set, wsc_lookup_fd(name->lookup));
  wsc_lookup_drop(name->lookup);
  wsc_release(name->platform, name->known);
  *name = (wsc_name){.platform = name->platform};
}
