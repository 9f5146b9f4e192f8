--- What a script may do: the verbs of a connection of the scripted server.
--
-- A script is a function that gets a connection and plays the server from top to bottom.  It runs
-- as a coroutine: the verbs that wait for the client yield until a later `server:step()` finds that
-- it has happened.  Those that send wait until the kernel has taken the bytes.

local Connection = require "support.scripted.connection"
local handshake = require "support.scripted.handshake"
local wire = require "support.wire"

-- ---------------------------------------------------------------- what waits

--- Waits for one round of client and server: what was sent before is a read of its own there.
function Connection:pass()
  coroutine.yield()
  self.moved = true
end

--- Waits until the spec calls `server:tell(word)`.
---@param word string
function Connection:told(word)
  self:wait(("the word %q"):format(word), function()
    return self.words[word]
  end, true)
  self.words[word] = nil
end

--- Accepts and says nothing more, for good; what comes is still read and recorded.
function Connection:stall()
  self:wait("nothing: it stalls", function()
    return false
  end, true)
end

--- Waits for the opening handshake, and checks it.
---@return wsclose.testing.Request
function Connection:read_request()
  if not self.request then
    local request, rest
    self:wait("the opening handshake", function()
      self:join()
      request, rest = handshake.read(self.unparsed)
      return request
    end)
    local fault = handshake.fault(request)
    if fault then
      self:fail("the opening handshake is wrong: " .. fault)
    end
    self.request, self.unparsed, self.size_unparsed = request, rest, #rest
  end
  return self.request
end

