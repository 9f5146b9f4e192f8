--- What `make demo` shows: one line a step, against examples/echo_server.lua in a child process.

local socket = require "socket"
local wsclose = require "wsclose"

local function say(step, format, ...)
  print(("%-12s %s"):format(step, format:format(...)))
  io.stdout:flush()
end

-- ---------------------------------------------------------------- the server

-- The child connects to a port of ours, tells there what it does, and ends when that connection
-- does: also if this program dies.
local function start_server()
  local listener = assert(socket.bind("127.0.0.1", 0, 1))
  local _, control_port = listener:getsockname()
  local program = arg[0]:gsub("[^/]*$", "") .. "echo_server.lua"
  local interpreter = arg[-1]
  os.execute(("'%s' '%s' 0 %d &"):format(interpreter, program, control_port))
  listener:settimeout(10)
  local control = assert(listener:accept(), "the server did not start")
  listener:close()
  control:settimeout(10)
  return control
end

-- Shows what the server says; it has `patience` seconds for its first word.
local function show_server(control, patience)
  control:settimeout(patience)
  local line = control:receive "*l"
  while line do
    say("  server:", "%s", line)
    control:settimeout(0)
    line = control:receive "*l"
  end
end

-- ---------------------------------------------------------------- the steps

local function wait_until(ws, seconds, condition)
  local give_up_at = socket.gettime() + seconds
  repeat
    ws:update(0.05)
  until condition() or socket.gettime() > give_up_at
  assert(condition(), "it did not happen in time")
end

local function echo(ws, step, data, kind)
  assert(ws:send(data, kind))
  local answer, answer_kind = ws:receive(5)
  assert(answer == data and answer_kind == kind, "the echo differs")
  say(step, "%d bytes there and back as %s", #data, kind)
end

local function connect(url)
  local seen = { opened = 0 }
  local ws = assert(wsclose.connect(url, {
    retry = true,
    on_open = function() seen.opened = seen.opened + 1 end,
    on_close = function(_, code, reason, info)
      seen.code, seen.reason, seen.info = code, reason, info
    end,
  }))
  say("connect", "%s is %s", url, ws:state())
  return ws, seen
end

local function compressed(ws)
  local before = ws:stats()
  echo(ws, "compressed", ("permessage-deflate, RFC 7692. "):rep(1000), "text")
  local after = ws:stats()
  say("", "of which %d bytes went over the wire, and %d came",
    after.wire_out - before.wire_out, after.wire_in - before.wire_in)
end

local function going_away(ws, seen, control)
  ws:send "close 1001 restarting"
  wait_until(ws, 5, function() return seen.code end)
  assert(seen.code == 1001)
  show_server(control, 5)
  say("1001", "on_close(%d, %q)", seen.code, seen.reason)
  say("", "%s", tostring(seen.info))
  say("", "retry in %.2f s, a random moment of the first 5 s", seen.info.retry_in)
  local start = socket.gettime()
  wait_until(ws, 10, function() return seen.opened == 2 end)
  say("reconnect", "open again after %.2f s", socket.gettime() - start)
  echo(ws, "text", "still here", "text")
end

local function mandatory_extension(url, control)
  local opened, closed = false, nil
  local ws = assert(wsclose.new(url .. "plain", {
    extensions = { ["permessage-deflate"] = { required = true } },
    retry = true,
    on_open = function() opened = true end,
    on_close = function(_, code, reason, info) closed = { code, reason, info } end,
  }))
  ws:run(10)
  assert(not opened and closed and closed[1] == 1010, "no 1010")
  say("1010", "%splain does not compress, and the client requires it", url)
  show_server(control, 5)
  say("", "on_close(%d, %q), on_open was never called", closed[1], closed[2])
  say("", "%s", tostring(closed[3]))
end

local function normal(ws, seen, control)
  ws:close(1000, "bye")
  local code = ws:run(5)
  assert(code == 1000 and seen.info.clean, "not clean")
  show_server(control, 5)
  say("1000", "%s", tostring(seen.info))
end

local control = start_server()
local line = assert(control:receive "*l")
say("server", "%s", line)
local url = line:match "ws://%S+"
local ws, seen = connect(url)
echo(ws, "text", "Grüße", "text")
echo(ws, "binary", ("\0\1\254\255"):rep(64), "binary")
compressed(ws)
going_away(ws, seen, control)
mandatory_extension(url, control)
normal(ws, seen, control)
control:close()
