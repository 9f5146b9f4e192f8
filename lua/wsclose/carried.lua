--- A handle (CONTRIBUTING.md, "The handle") over a protocol object and a stream that somebody else
-- moves: a cosocket of nginx, the link to a scripted server.  The turn is that of src/net/turn.c.

local core = require "wsclose.core"
local attempt = require "wsclose.attempt"

local FOREVER, INSTANT = math.huge, attempt.INSTANT

-- As in src/net/turn.c: with so much waiting, "drain" tells when it has left.
local DRAIN_MARK = 65536

-- Reads on behalf of a connection whose time to close is up; a peer may send without end.
local HURRIED_READS = 128

local CONNECT_TIMEOUT = 10

local NO_SOCKETS = "no socket is used here, so none can be given: without the option socket the "
  .. "host connects to the URL"

-- A connection that was never begun, for what may be asked of one.
local BLANK = { url = "ws://blank.invalid/", extensions = {} }

---@class wsclose.CarriedHost who moves the streams, and what is waited in
---@field now fun(): number the time, in seconds
---@field dial fun(handle: wsclose.Carried, config: table, url: string): boolean?, string?, string?
---  begins to reach the server; handle:connect(stream) or handle:fail(…) tells what came of it; or
---  nil, sentence, name at once; may raise
---@field wait fun(handle: wsclose.Carried, seconds: number): number waits for the dial, for bytes
---  unless the handle is held, or for time to pass; gives the moment up to which what came is there
---@field sleep fun(seconds: number, handle?: wsclose.Carried) may end early
---@field wake fun(handle: wsclose.Carried) there is work for whoever waits for it
---@field loop? fun(): table for groups, as wsclose.core.loop
---@field wait_for? fun(handles: wsclose.Carried[], seconds: number) or, for few: until one has work

---@class wsclose.Stream
---@field read fun(self): string?, string?, string? what has come, or nil; then the end: "closed",
---  or the name of a fault as p:eof has it, and a sentence
---@field has_input fun(self): boolean
---@field flush fun(self, handle: wsclose.Carried) writes what p:output() gives, as far as it goes
---@field can_write fun(self): boolean
---@field is_flushed fun(self): boolean all that p:output() gave has left
---@field close fun(self) safe to repeat
---@field about? table what info() tells of the peer

---@class wsclose.Carried
---@field p wsclose.Protocol
---@field host wsclose.CarriedHost
---@field now fun(): number
---@field attempts integer how many there were
---@field began? number when the latest attempt did
---@field url? string where it leads to
---@field stream? wsclose.Stream from the server's taking the connection to its end
---@field dialling? boolean no server has taken the connection yet
---@field phase? string of a fault of the network
---@field begun boolean there was an attempt
---@field told? boolean its end was given
---@field reader? thread|true whose turn it is, in a callback too
---@field corked? true sends wait for the turn's end
---@field paused? true events are held back
---@field leaving? boolean nothing may be waited for any more
---@field watched? boolean the program saw bytes waiting: tell it when they are gone
---@field unread? boolean there may be events not yet given
---@field stage "over"|"begun"|"stepped"|"drained" of the turn, as in src/net/turn.c
---@field until_time number the turn's step waits until then at the most
---@field end_time? number the turn gives nothing more from then on
---@field given integer messages, or pieces of them, that the turn has given
---@field messages_max? integer for a turn
---@field time_max? number for a turn, in seconds
---@field drained_size integer "drain" comes when no more bytes wait
local Handle = {}
Handle.__index = Handle
Handle.__name = "wsclose.Carried"

local carried = {}

--- A handle before its first attempt.
---@param host wsclose.CarriedHost
---@param random_bytes? fun(count: integer): string
---@param clock? fun(): number in the place of the host's
---@return wsclose.Carried? handle nil: no memory
---@return string? sentence
---@return string? name
function carried.new(host, random_bytes, clock)
  local p, sentence, name = core.protocol(BLANK)
  if not p then return nil, sentence, name end
  return setmetatable({
    host = host, now = clock or host.now, random_bytes = random_bytes, p = p, begun = false,
    attempts = 0, stage = "over", given = 0, until_time = 0, drained_size = 0,
  }, Handle)
end

local function is_due(self, moment)
  return moment ~= nil and moment - self.now() <= INSTANT
end

-- ---------------------------------------------------------------- the stream

local function hang_up(self)
  local stream = self.stream
  self.stream, self.dialling = nil, nil
  if stream then stream:close() end
end

local function settle(self)
  if self.p:finished() then hang_up(self) end
end

-- Time is told, and the next deadline asked for.  looked: 0 where what has come was not read.
local function tick(self, looked)
  self.due = self.p:tick(self.now(), looked)
end

--- Does a pause hold events back?  It holds up neither the handshake nor the peer's Close.
---@return boolean?
function Handle:is_held()
  return self.paused and self.p:state() == "open"
end

