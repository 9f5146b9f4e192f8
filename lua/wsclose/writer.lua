--- One message sent in pieces, RFC 6455 5.4: what send_fragments gives.

local writer = {}

---@class wsclose.Writer
local Writer = {}
Writer.__index = Writer

local KINDS = { text = "text", binary = "binary", [1] = "text", [2] = "binary" }

local function check_data(data)
  if type(data) == "string" then return end
  error("expected a string to send, got " .. type(data), 3)
end

local function write(self, data, fin)
  if self.done then return nil, "the message is finished", "state" end
  if self.is_stale and self.is_stale() then
    return nil, "the connection on which the message began has ended", "state"
  end
  return self.send_fragment(self.target, data, self.kind, fin)
end

--- Sends the next piece.  A piece of a text may end within a character.
---@param data string
---@return boolean? ok
---@return string? sentence
---@return string? name "state", "busy", "too_big" or "utf8"; the same or another piece may follow
function Writer:write(data)
  check_data(data)
  return write(self, data, false)
end

--- Ends the message, with a last piece if there is one.
---@param data? string
---@return boolean? ok
---@return string? sentence
---@return string? name
function Writer:finish(data)
  if data ~= nil then check_data(data) end
  local ok, sentence, name = write(self, data or "", true)
  if ok then self.done = true end
  return ok, sentence, name
end

--- A writer over anything with the core's send_fragment(target, data, kind, fin).
---@param send_fragment function
---@param target userdata
---@param kind? "text"|"binary"|1|2
---@param is_stale? fun(): boolean has the connection gone on which the message began?
---@return wsclose.Writer
function writer.new(send_fragment, target, kind, is_stale)
  local name = KINDS[kind == nil and "text" or kind]
  if not name then
    local line = 'expected the kind "text", "binary", 1 or 2, got %s'
    error(line:format(tostring(kind)), 3)
  end
  return setmetatable({
    send_fragment = send_fragment, target = target, kind = name, is_stale = is_stale,
  }, Writer)
end

return writer
