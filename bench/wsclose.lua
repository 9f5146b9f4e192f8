-- wsclose under any Lua: URL WORKLOAD SIZE COUNT.
--
-- Each workload is written as the README would have it.  A conversation goes straight down: `send`,
-- `receive`.  What comes in numbers goes to `on_message` under `run`, where the sends of a step
-- leave together; what goes out in numbers is sent in portions of 64 KiB, the next one `on_drain`.

local lua = (rawget(_G, "jit") and "luajit") or "lua" .. _VERSION:match "%d.%d"
package.path = "./lua/?.lua;./lua/?/init.lua;./?.lua;" .. package.path
package.cpath = "./build/" .. lua .. "/?.so;" .. package.cpath

local core = require "wsclose.core"
local workload = require "bench.workload"
local wsclose = require "wsclose"

local PORTION = 65536
local IDLE_SECONDS = 2.5

local b = workload.arguments(arg)
local check = workload.check
local message, size, count = b.message, b.size, b.count
local url = b.url .. b.path

local compressed = b.name == "inflate" or b.name == "idle" and size == 1
local options = {
  extensions = { ["permessage-deflate"] = compressed and { required = true } },
  proxy = false,
  tls = { verify = false },
}

local function connect()
  return check(wsclose.connect(url, options))
end

-- ---------------------------------------------------------------- straight down

local function converse(ws, rounds)
  local data
  for _ = 1, rounds do
    ws:send(message)
    data = ws:receive()
    check(data and #data == size, "another size came back")
  end
  b:check(data)
end

local function pingpong()
  local ws = connect()
  converse(ws, b.warm)
  b:begin()
  converse(ws, count)
  b:finish()
  ws:close()
  check(ws:run() == 1000, "the connection ended early")
end

local function cycle()
  local ws = connect()
  ws:close()
  check(ws:run() == 1000, "the connection ended early")
end

local function cycles()
  for _ = 1, b.warm do cycle() end
  b:begin()
  for _ = 1, count do cycle() end
  b:finish()
end

-- ---------------------------------------------------------------- by callbacks

-- Two runs of the same, the first for warming up; `first` begins one, `goal` messages end it.
local function run(first, on_message)
  local goal, came, finished = b.warm, 0, false
  options.on_open = function(ws) first(ws, goal) end
  options.on_message = function(ws, data)
    came = came + 1
    if came < goal then return on_message(ws, data) end
    on_message(ws, data, true)
    if b.began then
      b:finish()
      finished = true
      ws:close()
    else
      goal, came = count, 0
      b:begin()
      first(ws, goal)
    end
  end
  local ws = check(wsclose.new(url, options))
  local code = ws:run()
  check(finished and code == 1000, ws.close_info)
end

local function take(data, last)
  if #data ~= size then check(false, "a message has another size") end
  if last then b:check(data) end
end

local function pipeline()
  local left
  run(function(ws, goal)
    local first = math.min(goal, workload.IN_FLIGHT)
    left = goal - first
    for _ = 1, first do ws:send(message) end
  end, function(ws, data, last)
    take(data, last)
    if left > 0 then
      left = left - 1
      ws:send(data)
    end
  end)
end

local function receive()
  run(function(ws) ws:send "go" end, function(_, data, last) take(data, last) end)
end

-- "done" is the one message that comes: the runs are counted here.
local function send()
  local portion = math.floor(PORTION / (size + 6)) + 1 -- so that on_drain tells of its end
  local left, finished
  local function send_some(ws)
    local now = math.min(left, portion)
    left = left - now
    for _ = 1, now do ws:send(message) end
  end
  options.on_open = function(ws)
    left = b.warm
    send_some(ws)
  end
  options.on_drain = send_some
  options.on_message = function(ws, data)
    check(data == "done" and left == 0, "\"done\" came early")
    if b.began then
      b:finish()
      finished = true
      ws:close()
    else
      left = count
      b:begin()
      send_some(ws)
    end
  end
  local ws = check(wsclose.new(url, options))
  local code = ws:run()
  check(finished and code == 1000, ws.close_info)
end

-- ---------------------------------------------------------------- many that do nothing

local function idle()
  cycle()
  collectgarbage()
  local before = workload.resident()
  local clients, group = {}, wsclose.group()
  for i = 1, count do
    clients[i] = connect()
    group:add(clients[i])
  end
  local finish = core.now() + IDLE_SECONDS
  repeat
    group:update(math.max(0, finish - core.now()))
  until core.now() >= finish
  for _, ws in ipairs(clients) do check(ws:state() == "open", "a connection ended early") end
  b.took = workload.resident() - before
end

local RUN = {
  pingpong = pingpong, connect = cycles, pipeline = pipeline, receive = receive,
  inflate = receive, send = send, idle = idle,
}

check(RUN[b.name], "no such workload")()
b:result()
os.exit(0) -- idle connections need no farewell
