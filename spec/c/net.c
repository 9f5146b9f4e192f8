/* wsclose.core_testing: what net keeps behind its clients: name servers that specs play, addresses,
 * error numbers, single sockets, readiness. */
#include "testing.h"

#include "binding/lua_box.h"
#include "net/client.h"
#include "net/system/fault.h"
#include "net/tls/tls_private.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------ resolver */

/* A name server played by the spec, over a socket pair: each lookup's thread sends its question as
 * one packet and takes one packet as its answer.  Threads know the descriptor of their end only, so
 * that nothing they use is gone before they are; the spec keeps that end open until they have all
 * ended. */
enum { SPEC_END, THREAD_END };
static const char resolver_type[] = "wsclose.core_testing.resolver";

#define PACKET_SIZE_MAX 1024

/* A pointer that is a descriptor, as the place of an element; never written to. */
static char places[4096];

/* "192.0.2.1 2001:db8::1", or "!-2": getaddrinfo's answer. */
static int read_answer(char *text, uint16_t port, wsc_address *addresses, size_t *count) {
  char *rest = NULL;
  if (*text == '!') return (int)strtol(text + 1, NULL, 10);
  for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
    if (*count < WSC_LOOKUP_MAX && wsc_address_parse(&addresses[*count], word, port)) ++*count;
  return 0;
}

static int ask_spec(void *user, const char *host, uint16_t port, int family, wsc_address *addresses,
                    size_t *count) {
  char text[PACKET_SIZE_MAX + 1];
  int fd = (int)((char *)user - places);
  snprintf(text, sizeof text, "%.900s %u %d", host, (unsigned)port, family);
  if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) return EAI_AGAIN;
  ssize_t size = recv(fd, text, PACKET_SIZE_MAX, 0);
  if (size <= 0) return EAI_AGAIN;
  text[size] = '\0';
  return read_answer(text, port, addresses, count);
}

/* A thread may still be in ask_spec when the Lua state is closed and this module unloaded; that the
 * module under test sees to itself is for a spec to find out, so only this one is kept here. */
