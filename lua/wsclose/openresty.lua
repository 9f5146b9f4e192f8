--- The client in nginx (ngx_lua, OpenResty): the protocol object over cosockets, no socket of ours.
--
--     local wsclose = require "wsclose.openresty"
--     local ws = assert(wsclose.connect("wss://feed.example/v1", { retry = true }))
--     ws:send "hello"
--     for data, kind in ws:messages() do ngx.say(kind, " ", data) end
--
-- Wherever cosockets are: rewrite, access, content, timers.  Everything that waits lets the worker
-- do other work.  One light thread may receive while others send.  When the worker exits (reload,
-- quit) each connection that a light thread receives on or runs is closed with 1001.  See
-- docs/hosts/openresty.md.

local ngx = ngx -- luacheck: globals ngx

local close_info = require "wsclose.close_info"
local core = require "wsclose.core"
local options = require "wsclose.options"
local retry = require "wsclose.retry"
local wsclose = require "wsclose"

local READ_SIZE, WRITE_SIZE = 65536, 262144

-- How often a light thread that waits looks whether the worker exits, or close() was called.
local LOOK = 1

local FOREVER = math.huge

-- What nginx itself decides, or this file leaves out: better refused than silently ignored.
local UNSUPPORTED = {
  proxy = "not supported over cosockets",
  redirects = "not supported over cosockets",
  outbox = "not supported over cosockets",
  bind = "not supported over cosockets",
  family = "the directive resolver says which addresses are asked for (ipv6=off)",
  clock = "nginx has a clock of its own",
}

local TLS_SUPPORTED = { verify = true, server_name = true }

-- ---------------------------------------------------------------- one connection

---@class wsclose.openresty.Link
---@field p wsclose.Protocol
---@field sock? table the cosocket, once connected
---@field writing? boolean a light thread is in its send
---@field aside? thread writes for the reader
---@field aside_parent? thread

local function milliseconds(seconds)
  return math.floor(math.max(0.001, math.min(seconds, 86400)) * 1000 + 0.5)
end

-- A cosocket belongs to the request, or timer, that made it.
local function is_ours(sock)
  return (pcall(sock.send, sock, ""))
end

-- Writes what waits.  One light thread writes at a time, and also what others queue meanwhile; what
-- another request queues is written by the light thread that receives, at its next look.
local function flush(link)
  local sock = link.sock
  if not sock or link.writing or not is_ours(sock) then return end
  link.writing = true
  local bytes = link.p:output(WRITE_SIZE)
  while bytes ~= "" do
    local sent = sock:send(bytes)
    -- the reader meets the fault too, behind a Close that may still be there to be read
    bytes = sent and link.p:output(WRITE_SIZE) or ""
  end
  link.writing = nil
end

-- A light thread that has ended is kept by nginx until its parent waits for it, or ends.
local function reap(link)
  local aside = link.aside
  if not aside or link.writing then return end
  link.aside = nil
  if link.aside_parent == coroutine.running() then ngx.thread.wait(aside) end
end

-- For the reader, who must not wait for a peer that may wait for it.
local function flush_aside(link)
  reap(link)
  if link.writing or link.p:buffered() == 0 then return end
  link.aside, link.aside_parent = ngx.thread.spawn(flush, link), coroutine.running()
  reap(link)
end

local function disconnect(link)
  local sock = link.sock
  link.sock = nil
  if not sock then return end
  if link.writing and link.aside and link.aside_parent == coroutine.running() then
    ngx.thread.kill(link.aside)
  end
  sock:close() -- refused while another light thread writes: the end of its request closes it
end

local function patience(timeouts, name, default)
  local seconds = timeouts and timeouts[name] or default
  return seconds > 0 and seconds or FOREVER
end

-- Waits for bytes, a deadline or `due`, whichever is first.
local function pump(self, link, due)
  local p, sock, time = link.p, link.sock, core.now()
  local deadline = p:tick(time, 0)
  flush_aside(link)
  if not sock or p:finished() then
    disconnect(link)
    p:eof()
    return
  end
  local seconds = math.min(LOOK, (deadline or FOREVER) - time, due - time)
  sock:settimeouts(nil, milliseconds(self._send_timeout), milliseconds(seconds))
  local bytes, fault = sock:receiveany(READ_SIZE)
  if bytes then
    p:input(bytes)
  elseif fault == "closed" then
    p:eof()
  elseif fault ~= "timeout" then
    p:eof("reset", "the connection was lost: " .. tostring(fault))
  elseif self._connect_due and core.now() >= self._connect_due then
    p:eof("timeout", "the server did not answer the handshake in time")
  end
  p:tick(core.now(), time) -- what came before the look was handed in
end

