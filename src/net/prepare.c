/* What an attempt needs for TLS, made at its start or ahead of it. */
#include "client.h"

/* What is right for the server is not for a proxy: another name, and no business with the client's
 * certificate or the server's pins. */
static wsc_tls_config tls_for_proxy(const wsc_tls_config *config) {
  wsc_tls_config result = *config;
  result.cert = result.key = result.password = result.server_name = NULL;
  result.pins = NULL;
  result.pin_count = 0;
  result.alpn = "";
  return result;
}

/* A context is kept as long as the settings stay, and its sessions with it. */
static bool renew_context(const wsc_platform *platform, wsc_tls_context **context,
                          const wsc_tls_config *config, char *fault, size_t size) {
  if (*context && wsc_tls_context_fits(*context, config)) return true;
  wsc_tls_context_free(*context);
  *context = wsc_tls_context_new(platform, config, fault, size);
  return *context != NULL;
}

bool wsc_client_renew_tls(wsc_client *client, const wsc_setup *setup, const wsc_tls_config *config,
                          char *fault, size_t size) {
  if (wsc_setup_uses_tls(setup) &&
      !renew_context(client->platform, &client->tls, config, fault, size))
    return false;
  wsc_tls_config proxy = tls_for_proxy(config);
  return !wsc_setup_uses_proxy_tls(setup) ||
         renew_context(client->platform, &client->proxy_tls, &proxy, fault, size);
}

/* A setup that is never stepped tells where the way would lead. */
void wsc_client_prepare(wsc_client *client, const wsc_client_config *config) {
  wsc_setup_options options = {.now_us = 0};
  wsc_setup *setup;
  const char *sentence;
  char fault[256];
  if (client->setup) return; /* it was lent the contexts there are */
  if (wsc_setup_new(&setup, config, &options, &sentence) != WSC_OK) return;
  wsc_client_renew_tls(client, setup, &config->tls, fault, sizeof fault);
  wsc_setup_free(setup, NULL);
}
