#include "lua_options.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/hidden.h"

/* ---------------------------------------------------------------- fields of tables */

/* A field of an option table: how it is read, and to where in the struct it belongs.  `fields`: of
 * the table that it is; `count_offset`: of a list, where the number of its items belongs, from
 * where the list does. */
typedef struct option_field {
  const char *name;
  void (*read)(lua_State *L, int index, const struct option_field *field, void *place);
  size_t offset;
  const struct option_field *fields;
  size_t count_offset;
} option_field;

#define FIELD(name, read, type, member)                                                            \
  { name, read, offsetof(type, member), NULL, 0 }
#define LIST(name, read, type, member, count)                                                      \
  { name, read, offsetof(type, member), NULL, offsetof(type, count) - offsetof(type, member) }
#define NO_FIELD                                                                                   \
  { NULL, NULL, 0, NULL, 0 }

static int wrong_field(lua_State *L, const char *name, const char *expected) {
  return luaL_error(L, "wsclose.core: field '%s': expected %s, got %s", name, expected,
                    luaL_typename(L, -1));
}

/* Pushes the field of the table at `index`, and gives where it is. */
static int push_option(lua_State *L, int index, const option_field *field, int type) {
  lua_getfield(L, index, field->name);
  if (lua_type(L, -1) != type) wrong_field(L, field->name, lua_typename(L, type));
  return lua_gettop(L);
}

static int push_table(lua_State *L, int index, const option_field *field) {
  return push_option(L, index, field, LUA_TTABLE);
}

/* Lists of any length stay on the stack. */
static void need_stack(lua_State *L) {
  luaL_checkstack(L, 20, "too many options");
}

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
    field->read(L, index, field, (char *)target + field->offset);
    lua_pushvalue(L, key);
  }
}

static void read_table(lua_State *L, int index, const option_field *field, void *target) {
  read_fields(L, push_table(L, index, field), field->fields, target);
}

static void read_string(lua_State *L, int index, const option_field *field, void *value) {
  push_option(L, index, field, LUA_TSTRING);
  *(const char **)value = lua_tostring(L, -1); /* the table holds the string */
  lua_pop(L, 1);
}

static void read_bool(lua_State *L, int index, const option_field *field, void *value) {
  push_option(L, index, field, LUA_TBOOLEAN);
  *(bool *)value = lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
}

static lua_Number number_of(lua_State *L, int index, const option_field *field) {
  push_option(L, index, field, LUA_TNUMBER);
  lua_Number number = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return number;
}

static void read_int(lua_State *L, int index, const option_field *field, void *value) {
  *(int *)value = (int)number_of(L, index, field);
}

static void read_threshold(lua_State *L, int index, const option_field *field, void *value) {
  *(int64_t *)value = (int64_t)number_of(L, index, field);
}

static void read_big_size(lua_State *L, int index, const option_field *field, void *value) {
  lua_Number number = number_of(L, index, field);
  *(uint64_t *)value = number < 9223372036854775808.0 ? (uint64_t)number : UINT64_MAX;
}

static void read_size(lua_State *L, int index, const option_field *field, void *value) {
  lua_Number number = number_of(L, index, field);
  *(size_t *)value = number < (lua_Number)SIZE_MAX ? (size_t)number : SIZE_MAX;
}

/* 0 and anything the field cannot hold mean: no limit. */
static void read_ms(lua_State *L, int index, const option_field *field, void *value) {
  lua_Number ms = ceil(number_of(L, index, field) * 1000);
  *(uint32_t *)value = ms > 0 && ms < 4294967296.0 ? (uint32_t)ms : 0;
}