-- ---------------------------------------------------------------- connecting

-- scheme, host, port of a checked URL; host is a path where the scheme says unix.
local function split(url)
  local scheme, rest = url:match "^([^:]+)://(.*)$"
  scheme = scheme:lower()
  if scheme:find "unix" then return scheme, (rest:match "^[^:]*") end
  local authority = rest:match "^[^/?#]*":gsub("^.*@", "")
  local host = authority:match "^%[(.-)%]" or authority:match "^[^:]*"
  local port = authority:match ":(%d+)$" or (scheme == "wss" and "443" or "80")
  return scheme, host, tonumber(port)
end

local function address_of(self, host)
  for _, entry in ipairs(self._settings.config.resolve or {}) do
    if entry.host:lower() == host:lower() then
      host = entry.addresses[(self._attempt - 1) % #entry.addresses + 1]
    end
  end
  return host:find(":", 1, true) and "[" .. host .. "]" or host
end

local TCP_FAULTS = { timeout = "timeout", ["connection refused"] = "refused" }

local function tcp_fault(fault)
  if TCP_FAULTS[fault] then return TCP_FAULTS[fault] end
  if fault:find "resolve" then return "dns" end
  return fault:find "unreachable" and "unreachable" or fault:find "route" and "unreachable"
    or "reset"
end

local function tls_fault(fault)
  if fault == "timeout" then return "timeout" end
  return (fault:find "certificate" or fault:find "^%d+:") and "certificate" or "tls"
end

-- TCP: true, or what p:eof is to be told.
local function connect_tcp(self, sock, scheme, host, port, seconds)
  sock:settimeouts(milliseconds(seconds), nil, nil)
  local ok, fault
  if scheme:find "unix" then
    ok, fault = sock:connect("unix:" .. host)
  else
    ok, fault = sock:connect(address_of(self, host), port)
  end
  if ok then return true end
  return nil, tcp_fault(fault), ("no connection to %s: %s"):format(host, fault)
end

local function connect_tls(self, sock, host, seconds)
  local tls = self._given.tls or {}
  sock:settimeouts(milliseconds(seconds), milliseconds(seconds), milliseconds(seconds))
  local name = tls.server_name or host
  local returned, session, fault =
    pcall(sock.sslhandshake, sock, self._session, name, tls.verify ~= false)
  if returned and session then
    self._session = session
    return true
  end
  -- resty.core 0.1.25 asserts where the certificate is refused at the handshake's last step
  fault = returned and tostring(fault) or "the certificate was refused"
  return nil, tls_fault(fault), ("TLS with %s: %s"):format(host, fault)
end

local function dial(self, link, url)
  local timeouts, began = self._given.timeouts, core.now()
  local due = began + patience(timeouts, "connect", 10)
  local scheme, host, port = split(url)
  local sock = ngx.socket.tcp()
  local ok, name, sentence = connect_tcp(self, sock, scheme, host, port, due - began)
  if ok and scheme:find "^wss" then
    local seconds = math.min(patience(timeouts, "tls", 5), due - core.now())
    ok, name, sentence = connect_tls(self, sock, host, seconds)
  end
  if ok then
    link.sock, self._connect_due = sock, due
  else
    sock:close()
    link.p:eof(name, sentence)
  end
end

-- ---------------------------------------------------------------- the client

---@class wsclose.openresty.Client names and returns as of wsclose.Client
---@field url string
---@field headers? table
---@field close_code? integer
---@field close_reason? string
---@field close_info? wsclose.CloseInfo
local Client = {}
Client.__index = Client

local function not_retried(self, info)
  if self._stopping then
    return close_info.not_retried(info, "the program closed it, or the worker exits")
  end
  return retry.unasked(info)
end

local function decide(self, info, came_in)
  local policy = self._settings.retry
  if self._stopping or not policy then return nil, not_retried(self, info) end
  policy:closed(came_in)
  local ok, delay, refused = pcall(policy.next, policy, info.code, info)
  if ok then return delay, refused end
  return policy.delay, policy.refused, { delay } -- as attempt.lua: it has answered without it
end

-- An attempt has ended: written down first, then the program is told.
local function ended(self, link, info)
  local time = core.now()
  local _, _, frames_in = link.p:progress()
  disconnect(link)
  self._link, self._state, self._connect_due = nil, "closed", nil
  self.close_code, self.close_reason, self.close_info = info.code, info.reason, info
  info.url, info.attempt, info.duration = self._url, self._attempt, time - self._began
  local came_in = (frames_in or 0) > (info.received and 1 or 0)
  local delay, refused, raised = decide(self, info, came_in)
  info.retry_in, info.retry_refused = delay, not delay and refused or nil
  if info.retry_in then self._state, self._due = "waiting", time + info.retry_in end
  local on_close = self.on_close
  if on_close then on_close(self, info.code, info.reason, info) end
  if self._state == "waiting" and self.on_retry then self:on_retry(info.retry_in, info) end
  if raised then error(raised[1], 0) end
end

local function opened(self)
  local policy = self._settings.retry
  if policy then policy:opened() end
  self._connect_due = nil
  self.close_code, self.close_reason, self.close_info = nil, nil, nil
  if self.on_open then self:on_open(self:info()) end
end

-- The options of one attempt; raises for what before_connect may not give.
local function protocol_of(self, changed)
  local given = {}
  for name, value in pairs(self._given) do given[name] = value end
  given.headers, given.retry = changed.headers or self.headers, nil
  given.protocols = changed.protocols or given.protocols
  self._url = changed.url or self.url
  local p, sentence = wsclose.protocol(self._url, given)
  return p or error("before_connect: " .. sentence, 0)
end

-- An error in before_connect leaves everything as it was: the next call asks again.
local function begin(self)
  local attempt, changed, why = self._attempt + 1, nil, nil
  if self.before_connect then changed, why = self:before_connect(attempt) end
  if self._state == "closed" then return end
  local link = { p = protocol_of(self, changed or {}) }
  self._attempt, self._began, self._state, self._link = attempt, core.now(), "running", link
  if changed == nil and why ~= nil then
    link.p:eof("cancelled", "before_connect gave up: " .. tostring(why))
  else
    dial(self, link, self._url)
  end
end

-- The worker exits: say so to the server; there will be no further attempt.
local function look_at_worker(self)
  if ngx.worker.exiting() and not self._stopping then
    self:close(1001, "the worker exits")
  end
end

-- Goes on until there is an event, `due` has come or the client is closed for good.
local function next_event(self, due)
  while self._state ~= "closed" do
    look_at_worker(self)
    local link, time = self._link, core.now()
    if link then
      local event, a, b, c = link.p:next()
      if event then return event, a, b, c end
      if time >= due then return nil end
      pump(self, link, due)
    elseif self._state == "waiting" and time < self._due then
      if time >= due then return nil end
      ngx.sleep(math.max(0.001, math.min(LOOK, self._due - time, due - time)))
    elseif self._state ~= "closed" then
      begin(self)
    end
  end
end

local function handle(self, event, a, b, c)
  if event == "open" then
    opened(self)
  elseif event == "close" then
    ended(self, self._link, c)
  else
    local callback = self["on_" .. event]
    if callback then callback(self, a, b) end
  end
end

-- ---------------------------------------------------------------- one light thread at a time

local function release(self, ok, ...)
  self._taken = nil
  if not ok then error((...), 0) end
  return ...
end

-- Two light threads cannot read from one cosocket.
local function exclusively(work)
  return function(self, ...)
    if self._taken then
      return nil, "another light thread is in receive or run", "busy"
    end
    self._taken = true
    return release(self, pcall(work, self, ...))
  end
end

local function due_in(seconds)
  if seconds == nil then return FOREVER end
  if type(seconds) ~= "number" then error("expected seconds, got " .. type(seconds), 0) end
  return core.now() + seconds
end

--- Waits for the next message.
---@param seconds? number at most; default: as long as it takes
---@return string? data nil: none came
---@return string kind "text" or "binary"; without data "timeout", or once closed the reason
---@return integer? code once closed for good
Client.receive = exclusively(function(self, seconds)
  local due = due_in(seconds)
  repeat
    local event, a, b, c = next_event(self, due)
    if event == "message" then return a, b end
    if event then handle(self, event, a, b, c) end
  until not event
  if self._state == "closed" then return nil, self.close_reason, self.close_code end
  return nil, "timeout"
end)

--- Iterates over messages until the client is closed for good.
function Client:messages()
  return function()
    local data, kind = self:receive()
    if data then return data, kind end
  end
end

--- Runs the client until it is closed for good; messages go to on_message.
---@param seconds? number at most
---@return integer? code nil: time is up
---@return string reason or "timeout"
---@return wsclose.CloseInfo? info
Client.run = exclusively(function(self, seconds)
  local due = due_in(seconds)
  repeat
    local event, a, b, c = next_event(self, due)
    if event then handle(self, event, a, b, c) end
  until not event
  if self._state ~= "closed" then return nil, "timeout" end
  return self.close_code, self.close_reason, self.close_info
end)

local wait_open = exclusively(function(self)
  repeat
    local event, a, b, c = next_event(self, FOREVER)
    if event then handle(self, event, a, b, c) end
    if event == "open" and self:state() == "open" then return true end
  until not event
  return false
end)

-- ---------------------------------------------------------------- from any light thread

local function not_open(self)
  return nil, ("the connection is not open (%s)"):format(self:state()), "state"
end

--- Sends a message; waits until the system has taken it, or another light thread does so.
---@param data string
---@param kind? "text"|"binary"|1|2
---@param send_options? {compress: boolean}
---@return boolean? ok
---@return string? sentence
---@return string? name "state", "busy", "utf8"
function Client:send(data, kind, send_options)
  local link = self._link
  if not link then return not_open(self) end
  local ok, sentence, name = link.p:send(data, kind, send_options)
  if ok then flush(link) end
  return ok, sentence, name
end

--- Sends a ping; the answer comes to on_pong.
---@param data? string at most 125 bytes
function Client:ping(data)
  local link = self._link
  if not link then return not_open(self) end
  local ok, sentence, name = link.p:ping(data)
  if ok then flush(link) end
  return ok, sentence, name
end

--- Starts the closing handshake; whoever receives or runs sees its end.  While connecting it
-- cancels; while waiting for the next attempt there will be none.
---@param code? integer default 1000
---@param reason? string
---@return true
function Client:close(code, reason)
  local link = self._link
  if link then
    link.p:close(code, reason)
    link.p:tick(core.now(), 0)
    flush(link)
  elseif code ~= nil and not core.close_code_sendable(code) then
    error(("close code %s may not be sent"):format(tostring(code)), 2)
  end
  self._stopping = true
  if self._state == "idle" or self._state == "waiting" then
    local info = self.close_info or close_info.new { by = "client", url = self.url, attempt = 0 }
    local refused = { retry_refused = not_retried(self, info) }
    self.close_info = close_info.changed(info, refused, "retry_in")
    self._state, self.close_code, self.close_reason = "closed", info.code, info.reason
  end
  return true
end

--- "idle", "connecting", "open", "closing", "waiting", "closed".
function Client:state()
  if self._state ~= "running" then return self._state end
  local state = self._link and self._link.p:state() or "connecting"
  return state == "closed" and "closing" or state
end

--- Bytes that are not handed to the system yet.
function Client:buffered()
  return self._link and self._link.p:buffered() or 0
end

--- What is known of the connection: protocol, extensions, headers, status, url, state, attempt.
function Client:info()
  local info = self._link and self._link.p:info() or {}
  info.url, info.state, info.attempt = self._url or self.url, self:state(), self._attempt
  return info
end

--- Counters of this connection.
function Client:stats()
  local stats = self._link and self._link.p:stats() or {}
  stats.attempts = self._attempt
  return stats
end

-- ---------------------------------------------------------------- the module

local openresty = setmetatable({ Client = Client }, { __index = wsclose })

local function check_supported(given)
  for name, why in pairs(UNSUPPORTED) do
    if given[name] then error(("option '%s': %s"):format(name, why), 4) end
  end
  for name in pairs(given.tls or {}) do
    if not TLS_SUPPORTED[name] then
      local line = "option 'tls.%s': nginx decides it; see its directives lua_ssl_…"
      error(line:format(name), 4)
    end
  end
end

-- Long enough for a peer that reads slowly: as long as keepalive would wait for it.
local function send_timeout(keepalive)
  if keepalive == false then return 3600 end
  keepalive = keepalive or {}
  return (keepalive.interval or 20) + (keepalive.timeout or 20)
end

local function new(url, given)
  given = given or {}
  local settings, sentence = options.read(given)
  if not settings then error(sentence, 3) end
  check_supported(given)
  local ok, fault, name = options.check_url(url)
  if not ok then return nil, fault, name end
  local self = {
    url = url, headers = given.headers,
    _given = given, _settings = settings, _state = "idle", _attempt = 0,
    _send_timeout = send_timeout(settings.config.keepalive),
  }
  for event, callback in pairs(settings.callbacks) do self[event] = callback end
  return setmetatable(self, Client)
end

--- A client; nothing is connected before its first run or receive.
---@param url string
---@param given? wsclose.Options
---@return wsclose.openresty.Client?
---@return string? sentence
---@return string? name
function openresty.new(url, given)
  local ws, sentence, name = new(url, given)
  return ws, sentence, name
end

--- A client that is open.
---@param url string
---@param given? wsclose.Options
---@return wsclose.openresty.Client?
---@return string? sentence why not
---@return string? name
---@return wsclose.CloseInfo? info
function openresty.connect(url, given)
  local ws, sentence, name = new(url, given)
  if not ws then return nil, sentence, name end
  if wait_open(ws) then return ws end
  local info = ws.close_info
  return nil, close_info.why_not_open(info), info.error and info.error.name or "state", info
end

return openresty
