--- A whole client over a scripted network: its attempts, its peer, its time, and a program that
-- acts in callbacks and between them, all as the input says.  The network is a stream in memory
-- under carried.lua, or a pair of sockets under the core's client.
--
-- Input: flags; how many allocations succeed, 255 all; then operations, some with bytes.
--
-- Held beside "no crash": on_close once for each attempt and nothing behind it; text is UTF-8,
-- sizes within limits; what goes out is well-formed, and nothing follows a Close; every message
-- that came is given or counted; errors are the program's own; the end comes; all memory is given
-- back.

local carried = require "wsclose.carried"
local client = require "wsclose.client"
local fuzz = require "fuzz"
local options = require "wsclose.options"

local DEFLATE, RETRY, OUTBOX, PIECES, EASY, SOCKETS, BUDGET, REDIRECTS = 1, 2, 4, 8, 16, 32, 64, 128

local MESSAGE_MAX, OPERATIONS_MAX, DEPTH_MAX, ROUNDS_MAX = 3000, 300, 4, 2000

local TOKEN, URL = "the program's own", "ws://fuzz.example/x"

local ANSWER = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
  .. "Sec-WebSocket-Accept: " .. fuzz.accept .. "\r\n"
local AGREED = "Sec-WebSocket-Extensions: permessage-deflate\r\n"

-- A clock that knows its client keeps it from being collected.
local time = 0
local function clock() return time end

local function check(condition, text)
  if not condition then error("fuzz: " .. text, 0) end
end

-- ---------------------------------------------------------------- the input

local Input = {}
Input.__index = Input

function Input:byte()
  self.at = self.at + 1
  return self.bytes:byte(self.at - 1) or 0
end

