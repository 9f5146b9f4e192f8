/* A kernel that does the same at each run: preloaded, it stands in the place of the system calls
 * by which wsclose reaches the network, the clock and chance, so that the instructions of a script
 * can be counted.  Over a real socket the number of reads would depend on who is faster.
 *
 * It knows one connection at a time.  Its peer is as quick as can be: what it has to say is there
 * when the client looks.  bench/check.lua leaves the instructions of these functions out.
 *
 *     local kernel = require "kernel"
 *     kernel.serve(answer)           from now on: answer to the request, then an echo
 *     kernel.serve(answer, frames)   after the first message the frames, over and over
 *     kernel.versions                of what else the instructions depend on */
#include <errno.h>
#include <gnu/libc-version.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <openssl/opensslv.h>
#include <openssl/rand.h>
#include <zlib.h>

/* What starts the interpreter is preloaded, too, and has no Lua. */
#pragma weak lua_createtable
#pragma weak lua_pushcclosure
#pragma weak lua_pushfstring
#pragma weak lua_pushstring
#pragma weak lua_setfield
#pragma weak luaL_checklstring
#pragma weak luaL_optlstring

enum { ROOM = 1024 * 1024, SMALL = 125, CLOSE = 0x88, STEP_NS = 1000 };

typedef struct bytes {
  uint8_t data[ROOM];
  size_t size;
} bytes;

static bytes answer, frames;

static struct connection {
  struct sockaddr_storage peer;
  socklen_t peer_size;
  bool answered, floods, closed;
  size_t at; /* in frames */
  bytes output;
  size_t taken; /* of output */
} connection;

static void die(const char *sentence) {
  fprintf(stderr, "bench/scripts/kernel.c: %s\n", sentence);
  _exit(1);
}

static void append(bytes *to, const void *data, size_t size) {
  if (size > ROOM - to->size) die("no room");
  memcpy(to->data + to->size, data, size);
  to->size += size;
}

/* ---------------------------------------------------------------- the peer */

static void echo(uint8_t first, const uint8_t *key, size_t size) {
  uint8_t frame[2 + SMALL] = {first, (uint8_t)size};
  for (size_t i = 0; i < size; i++) frame[2 + i] = key[4 + i] ^ key[i % 4];
  append(&connection.output, frame, 2 + size);
}

static void hear_frames(const uint8_t *data, size_t size) {
  while (size > 0) {
    if (size < 6) die("a frame came in pieces");
    size_t length = data[1] & 127;
    if (length > SMALL || size < 6 + length) die("a frame came in pieces, or is long");
    bool ends = data[0] == CLOSE;
    if (frames.size == 0 || ends) echo(data[0], data + 2, length);
    connection.floods = frames.size > 0 && !ends;
    connection.closed = connection.closed || ends;
    data += 6 + length;
    size -= 6 + length;
  }
}

static void hear_request(const uint8_t *data, size_t size) {
  if (size < 4 || memcmp(data + size - 4, "\r\n\r\n", 4) != 0) die("the request came in pieces");
  append(&connection.output, answer.data, answer.size);
  connection.answered = true;
}

static size_t speak(uint8_t *data, size_t size) {
  size_t waiting = connection.output.size - connection.taken;
  if (size > waiting) size = waiting;
  memcpy(data, connection.output.data + connection.taken, size);
  connection.taken += size;
  if (size == waiting) connection.output.size = connection.taken = 0;
  return size;
}

static void flood(uint8_t *data, size_t size) {
  while (size > 0) {
    size_t piece = frames.size - connection.at;
    if (piece > size) piece = size;
    memcpy(data, frames.data + connection.at, piece);
    connection.at = (connection.at + piece) % frames.size;
    data += piece;
    size -= piece;
  }
}

static bool is_readable(void) {
  return connection.output.size > 0 || connection.floods || connection.closed;
}

/* ---------------------------------------------------------------- system calls */

int connect(int fd, const struct sockaddr *address, socklen_t size) {
  (void)fd;
  connection.answered = connection.floods = connection.closed = false;
  connection.at = connection.taken = connection.output.size = 0;
  memcpy(&connection.peer, address, size);
  connection.peer_size = size;
  errno = EINPROGRESS; /* as over loopback, where it has come about nevertheless */
  return -1;
}

int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict size) {
  (void)fd;
  memcpy(address, &connection.peer, connection.peer_size);
  *size = connection.peer_size;
  return 0;
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
  (void)fd;
  (void)flags;
  if (connection.answered)
    hear_frames(data, size);
  else
    hear_request(data, size);
  return (ssize_t)size;
}

ssize_t recv(int fd, void *data, size_t size, int flags) {
  (void)fd;
  (void)flags;
  if (connection.output.size > 0) return (ssize_t)speak(data, size);
  if (connection.closed) return 0;
  if (connection.floods) {
    flood(data, size);
    return (ssize_t)size;
  }
  errno = EAGAIN;
  return -1;
}

static int look(struct pollfd *entries, nfds_t count, bool waits) {
  int ready = 0;
  for (nfds_t i = 0; i < count; i++) {
    short now = is_readable() ? POLLIN | POLLOUT : POLLOUT;
    entries[i].revents = (short)(entries[i].fd < 0 ? 0 : entries[i].events & now);
    ready += entries[i].revents != 0;
  }
  if (waits && ready == 0) die("the client waits for what will not come");
  return ready;
}

int poll(struct pollfd *entries, nfds_t count, int timeout) {
  return look(entries, count, timeout != 0);
}

int ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout,
          const sigset_t *signals) {
  (void)signals;
  return look(entries, count, !timeout || timeout->tv_sec > 0 || timeout->tv_nsec > 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static uint64_t passed;
  (void)clock;
  passed += STEP_NS;
  now->tv_sec = (time_t)(1000 + passed / 1000000000U);
  now->tv_nsec = (long)(passed % 1000000000U);
  return 0;
}

/* Lua seeds its hashes with it. */
time_t time(time_t *now) {
  if (now) *now = 0;
  return 0;
}

/* So that each handshake has the same key, and so the same answer. */
int RAND_bytes(unsigned char *data, int size) {
  memset(data, 'w', (size_t)size);
  return 1;
}

/* ---------------------------------------------------------------- for the scripts */

static int l_serve(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  answer.size = frames.size = 0;
  append(&answer, text, size);
  text = luaL_optlstring(L, 2, "", &size);
  append(&frames, text, size);
  return 0;
}

static const char *cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
  if (__builtin_cpu_supports("avx2")) return ", AVX2";
  if (__builtin_cpu_supports("ssse3")) return ", SSSE3";
#endif
  return "";
}

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

int luaopen_kernel(lua_State *L);
int luaopen_kernel(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushcclosure(L, l_serve, 0);
  lua_setfield(L, -2, "serve");
  lua_pushfstring(L, "%s, glibc %s, zlib %s, OpenSSL %s, %s%s", LUA_RELEASE, gnu_get_libc_version(),
                  ZLIB_VERSION, OPENSSL_VERSION_STR, COMPILER, cpu());
  lua_setfield(L, -2, "versions");
  return 1;
}