/* Waiting no time at all is a wish, not the lack of a limit. */
static void read_linger(lua_State *L, int index, const option_field *field, void *value) {
  read_ms(L, index, field, value);
  if (number_of(L, index, field) <= 0) *(uint32_t *)value = 1;
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

/* Pushes the table that stands there in a list, and gives where it is. */
static int push_table_at(lua_State *L, int list, size_t i, const option_field *field) {
  need_stack(L);
  lua_rawgeti(L, list, (int)i);
  if (!lua_istable(L, -1)) wrong_field(L, field->name, "table");
  return lua_gettop(L);
}

const char **wsc_lua_read_strings(lua_State *L, int index, size_t *count) {
  *count = lua_rawlen(L, index);
  if (*count == 0) return NULL;
  const char **strings = push_array(L, *count, sizeof *strings);
  for (size_t i = 0; i < *count; i++) strings[i] = string_at(L, index, i + 1);
  return strings;
}

const wsc_header *wsc_lua_read_headers(lua_State *L, int index, size_t *count) {
  *count = lua_rawlen(L, index) / 2;
  if (*count == 0) return NULL;
  wsc_header *headers = push_array(L, *count, sizeof *headers);
  for (size_t i = 0; i < *count; i++) {
    headers[i].name = string_at(L, index, 2 * i + 1);
    headers[i].value = string_at(L, index, 2 * i + 2);
  }
  return headers;
}

static size_t *count_of(const option_field *field, void *place) {
  return (void *)((char *)place + field->count_offset);
}

static void read_headers(lua_State *L, int index, const option_field *field, void *place) {
  int list = push_table(L, index, field);
  *(const wsc_header **)place = wsc_lua_read_headers(L, list, count_of(field, place));
}

static void read_strings(lua_State *L, int index, const option_field *field, void *place) {
  int list = push_table(L, index, field);
  *(const char *const **)place = wsc_lua_read_strings(L, list, count_of(field, place));
}

/* ---------------------------------------------------------------- extensions */

static void read_params(lua_State *L, int index, const option_field *field, void *place) {
  wsc_extension *extension = place;
  int list = push_table(L, index, field);
  size_t count = lua_rawlen(L, list) / 2;
  wsc_param *params = push_array(L, count, sizeof *params);
  for (size_t i = 0; i < count; i++) {
    params[i].name = string_at(L, list, 2 * i + 1);
    lua_rawgeti(L, list, (int)(2 * i + 2));
    bool bare = lua_isboolean(L, -1);
    lua_pop(L, 1);
    params[i].value = bare ? NULL : string_at(L, list, 2 * i + 2);
  }
  extension->params = params;
  extension->param_count = count;
}

void wsc_lua_read_extension(lua_State *L, int index, wsc_extension *extension) {
  static const option_field fields[] = {
      FIELD("name", read_string, wsc_extension, name),
      FIELD("required", read_bool, wsc_extension, required),
      LIST("require", read_strings, wsc_extension, require, require_count),
      {"params", read_params, 0, NULL, 0},
      NO_FIELD,
  };
  extension->name = "";
  read_fields(L, index, fields, extension);
}

static void read_extensions(lua_State *L, int index, const option_field *field, void *place) {
  wsc_config *config = place;
  int list = push_table(L, index, field);
  size_t count = lua_rawlen(L, list);
  wsc_extension *extensions = push_array(L, count, sizeof *extensions);
  for (size_t i = 0; i < count; i++)
    wsc_lua_read_extension(L, push_table_at(L, list, i + 1, field), &extensions[i]);
  config->extensions = extensions;
  config->extension_count = count;
}

/* ---------------------------------------------------------------- the connection's side */

static const option_field limits_fields[] = {
    FIELD("message", read_big_size, wsc_limits, message_size_max),
    FIELD("frame", read_big_size, wsc_limits, frame_size_max),
    FIELD("fragments", read_size, wsc_limits, fragments_max),
    FIELD("header", read_size, wsc_limits, header_size_max),
    FIELD("send_queue", read_size, wsc_limits, send_queue_size_max),
    NO_FIELD,
};

static const option_field deflate_fields[] = {
    FIELD("level", read_int, wsc_deflate_tuning, level),
    FIELD("mem_level", read_int, wsc_deflate_tuning, mem_level),
    FIELD("threshold", read_threshold, wsc_deflate_tuning, threshold),
    NO_FIELD,
};

static const option_field keepalive_fields[] = {
    FIELD("interval", read_ms, wsc_config, ping_interval_ms),
    FIELD("timeout", read_ms, wsc_config, ping_timeout_ms),
    NO_FIELD,
};

static void read_keepalive(lua_State *L, int index, const option_field *field, void *place) {
  lua_getfield(L, index, field->name);
  if (!lua_isboolean(L, -1))
    read_table(L, index, field, place);
  else if (!lua_toboolean(L, -1))
    ((wsc_config *)place)->ping_interval_ms = 0;
}

static const option_field conn_timeout_fields[] = {
    FIELD("handshake", read_ms, wsc_config, handshake_timeout_ms),
    FIELD("drain", read_ms, wsc_config, drain_timeout_ms),
    FIELD("close", read_ms, wsc_config, close_timeout_ms),
    FIELD("linger", read_linger, wsc_config, linger_ms),
    NO_FIELD,
};

void wsc_lua_read_conn_config(lua_State *L, int index, wsc_config *config) {
  static const option_field fields[] = {
      FIELD("server", read_bool, wsc_config, server),
      FIELD("trace", read_bool, wsc_config, trace),
      FIELD("trace_payloads", read_bool, wsc_config, trace_payloads),
      FIELD("require_protocol", read_bool, wsc_config, require_protocol),
      FIELD("url", read_string, wsc_config, url),
      FIELD("pieces", read_size, wsc_config, piece_size_max),
      LIST("headers", read_headers, wsc_config, headers, header_count),
      LIST("protocols", read_strings, wsc_config, protocols, protocol_count),
      {"extensions", read_extensions, 0, NULL, 0},
      {"limits", read_table, offsetof(wsc_config, limits), limits_fields, 0},
      {"deflate", read_table, offsetof(wsc_config, deflate), deflate_fields, 0},
      {"keepalive", read_keepalive, 0, keepalive_fields, 0},
      {"timeouts", read_table, 0, conn_timeout_fields, 0},
      NO_FIELD,
  };
  read_fields(L, index, fields, config);
}

/* ---------------------------------------------------------------- the network's side */

static void read_pins(lua_State *L, int index, const option_field *field, void *place) {
  wsc_tls_config *config = place;
  int list = push_table(L, index, field);
  size_t count = lua_rawlen(L, list);
  uint8_t(*pins)[32] = push_array(L, count, sizeof *pins);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    size_t size = 0;
    const char *pin = lua_tolstring(L, -1, &size);
    if (size != sizeof *pins) wrong_field(L, field->name, "32 bytes");
    memcpy(pins[i], pin, sizeof *pins);
    lua_pop(L, 1);
  }
  config->pins = (const uint8_t(*)[32])pins;
  config->pin_count = count;
}

