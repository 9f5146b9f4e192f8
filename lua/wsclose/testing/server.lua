--- A scripted server: its script, its connections, and what a test asks of them afterwards.
--
-- A script is a list of steps.  The verbs (verbs.lua) append to it, before the test runs or
-- meanwhile; called by the script's own function, which is a coroutine, they take place at once.

local connection = require "wsclose.testing.connection"
local link = require "wsclose.testing.link"
local world = require "wsclose.testing.world"

---@alias wsclose.testing.Fault
---| "dns" | "refused" | "unreachable" | "reset" | "timeout" | "proxy" | "tls" | "certificate"

-- The verbs are made in verbs.lua; those that find something give it within a script's function.
---@class wsclose.testing.Server
---@field url string
---@field connections wsclose.testing.Connection[] all that it took, in order
---@field current? wsclose.testing.Connection what the verbs act on: the latest, or as `use` says
---@field attempts integer how often a client began to connect
---@field verbs table<string, function> what a step does
---@field accept fun(self, answer?: wsclose.testing.Answer): wsclose.testing.Server
---@field refuse fun(self, status: integer, headers?: table, body?: string): wsclose.testing.Server
---@field fail fun(self, name: wsclose.testing.Fault, sentence?: string): wsclose.testing.Server
---@field ignore fun(self): wsclose.testing.Server
---@field request fun(self): any, any
---@field send fun(self, data: string, kind?: "text"|"binary"): wsclose.testing.Server
---@field ping fun(self, data?: string): wsclose.testing.Server
---@field pong fun(self, data?: string): wsclose.testing.Server
---@field frame fun(self, frame: wsclose.testing.FrameToWrite): wsclose.testing.Server
---@field raw fun(self, bytes: string): wsclose.testing.Server
---@field close fun(self, code?: integer, reason?: string): wsclose.testing.Server
---@field drop fun(self): wsclose.testing.Server
---@field reset fun(self): wsclose.testing.Server
---@field silence fun(self): wsclose.testing.Server
---@field echo fun(self): wsclose.testing.Server
---@field slow fun(self, bytes: integer|false, seconds?: number): wsclose.testing.Server
---@field hold fun(self, room?: integer): wsclose.testing.Server
---@field release fun(self): wsclose.testing.Server
---@field wait fun(self, seconds: number): wsclose.testing.Server
---@field use fun(self, index: integer): wsclose.testing.Server
---@field expect fun(self, data?: string|function, kind?: string): any, any
---@field expect_ping fun(self, data?: string): any, any
---@field expect_pong fun(self, data?: string): any, any
---@field expect_close fun(self, code?: integer, reason?: string): any, any
---@field expect_end fun(self): wsclose.testing.Server
local Server = { verbs = {} }
Server.__index = Server
Server.__name = "wsclose.testing.Server"

local server = { Server = Server }

local unpack = rawget(_G, "unpack") or table.unpack -- luacheck: ignore 143

-- What the thread of a server does all its life.
local function play(self, script)
  if script then script(self) end
  while true do
    local step = table.remove(self.queue, 1)
    if step then
      self.where = step.where
      self.verbs[step.verb](self, unpack(step, 1, step.n))
      self.moved = true
    else
      self.where, self.idle = nil, true
      coroutine.yield()
      self.idle = false
    end
  end
end

--- A server without connections.
---@param url string
---@param script? fun(server: wsclose.testing.Server)
---@return wsclose.testing.Server
function server.new(url, script)
  local self = setmetatable({
    url = url, connections = {}, dials = {}, queue = {}, attempts = 0,
  }, Server)
  self.thread = coroutine.create(function() play(self, script) end)
  return self
end