--- Waits for bytes that are no handshake of WebSocket (a proxy's script reads so).
---@param pattern string of Lua; matched from the beginning, what matches is taken
---@return string ... the captures, or the whole match
function Connection:read(pattern)
  local first, last
  self:wait("bytes that match " .. pattern, function()
    self:join()
    first, last = self.unparsed:find("^" .. pattern)
    return first
  end)
  local taken = self.unparsed:sub(1, last)
  self.unparsed = self.unparsed:sub(last + 1)
  self.size_unparsed = #self.unparsed
  return taken:match("^" .. pattern)
end

--- Waits for the next frame that the script has not been given yet.
---@param what? string for the message when none comes
---@return wsclose.testing.Frame
function Connection:frame(what)
  self:wait(what or "a frame", function()
    return self.frames[self.taken + 1]
  end)
  self.taken = self.taken + 1
  return self.frames[self.taken]
end

--- Waits for the next frame and compares it.
---@param name string "text", "binary", "continuation", "ping", "pong", "close"
---@param payload? string nil: any
---@return wsclose.testing.Frame
function Connection:expect(name, payload)
  local frame = self:frame("a " .. name .. " frame")
  if frame.name ~= name or payload and frame.payload ~= payload then
    local function show(kind, bytes)
      return bytes and ("%s %q"):format(kind, bytes:sub(1, 130)) or kind
    end
    self:fail(
      ("expected %s, got %s"):format(show(name, payload), show(frame.name, frame.payload)),
      2
    )
  end
  return frame
end

--- Waits for the client's Close; frames that come before it are passed over (and recorded).
---@param code? integer nil: any
---@param reason? string nil: any
---@return {code: integer, reason: string}
function Connection:expect_close(code, reason)
  self:wait("a Close" .. (code and " " .. code or ""), function()
    return self.close
  end)
  self.taken = #self.frames
  local close = self.close
  if close.code ~= (code or close.code) or close.reason ~= (reason or close.reason) then
    local got = ("%d %q"):format(close.code, close.reason)
    self:fail(("expected Close %s %q, got %s"):format(code or "", reason or "", got), 2)
  end
  return close
end

--- Waits for a whole message, in one frame or several; control frames between are passed over.
---@return string payload as on the wire: joined and unmasked, not inflated
---@return string kind "text" or "binary"
---@return wsclose.testing.Frame[] frames its data frames
function Connection:message()
  local frames, pieces = {}, {}
  repeat
    local frame = self:frame("a message")
    if frame.opcode < 8 then
      frames[#frames + 1], pieces[#pieces + 1] = frame, frame.payload
    elseif frame.opcode == wire.CLOSE then
      self:fail("a Close came while the script waited for a message")
    end
  until #frames > 0 and frames[#frames].fin
  return table.concat(pieces), frames[1].name, frames
end

--- Waits until the client ends TCP.
---@return "fin"|"reset"
function Connection:wait_end()
  self:wait("the client's end of TCP", function()
    return self.ended
  end, true)
  return self.ended
end

-- ---------------------------------------------------------------- what sends

--- Sends bytes as they are; waits until the kernel has taken them all.
---@param bytes string
function Connection:send(bytes)
  self.to_write[#self.to_write + 1] = bytes
  self:flush()
  self:wait("the client to read", function()
    return not self.to_write[1]
  end, true)
end

---@param text string hex digits, with blanks anywhere
function Connection:send_hex(text)
  self:send(wire.hex(text))
end

--- Sends bytes in pieces; the client gets its turn after each.
---@param bytes string
---@param cuts? integer|integer[] the size of each piece, or the offsets to cut at; default 1
function Connection:drip(bytes, cuts)
  if type(cuts) ~= "table" then
    local size = cuts or 1
    cuts = {}
    for offset = size, #bytes - 1, size do
      cuts[#cuts + 1] = offset
    end
  end
  local from = 0
  for i = 1, #cuts + 1 do
    local to = cuts[i] or #bytes
    self:send(bytes:sub(from + 1, to))
    self:pass()
    from = to
  end
end

--- Sends one frame, as legal or illegal as asked; see wire.frame.
---@param frame wsclose.testing.FrameToWrite
function Connection:send_frame(frame)
  self:send(wire.frame(frame))
end

---@param payload string
function Connection:send_text(payload)
  self:send(wire.frame { opcode = "text", payload = payload })
end

---@param payload string
function Connection:send_binary(payload)
  self:send(wire.frame { opcode = "binary", payload = payload })
end

---@param payload? string
function Connection:send_ping(payload)
  self:send(wire.frame { opcode = "ping", payload = payload })
end

---@param payload? string
function Connection:send_pong(payload)
  self:send(wire.frame { opcode = "pong", payload = payload })
end

--- Sends a Close: any code, also one that may not be sent; no code: an empty one.
---@param code? integer
---@param reason? string
function Connection:send_close(code, reason)
  self:send(wire.frame { opcode = "close", payload = wire.close_payload(code, reason) })
end

--- Sends many pings in one go, numbered from 1.
---@param count integer
function Connection:flood_pings(count)
  local frames = {}
  for i = 1, count do
    frames[i] = wire.frame { opcode = "ping", payload = tostring(i) }
  end
  self:send(table.concat(frames))
end

--- Answers the opening handshake with a 101: valid, but for what `answer` alters.
---@param answer? wsclose.testing.Answer
---@param cuts? integer|integer[] as for `drip`
---@return wsclose.testing.Request
function Connection:upgrade(answer, cuts)
  local request = self:read_request()
  if self.unparsed ~= "" then
    self:fail("the client sent bytes behind its request before it had the answer")
  end
  self.upgraded = true
  self.rsv1_agreed = answer and (answer.extensions or ""):find("deflate", 1, true) ~= nil
  local bytes = handshake.answer(request, answer)
  if cuts then
    self:drip(bytes, cuts)
  else
    self:send(bytes)
  end
  return request
end

--- Answers the opening handshake with a refusal (or any other HTTP answer), and closes TCP.
---@param status integer|string 503, or "503 Service Unavailable"
---@param headers? table<string, string>|string[]
---@param body? string
function Connection:refuse(status, headers, body)
  self:read_request()
  self:send(handshake.http(status, headers, body))
  self:finish()
end

-- ---------------------------------------------------------------- what ends

--- Closes TCP in order (FIN).
function Connection:finish()
  if not self.finished then
    self.socket:close()
    self.finished, self.moved = true, true
  end
end

--- Half-closes: FIN is sent, but the server goes on reading.
function Connection:half_close()
  self.socket:shutdown "send"
  self.moved = true
end

--- Ends TCP with an RST.
function Connection:reset()
  self.socket:setoption("linger", { on = true, timeout = 0 })
  self:finish()
end

--- The server's closing handshake, whole: Close, the client's Close, FIN.
---@param code? integer
---@param reason? string
---@return {code: integer, reason: string} close the client's
function Connection:close_session(code, reason)
  self:send_close(code, reason)
  local close = self:expect_close()
  self:finish()
  return close
end

--- The client's closing handshake, answered: its Close is echoed, then FIN.
---@return {code: integer, reason: string} close the client's
function Connection:answer_close()
  local close = self:expect_close()
  self:send(wire.frame { opcode = "close", payload = self.frames[#self.frames].payload })
  self:finish()
  return close
end

--- Echoes messages and answers pings, until the client closes; then answers that.
function Connection:echo()
  while true do
    local frame = self:frame("something to echo")
    if frame.opcode == wire.CLOSE then
      return self:answer_close()
    elseif frame.opcode == wire.PING then
      self:send_pong(frame.payload)
    elseif frame.opcode < 8 then
      self:send(wire.frame { opcode = frame.opcode, payload = frame.payload, fin = frame.fin })
    end
  end
end

return Connection
