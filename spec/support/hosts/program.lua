--- What the programs of the hosts' suites share; support/hosts.lua is the other side of it.
local program = {}

--- Where the server is: wss://feed.example:PORT/
program.url = os.getenv "WSCLOSE_URL"
program.case = os.getenv "WSCLOSE_CASE" or "scenario"

---@param line string
function program.say(line)
  io.stdout:write(line, "\n")
  io.stdout:flush()
end

--- Options with which the server is found and trusted.
---@param more table
function program.options(more)
  more.resolve = { ["feed.example"] = "127.0.0.1" }
  more.tls = { ca_file = os.getenv "WSCLOSE_CA" }
  return more
end

--- As on a system where no descriptor tells of a client's work.
function program.take_descriptors()
  local methods = require("wsclose.core").client_methods
  function methods.pollfd() end
end

--- Straight down in a coroutine of the host, while another one sends.
---@param wsclose table the host's module
---@param spawn fun(f: fun()) runs a function in a coroutine of its own
function program.straight(wsclose, spawn)
  local options = program.options { retry = true }
  local ws = assert(wsclose.connect(program.url .. "?id=straight", options))
  assert(select(2, ws:receive(0.01)) == "timeout")
  spawn(function()
    for i = 1, 100 do ws:send("message " .. i) end
  end)
  for i = 1, 100 do assert(ws:receive() == "message " .. i) end
  program.say "100 MESSAGES"
  ws:close(1000, "done")
  assert(ws:run() == 1000)
  local none, sentence, why, code = ws:receive()
  assert(sentence == tostring(ws.close_info))
  program.say(("THEN %s %s %d"):format(tostring(none), why, code))
  local refused, _, name = wsclose.connect "ws://127.0.0.1:1/"
  program.say(("CONNECT %s %s"):format(tostring(refused), name))
end

--- A message that comes in pieces, each waited for in the host.
---@param wsclose table
function program.pieces(wsclose)
  local options = program.options { pieces = { size = 1000 } }
  local ws = assert(wsclose.connect(program.url .. "?id=pieces", options))
  local numbers, pieces = {}, {}
  for i = 1, 50000 do numbers[i] = i end
  local message = table.concat(numbers, " ")
  assert(select(2, ws:receive_piece(0.01)) == "timeout")
  ws:send(message)
  repeat
    local piece, _, last = ws:receive_piece()
    assert(#piece <= 1000)
    pieces[#pieces + 1] = piece
  until last
  assert(table.concat(pieces) == message)
  ws:close(1000, "done")
  local none, _, why, code = ws:receive_piece()
  program.say(("IN PIECES THEN %s %s %d"):format(tostring(none), why, code))
end

--- Another coroutine closes while this one waits for the next attempt.
---@param wsclose table
---@param spawn fun(f: fun()) runs a function in a coroutine of its own, and not at once
function program.wake(wsclose, spawn)
  local ws = assert(wsclose.new("ws://127.0.0.1:1/", {
    retry = { initial = 600, max = 600, jitter = "none" },
    on_retry = function(ws)
      spawn(function() ws:close() end)
    end,
  }))
  ws:run()
  program.say("STOPPED " .. ws:state())
end

--- Timers, set by the coroutine that then waits and by another: while it waits for a message, for
-- the end, for the next attempt.
---@param wsclose table
---@param spawn fun(f: fun()) as for wake
function program.timers(wsclose, spawn)
  local ws = assert(wsclose.connect(program.url .. "?id=timers", program.options {}))
  ws:after(0.01, function() ws:send "own" end)
  local own, count = ws:receive(), 0
  spawn(function() ws:after(0.01, function() ws:send "other" end) end)
  local other = ws:receive()
  local beat
  beat = ws:every(0.01, function()
    count = count + 1
    if count < 3 then return end
    beat:cancel()
    ws:close(1000, "done")
  end)
  local code = ws:run()
  program.say(("TIMERS %s %s %d %d"):format(own, other, count, code))
  local patient = assert(wsclose.new("ws://127.0.0.1:1/", {
    retry = { initial = 600, max = 600, jitter = "none" },
    on_retry = function(client)
      spawn(function() client:after(0.01, client.close) end)
    end,
  }))
  patient:run()
  program.say("STOPPED " .. patient:state())
end

--- Timers of a client that no coroutine waits for.
---@param new fun(url: string, options: table): wsclose.Client the host drives it
function program.timer_alone(new)
  local beats = 0
  local ws = assert(new(program.url .. "?id=alone", program.options {
    on_close = function(_, code) program.say(("ALONE %d %d"):format(beats, code)) end,
  }))
  ws:every(0.01, function()
    if ws:state() ~= "open" then return end
    beats = beats + 1
    if beats == 3 then ws:close(1000) end
  end)
end

--- The cases above, each within a coroutine of the host; the program adds its own.
---@param wsclose table the host's module
---@param spawn fun(f: fun()) as for straight
---@return table<string, fun()>
function program.cases(wsclose, spawn)
  local cases = {}
  for _, name in ipairs { "straight", "pieces", "wake", "timers" } do
    cases[name] = function()
      spawn(function() program[name](wsclose, spawn) end)
    end
  end
  return cases
end

return program
