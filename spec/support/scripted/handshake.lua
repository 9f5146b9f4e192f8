--- The opening handshake of wsclose.testing, with the check of a request.  Sec-WebSocket-Accept is
-- worked out without wsclose's core, by OpenSSL's SHA-1, so that a fault of the core cannot hide.

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

local function header_has(request, name, word)
  local list = "," .. (request.headers[name] or ""):lower():gsub("%s+", "") .. ","
  return list:find("," .. word .. ",", 1, true) ~= nil
end

--- What is wrong with an opening handshake, RFC 6455 4.1 and 4.2.1.
---@param request wsclose.testing.Request
---@return string? fault nil: nothing
function handshake.fault(request)
  local seen = {}
  for _, header in ipairs(request.header_list) do
    local name = header[1]:lower()
    if name ~= "sec-websocket-protocol" and name ~= "sec-websocket-extensions" and seen[name] then
      return header[1] .. " stands there twice"
    end
    seen[name] = true
  end
  if request.method ~= "GET" or request.version ~= "HTTP/1.1" then
    return "the request line is not GET … HTTP/1.1"
  elseif (request.headers.host or "") == "" then
    return "no Host"
  elseif not header_has(request, "upgrade", "websocket") then
    return "Upgrade does not name websocket"
  elseif not header_has(request, "connection", "upgrade") then
    return "Connection does not name Upgrade"
  elseif request.headers["sec-websocket-version"] ~= "13" then
    return "Sec-WebSocket-Version is not 13"
  elseif #request.key ~= 24 or not request.key:find "^[%w+/]+==$" then
    return "Sec-WebSocket-Key is not 16 bytes in base64"
  end
end

return handshake
