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
---@field corked? true sends wait for the turn's end
---@field holds? true events are held back
---@field watched? boolean the program saw bytes waiting: tell it when they are gone
---@field unread? boolean there may be events not yet given
---@field stage "over"|"begun"|"stepped"|"drained" of the turn, as in src/net/turn.c
---@field until_time number the turn's step waits until then at the most
---@field given integer messages that the turn has given
---@field messages_max? integer for a turn
---@field time_max? number for a turn, in seconds
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
    p = p, random_bytes = random_bytes, begun = false, attempts = 0, stage = "over", given = 0,
    until_time = 0,
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

-- Time is told, and the next deadline asked for.  looked: 0 where what has arrived was not read.
local function tick(self, looked)
  self.due = self.p:tick(world.time, looked)
end

local function holds(self)
  return self.holds and self.p:state() == "open"
end

-- Those that events and calls asked for begin now; while connecting there is none.
local function start_timers(self)
  if self.link and self.p:state() ~= "connecting" then tick(self, 0) end
end

-- The time is told after it: what has left may have started a timer.
local function write(self)
  if self.link then
    self.link:write(self.p:output(self.link:free()))
    start_timers(self)
  end
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
  tick(self, 0)
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

local function is_overdue(self)
  return self.p:state() == "closing" and world.is_due(self.due)
end

-- Reads what one read brings; all, once the time to close is up: the peer's Close may stand there.
local function step(self)
  world.play()
  local looks = self.link and not holds(self)
  if looks then read(self) end
  while self.link and is_overdue(self) and self.link.arrived[1] do read(self) end
  if self.dialling or self.link then check_connect_timeout(self) end
  if self.link then
    tick(self, not looks and 0 or nil)
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
  if (self.unread or untold) and not holds(self) then return 0 end
  local connecting = (self.dialling or self.link) and self.p:state() == "connecting"
  local moment = connecting and self.connect_at or FOREVER
  if self.link then
    local can_write = self.link:free() > 0 and self.p:buffered() > 0
    if can_write or (self.watched and self.p:buffered() == 0) then return 0 end
    if not holds(self) then
      if self.link.arrived[1] then return 0 end
      moment = math.min(moment, self.due or FOREVER)
    end
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
  self.watched, self.unread, self.told, self.stage = false, false, false, "over"
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
  if holds(self) then return end
  local event, a, b, c = self.p:next()
  self.unread = event ~= nil
  if not event then return end
  self.until_time = 0
  if event == "message" then self.given = self.given + 1 end
  if event == "close" then
    self.told = true
    if self.phase and c.error then c.error.phase = self.phase end
    end_transport(self)
  end
  return event, a, b, c
end

local function is_used_up(self)
  if self.given == 0 then return false end
  if self.messages_max and self.given >= self.messages_max then return true end
  return self.end_time and world.is_due(self.end_time)
end

local function end_turn(self)
  self.stage = "over"
  self:flush()
end

-- The next event of the turn: src/net/turn.c, played.
local function give(self)
  while self.begun and self.stage ~= "over" do
    if self.stage ~= "drained" then
      if is_used_up(self) then return end_turn(self) end
      local event, a, b, c = next_event(self)
      if not event then
        write(self)
        event, a, b, c = next_event(self)
      end
      if event then
        if self.time_max and not self.end_time then self.end_time = world.time + self.time_max end
        return event, a, b, c
      end
    end
    local again = self.stage == "begun"
      or self.stage == "stepped" and self.until_time > world.time and not self.told
    if not again then break end
    if is_drained(self) then self.until_time = 0 end
    if self.until_time > world.time and not self:has_work() then
      world.wait({ self }, self.until_time - world.time)
    end
    step(self)
    self.stage = "stepped"
  end
  if self.stage == "stepped" and is_drained(self) then
    self.watched, self.stage = false, "drained"
    return "drain"
  end
  end_turn(self)
end

local function begin_turn(self, seconds)
  self.stage, self.given, self.until_time = "begun", 0, seconds > 0 and world.time + seconds or 0
  self.end_time = seconds <= 0 and self.time_max and world.time + self.time_max or nil
end

-- What the program sends on the event's account waits for the turn's end; in a coroutine, which may
-- yield for any time before, it does not wait.
local function corked(self, messages_too, event, ...)
  local thread, is_main = coroutine.running()
  self.corked = event and (not thread or is_main) and (messages_too or event ~= "message") or nil
  return event, ...
end

--- As the core's: turn(seconds) begins, turn(event) goes on.
function Handle:turn(seconds)
  self = rawget(self, "_handle") or self
  if type(seconds) == "number" then begin_turn(self, seconds) end
  return corked(self, true, give(self))
end

--- As the core's.
function Handle:take(seconds)
  if type(seconds) == "number" then begin_turn(self, seconds) end
  return corked(self, false, give(self))
end

--- As the core's.
function Handle:receive(seconds)
  local event, a, b, c = self:take(seconds)
  if event == "message" then return a, b end
  return nil, event, a, b, c
end

--- As the core's.
function Handle:limit(messages, seconds)
  self.messages_max, self.time_max = messages, seconds
end

function Handle:pause(paused)
  self.holds = paused and true or nil
end

function Handle:flush()
  self.corked = nil
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
    if not self.corked then write(self) end
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
  write(self)
  return true
end

--- As the core's: what has arrived is read, then the server is told.
function Handle:leave()
  local p = self.p
  if not self.begun then return true end
  if self.link and p:state() ~= "connecting" then
    while self.link and self.link.arrived[1] do read(self) end
    p:skip()
    if not p:finished() then
      p:close(1001, "")
      write(self)
    end
  end
  p:depart(p:buffered() == 0)
  end_transport(self)
  return true
end

function Handle:free()
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