static void keep_loaded(void) {
  static const char anchor = 0;
  Dl_info info;
  if (dladdr(&anchor, &info) != 0) dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

static int l_resolver_new(lua_State *L) {
  int *ends = lua_newuserdata(L, 2 * sizeof *ends);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return luaL_error(L, "no socket pair: error number %d", errno);
  luaL_getmetatable(L, resolver_type);
  lua_setmetatable(L, -2);
  return 1;
}

/* attach(client): its names are looked up here from its next attempt on; `client`: of the core. */
static int l_resolver_attach(lua_State *L) {
  const int *ends = luaL_checkudata(L, 1, resolver_type);
  wsc_lua_box *box = lua_touserdata(L, 2);
  luaL_argcheck(L, box && box->client, 2, "the core's client expected");
  luaL_argcheck(L, ends[THREAD_END] < (int)sizeof places, 1, "a descriptor below 4096 expected");
  keep_loaded();
  wsc_client_set_lookup(box->client, ask_spec, places + ends[THREAD_END]);
  return 0;
}

/* asked() -> "host port family" of the next question, or nil: there is none */
static int l_resolver_asked(lua_State *L) {
  const int *ends = luaL_checkudata(L, 1, resolver_type);
  char text[PACKET_SIZE_MAX];
  ssize_t size = recv(ends[SPEC_END], text, sizeof text, MSG_DONTWAIT);
  if (size <= 0) return 0;
  lua_pushlstring(L, text, (size_t)size);
  return 1;
}

/* answer(text): for one question; see read_answer */
static int l_resolver_answer(lua_State *L) {
  const int *ends = luaL_checkudata(L, 1, resolver_type);
  size_t size;
  const char *text = luaL_checklstring(L, 2, &size);
  luaL_argcheck(L, size > 0 && size <= PACKET_SIZE_MAX, 2, "1 to 1024 bytes expected");
  if (send(ends[SPEC_END], text, size, MSG_NOSIGNAL) < 0)
    return luaL_error(L, "cannot answer: error number %d", errno);
  return 0;
}

static void close_end(int *end) {
  if (*end >= 0) close(*end);
  *end = -1;
}

/* fd() of the spec's end: closing it is shut() */
static int l_resolver_fd(lua_State *L) {
  const int *ends = luaL_checkudata(L, 1, resolver_type);
  lua_pushinteger(L, ends[SPEC_END]);
  return 1;
}

/* shut(): all questions, also those to come, fail */
static int l_resolver_shut(lua_State *L) {
  int *ends = luaL_checkudata(L, 1, resolver_type);
  close_end(&ends[SPEC_END]);
  return 0;
}

/* close(): to be called when no lookup is under way any more */
static int l_resolver_close(lua_State *L) {
  int *ends = luaL_checkudata(L, 1, resolver_type);
  close_end(&ends[SPEC_END]);
  close_end(&ends[THREAD_END]);
  return 0;
}

static const luaL_Reg resolver_methods[] = {{"attach", l_resolver_attach},
                                            {"asked", l_resolver_asked},
                                            {"answer", l_resolver_answer},
                                            {"fd", l_resolver_fd},
                                            {"shut", l_resolver_shut},
                                            {"close", l_resolver_close},
                                            {NULL, NULL}};

/* Not collected: threads may use it when the state is closed. */
static void add_resolver(lua_State *L) {
  wsc_testing_kind(L, resolver_type, resolver_methods);
  lua_pushcfunction(L, l_resolver_new);
  lua_setfield(L, -2, "resolver");
}

/* ------------------------------------------------------------ what lookups share */

/* Atomic, for any thread takes and gives it back. */
static atomic_long lookup_blocks, lookup_failure;
static atomic_bool rival_is_due;

static int find_nobody(void *user, const char *host, uint16_t port, int family,
                       wsc_address *addresses, size_t *count) {
  (void)user, (void)host, (void)port, (void)family, (void)addresses, (void)count;
  return EAI_NONAME;
}

static void *resize_counted(void *user, void *block, size_t size);

/* What another thread might do in the midst of an allocation. */
static void look_up_rival(void) {
  static const wsc_platform counted = {.resize = resize_counted};
  const wsc_question question = {.host = "rival.example", .port = 1, .function = find_nobody};
  wsc_lookup *lookup;
  char text[100];
  if (wsc_lookup_start(&lookup, &counted, &question, text, sizeof text) == WSC_OK)
    wsc_lookup_drop(lookup);
}

static void *resize_counted(void *user, void *block, size_t size) {
  (void)user;
  if (atomic_exchange(&rival_is_due, false)) look_up_rival();
  if (size == 0) {
    lookup_blocks -= block != NULL;
    free(block);
    return NULL;
  }
  if (atomic_fetch_sub(&lookup_failure, 1) == 1) return NULL;
  lookup_blocks += block == NULL;
  return realloc(block, size);
}

/* tune(threads): at most so many, 0: the usual number; from now on memory is counted.  Of the
 * module that testing.open_core opens, while it looks nothing up. */
static int l_lookups_tune(lua_State *L) {
  static const wsc_platform counted = {.resize = resize_counted};
  wsc_lookup_tune((unsigned)luaL_checkinteger(L, 1), &counted);
  return 0;
}

/* live_blocks() -> how many there are */
static int l_lookups_live_blocks(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)lookup_blocks);
  return 1;
}

/* fail_at(n): the n-th allocation from now fails; 0: none */
static int l_lookups_fail_at(lua_State *L) {
  lookup_failure = (long)luaL_checkinteger(L, 1);
  return 0;
}

/* rival(): during the next allocation another lookup begins and is dropped */
static int l_lookups_rival(lua_State *L) {
  (void)L;
  rival_is_due = true;
  return 0;
}

