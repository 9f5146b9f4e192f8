-- What a request asks for with ?case=…, answered with one line.
local core = require "wsclose.core"
local wsclose = require "wsclose.openresty"
local ngx = ngx -- luacheck: globals ngx

local URL = os.getenv "WSCLOSE_URL"
local PORT = URL:match ":(%d+)/"

local function options(more)
  local given = { resolve = { ["feed.example"] = "127.0.0.1", ["a.example"] = "127.0.0.1" } }
  for name, value in pairs(more or {}) do given[name] = value end
  return given
end

local function connect(id, more)
  return assert(wsclose.connect(URL .. "?id=" .. id, options(more)))
end

local function finish(ws)
  ws:close(1000, "done")
  return ws:run()
end

local function echo(ws, text)
  assert(ws:send(text))
  return (ws:receive(5))
end

local function failure(url, more)
  local ws, _, name, info = wsclose.connect(url, options(more))
  assert(ws == nil)
  return name, info
end

local cases = {}

function cases.light()
  local ws = connect "light"
  assert(ws:send "hello" and ws:receive() == "hello")
  assert(ws:send("\1\2", "binary"))
  local data, kind = ws:receive()
  assert(data == "\1\2" and kind == "binary" and ws:state() == "open")
  local code, reason, info = finish(ws)
  assert(code == 1000 and reason == "done" and info.clean and ws:state() == "closed")
  local none, why, name, closed_with = ws:receive()
  assert(none == nil and why == tostring(info) and name == "closed" and closed_with == 1000)
  return "ok"
end

-- More than sockets and the queue hold: both directions are full at times.
function cases.duplex()
  local ws = connect "duplex"
  local filler = ("x"):rep(200000)
  local function send_all(name)
    for i = 1, 100 do
      local ok, sentence, fault = ws:send(name .. i .. " " .. filler)
      while not ok do
        assert(fault == "busy", sentence)
        ngx.sleep(0.001)
        ok, sentence, fault = ws:send(name .. i .. " " .. filler)
      end
    end
  end
  local senders = { ngx.thread.spawn(send_all, "a"), ngx.thread.spawn(send_all, "b") }
  local count = { a = 0, b = 0 }
  for _ = 1, 200 do
    local name, number, rest = assert(ws:receive()):match "^(%l)(%d+) (.*)$"
    count[name] = count[name] + 1
    assert(tonumber(number) == count[name] and rest == filler)
  end
  for _, sender in ipairs(senders) do ngx.thread.wait(sender) end
  local code, reason = finish(ws)
  return ("200 messages came back, in order\nclosed: %d %s"):format(code, reason)
end

function cases.handshake()
  local path = ngx.config.prefix() .. "http.sock"
  local given = { timeouts = { handshake = 0.02 } }
  local name, info = failure("ws+unix://" .. path .. ":/silent", given)
  return ("%s %d %s"):format(name, info.code, info.error.phase)
end

-- What another request, or timer, sends leaves too.
function cases.other()
  local ws = connect "other"
  assert(ngx.timer.at(0, function() assert(ws:send "from a timer") end))
  local data = ws:receive()
  assert(ngx.timer.at(0, function() ws:close(1000, "done") end))
  local code, reason = ws:run()
  return ("%s, then %d %s"):format(data, code, reason)
end

function cases.busy()
  local ws = connect "busy"
  local reader = ngx.thread.spawn(function() return ws:receive() end)
  local _, sentence, name = ws:receive()
  ws:send "go"
  ngx.thread.wait(reader)
  finish(ws)
  return name .. ": " .. sentence
end

function cases.timeout()
  local ws = connect "timeout"
  local _, why, name = ws:receive(0.02)
  assert(name == "timeout")
  ws:send "late"
  local data = ws:receive()
  finish(ws)
  return why .. " then " .. data
end

function cases.name()
  local url = ("wss://a.example:%s/"):format(PORT)
  for _, tls in ipairs { {}, { verify = true } } do
    local name, info = failure(url, { tls = tls })
    assert(name == "tls" and info.code == 1015 and not info.opened)
  end
  local ws = assert(wsclose.connect(url, options { tls = { verify = false } }))
  return ("tls 1015 twice, then %s %d"):format(echo(ws, "unseen"), finish(ws))
