#include "lua_options.h"

#include <math.h>
#include <string.h>

/* ---------------------------------------------------------------- single fields */

static int wrong_field(lua_State *L, const char *name, const char *expected) {
  return luaL_error(L, "wsclose.core: field '%s': expected %s, got %s", name, expected,
                    luaL_typename(L, -1));
}

/* Pushes table[name] if it is there and of `type`; pushes nothing if it is nil. */
static bool get_field(lua_State *L, int index, const char *name, int type) {
  lua_getfield(L, index, name);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return false;
  }
  if (lua_type(L, -1) != type) wrong_field(L, name, lua_typename(L, type));
  return true;
}

static bool get_table(lua_State *L, int index, const char *name) {
  return get_field(L, index, name, LUA_TTABLE);
}

static void read_string(lua_State *L, int index, const char *name, const char **value) {
  if (!get_field(L, index, name, LUA_TSTRING)) return;
  *value = lua_tostring(L, -1); /* the table holds the string */
  lua_pop(L, 1);
}

static void read_bool(lua_State *L, int index, const char *name, bool *value) {
  if (!get_field(L, index, name, LUA_TBOOLEAN)) return;
  *value = lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
}

static bool read_number(lua_State *L, int index, const char *name, lua_Number *value) {
  if (!get_field(L, index, name, LUA_TNUMBER)) return false;
  *value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return true;
}

static void read_int(lua_State *L, int index, const char *name, int *value) {
  lua_Number number;
  if (read_number(L, index, name, &number)) *value = (int)number;
}

static void read_size(lua_State *L, int index, const char *name, size_t *value) {
  lua_Number number;
  if (!read_number(L, index, name, &number)) return;
  *value = number < (lua_Number)SIZE_MAX ? (size_t)number : SIZE_MAX;
}

/* 0 and anything the field cannot hold mean: no limit. */
static void read_ms(lua_State *L, int index, const char *name, uint32_t *value) {
  lua_Number seconds;
  if (!read_number(L, index, name, &seconds)) return;
  lua_Number ms = ceil(seconds * 1000);
  *value = ms > 0 && ms < 4294967296.0 ? (uint32_t)ms : 0;
}

/* ---------------------------------------------------------------- lists */

/* Lists of any length stay on the stack. */
static void need_stack(lua_State *L) {
  luaL_checkstack(L, 20, "too many options");
}

/* An array that lives as long as its place on the stack. */
static void *push_array(lua_State *L, size_t count, size_t size) {
  need_stack(L);
  void *array = wsc_lua_newuserdata(L, count * size);
  memset(array, 0, count * size);
  return array;
}

static const char *string_at(lua_State *L, int index, size_t i) {
  lua_rawgeti(L, index, (int)i);
  if (lua_type(L, -1) != LUA_TSTRING) wrong_field(L, "(list)", "string");
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1);
  return text;
}

const char **wsc_lua_read_strings(lua_State *L, int index, size_t *count) {
  *count = lua_rawlen(L, index);
  if (*count == 0) return NULL;
  const char **strings = push_array(L, *count, sizeof *strings);
  for (size_t i = 0; i < *count; i++) strings[i] = string_at(L, index, i + 1);
  return strings;
}

/* As wsc_lua_read_strings for table[name]; the list stays on the stack below its array. */
static const char *const *read_strings(lua_State *L, int index, const char *name, size_t *count) {
  *count = 0;
  if (!get_table(L, index, name)) return NULL;
  return wsc_lua_read_strings(L, lua_gettop(L), count);
}

void wsc_lua_read_headers(lua_State *L, int index, wsc_config *config) {
  size_t count = lua_rawlen(L, index) / 2;
  wsc_header *headers = count ? push_array(L, count, sizeof *headers) : NULL;
  for (size_t i = 0; i < count; i++) {
    headers[i].name = string_at(L, index, 2 * i + 1);
    headers[i].value = string_at(L, index, 2 * i + 2);
  }
  config->headers = headers;
  config->header_count = count;
}

static void read_params(lua_State *L, int index, wsc_extension *extension) {
  size_t count = lua_rawlen(L, index) / 2;
  wsc_param *params = count ? push_array(L, count, sizeof *params) : NULL;
  for (size_t i = 0; i < count; i++) {
    params[i].name = string_at(L, index, 2 * i + 1);
    lua_rawgeti(L, index, (int)(2 * i + 2));
    bool bare = lua_isboolean(L, -1);
    lua_pop(L, 1);
    params[i].value = bare ? NULL : string_at(L, index, 2 * i + 2);
  }
  extension->params = params;
  extension->param_count = count;
}

void wsc_lua_read_extension(lua_State *L, int index, wsc_extension *extension) {
  extension->name = "";
  read_string(L, index, "name", &extension->name);
  read_bool(L, index, "required", &extension->required);
  extension->require = read_strings(L, index, "require", &extension->require_count);
  if (get_table(L, index, "params")) read_params(L, lua_gettop(L), extension);
}

static void read_extensions(lua_State *L, int index, wsc_config *config) {
  if (!get_table(L, index, "extensions")) return;
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  if (count == 0) return;
  wsc_extension *extensions = push_array(L, count, sizeof *extensions);
  for (size_t i = 0; i < count; i++) {
    need_stack(L);
    lua_rawgeti(L, list, (int)i + 1);
    if (!lua_istable(L, -1)) wrong_field(L, "extensions", "table");
    wsc_lua_read_extension(L, lua_gettop(L), &extensions[i]);
  }
  config->extensions = extensions;
  config->extension_count = count;
}

/* ---------------------------------------------------------------- groups */

