--- One connection of a scripted server: what came from the client, on record, and what a server
-- does of its own accord.  Pings are answered and a Close is echoed until `silent` is set.

local core = require "wsclose.core"
local handshake = require "wsclose.testing.handshake"
local options = require "wsclose.options"
local wire = require "wsclose.testing.wire"

---@class wsclose.testing.Connection
---@field index integer 1 for the server's first
---@field url string that the client used
---@field request? wsclose.testing.Request method, target, headers (by lower-case name), …
---@field messages {data: string, kind: string}[] from the client, whole and inflated
---@field pings string[]
---@field pongs string[]
---@field close? {code: integer, reason: string} the client's Close; 1005: an empty one
---@field ended? "fin" the client has ended TCP
---@field finished? "fin"|"reset" the server has
---@field accepted? boolean the server answered with 101
---@field silent? boolean nothing is answered
---@field echoes? boolean every message is sent back
---@field holding? boolean the client's bytes are left unread
local Connection = {}
Connection.__index = Connection

local connection = {}

---@param index integer
---@param url string
---@param link wsclose.testing.Link
---@return wsclose.testing.Connection
function connection.new(index, url, link)
  return setmetatable({
    index = index, url = url, link = link,
    messages = {}, pings = {}, pongs = {}, taken = { messages = 0, pings = 0, pongs = 0 },
    head = "",
  }, Connection)
end

---@param frame wsclose.testing.FrameToWrite
function Connection:send_frame(frame)
  self.link:send(wire.frame(frame))
end

--- A Close frame with any code; nil: an empty one.
function Connection:send_close(code, reason)
  self:send_frame { opcode = "close", payload = wire.close_payload(code, reason) }
end

---@param how "fin"|"reset"
function Connection:finish(how)
  self.finished = self.finished or how
  self.link:finish(how)
end

--- Answers with 101, as `answer` alters it.
---@param answer wsclose.testing.Answer
function Connection:accept(answer)
  self.accepted = true
  local deflates = (answer.extensions or ""):find("permessage-deflate", 1, true) ~= nil
  -- it only reads: what it would answer by itself is thrown away
  self.reader = core.protocol(options.read({
    role = "server", trace = true, keepalive = false,
    extensions = { ["permessage-deflate"] = deflates },
  }).config)
  self.reader:input(self.request.head)
  self.reader:next()
  self.reader:output()
  self.link:send(handshake.answer(self.request, answer))
end

local function take_close(self, payload)
  local high, low = payload:byte(1, 2)
  self.close = { code = high and high * 256 + low or 1005, reason = payload:sub(3) }
  if self.silent then return end
  self:send_frame { opcode = "close", payload = payload } -- behind a Close of ours nobody looks
  self:finish "fin"
end

local function take_frame(self, frame)
  local payload = frame.payload or ""
  if frame.name == "ping" then
    self.pings[#self.pings + 1] = payload
    if not self.silent then self:send_frame { opcode = "pong", payload = payload } end
  elseif frame.name == "pong" then
    self.pongs[#self.pongs + 1] = payload
  elseif frame.name == "close" then
    take_close(self, payload)
  end
end

--- Reads frames of the client.
---@param bytes string
function Connection:feed(bytes)
  local reader = self.reader
  reader:input(bytes)
  local event, a, b = reader:next()
  while event do
    if event == "message" then
      self.messages[#self.messages + 1] = { data = a, kind = b }
      if self.echoes then self:send_frame { opcode = b, payload = a } end
    elseif event == "frame" and a == "in" then
      take_frame(self, b)
    end
    event, a, b = reader:next()
  end
  reader:output()
end

local function read_request(self, bytes)
  self.head = self.head .. bytes
  self.request = self.request or handshake.read(self.head)
end

--- Takes what the client wrote.
---@return boolean moved
function Connection:receive()
  local link = self.link
  if self.holding then return false end
  local bytes, moved = link:take(), false
  if bytes ~= "" then
    moved = true
    if self.reader then self:feed(bytes) else read_request(self, bytes) end
  end
  if link.client_end and not self.ended then
    self.ended, moved = link.client_end, true
    self:finish "fin"
  end
  return moved
end

--- Is there anybody to talk to?
function Connection:is_open()
  return not self.ended and not self.finished
end

---@return string where it stands
function Connection:describe()
  local parts = { ("  connection %d, %s: %d messages came"):format(
    self.index, self.request and self.request.target or "without a request", #self.messages) }
  if self.close then parts[#parts + 1] = (", then Close %d"):format(self.close.code) end
  if self.ended then parts[#parts + 1] = "; the client ended it" end
  if self.finished then parts[#parts + 1] = "; the server ended it" end
  return table.concat(parts)
end

return connection