static const option_field tls_fields[] = {
    FIELD("ca_file", read_string, wsc_tls_config, ca_file),
    FIELD("ca_path", read_string, wsc_tls_config, ca_path),
    FIELD("ca", read_string, wsc_tls_config, ca),
    FIELD("cert", read_string, wsc_tls_config, cert),
    FIELD("key", read_string, wsc_tls_config, key),
    FIELD("password", read_string, wsc_tls_config, password),
    FIELD("ciphers", read_string, wsc_tls_config, ciphers),
    FIELD("groups", read_string, wsc_tls_config, groups),
    FIELD("server_name", read_string, wsc_tls_config, server_name),
    FIELD("alpn", read_string, wsc_tls_config, alpn),
    FIELD("keylog_file", read_string, wsc_tls_config, keylog_file),
    FIELD("verify", read_bool, wsc_tls_config, verify),
    FIELD("min_version", read_int, wsc_tls_config, min_version),
    FIELD("session_cache", read_size, wsc_tls_config, session_cache_size),
    {"pin", read_pins, 0, NULL, 0},
    NO_FIELD,
};

static const option_field resolve_fields[] = {
    FIELD("host", read_string, wsc_resolve_entry, host),
    LIST("addresses", read_strings, wsc_resolve_entry, addresses, address_count),
    NO_FIELD,
};

static void read_resolve(lua_State *L, int index, const option_field *field, void *place) {
  wsc_client_config *config = place;
  int list = push_table(L, index, field);
  size_t count = lua_rawlen(L, list);
  wsc_resolve_entry *entries = push_array(L, count, sizeof *entries);
  for (size_t i = 0; i < count; i++)
    read_fields(L, push_table_at(L, list, i + 1, field), field->fields, &entries[i]);
  config->resolve = entries;
  config->resolve_count = count;
}

static const option_field client_timeout_fields[] = {
    FIELD("connect", read_ms, wsc_client_config, connect_timeout_ms),
    FIELD("dns", read_ms, wsc_client_config, dns_timeout_ms),
    FIELD("tls", read_ms, wsc_client_config, tls_timeout_ms),
    NO_FIELD,
};

void wsc_lua_read_client_config(lua_State *L, int index, wsc_client_config *config) {
  static const option_field fields[] = {
      {"timeouts", read_table, 0, client_timeout_fields, 0},
      FIELD("family", read_int, wsc_client_config, family),
      FIELD("bind", read_string, wsc_client_config, bind),
      FIELD("nodelay", read_bool, wsc_client_config, nodelay),
      FIELD("proxy", read_string, wsc_client_config, proxy),
      LIST("proxy_headers", read_headers, wsc_client_config, proxy_headers, proxy_header_count),
      {"tls", read_table, offsetof(wsc_client_config, tls), tls_fields, 0},
      {"resolve", read_resolve, 0, resolve_fields, 0},
      NO_FIELD,
  };
  wsc_lua_read_conn_config(L, index, &config->conn);
  read_fields(L, index, fields, config);
}
