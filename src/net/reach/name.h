/* A host on its way to addresses: it is one already, or stands in the program's table, or must be
 * looked up. */
#ifndef WSC_NET_NAME_H
#define WSC_NET_NAME_H

#include "net/system/pollset.h"
#include "resolve.h"

typedef struct wsc_name {
  const wsc_platform *platform;
  const char *host; /* borrowed */
  uint16_t port;
  int family;
  wsc_address *known;           /* owned; what needs no lookup */
  wsc_lookup *lookup;           /* owned */
  const wsc_address *addresses; /* once found; lent until wsc_name_free */
  size_t count;
} wsc_name;

/* What stands in `config->resolve` is copied.  WSC_OK; WSC_ERR_MEMORY; WSC_ERR_DNS: an address of
 * the table is none, or a zone no interface; text (size bytes) then holds a sentence. wsc_name_free
 * is due in every case.
 */
int wsc_name_init(wsc_name *name, const wsc_client_config *config, const char *host, uint16_t port,
                  char *text, size_t size);

/* WSC_OK: addresses and count stand; WSC_AGAIN; WSC_ERR_MEMORY or WSC_ERR_DNS and a sentence.
 * `function` and `user`: see wsc_question. */
int wsc_name_step(wsc_name *name, wsc_lookup_fn function, void *user, char *text, size_t size);

void wsc_name_free(wsc_name *name, wsc_pollset *set);

#endif
