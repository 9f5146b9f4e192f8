--- How a cosocket of nginx gets to a server: by TCP or a unix socket, maybe through the tunnel of a
-- proxy, and over TLS.

local ngx = ngx -- luacheck: globals ngx

local core = require "wsclose.core"
local tls = require "wsclose.openresty_tls"

local READ_SIZE = 4096

local dial = {}

-- ---------------------------------------------------------------- by which way

local NO_TLS_WITHIN = "a proxy reached over https:// would need TLS within TLS, which cosockets "
  .. "cannot do: use an http:// or socks5h:// proxy"
local NO_NAMES = "a proxy of socks5:// wants an address, and cosockets look up no names for "
  .. "others: use socks5h://, which looks %s up itself, or the option resolve"

local NO_ZONES = "cosockets dial no IPv6 address with a zone"

--- Why a proxy cannot be used, or nil.
---@param proxy string URL
---@return string?
function dial.proxy_fault(proxy)
  return proxy:lower():find "^https://" and NO_TLS_WITHIN or nil
end

local function address_of(handle, host)
  for _, entry in ipairs(handle.config.resolve or {}) do
    if entry.host:lower() == host then
      return entry.addresses[(handle.attempts - 1) % #entry.addresses + 1]
    end
  end
  return host
end

local function is_address(host)
  return host:find ":" ~= nil or host:find "^[%d.]+$" ~= nil
end

--- Finds the way to a server, before anything is connected.
---@param handle wsclose.Carried gets the field `tunnel`; false: there is no proxy
---@param url string
---@return boolean? ok
---@return string? sentence
---@return string? name
function dial.prepare(handle, url)
  local config, host = handle.config, core.split(url)
  if host and host:find("%", 1, true) then return nil, NO_ZONES, "unreachable" end
  local address = host and address_of(handle, host)
  local tunnel, sentence, name = core.tunnel(url, config.proxy, config.proxy_headers, address)
  if tunnel == nil then return nil, sentence, name end
  if tunnel then
    local _, _, secure, wants_address = tunnel:next_hop()
    if secure then return nil, NO_TLS_WITHIN, "proxy" end
    if wants_address and not is_address(address) then
      return nil, NO_NAMES:format(host), "proxy"
    end
  end
  handle.tunnel = tunnel
  return true
end

-- ---------------------------------------------------------------- step by step
--
-- Each step gives something true, or nil and the fault as Handle:fail has it:
-- { name, sentence, phase, status }.

local TCP_FAULTS = { timeout = "timeout", ["connection refused"] = "refused" }

local function tcp_fault(fault)
  if TCP_FAULTS[fault] then return TCP_FAULTS[fault], "tcp" end
  if fault:find "resolve" then return "dns", "dns" end
  return (fault:find "unreachable" or fault:find "route") and "unreachable" or "reset", "tcp"
end

local function limit_time(handle, sock)
  local left = tls.milliseconds(handle.connect_at - handle.now())
  sock:settimeouts(left, left, left)
end

-- What info() is to tell of the peer.
local function connect_tcp(handle, sock, host, port)
  local address = address_of(handle, host)
  limit_time(handle, sock)
  local ok, fault = sock:connect(address:find ":" and "[" .. address .. "]" or address, port)
  if ok then
    sock:setoption("tcp-nodelay", handle.config.nodelay == false and 0 or 1)
    return { address = is_address(address) and address or nil, port = port }
  end
  local name, phase = tcp_fault(fault)
  local label = handle.tunnel and "the proxy " .. host or host
  return nil, { name, ("no connection to %s: %s"):format(label, fault), phase }
end

local function connect_unix(handle, sock, path)
  limit_time(handle, sock)
  local ok, fault = sock:connect("unix:" .. path)
  if ok then return { address = path, port = 0 } end
  return nil, { tcp_fault(fault), ("no connection to %s: %s"):format(path, fault), "tcp" }
end

-- Writes what there is, else reads: what has come, or nil and nginx's word for the fault.
local function exchange(sock, bytes)
  if bytes == "" then return sock:receiveany(READ_SIZE) end
  local sent, fault = sock:send(bytes)
  return sent and "", fault
end

-- The tunnel's own first bytes.
local function open_tunnel(handle, sock, host, proxy)
  local tunnel = handle.tunnel
  local first, sentence, _, status = tunnel:input ""
  while first == false do
    limit_time(handle, sock)
    local bytes, fault = exchange(sock, tunnel:output())
    if bytes then
      first, sentence, _, status = tunnel:input(bytes)
    elseif fault == "closed" then
      first, sentence = tunnel:eof()
    elseif fault == "timeout" then
      sentence = "the proxy %s opened no tunnel to %s within %g s"
      return nil, { "timeout", sentence:format(proxy, host, handle.connect_limit), "proxy" }
    else
      return nil, { "reset", "the connection to the proxy broke: " .. fault, "proxy" }
    end
  end
  if first then return first end
  return nil, { "proxy", sentence, "proxy", status }
end

local function connect_by_proxy(handle, sock, host)
  local proxy, port = handle.tunnel:next_hop()
  local about, fault = connect_tcp(handle, sock, proxy, port)
  if not about then return nil, fault end
  local first, refusal = open_tunnel(handle, sock, host, proxy)
  if not first then return nil, refusal end
  return about, nil, first ~= "" and first or nil
end

local function open(handle, sock)
  local host, port, secure, path = core.split(handle.url)
  local about, fault, chunk
  if path then
    about, fault = connect_unix(handle, sock, path)
  elseif handle.tunnel then
    about, fault, chunk = connect_by_proxy(handle, sock, host)
  else
    about, fault = connect_tcp(handle, sock, host, port)
  end
  if about and secure then
    if chunk then -- cosockets take no bytes back
      return nil, { "tls", "the proxy sent bytes before the TLS handshake", "tls" }
    end
    about.tls, fault = tls.handshake(handle, sock, host, port)
  end
  if fault then return nil, fault end
  return { sock = sock, about = about, chunk = chunk }
end

--- Connects.
---@param handle wsclose.Carried
---@return table? stream with `sock`, `about` for info(), and `chunk` where something has come
---@return table? fault
function dial.open(handle)
  local sock = ngx.socket.tcp()
  local stream, fault = open(handle, sock)
  handle.tunnel = nil
  if not stream then sock:close() end
  return stream, fault
end

return dial
