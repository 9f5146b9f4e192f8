--- Where a redirected handshake leads, RFC 9110 10.2.2 and 15.4; pure functions.

local core = require "wsclose.core"
local shown_url = require("wsclose.close_info").shown_url

local redirect = {}

local STATUSES = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

local SCHEMES = { http = "ws", https = "wss", ws = "ws", wss = "wss" }

-- Meant for one server; another one must not see them, nor be proved by them.
local CREDENTIALS =
  { authorization = true, cookie = true, host = true, ["proxy-authorization"] = true }
local IDENTITY = { cert = true, key = true, password = true, server_name = true, pin = true }

--- Does this status ask the client to go elsewhere?
---@param status integer
---@return boolean
function redirect.is_redirect(status)
  return STATUSES[status] == true
end

-- RFC 3986 5.2.4, for paths that begin with "/".
local function without_dots(path)
  local segments, ends_open = {}, path:match "/%.%.?$" ~= nil
  for segment in path:gmatch "[^/]+" do
    if segment == ".." then
      segments[#segments] = nil
    elseif segment ~= "." then
      segments[#segments + 1] = segment
    end
  end
  local joined = "/" .. table.concat(segments, "/")
  local open = (ends_open or path:sub(-1) == "/") and joined ~= "/"
  return open and joined .. "/" or joined
end

-- Scheme and authority, path and query of a URL.
local FRONT, REST = "^%a+://[^/?]*", "^%a+://[^/?]*([^?]*)(.*)$"

-- RFC 3986 5.2.2; nil: what it leads to is no WebSocket or HTTP URL.
local function resolved(base, reference)
  reference = reference:gsub("#.*$", "")
  local scheme, rest = reference:match "^(%a[%w+.-]*):(.*)$"
  if scheme then
    scheme = SCHEMES[scheme:lower()]
    return scheme and rest:find "^//" and scheme .. ":" .. rest
  end
  local front, path = base:match(FRONT), base:match(REST)
  if reference:find "^//" then return front:match("^%a+:"):lower() .. reference end
  if reference == "" then return base end
  if reference:find "^%?" then return front .. path .. reference end
  if reference:find "^/" then return front .. reference end
  return front .. (path:match "^.*/" or "/") .. reference
end

--- What tells a server from others: scheme, host and port.
---@param url string
---@return string? origin nil: it is no WebSocket URL
---@return string? sentence
function redirect.origin(url)
  local host, port, secure, path = core.split(url)
  if not host then return nil, port end
  return ("%s %s %d"):format(secure and "wss" or "ws", path or host, port)
end

--- The URL that an answer's Location leads to.
---@param url string of the request
---@param location? string as it stands in the answer
---@return string? url nil: it may not be followed
---@return string? sentence
function redirect.target(url, location)
  if not location or location == "" then
    return nil, "the redirect does not say where to (Location is missing)"
  end
  local _, _, secure, on_socket = core.split(url)
  if on_socket then return nil, "a redirect cannot be followed over a unix socket" end
  local target = resolved(url, location)
  if not target then
    return nil, ("the redirect leads to %s, which is no WebSocket or HTTP URL"):format(
      shown_url(location))
  end
  local origin, sentence = redirect.origin(target)
  if not origin then
    return nil, ("the redirect leads to %s: %s"):format(shown_url(target), sentence)
  end
  if secure and not origin:find "^wss" then
    return nil, ("the redirect leads from wss to %s, which is not encrypted"):format(
      shown_url(location))
  end
  local front = (origin == redirect.origin(url) and url or target):match(FRONT) -- with its userinfo
  local path, query = target:match(REST)
  return front .. (path == "" and "/" or without_dots(path)) .. query
end

--- The headers that another origin may be shown.
---@param flat? string[] name, value, name, value
---@return string[]?
function redirect.headers(flat)
  local kept = flat and {}
  for i = 1, flat and #flat or 0, 2 do
    if not CREDENTIALS[flat[i]:lower()] then
      kept[#kept + 1] = flat[i]
      kept[#kept + 1] = flat[i + 1]
    end
  end
  return kept
end

--- The settings that hold for another origin: who the client is, and who the first server is, is
-- left out.
---@param config table as the core is given it
---@return table
function redirect.config(config)
  local copy, tls = {}, {}
  for name, value in pairs(config) do copy[name] = value end
  for name, value in pairs(config.tls or {}) do
    if not IDENTITY[name] then tls[name] = value end
  end
  copy.tls, copy.headers = tls, redirect.headers(config.headers)
  return copy
end

return redirect
