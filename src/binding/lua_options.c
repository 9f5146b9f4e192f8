#include "lua_options.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/hidden.h"

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

static void read_string(lua_State *L, int index, const char *name, void *value) {
  if (!get_field(L, index, name, LUA_TSTRING)) return;
  *(const char **)value = lua_tostring(L, -1); /* the table holds the string */
  lua_pop(L, 1);
}

static void read_bool(lua_State *L, int index, const char *name, void *value) {
  if (!get_field(L, index, name, LUA_TBOOLEAN)) return;
  *(bool *)value = lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
}

static bool read_number(lua_State *L, int index, const char *name, lua_Number *value) {
  if (!get_field(L, index, name, LUA_TNUMBER)) return false;
  *value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return true;
}

static void read_int(lua_State *L, int index, const char *name, void *value) {
  lua_Number number;
  if (read_number(L, index, name, &number)) *(int *)value = (int)number;
}

static void read_big_size(lua_State *L, int index, const char *name, void *value) {
  lua_Number number;
  if (!read_number(L, index, name, &number)) return;
  *(uint64_t *)value = number < 9223372036854775808.0 ? (uint64_t)number : UINT64_MAX;
}

static void read_size(lua_State *L, int index, const char *name, void *value) {
  lua_Number number;
  if (!read_number(L, index, name, &number)) return;
  *(size_t *)value = number < (lua_Number)SIZE_MAX ? (size_t)number : SIZE_MAX;
}

/* 0 and anything the field cannot hold mean: no limit. */
static void read_ms(lua_State *L, int index, const char *name, void *value) {
  lua_Number seconds;
  if (!read_number(L, index, name, &seconds)) return;
  lua_Number ms = ceil(seconds * 1000);
  *(uint32_t *)value = ms > 0 && ms < 4294967296.0 ? (uint32_t)ms : 0;
}

/* Lists of any length stay on the stack. */
static void need_stack(lua_State *L) {
  luaL_checkstack(L, 20, "too many options");
}

/* A field of an option table, how it is read, and to where in the struct it belongs. */
typedef struct option_field {
  const char *name;
  void (*read)(lua_State *L, int index, const char *name, void *place);
  size_t offset;
} option_field;

static const option_field *find_field(lua_State *L, int key, const option_field *fields) {
  if (lua_type(L, key) != LUA_TSTRING) return NULL;
  for (const char *name = lua_tostring(L, key); fields->name; fields++)
    if (*fields->name == *name && strcmp(fields->name, name) == 0) return fields;
  return NULL;
}

/* Each attempt reads its options anew, and most are not there: so the table is asked for what it
 * has.  What the fields' readers leave on the stack stays there. */
static void read_fields(lua_State *L, int index, const option_field *fields, void *target) {
  for (lua_pushnil(L); lua_next(L, index);) {
    int key = lua_gettop(L) - 1;
    const option_field *field = find_field(L, key, fields);
    lua_settop(L, key);
    if (!field) continue;
    need_stack(L);
    field->read(L, index, field->name, (char *)target + field->offset);
    lua_pushvalue(L, key);
  }
}

/* ---------------------------------------------------------------- lists */

