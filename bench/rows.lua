--- What is measured: one table for each row here, with what wsclose is to reach.
--
-- A target is a ratio to another client of the same row, for nanoseconds hold on one machine only.

---@class bench.Target
---@field of? string a client of bench/clients.lua
---@field most? number ratio to it
---@field bytes? number a limit in itself
---@field client? string whose target it is; default "wsclose, Lua 5.4"

---@class bench.Row
---@field id string for --only
---@field title string
---@field workload string
---@field also? string another workload that a client must be able to do
---@field size integer SIZE; of idle 1: with permessage-deflate
---@field first? integer units of the run that finds out how many are to be measured
---@field unit string what is counted
---@field per? number units of one count: KiB of a message
---@field tls? boolean
---@field raw? string what ratios are taken of; default "raw"
---@field targets bench.Target[]

local RAW, FLOOR, ZLIB, TLS = "raw", "Lua floor", "raw, with zlib", "raw OpenSSL"
local CORE, LUA55 = "wsclose, C core", "wsclose, Lua 5.5"

---@type bench.Row[]
return {
  {
    id = "pingpong-32", title = "Ping-pong, 32 bytes", workload = "pingpong", size = 32,
    first = 500, unit = "round trip",
    targets = { { of = RAW, most = 1.15 }, { of = "Boost.Beast", most = 1 } },
  },
  {
    id = "pingpong-125", title = "Ping-pong, 125 bytes", workload = "pingpong", size = 125,
    first = 500, unit = "round trip",
    targets = { { of = RAW, most = 1.15 }, { of = RAW, most = 1.08, client = CORE } },
  },
  {
    id = "pipeline-125", title = "Echo with 64 in flight, 125 bytes", workload = "pipeline",
    size = 125, first = 1000, unit = "message",
    targets = { { of = FLOOR, most = 1.5 } },
  },
  {
    id = "pipeline-4096", title = "Echo with 64 in flight, 4 KiB", workload = "pipeline",
    size = 4096, first = 200, unit = "message",
    targets = { { of = FLOOR, most = 1.2 } },
  },
  {
    id = "receive-40", title = "Receive, 40 bytes", workload = "receive", size = 40,
    first = 5000, unit = "message",
    targets = { { of = FLOOR, most = 1.4 } },
  },
  {
    id = "receive-48", title = "Receive, 48 bytes", workload = "receive", size = 48,
    first = 5000, unit = "message",
    targets = { { of = FLOOR, most = 1.4 } },
  },
  {
    id = "receive-200", title = "Receive, 200 bytes", workload = "receive", size = 200,
    first = 5000, unit = "message",
    targets = { { of = FLOOR, most = 1.4 } },
  },
  {
    id = "send-125", title = "Send, 125 bytes", workload = "send", size = 125,
    first = 2000, unit = "message",
    targets = { { of = FLOOR, most = 1.8 } },
  },
  {
    id = "receive-64k", title = "Receive, 64 KiB", workload = "receive", size = 65536,
    first = 50, unit = "KiB", per = 64,
    targets = { { of = RAW, most = 1.3 }, { of = RAW, most = 1.1, client = LUA55 } },
  },
  {
    id = "receive-1m", title = "Receive, 1 MiB", workload = "receive", size = 1048576,
    first = 10, unit = "KiB", per = 1024,
    targets = { { of = RAW, most = 1.4 }, { of = RAW, most = 1.1, client = LUA55 } },
  },
  {
    id = "send-1m", title = "Send, 1 MiB", workload = "send", size = 1048576,
    first = 10, unit = "KiB", per = 1024,
    targets = { { of = "Boost.Beast", most = 0.9 } },
  },
  {
    id = "inflate-2k", title = "Receive, 2 KiB of JSON, compressed", workload = "inflate",
    size = 2048, first = 500, unit = "message",
    targets = { { of = ZLIB, most = 1.05 } },
  },
  {
    id = "connect", title = "Connect, handshake, close", workload = "connect", size = 0,
    first = 50, unit = "cycle",
    targets = { { of = RAW, most = 1.4 } },
  },
  {
    id = "tls-pingpong-125", title = "TLS: ping-pong, 125 bytes", workload = "pingpong",
    size = 125, first = 500, unit = "round trip", tls = true, raw = TLS,
    targets = { { of = TLS, most = 1.12 } },
  },
  {
    id = "tls-receive-64k", title = "TLS: receive, 64 KiB", workload = "receive", size = 65536,
    first = 50, unit = "KiB", per = 64, tls = true, raw = TLS,
    targets = { { of = TLS, most = 1.10 } },
  },
  {
    id = "tls-connect", title = "TLS: connect, handshake, close", workload = "connect", size = 0,
    first = 10, unit = "cycle", tls = true, raw = TLS,
    targets = { { of = TLS, most = 1.08 } },
  },
  {
    id = "idle", title = "An idle connection", workload = "idle", size = 0,
    unit = "connection", targets = { { bytes = 1741 } },
  },
  {
    id = "idle-deflate", title = "An idle connection, permessage-deflate agreed",
    workload = "idle", also = "inflate", size = 1, unit = "connection",
    targets = { { bytes = 2048 } },
  },
  {
    id = "idle-tls", title = "An idle connection over TLS", workload = "idle", size = 0,
    unit = "connection", tls = true, targets = {},
  },
}
