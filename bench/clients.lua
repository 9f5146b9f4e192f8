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
---@field role? "raw"|"tls-raw"|"ours" raw is what ratios are taken of; ours have targets

local ALL = "pingpong pipeline receive send inflate connect idle"
local FLOOR = "pingpong pipeline receive send inflate connect"

---@type bench.Client[]
return {
  {
    name = "raw",
    role = "raw",
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
    name = "raw OpenSSL",
    role = "tls-raw",
    command = "build/bench/raw-tls",
    build = "build/bench/raw-tls",
    workloads = "",
    tls = "pingpong receive connect",
    needs = "cc openssl-dev",
  },
  {
    name = "Lua floor, 5.4",
    command = "lua5.4 bench/lua_floor.lua",
    build = "build/bench/lua5.4/lua_floor.so",
    there = "lua5.4 -v",
    workloads = "pingpong pipeline receive send inflate connect",
    needs = "cc lua5.4 lua5.4-dev",
  },
  {
    name = "wsclose, Lua 5.4",
    role = "ours",
    command = "lua5.4 bench/wsclose.lua",
    build = "wsclose-lua5.4",
    there = "lua5.4 -v",
    workloads = ALL,
    tls = ALL,
    needs = "cc lua5.4 lua5.4-dev",
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
    name = "wsclose's core, C",
    command = "build/bench/core",
    build = "build/bench/core",
    workloads = ALL,
    tls = ALL,
    needs = "cc",
  },
}
