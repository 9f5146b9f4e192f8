--- The client in nginx (ngx_lua, OpenResty): over cosockets, no socket of ours.
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
if type(ngx) ~= "table" or not ngx.socket then
  error("wsclose.openresty is for nginx with ngx_lua (OpenResty), which this is not; elsewhere "
    .. 'take require "wsclose"', 0)
end

local carried = require "wsclose.carried"
local client = require "wsclose.client"
local core = require "wsclose.core"
local dial = require "wsclose.openresty_dial"
local options = require "wsclose.options"
local semaphore = require "ngx.semaphore"
local tls = require "wsclose.openresty_tls"
local wsclose = require "wsclose"

local READ_SIZE, WRITE_SIZE = 65536, 262144

-- How often a light thread that waits looks whether the worker exits; and, where another one
-- writes, whether that has ended: nothing else ends a cosocket's wait.
local LOOK, SOON = 1, 0.01

local milliseconds = tls.milliseconds

-- Is another light thread at it?  One that was killed did not say that it ends.
local function is_others(thread)
  return thread and thread ~= coroutine.running() and coroutine.status(thread) ~= "dead"
end

-- ---------------------------------------------------------------- the stream

---@class wsclose.openresty.Stream: wsclose.Stream
---@field sock table the cosocket
---@field send_timeout number seconds
---@field chunk? string that has come
---@field fault? string nginx's word for the end
---@field broken? string nginx's word for why nothing can be written any more
---@field reading? thread waits in its receive
---@field writing? thread is in its send
---@field closed? boolean
---@field aside? thread writes for the reader
---@field aside_parent? thread
local Stream = {}
Stream.__index = Stream

-- Long enough for a peer that reads slowly: as long as keepalive would wait for it.
local function send_timeout(keepalive)
  if keepalive == false then return 3600 end
  keepalive = keepalive or {}
  return (keepalive.interval or 20) + (keepalive.timeout or 20)
end

-- A cosocket belongs to the request, or timer, that made it.
local function is_ours(sock)
  return (pcall(sock.send, sock, ""))
end

-- Writes what waits.  One light thread writes at a time, and also what others queue meanwhile; what
-- another request queues is written by the light thread that receives, at its next look.
local function write(self, seconds)
  local sock = self.sock
  if not self:can_write() or not is_ours(sock) then return end
  self.writing = coroutine.running()
  local bytes = self.p:output(WRITE_SIZE)
  while bytes ~= "" do
    sock:settimeouts(nil, milliseconds(seconds or self.send_timeout), nil)
    local sent, fault = sock:send(bytes)
    -- the reader meets it too, behind a Close that may still be there to be read
    if not sent then self.broken = fault end
    bytes = sent and self.p:output(WRITE_SIZE) or ""
  end
  self.writing = nil
end

-- A light thread that has ended is kept by nginx until its parent waits for it, or ends.
local function reap(self)
  local aside = self.aside
  if not aside or self.writing then return end
  self.aside = nil
  if self.aside_parent == coroutine.running() then ngx.thread.wait(aside) end
end

-- Who reads must not wait for a peer that may wait for it.
function Stream:flush(handle)
  if handle.leaving then return write(self, 0) end
  if handle.reader ~= coroutine.running() then return write(self) end
  reap(self)
  if self.writing or self.p:buffered() == 0 then return end
  self.aside, self.aside_parent = ngx.thread.spawn(write, self), coroutine.running()
  reap(self)
end

function Stream:can_write()
  return not (self.writing or self.broken or self.closed)
end

function Stream:is_flushed()
  return not self.writing and not self.broken
end

local function receive(self, seconds)
  if self.chunk or self.fault or is_others(self.reading) then return end
  reap(self)
  if self.writing or self.broken then seconds = math.min(seconds, SOON) end
  self.reading = coroutine.running()
  self.sock:settimeouts(nil, nil, milliseconds(seconds))
  local bytes, fault = self.sock:receiveany(READ_SIZE)
  self.reading = nil
  if self.closed then
    self.sock:close() -- another light thread could not
  elseif bytes then
    self.chunk = bytes
  elseif fault ~= "timeout" or self.broken then
    self.fault = fault ~= "timeout" and fault or self.broken
  end
end

function Stream:has_input()
  return self.chunk ~= nil or self.fault ~= nil
end

function Stream:read()
  local bytes, fault = self.chunk, self.fault
  self.chunk = nil
  if bytes or not fault then return bytes end
  if fault == "closed" and not self.broken then return nil, "closed" end
  return nil, "reset", "the connection was lost: " .. tostring(fault)
end

function Stream:close()
  if self.closed then return end
  self.closed = true
  if self.writing and self.aside and self.aside_parent == coroutine.running() then
    ngx.thread.kill(self.aside)
  end
  -- refused while another light thread reads or writes, or to another request: then by whoever
  -- reads, or by the end of its request
  if not is_others(self.reading) then pcall(self.sock.close, self.sock) end