-- The time is told after it: what has left may have started a timer.  While connecting there is
-- none to start.
local function write(self)
  if self.stream then self.stream:flush(self) end
  if self.stream and self.p:state() ~= "connecting" then tick(self, 0) end
  settle(self)
end

--- The network fails, or ends in order (no name).
---@param name? string as in p:eof
---@param sentence? string
---@param phase? string
---@param status? integer of HTTP, where a proxy refused
function Handle:fail(name, sentence, phase, status)
  self.phase, self.unread = self.phase or phase, true -- as the first fault sticks
  self.p:eof(name, sentence, status)
  settle(self)
end

--- The server has taken the connection: the request goes out.
---@param stream wsclose.Stream
function Handle:connect(stream)
  self.stream, self.dialling = stream, nil
  tick(self, 0)
  write(self)
end

local function read(self)
  local bytes, fault, sentence = self.stream:read()
  if bytes then
    self.p:input(bytes)
  elseif fault == "closed" then
    self:fail()
  elseif fault then
    self:fail(fault, sentence)
  end
end

local function check_connect_timeout(self)
  if not is_due(self, self.connect_at) or self.p:state() ~= "connecting" then return end
  local text = self.dialling and "no answer from the server within %g s"
    or "the handshake was not complete within %g s of the start"
  local phase = self.dialling and "tcp" or "handshake"
  self:fail("timeout", text:format(self.connect_limit), phase)
end

local function has_come(self)
  self.host.wait(self, 0)
  return self.stream and self.stream:has_input()
end

-- The time to close is up: the peer's Close may stand in what has come.
local function hurry(self)
  for _ = 1, HURRIED_READS do
    local overdue = self.stream and self.p:state() == "closing" and is_due(self, self.due)
    if not overdue or not has_come(self) then return end
    read(self)
  end
end

-- Reads what one read brings, and writes.
local function step(self)
  local due = math.min(self.until_time, self:deadline() or FOREVER)
  local looked = self.host.wait(self, math.max(0, due - self.now()))
  if self.stream and not self:is_held() then read(self) else looked = 0 end
  hurry(self)
  if self.dialling or self.stream then check_connect_timeout(self) end
  if self.stream then
    tick(self, looked)
    write(self)
  end
end

local function is_drained(self)
  return self.watched and self.p:state() == "open" and self.p:buffered() <= self.drained_size
end

--- When there is work: 0 at once, nil: no deadline.
---@return number?
function Handle:deadline()
  local untold = self.begun and not self.told and self.p:finished()
  local held = self:is_held()
  if (self.unread or untold) and not held then return 0 end
  local connecting = (self.dialling or self.stream) and self.p:state() == "connecting"
  local moment = connecting and self.connect_at or FOREVER
  if self.stream then
    if self.p:buffered() > 0 and self.stream:can_write() or is_drained(self) then return 0 end
    if not held then
      if self.stream:has_input() then return 0 end
      moment = math.min(moment, self.due or FOREVER)
    end
  end
  return moment < FOREVER and moment or nil
end

-- ---------------------------------------------------------------- attempts

--- Nothing that takes long is to be done beforehand.
function Handle.prepare() end

function Handle:begin(now, url)
  self.attempts, self.began, self.url = self.attempts + 1, now, url
  return self.attempts
end

function Handle:attempt()
  return self.attempts, self.began, self.url
end

local function connect_limit(timeouts)
  local seconds = timeouts and timeouts.connect or CONNECT_TIMEOUT
  return seconds > 0 and seconds or FOREVER
end

function Handle:start(config, url, headers, protocols, _, socket)
  self.url = url
  if socket then return nil, NO_SOCKETS, "state" end
  local all = {}
  for name, value in pairs(config) do all[name] = value end
  all.url, all.headers = url, headers or config.headers
  all.protocols = protocols or config.protocols
  local p, sentence, name = core.protocol(all, self.random_bytes)
  if not p then return nil, sentence, name end
  local way
  way, sentence, name = self.host.dial(self, config, url)
  if not way then return nil, sentence, name end
  self.p, self.begun, self.dialling, self.phase, self.due = p, true, true, nil, nil
  self.watched, self.unread, self.told, self.stage = false, false, false, "over"
  self.connect_limit = connect_limit(config.timeouts)
  self.connect_at = self.now() + self.connect_limit
  return true
end

-- ---------------------------------------------------------------- the turn

local function next_event(self)
  if self:is_held() then return end
  local event, a, b, c = self.p:next()
  self.unread = event ~= nil
  if not event then return end
  self.until_time = 0
  if self.time_max and not self.end_time then self.end_time = self.now() + self.time_max end
  if event == "message" or event == "piece" then self.given = self.given + 1 end
  if event == "close" then
    self.told = true
    if self.phase and c.error then c.error.phase = self.phase end
    hang_up(self)
  end
  return event, a, b, c
end

local function is_used_up(self)
  if self.given == 0 then return false end
  if self.messages_max and self.given >= self.messages_max then return true end
  return is_due(self, self.end_time)
