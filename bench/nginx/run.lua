--- How fast a worker answers plain requests while it holds 200 idle WebSocket clients and one that
-- connects anew every second, over TLS; against the same nginx without them, side by side.
--
--     make LUA=luajit && make && lua5.4 bench/nginx/run.lua [ROUNDS]

package.path = "./lua/?.lua;./lua/?/init.lua;./spec/?.lua;" .. package.path
package.cpath = "./build/lua5.4/?.so;" .. package.cpath

local hosts = require "support.hosts"
local nginx = require "support.nginx"
local socket = require "socket"

local ROUNDS, REQUESTS = tonumber(arg[1]) or 40, 4000
local REQUEST = "GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n"

local function answer_size(peer)
  local size = #"plain"
  peer:send(REQUEST)
  repeat
    local line = peer:receive "*l"
    size = size + #line + 2
  until line == ""
  peer:receive(#"plain")
  return size
end

-- Seconds for many requests, one after the other, on one connection.
local function time_requests(peer)
  local size = answer_size(peer)
  local start = socket.gettime()
  for _ = 1, REQUESTS do
    peer:send(REQUEST)
    assert(peer:receive(size))
  end
  return socket.gettime() - start
end

local function connect(server)
  local peer = assert(require "socket.unix"())
  assert(peer:connect(server.folder .. "/http.sock"))
  return peer
end

-- All on one core: a wakeup on another one costs ten times what a request does, and which of the
-- two workers has that luck is the kernel's choice.
local function pin()
  local stat = assert(io.open "/proc/self/stat")
  local pid = stat:read "*n"
  stat:close()
  assert(os.execute(("taskset -cp 0 %d >/dev/null"):format(pid)))
end

pin()
local bare, busy = nginx.start(), nginx.start "bench/nginx/clients.lua"
for _ = 1, 200 do busy.host.server:expect "^%d+ OPEN" end

local times = { bare = {}, busy = {} }
for round = 1, ROUNDS * 2 do
  local name = round % 2 == 0 and "bare" or "busy"
  local peer = connect(name == "bare" and bare or busy)
  table.insert(times[name], time_requests(peer))
  peer:close()
end

local function median(list)
  table.sort(list)
  return list[math.floor(#list / 2) + 1]
end

local reconnects = 0
while busy.host.server:look "^again OPEN" do reconnects = reconnects + 1 end
local without, with = median(times.bare), median(times.busy)
print(("%d times %d requests each, side by side; %d reconnections meanwhile"):format(
  ROUNDS, REQUESTS, reconnects))
print(("without clients %.0f requests/s, with 200 idle and one connecting %.0f: ratio %.3f"):format(
  REQUESTS / without, REQUESTS / with, without / with))
hosts.stop()
bare:stop()
busy:stop()
