--- The workloads as a client in Lua does them whose calls wait.  bench/client.h has what is common
-- to all programs.

---@class bench.Peer
---@field open fun(path: string): any a connection
---@field send fun(ws: any, text: string)
---@field receive fun(ws: any): string
---@field close fun(ws: any) sends Close 1000, waits for the answer and the end
---@field cpu_ns fun(): number

local IN_FLIGHT = 64
local FORMAT = { receive = "/flood", inflate = "/json", send = "/sink" }

local workloads = {}

local function check(good, why, ...)
  if not good then error(why:format(...), 0) end
end

local function message(size)
  local alphabet = "abcdefghijklmnopqrstuvwxyz"
  return alphabet:rep(math.ceil(size / 26)):sub(1, size)
end

---@param peer bench.Peer
---@param work fun(ws: any, total: integer)
---@return number cpu_ns
local function exchange(peer, call, work)
  local path = FORMAT[call.workload]
  path = path and ("%s?size=%d&count=%d&warm=%d"):format(path, call.size, call.count, call.warm)
  local ws = peer.open(path or "/echo")
  work(ws, call.warm)
  local start = peer.cpu_ns()
  work(ws, call.count)
  local took = peer.cpu_ns() - start
  peer.close(ws)
  return took
end

local function echo(peer, call, in_flight)
  local text, size = message(call.size), call.size
  local send, receive = peer.send, peer.receive
  return exchange(peer, call, function(ws, total)
    local sent, data = math.min(total, in_flight), nil
    for _ = 1, sent do send(ws, text) end
    for _ = 1, total do
      data = receive(ws)
      check(#data == size, "a message of %d bytes", #data)
      if sent < total then
        send(ws, text)
        sent = sent + 1
      end
    end
    check(data == text, "the last message is not what it should be")
  end)
end

function workloads.pingpong(peer, call) return echo(peer, call, 1) end

function workloads.pipeline(peer, call) return echo(peer, call, IN_FLIGHT) end

function workloads.receive(peer, call)
  local text, size, receive = message(call.size), call.size, peer.receive
  return exchange(peer, call, function(ws, total)
    local data
    peer.send(ws, "go")
    for _ = 1, total do
      data = receive(ws)
      check(#data == size, "a message of %d bytes", #data)
    end
    check(data == text, "the last message is not what it should be")
  end)
end

function workloads.send(peer, call)
  local text, send = message(call.size), peer.send
  return exchange(peer, call, function(ws, total)
    for _ = 1, total do send(ws, text) end
    check(peer.receive(ws) == "done", 'the server did not say "done"')
  end)
end

function workloads.connect(peer, call)
  for _ = 1, call.warm do peer.close(peer.open "/echo") end
  local start = peer.cpu_ns()
  for _ = 1, call.count do peer.close(peer.open "/echo") end
  return peer.cpu_ns() - start
end

local run = {}

---@return string line that a program of bench/ prints
---@param peer bench.Peer
---@param workload string
---@param size integer
---@param count integer
---@param also? table<string, fun(peer: bench.Peer, call: table): number> more workloads
function run.run(peer, workload, size, count, also)
  local work = also and also[workload] or workloads[workload]
  check(work and size and count, "usage: URL WORKLOAD SIZE COUNT; no workload %s", workload)
  local call = { workload = workload, size = size, count = count }
  call.warm = math.max(1, math.floor(count / 10))
  return ("RESULT %d %.0f"):format(count, work(peer, call))
end

return run