end

-- ---------------------------------------------------------------- connecting

local function connect(handle)
  local p = handle.p
  local stream, fault = dial.open(handle)
  local awaited = handle.dialling and handle.p == p -- or the program has given up meanwhile
  if not awaited then
    if stream then stream.sock:close() end
  elseif stream then
    stream.p, stream.send_timeout = p, send_timeout(handle.config.keepalive)
    handle:connect(setmetatable(stream, Stream))
  else
    handle:fail(unpack(fault, 1, 4))
  end
end

-- ---------------------------------------------------------------- what carried.lua is given

local host = { now = core.now }

function host.dial(handle, config, url)
  handle.config = config
  return dial.prepare(handle, url)
end

-- The worker exits: the server is told, and there will be no further attempt.
local function look_at_worker(handle)
  if handle.saw_exit or not ngx.worker.exiting() then return end
  handle.saw_exit = true
  handle.ws:close(1001, "the worker exits")
end

function host.wait(handle, seconds)
  local began, stream = handle.now(), handle.stream
  look_at_worker(handle)
  if handle.dialling then
    connect(handle)
  elseif stream and not handle:is_held() then
    receive(stream, math.min(seconds, LOOK))
  elseif seconds > 0 then
    host.sleep(seconds, handle)
  end
  return began
end

function host.sleep(seconds, handle)
  look_at_worker(handle)
  handle.sleepers = handle.sleepers + 1
  handle.woken:wait(math.max(0.001, math.min(seconds, LOOK)))
  handle.sleepers = handle.sleepers - 1
end

function host.wake(handle)
  if handle.sleepers > 0 then handle.woken:post(1) end
end

-- ---------------------------------------------------------------- one light thread at a time

local function release(ws, before, ok, ...)
  ws._taker = before
  if not ok then error((...), 0) end
  return ...
end

-- Two light threads cannot read from one cosocket; one may, also from within its callbacks.
local function exclusively(work)
  return function(ws, ...)
    client.handle_of(ws)
    local before = ws._taker
    if is_others(before) then return nil, "another light thread is in receive or run", "busy" end
    ws._taker = coroutine.running()
    return release(ws, before, pcall(work, ws, ...))
  end
end

local methods = {}
for _, name in ipairs { "update", "run", "receive", "receive_piece", "wait_open" } do
  methods[name] = exclusively(client.Client[name])
end

-- ---------------------------------------------------------------- the module

local openresty = setmetatable({}, { __index = wsclose })

-- What nginx itself decides: better refused than silently ignored.  A sentence, or what gives one
-- for some values.
local UNSUPPORTED = {
  [""] = {
    bind = "the system's routes choose the address of a cosocket",
    family = "the directive resolver says which addresses are asked for (ipv6=off, ipv4=off)",
    proxy = dial.proxy_fault,
    socket = "a cosocket takes no descriptor; listen on a unix socket and use ws+unix:///path",
  },
  ["timeouts."] = { dns = "nginx decides it, by the directive resolver_timeout" },
  ["tls."] = tls.unsupported,
}

local function refuse_unsupported(given)
  for group, names in pairs(UNSUPPORTED) do
    local within = group == "" and given or given[group:sub(1, -2)] or {}
    for name, why in pairs(names) do
      if within[name] and type(why) == "function" then why = why(within[name]) end
      if within[name] and why then error(("option '%s%s': %s"):format(group, name, why), 3) end
    end
  end
end

--- A client; nothing is connected before its first run, receive or update.
---@type fun(url: string, given?: wsclose.Options): wsclose.Client?, string?, string?
function openresty.new(url, given)
  local settings, callbacks = options.check_arguments(url, given)
  refuse_unsupported(given or {})
  local handle, fault = carried.new(host, settings.random_bytes, settings.clock)
  if not handle then return nil, fault, "memory" end
  handle.woken, handle.sleepers = semaphore.new(), 0
  local headers = given and given.headers
  local ws, sentence, name = client.new(url, settings, callbacks, headers, handle)
  if not ws then return nil, sentence, name end
  handle.ws = ws
  for method, alone in pairs(methods) do ws[method] = alone end
  return ws
end

--- A client that is open.
---@type fun(url: string, given?: wsclose.Options): wsclose.Client?, string?, string?, table?
function openresty.connect(url, given)
  return client.opened(openresty.new(url, given))
end

for _, name in ipairs { "group", "run", "update" } do
  openresty[name] = function()
    error(("wsclose.%s: in nginx each client has a light thread of its own: "
      .. "ngx.thread.spawn(ws.run, ws)"):format(name), 2)
  end
end

return openresty