function Input:piece(size)
  local from = self.at
  self.at = math.min(from + size, #self.bytes + 1)
  return self.bytes:sub(from, self.at - 1)
end

function Input:is_over()
  return self.at > #self.bytes
end

local function has(flags, flag)
  return math.floor(flags / flag) % 2 == 1
end

-- ---------------------------------------------------------------- the network in memory

---@class fuzz.Link: wsclose.Stream
local Link = {}
Link.__index = Link

function Link:has_input() return self.come[1] ~= nil end

function Link:read()
  local chunk = table.remove(self.come, 1)
  if type(chunk) == "table" then return nil, chunk[1], "as the input says" end
  return chunk
end

function Link:can_write() return self.room > 0 end

function Link:flush(handle)
  while self.room > 0 do
    local bytes = handle.p:output(self.room)
    if bytes == "" then return end
    self.written = self.written .. bytes
    self.room = self.room - #bytes
  end
end

function Link:is_flushed() return self.room > 0 end
function Link:close() self.closed = true end

function Link:say(bytes) self.come[#self.come + 1] = bytes end
function Link:finish(fault) self.come[#self.come + 1] = { fault or "closed" } end

local function host_of(scene)
  local host = { unhosted = "nowhere" }
  host.now = clock
  function host.dial(handle)
    local kind = scene.easy and 0 or scene.input:byte()
    if kind == 255 then error(TOKEN, 0) end
    if kind == 254 then return nil, "no way there", "unreachable" end
    scene.dialled = handle
    scene.link = setmetatable({ come = {}, written = "", room = math.huge }, Link)
    scene.links[#scene.links + 1] = scene.link
    return true
  end
  function host.wait(handle, seconds)
    if scene.easy and handle.dialling then
      scene.link:say(scene.answer)
      handle:connect(scene.link)
    elseif seconds > 0 then
      time = time + math.min(seconds, 60)
    end
    return time
  end
  function host.sleep(seconds) time = time + math.min(seconds, 60) end
  function host.wake() end
  return host
end

-- ---------------------------------------------------------------- the network of sockets

local Pair = {}
Pair.__index = Pair

function Pair:say(bytes) fuzz.put(self.fd, bytes) end
function Pair:finish(fault)
  if fault then fuzz.close(self.fd) else fuzz.shut(self.fd) end
  self.fd = fault and -1 or self.fd
end
function Pair:take()
  local bytes
  repeat
    bytes = fuzz.take(self.fd)
    self.written = self.written .. bytes
  until bytes == ""
end

local function new_pair(scene)
  local ours, theirs = fuzz.pair()
  scene.link = setmetatable({ fd = theirs, written = "" }, Pair)
  scene.links[#scene.links + 1] = scene.link
  if scene.easy then scene.link:say(scene.answer) end
  return ours
end

-- ---------------------------------------------------------------- the program

local operate

-- Errors are the program's own, or speak of what it did.
local function call(scene, method, ...)
  local ws = scene.ws
  if not ws then return nil end
  local results = { pcall(ws[method], ws, ...) }
  if results[1] then return (table.unpack or unpack)(results, 2) end -- luacheck: ignore 113
  local fault = results[2]
  if type(fault) == "string" and fault:find "^fuzz: " then error(fault, 0) end
  local is_internal = type(fault) ~= "string" or fault:find("attempt to", 1, true)
    or fault:find "^%.?/?lua/" or fault:find "stack traceback"
  check(fault == TOKEN or not is_internal or fault == "not enough memory" and scene.starved,
    method .. " raised " .. tostring(fault))
end

local LONG = ("a text that compresses, "):rep(30)

local ACTIONS = {
  function(s) call(s, "send", "hello") end,
  function(s) call(s, "send", LONG, "binary") end,
  function(s) call(s, "send", "\195") end,
  function(s) call(s, "send", "plain", "text", { compress = false }) end,
  function(s) call(s, "ping", "ping") end,
  function(s) call(s, "close") end,
  function(s) call(s, "close", 3000 + s.input:byte(), "bye") end,
  function(s) call(s, "close", s.input:byte() * 256 + s.input:byte(), s.input:piece(4)) end,
  function(s)
    s.has_left = true -- what it has counted is given back too
    call(s, "leave")
  end,
  function(s) call(s, "pause") end,
  function(s) call(s, "resume") end,
  function(s) call(s, "reconnect", 1000, "anew", s.input:byte() % 4) end,
  function(s) call(s, "kick") end,
  function() error(TOKEN, 0) end,
  function() collectgarbage() end,
  function() collectgarbage "step" end,
  function(s) s.ws = nil end,
  function(s)
    local w = call(s, "send_fragments", s.input:byte() % 2 == 0 and "text" or "binary")
    s.writer = w or s.writer
  end,
  function(s) if s.writer then s.writer:write "\226\130" end end,
  function(s) if s.writer then s.writer:finish "\172" end end,
  function(s) call(s, "update", 0) end,
  function(s) s.take(call(s, "receive", 0)) end,
  function(s) if s.in_pieces then call(s, "receive_piece", 0) end end,
  function(s) call(s, "after", s.input:byte() / 64, function() operate(s, s.input:byte()) end) end,
  function(s)
    local timer
    timer = call(s, "every", 0.5, function() if s.input:is_over() then timer:cancel() end end)
  end,
  function(s) call(s, "info") end,
  function(s) call(s, "stats") end,
  function(s) call(s, "buffered") end,
  function(s) call(s, "timeout") end,
  function(s) tostring(s.ws) end,
  function(s) if s.ws then s.ws.headers = { ["X-A"] = s.input:piece(2) } end end,
  function(s) if s.ws then s.ws.url = "ws://fuzz.example/" .. s.input:piece(3) end end,
  function(s)
    coroutine.wrap(function()
      s.take(call(s, "receive", 0))
    end)()
  end,
}

function operate(scene, byte)
  if scene.depth >= DEPTH_MAX then return end
  scene.depth = scene.depth + 1
  local ok, fault = pcall(ACTIONS[byte % (#ACTIONS + 1)] or tostring, scene)
  scene.depth = scene.depth - 1
  if not ok then error(fault, 0) end
end

local function act(scene)
  if not scene.input:is_over() then operate(scene, scene.input:byte()) end
end

-- ---------------------------------------------------------------- what callbacks hold

local function callbacks(scene)
  local given = {}
  function scene.take(data, kind)
    if not data then return end
    check(not scene.in_pieces, "a whole message though pieces were asked for")
    check(#data <= MESSAGE_MAX, "a message over its limit")
    check(kind == "binary" or fuzz.is_utf8(data), "text not UTF-8")
    scene.taken = scene.taken + 1
  end
  function given.on_open(_, info)
    check(not scene.opened, "opened twice")
    scene.opened = true
    check(info.status == 101, "open without 101")
    act(scene)
  end
  function given.on_message(_, data, kind)
    check(scene.opened, "a message without a connection")
    scene.take(data, kind)
    act(scene)
  end
  function given.on_piece(_, piece, _, last)
    check(scene.opened, "a piece without a connection")
    check(#piece <= 7 and (last or piece ~= ""), "a piece of a wrong size")
    act(scene)
  end
  function given.on_close(_, code, reason, info)
    local number = info.attempt
    check(number > scene.closes, "the end of an attempt is told twice")
    check(number == scene.closes + 1, "the end of an attempt is not told")
    scene.closes = number
    check(info.opened == scene.opened, "the report does not know whether it was open")
    scene.opened = false
    check(code == 1005 or code == 1006 or code == 1015 or code >= 1000 and code <= 4999, "a code")
    check(fuzz.is_utf8(reason) and #reason <= 123, "a reason")
    check(tostring(info) ~= "", "no sentence")
    act(scene)
  end
  function given.on_ping(_, data)
    check(#data <= 125, "a long ping")
    act(scene)
  end
  function given.on_pong(_, data)
    check(#data <= 125, "a long pong")
    act(scene)
  end
  function given.on_drain() act(scene) end
  function given.on_retry(_, delay)
    check(delay >= 0, "a delay")
    act(scene)
  end
  function given.on_undelivered() act(scene) end
  if scene.in_pieces then given.on_message = nil else given.on_piece = nil end
  return given
end

-- ---------------------------------------------------------------- what happens

local FAULTS = { "reset", "timeout", "tls", "proxy" }

local EVENTS = {
  function(s) call(s, "update", 0) end,
  function(s) call(s, "update", s.sockets and 0 or s.input:byte() / 8) end,
  function(s) time = time + s.input:byte() / 4 end,
  function(s) if s.link then s.link:say(s.input:piece(s.input:byte() + 1)) end end,
  -- a frame with a head that fits: flags and opcode, then the payload
  function(s)
    local first, payload = s.input:byte(), s.input:piece(s.input:byte() % 126)
    if s.link then s.link:say(string.char(first, #payload) .. payload) end
  end,
  function(s)
    local code, reason = s.input:byte() % 16 + 1000, s.input:piece(3)
    if not s.link then return end
    local low = string.char(0x88, 2 + #reason, math.floor(code / 256), code % 256)
    s.link:say(low .. reason)
  end,
  function(s) if s.link then s.link:say(s.answer) end end,
  function(s) if s.link then s.link:finish() end end,
  function(s) if s.link then s.link:finish(FAULTS[s.input:byte() % 4 + 1]) end end,
  function(s)
    local handle = s.dialled
    if s.sockets or not (handle and handle.dialling) then return end
    if s.input:byte() % 4 == 0 then handle:fail("refused", "refused", "tcp") return end
    handle:connect(s.link)
  end,
  function(s) if s.link and not s.sockets then s.link.room = s.input:byte() end end,
  function(s) if s.link and not s.sockets then s.link.room = math.huge end end,
  function(s) s.take(call(s, "receive", 0)) end,
  function(s)
    local location = s.input:piece(s.input:byte() % 32)
    if s.link then
      s.link:say("HTTP/1.1 302 x\r\nContent-Length: 0\r\nLocation: " .. location .. "\r\n\r\n")
    end
  end,
  function(s)
    if s.link then s.link:say "HTTP/1.1 503 x\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n" end
  end,
}

local function step(scene)
  local byte = scene.input:byte()
  local event = EVENTS[byte % 32 + 1]
  if event then
    event(scene)
  else
    local ok, fault = pcall(operate, scene, math.floor(byte / 8) + byte % 8)
    check(ok or fault == TOKEN or not tostring(fault):find "^fuzz: ", tostring(fault))
  end
  if scene.sockets and scene.link then scene.link:take() end
end

-- The program has had enough: the end must come within bounds of time.  A callback may have said
-- reconnect since, and without memory for a ping a silent server is then waited for without end.
local function wind_up(scene)
  scene.easy = true
  call(scene, "resume")
  for round = 0, ROUNDS_MAX do
    local alive = true
    if round % 200 == 0 then call(scene, "close") end
    if scene.link then scene.link.room = math.huge end
    if scene.ws then
      local ok, result = pcall(scene.ws.update, scene.ws, 0)
      check(ok or result == TOKEN or not tostring(result):find "^fuzz: ", tostring(result))
      if ok then alive = result end
      local data
      repeat
        data = scene.ws and not scene.in_pieces and call(scene, "receive", 0)
        scene.take(data, "binary")
      until not data
    end
    if scene.sockets and scene.link then scene.link:take() end
    if not alive or not scene.ws then return end
    time = time + 1
  end
  check(false, "it does not end")
end

local function middle() return 0.5 end

local function settings_of(scene, flags)
  local given = callbacks(scene)
  given.clock = clock
  given.proxy = false
  given.keepalive = { interval = 20, timeout = 10 }
  given.extensions = { ["permessage-deflate"] = has(flags, DEFLATE) and { threshold = 0 } or nil }
  given.limits = { message = MESSAGE_MAX, fragments = 9, header = 2000, send_queue = 4000 }
  given.pieces = scene.in_pieces and { size = 7 } or nil
  given.retry = has(flags, RETRY) and { attempts = 5, initial = 1, random = middle } or nil
  given.outbox = has(flags, OUTBOX) and { bytes = 3000, ttl = 20, high = 1500, low = 100 } or nil
  given.redirects = has(flags, REDIRECTS) and 3 or nil
  if has(flags, BUDGET) then given.max_messages = 1 end
  if scene.sockets then
    function given.before_connect() return { socket = new_pair(scene) } end
  end
  return given
end

local function finish(scene)
  for _, link in ipairs(scene.links) do
    fuzz.check_output(link.written, false)
    if link.fd and link.fd >= 0 then fuzz.close(link.fd) end
  end
  if not scene.ws then return end
  local stats = scene.ws:stats()
  check(scene.closes == stats.attempts, "an attempt's end was not told")
  check(scene.ws:state() == "closed", "it is not closed")
  if not scene.in_pieces and not scene.has_left then
    check(scene.taken + stats.messages_dropped == stats.total.messages_in,
      ("%d messages came, %d were given, %d dropped"):format(stats.total.messages_in, scene.taken,
        stats.messages_dropped))
  end
end

return function(bytes)
  local input = setmetatable({ bytes = bytes, at = 1 }, Input)
  local flags, fail_in = input:byte(), input:byte()
  time = 1000
  local scene = {
    input = input, depth = 0, closes = 0, taken = 0, opened = false,
    links = {}, easy = has(flags, EASY), sockets = has(flags, SOCKETS),
    in_pieces = has(flags, PIECES), starved = fail_in ~= 255,
    answer = ANSWER .. (has(flags, DEFLATE) and AGREED or "") .. "\r\n",
  }
  local settings, given = options.check_arguments(URL, settings_of(scene, flags))
  if scene.starved then fuzz.fail_in(fail_in) end
  local handle = not scene.sockets and carried.new(host_of(scene)) or nil
  if handle or scene.sockets then
    scene.ws = client.new(URL, settings, given, nil, handle)
  end
  for _ = 1, OPERATIONS_MAX do
    if input:is_over() or not scene.ws then break end
    step(scene)
  end
  if scene.ws then wind_up(scene) end
  fuzz.fail_in()
  finish(scene)
end
