--- wsclose.testing: a scripted server and a scripted clock, for specs of programs that use wsclose.
--
--     local testing = require "wsclose.testing"
--
--     it("comes back after a restart", function()
--       local server = testing.server "wss://feed.example/v1"   -- the URL that the program uses
--       server:accept():expect("subscribe"):close(1001, "restart")
--       server:accept():expect("subscribe")
--       local bot = Bot.new()                        -- calls wsclose.new("wss://feed.example/v1")
--       testing.run(function() return #server:received() == 2 end)
--       assert.equal(2.5, testing.clock():now())     -- not a moment was waited in earnest
--     end)
--     after_each(testing.reset)
--
-- From the first testing.server on, until testing.reset, every new client of this Lua state lives
-- in the scripted world: the program's code is unchanged and the protocol is wsclose's own, but
-- bytes go through memory, time stands still unless it is made to jump, and chance is always 0.5.
-- See docs/testing.md.

local carried = require "wsclose.carried"
local client = require "wsclose.client"
local host = require "wsclose.testing.host"
local options = require "wsclose.options"
local retry = require "wsclose.retry"
local server = require "wsclose.testing.verbs"
local world = require "wsclose.testing.world"
require "wsclose"

local testing = {}

-- ---------------------------------------------------------------- clients of the scripted world

-- A frame's mask and a handshake's key that are the same in every run.
local KEY = ("\17\34\51\68"):rep(4)
local function fixed_bytes(count) return KEY:sub(1, count) end

local function chance() return world.draw() end

-- A policy of the client's, unless it brings its own.
local function script_policy(policy)
  if not policy then return end
  if not policy.options.clock then policy.clock = world.now end
  if not policy.options.random then policy.random = chance end
end

local real_new, real_now = client.new, client.now

local function new(url, given, callbacks, headers)
  local settings = { clock = world.now }
  for name, value in pairs(given) do settings[name] = settings[name] or value end
  script_policy(settings.retry)
  local handle, fault = carried.new(host, settings.random_bytes or fixed_bytes)
  if not handle then return nil, fault, "memory" end
  local ws, sentence, name = real_new(url, settings, callbacks, headers, handle)
  if ws then world.add_client(ws) end
  return ws, sentence, name
end

--- Forgets servers and clients, sets the clock to 0, and lets new clients be real again.
function testing.reset()
  client.new, client.now = real_new, real_now
  retry.any.random = nil
  world.reset()
end

--- A host's module whose clients are scripted, for a program that requires it: put it into
-- package.loaded before the program is loaded.
---@param name "wsclose.love"
---@return table
function testing.host(name)
  if name ~= "wsclose.love" then
    error(('name: expected "wsclose.love", got %s; other hosts need their event loops')
      :format(tostring(name)), 2)
  end
  local kept = package.loaded[name]
  package.loaded[name] = nil -- the clients of another test are not this one's
  local module = require(name)
  package.loaded[name] = kept
  return module
end

-- ---------------------------------------------------------------- servers

--- A server for all clients that connect to this host and port, whatever the path.
---@param url string as the program has it: ws, wss, ws+unix or wss+unix
---@param script? fun(server: wsclose.testing.Server) plays the server, from top to bottom
---@return wsclose.testing.Server
function testing.server(url, script)
  local good = type(url) == "string" and options.check_url(url)
  if not good then
    error(("url: expected a WebSocket URL, got %s"):format(
      type(url) == "string" and ("%q"):format(url) or type(url)), 2)
  elseif script ~= nil and type(script) ~= "function" then
    error(("script: expected a function, got %s"):format(type(script)), 2)
  elseif world.server_of(url) then
    error(("url: there is a server for %s already"):format(url), 2)
  end
  client.new, client.now = new, world.now
  retry.any.random = chance
  local made = server.new(url, script)
  world.add_server(made, url)
  return made
end

-- ---------------------------------------------------------------- time and chance

---@class wsclose.testing.Clock may be called, as the option `clock` is
local Clock = {}
Clock.__index = Clock
Clock.__call = world.now

--- Seconds since the test began.
---@return number
function Clock.now()
  return world.time
end

local clock = setmetatable({}, Clock)

--- The clock of the scripted world.
---@return wsclose.testing.Clock
function testing.clock()
  return clock
end

--- What every client's retry policy draws: one number, or a function that gives them.
---@param draw number|fun(): number in [0, 1); a test begins with 0.5
function testing.random(draw)
  local is_number = type(draw) == "number" and draw >= 0 and draw < 1
  if not is_number and type(draw) ~= "function" then
    error(("draw: expected a number in [0, 1) or a function, got %s"):format(tostring(draw)), 2)
  end
  world.draw = is_number and function() return draw end or draw
end

-- ---------------------------------------------------------------- running

-- Lets everything move that can, once.
local function round()
  local moved = world.play()
  world.each_client(function(ws)
    local due = ws:timeout()
    if due and world.is_due(world.time + due) then
      ws:update()
      moved = true
    end
  end)
  return moved
end

local function next_deadline()
  local moment = math.huge
  world.each_client(function(ws)
    local due = ws:timeout()
    if due then moment = math.min(moment, world.time + due) end
  end)
  return moment
end

-- Until `happened`, or until the clock shows `stop_at`.
local function run_until(happened, stop_at, what)
  local result = happened()
  while not result do
    if not round() then
      if world.is_due(stop_at) then return nil end
      if stop_at == math.huge and what then
        local ok, fault = pcall(world.jump, next_deadline())
        if not ok then error(("%s\nwhile the test waits for %s"):format(fault, what), 0) end
      else
        world.jump(math.min(next_deadline(), stop_at))
      end
    end
    result = happened()
  end
  return result
end

local function never() return false end

local STATES = {
  idle = true, connecting = true, open = true, closing = true, waiting = true, closed = true,
}

local function condition(what, state)
  if type(what) == "function" then return what, "what its function asks" end
  local is_client = getmetatable(what) == client.Client
  if not is_client or not STATES[state] then
    error("run: expected a function, seconds, a client and a state, or nothing, got "
      .. (is_client and "the state " .. tostring(state) or type(what)), 3)
  end
  return function() return what:state() == state end, ("the state %q"):format(state)
end

local function check_limit(seconds)
  if seconds == nil then return math.huge end
  if type(seconds) == "number" and seconds >= 0 then return world.time + seconds end
  error(("seconds: expected a number >= 0, got %s"):format(tostring(seconds)), 3)
end

--- Lets clients and servers go on, on the scripted clock.
--
--   run(function)            until it gives something true, which is returned
--   run(ws, state)           until the client is in that state
--   run(seconds)             for so long
--   run()                    as far as they come without any time going by
--
-- The first two raise, and say where everybody stands, when it cannot happen any more, or does not
-- within the seconds that may follow.
---@param what? number|fun(): any|wsclose.Client
---@param ... any
---@return any
function testing.run(what, ...)
  world.jumps = 0
  if what == nil then
    while round() do end -- luacheck: ignore 542
    return nil
  elseif type(what) == "number" then
    run_until(never, check_limit(what))
    return nil
  end
  local happened, name = condition(what, (...))
  local seconds = select(type(what) == "function" and 1 or 2, ...)
  local stop_at = check_limit(seconds)
  local result = run_until(happened, stop_at, name)
  if not result then world.stuck(("%s did not happen within %g s"):format(name, seconds)) end
  return result
end

--- Lets seconds go by, and everything happen that is due meanwhile.
---@param seconds number
function Clock:advance(seconds) -- luacheck: ignore 212
  if type(seconds) ~= "number" or seconds < 0 or seconds == math.huge or seconds ~= seconds then
    error(("seconds: expected a number >= 0, got %s"):format(tostring(seconds)), 2)
  end
  testing.run(seconds)
end

return testing