static const luaL_Reg lookups_functions[] = {{"tune", l_lookups_tune},
                                             {"rival", l_lookups_rival},
                                             {"live_blocks", l_lookups_live_blocks},
                                             {"fail_at", l_lookups_fail_at},
                                             {NULL, NULL}};

/* ------------------------------------------------------------ address */

static int push_address(lua_State *L, const wsc_address *address) {
  char text[WSC_ADDRESS_TEXT], peer[WSC_PEER_TEXT];
  int port;
  wsc_address_format(address, text, &port);
  wsc_address_peer(address, peer);
  lua_pushstring(L, text);
  lua_pushinteger(L, port);
  lua_pushinteger(L, wsc_address_family(address));
  lua_pushstring(L, peer);
  return 4;
}

/* parse(text, port) -> text, port, family, peer; nil: it is a name */
static int l_address_parse(lua_State *L) {
  wsc_address address;
  if (!wsc_address_parse(&address, luaL_checkstring(L, 1), (uint16_t)luaL_checkinteger(L, 2)))
    return 0;
  return push_address(L, &address);
}

/* unix(path) -> as parse; nil: too long */
static int l_address_unix(lua_State *L) {
  wsc_address address;
  if (!wsc_address_unix(&address, luaL_checkstring(L, 1))) return 0;
  return push_address(L, &address);
}

static const luaL_Reg address_functions[] = {
    {"parse", l_address_parse}, {"unix", l_address_unix}, {NULL, NULL}};

/* ------------------------------------------------------------ fault */

typedef struct named_number {
  const char *name;
  int number;
} named_number;

#define NAMED(number)                                                                              \
  { #number, number }
static const named_number error_numbers[] = {
    NAMED(ECONNREFUSED), NAMED(EAGAIN),    NAMED(ENOENT),        NAMED(ECONNRESET),
    NAMED(ECONNABORTED), NAMED(ETIMEDOUT), NAMED(ENETUNREACH),   NAMED(EHOSTUNREACH),
    NAMED(ENETDOWN),     NAMED(EHOSTDOWN), NAMED(EADDRNOTAVAIL), NAMED(EAFNOSUPPORT),
    NAMED(EACCES),       NAMED(EPERM),     NAMED(ENOMEM),        NAMED(ENOBUFS),
    NAMED(EPIPE),        NAMED(EBADF),     NAMED(EMFILE),        NAMED(ENOTCONN),
    NAMED(EAI_NONAME),   NAMED(EAI_AGAIN), NAMED(EAI_FAIL),      NAMED(EAI_MEMORY),
};

/* Puts a table of the system's numbers, by name, into field "numbers". */
static void add_numbers(lua_State *L) {
  lua_newtable(L);
  for (size_t i = 0; i < sizeof error_numbers / sizeof *error_numbers; i++) {
    lua_pushinteger(L, error_numbers[i].number);
    lua_setfield(L, -2, error_numbers[i].name);
  }
  lua_setfield(L, -2, "numbers");
}

/* fault(number, operation, peer, size) -> sentence, error's name; size of the room for the sentence
 */
static int l_fault(lua_State *L) {
  int number = (int)luaL_checkinteger(L, 1);
  wsc_operation operation = strcmp(luaL_checkstring(L, 2), "connect") == 0 ? WSC_OPERATION_CONNECT
                                                                           : WSC_OPERATION_TRANSFER;
  const char *peer = luaL_checkstring(L, 3);
  size_t size = (size_t)luaL_optinteger(L, 4, 256);
  char *text = (char *)wsc_testing_before_wall(L, WSC_TESTING_OUTPUT, size, 0);
  int error = wsc_fault_of_errno(text, size, number, operation, peer);
  lua_pushstring(L, text);
  lua_pushstring(L, wsc_error_name(error));
  return 2;
}

/* ------------------------------------------------------------ socket */

static wsc_address check_address(lua_State *L, int index) {
  wsc_address address;
  const char *text = luaL_checkstring(L, index);
  if (!wsc_address_parse(&address, text, (uint16_t)luaL_checkinteger(L, index + 1)))
    luaL_argerror(L, index, "a numeric address expected");
  return address;
}

/* connect(address, port, local address, local port) -> true, or as wsc_testing_push_error */
static int l_socket_connect(lua_State *L) {
  wsc_address remote = check_address(L, 1), local = check_address(L, 3);
  wsc_socket_options options = {.bind = &local, .nodelay = true};
  wsc_stream *stream = wsc_socket_new(wsc_testing_platform(L), &remote, &options);
  if (!stream) return wsc_testing_push_error(L, WSC_ERR_MEMORY, NULL);
  int error = stream->ops->open(stream);
  if (error == WSC_OK)
    lua_pushboolean(L, 1);
  else
    wsc_testing_push_error(L, error, wsc_stream_fault(stream, error));
  stream->ops->free(stream);
  return error == WSC_OK ? 1 : 3;
}

/* break_off(fd): a connection attempt under way fails with ECONNRESET */
static int l_break_off(lua_State *L) {
  shutdown((wsc_socket)luaL_checkinteger(L, 1), SHUT_RDWR);
  return 0;
}

/* dup(fd) -> another number of the same open file, as a forked child would have one */
static int l_dup(lua_State *L) {
  lua_pushinteger(L, dup((int)luaL_checkinteger(L, 1)));
  return 1;
}

static int l_close(lua_State *L) {
  close((int)luaL_checkinteger(L, 1));
  return 0;
}

/* pair() -> two descriptors, each the other's end */
static int l_pair(lua_State *L) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
    return luaL_error(L, "no pair: error number %d", errno);
  lua_pushinteger(L, ends[0]);
  lua_pushinteger(L, ends[1]);
  return 2;
}

