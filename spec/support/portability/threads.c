/* Several Lua states in several threads of one process, all at the same time: each has a server of
 * its own, made of the core's other side, and runs threads.lua against it.
 *
 *   threads SCRIPT HOST [CERTIFICATE KEY]     HOST: a name of 127.0.0.1
 *
 * With a certificate the servers speak TLS to whoever begins so.
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
#include <sys/wait.h>
#include <unistd.h>

#ifndef WSC_WITHOUT_TLS
#include <openssl/ssl.h>
#endif

#include "wsclose.h"

enum { THREADS = 4 };

typedef struct worker {
  pthread_t program, server;
  const char *script, *host, *certificate, *key;
  int number, listener, port;
  bool passed;
} worker;

static _Noreturn void give_up(const char *what) {
  perror(what);
  exit(1);
}

/* ---------------------------------------------------------------- what the server speaks over */

typedef struct carrier {
  int fd;
  void *tls; /* NULL: none */
} carrier;

#ifdef WSC_WITHOUT_TLS

/* What comes back is no TLS. */
static bool begin_tls(carrier *link, const worker *own) {
  uint8_t record[4096];
  (void)own;
  if (recv(link->fd, record, sizeof record, 0) > 0)
    send(link->fd, "no TLS here\n", 12, MSG_NOSIGNAL);
  return false;
}

static ptrdiff_t put(const carrier *link, const uint8_t *bytes, size_t size) {
  return send(link->fd, bytes, size, MSG_NOSIGNAL);
}

static ptrdiff_t take(const carrier *link, uint8_t *bytes, size_t room) {
  return recv(link->fd, bytes, room, 0);
}

static void finish(carrier *link) {
  close(link->fd);
}

#else

static bool begin_tls(carrier *link, const worker *own) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  if (!context || SSL_CTX_use_certificate_file(context, own->certificate, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, own->key, SSL_FILETYPE_PEM) != 1)
    give_up("the certificate");
  link->tls = SSL_new(context);
  SSL_CTX_free(context);
  return link->tls && SSL_set_fd(link->tls, link->fd) == 1 && SSL_accept(link->tls) == 1;
}

static ptrdiff_t put(const carrier *link, const uint8_t *bytes, size_t size) {
  if (!link->tls) return send(link->fd, bytes, size, MSG_NOSIGNAL);
  return SSL_write(link->tls, bytes, (int)size);
}

static ptrdiff_t take(const carrier *link, uint8_t *bytes, size_t room) {
  if (!link->tls) return recv(link->fd, bytes, room, 0);
  return SSL_read(link->tls, bytes, (int)room);
}

static void finish(carrier *link) {
  SSL_free(link->tls);
  close(link->fd);
}

#endif

/* A TLS client speaks first, with a record of type 22. */
static bool begin(carrier *link, const worker *own) {
  uint8_t first;
  if (recv(link->fd, &first, 1, MSG_PEEK) != 1) return false;
  return first != 22 || begin_tls(link, own);
}

/* ---------------------------------------------------------------- the server */

static bool write_output(const carrier *link, wsc_conn *conn) {
  size_t size;
  const uint8_t *bytes = wsc_conn_output(conn, &size);
  while (size > 0) {
    ptrdiff_t taken = put(link, bytes, size);
    if (taken <= 0) return false;
    wsc_conn_output_done(conn, (size_t)taken);
    bytes = wsc_conn_output(conn, &size);
  }
  return true;
}

static bool read_input(const carrier *link, wsc_conn *conn) {
  size_t room;
  uint8_t *bytes = wsc_conn_input(conn, &room);
  if (!bytes) return false;
  ptrdiff_t got = take(link, bytes, room);
  wsc_conn_input_done(conn, got > 0 ? (size_t)got : 0);
  return got > 0;
}

static void echo_messages(wsc_conn *conn) {
  wsc_event event;
  while (wsc_conn_next_event(conn, &event) != WSC_EVENT_NONE)
    if (event.type == WSC_EVENT_MESSAGE)
      wsc_conn_send(conn, event.opcode, event.data, event.size, 0);
}

static void serve(const worker *own, int fd, const wsc_platform *platform) {
  carrier link = {.fd = fd};
  static const wsc_extension deflate = {.name = "permessage-deflate"};
  wsc_config config;
  wsc_config_init(&config, platform);
  config.server = true;
  config.extensions = &deflate;
  config.extension_count = 1;
  wsc_conn *conn = wsc_conn_new(&config);
  if (!conn) give_up("wsc_conn_new");
  bool goes_on = begin(&link, own);
  while (goes_on && !wsc_conn_finished(conn) && read_input(&link, conn)) {
    echo_messages(conn);
    goes_on = write_output(&link, conn);
  }
  wsc_conn_free(conn);
  finish(&link);
}

static void *run_server(void *argument) {
  const worker *own = argument;
  wsc_platform *platform = wsc_platform_new();
  if (!platform) give_up("wsc_platform_new");
  int fd;
  while ((fd = accept(own->listener, NULL, NULL)) >= 0) serve(own, fd, platform);
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

/* in_child(function) -> did it return, in a fork of this process? */
static int l_in_child(lua_State *L) {
  int status = -1;
  pid_t child = fork();
  if (child == 0) {
    bool passed = lua_pcall(L, 0, 0, 0) == 0;
    if (!passed) fprintf(stderr, "in a child: %s\n", lua_tostring(L, -1));
    _exit(!passed);
  }
  lua_pushboolean(L, child > 0 && waitpid(child, &status, 0) == child && status == 0);
  return 1;
}

static void *run_program(void *argument) {
  worker *own = argument;
  lua_State *L = luaL_newstate();
  if (!L) give_up("luaL_newstate");
  luaL_openlibs(L);
  preload(L);
  lua_register(L, "in_child", l_in_child);
  int status = luaL_loadfile(L, own->script);
  lua_pushstring(L, own->host);
  lua_pushinteger(L, own->port);
  lua_pushinteger(L, own->number);
  lua_pushstring(L, own->certificate);
  if (status == 0) status = lua_pcall(L, 4, 1, 0);
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
  if (count != 3 && count != 5)
    return fprintf(stderr, "usage: threads SCRIPT HOST [CERTIFICATE KEY]\n");
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){.script = arguments[1], .host = arguments[2], .number = i + 1};
    if (count == 5) workers[i].certificate = arguments[3], workers[i].key = arguments[4];
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
