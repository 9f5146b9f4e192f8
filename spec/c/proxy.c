/* wsclose.core_testing: which proxy a URL and the environment name, and the environment itself. */
#include "testing.h"

#include "net/proxy/proxy.h"

#include <stdlib.h>

static void set_text(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value); /* NULL gives nil */
  lua_setfield(L, -2, name);
}

static int push_proxy(lua_State *L, const wsc_proxy *proxy) {
  static const char *const kinds[] = {"none", "http", "https", "socks5"};
  lua_newtable(L);
  set_text(L, "kind", kinds[proxy->kind]);
  set_text(L, "host", proxy->host);
  set_text(L, "user", proxy->user);
  set_text(L, "password", proxy->password);
  lua_pushinteger(L, proxy->port);
  lua_setfield(L, -2, "port");
  lua_pushboolean(L, proxy->local_names);
  lua_setfield(L, -2, "local_names");
  return 1;
}

/* choose(target, proxy): what leads to the URL `target`; without `proxy` as the environment says.
 * A table, or nil, sentence, name. */
static int l_proxy_choose(lua_State *L) {
  const wsc_platform *platform = wsc_testing_platform(L);
  const char *target = luaL_checkstring(L, 1);
  const char *url = luaL_optstring(L, 2, NULL);
  const char *sentence = NULL;
  wsc_proxy proxy;
  wsc_uri uri;
  if (wsc_uri_parse(&uri, platform, target, &sentence) != WSC_OK)
    return luaL_error(L, "%s", sentence);
  int error = wsc_proxy_choose(&proxy, platform, url, &uri, &sentence);
  wsc_uri_free(&uri);
  if (error != WSC_OK) return wsc_testing_push_error(L, error, sentence);
  push_proxy(L, &proxy);
  wsc_proxy_free(&proxy);
  return 1;
}

static const luaL_Reg proxy_functions[] = {{"choose", l_proxy_choose}, {NULL, NULL}};

/* set(name, value): a variable of this process; nil: none.  Gives its value before, or nil. */
static int l_environment_set(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const char *value = luaL_optstring(L, 2, NULL);
  lua_pushstring(L, getenv(name));
  if ((value ? setenv(name, value, 1) : unsetenv(name)) != 0)
    return luaL_error(L, "cannot set %s", name);
  return 1;
}

static const luaL_Reg environment_functions[] = {{"set", l_environment_set}, {NULL, NULL}};

void wsc_testing_proxy(lua_State *L) {
  wsc_testing_add(L, "proxy", proxy_functions);
  wsc_testing_add(L, "environment", environment_functions);
}