/* write(fd, bytes): all of them */
static int l_write(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  ssize_t sent = send((int)luaL_checkinteger(L, 1), bytes, size, MSG_NOSIGNAL);
  if (sent != (ssize_t)size) return luaL_error(L, "not written: error number %d", errno);
  return 0;
}

/* ------------------------------------------------------------ watch */

static unsigned check_want(lua_State *L, int index) {
  const char *letters = luaL_checkstring(L, index);
  return (strchr(letters, 'r') ? WSC_WANT_READ : 0u) | (strchr(letters, 'w') ? WSC_WANT_WRITE : 0u);
}

static void push_ready(lua_State *L, unsigned ready) {
  static const char *const letters[] = {"", "r", "w", "rw"};
  lua_pushstring(L, letters[ready & 3]);
}

/* look(fd, want, fd, want, …) -> "r", "w", "rw" or "" for each */
static int l_watch_look(lua_State *L) {
  wsc_watch watches[WSC_WATCH_MAX];
  uint8_t ready[WSC_WATCH_MAX];
  size_t count = (size_t)lua_gettop(L) / 2;
  luaL_argcheck(L, count <= WSC_WATCH_MAX, 1, "too many descriptors");
  for (size_t i = 0; i < count; i++)
    watches[i] = (wsc_watch){.fd = (wsc_socket)luaL_checkinteger(L, (int)(2 * i + 1)),
                             .want = check_want(L, (int)(2 * i + 2))};
  memset(ready, 0xFF, sizeof ready);
  wsc_watch_look(watches, count, ready);
  for (size_t i = 0; i < count; i++) push_ready(L, ready[i]);
  return (int)count;
}

