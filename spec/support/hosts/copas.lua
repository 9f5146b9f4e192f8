-- copas: the scenario, or what WSCLOSE_CASE names, until a line comes in.
local copas = require "copas"
local scenario = require "support.hosts.scenario"
local wsclose = require "wsclose.copas"

local URL, CA = os.getenv "WSCLOSE_URL", os.getenv "WSCLOSE_CA"

local ended = false

local function say(line)
  io.stdout:write(line, "\n")
  io.stdout:flush()
end

local cases = {}

function cases.scenario()
  scenario(function(url, given)
    local ws = assert(wsclose.new(url, given))
    copas.addthread(function() ws:run() end)
    return ws
  end, say)
end

function cases.coroutines()
  local given = { retry = true, tls = { ca_file = CA } }
  given.resolve = { ["feed.example"] = "127.0.0.1" }
  copas.addthread(function()
    local ws = assert(wsclose.connect(URL .. "?id=straight", given))
    assert(select(2, ws:receive(0.01)) == "timeout")
    copas.addthread(function()
      for i = 1, 100 do ws:send("message " .. i) end
    end)
    for i = 1, 100 do assert(ws:receive() == "message " .. i) end
    say "100 MESSAGES"
    ws:close(1000, "done")
    assert(ws:run() == 1000)
    local none, why, code = ws:receive()
    say(("THEN %s %s %d"):format(tostring(none), why, code))
    local refused, _, name = wsclose.connect("ws://127.0.0.1:1/")
    say(("CONNECT %s %s"):format(tostring(refused), name))
  end)
end

function cases.wake()
  local ws = assert(wsclose.new("ws://127.0.0.1:1/", {
    retry = { initial = 600, max = 600, jitter = "none" },
    on_retry = function(ws)
      copas.addthread(function() ws:close() end)
    end,
  }))
  copas.addthread(function()
    ws:run()
    say("STOPPED " .. ws:state())
  end)
end

local stdin = { getfd = function() return 0 end, settimeout = print, close = print, looked = false }
function stdin:receive()
  if self.looked then return "ready" end
  self.looked = true
  return nil, "timeout"
end

copas.addthread(function()
  copas.receive(stdin)
  ended = true
end)
cases[os.getenv "WSCLOSE_CASE" or "scenario"]()
wsclose.loop(function() return ended end)
