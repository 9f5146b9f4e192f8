-- cqueues: the scenario, or what WSCLOSE_CASE names, until a line comes in.
local cqueues = require "cqueues"
local scenario = require "support.hosts.scenario"
local wsclose = require "wsclose.cqueues"

local URL, CA = os.getenv "WSCLOSE_URL", os.getenv "WSCLOSE_CA"

local loop = cqueues.new()
local ended = false

local function say(line)
  io.stdout:write(line, "\n")
  io.stdout:flush()
end

local function options(more)
  more.resolve = { ["feed.example"] = "127.0.0.1" }
  more.tls = { ca_file = CA }
  return more
end

local cases = {}

function cases.scenario()
  scenario(function(url, given)
    local ws = assert(wsclose.new(url, given))
    loop:wrap(function() ws:run() end)
    return ws
  end, say)
end

function cases.coroutines()
  loop:wrap(function()
    local ws = assert(wsclose.connect(URL .. "?id=straight", options { retry = true }))
    assert(select(2, ws:receive(0.01)) == "timeout")
    loop:wrap(function()
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

-- The client itself is pollable, without the file for cqueues.
function cases.pollable()
  local ws = assert(require("wsclose").new(URL .. "?id=pollable", options {
    on_open = function(ws) ws:send "hello" end,
    on_message = function(ws, data)
      say("ECHO " .. data)
      ws:close(1000, "done")
    end,
  }))
  loop:wrap(function()
    while ws:update() do cqueues.poll(ws) end
    say "CLOSED"
  end)
end

-- A close from another coroutine ends a wait for the next attempt, and a silent server's close
-- handshake ends in time.
function cases.wake()
  local ws = assert(wsclose.new("ws://127.0.0.1:1/", {
    retry = { initial = 600, max = 600, jitter = "none" },
  }))
  loop:wrap(function()
    ws:run()
    say("STOPPED " .. ws:state())
  end)
  loop:wrap(function()
    while ws:state() ~= "waiting" do cqueues.sleep(0.001) end
    ws:close()
  end)
end

loop:wrap(function()
  cqueues.poll { pollfd = 0, events = "r" }
  ended = true
end)
cases[os.getenv "WSCLOSE_CASE" or "scenario"]()
while not ended do assert(loop:step()) end
