/* wsclose.core_testing: a program in C on wsclose.h alone, for what Lua has no call for. */
#include "testing.h"

#include <stdio.h>
#include <string.h>

typedef struct program {
  wsc_client *client;
  char told[1000]; /* what has happened, a word each */
} program;

static void report(program *p, const char *what, const void *data, size_t size) {
  size_t used = strlen(p->told);
  snprintf(p->told + used, sizeof p->told - used, "%s%s%.*s", used ? " " : "", what, (int)size,
           size ? (const char *)data : "");
}

static void take_event(program *p, const wsc_event *event) {
  wsc_conn *conn = wsc_client_conn(p->client);
  char code[8];
  if (event->type == WSC_EVENT_OPEN) {
    report(p, "open", NULL, 0);
    wsc_conn_send(conn, 1, "hello", 5, 0);
  } else if (event->type == WSC_EVENT_MESSAGE) {
    report(p, "message:", event->data, event->size);
    wsc_conn_close(conn, WSC_CLOSE_NORMAL, "", 0);
  } else if (event->type == WSC_EVENT_CLOSE) {
    int size = snprintf(code, sizeof code, "%u", wsc_conn_close_info(conn)->code);
    report(p, "close:", code, (size_t)size);
  }
}

static void take_turn(program *p) {
  wsc_event event;
  while (wsc_client_next(p->client, 0, &event) != WSC_EVENT_NONE) take_event(p, &event);
}

/* Rounds of the loop, as wsclose.h has them; `user` is to come back. */
static void run(program *p, wsc_loop *loop, const void *user) {
  for (int rounds = 0; rounds < 1000 && !strstr(p->told, "close:"); rounds++) {
    for (int left = wsc_loop_wait(loop, 1000000); left > 0; left--) {
      wsc_client *client;
      void *got;
      if (!wsc_loop_next(loop, &client, &got)) break;
      if (got != user) report(p, "somebody else's", NULL, 0);
      take_turn(p);
    }
  }
}

static void count(program *p, const wsc_loop *loop) {
  char text[8];
  int size = snprintf(text, sizeof text, "%u", (unsigned)wsc_loop_count(loop));
  report(p, "count:", text, (size_t)size);
}

static void live(program *p, wsc_loop *loop, const wsc_client_config *config) {
  const char *sentence;
  int first, second;
  wsc_loop_add(loop, p->client, &first);
  wsc_loop_add(loop, p->client, &second);
  count(p, loop);
  if (wsc_client_start(p->client, config, &sentence) != WSC_OK) report(p, sentence, NULL, 0);
  run(p, loop, &second);
  wsc_loop_remove(loop, p->client);
  wsc_loop_remove(loop, p->client);
  count(p, loop);
}

/* talk(url, ca) -> what has happened to a client that says hello, takes an answer and closes; `ca`:
 * a file's name, or nil */
static int l_talk(lua_State *L) {
  const wsc_platform *platform = wsc_testing_platform(L);
  const char *url = luaL_checkstring(L, 1);
  wsc_client_config config;
  program p = {.client = wsc_client_new(platform)};
  wsc_loop *loop = wsc_loop_new(platform);
  wsc_client_config_init(&config, platform);
  config.conn.url = url;
  config.tls.ca_file = lua_tostring(L, 2);
  if (p.client && loop) live(&p, loop, &config);
  wsc_client_free(p.client);
  wsc_loop_free(loop);
  lua_pushstring(L, p.told);
  return 1;
}

/* nothing() -> what is told of a client that has not begun; what is NULL may be freed */
static int l_nothing(lua_State *L) {
  wsc_client *client = wsc_client_new(wsc_testing_platform(L));
  program p = {.client = client};
  char text[10] = "";
  int64_t not_after;
  if (client) {
    take_turn(&p);
    wsc_client_leave(client);
    if (wsc_client_certificate(client, text, sizeof text, &not_after) == 0)
      report(&p, "none", "", 0);
    if (wsc_client_deadline(client) == WSC_NEVER) report(&p, "never", "", 0);
  }
  wsc_client_free(client);
  wsc_client_free(NULL);
  wsc_loop_free(NULL);
  wsc_platform_free(NULL);
  lua_pushstring(L, p.told);
  return 1;
}

/* close_early(url) -> is the end due at once, where nothing was flushed; what is told then */
static int l_close_early(lua_State *L) {
  const wsc_platform *platform = wsc_testing_platform(L);
  wsc_client_config config;
  const char *sentence;
  program p = {.client = wsc_client_new(platform)};
  wsc_client_config_init(&config, platform);
  config.conn.url = luaL_checkstring(L, 1);
  if (p.client && wsc_client_start(p.client, &config, &sentence) == WSC_OK) {
    do {
      take_turn(&p);
    } while (wsc_client_deadline(p.client) == 0);
    wsc_conn_close(wsc_client_conn(p.client), WSC_CLOSE_NORMAL, "", 0);
    if (wsc_client_deadline(p.client) == 0) report(&p, "due", "", 0);
    take_turn(&p);
  }
  wsc_client_free(p.client);
  lua_pushstring(L, p.told);
  return 1;
}

static const luaL_Reg native_functions[] = {
    {"talk", l_talk}, {"nothing", l_nothing}, {"close_early", l_close_early}, {NULL, NULL}};

void wsc_testing_native(lua_State *L) {
  wsc_testing_add(L, "native", native_functions);
}
