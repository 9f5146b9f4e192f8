--- The verbs of a scripted server: what a script may say.  Each checks its arguments where it is
-- called, and takes place when the script comes to it.

local handshake = require "wsclose.testing.handshake"
local server = require "wsclose.testing.server"
local wire = require "wsclose.testing.wire"
local world = require "wsclose.testing.world"

local Server = server.Server

-- ---------------------------------------------------------------- arguments

local function shown(value)
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

-- Caught by the verb, which knows where it was called.
local function need(good, name, expected, value)
  if good then return end
  error(("%s: expected %s, got %s"):format(name, expected, shown(value)), 0)
end

local function is_code(value)
  return type(value) == "number" and value >= 0 and value <= 65535 and value % 1 == 0
end

local function need_string(name, value, optional)
  need(type(value) == "string" or optional and value == nil, name, "a string", value)
end

local function need_kind(kind)
  need(kind == nil or kind == "text" or kind == "binary", "kind", '"text" or "binary"', kind)
end

local function need_seconds(name, value)
  need(type(value) == "number" and value >= 0 and value < math.huge, name, "seconds >= 0", value)
end

local function need_reason(code, reason)
  need_string("reason", reason, true)
  need(reason == nil or code ~= nil, "code", "a close code, as there is a reason", code)
end

local function need_table(name, value)
  need(value == nil or type(value) == "table", name, "a table", value)
end

-- Where the test calls a verb, for messages.
local function caller()
  local info = debug.getinfo(3, "Sl")
  if not info or info.currentline <= 0 then return "" end
  return ("%s:%d: "):format(info.short_src, info.currentline)
end

-- A verb of this name: `check` looks at its arguments, `act` is what it does.
local function verb(name, check, act)
  Server.verbs[name] = act
  Server[name] = function(self, ...)
    local where = caller()
    if getmetatable(self) ~= Server then
      error(("%sexpected a server before ':%s', got %s"):format(where, name, type(self)), 0)
    end
    local ok, fault = pcall(check, ...)
    if not ok then error(where .. fault, 0) end
    local first, second = self:perform(name, where, ...)
    return first, second
  end
end

local function nothing() end

-- ---------------------------------------------------------------- the answer to a connection

local function read_request(self)
  local one = self:take_connection()
  self:await_client("the request of a client", function() return one.request end)
  return one
end

-- The connection whose request has not been answered yet: that of `request`, or the next one.
local function unanswered(self)
  local one = self.current
  if one and self.asked == one and one:is_open() then
    self.asked = nil
    return one
  end
  return read_request(self)
end

--- Takes the next connection and reads its request, without an answer; accept, refuse or raw gives
-- it.
verb("request", nothing, function(self)
  self.asked = read_request(self)
  return self.asked.request
end)

local ANSWER = {
  protocol = true, extensions = true, headers = true, set = true, status = true, body = true,
  lines = true, line_end = true,
}

local function check_answer(answer)
  need_table("answer", answer)
  for name, value in pairs(answer or {}) do
    need(ANSWER[name], "answer", "protocol, extensions, headers, set, status or body", name)
    if name == "protocol" or name == "extensions" then
      need(value == false or type(value) == "string", "answer." .. name, "a string or false", value)
    elseif name == "headers" or name == "set" then
      need_table("answer." .. name, value)
    end
  end
end

