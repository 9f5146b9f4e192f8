--- wsclose: the WebSocket client that always knows why a connection closed and what to do next.
--
--     local wsclose = require "wsclose"
--     local ws = assert(wsclose.connect("wss://feed.example/v1"))
--     ws:send("hello")
--     for data, kind in ws:messages() do print(kind, data) end
--     print(ws.close_code, ws.close_reason)

local core = require "wsclose.core"
local client = require "wsclose.client"
local close_codes = require "wsclose.close_codes"
local close_info = require "wsclose.close_info"
local many = require "wsclose.many"
local options = require "wsclose.options"
local retry = require "wsclose.retry"
local writer = require "wsclose.writer"

local wsclose = { _VERSION = "wsclose " .. core.version }

core.finish_close_info = close_info.finish

wsclose.codes = close_codes.codes
wsclose.explain = close_codes.explain
wsclose.compare = close_codes.compare

--- A backoff policy, usable without a socket.
---@param given? wsclose.RetryOptions|true
---@return wsclose.RetryPolicy
function wsclose.retry(given)
  return retry.new(given, { clock = core.now })
end

--- A client; nothing is connected before its first update, run or receive.
---@param url string ws://, wss://, ws+unix:// or wss+unix://
---@param given? wsclose.Options unknown names and wrong values raise
---@return wsclose.Client?
---@return string? sentence when the URL is faulty
---@return string? name "url"
function wsclose.new(url, given)
  local settings, callbacks = options.check_arguments(url, given)
  local ws, sentence, name = client.new(url, settings, callbacks, given and given.headers)
  return ws, sentence, name
end

--- A client that is open: connects and waits, each attempt limited by timeouts.connect; with the
-- option retry it goes on as the policy says.
---@param url string
---@param given? wsclose.Options
---@return wsclose.Client?
---@return string? sentence why not
---@return string? name "timeout", "dns", "refused", "http", "tls", …, "url"
---@return wsclose.CloseInfo? info
function wsclose.connect(url, given)
  client.check_may_wait("wsclose.connect", 2)
  local settings, callbacks = options.check_arguments(url, given)
  return client.opened(client.new(url, settings, callbacks, given and given.headers))
end

--- The time on the clock of clients that were not given the option clock: it never goes back.
---@return number seconds
function wsclose.now()
  return client.now()
end

wsclose.group = many.group
wsclose.update = many.update
wsclose.run = many.run

-- ---------------------------------------------------------------- without a socket

core.protocol_methods.send_fragments = function(p, kind)
  core.protocol_methods.state(p) -- raises for what is no protocol object
  local made = writer.new(core.protocol_methods.send_fragment, p, kind)
  return made
end

---@class wsclose.Protocol
---@field input fun(p, bytes: string): boolean what came; false: nothing is read any more
---@field eof fun(p, fault?: string, sentence?: string) the transport ended: in order, or by
---  "reset", "timeout", "dns", "refused", "unreachable", "proxy", "tls", "certificate", "cancelled"
---@field output fun(p, max?: integer): string the bytes to write, at most `max`; "" for none
---@field finished fun(p): boolean the transport is to be closed now
---@field tick fun(p, now: number, looked?: number): number? tells the time in seconds on any
---  monotonic clock, and that all that came before `looked` (default: now) was handed in; gives the
---  next deadline, or nil
---@field skip fun(p) what came is read without events; only the peer's Close counts from now on
---@field depart fun(p, left: boolean) the transport is closed here, and all that output gave has
---  left or not; "close" is the next event
---@field next fun(p): ... the next event: "open" | "message", data, kind | "ping", data |
---  "pong", data, rtt | "frame", direction, frame | "close", code, reason, info | nil; with the
---  option pieces "piece", data, kind, last in the place of "message"
---@field send fun(p, data: string, kind?, options?): boolean?, string?, string? as ws:send
---@field send_fragments fun(p, kind?): wsclose.Writer
---@field ping fun(p, data?: string): boolean?, string?, string?
---@field close fun(p, code?: integer, reason?: string): true
---@field state fun(p): "connecting"|"open"|"closing"|"closed"
---@field protocol fun(p): string? the subprotocol chosen
---@field info fun(p): table protocol, extensions, headers and status of the handshake
---@field stats fun(p): table<string, number>
---@field buffered fun(p): integer bytes that output would give
---@field leave fun(p) gives all memory back; safe to repeat

--- The connection without a socket: the program carries the bytes.  In a loop: p:input(bytes) what
-- came (p:eof() at the end), p:tick(now), take p:next() until nil, write p:output().
---@param url? string nil with role = "server"
---@param given? wsclose.Options what is about the network is ignored; role = "server": the other
---  side of a connection
---@return wsclose.Protocol?
---@return string? sentence
---@return string? name "url"
function wsclose.protocol(url, given)
  local settings = options.check_arguments(url, given, true)
  local config = {}
  for name, value in pairs(settings.config) do config[name] = value end
  if not config.server then
    local scheme, sentence, name = options.check_url(url)
    if not scheme then return nil, sentence, name end
    config.url, config.headers = url, settings.headers
  end
  return core.protocol(config, settings.random_bytes)
end

return wsclose
