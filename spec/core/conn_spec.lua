local talk = require "support.talk"
local wire = require "support.wire"
local wsclose = require "wsclose"

local function names(events)
  local list = {}
  for i, event in ipairs(events) do
    list[i] = event[1]
  end
  return list
end

describe("the closing handshake, RFC 6455 7", function()
  it("waits for the server to close TCP after both Closes, and no longer than `linger`", function()
    local t = talk.open { timeouts = { linger = 2 } }
    t:input_close(1000, "done")
    assert.same({}, t:drain())
    assert.equal(1000, t:sent_close().code)
    t:tick(0)
    t:tick(1.9)
    assert.same({}, t:drain())
    t:tick(0.1)
    local code, reason, info = t:closed()
    assert.same({ 1000, "done" }, { code, reason })
    assert.is_true(info.clean)
    assert.is_nil(info.error)
  end)

  it("ends at once when the server closes TCP after both Closes", function()
    local t = talk.open()
    t:input_close(1001, "restart")
    t:drain()
    t:sent_close()
    t.p:eof()
    local code, reason, info = t:closed()
    assert.same({ 1001, "restart" }, { code, reason })
    assert.is_true(info.clean)
    assert.equal("peer", info.by)
    assert.equal("GOING_AWAY", info.name)
  end)

  it("runs the close timer from close(), though the frame cannot leave", function()
    local t = talk.open { timeouts = { close = 5 } }
    assert.is_true(t.p:send(("x"):rep(100)))
    t.p:close(1000)
    t:tick(0)
    t:tick(4.9)
    assert.same({}, t:drain())
    t:tick(0.1)
    local code, _, info = t:closed()
    assert.equal(1006, code)
    assert.equal("close_timeout", info.error.name)
    assert.equal("the closing handshake was not complete within 5 s", info.error.message)
    assert.equal("client", info.by)
    assert.equal(100, info.undelivered)
  end)

  it("reports the peer's code when the timer ends a closing in which its Close came", function()
    local t = talk.open { timeouts = { close = 5 } }
    t:input_close(1012, "later")
    t:drain()
    t:tick(0) -- our echo is never written
    t:tick(5)
    local code, reason, info = t:closed()
    assert.same({ 1012, "later" }, { code, reason })
    assert.equal("close_timeout", info.error.name)
    assert.is_false(info.clean)
  end)

  it("sends what was queued before close(), and refuses what comes after it", function()
    local t = talk.open()
    t.p:send "first"
    t.p:close(1000, "bye")
    local ok, sentence, name = t.p:send "late"
    assert.is_nil(ok)
    assert.is_string(sentence)
    assert.equal("state", name)
    local frames = t:frames()
    assert.same({ "first", 1000, "bye" }, { frames[1].payload, frames[2].code, frames[2].reason })
    assert.equal(2, #frames)
  end)

  it("drops and counts what is queued when the peer's Close comes, and echoes the Close", function()
    local t = talk.open()
    t.p:send(("a"):rep(70))
    t.p:send(("b"):rep(50), "binary")
    t:input_close(1001, "away")
    t:drain()
    local frames = t:frames()
    assert.equal(1, #frames)
    assert.same({ 1001, "away" }, { frames[1].code, frames[1].reason })
    t.p:eof()
    local _, _, info = t:closed()
    assert.equal(120, info.undelivered)
  end)

  it("finishes the frame in flight before it echoes the Close", function()
    local t = talk.open()
    t.p:send(("a"):rep(70))
    t.p:send(("b"):rep(50))
    local begun = t.p:output(10)
    assert.equal(10, #begun)
    t:input_close(1001)
    t:drain()
    local bytes = begun .. t.p:output()
    local first, after = wire.read_frame(bytes, 1)
    local second, rest = wire.read_frame(bytes, after)
    assert.equal(("a"):rep(70), first.payload)
    assert.equal(1001, second.code)
    assert.equal(#bytes + 1, rest)
    t.p:eof()
    local _, _, info = t:closed()
    assert.equal(50, info.undelivered)
  end)

  -- Frames of 16, 26, 8 (a ping) and 36 bytes.
  for _, case in ipairs {
    { "before the first has left", 0, 60 }, { "in the first", 3, 60 },
    { "behind the first", 16, 60 },
    { "in the second", 20, 60 }, { "in a ping behind it", 44, 60 }, { "behind that", 50, 60 },
    { "in the last, which is finished", 51, 0 }, { "behind the last", 86, 0 },
    { "behind the second, and the last was never written", 50, 30, open = true },
    { "in the ping, and the last was never written", 44, 30, open = true },
  } do
    it("counts all of a message whose fragments are cut off " .. case[1], function()
      local t = talk.open()
      local writer = t.p:send_fragments "binary"
      writer:write(("1"):rep(10))
      writer:write(("2"):rep(20))
      t.p:ping "hi"
      if not case.open then writer:finish(("3"):rep(30)) end
      assert.equal(case[2], #t.p:output(case[2]))
      t:input_close(1001)
      t:drain()
      t.p:output()
      t.p:eof()
      assert.equal(case[3], select(3, t:closed()).undelivered)
    end)
  end

  it("delivers data after our Close until the peer's, and answers no more pings", function()
    local t = talk.open()
    t.p:close(1000)
    t:sent_close()
    t:input { payload = "still" }
    t:input { opcode = "ping", payload = "p" }
    t:input { payload = "here", opcode = "binary" }
    local events = t:drain()
    assert.same({ "message", "ping", "message" }, names(events))
    assert.same({ "message", "here", "binary" }, events[3])
    assert.same({}, t:frames())
  end)

  it("lets no pong follow our Close, though some still waited", function()
    local t, pings = talk.open(), {}
    for i = 1, 200 do pings[i] = wire.frame { opcode = "ping", payload = tostring(i) } end
    t:input(table.concat(pings))
    t:drain() -- 64 pongs are queued, the latest of the rest waits behind them
    t:input_close(1001)
    t:drain()
    local frames = t:frames()
    assert.equal("close", frames[#frames].name)
    assert.same({}, t:frames())
  end)

  it("ignores everything after the peer's Close", function()
    local t = talk.open()
    t:input_close(1000)
    t:input { payload = "late" }
    t:input { opcode = 3, rsv2 = true }
    assert.same({}, t:drain())
    assert.equal(1000, t:sent_close().code)
    t.p:eof()
    local code, _, info = t:closed()
    assert.equal(1000, code)
    assert.is_nil(info.error)
  end)

  it("takes a Close between the fragments of a message, echoes it, drops the message", function()
    local t = talk.open()
    t:input { payload = "half", fin = false }
    t:input_close(1001)
    assert.same({}, t:drain())
    assert.equal(1001, t:sent_close().code)
  end)

  it("may close between the fragments of its own message", function()
    local t = talk.open()
    t.p:send_fragments("text"):write "half"
    t.p:close(1000)
    local frames = t:frames()
    assert.same({ "text", "close" }, { frames[1].name, frames[2].name })
    t:input_close(1000)
    t.p:eof()
    assert.equal(1000, (t:closed()))
  end)

  it("sends one Close when both sides close at once, and reports the peer's code", function()
    local t = talk.open()
    t.p:close(1000, "o") -- the shortest reason there is
    t:input_close(1001, "t")
    t:drain()
    assert.equal(1000, t:sent_close().code)
    t.p:eof()
    local code, reason, info = t:closed()
    assert.same({ 1001, "t" }, { code, reason })
    assert.same({ code = 1000, reason = "o" }, info.sent)
    assert.same({ code = 1001, reason = "t" }, info.received)
    assert.is_true(info.clean)
  end)

  it("answers an empty Close with an empty one and reports 1005", function()
    local t = talk.open()
    t:input_close()
    t:drain()
    assert.equal("", t:sent_close().payload)
    t.p:eof()
    local code, reason, info = t:closed()
    assert.same({ 1005, "" }, { code, reason })
    assert.is_nil(info.error)
  end)

  for _, case in ipairs {
    { hex = "03", code = 1002, why = "one byte holds no code" },
    { hex = "03ec", code = 1002, why = "1004 is reserved" },
    { hex = "03ed", code = 1002, why = "1005 never travels" },
    { hex = "03ee", code = 1002, why = "1006 never travels" },
    { hex = "03f7", code = 1002, why = "1015 never travels" },
    { hex = "03e7", code = 1002, why = "999 is below all codes" },
    { hex = "03f8", code = 1002, why = "1016 is unassigned" },
    { hex = "0bb7", code = 1002, why = "2999 is unassigned" },
    { hex = "1388", code = 1002, why = "5000 is above all codes" },
    { hex = "03e8ff", code = 1007, why = "the reason is not UTF-8" },
    { hex = "03e8c3", code = 1007, why = "the reason ends within a character" },
  } do
    it(("answers a Close %s with %d: %s"):format(case.hex, case.code, case.why), function()
      local t = talk.open()
      t:input { opcode = "close", payload = wire.hex(case.hex) }
      t:drain()
      assert.equal(case.code, t:sent_close().code)
      t.p:eof()
      local code, _, info = t:closed()
      assert.equal(case.code, code)
      assert.equal("client", info.by)
      local high, low = wire.hex(case.hex):byte(1, 2)
      local on_the_wire = low and high * 256 + low
      assert.equal(on_the_wire, info.received and info.received.code)
      if on_the_wire then
        assert.matches(tostring(on_the_wire), info.error.message, 1, true)
      end
    end)
  end

  for hex, received in pairs { ["0000"] = 0, ["03ed"] = 1005, ffff = 65535, ["03e8ff"] = 1000 } do
    it(("tells a Close %s that answers ours, and ends with 1006"):format(hex), function()
      local t = talk.open()
      t.p:close(1000)
      t:sent_close()
      t:input { opcode = "close", payload = wire.hex(hex) }
      t:drain()
      t.p:eof()
      local code, _, info = t:closed()
      assert.same({ 1006, received, false }, { code, info.received.code, info.clean })
    end)
  end

  for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
    3000, 3999, 4000, 4999 } do
    it("takes and echoes close code " .. code, function()
      local t = talk.open()
      t:input_close(code, "why")
      t:drain()
      local frame = t:sent_close()
      assert.same({ code, "why" }, { frame.code, frame.reason })
    end)
  end

  it("cancels when closed while connecting: 1006, no frame", function()
    local t = talk.new()
    t.p:close(1000)
    assert.equal("", t.p:output())
    local code, reason, info = t:closed()
    assert.same({ 1006, "" }, { code, reason })
    assert.equal("client", info.by)
    assert.is_false(info.opened)
    assert.is_nil(info.sent)
    assert.is_nil(info.error)
  end)

  it("reports the end of TCP without a Close as 1006", function()
    local t = talk.open()
    t.p:eof()
    local code, reason, info = t:closed()
    assert.same({ 1006, "" }, { code, reason })
    assert.same({ "eof", "open" }, { info.error.name, info.error.phase })
    assert.equal("network", info.by)
    assert.is_false(info.clean)
  end)

  it("lets the rest of our Close go out to a peer that has ended its own side", function()
    local t = talk.open()
    t.p:send(("a"):rep(70))
    local begun = t.p:output(10)
    t:input_close(1001, "away")
    t.p:eof()
    assert.same({}, t:drain())
    local bytes = begun .. t.p:output(60)
    assert.same({}, t:drain())
    bytes = bytes .. t.p:output()
    local _, after = wire.read_frame(bytes, 1)
    assert.equal(1001, wire.read_frame(bytes, after).code)
    local code, _, info = t:closed()
    assert.equal(1001, code)
    assert.same({ code = 1001, reason = "away" }, info.sent)
    assert.is_true(info.clean)
  end)

  it("reports the end of TCP after our Close alone as 1006", function()
    local t = talk.open()
    t.p:close(1000)
    t:sent_close()
    t.p:eof()
    local code, _, info = t:closed()
    assert.equal(1006, code)
    assert.same({ "eof", "close" }, { info.error.name, info.error.phase })
    assert.same({ code = 1000, reason = "" }, info.sent)
  end)

  it("delivers what came before the end of TCP first", function()
    local t = talk.open()
    t:input { payload = "last words" }
    t.p:eof()
    assert.same({ "message", "close" }, names(t:drain()))
  end)

  it("is closed once, whatever is called afterwards", function()
    local t = talk.open()
    t:input_close(1000)
    t:drain()
    t:frames()
    t.p:eof()
    assert.same({ "close" }, names(t:drain()))
    t.p:close(1000)
    t.p:close(1001)
    t.p:eof()
    t:tick(1000)
    t.p:input "more"
    assert.same({}, t:drain())
    assert.equal("", t.p:output())
  end)
end)

describe("failing a connection, RFC 6455 7.1.7", function()
  local faults = {
    { 1002, "RSV1 without an extension", { rsv1 = true } },
    { 1002, "RSV2", { rsv2 = true } },
    { 1002, "RSV3", { rsv3 = true } },
    { 1002, "RSV1 on a control frame", { opcode = "ping", rsv1 = true } },
    { 1002, "a reserved data opcode", { opcode = 3 } },
    { 1002, "the last reserved data opcode", { opcode = 7 } },
    { 1002, "a reserved control opcode", { opcode = 11 } },
    { 1002, "the last reserved control opcode", { opcode = 15 } },
    { 1002, "a masked server frame", { payload = "x", mask = "abcd" } },
    { 1002, "a length of 125 in 16 bits", { payload = ("x"):rep(125), form = 16 } },
    { 1002, "a length of 65535 in 64 bits", { length = wire.hex "000000000000ffff" } },
    { 1002, "a length with its top bit set", { length = wire.hex "8000000000000000" } },
    { 1002, "a control frame over 125 bytes", { opcode = "ping", payload = ("x"):rep(126) } },
    { 1002, "a fragmented control frame", { opcode = "ping", fin = false } },
    { 1002, "a continuation of nothing", { opcode = "continuation", payload = "x" } },
    { 1007, "a text that is not UTF-8", { payload = "a\255" } },
    { 1007, "a text that ends within a character", { payload = "a\195" } },
    { 1009, "a frame over limits.frame", { payload = ("x"):rep(1001) } },
  }
  for _, fault in ipairs(faults) do
    it(("answers %s with %d"):format(fault[2], fault[1]), function()
      local t = talk.open { limits = { frame = 1000, message = 3000 }, extensions = {} }
      t:input { payload = "before" }
      t:input(fault[3])
      t:input { payload = "after" }
      assert.same({ "message" }, names(t:drain()))
      local frame = t:sent_close()
      assert.equal(fault[1], frame.code)
      t:input { payload = "long after" }
      assert.same({}, t:drain())
      t.p:eof()
      local code, reason, info = t:closed()
      assert.equal(fault[1], code)
      assert.equal(frame.reason, reason)
      assert.equal("client", info.by)
      assert.is_string(info.error.message)
    end)
  end

  it("answers a new message within a fragmented one with 1002", function()
    local t = talk.open()
    t:input { payload = "a", fin = false }
    t:input { payload = "b" }
    t:drain()
    assert.equal(1002, t:sent_close().code)
  end)

  it("finds the offending byte of a text in a partial frame", function()
    local t = talk.open()
    t:input(wire.frame({ payload = "good" .. ("x"):rep(1000) }):sub(1, 20))
    assert.same({}, t:drain())
    assert.is_nil(t:sent_close())
    t:input "\254"
    t:drain()
    assert.equal(1007, t:sent_close().code)
  end)

  it("finds the offending byte of a text across fragments", function()
    local t = talk.open()
    t:input { payload = "a\226\130", fin = false }
    t:input { opcode = 0, payload = "\172b", fin = false }
    assert.same({}, t:drain())
    assert.is_nil(t:sent_close())
    t:input { opcode = 0, payload = "\237\160", fin = false }
    t:drain()
    assert.equal(1007, t:sent_close().code)
  end)

  it("does not check binary messages", function()
    local t = talk.open()
    t:input { opcode = "binary", payload = "\255\254" }
    assert.same({ { "message", "\255\254", "binary" } }, t:drain())
  end)

  it("answers a message over limits.message with 1009, at the head of the frame", function()
    local t = talk.open { limits = { message = 1000 } }
    t:input { payload = ("x"):rep(600), fin = false }
    t:input(wire.frame({ opcode = 0, payload = ("x"):rep(401) }):sub(1, 4))
    t:drain()
    assert.equal(1009, t:sent_close().code)
    t.p:eof()
    local code, _, info = t:closed()
    assert.same({ 1009, "too_big" }, { code, info.error.name })
  end)

  it("makes no room for a frame that it refused", function()
    local t = talk.open()
    t:input(wire.frame { opcode = "binary", length = wire.hex "0000005365632d57" }) -- 358 GB
    t:drain()
    assert.equal(1009, t:sent_close().code)
    assert.is_true(t.p:input "x")
    t.p:eof()
    assert.equal(1009, (t:closed()))
  end)

  it("takes a message of exactly limits.message", function()
    local t = talk.open { limits = { message = 1000 } }
    t:input { payload = ("x"):rep(600), fin = false }
    t:input { opcode = 0, payload = ("y"):rep(400) }
    assert.same({ { "message", ("x"):rep(600) .. ("y"):rep(400), "text" } }, t:drain())
  end)

  it("answers more frames than limits.fragments with 1009", function()
    local t = talk.open { limits = { fragments = 3 } }
    t:input { payload = "1", fin = false }
    t:input { opcode = 0, payload = "2", fin = false }
    t:input { opcode = 0, payload = "3", fin = false }
    t:drain()
    assert.is_nil(t:sent_close())
    t:input { opcode = 0, payload = "4", fin = true }
    t:drain()
    assert.equal(1009, t:sent_close().code)
  end)

  it("drops what is queued and counts it", function()
    local t = talk.open()
    t.p:send(("q"):rep(30))
    t:input { opcode = 3 }
    t:drain()
    local frames = t:frames()
    assert.equal(1, #frames)
    assert.equal(1002, frames[1].code)
    t.p:eof()
    local _, _, info = t:closed()
    assert.equal(30, info.undelivered)
  end)

  it("lets a peer that does not hang up linger, then leaves", function()
    local t = talk.open { timeouts = { linger = 2 } }
    t:input { opcode = 3 }
    t:drain()
    t:frames()
    t:tick(0)
    t:tick(2)
    assert.equal(1002, (t:closed()))
  end)

  it("reports garbage after our own Close as 1006 with the fault", function()
    local t = talk.open()
    t.p:close(1000)
    t:frames()
    t:input { opcode = 3 }
    t:drain()
    t.p:eof()
    local code, _, info = t:closed()
    assert.same({ 1006, "protocol", "close" }, { code, info.error.name, info.error.phase })
  end)
end)

describe("a required extension that the answer lacks", function()
  local function required(extra)
    local offer = { required = true }
    for name, value in pairs(extra or {}) do
      offer[name] = value
    end
    return { extensions = { ["permessage-deflate"] = offer } }
  end

  it("is told with Close 1010, masked, before anything opens", function()
    local t = talk.new(required())
    t:answer()
    assert.same({}, t:drain())
    local frame = t:sent_close()
    assert.same({ 1010, "permessage-deflate", true }, { frame.code, frame.reason, frame.masked })
    t:input_close(1010, "permessage-deflate")
    t.p:eof()
    local code, reason, info = t:closed()
    assert.same({ 1010, "permessage-deflate" }, { code, reason })
    assert.equal("client", info.by)
    assert.is_false(info.opened)
    assert.is_true(info.clean)
    assert.equal("extension", info.error.name)
    assert.equal("MANDATORY_EXTENSION", info.name)
  end)

  it("names the parameter that is missing", function()
    local t = talk.new(required { require = { "server_no_context_takeover" } })
    t:answer { extensions = "permessage-deflate" }
    t:drain()
    assert.equal("permessage-deflate; server_no_context_takeover", t:sent_close().reason)
  end)

  it("drops what came with the 101, however it is cut", function()
    local t = talk.new(required())
    local early = wire.frame { payload = "early" } .. wire.frame { opcode = "ping" }
    t:answer { body = early .. "\1\254\0" }
    t:input(("z"):rep(200))
    assert.same({}, t:drain())
    assert.equal(1010, t:sent_close().code)
  end)

  for _, case in ipairs {
    { "another code", function(t) t:input_close(1000, "fine") end },
    { "data, then its Close", function(t) t:input({ payload = "x" }):input_close(1010) end },
    { "nothing, and hangs up", function() end },
    { "garbage", function(t) t:input { opcode = 3, rsv2 = true } end },
  } do
    it("is reported as 1010 whatever the server answers: " .. case[1], function()
      local t = talk.new(required())
      t:answer()
      t:drain()
      t:frames()
      case[2](t)
      t:drain()
      assert.same({}, t:frames())
      t.p:eof()
      local code, reason, info = t:closed()
      assert.same({ 1010, "permessage-deflate" }, { code, reason })
      assert.is_false(info.opened)
    end)
  end

  it("shows the server's answer in info.received", function()
    local t = talk.new(required())
    t:answer()
    t:drain()
    t:frames()
    t:input_close(1000, "so be it")
    t.p:eof()
    local _, _, info = t:closed()
    assert.same({ code = 1000, reason = "so be it" }, info.received)
    assert.same({ code = 1010, reason = "permessage-deflate" }, info.sent)
  end)

  it("gives up on a server that does not answer the Close", function()
    local options = required()
    options.timeouts = { close = 5 }
    local t = talk.new(options)
    t:answer()
    t:drain()
    t:frames()
    t:tick(0)
    t:tick(5)
    assert.equal(1010, (t:closed()))
  end)
end)

describe("the handshake's place in the connection", function()
  it("keeps frames that arrive in the same segment as the 101", function()
    local t = talk.new()
    local close = wire.frame { opcode = "close", payload = "\3\233" }
    t:answer { body = wire.frame { payload = "early" } .. close }
    assert.same({ "open", "message" }, names(t:drain()))
    assert.equal(1001, t:sent_close().code)
  end)

  it("fails without a frame: 1006", function()
    local t = talk.new()
    t:answer { set = { ["Sec-WebSocket-Accept"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" } }
    local code, reason, info = t:closed()
    assert.same({ 1006, "" }, { code, reason })
    assert.same({ "handshake", "handshake" }, { info.error.name, info.error.phase })
    assert.equal("", t.p:output())
  end)

  it("passes over interim answers, RFC 9110 15.2, within limits.header", function()
    local interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <"
      .. ("a"):rep(50) .. ">\r\n\r\n" -- longer than the refusal behind it
    local t = talk.new()
    t:input(interim):answer()
    assert.same({ "open" }, names(t:drain()))
    t = talk.new()
    t:input(interim):input "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    local _, _, info = t:closed()
    assert.equal(404, info.http.status)
    t = talk.new { limits = { header = 1000 } }
    t:input(("HTTP/1.1 100 Continue\r\n\r\n"):rep(41)) -- 1025 bytes
    _, _, info = t:closed()
    assert.equal("handshake", info.error.name)
  end)

  it("treats an extension that was not offered as a failed handshake, not as 1010", function()
    local t = talk.new { extensions = {} }
    t:answer { extensions = "permessage-deflate" }
    local code, _, info = t:closed()
    assert.same({ 1006, "extension" }, { code, info.error.name })
    assert.equal("", t.p:output())
  end)

  it("reports a refusal with status, headers and body", function()
    local t = talk.new()
    t:input "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nlater"
    local code, _, info = t:closed()
    assert.same({ 1006, "http" }, { code, info.error.name })
    assert.same({ 503, "later" }, { info.http.status, info.http.body })
    assert.equal("7", info.http.headers["retry-after"])
  end)

  it("waits for the body of a refusal until the deadline, and keeps the refusal", function()
    local t = talk.new { timeouts = { handshake = 5 } }
    t:input "HTTP/1.1 403 Forbidden\r\nContent-Length: 50\r\n\r\nbegun"
    assert.same({}, t:drain())
    t:tick(5)
    local _, _, info = t:closed()
    assert.same({ "http", 403, "begun" }, { info.error.name, info.http.status, info.http.body })
  end)

  for _, case in ipairs {
    { "whole", "5\r\nnot y\r\n3;x=1\r\net!\r\n0\r\n\r\n", "not yet!" },
    { "with bare line ends", "C\n0123456789ab\n0\n\n", "0123456789ab" },
    { "empty", "0\r\n\r\n", "" },
    { "broken", "3\r\nabc\r\nzz\r\nrest", "abc" },
    { "with no line end behind a chunk", "3\r\nabc2\r\nde\r\n0\r\n\r\n", "abc" },
    { "with a size no body has", "3\r\nabc\r\nffffffffff\r\n", "abc" },
  } do
    it("takes the body of a refusal out of its chunks: " .. case[1], function()
      for cut = 1, #case[2] do
        local t = talk.new()
        t:input "HTTP/1.1 503 Later\r\nTransfer-Encoding: chunked\r\n\r\n"
        t:input(case[2]:sub(1, cut))
        local event = t:drain()[1]
        t:input(case[2]:sub(cut + 1))
        event = event or t:drain()[1]
        assert.equal("close", event[1])
        assert.same({ 503, case[3] }, { event[4].http.status, event[4].http.body })
      end
    end)
  end

  it("keeps of a chunked body what came before the deadline", function()
    local t = talk.new { timeouts = { handshake = 5 } }
    t:input "HTTP/1.1 503 Later\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nnot"
    assert.same({}, t:drain())
    t:tick(5)
    local _, _, info = t:closed()
    assert.equal("not", info.http.body)
  end)

  it("keeps 4096 bytes of a refusal's body", function()
    local t = talk.new()
    t:input("HTTP/1.1 500 Oops\r\n\r\n" .. ("b"):rep(5000))
    local _, _, info = t:closed()
    assert.equal(4096, #info.http.body)
  end)

  it("reports the end of TCP during the handshake", function()
    local t = talk.new()
    t:input "HTTP/1.1 101 Swit"
    t.p:eof()
    local code, _, info = t:closed()
    assert.same({ 1006, "eof", "handshake" }, { code, info.error.name, info.error.phase })
  end)

  -- What is said must not hang on how it came.
  local function message_of(bytes, options, opened)
    local message
    for cut = 0, #bytes do
      local t = opened and talk.open(options) or talk.new(options)
      t:input(bytes:sub(1, cut))
      local event = t:drain()[1]
      if not event or event[1] ~= "close" then
        t:input(bytes:sub(cut + 1))
        event = t:drain()[1]
      end
      if not event then
        t.p:eof()
        event = t:drain()[1]
      end
      if not event then
        t.p:output() -- our Close
        event = t:drain()[1]
      end
      local said = event[4].error.name .. ": " .. event[4].error.message
      assert.equal(message or said, said)
      message = said
    end
    return message
  end

  for _, case in ipairs {
    { "text", "token expired\n", ': "token expired"' },
    { "the first line of text", "\r\n  no such room \r\nsee the docs", ': "no such room "' },
    { "JSON", '{"error":"bad origin"}', ': "{"error":"bad origin"}"' },
    { "as much as fits, in whole letters", ("ä"):rep(80), ': "' .. ("ä"):rep(50) .. '"' },
    { "no half letters", "x" .. ("ä"):rep(80), ': "x' .. ("ä"):rep(49) .. '"' },
    { "no HTML", "<html><title>400 Bad Request</title></html>", "" },
    { "no binary", "\31\139\8binary", "" },
    { "no bytes that are not UTF-8", "abc\255def", "" },
    { "nothing of nothing", "", "" },
    { "nothing of a lone bracket", "{\n", "" },
    { "nginx's HTML where TLS is expected",
      "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
      ": this port speaks TLS, so the URL begins with wss://" },
    { "Go's text where TLS is expected", "Client sent an HTTP request to an HTTPS server.\n",
      ": this port speaks TLS, so the URL begins with wss://" },
    { "Apache's HTML where TLS is expected",
      "<p>You're speaking plain HTTP to an SSL-enabled server port.<br />",
      ": this port speaks TLS, so the URL begins with wss://" },
  } do
    it("quotes of a refusal's body " .. case[1], function()
      local bytes = ("HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s"):format(
        #case[2], case[2])
      assert.equal("http: the server answered 400 Bad Request" .. case[3], message_of(bytes))
    end)
  end

  it("quotes the body of a refusal out of its chunks", function()
    assert.equal('http: the server answered 401 No: "in pieces"', message_of(
      "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nin \r\n6\r\npieces\r\n0\r\n\r\n"))
  end)

  for _, case in ipairs {
    { "nothing", "", "; if this port speaks TLS the URL begins with wss://" },
    { "part of an answer", "HTTP/1.1 101 Swit", "" },
  } do
    it("names what was asked for when the server ends it behind " .. case[1], function()
      for _, protocols in ipairs { {}, { "mqtt", "mqttv3.1" } } do
        local t = talk.new { protocols = protocols, require_protocol = false }
        t:input(case[2])
        t.p:eof()
        local _, _, info = t:closed()
        local asked = protocols[1] and " (subprotocols asked for: mqtt, mqttv3.1)" or ""
        assert.equal("the server ended the connection during the handshake" .. asked .. case[3],
          info.error.message)
      end
    end)
  end

  it("does not advise wss:// where that was asked for", function()
    local p = wsclose.protocol "wss://feed.example/"
    p:output()
    p:eof()
    local _, _, _, info = p:next()
    assert.equal("the server ended the connection during the handshake", info.error.message)
  end)

  it("knows the alert of a port that speaks TLS by its first byte", function()
    assert.equal("handshake: this port speaks TLS, so the URL begins with wss://",
      message_of "\21\3\1\0\2\2\10")
  end)

  for _, case in ipairs {
    { "with a body", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\n"
      .. "Content-Length: 28\r\n\r\nUnsupported protocol version",
      ': "HTTP/1.1 400 Bad Request": "Unsupported protocol version"' },
    { "with a longer body", "HTTP/1.1 400 No\r\n\r\n" .. ("x"):rep(300),
      ': "HTTP/1.1 400 No": "' .. ("x"):rep(100) .. '"' },
    { "without a body", "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n",
      ': "HTTP/1.1 503 Later"' },
    { "with HTML", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>",
      ': "HTTP/1.1 502 Bad Gateway"' },
    { "that breaks off", "HTTP/1.1 400 Bad Req", ': "HTTP/1.1 400 Bad Req"' },
    { "without end", "HTTP/1.1 400 Bad Request\r\n" .. ("X: y\r\n"):rep(700),
      ': "HTTP/1.1 400 Bad Request"' },
  } do
    it("quotes an HTTP answer behind the 101 " .. case[1], function()
      assert.equal("protocol: the server sent HTTP behind its 101" .. case[3],
        message_of(case[2], nil, true))
    end)
  end

  it("takes other bytes behind the 101 for frames", function()
    assert.equal("protocol: a control frame is fragmented",
      message_of("HTTPS is another", nil, true))
  end)

  it("takes HTTP behind the first frame for a frame", function()
    local t = talk.open()
    t:input(wire.frame { opcode = "text", payload = "x" } .. "HTTP/1.1 400 Bad Request\r\n\r\n")
    t:drain()
    t.p:output()
    t.p:eof()
    local _, _, info = t:closed()
    assert.equal("a control frame is fragmented", info.error.message)
  end)

  it("reports a server that accepts and stays silent when the deadline comes", function()
    local t = talk.new { timeouts = { handshake = 5 } }
    assert.is_true(t:tick(0) <= 5)
    t:tick(4.99)
    assert.same({}, t:drain())
    t:tick(0.01)
    local _, _, info = t:closed()
    assert.same({ "timeout", "handshake" }, { info.error.name, info.error.phase })
  end)

  it("takes a head of exactly limits.header bytes and none longer", function()
    for _, extra in ipairs { 0, 1 } do
      local t = talk.new { limits = { header = 1000 } }
      local answer = require("support.scripted.handshake").answer(t.request, { lines = { "X: " } })
      t:input((answer:gsub("X: ", "X: " .. ("y"):rep(1000 - #answer + extra))))
      local first = t:drain()[1]
      assert.equal(extra == 0 and "open" or "close", first[1])
    end
  end)
end)

describe("pings and pongs, RFC 6455 5.5.2", function()
  it("answers a ping with its payload", function()
    local t = talk.open()
    t:input { opcode = "ping", payload = "abc" }
    assert.same({ { "ping", "abc" } }, t:drain())
    local frame = t:frames()[1]
    assert.same({ "pong", "abc" }, { frame.name, frame.payload })
  end)

  it("answers between the fragments of a message", function()
    local t = talk.open()
    t:input { payload = "a", fin = false }
    t:input { opcode = "ping" }
    t:input { opcode = 0, payload = "b" }
    assert.same({ "ping", "message" }, names(t:drain()))
    assert.equal("pong", t:frames()[1].name)
  end)

  it("keeps 64 pongs in a flood of pings, in order, and behind them the latest", function()
    local t = talk.open()
    for i = 1, 1000 do
      t:input { opcode = "ping", payload = tostring(i) }
      t:drain()
    end
    local frames = t:frames()
    assert.equal(65, #frames)
    for i = 1, 64 do
      assert.equal(tostring(i), frames[i].payload)
    end
    assert.equal("1000", frames[65].payload)
  end)

  it("queues no more than those while the transport takes nothing", function()
    local t = talk.open()
    t.p:send "blocked"
    t.p:output(1)
    for _ = 1, 100 do
      t:input { opcode = "ping", payload = "1234" }
      t:drain()
      t.p:output(0)
    end
    assert.equal(13 - 1 + 65 * 10, #t.p:output())
  end)

  it("gives the round-trip time of our latest ping", function()
    local t = talk.open()
    t.p:ping "x"
    t:tick(1)
    t:frames() -- here it leaves
    t:tick(0.25)
    t:input { opcode = "pong", payload = "other" }
    t:input { opcode = "pong", payload = "x" }
    assert.same({ { "pong", "other" }, { "pong", "x", 0.25 } }, t:drain())
  end)

  it("takes no pong for the answer to a ping that has not left", function()
    local t = talk.open()
    t.p:ping "x"
    t:tick(1)
    t:input { opcode = "pong", payload = "x" }
    assert.same({ { "pong", "x" } }, t:drain())
  end)
end)

describe("a clock that goes back", function()
  it("makes no round trip negative", function()
    local t = talk.open()
    t:tick(100)
    t.p:ping "p"
    t:frames()
    t:tick(0)
    t:tick(-50)
    t:input { opcode = "pong", payload = "p" }
    assert.same({ { "pong", "p", 0 } }, t:drain())
  end)
end)

describe("keepalive", function()
  local options = { keepalive = { interval = 20, timeout = 10 }, timeouts = { linger = 2 } }

  it("pings when nothing came in for the interval", function()
    local t = talk.open(options)
    t:tick(0)
    t:tick(19.9)
    assert.same({}, t:frames())
    t:tick(0.1)
    assert.equal("ping", t:frames()[1].name)
  end)

  it("is put off by any byte", function()
    local t = talk.open(options)
    t:tick(0)
    t:tick(19)
    t:input "\129" -- half a head
    t:drain()
    t:tick(19)
    assert.same({}, t:frames())
  end)

  it("tries Close 1011 when nothing answers, drops the connection soon after: 1006", function()
    local t = talk.open(options)
    t:tick(0)
    t:tick(20)
    t:frames()
    t:tick(0)
    t:tick(9.9)
    assert.same({}, t:frames())
    t:tick(0.1)
    assert.equal(1011, t:sent_close().code)
    t:tick(0)
    t:tick(2)
    local code, reason, info = t:closed()
    assert.same({ 1006, "", "ping_timeout" }, { code, reason, info.error.name })
    assert.equal(1011, info.sent.code)
    assert.equal("network", info.by)
  end)

  it("lives on when anything comes after the ping", function()
    local t = talk.open(options)
    t:tick(0)
    t:tick(20)
    t:frames()
    t:tick(9)
    t:input { payload = "alive" }
    t:drain()
    t:tick(5)
    assert.same({}, t:frames())
  end)

  it("is switched off by false", function()
    local t = talk.open { keepalive = false }
    t:tick(0)
    t:tick(100000)
    assert.same({}, t:frames())
  end)
end)

describe("sending", function()
  it("writes text, binary and the opcodes 1 and 2", function()
    local t = talk.open()
    t.p:send "a"
    t.p:send("b", "binary")
    t.p:send("c", 1)
    t.p:send("d", 2)
    local seen = {}
    for i, frame in ipairs(t:frames()) do
      seen[i] = frame.name .. frame.payload
    end
    assert.same({ "texta", "binaryb", "textc", "binaryd" }, seen)
  end)

  it("refuses a text that is not UTF-8", function()
    local t = talk.open()
    local ok, sentence, name = t.p:send "\255"
    assert.is_nil(ok)
    assert.is_string(sentence)
    assert.equal("utf8", name)
    assert.same({}, t:frames())
  end)

  it("refuses what would pass limits.send_queue", function()
    local t = talk.open { limits = { send_queue = 100 } }
    assert.is_true(t.p:send(("x"):rep(60)))
    local ok, _, name = t.p:send(("x"):rep(60))
    assert.is_nil(ok)
    assert.equal("busy", name)
    t:frames()
    assert.is_true(t.p:send(("x"):rep(60)))
  end)

  it("writes each length in its shortest form", function()
    local t = talk.open { extensions = {} }
    for _, size in ipairs { 0, 1, 125, 126, 65535, 65536 } do
      t.p:send(("s"):rep(size), "binary")
      local frame = t:frames()[1]
      assert.equal(("s"):rep(size), frame.payload)
    end
  end)

  it("counts a message as started when its first byte leaves, not before", function()
    local t = talk.open { extensions = {} }
    local function started() return (select(2, t.p:progress())) end
    for size = 10, 30, 10 do t.p:send(("s"):rep(size)) end -- 16, 26 and 36 bytes with their heads
    t.p:ping "between"
    t.p:send "last"
    local steps = { { 0, 0 }, { 1, 1 }, { 15, 1 }, { 1, 2 }, { 25, 2 }, { 36, 3 },
      { 13, 3 }, { 1, 4 } }
    for _, step in ipairs(steps) do
      t.p:output(step[1])
      assert.equal(step[2], started())
    end
  end)

  it("writes a message in pieces, cut within characters if need be", function()
    local t = talk.open { extensions = {} }
    local writer = t.p:send_fragments "text"
    assert.is_true(writer:write "a\226")
    assert.is_true(writer:write "\130")
    local ok, _, name = t.p:send "between"
    assert.same({ nil, "state" }, { ok, name })
    assert.is_true(writer:finish "\172")
    local frames = t:frames()
    assert.same({ 1, 0, 0 }, { frames[1].opcode, frames[2].opcode, frames[3].opcode })
    assert.same({ false, false, true }, { frames[1].fin, frames[2].fin, frames[3].fin })
    assert.is_true(t.p:send "after")
  end)
end)

describe("permessage-deflate in the connection, RFC 7692", function()
  it("marks a compressed message with RSV1", function()
    local t = talk.open_deflate()
    t.p:send(("compress me "):rep(50))
    local frame = t:frames()[1]
    assert.is_true(frame.rsv1)
    assert.is_true(#frame.payload < 100)
  end)

  for _, last in ipairs { "end", "" } do
    local title = "lets each piece of a compressed message leave at once, RSV1 on one; last %q"
    it(title:format(last), function()
      local t = talk.open_deflate()
      local server = talk.server(t)
      for _ = 1, 2 do -- the second message goes on with the window of the first
        local writer, sent = t.p:send_fragments "text", {}
        for i = 1, 4 do
          sent[i] = ("piece %d "):format(i):rep(i)
          assert.is_true(writer:write(sent[i]))
          assert.is_true(writer:write "")
          local bytes = t.p:output()
          local frame, after = wire.read_frame(bytes)
          assert.same({ i == 1, i == 1 and 1 or 0 }, { frame.rsv1, frame.opcode })
          assert.same({ #bytes + 1, false }, { after, frame.fin })
          server:input(bytes)
          assert.is_nil(server:next())
        end
        assert.is_true(writer:finish(last))
        server:input(t.p:output())
        assert.same({ "message", table.concat(sent) .. last, "text" }, { server:next() })
      end
    end)
  end

  it("takes compressed messages, whole and in fragments, and plain ones between them", function()
    local t = talk.open_deflate()
    local hello = wire.hex "f248cdc9c90700" -- RFC 7692 7.2.3.1
    t:input { payload = hello, rsv1 = true }
    t:input { payload = "plain" }
    t:input { payload = hello:sub(1, 3), rsv1 = true, fin = false }
    t:input { opcode = "ping" }
    t:input { opcode = 0, payload = hello:sub(4) }
    local seen = {}
    for i, event in ipairs(t:drain()) do
      seen[i] = event[2]
    end
    assert.same({ "Hello", "plain", "", "Hello" }, seen)
  end)

  it("answers RSV1 on a continuation with 1002", function()
    local t = talk.open_deflate()
    t:input { payload = "a", fin = false }
    t:input { opcode = 0, payload = "b", rsv1 = true }
    t:drain()
    assert.equal(1002, t:sent_close().code)
  end)

  it("answers corrupt compressed data with 1002", function()
    local t = talk.open_deflate()
    t:input { payload = "\255\255\255", rsv1 = true }
    t:drain()
    assert.equal(1002, t:sent_close().code)
    t.p:eof()
    local _, _, info = t:closed()
    assert.equal("deflate", info.error.name)
  end)

  it("answers text that inflates to something else than UTF-8 with 1007", function()
    local t = talk.open_deflate()
    t:input { payload = wire.stored "a\255b", rsv1 = true }
    t:drain()
    assert.equal(1007, t:sent_close().code)
  end)

  it("counts the inflated size: 1009 at limit + 1, a message of the limit passes", function()
    for _, case in ipairs { { 1000, "message" }, { 1001, nil } } do
      local t = talk.open({ limits = { message = 1000 } }, { extensions = "permessage-deflate" })
      t:input { payload = wire.stored(("x"):rep(case[1])), rsv1 = true }
      local events = t:drain()
      assert.equal(case[2], events[1] and events[1][1])
      local frame = t:sent_close()
      assert.equal(case[2] == nil and 1009 or nil, frame and frame.code)
    end
  end)

  it("forgives a compressed frame a sixteenth of the limit and block heads, not more", function()
    for _, case in ipairs { { 1072, "message" }, { 1073, nil } } do
      local t = talk.open({ limits = { frame = 1000 } }, { extensions = "permessage-deflate" })
      t:input { payload = wire.stored(("x"):rep(case[1])), rsv1 = true } -- six bytes longer
      local events = t:drain()
      assert.equal(case[2], events[1] and events[1][1])
    end
  end)

  it("reports bad text before the limit that it passes behind it", function()
    local limits = { message = 10, frame = 100 }
    local t = talk.open({ limits = limits }, { extensions = "permessage-deflate" })
    t:input { payload = wire.stored("abc\255" .. ("x"):rep(20)), rsv1 = true }
    t:drain()
    assert.equal(1007, t:sent_close().code)
  end)

  it("sends a message uncompressed when asked to", function()
    local t = talk.open_deflate()
    t.p:send(("plain "):rep(100), "text", { compress = false })
    assert.is_false(t:frames()[1].rsv1)
  end)
end)

describe("the trace", function()
  it("ends with the connection", function()
    local t = talk.open { on_frame = function() end }
    t:input { opcode = "ping" }
    t.p:eof()
    assert.same({ "frame", "ping", "frame", "close" }, names(t:drain()))
    assert.equal("", t.p:output())
    assert.same({}, t:drain())
  end)

  it("gives each frame, both ways, before what it brings", function()
    local t = talk.open { on_frame = function() end }
    t.p:send "out"
    t:input { opcode = "ping", payload = "in" }
    local events = t:drain()
    assert.same({ "frame", "frame", "ping", "frame" }, names(events))
    assert.same({ "out", "pong" }, { events[4][2], events[4][3].name })
    assert.same({ "out", "in" }, { events[1][2], events[2][2] })
    assert.same({ "text", 3, true }, { events[1][3].name, events[1][3].size, events[1][3].masked })
    local frame = events[2][3]
    assert.same({ "ping", "in", false }, { frame.name, frame.payload, frame.masked })
  end)

  -- What it carried on the wire, however it comes.
  it("holds the first KiB of data frames where that is wanted", function()
    local t = talk.open { trace = "payload" }
    local long = ("0123456789abcdef"):rep(100)
    t.p:send "out"
    t.p:send(long, "binary")
    t:input { opcode = "text", payload = "in", fin = false }
    local bytes = wire.frame { opcode = "continuation", payload = long }
    local seen = {}
    for i = 0, #bytes do
      t:input(bytes:sub(i, i))
      for _, event in ipairs(t:drain()) do
        local frame = event[3]
        seen[#seen + 1] = event[1] == "frame"
          and { event[2], frame.name, frame.payload, frame.size } or event
      end
    end
    assert.same({
      { "out", "text", "out", 3 },
      { "out", "binary", long:sub(1, 1024), 1600 },
      { "in", "text", "in", 2 },
      { "in", "continuation", long:sub(1, 1024), 1600 },
      { "message", "in" .. long, "text" },
    }, seen)
  end)

  it("unmasks what a client sent, and holds no payload of data unless that is wanted", function()
    for _, case in ipairs { { "payload", "hello" }, { true, nil } } do
      local server = wsclose.protocol(nil, { role = "server", trace = case[1] })
      local client = wsclose.protocol("ws://feed.example/", {})
      server:input(client:output())
      assert.equal("open", (server:next()))
      client:input(server:output())
      client:next()
      client:send "hello"
      server:input(client:output())
      local event, direction, frame = server:next()
      assert.same({ "frame", "in", "text" }, { event, direction, frame.name })
      assert.equal(case[2], frame.payload)
      assert.same({ "message", "hello", "text" }, { server:next() })
    end
  end)
end)

describe("a server refuses what is no handshake of WebSocket's with its status and why", function()
  local GOOD = "GET / HTTP/1.1\r\nHost: feed.example\r\n"
  for _, case in ipairs {
    { "405 Method Not Allowed", "PUT / HTTP/1.1\r\n\r\n",
      "a WebSocket handshake is a GET request" },
    { "426 Upgrade Required", GOOD .. "\r\n",
      'this server speaks WebSocket: expected "Upgrade: websocket"' },
    { "426 Upgrade Required", GOOD .. "Upgrade: websocket\r\nConnection: Upgrade\r\n"
      .. "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      "this server speaks version 13 of WebSocket" },
    { "400 Bad Request", "\0\1\2\r\n\r\n", "the HTTP head holds a control byte" },
  } do
    it(case[1] .. ": " .. case[3], function()
      local server = wsclose.protocol(nil, { role = "server" })
      server:input(case[2] .. "what follows is not read")
      assert.is_nil((server:next()))
      assert.equal("closing", server:state())
      local head, body = server:output():match "^(.-\r\n)\r\n(.*)$"
      assert.equal("HTTP/1.1 " .. case[1], head:match "^[^\r]*")
      assert.equal(case[3] .. "\n", body)
      local event, code, reason, info = server:next()
      assert.same({ "close", 1006, "" }, { event, code, reason })
      assert.same({ "handshake", "handshake" }, { info.error.name, info.error.phase })
      assert.equal(case[3], info.error.message)
      assert.equal("", server:output())
    end)
  end

  it("and waits no longer for the answer to leave than timeouts.close", function()
    local server = wsclose.protocol(nil, { role = "server", timeouts = { close = 5 } })
    server:input(GOOD .. "\r\n")
    server:next()
    server:tick(0)
    server:tick(4.9)
    assert.is_nil((server:next()))
    server:tick(5)
    assert.equal("close", (server:next()))
  end)
end)