static void read_limits(lua_State *L, int index, wsc_limits *limits) {
  if (!get_table(L, index, "limits")) return;
  int table = lua_gettop(L);
  read_size(L, table, "message", &limits->message_size_max);
  read_size(L, table, "frame", &limits->frame_size_max);
  read_size(L, table, "fragments", &limits->fragments_max);
  read_size(L, table, "header", &limits->header_size_max);
  read_size(L, table, "send_queue", &limits->send_queue_size_max);
}

static void read_deflate(lua_State *L, int index, wsc_deflate_tuning *deflate) {
  if (!get_table(L, index, "deflate")) return;
  int table = lua_gettop(L);
  lua_Number threshold;
  read_int(L, table, "level", &deflate->level);
  read_int(L, table, "mem_level", &deflate->mem_level);
  if (read_number(L, table, "threshold", &threshold)) deflate->threshold = (int64_t)threshold;
}

static void read_keepalive(lua_State *L, int index, wsc_config *config) {
  lua_getfield(L, index, "keepalive");
  if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) {
    config->ping_interval_ms = 0;
  } else if (lua_istable(L, -1)) {
    int table = lua_gettop(L);
    read_ms(L, table, "interval", &config->ping_interval_ms);
    read_ms(L, table, "timeout", &config->ping_timeout_ms);
  }
}

static void read_conn_timeouts(lua_State *L, int table, wsc_config *config) {
  read_ms(L, table, "handshake", &config->handshake_timeout_ms);
  read_ms(L, table, "close", &config->close_timeout_ms);
  lua_Number linger;
  if (!read_number(L, table, "linger", &linger)) return;
  read_ms(L, table, "linger", &config->linger_ms);
  /* waiting no time at all is a wish, not the lack of a limit */
  if (linger <= 0) config->linger_ms = 1;
}

void wsc_lua_read_conn_config(lua_State *L, int index, wsc_config *config) {
  need_stack(L);
  read_bool(L, index, "server", &config->server);
  read_bool(L, index, "trace", &config->trace);
  read_bool(L, index, "require_protocol", &config->require_protocol);
  read_string(L, index, "url", &config->url);
  if (get_table(L, index, "headers")) wsc_lua_read_headers(L, lua_gettop(L), config);
  config->protocols = read_strings(L, index, "protocols", &config->protocol_count);
  read_extensions(L, index, config);
  read_limits(L, index, &config->limits);
  read_deflate(L, index, &config->deflate);
  read_keepalive(L, index, config);
  if (get_table(L, index, "timeouts")) read_conn_timeouts(L, lua_gettop(L), config);
}

/* ---------------------------------------------------------------- the network's side */

static void read_pins(lua_State *L, int index, wsc_tls_config *tls) {
  if (!get_table(L, index, "pin")) return;
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  if (count == 0) return;
  uint8_t(*pins)[32] = push_array(L, count, sizeof *pins);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    size_t size = 0;
    const char *pin = lua_tolstring(L, -1, &size);
    if (size != sizeof *pins) wrong_field(L, "pin", "32 bytes");
    memcpy(pins[i], pin, sizeof *pins);
    lua_pop(L, 1);
  }
  tls->pins = (const uint8_t(*)[32])pins;
  tls->pin_count = count;
}

static void read_tls(lua_State *L, int index, wsc_tls_config *tls) {
  if (!get_table(L, index, "tls")) return;
  int table = lua_gettop(L);
  const struct {
    const char *name;
    const char **value;
  } strings[] = {
      {"ca_file", &tls->ca_file}, {"ca_path", &tls->ca_path},
      {"ca", &tls->ca},           {"cert", &tls->cert},
      {"key", &tls->key},         {"password", &tls->password},
      {"ciphers", &tls->ciphers}, {"server_name", &tls->server_name},
      {"alpn", &tls->alpn},       {"keylog_file", &tls->keylog_file},
  };
  for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
    read_string(L, table, strings[i].name, strings[i].value);
  read_bool(L, table, "verify", &tls->verify);
  read_int(L, table, "min_version", &tls->min_version);
  read_size(L, table, "session_cache", &tls->session_cache_size);
  read_pins(L, table, tls);
}

static void read_resolve(lua_State *L, int index, wsc_client_config *config) {
  if (!get_table(L, index, "resolve")) return;
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  if (count == 0) return;
  wsc_resolve_entry *entries = push_array(L, count, sizeof *entries);
  for (size_t i = 0; i < count; i++) {
    need_stack(L);
    lua_rawgeti(L, list, (int)i + 1);
    if (!lua_istable(L, -1)) wrong_field(L, "resolve", "table");
    int entry = lua_gettop(L);
    read_string(L, entry, "host", &entries[i].host);
    entries[i].addresses = read_strings(L, entry, "addresses", &entries[i].address_count);
  }
  config->resolve = entries;
  config->resolve_count = count;
}

void wsc_lua_read_client_config(lua_State *L, int index, wsc_client_config *config) {
  wsc_lua_read_conn_config(L, index, &config->conn);
  if (get_table(L, index, "timeouts")) {
    int table = lua_gettop(L);
    read_ms(L, table, "connect", &config->connect_timeout_ms);
    read_ms(L, table, "dns", &config->dns_timeout_ms);
    read_ms(L, table, "tls", &config->tls_timeout_ms);
  }
  read_int(L, index, "family", &config->family);
  read_string(L, index, "bind", &config->bind);
  read_bool(L, index, "nodelay", &config->nodelay);
  read_string(L, index, "proxy", &config->proxy);
  read_tls(L, index, &config->tls);
  read_resolve(L, index, config);
}
