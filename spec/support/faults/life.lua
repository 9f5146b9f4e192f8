-- Lives of a client over every route, for faults.lua: connect, redirect, 1001, reconnection,
-- compressed echo, 1010, leave, against one server that is all servers and proxies.

local faults = require "faults"
local certificates = require "support.certificates"
local peers = require "support.peers"
local socket = require "socket"
local testing = require "wsclose.core_testing"

local wsclose = require "support.counted" ()
local memory = testing.memory
local now = socket.gettime -- no call that is struck

local made = certificates.shared()
local server = peers.everything(made)

local life = {}

local function at(format) return format:format(server.port) end

local TLS = { ca_file = made.ca }

life.routes = {
  { name = "ws", url = at "ws://127.0.0.1:%d", bind = "127.0.0.1" },
  { name = "a name", url = at "ws://localhost:%d" },
  { name = "wss", is_secure = true, url = at "wss://feed.example:%d" },
  { name = "http proxy", proxy = at "http://127.0.0.1:%d" },
  { name = "https proxy", is_secure = true, proxy = at "https://localhost:%d" },
  { name = "socks5h", is_secure = true, proxy = at "socks5h://127.0.0.1:%d" },
  { name = "group", url = at "ws://127.0.0.1:%d", group = true },
}

for _, route in ipairs(life.routes) do
  route.url = route.url or route.is_secure and "wss://feed.example" or "ws://feed.example"
end

local TEXT = ("compress me "):rep(250)

-- Where the first attempt leads to: away, from where the second comes back for an echo; to a
-- server that lacks an extension; to one that the program leaves at once.
life.paths = { "/redirect", "/bare", "/leave" }

-- No deadline is near: time jumps to the next one where everything stands still.
local TIMEOUTS = { connect = 60, dns = 40, tls = 40, handshake = 40, close = 30, linger = 10 }
local ahead = 0
local function clock() return now() + ahead end

local function client_of(route, path, told, has_own_clock)
  local options = {
    tls = TLS, proxy = route.proxy or false, family = 4, redirects = 2, bind = route.bind,
    resolve = { ["feed.example"] = "127.0.0.1" },
    clock = not has_own_clock and clock or nil,
    extensions = { ["permessage-deflate"] = { threshold = 0, required = path == "/bare" } },
    timeouts = TIMEOUTS,
    retry = {
      attempts = 2, initial = 0.001, floor = 0, first = false, jitter = "none",
      codes = { [1006] = true },
    },
    before_connect = function(_, attempt)
      told.attempt = attempt
      if attempt > 1 then return { url = route.url .. "/echo" } end
    end,
    on_open = function(ws)
      told.opened = true
      if told.attempt > 1 then
        if not ws:send(TEXT) then ws:close() end
      elseif path == "/leave" then
        ws:leave()
      end
    end,
    on_message = function(ws, data)
      told.echoed = data == TEXT
      ws:close(1000, "done")
    end,
    on_close = function(_, _, _, info)
      told.closes[#told.closes + 1] = info
      assert(info.opened == (told.opened or false), "the report does not know whether it was open")
      told.opened = false
    end,
  }
  return wsclose.new(route.url .. path, options)
end

local SECONDS_MAX, IDLE_MAX = 60, 3

local function progress(clients)
  local sum = 0
  for _, ws in ipairs(clients) do
    local stats = ws:stats()
    sum = sum + stats.total.bytes_in + stats.total.bytes_out + 7 * stats.attempts
  end
  return sum
end

local function next_deadline(clients)
  local seconds = 60
  for _, ws in ipairs(clients) do seconds = math.min(seconds, ws:timeout() or 60) end
  return seconds
end

-- Updates until nothing is left to do.
local function run(clients, step, stands_still)
  local idle, before, first = 0, -1, now()
  while now() - first < SECONDS_MAX do
    if not step(0.005) then return end
    local sum = progress(clients)
    idle = sum == before and idle + 1 or 0
    before = sum
    if idle >= IDLE_MAX and stands_still and stands_still(clients) then
      ahead = ahead + next_deadline(clients)
    end
  end
  error("it does not end: " .. tostring(clients[1]) .. ", in phase " .. clients[1]:info().phase, 0)
end

--- One life.
---@param how? {has_own_clock?: boolean, stands_still?: fun(clients: table[]): boolean} does nothing
--- move any more but by a deadline?  Then it is not waited for.
---@return table[] of each client what every attempt was told, and whether it was refused at once
function life.live(route, path, how)
  how = how or {}
  local clients, all_told = {}, {}
  for i = 1, route.group and 2 or 1 do
    local told = { closes = {} }
    local ws, sentence, name = client_of(route, path, told, how.has_own_clock)
    if not ws then
      assert(name == "memory" and sentence, "refused by another name: " .. tostring(name))
      told.refused = true
    else
      told.ws = ws
      clients[#clients + 1] = ws
    end
    all_told[i] = told
  end
  if route.group then
    local group = wsclose.group()
    for _, ws in ipairs(clients) do group:add(ws) end
    run(clients, function(seconds) return group:update(seconds) end, how.stands_still)
  elseif clients[1] then
    if #path % 2 == 0 then clients[1]:pollfd() end
    run(clients, function(seconds) return clients[1]:update(seconds) end, how.stands_still)
  end
  for _, told in ipairs(all_told) do
    told.attempts = told.ws and told.ws:stats().attempts
    told.ws = nil
  end
  return all_told
end

--- The server ends a connection with so many bytes; without arguments it ends none.
---@param how? "stall" | "reset" | "half"
---@return integer how many it has sent since it was told so last
function life.cut(size, how)
  server:tell(("CUT %d %s"):format(size or -1, how or "-"))
  return tonumber((server:expect "^READY (%d+)"))
end

--- How many connections it has ended since.
function life.cuts()
  server:tell "CUTS"
  return tonumber((server:expect "^CUTS (%d+)"))
end

--- A life without faults: how often everything was called, our allocations, the server's bytes.
function life.measure(route, path)
  memory.fail_at()
  life.cut()
  faults.arm()
  local told = life.live(route, path, { has_own_clock = true })
  faults.disarm()
  local allocations = memory.attempts()
  local sent = life.cut()
  local first = told[1]
  assert(path ~= "/redirect" or first.echoed and first.attempts == 2, "a life without faults fails")
  return faults.seen(), allocations, sent
end

function life.stop() server:stop() end

return life
