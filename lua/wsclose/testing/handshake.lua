--- The opening handshake of WebSocket, seen from a server (RFC 6455 4).
--
-- Reads a client's request and writes the answer, valid or altered at will.

local core = require "wsclose.core"
local options = require "wsclose.options"

local handshake = {}

---@class wsclose.testing.Request
---@field method string
---@field target string
---@field version string "HTTP/1.1"
---@field headers table<string, string> by lower-case name; repeated ones joined by ", "
---@field header_list string[][] name and value as they stand, in order
---@field head string all of it, as received
---@field key string of Sec-WebSocket-Key, or ""

local function read_headers(lines, request)
  for name, padded in lines:gmatch "([^:\r\n]+):[ \t]*([^\r\n]*)\r\n" do
    local value, key = padded:gsub("[ \t]+$", ""), name:lower()
    request.header_list[#request.header_list + 1] = { name, value }
    local before = request.headers[key]
    request.headers[key] = before and before .. ", " .. value or value
  end
end

--- Reads the head of a request.
---@param bytes string
---@return wsclose.testing.Request? request nil: the blank line has not come yet
---@return string? rest what stands behind the head
function handshake.read(bytes)
  local _, head_end = bytes:find("\r\n\r\n", 1, true)
  if not head_end then
    return nil
  end
  local head = bytes:sub(1, head_end)
  local method, target, version, headers_at = head:match "^(%S+) (%S+) (HTTP/%d%.%d)\r\n()"
  local request = { head = head, headers = {}, header_list = {} }
  request.method, request.target, request.version = method or "", target or "", version or ""
  read_headers(head:sub(headers_at or 1, -3), request)
  request.key = request.headers["sec-websocket-key"] or ""
  return request, bytes:sub(head_end + 1)
end

--- As a server made of wsclose's core answers.
---@param request wsclose.testing.Request a valid one
---@return string value of Sec-WebSocket-Accept, RFC 6455 4.2.2
function handshake.accept(request)
  local server = core.protocol(options.read({ role = "server", extensions = {} }).config)
  server:input(request.head)
  server:next()
  return server:output():match "\r\nSec%-WebSocket%-Accept: (%S+)\r\n"
end

---@class wsclose.testing.Answer what differs from a plain valid 101
---@field status? string the status line, without its line end
---@field protocol? string adds Sec-WebSocket-Protocol
---@field extensions? string adds Sec-WebSocket-Extensions
---@field set? table<string, string|false> replaces `Upgrade`, `Connection`, `Sec-WebSocket-Accept`;
--- false leaves it out
---@field lines? string[] further header lines, as they are to stand (folded, odd, broken)
---@field line_end? string default CRLF
---@field body? string bytes that follow in the same segment: frames, the body of a refusal

--- The answer to a handshake.
---@param request wsclose.testing.Request
---@param answer? wsclose.testing.Answer
---@return string bytes
function handshake.answer(request, answer)
  answer = answer or {}
  local set = answer.set or {}
  local lines = { answer.status or "HTTP/1.1 101 Switching Protocols" }
  local function add(name, value)
    if value then
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  local function own(name, value)
    if set[name] ~= nil then
      value = set[name]
    end
    add(name, value)
  end
  own("Upgrade", "websocket")
  own("Connection", "Upgrade")
  own("Sec-WebSocket-Accept", set["Sec-WebSocket-Accept"] == nil and handshake.accept(request))
  add("Sec-WebSocket-Protocol", answer.protocol)
  add("Sec-WebSocket-Extensions", answer.extensions)
  for _, line in ipairs(answer.lines or {}) do
    lines[#lines + 1] = line
  end
  local line_end = answer.line_end or "\r\n"
  return table.concat(lines, line_end) .. line_end .. line_end .. (answer.body or "")
end

--- A plain HTTP answer, such as a refusal.
---@param status integer|string 503, or "503 Service Unavailable"
---@param headers? table<string, string>|string[] by name, or whole lines
---@param body? string
---@return string bytes
function handshake.http(status, headers, body)
  local lines = { "HTTP/1.1 " .. (tonumber(status) and status .. " Status" or status) }
  for name, value in pairs(headers or {}) do
    lines[#lines + 1] = type(name) == "number" and value or name .. ": " .. value
  end
  if body then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

return handshake