--- Appends a step to the script; within the script's function it takes place now, and gives what
-- it found.
---@param verb string
---@param where string the line of the test that says so
---@return any the server, where a step finds nothing
function Server:perform(verb, where, ...)
  if coroutine.running() == self.thread then
    self.where = where
    local first, second = self.verbs[verb](self, ...)
    if first == nil then first = self end
    return first, second
  end
  self.queue[#self.queue + 1] = { verb = verb, where = where, n = select("#", ...), ... }
  return self
end

-- ---------------------------------------------------------------- for verbs

--- Ends the test: something is not as the script says.
function Server:complain(sentence)
  error(("%s%s"):format(self.where, sentence), 0)
end

--- Waits until `happened` gives something true.
---@param what string for messages
---@param happened fun(): any
---@param due? number the moment at which it will have happened
function Server:await(what, happened, due)
  local result = happened()
  while not result do
    self.waiting, self.wakes = what, due
    coroutine.yield()
    result = happened()
  end
  self.waiting, self.wakes = nil, nil
  self.moved = true
  return result
end

--- As await, for what a client has to do: that its connection ends meanwhile is a fault.
function Server:await_client(what, happened)
  local current = self:connection()
  local result = self:await(what, function()
    local found = happened(current)
    return found ~= nil and { found } or not current:is_open() and "over"
  end)
  if result == "over" then
    local close = current.close
    local how = close and ("after Close %d %q"):format(close.code, close.reason) or "without Close"
    self:complain(("expected %s, but the connection ended %s"):format(what, how))
  end
  return result[1]
end

--- The connection that the verbs act on.
---@return wsclose.testing.Connection
function Server:connection()
  if not self.current then
    self:complain "there is no connection yet; accept, refuse or request takes one"
  end
  return self.current
end

--- The next client that connects; it waits for an answer from the network.
---@return wsclose.Carried
function Server:take_dial()
  self:await("a client to connect", function() return self.dials[1] end)
  return table.remove(self.dials, 1)
end

--- Takes the next connection.
---@return wsclose.testing.Connection
function Server:take_connection()
  local client = self:take_dial()
  local index = #self.connections + 1
  local made = connection.new(index, self.url, link.new())
  self.connections[index], self.current = made, made
  client:connect(made.link)
  return made
end

-- ---------------------------------------------------------------- driven by the world

--- A client connects.
---@param client wsclose.Carried
function Server:dial(client)
  self.attempts = self.attempts + 1
  self.dials[#self.dials + 1] = client
end

-- Those whose program has given up meanwhile.
local function forget_dials(self)
  for i = #self.dials, 1, -1 do
    if not self.dials[i].dialling then table.remove(self.dials, i) end
  end
end

local function resume(self)
  if self.broken then return end
  local ok, fault = coroutine.resume(self.thread)
  if ok then return end
  self.broken = true
  if type(fault) == "string" and not (self.where and fault:find(self.where, 1, true)) then
    fault = debug.traceback(self.thread, fault)
  end
  error(fault, 0)
end

--- Does what can be done now.  The script goes first: what it says holds for what comes in now.
---@return boolean moved
function Server:step()
  self.moved = false
  forget_dials(self)
  resume(self)
  for _, one in ipairs(self.connections) do self.moved = one:receive() or self.moved end
  resume(self)
  for _, one in ipairs(self.connections) do self.moved = one.link:step() or self.moved end
  return self.moved
end

--- When it will have something to do.
---@return number? moment
function Server:due()
  local moment = self.wakes
  for _, one in ipairs(self.connections) do
    local due = one.link:due()
    if due and (not moment or due < moment) then moment = due end
  end
  return moment
end

--- A client that waits for an answer which the script does not give: time must not go on.
---@return string? fault
function Server:unanswered()
  if not self.dials[1] or not self.idle then return nil end
  local line = "a client connects to %s, attempt %d, but its script has no step left for it; "
    .. "server:accept(), server:refuse(status) or server:ignore() is one"
  return line:format(self.url, self.attempts)
end

---@return string sentences
function Server:describe()
  local state = "its script is played out"
  if not self.idle then
    state = ("its script, %swaits for %s"):format(self.where or "", self.waiting or "its turn")
    if #self.queue > 0 then state = ("%s, with %d more steps"):format(state, #self.queue) end
  end
  local lines = { ("server %s: %d attempts; %s"):format(self.url, self.attempts, state) }
  for _, one in ipairs(self.connections) do lines[#lines + 1] = one:describe() end
  return table.concat(lines, "\n")
end

-- ---------------------------------------------------------------- for a test to look at

--- What the clients sent: the data of all messages, in order.
---@param index? integer of one connection; default: all of them
---@return string[]
function Server:received(index)
  if index ~= nil and not self.connections[index] then
    error(("index: expected a connection from 1 to %d, got %s")
      :format(#self.connections, tostring(index)), 2)
  end
  local list = {}
  for i, one in ipairs(self.connections) do
    if i == (index or i) then
      for _, message in ipairs(one.messages) do list[#list + 1] = message.data end
    end
  end
  return list
end

--- Has the whole script been played?  Raises and says what is left, if not.
function Server:assert_done()
  world.settle()
  if not self.idle or #self.queue > 0 then
    error("wsclose.testing: the script is not played out\n" .. self:describe(), 2)
  end
end

return server