/* read(name of poll's bit) -> what it means */
static int l_watch_meaning(lua_State *L) {
  static const struct {
    const char *name;
    short bit;
  } bits[] = {{"POLLIN", POLLIN},   {"POLLOUT", POLLOUT},   {"POLLHUP", POLLHUP},
              {"POLLERR", POLLERR}, {"POLLNVAL", POLLNVAL}, {"POLLPRI", POLLPRI}};
  const char *name = luaL_checkstring(L, 1);
  for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
    struct pollfd entry = {.revents = bits[i].bit};
    if (strcmp(bits[i].name, name) != 0) continue;
    push_ready(L, wsc_poll_ready(&entry, 0));
    return 1;
  }
  return luaL_argerror(L, 1, "a bit of poll expected");
}

static const luaL_Reg watch_functions[] = {
    {"look", l_watch_look}, {"meaning", l_watch_meaning}, {NULL, NULL}};

/* ------------------------------------------------------------ TLS */

/* users(client) -> how many clients share what it has for TLS, itself included; `client`: of the
 * core, prepared or started */
static int l_tls_users(lua_State *L) {
  const wsc_lua_box *box = lua_touserdata(L, 1);
  if (!box || !box->client || !box->client->tls)
    return luaL_argerror(L, 1, "a client with TLS expected");
  lua_pushinteger(L, (lua_Integer)box->client->tls->base->references);
  return 1;
}

/* ------------------------------------------------------------ a flood */

/* Messages of 62 bytes, as many as there is room for. */
static int64_t read_flood(wsc_stream *stream, void *data, size_t size) {
  (void)stream;
  size -= size % 64;
  memset(data, 0, size);
  for (size_t i = 0; i < size; i += 64) memcpy((char *)data + i, "\x82\x3e", 2);
  return (int64_t)size;
}

static bool has_flood(const wsc_stream *stream) {
  (void)stream;
  return true;
}

/* flood(client): what it reads from now on never ends; `client`: of the core, open */
static int l_flood(lua_State *L) {
  static wsc_stream_ops flood;
  const wsc_lua_box *box = lua_touserdata(L, 1);
  if (!box || !box->client || !box->client->stream)
    return luaL_argerror(L, 1, "an open client expected");
  flood = *box->client->stream->ops;
  flood.read = flood.read_wait = read_flood;
  flood.pending = has_flood;
  box->client->stream->ops = &flood;
  return 0;
}

/* ------------------------------------------------------------ random */

/* random_bytes(n): of the platform that programs get, unless random.set chose others */
static int l_random_bytes(lua_State *L) {
  wsc_platform *platform = wsc_testing_platform(L);
  size_t size = (size_t)luaL_checkinteger(L, 1);
  void *bytes = wsc_testing_before_wall(L, WSC_TESTING_OUTPUT, size, 0);
  if (!platform->random(platform->user, bytes, size)) return luaL_error(L, "no random bytes");
  lua_pushlstring(L, bytes, size);
  return 1;
}

/* wait(client, microseconds) -> has it work?  `client`: of the core. */
static int l_wait(lua_State *L) {
  wsc_lua_box *box = lua_touserdata(L, 1);
  luaL_argcheck(L, box && box->client, 1, "the core's client expected");
  lua_pushboolean(L, wsc_client_wait(box->client, (uint64_t)luaL_checkinteger(L, 2)));
  return 1;
}

static const luaL_Reg net_functions[] = {{"fault", l_fault},
                                         {"wait", l_wait},
                                         {"connect", l_socket_connect},
                                         {"break_off", l_break_off},
                                         {"dup", l_dup},
                                         {"close", l_close},
                                         {"random_bytes", l_random_bytes},
                                         {"tls_users", l_tls_users},
                                         {"flood", l_flood},
                                         {"pair", l_pair},
                                         {"write", l_write},
                                         {NULL, NULL}};

void wsc_testing_net(lua_State *L) {
  wsc_testing_add(L, "net", net_functions);
  lua_getfield(L, -1, "net");
  add_resolver(L);
  add_numbers(L);
  wsc_testing_add(L, "lookups", lookups_functions);
  wsc_testing_add(L, "address", address_functions);
  wsc_testing_add(L, "watch", watch_functions);
  lua_pop(L, 1);
}
