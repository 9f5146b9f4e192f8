--- The programs that bench/run.lua measures, in the order of the tables.
--
-- A program is called as PROGRAM URL WORKLOAD SIZE COUNT and prints "RESULT units cpu_ns"; see
-- bench/client.h.  `ws://127.0.0.1:PORT` is plain, `wss://…` TLS whose certificate nobody checks.

---@class bench.Client
---@field name string first cell of its row
---@field command string for the shell; URL WORKLOAD SIZE COUNT follow
---@field workloads string those it can do: pingpong pipeline receive send inflate connect idle
---@field tls? string those it can do over TLS; none without
---@field build? string a target of bench/programs.mk; a failure means "not installed"
---@field there? string a command for the shell that ends with 0 when what it needs is there
---@field needs string what brings it: names of scripts/setup, for the reader of the table

local ALL = "pingpong pipeline receive send inflate connect idle"
local FLOOR = "pingpong pipeline receive send inflate connect"

---@type bench.Client[]
return {
  {
    name = "raw",
    command = "build/bench/raw",
    build = "build/bench/raw",
    workloads = FLOOR,
    needs = "cc",
  },
  {
    name = "raw, with poll",
    command = "build/bench/raw-poll",
    build = "build/bench/raw-poll",
    workloads = "pingpong",
    needs = "cc",
  },
  {
    name = "raw, with zlib",
    command = "build/bench/raw-zlib",
    build = "build/bench/raw-zlib",
    workloads = "inflate",
    needs = "cc zlib-dev",
  },
  {
    name = "raw OpenSSL",
    command = "build/bench/raw-tls",
    build = "build/bench/raw-tls",
    workloads = "",
    tls = "pingpong receive connect",
    needs = "cc openssl-dev",
  },
  {
    name = "Lua floor",
    command = "lua5.4 bench/lua_floor.lua",
    build = "build/bench/lua5.4/lua_floor.so",
    there = "lua5.4 -v",
    workloads = FLOOR,
    needs = "cc lua5.4 lua5.4-dev",
  },
  {
    name = "wsclose, Lua 5.4",
    command = "lua5.4 bench/wsclose.lua",
    build = "wsclose-lua5.4",
    there = "lua5.4 -v",
    workloads = ALL,
    tls = ALL,
    needs = "cc lua5.4 lua5.4-dev",
  },
  {
    name = "wsclose, Lua 5.5",
    command = "$(scripts/find interpreter lua5.5) bench/wsclose.lua",
    build = "wsclose-lua5.5",
    there = "scripts/find interpreter lua5.5",
    workloads = "receive inflate", -- what it does otherwise than 5.4
    tls = "receive",
    needs = "cc lua5.5 lua5.5-dev",
  },
  {
    name = "wsclose, LuaJIT",
    command = "luajit bench/wsclose.lua",
    build = "wsclose-luajit",
    there = "luajit -v",
    workloads = ALL,
    tls = ALL,
    needs = "cc luajit luajit-dev",
  },
  {
    name = "wsclose, C core",
    command = "build/bench/core",
    build = "build/bench/core",
    workloads = ALL,
    tls = ALL,
    needs = "cc",
  },
  {
    name = "Boost.Beast",
    command = "build/bench/peers/beast",
    build = "build/bench/peers/beast",
    workloads = ALL,
    tls = ALL,
    needs = "c++ boost-dev openssl-dev",
  },
  {
    name = "wslay",
    command = "build/bench/peers/wslay",
    build = "build/bench/peers/wslay",
    workloads = "pingpong pipeline receive send connect idle",
    needs = "cc wslay-dev openssl-dev",
  },
  {
    name = "libwebsockets",
    command = "build/bench/peers/lws",
    build = "build/bench/peers/lws",
    workloads = ALL,
    tls = ALL,
    needs = "cc lws-dev openssl-dev",
  },
  {
    name = "lua-resty-websocket",
    command = "bench/peers/resty",
    there = "scripts/setup --has resty-websocket",
    workloads = "pingpong pipeline receive send connect idle",
    tls = "pingpong pipeline receive send connect idle",
    needs = "resty-websocket",
  },
  {
    name = "lua-http, Lua 5.1",
    command = "lua5.1 bench/peers/lua_http.lua",
    there = "scripts/setup --has lua-http",
    workloads = "pingpong pipeline receive send connect",
    needs = "lua5.1 lua-http",
  },
  {
    name = "ws (Node.js)",
    command = "node bench/peers/ws.js",
    there = "scripts/setup --has node npm-ws",
    workloads = ALL,
    tls = ALL,
    needs = "node npm-ws",
  },
  {
    name = "python3-websockets",
    command = "/usr/bin/python3 bench/peers/python_websockets.py",
    there = "scripts/setup --has python-websockets",
    workloads = ALL,
    tls = ALL,
    needs = "python-websockets",
  },
}