/* An array that lives as long as its place on the stack. */
static void *push_array(lua_State *L, size_t count, size_t size) {
  need_stack(L);
  void *array = wsc_lua_newuserdata(L, count * size, 0);
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

const wsc_header *wsc_lua_read_headers(lua_State *L, int index, size_t *count) {
  *count = lua_rawlen(L, index) / 2;
  wsc_header *headers = *count ? push_array(L, *count, sizeof *headers) : NULL;
  for (size_t i = 0; i < *count; i++) {
    headers[i].name = string_at(L, index, 2 * i + 1);
    headers[i].value = string_at(L, index, 2 * i + 2);
  }
  return headers;
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

static void read_headers(lua_State *L, int index, const char *name, void *place) {
  wsc_config *config = place;
  if (get_table(L, index, name))
    config->headers = wsc_lua_read_headers(L, lua_gettop(L), &config->header_count);
}

static void read_protocols(lua_State *L, int index, const char *name, void *place) {
  wsc_config *config = place;
  config->protocols = read_strings(L, index, name, &config->protocol_count);
}

static void read_extensions(lua_State *L, int index, const char *name, void *place) {
  wsc_config *config = place;
  if (!get_table(L, index, name)) return;
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  if (count == 0) return;
  wsc_extension *extensions = push_array(L, count, sizeof *extensions);
  for (size_t i = 0; i < count; i++) {
    need_stack(L);
    lua_rawgeti(L, list, (int)i + 1);
    if (!lua_istable(L, -1)) wrong_field(L, name, "table");
    wsc_lua_read_extension(L, lua_gettop(L), &extensions[i]);
  }
  config->extensions = extensions;
  config->extension_count = count;
}

/* ---------------------------------------------------------------- groups */

static void read_limits(lua_State *L, int index, const char *name, void *limits) {
  static const option_field fields[] = {
      {"message", read_big_size, offsetof(wsc_limits, message_size_max)},
      {"frame", read_big_size, offsetof(wsc_limits, frame_size_max)},
      {"fragments", read_size, offsetof(wsc_limits, fragments_max)},
      {"header", read_size, offsetof(wsc_limits, header_size_max)},
      {"send_queue", read_size, offsetof(wsc_limits, send_queue_size_max)},
      {NULL, NULL, 0},
  };
  if (get_table(L, index, name)) read_fields(L, lua_gettop(L), fields, limits);
}

static void read_deflate(lua_State *L, int index, const char *name, void *place) {
  wsc_deflate_tuning *deflate = place;
  if (!get_table(L, index, name)) return;
  int table = lua_gettop(L);
  lua_Number threshold;
  read_int(L, table, "level", &deflate->level);
  read_int(L, table, "mem_level", &deflate->mem_level);
  if (read_number(L, table, "threshold", &threshold)) deflate->threshold = (int64_t)threshold;
}

static void read_keepalive(lua_State *L, int index, const char *name, void *place) {
  wsc_config *config = place;
  lua_getfield(L, index, name);
  if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) {
    config->ping_interval_ms = 0;
  } else if (lua_istable(L, -1)) {
    int table = lua_gettop(L);
    read_ms(L, table, "interval", &config->ping_interval_ms);
    read_ms(L, table, "timeout", &config->ping_timeout_ms);
  }
}

static void read_conn_timeouts(lua_State *L, int index, const char *name, void *place) {
  wsc_config *config = place;
  if (!get_table(L, index, name)) return;
  int table = lua_gettop(L);
  read_ms(L, table, "handshake", &config->handshake_timeout_ms);
  read_ms(L, table, "drain", &config->drain_timeout_ms);
  read_ms(L, table, "close", &config->close_timeout_ms);
  lua_Number linger;
  if (!read_number(L, table, "linger", &linger)) return;
  read_ms(L, table, "linger", &config->linger_ms);
  /* waiting no time at all is a wish, not the lack of a limit */
  if (linger <= 0) config->linger_ms = 1;
}

void wsc_lua_read_conn_config(lua_State *L, int index, wsc_config *config) {
  static const option_field fields[] = {
      {"server", read_bool, offsetof(wsc_config, server)},
      {"trace", read_bool, offsetof(wsc_config, trace)},
      {"trace_payloads", read_bool, offsetof(wsc_config, trace_payloads)},
      {"require_protocol", read_bool, offsetof(wsc_config, require_protocol)},
      {"url", read_string, offsetof(wsc_config, url)},
      {"pieces", read_size, offsetof(wsc_config, piece_size_max)},
      {"headers", read_headers, 0},
      {"protocols", read_protocols, 0},
      {"extensions", read_extensions, 0},
      {"limits", read_limits, offsetof(wsc_config, limits)},
      {"deflate", read_deflate, offsetof(wsc_config, deflate)},
      {"keepalive", read_keepalive, 0},
      {"timeouts", read_conn_timeouts, 0},
      {NULL, NULL, 0},
  };
  read_fields(L, index, fields, config);
}

/* ---------------------------------------------------------------- the network's side */

static void read_pins(lua_State *L, int index, const char *name, void *place) {
  wsc_tls_config *tls = place;
  if (!get_table(L, index, name)) return;
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  if (count == 0) return;
  uint8_t(*pins)[32] = push_array(L, count, sizeof *pins);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    size_t size = 0;
    const char *pin = lua_tolstring(L, -1, &size);
    if (size != sizeof *pins) wrong_field(L, name, "32 bytes");
    memcpy(pins[i], pin, sizeof *pins);
    lua_pop(L, 1);
  }
  tls->pins = (const uint8_t(*)[32])pins;
  tls->pin_count = count;
}