-- A server that takes what the client likes best, unless the script says otherwise.
local function complete_answer(request, given)
  local answer = { lines = {} }
  for name, value in pairs(given or {}) do answer[name] = value or nil end
  if not given or given.protocol == nil then
    answer.protocol = (request.headers["sec-websocket-protocol"] or ""):match "[^,%s]+"
  end
  for name, value in pairs(answer.headers or {}) do
    answer.lines[#answer.lines + 1] = ("%s: %s"):format(name, value)
  end
  return answer
end

--- Takes the next connection and answers 101.
verb("accept", check_answer, function(self, answer)
  local one = unanswered(self)
  one:accept(complete_answer(one.request, answer))
end)

--- Takes the next connection, answers it with another status, and ends it.
verb("refuse", function(status, headers, body)
  local good = type(status) == "number" and status >= 100 and status <= 999 and status % 1 == 0
  need(good and status ~= 101, "status", "an HTTP status other than 101", status)
  need_table("headers", headers)
  need_string("body", body, true)
end, function(self, status, headers, body)
  local one = unanswered(self)
  one.link:send(handshake.http(status, headers, body))
  one:finish "fin"
end)

local FAULTS = {
  dns = "no address was found for the server's name",
  refused = "the connection was refused",
  unreachable = "there is no route to the server",
  reset = "the connection was reset by the peer",
  timeout = "no answer came in time",
  proxy = "the proxy opened no tunnel to the server",
  tls = "the TLS handshake failed",
  certificate = "certificate has expired",
}

local PHASES = { reset = "tcp", timeout = "tcp" }

--- The next attempt to connect fails before there is a connection.
verb("fail", function(name, sentence)
  need(FAULTS[name], "name",
    '"dns", "refused", "unreachable", "reset", "timeout", "proxy", "tls" or "certificate"', name)
  need_string("sentence", sentence, true)
end, function(self, name, sentence)
  self:take_dial():fail(name, sentence or FAULTS[name], PHASES[name])
end)

--- Takes the next connection and never says a word on it.
verb("ignore", nothing, function(self)
  self:take_connection().silent = true
end)

-- ---------------------------------------------------------------- what it sends

local function sender(act)
  return function(self, ...)
    local one = self:connection()
    if one:is_open() then act(one, ...) end
  end
end

--- A message.
verb("send", function(data, kind)
  need_string("data", data)
  need_kind(kind)
end, sender(function(one, data, kind)
  one:send_frame { opcode = kind or "text", payload = data }
end))

local function check_payload(data)
  need_string("data", data, true)
end

for _, name in ipairs { "ping", "pong" } do
  verb(name, check_payload, sender(function(one, data)
    one:send_frame { opcode = name, payload = data }
  end))
end

--- One frame, as legal or illegal as asked: { opcode=, payload=, fin=, rsv1=, mask=, length=, … }.
verb("frame", function(frame)
  need(type(frame) == "table", "frame", "a table such as { opcode = \"text\" }", frame)
  need(pcall(wire.frame, frame), "frame", "what wsclose.testing.wire can write", frame.opcode)
end, sender(function(one, frame) one:send_frame(frame) end))

--- Bytes as they are.
verb("raw", function(bytes)
  need_string("bytes", bytes)
end, sender(function(one, bytes) one.link:send(bytes) end))

-- ---------------------------------------------------------------- how it ends

--- The server's closing handshake: Close, the client's Close, the end.  No code: an empty Close.
verb("close", function(code, reason)
  need(code == nil or is_code(code), "code", "a whole number from 0 to 65535", code)
  need_reason(code, reason)
end, function(self, code, reason)
  local one = self:connection()
  if not one:is_open() then return end
  one:send_close(code, reason)
  self:await("the client's Close", function() return one.close or not one:is_open() end)
  one:finish "fin"
end)

--- Ends the connection without a Close.
verb("drop", nothing, function(self) self:connection():finish "fin" end)

--- Ends it with a reset.
verb("reset", nothing, function(self) self:connection():finish "reset" end)

-- ---------------------------------------------------------------- how it behaves

--- From now on nothing is answered on this connection, no ping and no Close.
verb("silence", nothing, function(self) self:connection().silent = true end)

--- From now on every message on this connection is sent back.
verb("echo", nothing, function(self) self:connection().echoes = true end)

--- From now on what is sent arrives in pieces, one every so many seconds; slow(false): as before.
verb("slow", function(bytes, seconds)
  if bytes == false then return end
  local good = type(bytes) == "number" and bytes >= 1 and bytes % 1 == 0
  need(good, "bytes", "a whole number >= 1, or false", bytes)
  need_seconds("seconds", seconds)
end, function(self, bytes, seconds)
  self:connection().link:slow(bytes or nil, bytes and seconds or nil)
end)

--- From now on the client's bytes are left unread, and no more than `room` of them are taken.
verb("hold", function(room)
  local good = room == nil or type(room) == "number" and room >= 0
  need(good, "room", "a number of bytes >= 0", room)
end, function(self, room)
  local one = self:connection()
  one.holding, one.link.room = true, room or 0
end)

--- Reads again.
verb("release", nothing, function(self)
  local one = self:connection()
  one.holding, one.link.room = nil, math.huge
end)

--- Lets seconds of the scripted clock go by.
verb("wait", function(seconds)
  need_seconds("seconds", seconds)
end, function(self, seconds)
  local due = world.time + seconds
  self:await(("%g s to go by"):format(seconds), function() return world.is_due(due) end, due)
end)

--- The verbs that follow act on this connection.
verb("use", function(index)
  need(type(index) == "number" and index >= 1 and index % 1 == 0, "index",
    "the number of a connection", index)
end, function(self, index)
  self.current = self.connections[index]
    or self:complain(("there is no connection %d yet"):format(index))
end)

-- ---------------------------------------------------------------- what it expects

-- The next of what the client sent that the script has not been given yet.
local function next_of(self, list, what)
  return self:await_client(what, function(one)
    local item = one[list][one.taken[list] + 1]
    if item ~= nil then one.taken[list] = one.taken[list] + 1 end
    return item
  end)
end

local function described(data, kind)
  if data == nil then return kind and "a " .. kind .. " message" or "a message" end
  local which = type(data) == "string" and shown(data) or "that fits"
  return ("%s %s"):format(kind or "the message", which)
end

local function fits(data, given)
  if type(data) == "function" then return data(given) end
  return data == nil or data == given
end

--- Waits for the client's next message.
verb("expect", function(data, kind)
  need(data == nil or type(data) == "string" or type(data) == "function", "data",
    "a string, a function or nil", data)
  need_kind(kind)
end, function(self, data, kind)
  local what = described(data, kind)
  local message = next_of(self, "messages", what)
  if not fits(data, message.data) or kind and kind ~= message.kind then
    self:complain(("expected %s, got %s %s"):format(what, message.kind, shown(message.data)))
  end
  return message.data, message.kind
end)

for _, name in ipairs { "ping", "pong" } do
  verb("expect_" .. name, check_payload, function(self, data)
    local what = data and ("a %s %s"):format(name, shown(data)) or "a " .. name
    local payload = next_of(self, name .. "s", what)
    if data and payload ~= data then
      self:complain(("expected %s, got %s"):format(what, shown(payload)))
    end
    return payload
  end)
end

--- Waits for the client's Close.
verb("expect_close", function(code, reason)
  need(code == nil or is_code(code), "code", "a close code", code)
  need_string("reason", reason, true)
end, function(self, code, reason)
  local one = self:connection()
  local what = code and "Close " .. code or "a Close"
  if reason then what = ("%s %s"):format(what, shown(reason)) end
  self:await(what, function() return one.close or one.ended or one.finished end)
  local close = one.close
  if not close then
    self:complain(("expected %s, but the connection ended without"):format(what))
  end
  if code and close.code ~= code or reason and close.reason ~= reason then
    self:complain(("expected %s, got Close %d %s"):format(what, close.code, shown(close.reason)))
  end
  return close.code, close.reason
end)

--- Waits until the client has ended the connection, with or without a Close.
verb("expect_end", nothing, function(self)
  local one = self:connection()
  self:await("the client to end the connection", function() return one.ended end)
end)

return server
