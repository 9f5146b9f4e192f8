--- Scenes between a client and its server, each told twice for the server: by the scripted server
-- of the suite over TCP (`real`) and by wsclose.testing in memory (`played`).  The client is the
-- same in both, and in a worker of nginx, which loads this file too; what it is told is written
-- down.
--
--   options     of the client, but for callbacks
--   on_open, on_message   the program's part
--   jumps       time goes on to `at`, once the client waits after so many attempts (`waiting`), or
--               the real server says so (`when`)

local wire = require "wsclose.testing.wire"

local scenes = {}

local function pair(frame)
  return frame and { frame.code, frame.reason }
end

-- What a program may go by; addresses, times of the day and the like are left out.
local function essence(info)
  local fault = info.error
  return {
    info.code, info.reason, info.name, info.by,
    clean = info.clean, opened = info.opened, sent = pair(info.sent),
    received = pair(info.received), undelivered = info.undelivered, attempt = info.attempt,
    retry_in = info.retry_in, retry_refused = info.retry_refused, duration = info.duration,
    fault = fault and { fault.name, fault.phase },
    http = info.http and { info.http.status, info.http.body },
  }
end

-- Options that write down what the callbacks are told, and play the program's own part.
function scenes.recording(scene, told)
  local options = {}
  for name, value in pairs(scene.options or {}) do options[name] = value end
  local function record(name, entry)
    told[#told + 1] = { name, entry }
  end
  function options.on_open(ws, info)
    record("open", { info.status, info.protocol, #info.extensions, info.phase })
    if scene.on_open then scene.on_open(ws) end
  end
  function options.on_message(ws, data, kind)
    record("message", { data, kind })
    if scene.on_message then scene.on_message(ws, data) end
  end
  function options.on_ping(_, data) record("ping", data) end
  function options.on_pong(_, data) record("pong", data) end
  function options.on_close(_, _, _, info) record("close", essence(info)) end
  function options.on_retry(_, delay) record("retry", delay) end
  return options
end

--- What was told, in one form for all handles.
---@return string
function scenes.show(value)
  if type(value) == "number" then return ("%g"):format(value) end
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
  end)
  for i, key in ipairs(keys) do
    parts[i] = ("%s=%s"):format(tostring(key), scenes.show(value[key]))
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local function upgraded(rest)
  return function(c)
    c:upgrade()
    rest(c)
  end
end

local TEXT = wire.frame { payload = "x" }
local CLOSE_3000 = wire.frame { opcode = "close", payload = wire.close_payload(3000, "theirs") }

-- RFC 7692 7.2.3.1 and 7.2.3.2; the last is a block of a type that there is not.
local function compressed(payload) return wire.frame { payload = payload, rsv1 = true } end
local HELLO = compressed "\242\72\205\201\201\7\0"
local HELLO_AGAIN = compressed "\242\0\17\0\0"
local UNASKED = "permessage-deflate; server_no_context_takeover; client_max_window_bits=9"
local BROKEN = compressed "\7\255"

local PLAIN = { extensions = { ["permessage-deflate"] = false } }
local REQUIRED = { extensions = { ["permessage-deflate"] = { required = true } } }

scenes.all = {
  { "Close 1000", real = upgraded(function(c) c:close_session(1000, "bye") end),
    played = function(s) s:accept():close(1000, "bye") end },
  { "Close 1001", real = upgraded(function(c) c:close_session(1001, "restart") end),
    played = function(s) s:accept():close(1001, "restart") end },
  { "an empty Close", real = upgraded(function(c) c:close_session() end),
    played = function(s) s:accept():close() end },
  { "Close 1005", real = upgraded(function(c) c:close_session(1005) end),
    played = function(s) s:accept():close(1005) end },
  { "an end without Close", real = upgraded(function(c) c:finish() end),
    played = function(s) s:accept():drop() end },
  { "a reset", real = upgraded(function(c)
      c:frame() -- so that the reset does not overtake the answer
      c:reset()
    end),
    on_open = function(ws) ws:send "go" end,
    played = function(s) s:accept():expect():reset() end },
  { "a required extension that is missing", options = REQUIRED,
    real = upgraded(function(c) c:answer_close() end),
    played = function(s) s:accept():expect_close(1010) end },
  { "a required extension that is there", options = REQUIRED,
    real = function(c)
      c:upgrade { extensions = "permessage-deflate" }
      c:close_session(1000)
    end,
    played = function(s) s:accept({ extensions = "permessage-deflate" }):close(1000) end },
  { "an extension that was not offered", options = PLAIN,
    real = function(c)
      c:upgrade { extensions = "permessage-deflate" }
      c:wait_end()
    end,
    played = function(s) s:accept({ extensions = "permessage-deflate" }):expect_end() end },
  { "a refusal", real = function(c) c:refuse(404, {}, "nobody here") end,
    played = function(s) s:refuse(404, {}, "nobody here") end },
  { "a wrong Sec-WebSocket-Accept",
    real = function(c)
      c:upgrade { set = { ["Sec-WebSocket-Accept"] = "no" } }
      c:wait_end()
    end,
    played = function(s) s:accept({ set = { ["Sec-WebSocket-Accept"] = "no" } }):expect_end() end },
  { "a subprotocol", options = { protocols = { "b", "a" } },
    real = function(c)
      c:upgrade { protocol = "a" }
      c:close_session(1000)
    end,
    played = function(s) s:accept({ protocol = "a" }):close(1000) end },
  { "messages and pings, then the client's Close",
    on_message = function(ws, data) if data == "last" then ws:close(3000, "enough") end end,
    real = upgraded(function(c)
      c:send_text "one"
      c:send_ping "p"
      c:expect("pong", "p")
      c:send_binary "\1"
      c:send_text "last"
      c:answer_close()
    end),
    played = function(s)
      s:accept():send("one"):ping("p"):expect_pong("p"):send("\1", "binary"):send("last")
        :expect_close(3000, "enough")
    end },
  { "a lone byte as the body of a Close", real = upgraded(function(c)
      c:send_frame { opcode = "close", payload = "\3" }
      c:answer_close()
    end),
    played = function(s)
      s:accept():frame({ opcode = "close", payload = "\3" }):expect_close(1002)
    end },
  { "a Close whose reason is not UTF-8", real = upgraded(function(c)
      c:send_close(1000, "\255")
      c:answer_close()
    end),
    played = function(s)
      s:accept():frame({ opcode = "close", payload = "\3\232\255" }):expect_close(1007)
    end },
  { "both Closes at once", on_message = function(ws) ws:close(3001, "mine") end,
    real = upgraded(function(c)
      c:send(TEXT .. CLOSE_3000)
      c:expect_close()
      c:finish()
    end),
    played = function(s) s:accept():raw(TEXT .. CLOSE_3000):expect_close():drop() end },
  { "what comes behind our Close, and nothing behind theirs",
    on_message = function(ws, data) if data == "x" then ws:close(3001, "mine") end end,
    real = upgraded(function(c)
      c:send(TEXT)
      c:expect_close(3001, "mine")
      c:send(wire.frame { payload = "late" } .. CLOSE_3000 .. TEXT)
      c:finish()
    end),
    played = function(s)
      s:accept():silence():raw(TEXT):expect_close(3001, "mine")
        :raw(wire.frame { payload = "late" } .. CLOSE_3000 .. TEXT):drop()
    end },
  { "a Close between fragments", real = upgraded(function(c)
      c:send_frame { opcode = "text", payload = "half", fin = false }
      c:close_session(1001, "restart")
    end),
    played = function(s)
      s:accept():frame({ opcode = "text", payload = "half", fin = false }):close(1001, "restart")
    end },
  { "compressed messages, with context takeover",
    on_message = function(ws, data) ws:send(data) end,
    real = function(c)
      c:upgrade { extensions = "permessage-deflate" }
      c:send(HELLO .. HELLO_AGAIN)
      for _ = 1, 2 do c:message() end
      c:close_session(1000)
    end,
    played = function(s)
      s:accept({ extensions = "permessage-deflate" }):raw(HELLO .. HELLO_AGAIN)
        :expect("Hello"):expect("Hello"):close(1000)
    end },
  { "parameters of permessage-deflate that were not asked for",
    real = function(c)
      c:upgrade { extensions = UNASKED }
      c:send(HELLO .. HELLO)
      c:close_session(1000)
    end,
    played = function(s)
      s:accept({ extensions = UNASKED }):raw(HELLO .. HELLO):close(1000)
    end },
  { "a parameter of permessage-deflate that there is not",
    real = function(c)
      c:upgrade { extensions = "permessage-deflate; no_such" }
      c:wait_end()
    end,
    played = function(s)
      s:accept({ extensions = "permessage-deflate; no_such" }):expect_end()
    end },
  { "compression that was not agreed", options = PLAIN, real = upgraded(function(c)
      c:send(HELLO)
      c:answer_close()
    end),
    played = function(s) s:accept():raw(HELLO):expect_close(1002) end },
  { "compressed bytes that are none",
    real = function(c)
      c:upgrade { extensions = "permessage-deflate" }
      c:send(BROKEN)
      c:answer_close()
    end,
    played = function(s)
      s:accept({ extensions = "permessage-deflate" }):raw(BROKEN):expect_close(1002)
    end },
  { "a message that inflates to too much", options = { limits = { message = 4 } },
    real = function(c)
      c:upgrade { extensions = "permessage-deflate" }
      c:send(HELLO)
      c:answer_close()
    end,
    played = function(s)
      s:accept({ extensions = "permessage-deflate" }):raw(HELLO):expect_close(1009)
    end },
  { "a reserved opcode", real = upgraded(function(c)
      c:send_frame { opcode = 3 }
      c:answer_close()
    end),
    played = function(s) s:accept():frame({ opcode = 3 }):expect_close(1002) end },
  { "text that is not UTF-8", real = upgraded(function(c)
      c:send_text "\255"
      c:answer_close()
    end),
    played = function(s) s:accept():send("\255"):expect_close(1007) end },
  { "a message that is too big", options = { limits = { message = 3 } },
    real = upgraded(function(c)
      c:send_text "four"
      c:answer_close()
    end),
    played = function(s) s:accept():send("four"):expect_close(1009) end },
  { "a handshake that is not answered",
    options = { timeouts = { handshake = 2 } },
    real = function(c)
      c:read_request()
      c:stall()
    end,
    jumps = { { at = 2, when = function(server)
      return server.connections[1] and server.connections[1].request
    end } },
    played = function(s) s:request() end },
  { "a Close that is not answered", options = { timeouts = { close = 3 } },
    on_open = function(ws) ws:close(1000, "bye") end,
    real = upgraded(function(c)
      c:expect_close(1000)
      c:stall()
    end),
    jumps = { { at = 3, when = function(server)
      return server.connections[1] and server.connections[1].close
    end } },
    played = function(s) s:accept():silence():expect_close(1000) end },
  { "retries to the end of the policy",
    options = { retry = { jitter = "none", first = false, initial = 2, attempts = 2 } },
    real = upgraded(function(c) c:close_session(1011, "bug") end),
    jumps = { { at = 2, waiting = 1 }, { at = 6, waiting = 2 } },
    played = function(s)
      for _ = 1, 3 do s:accept():close(1011, "bug") end
    end },
}

--- Does the client wait for its next attempt, as a jump has it?
function scenes.is_waiting(ws, jump)
  return ws:state() == "waiting" and ws:stats().attempts == jump.waiting
end

return scenes