#define TLS_STRING(field)                                                                          \
  { #field, read_string, offsetof(wsc_tls_config, field) }

static void read_tls(lua_State *L, int index, const char *name, void *tls) {
  static const option_field fields[] = {
      TLS_STRING(ca_file),
      TLS_STRING(ca_path),
      TLS_STRING(ca),
      TLS_STRING(cert),
      TLS_STRING(key),
      TLS_STRING(password),
      TLS_STRING(ciphers),
      TLS_STRING(groups),
      TLS_STRING(server_name),
      TLS_STRING(alpn),
      TLS_STRING(keylog_file),
      {"verify", read_bool, offsetof(wsc_tls_config, verify)},
      {"min_version", read_int, offsetof(wsc_tls_config, min_version)},
      {"session_cache", read_size, offsetof(wsc_tls_config, session_cache_size)},
      {"pin", read_pins, 0},
      {NULL, NULL, 0},
  };
  if (get_table(L, index, name)) read_fields(L, lua_gettop(L), fields, tls);
}

static void read_resolve(lua_State *L, int index, const char *name, void *place) {
  wsc_client_config *config = place;
  if (!get_table(L, index, name)) return;
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  if (count == 0) return;
  wsc_resolve_entry *entries = push_array(L, count, sizeof *entries);
  for (size_t i = 0; i < count; i++) {
    need_stack(L);
    lua_rawgeti(L, list, (int)i + 1);
    if (!lua_istable(L, -1)) wrong_field(L, name, "table");
    int entry = lua_gettop(L);
    read_string(L, entry, "host", &entries[i].host);
    entries[i].addresses = read_strings(L, entry, "addresses", &entries[i].address_count);
  }
  config->resolve = entries;
  config->resolve_count = count;
}

static void read_client_timeouts(lua_State *L, int index, const char *name, void *place) {
  wsc_client_config *config = place;
  if (!get_table(L, index, name)) return;
  int table = lua_gettop(L);
  read_ms(L, table, "connect", &config->connect_timeout_ms);
  read_ms(L, table, "dns", &config->dns_timeout_ms);
  read_ms(L, table, "tls", &config->tls_timeout_ms);
}

static void read_proxy_headers(lua_State *L, int index, const char *name, void *place) {
  wsc_client_config *config = place;
  if (get_table(L, index, name))
    config->proxy_headers = wsc_lua_read_headers(L, lua_gettop(L), &config->proxy_header_count);
}

void wsc_lua_read_client_config(lua_State *L, int index, wsc_client_config *config) {
  static const option_field fields[] = {
      {"timeouts", read_client_timeouts, 0},
      {"family", read_int, offsetof(wsc_client_config, family)},
      {"bind", read_string, offsetof(wsc_client_config, bind)},
      {"nodelay", read_bool, offsetof(wsc_client_config, nodelay)},
      {"proxy", read_string, offsetof(wsc_client_config, proxy)},
      {"proxy_headers", read_proxy_headers, 0},
      {"tls", read_tls, offsetof(wsc_client_config, tls)},
      {"resolve", read_resolve, 0},
      {NULL, NULL, 0},
  };
  wsc_lua_read_conn_config(L, index, &config->conn);
  read_fields(L, index, fields, config);
}
