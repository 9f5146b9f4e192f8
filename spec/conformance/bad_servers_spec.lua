-- Servers that end, stall, break the protocol or trickle, over a real socket: what the program is
-- told, and what the server sees of it.  The protocol's own rules are in spec/core; here the whole
-- way from kernel to callback is gone, in lockstep with a scripted server and a scripted clock.

local recorder = require "support.recorder"
local scripted = require "support.scripted_server"

local wire = scripted.wire

-- A clock that moves when it is told to.
local function new_clock()
  local time = { now = 50 }
  return time, function()
    return time.now
  end
end

local function start(script, options)
  local server = scripted.new(script)
  local time, clock = new_clock()
  local all = { clock = clock }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return recorder.new(server:url "/", all, server), server, time
end

-- A script that begins with a valid 101.
local function upgraded(rest)
  return function(c)
    c:upgrade()
    rest(c)
  end
end

local function assert_closed(came, code, name)
  assert.equal(code, came.code)
  assert.equal(name, came.info.error and came.info.error.name)
end

-- on_close ran once, and will not run again.
local function assert_over(r)
  for _ = 1, 3 do
    assert.is_false((r.ws:update(0)))
  end
  assert.equal("closed", r.ws:state())
  assert.equal(1, #r.closes)
end

describe("a server that ends TCP", function()
  after_each(scripted.close_all)

  local ends = {
    {
      "without an answer to the handshake",
      function(c)
        c:read_request()
        c:finish()
      end,
      code = 1006,
      error = "eof",
    },
    {
      "by RST instead of an answer",
      function(c)
        c:read_request()
        c:reset()
      end,
      code = 1006,
      error = "reset",
    },
    {
      "in the middle of its answer",
      function(c)
        c:read_request()
        c:send "HTTP/1.1 101 Switching Pro"
        c:finish()
      end,
      code = 1006,
      error = "eof",
    },
    {
      "without a Close",
      upgraded(function(c)
        c:finish()
      end),
      code = 1006,
      error = "eof",
      opened = true,
    },
    {
      "by RST",
      upgraded(function(c)
        c:reset()
      end),
      code = 1006,
      error = "reset",
      opened = true,
    },
    {
      "one way only, and goes on reading",
      upgraded(function(c)
        c:half_close()
        c:wait_end()
      end),
      code = 1006,
      error = "eof",
      opened = true,
    },
    {
      "in the middle of a frame",
      upgraded(function(c)
        c:send_hex "81 05 48 65"
        c:finish()
      end),
      code = 1006,
      error = "eof",
      opened = true,
    },
    {
      "by RST right behind its Close",
      upgraded(function(c)
        c:send_close(1000, "done")
        c:reset()
      end),
      code = 1000,
      opened = true,
    },
  }
  for _, case in ipairs(ends) do
    it(case[1] .. " gives " .. case.code .. (case.error and " and " .. case.error or ""), function()
      local r = start(case[2])
      local came = r:wait_close()
      assert_closed(came, case.code, case.error)
      assert.equal(case.opened or false, came.info.opened)
      assert.equal(case.opened and 1 or 0, #r.opens)
      assert_over(r)
    end)
  end
end)

describe("a server that breaks the protocol", function()
  after_each(scripted.close_all)

  local text = { opcode = "text", payload = "a" }
  local broken = {
    { "RSV2", { payload = "a", rsv2 = true }, 1002 },
    { "RSV1 without an extension", { payload = "a", rsv1 = true }, 1002 },
    { "opcode 3", { opcode = 3 }, 1002 },
    { "opcode 11", { opcode = 11 }, 1002 },
    { "a masked frame", { payload = "a", mask = "abcd" }, 1002 },
    { "a length of 1 in 16 bits", { payload = "a", form = 16 }, 1002 },
    { "a length of 1 in 64 bits", { payload = "a", form = 64 }, 1002 },
    { "a length of 2^63", { length = wire.hex "8000000000000000" }, 1002 },
    { "a ping of 126 bytes", { opcode = "ping", payload = ("a"):rep(126) }, 1002 },
    { "a fragmented ping", { opcode = "ping", fin = false }, 1002 },
    { "a continuation of nothing", { opcode = "continuation", payload = "a" }, 1002 },
    { "a Close of one byte", { opcode = "close", payload = "\3" }, 1002 },
    { "a Close reason that is not UTF-8", { opcode = "close", payload = "\3\232\255" }, 1007 },
    { "text that is not UTF-8", { payload = "a\192\175" }, 1007 },
    { "a frame over limits.frame", { length = 17 * 1024 * 1024 }, 1009 },
  }
  for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535 } do
    local frame = { opcode = "close", payload = wire.close_payload(code) }
    broken[#broken + 1] = { "Close code " .. code, frame, 1002 }
  end
  for _, case in ipairs(broken) do
    it("by " .. case[1] .. " gets Close " .. case[3] .. ", once", function()
      local r, server = start(upgraded(function(c)
        c:send_frame(text)
        c:send_frame(case[2])
        c:send_frame(text) -- never delivered
        c:expect_close(case[3])
        c:finish()
      end))
      local came = r:wait_close()
      assert.equal(case[3], came.code)
      assert.equal("client", came.info.by)
      assert.equal(case[3], came.info.sent.code)
      assert.is_string(came.info.error.message)
      assert.equal(1, #r.messages)
      assert.equal(1, #server.connections[1].frames)
      assert_over(r)
    end)
  end
end)

describe("a server that trickles", function()
  after_each(scripted.close_all)

  it("its answer and frames byte by byte is understood", function()
    local r = start(function(c)
      c:upgrade(nil, 1)
      c:drip(wire.frame { payload = "größer" } .. wire.frame { opcode = "ping", payload = "p" })
      c:expect("pong", "p")
      c:drip(wire.frame { opcode = "close", payload = wire.close_payload(1001, "bye") })
      c:expect_close(1001)
      c:finish()
    end)
    local came = r:wait_close()
    assert.equal("größer", r.messages[1].data)
    assert.equal(1001, came.code)
    assert.equal("bye", came.reason)
    assert.is_true(came.info.clean)
  end)

  it("nothing, frames in one segment with the 101, keeps them", function()
    local r = start(function(c)
      local close = wire.frame { opcode = "close", payload = wire.close_payload(4000, "full") }
      c:upgrade { body = wire.frame { payload = "early" } .. close }
      c:expect_close(4000)
      c:finish()
    end)
    assert.equal(4000, r:wait_close().code)
    assert.equal(1, #r.opens)
    assert.equal("early", r.messages[1].data)
  end)
end)

describe("a server that floods with pings", function()
  after_each(scripted.close_all)

  it("gets a pong for the last of them, and few for those before", function()
    local count = 20000
    local r, server = start(upgraded(function(c)
      c.reading = false
      c:flood_pings(count)
      c.reading = true
      repeat
        local pong = c:expect "pong"
      until pong.payload == tostring(count)
      c:close_session(1000)
    end))
    assert.equal(1000, r:wait_close().code)
    assert.is_true(#server.connections[1].frames < count / 10)
  end)
end)

describe("a server that does not go on", function()
  after_each(scripted.close_all)

  it("accepts and stays silent: the handshake's deadline ends it", function()
    local r, server, time = start(function(c)
      c:stall()
    end)
    r:wait(function()
      return server.connections[1] and server.connections[1].bytes_in > 0
    end)
    time.now = time.now + 5.01
    local came = r:wait_close()
    assert_closed(came, 1006, "timeout")
    assert.equal("handshake", came.info.error.phase)
    assert_over(r)
  end)

  it("does not even accept: the same", function()
    local r, _, time = start { accept = false, function() end }
    for _ = 1, 5 do
      r.ws:update(0)
    end
    time.now = time.now + 5.01
    assert_closed(r:wait_close(), 1006, "timeout")
  end)

  it("swallows the connection attempt: the deadline of all phases ends it", function()
    local time, clock = new_clock()
    local url = "ws://127.0.0.1:" .. scripted.black_hole()
    local r = recorder.new(url, { clock = clock, timeouts = { connect = 3 } })
    for _ = 1, 5 do
      r.ws:update(0)
    end
    assert.equal("connecting", r.ws:state())
    time.now = time.now + 3.01
    local came = r:wait_close()
    assert_closed(came, 1006, "timeout")
    assert.equal("tcp", came.info.error.phase)
  end)

  it("refuses the connection", function()
    local r = recorder.new("ws://127.0.0.1:" .. scripted.refused_port())
    local came = r:wait_close()
    assert_closed(came, 1006, "refused")
    assert.equal("tcp", came.info.error.phase)
  end)

  it("never answers our Close: the close timer ends it", function()
    local r, server, time = start(upgraded(function(c)
      c:stall()
    end))
    r:wait_open()
    r.ws:close(1000, "bye")
    r:wait(function()
      return server.connections[1].close
    end)
    time.now = time.now + 5.01
    assert_closed(r:wait_close(), 1006, "close_timeout")
    assert_over(r)
  end)

  it("stops reading: a full send queue does not hold the close timer up", function()
    local r, _, time = start {
      receive_buffer = 4096,
      upgraded(function(c)
        c.reading = false
        c:stall()
      end),
    }
    r:wait_open()
    assert.is_true(r.ws:send(("x"):rep(12 * 1024 * 1024)))
    r.ws:close(1000)
    for _ = 1, 5 do
      r.ws:update(0)
    end
    assert.is_true(r.ws:buffered() > 0)
    time.now = time.now + 5.01
    local came = r:wait_close()
    assert_closed(came, 1006, "close_timeout")
    assert.equal(12 * 1024 * 1024, came.info.undelivered)
  end)

  it("keeps TCP open after both Closes: the client lingers, then ends it", function()
    local r, server, time = start(upgraded(function(c)
      c:send_close(4001, "stay")
      c:expect_close(4001)
      c:wait_end()
    end))
    r:wait(function()
      return server.connections[1] and server.connections[1].close
    end)
    for _ = 1, 5 do
      r.ws:update(0)
    end
    assert.equal(0, #r.closes)
    time.now = time.now + 2.01
    assert.equal(4001, r:wait_close().code)
    r:wait(function()
      return server.connections[1].ended
    end)
  end)

  it("sends nothing, answers no ping: keepalive gives it up with Close 1011", function()
    local r, server, time = start(upgraded(function(c)
      c:expect "ping"
      c:expect_close(1011)
      c:wait_end()
    end))
    r:wait_open()
    time.now = time.now + 20.01
    r:wait(function()
      return server.connections[1].frames[1]
    end)
    time.now = time.now + 20.01
    r:wait(function()
      return server.connections[1].close
    end)
    time.now = time.now + 5.01
    assert_closed(r:wait_close(), 1006, "ping_timeout")
    assert_over(r)
  end)
end)

describe("closing at odd moments", function()
  after_each(scripted.close_all)

  it("while connecting cancels: 1006, and not a byte of a frame", function()
    local r, server = start(function(c)
      c:read_request()
      c:wait_end()
    end)
    r:wait(function()
      return server.connections[1] and server.connections[1].request
    end)
    r.ws:close(1000, "never mind")
    local came = r:wait_close()
    assert.equal(1006, came.code)
    assert.is_nil(came.info.sent)
    r:wait(function()
      return server.connections[1].ended
    end)
    assert.same({}, server.connections[1].frames)
    assert_over(r)
  end)

  it("with messages queued sends them first", function()
    local r, server = start(upgraded(function(c)
      c:answer_close()
    end))
    r:wait_open()
    for i = 1, 3 do
      assert.is_true(r.ws:send("message " .. i))
    end
    assert.is_true(r.ws:close(4000, "done"))
    assert.is_true(r.ws:close(4001)) -- repeated: nothing
    assert.same({ nil, "state" }, { (r.ws:send "late"), (select(3, r.ws:send "late")) })
    assert.equal(4000, r:wait_close().code)
    local frames = server.connections[1].frames
    assert.equal("message 3", frames[3].payload)
    assert.equal(4, #frames)
    assert.equal(1, #r.closes)
  end)

  it("inside a callback is safe", function()
    local r, server = start(upgraded(function(c)
      c:send_text "one"
      c:send_text "two"
      c:answer_close()
    end), {
      on_message = function(ws)
        ws:close(4002, "enough")
      end,
    })
    assert.equal(4002, r:wait_close().code)
    assert.same({ code = 4002, reason = "enough" }, server.connections[1].close)
    assert.equal(1, #r.closes)
  end)

  it("by the collector, or the end of the state, sends 1001 without waiting", function()
    local r, server = start(upgraded(function(c)
      c:expect_close(1001)
      c:wait_end()
    end))
    r:wait_open()
    r.ws = nil
    collectgarbage()
    collectgarbage()
    scripted.pump(nil, server, function()
      return server.connections[1].ended
    end)
    assert.equal(1001, server.connections[1].close.code)
  end)
end)
