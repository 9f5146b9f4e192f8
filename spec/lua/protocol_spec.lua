-- wsclose.protocol as Lua sees it: the shapes of what goes in and comes out.  What the protocol
-- does with bytes is held by spec/core.

local talk = require "support.talk"
local wsclose = require "wsclose"
local wire = require "support.wire"

local NORMAL = 1000

-- Client and server side of the same core, and bytes carried between them.
local function pair(client_options, server_options)
  local all = { role = "server" }
  for name, value in pairs(server_options or {}) do all[name] = value end
  local client = assert(wsclose.protocol("ws://a.example/x", client_options))
  local server = assert(wsclose.protocol(nil, all))
  local function carry()
    for _ = 1, 4 do
      server:input(client:output())
      client:input(server:output())
    end
  end
  return client, server, carry
end

local function opened_pair(...)
  local client, server, carry = pair(...)
  server:input(client:output())
  assert.equal("open", (server:next()))
  client:input(server:output())
  assert.equal("open", (client:next()))
  return client, server, carry
end

local function pcall_message(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

describe("the protocol object's output", function()
  it("is the request first, then the empty string", function()
    local p = assert(wsclose.protocol "ws://a.example/x")
    assert.matches("^GET /x HTTP/1.1\r\nHost: a.example\r\n.*\r\n\r\n$", (p:output()))
    assert.equal("", (p:output()))
    assert.equal("connecting", p:state())
  end)

  it("carries the headers of the options, the subprotocols and the offer", function()
    local p = assert(wsclose.protocol("ws://a.example/", {
      headers = { ["X-Token"] = "t" },
      protocols = { "v2", "v1" },
    }))
    local request = p:output()
    assert.matches("\r\nX-Token: t\r\n", request, 1, true)
    assert.matches("\r\nSec-WebSocket-Protocol: v2, v1\r\n", request, 1, true)
    assert.matches("\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
      request, 1, true)
  end)

  it("holds all that was sent, in order", function()
    local t = talk.open()
    for i = 1, 300 do assert.is_true(t.p:send(("%d"):format(i))) end
    assert.equal(t.p:buffered(), #t.p:output())
    assert.equal(0, t.p:buffered())
  end)
end)

describe("the protocol object's input", function()
  it("takes bytes of any amount and says whether they are still read", function()
    local t = talk.open()
    local message = wire.frame { opcode = "binary", payload = ("x"):rep(300000) }
    assert.is_true(t.p:input(message .. message))
    assert.is_true(t.p:input "")
    for _ = 1, 2 do
      local event, data, kind = t.p:next()
      assert.equal("message", event)
      assert.equal(300000, #data)
      assert.equal("binary", kind)
    end
    assert.is_nil(t.p:next())
    t.p:eof()
    assert.equal("close", (t.p:next()))
    assert.is_false(t.p:input "x")
  end)

  it("ends by eof: in order, or by a fault with its sentence", function()
    local t = talk.open()
    t.p:eof()
    local _, code, reason, info = t.p:next()
    assert.same({ 1006, "", "eof", "open" }, { code, reason, info.error.name, info.error.phase })

    t = talk.open()
    t.p:eof("reset", "connection reset by the balancer")
    _, code, reason, info = t.p:next()
    assert.same({ 1006, "", "reset" }, { code, reason, info.error.name })
    assert.equal("connection reset by the balancer", info.error.message)
  end)

  for _, case in ipairs {
    { "dns", 1006, "dns", "dns" },
    { "refused", 1006, "refused", "tcp" },
    { "unreachable", 1006, "unreachable", "tcp" },
    { "timeout", 1006, "timeout", "handshake" },
    { "proxy", 1006, "proxy", "proxy" },
    { "proxy", 1006, "proxy", "proxy", status = 407 },
    { "tls", 1015, "tls", "tls" },
    { "certificate", 1015, "tls", "tls", true },
  } do
    it("ends before the handshake by the fault " .. case[1], function()
      local t = talk.new()
      t.p:eof(case[1], "why", case.status)
      local _, code, _, info = t.p:next()
      assert.equal(case[2], code)
      assert.same({
        name = case[3], message = "why", phase = case[4], certificate = case[5],
        status = case.status,
      }, info.error)
      assert.is_false(info.opened)
    end)
  end

  it("refuses a fault of an unknown name", function()
    local t = talk.open()
    assert.matches("unknown error name 'broken'", pcall_message(t.p.eof, t.p, "broken"), 1, true)
  end)
end)

describe("the protocol object's events", function()
  it("are a message with its kind", function()
    local client, server, carry = opened_pair()
    assert.is_true(client:send "Grüße")
    assert.is_true(client:send("\255\0", "binary"))
    assert.is_true(client:send("a", 1))
    assert.is_true(client:send("b", 2))
    assert.is_true(client:send(12))
    carry()
    assert.same({ "message", "Grüße", "text" }, { server:next() })
    assert.same({ "message", "\255\0", "binary" }, { server:next() })
    assert.same({ "message", "a", "text" }, { server:next() })
    assert.same({ "message", "b", "binary" }, { server:next() })
    assert.same({ "message", "12", "text" }, { server:next() })
    assert.is_nil(server:next())
  end)

  it("are a ping with its data and a pong with the round trip in seconds", function()
    local client, server, carry = opened_pair()
    client:tick(10)
    assert.is_true(client:ping "are you there")
    client:tick(10)
    server:input(client:output())
    assert.same({ "ping", "are you there" }, { server:next() })
    client:tick(10.25)
    carry()
    local event, data, rtt = client:next()
    assert.same({ "pong", "are you there" }, { event, data })
    assert.is_true(math.abs(rtt - 0.25) < 1e-9)
    assert.is_true(math.abs(client:stats().rtt - 0.25) < 1e-9)
  end)

  it("are frames with their direction when traced", function()
    local client, server, carry = opened_pair({ trace = true })
    client:send "hello"
    server:ping "p"
    carry()
    local seen = {}
    for _ = 1, 2 do
      local event, direction, frame = client:next()
      while event do
        if event == "frame" then
          seen[#seen + 1] = ("%s %s %d"):format(direction, frame.name, frame.size)
          if frame.name ~= "text" then assert.equal("p", frame.payload) end
          assert.is_true(frame.fin)
          assert.equal(direction == "out", frame.masked)
        end
        event, direction, frame = client:next()
      end
      client:output() -- the pong is made
    end
    assert.same({ "out text 5", "in ping 1", "out pong 1" }, seen)
  end)

  it("end with one close, with code, reason and the whole info", function()
    local client, server, carry = opened_pair()
    assert.is_true(client:close(4001, "bye"))
    carry()
    assert.is_nil(server:next()) -- its answer is still to be written
    carry()
    local event, code, reason, info = server:next()
    assert.same({ "close", 4001, "bye" }, { event, code, reason })
    assert.equal("peer", info.by)
    client:eof()
    event, code, reason, info = client:next()
    assert.same({ "close", 4001, "bye" }, { event, code, reason })
    assert.equal(4001, info.code)
    assert.equal("bye", info.reason)
    assert.equal("client", info.by)
    assert.equal("PRIVATE", info.name)
    assert.is_true(info.clean)
    assert.is_true(info.opened)
    assert.same({ code = 4001, reason = "bye" }, info.sent)
    assert.same({ code = 4001, reason = "bye" }, info.received)
    assert.equal(0, info.undelivered)
    assert.is_nil(info.error)
    assert.is_nil(info.http)
    assert.is_nil(client:next())
    assert.equal("closed", client:state())
    assert.is_true(client:finished())
  end)

  it("tell a refusal with status, headers and body", function()
    local t = talk.new()
    t.p:input "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nX-A: 1\r\nx-a: 2\r\n"
    t.p:input "Content-Length: 4\r\n\r\nwait"
    local _, code, reason, info = t.p:next()
    assert.same({ 1006, "" }, { code, reason })
    assert.equal("http", info.error.name)
    assert.equal(503, info.http.status)
    assert.equal("wait", info.http.body)
    assert.equal("7", info.http.headers["retry-after"])
    assert.equal("1, 2", info.http.headers["x-a"])
    assert.same({ "X-A", "1" }, info.http.headers[2])
    assert.same({ "x-a", "2" }, info.http.headers[3])
  end)
end)

describe("the protocol object's time", function()
  it("is told in seconds, and the next deadline is given in seconds", function()
    local p = wsclose.protocol("ws://a.example/", { timeouts = { handshake = 3 } })
    assert.equal(103, p:tick(100))
    assert.equal(103, p:tick(102.5))
    assert.is_nil(p:next())
    assert.is_nil(p:tick(103))
    local _, code, _, info = p:next()
    assert.same({ 1006, "timeout", "handshake" }, { code, info.error.name, info.error.phase })
  end)

  it("may be that of the calendar, too", function()
    local p = wsclose.protocol("ws://a.example/", { timeouts = { handshake = 3 } })
    assert.is_true(math.abs(p:tick(1700000000.25) - 1700000003.25) < 1e-5)
  end)

  for _, case in ipairs { 0, math.huge } do
    it("has no deadline where the timeout is " .. case, function()
      local p = wsclose.protocol("ws://a.example/", { timeouts = { handshake = case } })
      assert.is_nil(p:tick(0))
    end)
  end

  it("does not linger where linger is 0", function()
    local t = talk.open { timeouts = { linger = 0 } }
    t:input_close(NORMAL)
    t:drain()
    t.p:output()
    t:tick(1)
    t:tick(0.001)
    assert.equal(NORMAL, (t:closed()))
  end)
end)

describe("sending on a protocol object", function()
  it("fails with a sentence and a name", function()
    local p = wsclose.protocol("ws://a.example/", {})
    local ok, sentence, name = p:send "x"
    assert.is_nil(ok)
    assert.equal("the connection is not open yet", sentence)
    assert.equal("state", name)

    local t = talk.open { limits = { send_queue = 10 } }
    ok, sentence, name = t.p:send(("x"):rep(11))
    assert.is_nil(ok)
    assert.equal("a message of 11 bytes never fits: limits.send_queue is 10 bytes", sentence)
    assert.equal("too_big", name)
    assert.is_true(t.p:send "x")
    ok, sentence, name = t.p:send(("x"):rep(10))
    assert.is_nil(ok)
    assert.matches("send queue is full", sentence, 1, true)
    assert.equal("busy", name)
    t.p:output()
    ok, sentence, name = t.p:send "\255"
    assert.is_nil(ok)
    assert.matches("not valid UTF-8", sentence, 1, true)
    assert.equal("utf8", name)
    t.p:close()
    ok, sentence, name = t.p:send "x"
    assert.is_nil(ok)
    assert.equal("the connection is closing", sentence)
    assert.equal("state", name)
    t.p:eof()
    assert.equal("close", (t.p:next()))
    ok, sentence, name = t.p:send "x"
    assert.is_nil(ok)
    assert.equal("the connection is closed", sentence)
    assert.equal("state", name)
  end)

  it("raises for wrong arguments, at the caller's line", function()
    local t = talk.open()
    for _, case in ipairs {
      { {}, "expected a string to send, got nil" },
      { { {} }, "expected a string to send, got table" },
      { { "a", "txt" }, 'expected the kind "text", "binary", 1 or 2, got txt' },
      { { "a", 3 }, 'expected the kind "text", "binary", 1 or 2, got 3' },
      { { "a", true }, 'expected the kind "text", "binary", 1 or 2, got boolean' },
      { { "a", "text", 1 }, "expected a table such as {compress=false}, got number" },
    } do
      local message = pcall_message(function()
        t.p:send(case[1][1], case[1][2], case[1][3])
      end)
      assert.matches("^[^\n]*protocol_spec%.lua:%d+: ", message)
      assert.matches(case[2], message, 1, true)
    end
    assert.matches("at most 125 bytes", pcall_message(t.p.ping, t.p, ("x"):rep(126)), 1, true)
    assert.equal("", t.p:output())
  end)

  it("leaves a message uncompressed when asked to", function()
    local t = talk.open_deflate()
    local text = ("long enough to be worth it, "):rep(100)
    t.p:send(text, "text", { compress = false })
    t.p:send(text, "text", { compress = true })
    t.p:send(text, "text", {})
    local frames = t:frames()
    assert.same({ false, true, true }, { frames[1].rsv1, frames[2].rsv1, frames[3].rsv1 })
    assert.equal(text, frames[1].payload)
  end)
end)

describe("close of a protocol object", function()
  for _, case in ipairs {
    { 999, "close code 999 may not be sent" },
    { 1004, "close code 1004 may not be sent" },
    { 1005, "close code 1005 may not be sent" },
    { 1006, "close code 1006 may not be sent" },
    { 1015, "close code 1015 may not be sent" },
    { 1016, "close code 1016 may not be sent" },
    { 2999, "close code 2999 may not be sent" },
    { 5000, "close code 5000 may not be sent" },
    { -1, "close code -1 may not be sent" },
    { 1000.5, "close code 1000.5 may not be sent" },
    { 2 ^ 40, "may not be sent" },
    { "1000", "expected a close code, got string" },
  } do
    it(("raises for %s: %s"):format(tostring(case[1]), case[2]), function()
      local t = talk.open()
      local message = pcall_message(function()
        t.p:close(case[1])
      end)
      assert.matches("^[^\n]*protocol_spec%.lua:%d+: ", message)
      assert.matches(case[2], message, 1, true)
      assert.equal("open", t.p:state())
    end)
  end

  it("raises for a reason too long, not UTF-8 or no string, and takes one of 123 bytes", function()
    local t = talk.open()
    local function reason(text)
      return pcall_message(t.p.close, t.p, NORMAL, text)
    end
    assert.matches("at most 123 bytes", reason(("x"):rep(124)), 1, true)
    assert.matches("valid UTF-8", reason "\255", 1, true)
    assert.matches("expected a string as reason, got table", reason {}, 1, true)
    assert.is_true(t.p:close(NORMAL, ("x"):rep(123)))
    assert.equal(("x"):rep(123), t:sent_close().reason)
  end)

  it("takes every code that may be sent", function()
    for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1010, 1014, 3000, 3999, 4000, 4999 } do
      local t = talk.open()
      assert.is_true(t.p:close(code))
      assert.equal(code, t:sent_close().code)
    end
  end)

  it("is 1000 by default, and safe to repeat", function()
    local t = talk.open()
    assert.is_true(t.p:close())
    assert.is_true(t.p:close(4000, "again"))
    assert.equal(NORMAL, t:sent_close().code)
  end)
end)

describe("what a protocol object tells of itself", function()
  it("is its subprotocol, extensions and headers once open", function()
    local t = talk.new {
      protocols = { "v2", "v1" },
      extensions = { ["permessage-deflate"] = {}, ["x-y"] = { p = true } },
    }
    assert.is_nil(t.p:protocol())
    t:answer {
      protocol = "v1",
      extensions = "permessage-deflate; server_max_window_bits=10, x-y; p",
    }
    assert.equal("open", (t:next()))
    assert.equal("v1", t.p:protocol())
    local info = t.p:info()
    assert.equal("v1", info.protocol)
    assert.equal(101, info.status)
    assert.equal("permessage-deflate", info.extensions[1].name)
    assert.same({ server_max_window_bits = "10" }, info.extensions["permessage-deflate"].params)
    assert.same({ name = "x-y", params = { p = true } }, info.extensions[2])
    assert.equal(info.extensions[2], info.extensions["x-y"])
    assert.equal("websocket", info.headers.upgrade:lower())
  end)

  it("is counted", function()
    local client, server, carry = opened_pair { extensions = {} }
    client:send "hello"
    server:send "hi"
    carry()
    server:next()
    client:next()
    local stats = client:stats()
    assert.equal(1, stats.messages_out)
    assert.equal(1, stats.messages_in)
    assert.equal(5, stats.payload_out)
    assert.equal(2, stats.payload_in)
    assert.equal(1, stats.frames_out)
    assert.is_nil(stats.rtt)
  end)
end)

describe("random_bytes of a protocol object", function()
  it("give the handshake's key and the masks", function()
    local asked = {}
    local p = wsclose.protocol("ws://a.example/", {
      random_bytes = function(n)
        asked[#asked + 1] = n
        return ("\0"):rep(n)
      end,
    })
    assert.matches("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", (p:output()), 1, true)
    assert.same({ 16 }, asked)
  end)

  it("that raise come out of the call that needed them", function()
    local fault = {}
    local ok, raised = pcall(wsclose.protocol, "ws://a.example/", {
      random_bytes = function() error(fault) end,
    })
    assert.is_false(ok)
    assert.equal(fault, raised)
  end)

  it("of a wrong length or type are refused", function()
    for _, bad in ipairs { "", "short", 5, false } do
      local message = pcall_message(wsclose.protocol, "ws://a.example/", {
        random_bytes = function() return bad end,
      })
      assert.matches("must return a string of n bytes", message, 1, true)
    end
  end)

  it("that fail later end the connection and leave the object usable", function()
    local broken = false
    local t = talk.open {
      random_bytes = function(n)
        if broken then error "no more" end
        return talk.fixed_bytes(n)
      end,
    }
    broken = true
    assert.matches("no more", pcall_message(t.p.send, t.p, "x"), 1, true)
    assert.matches("no more", pcall_message(t.p.ping, t.p, "x"), 1, true)
    broken = false
    assert.equal("string", type(t.p:output()))
    assert.equal("string", type(t.p:state()))
  end)
end)

describe("a protocol object", function()
  it("is told from everything else", function()
    local p = wsclose.protocol "ws://a.example/"
    for _, other in ipairs { 1, "x", {}, io.stdout, print } do
      assert.is_false(pcall(p.send, other, "x"))
    end
    assert.is_false(pcall(p.send))
  end)

  it("can be made and forgotten by the thousand", function()
    for _ = 1, 3000 do
      assert(wsclose.protocol "ws://a.example/")
    end
    collectgarbage()
    collectgarbage()
  end)

  it("stays safe after leave, which may be repeated", function()
    local t = talk.open()
    t.p:leave()
    t.p:leave()
    assert.equal("closed", t.p:state())
    assert.is_nil((t.p:send "x"))
    assert.is_nil((t.p:ping()))
    assert.is_nil(t.p:next())
    assert.is_nil(t.p:tick(1))
    assert.equal("", t.p:output())
    assert.is_false(t.p:input "x")
    assert.equal(0, t.p:buffered())
    assert.is_true(t.p:close())
    t.p:eof()
    assert.equal(0, t.p:stats().bytes_in)
    assert.is_nil(t.p:protocol())
    assert.same({}, t.p:info())
    assert.is_true(t.p:finished())
  end)
end)
