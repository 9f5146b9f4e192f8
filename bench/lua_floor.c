/* The Lua floor: what a client for Lua 5.4 cannot do without, and nothing else: read, find the
 * frame, make a Lua string, call a Lua function; mask into a buffer, write.  No checks, no timers,
 * no states, no deadlines; a blocking socket; an error of the network ends the program.
 *
 *     local floor = require "lua_floor"
 *     local c = floor.connect(url, path, deflate)
 *     c:send(message)            into the buffer; it leaves at 64 KiB and when the loop reads
 *     c:loop(count, on_message)  reads until `count` messages went to on_message
 *     c:close()                  Close 1000, its answer, the end
 *     floor.cpu()                CPU time of the process in ns */
#include "wire.h"

#include <lauxlib.h>
#include <lua.h>
#include <zlib.h>

enum { CHUNK = 64 * 1024, UPVALUE = 1 };

typedef struct floor_conn {
  int fd;
  uint8_t *in, *out; /* the rest of what was read lies at in + at */
  size_t in_room, at, size, out_room, out_size;
  z_stream z;
  bool inflates;
} floor_conn;

static uint8_t text[16384]; /* an inflated message */

static void *grown(void *block, size_t size) {
  block = realloc(block, size);
  bench_check(block != NULL, "no memory");
  return block;
}

static floor_conn *self(lua_State *L) {
  return lua_touserdata(L, 1);
}

static int floor_connect(lua_State *L) {
  const char *url = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2);
  floor_conn *c = lua_newuserdatauv(L, sizeof *c, 0);
  *c = (floor_conn){.inflates = lua_toboolean(L, 3)};
  lua_pushvalue(L, lua_upvalueindex(UPVALUE));
  lua_setmetatable(L, -2);
  bench b = {.url = url, .workload = c->inflates ? "inflate" : "other"};
  b.port = (int)strtol(strrchr(url, ':') + 1, NULL, 10);
  snprintf(b.path, sizeof b.path, "%s", path);
  c->fd = wire_connect(b.port);
  char answer[1024] = "";
  size_t size = wire_request(answer, sizeof answer, &b);
  bench_check(send(c->fd, answer, size, MSG_NOSIGNAL) == (ssize_t)size, "cannot write");
  ssize_t n = recv(c->fd, answer, sizeof answer - 1, 0);
  answer[n > 0 ? n : 0] = 0;
  bench_check(n > 0 && wire_answered(&b, answer, (size_t)n), "no answer to the handshake");
  bench_check(!c->inflates || inflateInit2(&c->z, -15) == Z_OK, "no memory");
  return 1;
}

static void flush(floor_conn *c) {
  for (size_t done = 0; done < c->out_size;) {
    ssize_t n = send(c->fd, c->out + done, c->out_size - done, MSG_NOSIGNAL);
    bench_check(n > 0, "cannot write");
    done += (size_t)n;
  }
  c->out_size = 0;
}

static int floor_send(lua_State *L) {
  floor_conn *c = self(L);
  size_t size, most;
  const char *data = lua_tolstring(L, 2, &size);
  most = c->out_size + size + WIRE_HEAD_MAX;
  if (most > c->out_room) {
    c->out_room = most + CHUNK;
    c->out = grown(c->out, c->out_room);
  }
  c->out_size += wire_write_frame(c->out + c->out_size, data, size);
  if (c->out_size >= CHUNK) flush(c);
  return 0;
}

/* Room for `need` bytes in a row from c->at on, then one recv. */
static void read_more(floor_conn *c, size_t need) {
  if (c->size > 0) memmove(c->in, c->in + c->at, c->size);
  c->at = 0;
  if (need < CHUNK) need = CHUNK;
  if (need > c->in_room) {
    c->in_room = need;
    c->in = grown(c->in, need);
  }
  flush(c);
  ssize_t n = recv(c->fd, c->in + c->size, c->in_room - c->size, 0);
  bench_check(n > 0, "the connection ended early");
  c->size += (size_t)n;
}

static void push_inflated(lua_State *L, floor_conn *c, const uint8_t *data, size_t size) {
  static const uint8_t marker[4] = {0, 0, 0xff, 0xff};
  c->z.next_out = text;
  c->z.avail_out = sizeof text;
  for (int i = 0; i < 2; i++) {
    c->z.next_in = (Bytef *)(i == 0 ? data : marker);
    c->z.avail_in = i == 0 ? (uInt)size : sizeof marker;
    bench_check(inflate(&c->z, Z_SYNC_FLUSH) == Z_OK && c->z.avail_in == 0, "corrupt message");
  }
  lua_pushlstring(L, (const char *)text, sizeof text - c->z.avail_out);
}

static int floor_loop(lua_State *L) {
  floor_conn *c = self(L);
  for (lua_Integer left = lua_tointeger(L, 2); left > 0; left--) {
    uint64_t size = 0;
    size_t head;
    while ((head = wire_read_head(c->in + c->at, c->size, &size)) == 0 || head + size > c->size)
      read_more(c, head == 0 ? 0 : head + size);
    const uint8_t *data = c->in + c->at + head;
    c->at += head + size;
    c->size -= head + size;
    lua_pushvalue(L, 3);
    if (c->inflates)
      push_inflated(L, c, data, size);
    else
      lua_pushlstring(L, (const char *)data, size);
    lua_call(L, 1, 0);
  }
  flush(c);
  return 0;
}

static int floor_close(lua_State *L) {
  floor_conn *c = self(L);
  uint8_t answer[4];
  flush(c);
  bench_check(send(c->fd, wire_close, sizeof wire_close, MSG_NOSIGNAL) == sizeof wire_close,
              "cannot write");
  bench_check(recv(c->fd, answer, 4, 0) == 4 && answer[0] == 0x88, "no Close came back");
  bench_check(recv(c->fd, answer, 4, 0) == 0, "the connection does not end");
  close(c->fd);
  free(c->in);
  free(c->out);
  if (c->inflates) inflateEnd(&c->z);
  return 0;
}

static int floor_cpu(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)bench_cpu_ns());
  return 1;
}

int luaopen_lua_floor(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"send", floor_send}, {"loop", floor_loop}, {"close", floor_close}, {NULL, NULL}};
  lua_newtable(L);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_createtable(L, 0, 2);
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, floor_connect, UPVALUE);
  lua_setfield(L, -2, "connect");
  lua_pushcfunction(L, floor_cpu);
  lua_setfield(L, -2, "cpu");
  return 1;
}
