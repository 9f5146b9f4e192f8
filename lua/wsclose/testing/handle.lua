--- What stands in the place of wsclose.core's client: the same methods, over a protocol object of
-- the core and a link to a scripted server.  All of the protocol is the core's; what is played here
-- is the network.

local core = require "wsclose.core"
local world = require "wsclose.testing.world"

local FOREVER = math.huge

-- As in src/binding/lua_conn.c: with so much waiting, "drain" tells when it has left.
local DRAIN_MARK = 65536

local CONNECT_TIMEOUT = 10

-- A connection that was never begun, for what may be asked of one.
local BLANK = { url = "ws://blank.invalid/", extensions = {} }

---@class wsclose.testing.Handle
---@field p wsclose.Protocol
---@field attempts integer how many there were
---@field began? number when the latest attempt did
---@field url? string where it leads to
---@field link? wsclose.testing.Link from the server's taking the connection to its end
---@field dialling? boolean no server has taken the connection yet
---@field phase? string of a fault of the network
---@field begun boolean there was an attempt
---@field told? boolean its end was given
---@field holds? true events are held back
---@field watched? boolean the program saw bytes waiting: tell it when they are gone
---@field unread? boolean there may be events not yet given
---@field members? table<wsclose.testing.Loop, wsclose.testing.Member>
local Handle = {}
Handle.__index = Handle
Handle.__name = "wsclose.testing.Handle"

local handle = { methods = Handle }

-- Masks and keys that are the same in every run.
local function fixed_bytes(count)
  return ("\17\34\51\68"):rep(math.ceil(count / 4)):sub(1, count)
end

--- As wsclose.core.client.
---@param random_bytes? fun(count: integer): string
---@return wsclose.testing.Handle
function handle.new(random_bytes)
  random_bytes = random_bytes or fixed_bytes
  local p = core.protocol(BLANK, random_bytes)
  return setmetatable({
    p = p, random_bytes = random_bytes, begun = false, attempts = 0,
  }, Handle)
end

-- ---------------------------------------------------------------- the network

local function limit(timeouts, name, default)
  local seconds = timeouts and timeouts[name] or default
  return seconds > 0 and seconds or FOREVER
end

local function end_transport(self)
  if self.link then self.link.client_end = "fin" end
  self.link, self.dialling = nil, nil
end

local function settle(self)
  if self.p:finished() then end_transport(self) end
end

-- Time is told, and the next deadline asked for.  While the program holds events back the peer is
-- not found silent: it is not listened to.
local function tick(self)
  local held = self.holds and self.p:state() == "open"
  self.due = not held and self.p:tick(world.time) or nil
end

-- Those that events and calls asked for begin now; while connecting there is none.
local function start_timers(self)
  if self.link and self.p:state() ~= "connecting" then tick(self) end
end

local function write(self)
  if self.link then self.link:write(self.p:output(self.link:free())) end
  settle(self)
end

--- The network fails, or ends in order (no name).
---@param name? string as in p:eof
---@param sentence? string
---@param phase? string
function Handle:fail(name, sentence, phase)
  self.phase, self.unread = phase, true
  self.p:eof(name, sentence)
  settle(self)
end

--- A server takes the connection: the request goes out.
---@param link wsclose.testing.Link
function Handle:connect(link)
  self.link, self.dialling = link, nil
  tick(self)
  write(self)
end

local RESET = "the connection was reset by the peer"

local function read(self)
  local chunk = self.link:read()
  if type(chunk) == "string" then
    self.p:input(chunk)
  elseif chunk and chunk[1] == "reset" then
    self:fail("reset", RESET)
  elseif chunk then
    self:fail()
  end
end

local function check_connect_timeout(self)
  if not world.is_due(self.connect_at) or self.p:state() ~= "connecting" then return end
  local text = self.dialling and "no answer from the server within %g s"
    or "the handshake was not complete within %g s of the start"
  local phase = self.dialling and "tcp" or "handshake"
  self:fail("timeout", text:format(self.connect_limit), phase)
end

local function step(self)
  world.play()
  if self.link then read(self) end
  if self.dialling or self.link then check_connect_timeout(self) end
  if self.link then
    tick(self)
    write(self)
  end
end

---@return boolean
function Handle:has_work()
  return world.is_due(self:deadline())
end

--- As the core's: 0 at once, nil: none.
---@return number?
function Handle:deadline()
  local untold = self.begun and not self.told and self.p:finished()
  if (self.unread or untold) and not self.holds then return 0 end
  local connecting = (self.dialling or self.link) and self.p:state() == "connecting"
  local moment = connecting and self.connect_at or FOREVER
  if self.link then
    local can_write = self.link:free() > 0 and self.p:buffered() > 0
    if can_write or self.link.arrived[1] then return 0 end
    moment = math.min(moment, self.due or FOREVER)
  end
  return moment < FOREVER and moment or nil
end

-- ---------------------------------------------------------------- attempts

--- Nothing of TLS is needed.
function Handle.prepare() end

--- As the core's.
function Handle:begin(now, url)
  self.attempts, self.began, self.url = self.attempts + 1, now, url
end

--- As the core's.
function Handle:attempt()
  return self.attempts, self.began, self.url
end

