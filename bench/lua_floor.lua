-- The Lua floor: bench/lua_floor.c driven by the least Lua that does the workload.

package.path = "./?.lua;" .. package.path
package.cpath = "./build/bench/lua5.4/?.so;" .. package.cpath

local floor = require "lua_floor"
local workload = require "bench.workload"

local b = workload.arguments(arg, floor.cpu)
local check = workload.check
local message, size = b.message, b.size

local function pingpong(c, count)
  local last
  local function on_message(data)
    check(#data == size, "another size came back")
    last = data
  end
  for _ = 1, count do
    c:send(message)
    c:loop(1, on_message)
  end
  b:check(last)
end

local function pipeline(c, count)
  local sent = math.min(count, workload.IN_FLIGHT)
  local last
  for _ = 1, sent do c:send(message) end
  c:loop(count, function(data)
    check(#data == size, "another size came back")
    last = data
    if sent < count then
      sent = sent + 1
      c:send(data)
    end
  end)
  b:check(last)
end

local function receive(c, count)
  local last
  c:send "go"
  c:loop(count, function(data)
    check(#data == size, "a message has another size")
    last = data
  end)
  b:check(last)
end

local function send(c, count)
  for _ = 1, count do c:send(message) end
  c:loop(1, function(data) check(data == "done", 'no "done" came') end)
end

local function cycle(_, count)
  for _ = 1, count do
    floor.connect(b.url, b.path):close()
  end
end

local RUN = {
  pingpong = pingpong, pipeline = pipeline, receive = receive, inflate = receive, send = send,
  connect = cycle,
}

local run = check(RUN[b.name], "no such workload")
local c = floor.connect(b.url, b.path, b.name == "inflate")
run(c, b.warm)
b:begin()
run(c, b.count)
b:finish()
c:close()
b:result()
