-- The scripted world tells a program what the real one tells: each scene is played twice, by the
-- scripted server of the suite over TCP and by wsclose.testing in memory, and the same is told.

local scripted = require "support.scripted_server"
local testing = require "wsclose.testing"
local wsclose = require "wsclose"

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
local function recording(scene, told)
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

-- Between the real client and server all is told before time goes on; `jumps` are its steps.
local function play_really(scene)
  local told, time = {}, { now = 0 }
  local options = recording(scene, told)
  options.clock = function() return time.now end
  local server = scripted.new(scene.real)
  local ws = assert(wsclose.new(server:url "/v1", options))
  local jumps = scene.jumps or {}
  local function is_over() return ws:state() == "closed" end
  for _, jump in ipairs(jumps) do
    scripted.pump(ws, server, function() return jump.when(ws, server) end)
    time.now = jump.at
  end
  scripted.pump(ws, server, is_over)
  return told
end

local function play_here(scene)
  local told = {}
  local options = recording(scene, told)
  local server = testing.server "ws://127.0.0.1:9/v1"
  scene.played(server)
  local ws = assert(wsclose.new("ws://127.0.0.1:9/v1", options))
  testing.run(ws, "closed")
  server:assert_done()
  return told
end

local function state(name)
  return function(ws) return ws:state() == name end
end

local function upgraded(rest)
  return function(c)
    c:upgrade()
    rest(c)
  end
end

local PLAIN = { extensions = { ["permessage-deflate"] = false } }
local REQUIRED = { extensions = { ["permessage-deflate"] = { required = true } } }

local scenes = {
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
    jumps = { { at = 2, when = function(_, server)
      return server.connections[1] and server.connections[1].request
    end } },
    played = function(s) s:request() end },
  { "a Close that is not answered", options = { timeouts = { close = 3 } },
    on_open = function(ws) ws:close(1000, "bye") end,
    real = upgraded(function(c)
      c:expect_close(1000)
      c:stall()
    end),
    jumps = { { at = 3, when = function(_, server)
      return server.connections[1] and server.connections[1].close
    end } },
    played = function(s) s:accept():silence():expect_close(1000) end },
  { "retries to the end of the policy",
    options = { retry = { jitter = "none", first = false, initial = 2, attempts = 2 } },
    real = upgraded(function(c) c:close_session(1011, "bug") end),
    jumps = { { at = 2, when = state "waiting" }, { at = 2, when = state "connecting" },
      { at = 6, when = state "waiting" } },
    played = function(s)
      for _ = 1, 3 do s:accept():close(1011, "bug") end
    end },
}

describe("the scripted world tells the same as the real one:", function()
  after_each(function()
    testing.reset()
    scripted.close_all()
  end)

  for _, scene in ipairs(scenes) do
    it(scene[1], function()
      local really = play_really(scene)
      assert.is_true(#really >= 1)
      assert.same(really, play_here(scene))
    end)
  end
end)