end

-- To nginx's error log, and to a function.
function cases.log()
  failure("ws://127.0.0.1:1/", { log = "error" })
  failure("ws://127.0.0.1:1/", { log = "info" })
  local lines = {}
  local ws = connect("log", { log = function(level) lines[#lines + 1] = level end })
  finish(ws)
  return table.concat(lines, " ")
end

function cases.refused()
  local name, info = failure("ws://127.0.0.1:1/")
  return ("%s %d %s"):format(name, info.code, info.error.phase)
end

function cases.dns()
  local name, info = failure("ws://nowhere.invalid/")
  return ("%s %d %s"):format(name, info.code, info.error.phase)
end

function cases.http()
  local path = ngx.config.prefix() .. "http.sock"
  local name, info = failure("ws+unix://" .. path .. ":/plain")
  return ("%s %d %d"):format(name, info.code, info.http.status)
end

function cases.options()
  local ok, why = pcall(wsclose.new, URL, { tls = { ca_file = "x" } })
  return not ok and why:gsub("^.-:%d+: ", "")
end

function cases.stop()
  local patient = { retry = { initial = 600, max = 600, jitter = "none" } }
  local ws = assert(wsclose.new("ws://127.0.0.1:1/", patient))
  local runner = ngx.thread.spawn(function() return ws:run() end)
  while ws:state() ~= "waiting" do ngx.sleep(0.001) end
  ws:close()
  ngx.thread.wait(runner)
  return ("%s after %d attempt"):format(ws:state(), ws:stats().attempts)
end

-- Between two attempts, and paused.
function cases.at_once()
  local waiting = assert(wsclose.new("ws://127.0.0.1:1/", {
    retry = { initial = 600, max = 600, jitter = "none" },
  }))
  repeat waiting:update() until waiting:state() == "waiting"
  local paused, seen = connect "at_once", {}
  paused:pause()
  for _, ws in ipairs { waiting, paused } do
    local others_ran = false
    local other = ngx.thread.spawn(function()
      ngx.sleep(0)
      others_ran = true
    end)
    ws:update()
    seen[#seen + 1] = tostring(others_ran)
    ngx.thread.wait(other)
    seen[#seen + 1] = tostring(others_ran)
  end
  finish(paused)
  return table.concat(seen, " ")
end

-- Set by the light thread that waits, and by another.
function cases.timers()
  local ws, count = connect "timers", 0
  ws:after(0.01, function() ws:send "own" end)
  local own = ws:receive()
  ngx.thread.spawn(function()
    ngx.sleep(0.001)
    ws:after(0.01, function() ws:send "other" end)
  end)
  local other = ws:receive()
  local beat
  beat = ws:every(0.01, function()
    count = count + 1
    ngx.sleep(0.001)
    if count < 3 then return end
    beat:cancel()
    ws:close(1000, "done")
  end)
  local code = ws:run()
  local patient = assert(wsclose.new("ws://127.0.0.1:1/", {
    retry = { initial = 600, max = 600, jitter = "none" },
  }))
  local runner = ngx.thread.spawn(function() return patient:run() end)
  while patient:state() ~= "waiting" do ngx.sleep(0.001) end
  patient:after(0.01, patient.close)
  ngx.thread.wait(runner)
  return ("%s %s %d %d %s"):format(own, other, count, code, patient:state())
end

-- ---------------------------------------------------------------- what the client can anywhere

local function wait_until(happened)
  for _ = 1, 5000 do
    if happened() then return true end
    ngx.sleep(0.001)
  end
  error("it did not happen", 2)
end

function cases.outbox()
  local got = {}
  local ws = assert(wsclose.new(URL .. "?id=outbox", options {
    outbox = true, retry = { initial = 0.01, first = false },
  }))
  assert(ws:send "before" and ws:buffered() == 6)
  got[1] = ws:receive(5)
  local runner = ngx.thread.spawn(function()
    for data in ws:messages() do got[#got + 1] = data end
  end)
  wait_until(function() return ws:state() == "open" and got[1] end)
  ws:reconnect()
  wait_until(function() return ws:state() ~= "open" end)
  assert(ws:send "meanwhile")
  wait_until(function() return got[#got] == "meanwhile" end)
  ws:close()
  ngx.thread.wait(runner)
  return ("%s %s, %d attempts"):format(got[1], got[#got], ws:stats().attempts)
end

function cases.redirect()
  local target = ngx.escape_uri(URL .. "target?id=target")
  local ws = assert(wsclose.connect(URL .. "?redirect=" .. target, options { redirects = 1 }))
  local text = echo(ws, "there")
  finish(ws)
  return text .. " " .. ws.close_info.url:match "[^/]*$"
end

function cases.fragments()
  local ws = connect "fragments"
  local writer = ws:send_fragments()
  assert(writer:write "in " and writer:finish "pieces")
  local data = ws:receive(5)
  finish(ws)
  return data
end

function cases.pieces()
  local ws = connect("pieces", { pieces = { size = 1000 } })
  local count, size = 0, 0
  assert(select(2, ws:receive_piece(0.01)) == "timeout")
  ws:send(("a word or two, "):rep(2000))
  repeat
    local piece, _, last = ws:receive_piece(5)
    assert(#piece <= 1000)
    count, size = count + 1, size + #piece
  until last
  ws:close(1000, "done")
  local _, _, why, code = ws:receive_piece()
  return ("%d bytes in %s pieces, then %s %d"):format(size, count >= 30 and "30 or more" or count,
    why, code)
end

function cases.kick()
  local retry = { initial = 600, max = 600, jitter = "none", attempts = 1 }
  local ws = assert(wsclose.new("ws://127.0.0.1:1/", { retry = retry }))
  local runner = ngx.thread.spawn(function() return ws:run() end)
  wait_until(function() return ws:state() == "waiting" end)
  assert(ws:kick())
  ngx.thread.wait(runner)
  return ("%d attempts"):format(ws:stats().attempts)
end

function cases.pause()
  local ws, others_ran = connect "pause", false
  ws:pause()
  assert(ws:send "held")
  ngx.thread.spawn(function()
    ngx.sleep(0.001)
    others_ran = true
  end)
  local _, why = ws:receive(0.05)
  assert(others_ran, "it waits in the way of others")
  ws:resume()
  local data = ws:receive(5)
  finish(ws)
  return why .. " then " .. data
end

function cases.leave()
  local told
  local ws = connect "leave"
  ws.on_close = function(_, code) told = code end
  local runner = ngx.thread.spawn(function() return ws:run() end)
  ws:leave()
  ngx.thread.wait(runner)
  return ("%d %s"):format(told, ws:state())
end

-- Who begins the next attempt within a dial can only be a function of the program's own that the
-- dial asks; and that has to come out of its update before the next dial.
function cases.dial()
  local ws, once
  local function clock()
    if once or not debug.traceback():find("openresty_dial", 1, true) then return core.now() end
    once = true
    ws:reconnect()
    ws:update() -- the first attempt's end
    local begun, why = pcall(ws.update, ws)
    assert(not begun and why == "it is dialled again", why)
    return core.now()
  end
  ws = assert(wsclose.new(URL .. "?id=dial", options {
    clock = clock,
    log = function(_, sentence)
      if sentence:find "^attempt 2" then error("it is dialled again", 0) end
    end,
  }))
  assert(ws:wait_open())
  local text = echo(ws, "by the second")
  finish(ws)
  return ("%s of %d"):format(text, ws:stats().attempts)
end

-- A light thread that was killed in receive is in nobody's way; nginx ends its connection.
function cases.killed()
  local ws = connect "killed"
  local runner = ngx.thread.spawn(function() return ws:run() end)
  ngx.thread.kill(runner)
  ws:close()
  local code = ws:run(5)
  return ("%s %s"):format(code, ws:state())
end

-- To a server that reads nothing, with more to send than fits.
function cases.stuck()
  local path = ngx.config.prefix() .. "http.sock"
  local told
  local ws = assert(wsclose.connect("ws+unix://" .. path .. ":/deaf", {
    extensions = { ["permessage-deflate"] = false }, keepalive = { interval = 0.1, timeout = 0.1 },
    on_close = function(_, code, _, info) told = ("%d %s"):format(code, tostring(info.sent)) end,
  }))
  local runner = ngx.thread.spawn(function() return ws:run() end)
  local sender = ngx.thread.spawn(function() ws:send(("x"):rep(2 ^ 23), "binary") end)
  ws:leave()
  local at_once = coroutine.status(sender) -- it still waits, as long as keepalive would
  ngx.thread.wait(sender)
  ngx.thread.wait(runner)
  return at_once .. " " .. told
end

function cases.budget()
  local count = 0
  local ws = assert(wsclose.connect(URL .. "?id=budget", options {
    max_messages = 1, on_message = function() count = count + 1 end,
  }))
  for _ = 1, 3 do assert(ws:send "x") end
  local most = 0
  while count < 3 do
    local before = count
    ws:update(0.01)
    most = math.max(most, count - before)
  end
  finish(ws)
  return ("%d at a time, %d in all"):format(most, count)
end

function cases.drain()
  local drained
  local ws = assert(wsclose.new(URL .. "?id=drain", options {
    on_open = function(ws) assert(ws:send(("x"):rep(8 * 2 ^ 20), "binary")) end,
    on_drain = function(ws)
      drained = ws:buffered()
      ws:close()
    end,
    on_message = function() end,
  }))
  return ("%d, then %d to send"):format(ws:run(30), drained)
end

-- From a callback, to a server that reads only while it is read from.
function cases.crossed()
  local count, filler = 0, ("x"):rep(200000)
  local ws = assert(wsclose.new(URL .. "?id=crossed", options {
    limits = { send_queue = 2 ^ 26 },
    on_open = function(ws) for _ = 1, 100 do assert(ws:send(filler)) end end,
    on_message = function(ws, data)
      count = count + 1
      if count <= 100 then assert(ws:send(data)) end
      if count == 200 then ws:close(1000, "done") end
    end,
  }))
  return ("%d, after %d messages"):format(ws:run(30), count)
end

local function who(tls)
  local all = { server_name = "feed.example" }
  for name, value in pairs(tls or {}) do all[name] = value end
  local url = "wss+unix://" .. ngx.config.prefix() .. "tls.sock:/who"
  local ws, sentence, name, info = wsclose.connect(url, { tls = all, retry = true })
  if not ws then return sentence, name, info end
  local text = ws:receive(5)
  ws:leave()
  return text
end

-- Of a session by its ticket: what nginx says of each of two connections.
function cases.session()
  local url = "wss+unix://" .. ngx.config.prefix() .. "tls.sock:/session"
  local seen = {}
  for _, size in ipairs { 1, 0 } do
    local ws = assert(wsclose.connect(url, {
      tls = { server_name = "feed.example", session_cache = size }, receive_reopened = true,
    }))
    seen[#seen + 1] = ws:receive(5)
    ws:reconnect()
    repeat
      local text, _, name = ws:receive(5)
      seen[#seen + 1] = text
    until name ~= "reopened"
    ws:leave()
  end
  return table.concat(seen, " ")
end

function cases.certificate()
  local without = who()
  local with = who { cert = ngx.var.client_cert, key = ngx.var.client_key }
  local _, _, info = who { cert = ngx.var.client_cert, key = "/nowhere/key.pem" }
  return ("%s; %s; %d %s"):format(without, with, info.code, info.error.message:match "tls.key")
end

function cases.pin()
  local right = who { pin = { ("0"):rep(64), "sha256/" .. ngx.var.pin } }
  local sentence, name, info = who { pin = ("0"):rep(64) }
  return ("%s; %s %d %s"):format(right, name, info.code, sentence:match "pin mismatch")
end

-- Until nginx ends it: lua_check_client_abort is on, and there is no ngx.on_abort.
function cases.held()
  return connect("held"):run()
end

-- wsclose itself: what would stop the worker raises, and update works.
function cases.plain()
  local plain = require "wsclose"
  local ca = { tls = { ca_file = os.getenv "WSCLOSE_CA" } }
  local ws = assert(plain.new(URL .. "?id=plain", options(ca)))
  local refused = 0
  for _, wait in ipairs {
    function() return plain.connect(URL) end, function() return ws:run() end,
    function() return ws:receive() end, function() return ws:receive(0.1) end,
    function() return ws:receive_piece() end,
    function() return ws:update(0.1) end, function() return ws:wait_open() end,
    function() return ws:messages()() end, function() return plain.run(ws) end,
    function() return plain.update(0.1, { ws, ws }) end,
    function() return plain.group(ws):run() end,
  } do
    local ok, why = pcall(wait)
    if not ok and why:find("take wsclose.openresty", 1, true) then refused = refused + 1 end
  end
  local got
  ws.on_open = function() ws:send "plainly" end
  ws.on_message = function(_, data)
    got = data
    ws:close()
  end
  local group = plain.group(ws)
  while ws:update() and group:update() do ngx.sleep(0.001) end
  return ("%d of 11 raise; %s %d"):format(refused, got, ws.close_code)
end

function cases.many()
  local ok, why = pcall(wsclose.group)
  return tostring(ok) .. " " .. why:match "wsclose.group.*"
end

local function unescaped(name)
  local value = ngx.var["arg_" .. name]
  return value and ngx.unescape_uri(value)
end

-- Through the proxy that the request names, or the environment does; what the first attempt tells.
function cases.proxy()
  local line
  local made, ws = pcall(wsclose.new, unescaped "url", {
    proxy = unescaped "proxy", resolve = { ["proxy.example"] = "127.0.0.1", known = "127.0.0.1" },
    proxy_headers = { ["X-Via"] = "nginx" }, retry = true,
    timeouts = { connect = tonumber(ngx.var.arg_connect) },
    on_open = function(ws) ws:send "through" end,
    on_message = function(ws, data)
      local about = ws:info()
      line = ("%s %s:%d %s"):format(data, about.address, about.port,
        about.tls and about.tls.version .. " " .. about.tls.cipher or "plain")
      ws:close()
    end,
    on_close = function(ws, code, _, info)
      local fault = info.error
      line = line or ("%s %s %s: %s; %s"):format(fault.name, fault.phase, tostring(fault.status),
        fault.message, info.retry_in and "goes on" or "over")
      if code == 1000 then line = line .. " 1000" end
      ws:close()
    end,
  })
  if not made then return (ws:gsub("^.-:%d+: ", "")) end
  ws:run()
  return line
end

-- What each option of docs/api.md may be; those not named take anything.
local function nothing() end
local some_socket = 0
while not core.is_socket(some_socket) do some_socket = some_socket + 1 end
local VALUES = {
  socket = some_socket,
  protocols = { "a" }, require_protocol = false, headers = { A = "b" }, extensions = {},
  retry = true, timeouts = {}, keepalive = false, limits = {}, tls = {}, outbox = true,
  proxy = "http://127.0.0.1:3128", proxy_headers = {}, pieces = true,
  max_messages = 1, max_time = 1, redirects = 1, receive_reopened = true,
  bind = "127.0.0.1", resolve = {}, family = 4, nodelay = false, trace = true, log = "error",
  clock = function() return 0 end, random_bytes = nothing, role = "server",
  ["outbox.full"] = "oldest", ["outbox.confirm"] = true,
  ["tls.cert"] = "c.pem", ["tls.key"] = "k.pem", ["tls.verify"] = false,
  ["tls.pin"] = ("0"):rep(64),
  ["tls.min_version"] = "1.3", ["tls.session_cache"] = 0,
}

local function value_of(name)
  if VALUES[name] ~= nil then return VALUES[name] end
  if name:find "^on_" or name == "before_connect" then return nothing end
  if name:find "^tls%." then return "x" end
  return name:find "%." and 1 or nil
end

function cases.option()
  local name = ngx.var.arg_name
  local group, inner = name:match "^(%w+)%.(.*)$"
  local value = assert(value_of(name) ~= nil, "no value for " .. name) and value_of(name)
  local given = { [name] = value }
  if group then given = { [group] = { [inner] = value } } end
  if name == "outbox.low" then given.outbox.high = 2 end
  if name == "on_piece" then given.pieces = true end
  local ok, why = pcall(wsclose.new, URL, given)
  return ok and "taken" or (why:gsub("^.-:%d+: ", ""))
end

local line = cases[ngx.var.arg_case]()
if ngx.get_phase() == "content" then ngx.say(line) end