--- As the core's start.
function Handle:start(config, url, headers, protocols)
  self.url = url
  end_transport(self)
  local all = {}
  for name, value in pairs(config) do all[name] = value end
  all.url, all.headers = url, headers or config.headers
  all.protocols = protocols or config.protocols
  local server = world.server_of(url)
  if not server then
    error(("wsclose.testing: a client connects to %s, for which no testing.server was made")
      :format(url), 0)
  end
  local p, sentence, name = core.protocol(all, self.random_bytes)
  if not p then return nil, sentence, name end
  self.p, self.begun, self.dialling, self.phase, self.due = p, true, true, nil, nil
  self.watched, self.unread, self.told = false, false, false
  self.connect_limit = limit(config.timeouts, "connect", CONNECT_TIMEOUT)
  self.connect_at = world.time + self.connect_limit
  server:dial(self)
  return true
end

-- ---------------------------------------------------------------- events

local function is_drained(self)
  return self.watched and self.p:buffered() == 0
end

local function next_event(self)
  if self.holds then return end
  local event, a, b, c = self.p:next()
  if event == "close" then
    self.step_due, self.told = false, true
    if self.phase and c.error then c.error.phase = self.phase end
    end_transport(self)
  end
  return event, a, b, c
end

local function give(self)
  while true do
    local event, a, b, c = next_event(self)
    if not event and self.begun then
      start_timers(self)
      write(self)
      event, a, b, c = next_event(self)
    end
    self.unread = event ~= nil or self.holds == true
    if event then return event, a, b, c end
    if is_drained(self) then
      self.watched = false
      return "drain"
    end
    if not self.step_due then return end
    self.step_due = false
    if self.wait > 0 and not self:has_work() then world.wait({ self }, self.wait) end
    step(self)
  end
end

--- As the core's: turn(seconds) begins, turn(event) goes on.
function Handle:turn(seconds)
  if type(seconds) == "number" then self.step_due, self.wait = true, seconds end
  return give(self)
end

--- As the core's.
function Handle:take(seconds)
  self.step_due = type(seconds) == "number"
  if self.step_due then self.wait = seconds end
  return give(self)
end

function Handle:pause(paused)
  self.holds = paused and true or nil
end

--- The step that is due is made, so that time is told.
function Handle:end_turn()
  if self.step_due and self.begun then
    self.step_due = false
    step(self)
  end
  self:flush()
end

--- A step takes all there is.
function Handle:has_more() -- luacheck: ignore 212
  return false
end

function Handle:flush()
  if self.begun then write(self) end
end

Handle.__close = Handle.flush

-- ---------------------------------------------------------------- what the program does

-- An error of the core's names a line here; it is the program's, which called through client.lua.
local function call(self, level, method, ...)
  local ok, result, sentence, name = pcall(method, self.p, ...)
  if not ok then error((tostring(result):gsub("^[^\n]-:%d+: ", "")), level) end
  return result, sentence, name
end

local THROUGH_CLIENT, DIRECTLY = 4, 3

local function queued(self, result, sentence, name)
  if name == "busy" then self.watched = true end
  if result then
    write(self)
    if self.p:buffered() >= DRAIN_MARK then self.watched = true end
  end
  return result, sentence, name
end

-- The method of a client as well: the program may call it directly.
function Handle:send(...)
  local handled, level = rawget(self, "_handle"), THROUGH_CLIENT
  if handled then self, level = handled, DIRECTLY end
  local result, sentence, name = call(self, level, self.p.send, ...)
  result, sentence, name = queued(self, result, sentence, name)
  return result, sentence, name
end

function Handle:send_fragment(...)
  local result, sentence, name = call(self, THROUGH_CLIENT, self.p.send_fragment, ...)
  return queued(self, result, sentence, name)
end

function Handle:ping(...)
  local result, sentence, name = call(self, THROUGH_CLIENT, self.p.ping, ...)
  start_timers(self)
  return queued(self, result, sentence, name)
end

function Handle:close(...)
  local p = self.p
  if self.begun then
    call(self, THROUGH_CLIENT, p.close, ...)
  else
    local blank = { p = core.protocol(BLANK, self.random_bytes) }
    call(blank, THROUGH_CLIENT, p.close, ...) -- wrong arguments raise
  end
  if not self.begun then return true end
  start_timers(self)
  write(self)
  return true
end

function Handle:leave()
  if self.begun and self.link and self.p:state() == "open" then
    self.p:close(1001, "")
    write(self)
  end
  end_transport(self)
  self.begun = false
  self.p:leave()
end

-- ---------------------------------------------------------------- looking on

function Handle:state()
  return self.begun and self.p:state() or "closed"
end

function Handle:buffered()
  local bytes = self.begun and self.p:buffered() or 0
  if bytes > 0 then self.watched = true end
  return bytes
end

function Handle:progress()
  if self.begun then return self.p:progress() end
end

function Handle:stats()
  return self.p:stats()
end

function Handle:info()
  return self.begun and self.p:info() or {}
end

function Handle:peer()
  if not self.begun or self.dialling then return { phase = "tcp" } end
  local state = self.p:state()
  local phases = { connecting = "handshake", open = "open" }
  return { phase = phases[state] or self.phase or "close", address = "192.0.2.1", family = 4 }
end

--- As the core's: all loops that the client is in give it out at once.
function Handle:wake()
  for _, member in pairs(self.members or {}) do member.alarm = 0 end
end

--- There is no descriptor.
function Handle:pollfd() -- luacheck: ignore 212
  return nil
end

return handle
