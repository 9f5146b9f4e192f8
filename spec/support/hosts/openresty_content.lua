-- What a request asks for with ?case=…, answered with one line.
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
  local none, why, closed_with = ws:receive()
  assert(none == nil and why == "done" and closed_with == 1000)
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
  local _, why, code = ws:receive(0.02)
  assert(code == nil)
  ws:send "late"
  local data = ws:receive()
  finish(ws)
  return why .. " then " .. data
end

function cases.name()
  local name, info = failure(("wss://a.example:%s/"):format(PORT))
  return ("%s %d %s"):format(name, info.code, tostring(info.opened))
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

local line = cases[ngx.var.arg_case]()
if ngx.get_phase() == "content" then ngx.say(line) end