end

local function steps_again(self)
  if not self.stream and not self.dialling then return false end
  return self.stage == "begun" or self.until_time > self.now()
end

-- The next event of the turn.
local function give(self)
  if not self.begun or self.stage == "over" then return end
  while self.stage ~= "drained" and not is_used_up(self) do
    local event, a, b, c = next_event(self)
    if not event then
      write(self)
      event, a, b, c = next_event(self) -- a write that fails may bring the end
    end
    if event then return event, a, b, c end
    if not steps_again(self) then break end
    if is_drained(self) then self.until_time = 0 end
    step(self)
    self.stage = "stepped"
  end
  if self.stage == "stepped" and is_drained(self) then
    self.watched, self.stage = false, "drained"
    return "drain"
  end
  self.stage = "over"
  self:flush()
end

-- What the program sends on the event's account waits for the turn's end; in a coroutine, which may
-- yield for any time before, it does not wait.
local function given(self, messages_too, event, ...)
  local thread, is_main = coroutine.running()
  local in_callback = event and (messages_too or event ~= "message")
  if not in_callback then self.reader = nil end
  self.corked = in_callback and (not thread or is_main) or nil
  return event, ...
end

local function go_on(self, seconds, messages_too)
  self.reader = coroutine.running() or true
  if type(seconds) == "number" then
    local now = self.now()
    self.stage, self.given, self.until_time = "begun", 0, seconds > 0 and now + seconds or 0
    self.end_time = seconds <= 0 and self.time_max and now + self.time_max or nil
  end
  return given(self, messages_too, give(self))
end

function Handle.turn(ws, seconds)
  return go_on(ws._handle, seconds, true)
end

function Handle:take(seconds)
  return go_on(self, seconds, false)
end

function Handle:receive(seconds)
  local event, a, b, c = self:take(seconds)
  if event == "message" then return a, b end
  return nil, event, a, b, c
end

function Handle:limit(messages, seconds)
  self.messages_max, self.time_max = messages, seconds
end

function Handle:drain_at(size)
  self.drained_size = size
end

function Handle:pause(paused)
  self.paused = paused and true or nil
  self:wake()
end

function Handle:flush()
  self.corked, self.reader = nil, nil
  if self.begun then write(self) end
end

Handle.__close = Handle.flush

function Handle:sleep(seconds)
  self.host.sleep(seconds, self)
end

function Handle:wake()
  self.until_time = 0 -- a turn that waits may not know of it
  self.host.wake(self)
end

-- ---------------------------------------------------------------- what the program does

-- An error of the core's names a line here; it is the program's, which called through client.lua.
local function call(p, level, method, ...)
  local ok, result, sentence, name = pcall(method, p, ...)
  if not ok then error((tostring(result):gsub("^[^\n]-:%d+: ", "")), level) end
  return result, sentence, name
end

local THROUGH_CLIENT, DIRECTLY = 4, 3

local function queued(self, result, sentence, name)
  local much = self.stage ~= "over" and self.p:buffered() >= DRAIN_MARK
  if result and not self.corked then write(self) end
  if name == "busy" or much or self.p:buffered() >= DRAIN_MARK then self.watched = true end
  if result then return true end
  return nil, sentence, name
end

-- The method of a client as well: the program may call it directly.
function Handle:send(...)
  local handle, level = rawget(self, "_handle"), DIRECTLY
  if not handle then handle, level = self, THROUGH_CLIENT end
  return queued(handle, call(handle.p, level, handle.p.send, ...))
end

for _, name in ipairs { "send_fragment", "ping" } do
  Handle[name] = function(self, ...)
    return queued(self, call(self.p, THROUGH_CLIENT, self.p[name], ...))
  end
end

-- Wrong arguments raise before the first attempt too.
function Handle:close(...)
  local p = self.begun and self.p or core.protocol(BLANK)
  if p then call(p, THROUGH_CLIENT, p.close, ...) end
  if self.begun then write(self) end
  self:wake()
  return true
end

function Handle:leave()
  local p = self.p
  if not self.begun then return true end
  self.leaving = true
  if self.stream and p:state() ~= "connecting" then
    while self.stream and has_come(self) do read(self) end
    p:skip()
    if not p:finished() then
      p:close(1001, "")
      write(self)
    end
  end
  p:depart(p:buffered() == 0 and (not self.stream or self.stream:is_flushed()))
  hang_up(self)
  return true
end

function Handle:free()
  hang_up(self)
  self.begun = false
  self.p:leave()
  self:wake()
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

local PHASES = { connecting = "handshake", open = "open" }

function Handle:peer()
  if not self.begun or self.dialling then return { phase = "tcp" } end
  local peer = { phase = PHASES[self.p:state()] or self.phase or "close" }
  for name, value in pairs(self.stream and self.stream.about or {}) do peer[name] = value end
  return peer
end

--- There is no descriptor.
function Handle.pollfd() end

return carried
