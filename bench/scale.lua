--- What a message costs when its client is one of many on a loop: make bench-scale.
--
-- Opens 1, 100, 1,000 and 10,000 connections to bench/server.c, all in this process and on one
-- loop, and then sends one message at a time on a random one and waits for its echo.  The figure is
-- the processor time of this process for one message: send, wait, read, callback.  Beside it the
-- same over bare sockets and epoll: what cold memory costs the kernel, it costs everybody.
--
--     make bench-scale                   CLIENTS="1 100" for less, LUA=luajit for another Lua

local core = require "wsclose.core"
local wsclose = require "wsclose"

local SERVER, RAW = "build/bench/server", "build/bench/scale_raw"
local ROUNDS = 5
local SIZE = 64
local BATCH = 200 -- connections begun at a time: as many as the server's backlog holds
local PATIENCE = 60

-- Messages of a round: as many as give a figure, in a second or so.
local function count_for(way, clients)
  return math.max(200, math.floor((way.linear and 40000 / math.max(1, clients / 20) or 20000)))
end

-- ---------------------------------------------------------------- the server

-- It ends when this process does: with its standard input.
local function start_server()
  local fifo = os.tmpname()
  os.remove(fifo)
  assert(os.execute("mkfifo " .. fifo))
  local stdin = assert(io.popen(("exec %s >%s"):format(SERVER, fifo), "w"))
  local file = assert(io.open(fifo))
  local port = file:read "*n"
  file:close()
  os.remove(fifo)
  return assert(port, "the server did not start"), stdin
end

-- ---------------------------------------------------------------- the ways

local core_loop = core.loop

local function group_of(clients, poll)
  core.loop = function() return core_loop(poll) end
  local group = wsclose.group(clients)
  core.loop = core_loop
  return function() group:update(PATIENCE) end
end

local ways = {
  { name = "a group", start = function(clients) return group_of(clients, false) end },
  {
    name = "a list",
    linear = true,
    start = function(clients)
      return function() wsclose.update(PATIENCE, clients) end
    end,
  },
  {
    name = "a group over poll",
    linear = true,
    start = function(clients) return group_of(clients, true) end,
  },
}

-- ---------------------------------------------------------------- a row

local answered

local function on_message(_, data)
  assert(#data == SIZE)
  answered = answered + 1
end

local function open_clients(url, count)
  local group, clients, opened = wsclose.group(), {}, 0
  local options = {
    proxy = false, extensions = {},
    on_open = function() opened = opened + 1 end,
    on_message = on_message,
    on_close = function(_, _, _, info) error(tostring(info), 0) end,
  }
  for i = 1, count do
    clients[i] = assert(wsclose.new(url, options))
    group:add(clients[i])
    if i % BATCH == 0 or i == count then
      while opened < i do group:update(PATIENCE) end
    end
  end
  return clients
end

local function ping_pong(clients, update, count)
  local text = ("x"):rep(SIZE)
  answered = 0
  for i = 1, count do
    assert(clients[math.random(#clients)]:send(text))
    while answered < i do update() end
  end
end

local function median(values)
  table.sort(values)
  return values[math.ceil(#values / 2)]
end

-- By itself: the server has no descriptors for twice ten thousand.
local function measure_raw(port, clients)
  local figures = {}
  for round = 1, ROUNDS do
    local pipe = assert(io.popen(("%s %d %d 20000"):format(RAW, port, clients)))
    figures[round] = assert(pipe:read "*n", "the raw client failed")
    pipe:close()
  end
  return median(figures)
end

-- The ways take turns, so that what else the machine does falls on all of them.
local function measure(clients)
  local updates, times = {}, {}
  for i, way in ipairs(ways) do
    updates[i], times[i] = way.start(clients), {}
    ping_pong(clients, updates[i], math.ceil(count_for(way, #clients) / 10))
  end
  for _ = 1, ROUNDS do
    for i, way in ipairs(ways) do
      local count = count_for(way, #clients)
      local began = os.clock()
      ping_pong(clients, updates[i], count)
      table.insert(times[i], (os.clock() - began) / count * 1e9)
    end
  end
  local figures = {}
  for i = 1, #ways do figures[i] = median(times[i]) end
  return figures
end

-- ---------------------------------------------------------------- the table

local function print_row(first, cells)
  io.write(("%-10s"):format(first))
  for _, cell in ipairs(cells) do io.write(("%20s"):format(cell)) end
  io.write "\n"
  io.flush()
end

local function main(...)
  local counts = { ... }
  if #counts == 0 then counts = { 1, 100, 1000, 10000 } end
  math.randomseed(1)
  local port, stdin = start_server()
  local url = ("ws://127.0.0.1:%d/echo"):format(port)
  local names = { "bare sockets" }
  for i, way in ipairs(ways) do names[i + 1] = way.name end
  print("processor time for one message (ns), " .. (rawget(_G, "jit") and "LuaJIT" or _VERSION))
  print_row("clients", names)
  for _, count in ipairs(counts) do
    count = tonumber(count)
    local cells = { ("%.0f"):format(measure_raw(port, count)) }
    local clients = open_clients(url, count)
    for i, figure in ipairs(measure(clients)) do cells[i + 1] = ("%.0f"):format(figure) end
    print_row(count, cells)
    for _, ws in ipairs(clients) do
      ws.on_close = nil
      ws:leave()
    end
  end
  stdin:close()
end

main(...)
