--- Where a redirected handshake leads, RFC 9110 10.2.2 and 15.4; pure functions.

local shown_url = require("wsclose.close_info").shown_url

local redirect = {}

local STATUSES = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

local SCHEMES = { http = "ws", https = "wss", ws = "ws", wss = "wss" }

local DEFAULT_PORTS = { ws = "80", wss = "443" }

-- Meant for one server; another one must not see them, nor be proved by them.
local CREDENTIALS = { authorization = true, cookie = true, ["proxy-authorization"] = true }
local IDENTITY = { cert = true, key = true, password = true, server_name = true, pin = true }

--- Does this status ask the client to go elsewhere?
---@param status integer
---@return boolean
function redirect.is_redirect(status)
  return STATUSES[status] == true
end

local function split(url)
  local scheme, authority, rest = url:match "^(%a[%w+.-]*)://([^/?#]*)(.*)$"
  if not scheme then return nil end
  local path, query = rest:match "^([^?#]*)(%??[^#]*)"
  return { scheme = scheme:lower(), authority = authority, path = path, query = query }
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

-- RFC 3986 5.2.2.
local function resolved(base, reference)
  if reference:match "^%a[%w+.-]*:" then return split(reference) end
  if reference:match "^//" then return split(base.scheme .. ":" .. reference) end
  local path, query = reference:match "^([^?#]*)(%??[^#]*)"
  local target = { scheme = base.scheme, authority = base.authority, path = path, query = query }
  if path == "" then
    target.path = base.path
    if query == "" then target.query = base.query end
  elseif path:sub(1, 1) ~= "/" then
    target.path = (base.path:match "^(.*/)" or "/") .. path
  end
  return target
end

local function origin(parts)
  local scheme, authority = SCHEMES[parts.scheme], parts.authority:gsub("^.*@", "")
  local host = authority:match "^%[[^%]]*%]" or authority:match "^[^:]*"
  local port = authority:match("^:0*(%d+)$", #host + 1) or DEFAULT_PORTS[scheme]
  return scheme .. "://" .. host:lower() .. ":" .. port
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
  local base = split(url)
  if not SCHEMES[base.scheme] then
    return nil, "a redirect cannot be followed over a unix socket"
  end
  local target = resolved(base, location)
  local scheme = target and SCHEMES[target.scheme]
  if not scheme then
    return nil, ("the redirect leads to %s, which is no WebSocket or HTTP URL"):format(
      shown_url(location))
  end
  if base.scheme == "wss" and scheme == "ws" then
    return nil, ("the redirect leads from wss to %s, which is not encrypted"):format(
      shown_url(location))
  end
  if origin(target) == origin(base) then target.authority = base.authority end -- with its userinfo
  local path = target.path == "" and "/" or without_dots(target.path)
  return scheme .. "://" .. target.authority .. path .. target.query
end

--- Is it the same server, by scheme, host and port?
---@param from string URL
---@param to string URL
---@return boolean
function redirect.is_same_origin(from, to)
  return origin(split(from)) == origin(split(to))
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
