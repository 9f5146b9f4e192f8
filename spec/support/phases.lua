--- Clients that are stuck in a phase of their way to the server, for specs of deadlines and of
-- cancelling.  Nothing moves but in `update`, and time only when the spec moves it.

local network = require "support.network"
local scripted = require "support.scripted_server"
local wsclose = require "wsclose"

local phases = {}

---@class phases.Stuck
---@field ws table
---@field time {now: number}
---@field closes table[] the info of each on_close
---@field opens integer how often on_open was called
---@field server? scripted.Server

local function silent_server()
  return scripted.new(function(c)
    c:stall()
  end)
end

-- For each kind of stop: the phase's name, the URL, options, and what there is to stop at.
local stops = {
  dns = function()
    return { phase = "dns", url = "ws://feed.example/", resolver = network.resolver() }
  end,
  tcp = function()
    local port = network.black_hole "127.0.0.1"
    return { phase = "tcp", url = ("ws://127.0.0.1:%d/"):format(port) }
  end,
  proxy = function()
    local server = silent_server()
    local proxy = ("http://127.0.0.1:%d"):format(server.port)
    return { phase = "proxy", url = "ws://feed.example/", server = server, proxy = proxy }
  end,
  ["proxy's name"] = function()
    return {
      phase = "dns",
      url = "ws://feed.example/",
      proxy = "http://proxy.example:1",
      resolver = network.resolver(),
    }
  end,
  ["name for a proxy"] = function()
    return {
      phase = "dns",
      url = "ws://feed.example/",
      proxy = "socks5://127.0.0.1:1",
      resolver = network.resolver(),
    }
  end,
  ["proxy's TLS"] = function()
    local server = silent_server()
    local proxy = ("https://127.0.0.1:%d"):format(server.port)
    return { phase = "proxy", url = "ws://feed.example/", server = server, proxy = proxy }
  end,
  tls = function()
    local server = silent_server()
    return { phase = "tls", url = server:url("/", "wss"), server = server }
  end,
  handshake = function()
    local server = silent_server()
    return { phase = "handshake", url = server:url(), server = server }
  end,
}

--- The kinds of stop, in the order of the way.
phases.names = {
  "dns", "name for a proxy", "proxy's name", "tcp", "proxy", "proxy's TLS", "tls", "handshake",
}

-- Lets it go as far as it can.
local function drive(stuck, stop)
  local ws = stuck.ws
  ws:update()
  if stop.resolver then
    stop.resolver:question()
  elseif stop.server then
    scripted.pump(ws, stop.server, function()
      local connection = stop.server.connections[1]
      return connection and connection.bytes_in > 0
    end, "the client's first bytes")
  end
  for _ = 1, 3 do
    ws:update()
  end
  assert(ws:info().phase == stop.phase, ws:info().phase)
end

--- A client that has come to a stop and will not go on by itself.
---@param name string one of phases.names
---@param options? table of wsclose.new
---@param module? table instead of `wsclose`
---@return phases.Stuck
function phases.enter(name, options, module)
  local stop = stops[name]()
  local time, clock = network.new_clock()
  local stuck = { time = time, closes = {}, opens = 0, server = stop.server }
  local all = {
    clock = clock,
    proxy = stop.proxy,
    on_open = function()
      stuck.opens = stuck.opens + 1
    end,
    on_close = function(_, _, _, info)
      table.insert(stuck.closes, info)
    end,
  }
  for option, value in pairs(options or {}) do
    all[option] = value
  end
  stuck.ws = assert((module or wsclose).new(stop.url, all))
  if stop.resolver then
    stop.resolver:attach(stuck.ws)
  end
  drive(stuck, stop)
  return stuck
end

return phases
