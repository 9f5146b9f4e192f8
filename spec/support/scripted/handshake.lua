--- The opening handshake of wsclose.testing, but for Sec-WebSocket-Accept: here it is worked out
-- without wsclose's core, by OpenSSL's SHA-1, so that a fault of the core cannot hide.

local mime = require "mime"
local shipped = require "wsclose.testing.handshake"

local handshake = setmetatable({}, { __index = shipped })

--- SHA-1 of a string, as 20 bytes.  OpenSSL's, through the test-only module; replaceable.
---@type fun(bytes: string): string
function handshake.sha1(bytes)
  return require("wsclose.core_testing").sha1(bytes)
end

---@param key string the value of Sec-WebSocket-Key
---@return string value of Sec-WebSocket-Accept, RFC 6455 4.2.2
function handshake.accept(key)
  return (mime.b64(handshake.sha1(key .. "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
end

--- The answer to a handshake.
---@param request wsclose.testing.Request
---@param answer? wsclose.testing.Answer
---@return string bytes
function handshake.answer(request, answer)
  local all = {}
  for name, value in pairs(answer or {}) do
    all[name] = value
  end
  local set = { ["Sec-WebSocket-Accept"] = handshake.accept(request.key) }
  for name, value in pairs(all.set or {}) do
    set[name] = value
  end
  all.set = set
  return shipped.answer(request, all)
end

return handshake
