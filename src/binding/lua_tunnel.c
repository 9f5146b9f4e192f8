#include "lua_client.h"

#include "core/tunnel.h"
#include "lua_options.h"
#include "lua_push.h"
#include "net/proxy/proxy.h"

#include "core/hidden.h"

typedef struct lua_tunnel {
  const void *mark;
  wsc_lua_shared *shared; /* counted; NULL once freed */
  wsc_proxy proxy;
  wsc_tunnel *tunnel; /* owned */
  int error;          /* WSC_AGAIN until the proxy has answered */
} lua_tunnel;

static const char tunnel_mark;

/* ---------------------------------------------------------------- making */

/* Also one that was freed. */
static lua_tunnel *check_any_tunnel(lua_State *L) {
  return wsc_lua_check_marked(L, &tunnel_mark, sizeof(lua_tunnel), "a tunnel");
}

static lua_tunnel *check_tunnel(lua_State *L) {
  lua_tunnel *self = check_any_tunnel(L);
  if (!self->tunnel) luaL_error(L, "the tunnel was freed");
  return self;
}

static int tunnel_collect(lua_State *L) {
  lua_tunnel *self = check_any_tunnel(L);
  if (!self->shared) return 0;
  wsc_tunnel_free(self->tunnel);
  self->tunnel = NULL;
  wsc_proxy_free(&self->proxy);
  wsc_lua_shared_drop(self->shared);
  self->shared = NULL;
  return 0;
}

/* What tunnel_new is given. */
typedef struct tunnel_request {
  const char *url, *proxy, *address;
  const wsc_header *headers;
  size_t header_count;
} tunnel_request;

static int start_tunnel(lua_tunnel *self, const tunnel_request *request, const char **sentence) {
  const wsc_platform *platform = self->shared->platform;
  wsc_proxy *proxy = &self->proxy;
  wsc_uri uri;
  int error = wsc_uri_parse(&uri, platform, request->url, sentence);
  if (error != WSC_OK) return error;
  error = wsc_proxy_choose(proxy, platform, request->proxy, &uri, sentence);
  if (error == WSC_OK)
    error = wsc_proxy_add_headers(proxy, request->headers, request->header_count, sentence);
  if (error == WSC_OK && proxy->kind != WSC_PROXY_NONE) {
    const char *host = proxy->local_names && request->address ? request->address : uri.host;
    self->tunnel = wsc_tunnel_new(platform, proxy, host, uri.port);
    if (!self->tunnel) error = WSC_ERR_MEMORY;
  }
  wsc_uri_free(&uri);
  return error;
}

/* tunnel(url, proxy, headers, address) -> object; false: the way to `url` leads through no proxy;
 * nil, sentence, name.  proxy: a URL, "" for none, nil: as the environment says; headers: a flat
 * list for CONNECT, or nil; address: of the URL's host, for proxies that want it (socks5://) */
int wsc_lua_tunnel_new(lua_State *L) {
  wsc_lua_shared **anchor = lua_touserdata(L, lua_upvalueindex(2));
  tunnel_request request = {.url = luaL_checkstring(L, 1),
                            .proxy = luaL_optstring(L, 2, NULL),
                            .address = luaL_optstring(L, 4, NULL)};
  const char *sentence = NULL;
  if (lua_istable(L, 3)) request.headers = wsc_lua_read_headers(L, 3, &request.header_count);
  if (!*anchor) return luaL_error(L, "wsclose: the Lua state is being closed");
  lua_tunnel *self = wsc_lua_newuserdata(L, sizeof *self, 0);
  *self = (lua_tunnel){.mark = &tunnel_mark, .error = WSC_AGAIN};
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, -2);
  self->shared = *anchor;
  self->shared->users++;
  int error = start_tunnel(self, &request, &sentence);
  if (error != WSC_OK) return wsc_lua_push_error(L, error, sentence ? sentence : "no memory");
  if (!self->tunnel) lua_pushboolean(L, 0);
  return 1;
}

/* ---------------------------------------------------------------- methods */

/* next_hop() -> host and port to connect to, is TLS spoken there, are names looked up here */
static int tunnel_next_hop(lua_State *L) {
  const wsc_proxy *proxy = &check_tunnel(L)->proxy;
  lua_pushstring(L, proxy->host);
  lua_pushinteger(L, proxy->port);
  lua_pushboolean(L, proxy->kind == WSC_PROXY_HTTPS);
  lua_pushboolean(L, proxy->local_names);
  return 4;
}

static int push_bytes(lua_State *L, const wsc_buf *bytes) {
  size_t size = wsc_buf_size(bytes);
  lua_pushlstring(L, size > 0 ? (const char *)wsc_buf_data(bytes) : "", size);
  return 1;
}

/* output() -> bytes for the proxy; "" for none */
static int tunnel_output(lua_State *L) {
  wsc_buf *output = &check_tunnel(L)->tunnel->output;
  size_t size = wsc_buf_size(output);
  push_bytes(L, output);
  if (size == wsc_buf_size(output)) wsc_buf_consume(output, size);
  return 1;
}

static int push_tunnel_state(lua_State *L, const lua_tunnel *self) {
  const wsc_tunnel *tunnel = self->tunnel;
  if (self->error == WSC_OK) return push_bytes(L, &tunnel->input);
  if (self->error == WSC_AGAIN) {
    lua_pushboolean(L, 0);
    return 1;
  }
  wsc_lua_push_error(L, self->error, *tunnel->fault == '\0' ? "no memory" : tunnel->fault);
  if (tunnel->status == 0) return 3;
  lua_pushinteger(L, tunnel->status);
  return 4;
}

/* input(bytes) -> the tunnel is open: its own first bytes, maybe ""; false: not yet; nil, sentence,
 * name, and the HTTP status that the proxy gave */
static int tunnel_input(lua_State *L) {
  lua_tunnel *self = check_tunnel(L);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  if (self->error == WSC_AGAIN && !wsc_buf_append(&self->tunnel->input, data, size))
    self->error = WSC_ERR_MEMORY;
  if (self->error == WSC_AGAIN) self->error = wsc_tunnel_step(self->tunnel);
  return push_tunnel_state(L, self);
}

/* eof(): the proxy closed the connection -> as input */
static int tunnel_eof(lua_State *L) {
  lua_tunnel *self = check_tunnel(L);
  if (self->error == WSC_AGAIN) self->error = wsc_tunnel_eof(self->tunnel);
  return push_tunnel_state(L, self);
}

const luaL_Reg wsc_lua_tunnel_methods[] = {{"next_hop", tunnel_next_hop}, {"output", tunnel_output},
                                           {"input", tunnel_input},       {"eof", tunnel_eof},
                                           {"__gc", tunnel_collect},      {NULL, NULL}};
