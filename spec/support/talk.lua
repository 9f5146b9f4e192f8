--- A `wsclose.protocol` and a peer made of bytes: what specs of the core share.
--
-- The peer's bytes are the scripted server's own (support/wire.lua, scripted/handshake.lua),
-- never the core's.  Time is a number that `talk:tick` moves; masks come from a fixed source.

local wsclose = require "wsclose"
local wire = require "support.wire"
local handshake = require "support.scripted.handshake"

---@class Talk
---@field p table the protocol object
---@field request wsclose.testing.Request
---@field now number
local Talk = {}
Talk.__index = Talk

local talk = {}

--- Bytes that are the same in every run.
function talk.fixed_bytes(n)
  return ("\17\34\51\68"):rep(math.ceil(n / 4)):sub(1, n)
end

--- A protocol object whose request has been read; the answer is still to come.
---@param options? table of wsclose.protocol
---@return Talk
function talk.new(options)
  local all = { random_bytes = talk.fixed_bytes }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  local self = setmetatable({ now = 0, bytes = "", events = {} }, Talk)
  self.p = assert(wsclose.protocol("ws://feed.example/v1", all))
  self.request = assert(handshake.read(self.p:output()))
  self.p:tick(0)
  return self
end

--- The same, with the handshake done: state "open".
---@param options? table of wsclose.protocol
---@param answer? wsclose.testing.Answer
---@return Talk
function talk.open(options, answer)
  local self = talk.new(options)
  self:answer(answer)
  assert(self:next() == "open", "the handshake of a spec failed")
  return self
end

--- With permessage-deflate, as the default offer and a plain answer agree on it.
function talk.open_deflate(options)
  local self = talk.open(options, { extensions = "permessage-deflate" })
  return self
end

--- The other side, played by the core itself and open, for what the core compressed.
function talk.server(t)
  local server = assert(wsclose.protocol(nil, { role = "server", random_bytes = talk.fixed_bytes }))
  server:input(t.request.head)
  assert(server:next() == "open", "the server's side of a spec did not open")
  server:output()
  return server
end

---@param answer? wsclose.testing.Answer
function Talk:answer(answer)
  self.p:input(handshake.answer(self.request, answer))
  return self
end

--- Feeds a frame, or raw bytes.
---@param frame wsclose.testing.FrameToWrite|string
function Talk:input(frame)
  self.p:input(type(frame) == "string" and frame or wire.frame(frame))
  return self
end

---@param code? integer
---@param reason? string
function Talk:input_close(code, reason)
  return self:input { opcode = "close", payload = wire.close_payload(code, reason) }
end

function Talk:next()
  return self.p:next()
end

--- All events up to now, each as { name, … }.
---@return any[][]
function Talk:drain()
  local events = {}
  local event = { self.p:next() }
  while event[1] do
    events[#events + 1] = event
    event = { self.p:next() }
  end
  return events
end

--- The close event's code, reason and info; raises unless it is the last of the events now.
function Talk:closed()
  local events = self:drain()
  local last = assert(events[#events], "no event")
  assert(last[1] == "close", "the last event is " .. tostring(last[1]))
  return last[2], last[3], last[4]
end

--- Moves time on.
---@return number? deadline
function Talk:tick(seconds)
  self.now = self.now + seconds
  return self.p:tick(self.now)
end

--- The frames written since the last call, unmasked.
---@return wsclose.testing.Frame[]
function Talk:frames()
  local bytes = self.p:output()
  local frames, position = {}, 1
  while position <= #bytes do
    local frame, after = wire.read_frame(bytes, position)
    frame = assert(frame, "half a frame was written")
    assert(not wire.fault(frame, true), wire.fault(frame, true))
    frames[#frames + 1] = frame
    position = after
  end
  return frames
end

--- The one Close frame among them, or nil.
function Talk:sent_close()
  local found
  for _, frame in ipairs(self:frames()) do
    if frame.opcode == wire.CLOSE then
      assert(not found, "two Close frames were written")
      found = frame
    end
  end
  return found
end

return talk
