/* Several Lua states in several threads of one process, all at the same time: each has a server of
 * its own, made of the core's other side, and runs threads.lua against it.
 *
 *   threads SCRIPT HOST     HOST: a name of 127.0.0.1
 *
 * scripts/portability links it with Lua and wsclose, for small systems and for ThreadSanitizer. */
#include <arpa/inet.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wsclose.h"

enum { THREADS = 4 };

typedef struct worker {
  pthread_t program, server;
  const char *script, *host;
  int number, listener, port;
  bool passed;
} worker;

static _Noreturn void give_up(const char *what) {
  perror(what);
  exit(1);
}

/* ---------------------------------------------------------------- the server */

static bool write_output(int fd, wsc_conn *conn) {
  size_t size;
  const uint8_t *bytes = wsc_conn_output(conn, &size);
  while (size > 0) {
    ssize_t taken = send(fd, bytes, size, MSG_NOSIGNAL);
    if (taken <= 0) return false;
    wsc_conn_output_done(conn, (size_t)taken);
    bytes = wsc_conn_output(conn, &size);
  }
  return true;
}

static bool read_input(int fd, wsc_conn *conn) {
  size_t room;
  uint8_t *bytes = wsc_conn_input(conn, &room);
  if (!bytes) return false;
  ssize_t got = recv(fd, bytes, room, 0);
  wsc_conn_input_done(conn, got > 0 ? (size_t)got : 0);
  return got > 0;
}

static void echo_messages(wsc_conn *conn) {
  wsc_event event;
  while (wsc_conn_next_event(conn, &event) != WSC_EVENT_NONE)
    if (event.type == WSC_EVENT_MESSAGE)
      wsc_conn_send(conn, event.opcode, event.data, event.size, 0);
}

/* A TLS client speaks first, with a record of type 22; what comes back is no TLS. */
static bool refuse_tls(int fd) {
  uint8_t record[4096];
  if (recv(fd, record, 1, MSG_PEEK) != 1 || record[0] != 22) return false;
  if (recv(fd, record, sizeof record, 0) > 0) send(fd, "no TLS here\n", 12, MSG_NOSIGNAL);
  return true;
}

static void serve(int fd, const wsc_platform *platform) {
  static const wsc_extension deflate = {.name = "permessage-deflate"};
  wsc_config config;
  wsc_config_init(&config, platform);
  config.server = true;
  config.extensions = &deflate;
  config.extension_count = 1;
  wsc_conn *conn = wsc_conn_new(&config);
  if (!conn) give_up("wsc_conn_new");
  bool refused = refuse_tls(fd);
  while (!refused && !wsc_conn_finished(conn) && read_input(fd, conn)) {
    echo_messages(conn);
    if (!write_output(fd, conn)) break;
  }
  wsc_conn_free(conn);
  close(fd);
}

static void *run_server(void *argument) {
  const worker *own = argument;
  wsc_platform *platform = wsc_platform_new();
  if (!platform) give_up("wsc_platform_new");
  int fd;
  while ((fd = accept(own->listener, NULL, NULL)) >= 0) serve(fd, platform);
  wsc_platform_free(platform);
  return NULL;
}

static void listen_for(worker *own) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  own->listener = socket(AF_INET, SOCK_STREAM, 0);
  if (own->listener < 0 || bind(own->listener, (struct sockaddr *)&address, size) != 0 ||
      listen(own->listener, 8) != 0 ||
      getsockname(own->listener, (struct sockaddr *)&address, &size) != 0)
    give_up("listen");
  own->port = ntohs(address.sin_port);
}

/* ---------------------------------------------------------------- the program */

static void preload(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_wsclose_core);
  lua_setfield(L, -2, "wsclose.core");
  lua_pop(L, 2);
}

static void *run_program(void *argument) {
  worker *own = argument;
  lua_State *L = luaL_newstate();
  if (!L) give_up("luaL_newstate");
  luaL_openlibs(L);
  preload(L);
  int status = luaL_loadfile(L, own->script);
  lua_pushstring(L, own->host);
  lua_pushinteger(L, own->port);
  lua_pushinteger(L, own->number);
  if (status == 0) status = lua_pcall(L, 3, 1, 0);
  const char *said = lua_tostring(L, -1);
  printf("thread %d: %s\n", own->number, said ? said : "no word");
  own->passed = status == 0;
  lua_close(L);
  shutdown(own->listener, SHUT_RDWR); /* ends accept */
  return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), worker *own) {
  if (pthread_create(thread, NULL, run, own) != 0) give_up("pthread_create");
}

int main(int count, char **arguments) {
  worker workers[THREADS] = {0};
  bool passed = true;
  if (count != 3) return fprintf(stderr, "usage: threads SCRIPT HOST\n");
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){.script = arguments[1], .host = arguments[2], .number = i + 1};
    listen_for(&workers[i]);
  }
  for (int i = 0; i < THREADS; i++) {
    start(&workers[i].server, run_server, &workers[i]);
    start(&workers[i].program, run_program, &workers[i]);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(workers[i].program, NULL);
    pthread_join(workers[i].server, NULL);
    close(workers[i].listener);
    passed = passed && workers[i].passed;
  }
  return !passed;
}
