/* The configuration that option tables become, field by field. */
#include "testing.h"

#include "binding/lua_options.h"

static void set_number(lua_State *L, const char *name, lua_Number value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value); /* NULL gives nil */
  lua_setfield(L, -2, name);
}

static void set_list(lua_State *L, const char *name, const char *const *values, size_t count) {
  lua_newtable(L);
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(L, values[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, name);
}

/* "name=value" or "name", as one string each */
static void set_pairs(lua_State *L, const char *name, const wsc_param *pairs, size_t count) {
  lua_newtable(L);
  for (size_t i = 0; i < count; i++) {
    if (pairs[i].value)
      lua_pushfstring(L, "%s=%s", pairs[i].name, pairs[i].value);
    else
      lua_pushstring(L, pairs[i].name);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, name);
}

static void set_headers(lua_State *L, const char *field, const wsc_header *headers, size_t count) {
  lua_newtable(L);
  for (size_t i = 0; i < count; i++) {
    lua_pushfstring(L, "%s: %s", headers[i].name, headers[i].value);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, field);
}

static void set_extensions(lua_State *L, const wsc_config *config) {
  lua_newtable(L);
  for (size_t i = 0; i < config->extension_count; i++) {
    const wsc_extension *extension = &config->extensions[i];
    lua_newtable(L);
    set_text(L, "name", extension->name);
    set_pairs(L, "params", extension->params, extension->param_count);
    set_flag(L, "required", extension->required);
    set_list(L, "require", extension->require, extension->require_count);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "extensions");
}

static void set_conn(lua_State *L, const wsc_config *config) {
  set_flag(L, "server", config->server);
  set_text(L, "url", config->url);
  set_headers(L, "headers", config->headers, config->header_count);
  set_list(L, "protocols", config->protocols, config->protocol_count);
  set_flag(L, "require_protocol", config->require_protocol);
  set_extensions(L, config);
  set_number(L, "level", config->deflate.level);
  set_number(L, "mem_level", config->deflate.mem_level);
  set_number(L, "threshold", (lua_Number)config->deflate.threshold);
  set_number(L, "message", (lua_Number)config->limits.message_size_max);
  set_number(L, "frame", (lua_Number)config->limits.frame_size_max);
  set_number(L, "fragments", (lua_Number)config->limits.fragments_max);
  set_number(L, "header", (lua_Number)config->limits.header_size_max);
  set_number(L, "send_queue", (lua_Number)config->limits.send_queue_size_max);
  set_number(L, "handshake_ms", config->handshake_timeout_ms);
  set_number(L, "close_ms", config->close_timeout_ms);
  set_number(L, "linger_ms", config->linger_ms);
  set_number(L, "ping_interval_ms", config->ping_interval_ms);
  set_number(L, "ping_timeout_ms", config->ping_timeout_ms);
  set_flag(L, "trace", config->trace);
  set_flag(L, "trace_payloads", config->trace_payloads);
}

static void set_tls(lua_State *L, const wsc_tls_config *tls) {
  lua_newtable(L);
  set_flag(L, "verify", tls->verify);
  set_text(L, "ca_file", tls->ca_file);
  set_text(L, "ca_path", tls->ca_path);
  set_text(L, "ca", tls->ca);
  set_text(L, "cert", tls->cert);
  set_text(L, "key", tls->key);
  set_text(L, "password", tls->password);
  set_text(L, "server_name", tls->server_name);
  set_text(L, "ciphers", tls->ciphers);
  set_text(L, "groups", tls->groups);
  set_text(L, "alpn", tls->alpn);
  set_text(L, "keylog_file", tls->keylog_file);
  set_number(L, "min_version", tls->min_version);
  set_number(L, "session_cache", (lua_Number)tls->session_cache_size);
  lua_pushlstring(L, tls->pin_count ? (const char *)tls->pins : "", 32 * tls->pin_count);
  lua_setfield(L, -2, "pins");
  lua_setfield(L, -2, "tls");
}

static void set_client(lua_State *L, const wsc_client_config *config) {
  set_number(L, "connect_ms", config->connect_timeout_ms);
  set_number(L, "dns_ms", config->dns_timeout_ms);
  set_number(L, "tls_ms", config->tls_timeout_ms);
  set_number(L, "family", config->family);
  set_text(L, "bind", config->bind);
  set_flag(L, "nodelay", config->nodelay);
  set_text(L, "proxy", config->proxy);
  set_headers(L, "proxy_headers", config->proxy_headers, config->proxy_header_count);
  set_tls(L, &config->tls);
  lua_newtable(L);
  for (size_t i = 0; i < config->resolve_count; i++) {
    const wsc_resolve_entry *entry = &config->resolve[i];
    set_list(L, entry->host, entry->addresses, entry->address_count);
  }
  lua_setfield(L, -2, "resolve");
}

/* read(config) -> what the core gets of it, the defaults filled in */
static int l_options_read(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  wsc_client_config config;
  wsc_client_config_init(&config, wsc_testing_platform(L));
  wsc_lua_read_client_config(L, 1, &config);
  lua_newtable(L);
  set_conn(L, &config.conn);
  set_client(L, &config);
  return 1;
}

void wsc_testing_options(lua_State *L) {
  static const luaL_Reg functions[] = {{"read", l_options_read}, {NULL, NULL}};
  wsc_testing_add(L, "options", functions);
}
