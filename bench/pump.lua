-- A hundred megabytes sent from on_drain, in pieces of 100 B, 1 kB and 70 kB, beside a second
-- client in one group: how long the longest update(0) takes, and whether the second one's pings are
-- answered meanwhile.  After `make`:
--
--     LUA_PATH="./lua/?.lua;./lua/?/init.lua;./spec/?.lua;;" LUA_CPATH="./build/lua5.4/?.so;;" \
--       lua5.4 bench/pump.lua [megabytes]

local scripted = require "support.scripted_server"
local clock = require "wsclose.core"
local wsclose = require "wsclose"

local wire = scripted.wire

local TOTAL = (tonumber((...)) or 100) * 1000000
local PATIENCE = 60 -- seconds for each size; what is not done by then is said

-- Reads all that comes and looks at nothing.
local function sink(c)
  c:upgrade()
  c.size_wanted = math.huge
  c:stall()
end

-- Its pings are answered by the client; `asked` is when the latest left.
local function pinger(state)
  return function(c)
    c:upgrade()
    while true do
      state.asked, state.count = clock.now(), state.count + 1
      c:send(wire.frame { opcode = "ping", payload = tostring(state.count) })
      c:expect("pong", tostring(state.count))
      state.longest = math.max(state.longest, clock.now() - state.asked)
    end
  end
end

local function pump(size)
  local state = { count = 0, longest = 0 }
  local sinks, asks = scripted.new(sink), scripted.new(pinger(state))
  local piece, sent, drains = ("x"):rep(size), 0, 0
  local options = { extensions = { ["permessage-deflate"] = false } }
  local function send_some(ws)
    repeat
      if sent >= TOTAL or not ws:send(piece, "binary") then return end
      sent = sent + size
    until ws:buffered() > 65536
  end
  options.on_open = send_some
  function options.on_drain(ws)
    drains = drains + 1
    send_some(ws)
  end
  local group = wsclose.group(
    assert(wsclose.new(sinks:url(), options)), assert(wsclose.new(asks:url())))
  local began, longest, updates = clock.now(), 0, 0
  while sent < TOTAL and clock.now() - began < PATIENCE do
    local before = clock.now()
    group:update(0)
    longest, updates = math.max(longest, clock.now() - before), updates + 1
    for _, server in ipairs { sinks, asks } do
      server:step()
      for _, c in ipairs(server.connections) do
        if c.size_wanted == math.huge then c.arrived = {} end -- what it read is let go of
      end
    end
  end
  print(("%6d B: %5.1f MB in %5.2f s, %7d updates, %7d drains, longest update(0) %8.3f ms; %6d "
    .. "pings of the second client answered, the slowest after %8.3f ms%s"):format(size, sent / 1e6,
    clock.now() - began, updates, drains, longest * 1000, state.count - 1, state.longest * 1000,
    sent < TOTAL and "; not done" or ""))
  scripted.close_all()
end

for _, size in ipairs { 100, 1000, 70000 } do pump(size) end
