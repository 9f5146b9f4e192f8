--- One connection of the scripted server: its bytes, its records and the coroutine of its script.
--
-- Everything a client sends is read, checked and recorded as it comes, whether the script waits for
-- it or not; a client that breaks RFC 6455 makes `server:step()` raise a sentence that says how.
-- What a script may do with a connection is in verbs.lua.

local wire = require "support.wire"
local acknowledge = require("wsclose.core_testing").process.acknowledge -- nil on Windows

local READ_SIZE = 65536

---@class scripted.Connection
---@field index integer 1 for the first that the server accepted
---@field request? wsclose.testing.Request the opening handshake, once it has come
---@field frames wsclose.testing.Frame[] every frame from the client, unmasked, in order
---@field close? {code: integer, reason: string} the client's Close; code 1005 for an empty one
---@field reading boolean false: leave the client's bytes in the kernel, so that its queue fills
---@field unparsed string bytes from the client that are not (yet) a request or a frame
---@field ended? "fin"|"reset" how the client ended TCP
---@field finished boolean has the server closed the socket?
---@field done boolean has the script come to its end?
---@field bytes_in number
local Connection = {}
Connection.__index = Connection

--- Made by the server for each socket it accepts.
---@param socket table luasocket's
---@param index integer
---@param script fun(connection: scripted.Connection)
---@return scripted.Connection
function Connection.new(socket, index, script)
  socket:settimeout(0)
  socket:setoption("tcp-nodelay", true)
  return setmetatable({
    socket = socket,
    index = index,
    thread = coroutine.create(script),
    frames = {},
    taken = 0, -- how many of them the script has been given
    reading = true,
    unparsed = "",
    arrived = {}, -- bytes behind `unparsed`, not yet joined to it
    size_wanted = 1, -- of `unparsed`, before it is worth parsing again
    size_unparsed = 0,
    bytes_in = 0,
    to_write = {},
    written = 0, -- bytes of to_write[1]
    words = {},
    finished = false,
    done = false,
    moved = false,
  }, Connection)
end

-- ---------------------------------------------------------------- driven by the server's step

---@param level? integer
function Connection:fail(sentence, level)
  error(("scripted server, connection %d: %s"):format(self.index, sentence), level or 0)
end

local function check_order(self, frame)
  if self.close then
    return "it comes after the client's Close (RFC 6455 5.5.1)"
  elseif frame.opcode >= 8 then
    return nil
  elseif (frame.opcode == 0) ~= (self.in_message or false) then
    return self.in_message and "the message before it is not finished (RFC 6455 5.4)"
      or "there is no message to continue (RFC 6455 5.4)"
  elseif frame.rsv1 and frame.opcode == 0 then
    return "RSV1 belongs on a message's first frame only (RFC 7692 6)"
  end
  self.in_message = not frame.fin
end

local function take_frame(self, frame)
  local fault = wire.fault(frame, self.rsv1_agreed) or check_order(self, frame)
  if fault then
    local number = #self.frames + 1
    self:fail(("the client's frame %d (%s) is wrong: %s"):format(number, frame.name, fault))
  end
  self.frames[#self.frames + 1] = frame
  if frame.opcode == wire.CLOSE then
    self.close = { code = frame.code, reason = frame.reason }
  end
end

--- Puts what has arrived behind `unparsed`; done late, so that a large frame is joined only once.
function Connection:join()
  self.unparsed = self.unparsed .. table.concat(self.arrived)
  self.arrived = {}
end

local function parse_frames(self)
  local position = 1
  while self.size_unparsed >= self.size_wanted do
    local frame, next_at = wire.read_frame(self.unparsed, position)
    if not frame then
      self.size_wanted = next_at - position + 1
      break
    end
    take_frame(self, frame)
    self.size_unparsed = self.size_unparsed - frame.size
    self.size_wanted, position = 1, next_at
  end
  self.unparsed = self.unparsed:sub(position)
end

local function parse(self)
  if self.size_unparsed >= self.size_wanted then
    self:join()
    if self.upgraded then
      parse_frames(self)
    end
  end
end

local function keep(self, bytes)
  if bytes and bytes ~= "" then
    self.arrived[#self.arrived + 1] = bytes
    self.bytes_in = self.bytes_in + #bytes
    self.size_unparsed = self.size_unparsed + #bytes
    self.moved = true
  end
end

--- Reads what the kernel holds, or so many bytes of it.
---@param left? integer
function Connection:receive(left)
  left = left or math.huge
  local reset = self.socket:getoption "error" -- luasocket's receive would call an RST "closed" too
  local bytes, why, partial
  repeat
    bytes, why, partial = self.socket:receive(math.min(READ_SIZE, left))
    keep(self, bytes or partial)
    left = left - #(bytes or partial or "")
  until not bytes or left <= 0
  if reset or why == "closed" then
    self.ended, self.moved = reset and "reset" or "fin", true
  end
  self:acknowledge()
  parse(self)
end

--- Lets the client's kernel know what has come.  It would know up to 40 ms later, at whatever time
--- the scripted clock shows then; and to a client it is progress that fewer of its bytes wait.
function Connection:acknowledge()
  if acknowledge and not self.finished then acknowledge(self.socket:getfd()) end
end

--- Writes what the kernel takes.
function Connection:flush()
  while self.to_write[1] and not self.finished do
    local sent, why, sent_before = self.socket:send(self.to_write[1], self.written + 1)
    local written = sent or sent_before or 0
    self.moved = self.moved or written > self.written
    self.written = written
    if sent then
      table.remove(self.to_write, 1)
      self.written = 0
    elseif why == "closed" then
      self.to_write = {} -- nobody will read it; `receive` tells of the end
    else
      return
    end
  end
end

--- Lets the script go on as far as it can.
function Connection:resume()
  if self.done then
    return
  end
  local ok, fault = coroutine.resume(self.thread, self)
  self.done = coroutine.status(self.thread) == "dead"
  if self.done then
    self.waiting, self.moved = nil, true
  end
  if not ok then
    if type(fault) == "string" and not fault:find "^scripted server" then
      fault = debug.traceback(self.thread, fault)
    end
    error(fault, 0)
  end
end

---@return string sentence for the message of a failed `pump`
function Connection:describe()
  local names = {}
  for i = math.max(1, #self.frames - 9), #self.frames do
    local frame = self.frames[i]
    names[#names + 1] = frame.name .. (frame.code and " " .. frame.code or "")
  end
  local waiting = self.waiting or "its turn"
  local state = self.done and "its script is done" or "its script waits for " .. waiting
  return ("connection %d: %s; %d frames came%s; the client %s; the server %s"):format(
    self.index,
    state,
    #self.frames,
    #names > 0 and ", last " .. table.concat(names, ", ") or "",
    self.ended and "ended TCP by " .. self.ended:upper() or "holds TCP open",
    self.finished and "closed it" or "holds it open"
  )
end

--- Yields, as often as it takes, until `happened()` is true; called within the script.
---@param what string for messages
---@param happened fun(): any
---@param may_end? boolean is it no fault when TCP ends meanwhile?
---@return any
function Connection:wait(what, happened, may_end)
  self.waiting = what
  local result = happened()
  while not result do
    if not may_end and (self.ended or self.finished) then
      self:fail("TCP ended while the script waited for " .. what)
    end
    coroutine.yield()
    result = happened()
  end
  self.waiting, self.moved = nil, true
  return result
end

return Connection
