--- lua-resty-websocket in a timer of nginx's worker; bench/peers/resty starts it.

local ffi = require "ffi"
local client = require "nginx.websocket.client"
local workloads = require "workloads"
local ngx = ngx -- luacheck: globals ngx

ffi.cdef [[
  typedef struct { long seconds, ns; } bench_time;
  int clock_gettime(int id, bench_time *time);
]]

local CLOCK_PROCESS_CPUTIME_ID = 2
local IDLE_SECONDS, GIVE_UP_MS = 2.5, 300000

local url, workload, size, count = ...
local peer = {}

function peer.open(path)
  local ws = assert(client:new { timeout = GIVE_UP_MS, max_payload_len = math.max(size, 125) })
  assert(ws:connect(url .. path))
  return ws
end

function peer.send(ws, text)
  assert(ws:send_text(text))
end

function peer.receive(ws)
  local data, kind, err = ws:recv_frame()
  assert(kind == "text" and err == nil, err or kind)
  return data
end

function peer.close(ws)
  assert(ws:send_close(1000))
  local _, kind, code = ws:recv_frame()
  assert(kind == "close" and code == 1000, "no answer to Close")
  local _, _, err = ws:recv_frame()
  assert(err:find ": closed", "no end after Close")
  ws:close()
end

local now = ffi.new "bench_time"
function peer.cpu_ns()
  ffi.C.clock_gettime(CLOCK_PROCESS_CPUTIME_ID, now)
  return tonumber(now.seconds) * 1e9 + tonumber(now.ns)
end

local function resident()
  local file = assert(io.open "/proc/self/statm")
  local pages = file:read "*a":match "^%d+ (%d+)"
  file:close()
  return pages * 4096
end

local also = {}

function also.idle()
  peer.close(peer.open "/echo")
  local before = resident()
  for _ = 1, count do
    local ws = peer.open "/echo"
    ngx.thread.spawn(function()
      ws:recv_frame()
      io.stderr:write "a connection did not idle\n"
      os.exit(1)
    end)
  end
  ngx.sleep(IDLE_SECONDS)
  return resident() - before
end

assert(ngx.timer.at(0, function()
  local good, line = pcall(workloads.run, peer, workload, size, count, also)
  local stream = good and io.stdout or io.stderr
  stream:write(tostring(line), "\n")
  stream:flush()
  os.exit(good and 0 or 1)
end))
