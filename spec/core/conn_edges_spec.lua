-- A connection at the edges of what conn_spec.lua has in the middle: nothing, one byte, one more
-- than fits.

local counted_modules = require "support.counted"
local talk = require "support.talk"
local testing = require "wsclose.core_testing"
local wire = require "support.wire"
local core = require "wsclose.core"
local wsclose = require "wsclose"

local MIB = 1048576

local function names(frames)
  local list = {}
  for i, frame in ipairs(frames) do list[i] = frame.name end
  return list
end

describe("what leaves a connection", function()
  it("is the request, also where the transport takes a byte at a time", function()
    local options = { random_bytes = talk.fixed_bytes }
    local whole = wsclose.protocol("ws://feed.example/v1", options):output()
    local p = wsclose.protocol("ws://feed.example/v1", options)
    for at = 1, #whole do assert.equal(whole:sub(at, at), p:output(1)) end
    assert.equal("", p:output())
  end)

  it("is nothing where the transport takes nothing", function()
    local t = talk.open { keepalive = { interval = 10, timeout = 5 } }
    t:tick(0)
    t.p:send "x"
    for _, most in ipairs { 0, -1 } do assert.equal("", t.p:output(most)) end
    assert.equal(1 + 6, t.p:buffered())
    assert.equal(1, t.p:stats().messages_out)
    assert.same({ "text" }, names(t:frames()))
  end)

  it("is refused where the heads of frames alone fill the queue", function()
    local t = talk.open { limits = { send_queue = 100 } }
    assert.is_true(t.p:send(("x"):rep(100)))
    for _, data in ipairs { "", "x" } do
      local ok, _, name = t.p:send(data)
      assert.same({ nil, "busy" }, { ok, name })
    end
    t.p:output(6)
    assert.is_true(t.p:send "")
  end)

  it("is a pong for each of 64 pings that carry nothing, and for the latest of the rest", function()
    local t = talk.open()
    t:input(wire.frame { opcode = "ping" }:rep(70))
    t:drain()
    local frames = t:frames()
    assert.equal(65, #frames)
    for _, frame in ipairs(frames) do assert.same({ "pong", "" }, { frame.name, frame.payload }) end
  end)

  it("has room for a pong again as soon as one has begun to leave", function()
    local t = talk.open()
    for i = 1, 64 do t:input(wire.frame { opcode = "ping", payload = ("%02d"):format(i) }) end
    t:drain()
    local begun = t.p:output(1)
    t:input(wire.frame { opcode = "ping", payload = "65" })
    t:input(wire.frame { opcode = "ping", payload = "66" })
    t:drain()
    local bytes, at, payloads = begun .. t.p:output(), 1, {}
    while at <= #bytes do
      local frame, after = wire.read_frame(bytes, at)
      payloads[#payloads + 1] = frame.payload
      at = after
    end
    assert.same({ 66, "01", "65", "66" },
      { #payloads, payloads[1], payloads[65], payloads[66] })
  end)

  it("is no frame for an empty piece, before, in or behind a message in pieces", function()
    local t = talk.open()
    local w = t.p:send_fragments "text"
    w:write ""
    assert.same({}, t:frames())
    w:write "a"
    w:write ""
    w:finish "b"
    local frames = t:frames()
    assert.same({ "text", "continuation" }, names(frames))
    assert.same({ false, true }, { frames[1].fin, frames[2].fin })
    assert.same({ "a", "b" }, { frames[1].payload, frames[2].payload })
  end)
end)

-- The C side's way to say "the default": options.lua refuses a limit of 0.
describe("a limit of 0", function()
  local function open()
    local t = talk.new()
    local p = core.protocol({
      url = "ws://feed.example/v1",
      limits = { message = 0, frame = 0, fragments = 0, header = 0, send_queue = 0 },
    }, talk.fixed_bytes)
    t.p = p
    p:output()
    return t
  end

  it("is 16 MiB of a message, its frame and the send queue", function()
    local t = open()
    t:answer()
    t:drain()
    local _, sentence = t.p:send(("x"):rep(16 * MIB + 1))
    assert.equal("a message of 16777217 bytes never fits: limits.send_queue is 16777216 bytes",
      sentence)
    t:input(wire.frame { opcode = "binary", length = wire.hex "0000000001000001" })
    t:drain()
    assert.equal("a frame of 16777217 bytes is larger than limits.frame (16777216)",
      t:sent_close().reason)
    t = open()
    t:answer()
    t:drain()
    t:input { payload = "x", fin = false }
    t:input(wire.frame { opcode = 0, length = wire.hex "0000000001000000" })
    t:drain()
    assert.equal("a message of 16777217 bytes is larger than limits.message (16777216)",
      t:sent_close().reason)
  end)

  it("is 16 KiB of a head", function()
    local t = open()
    t:input("HTTP/1.1 101 x\r\nA: " .. ("x"):rep(16384 - 19))
    local _, _, info = t:closed()
    assert.equal("the head of the handshake is longer than limits.header", info.error.message)
    t = open()
    t:input("HTTP/1.1 101 x\r\nA: " .. ("x"):rep(16384 - 20))
    assert.same({}, t:drain())
  end)

  it("is 262,144 frames of a message", function()
    local t = open()
    t:answer()
    t:drain()
    t:input { fin = false }
    t:input(wire.frame { opcode = 0, fin = false }:rep(262143))
    assert.same({}, t:drain())
    assert.is_nil(t:sent_close())
    t:input { opcode = 0, fin = false }
    t:drain()
    assert.equal(1009, t:sent_close().code)
  end)
end)

describe("keepalive without a timeout", function()
  it("pings at each interval, and takes no silence for an end", function()
    local t = talk.open { keepalive = { interval = 10, timeout = math.huge } }
    t:tick(0)
    for _ = 1, 5 do
      t:tick(10)
      assert.same({}, t:drain())
      assert.same({ "ping" }, names(t:frames()))
      assert.equal("open", t.p:state())
    end
  end)
end)

describe("what comes into a connection", function()
  it("may come in any number of pieces before anybody asks for events", function()
    local t = talk.open()
    local frame = wire.frame { payload = ("m"):rep(3000) }
    t:input(frame:sub(1, 100))
    assert.same({}, t:drain())
    t:input(frame:sub(101)):input(frame):input(frame:sub(1, 5))
    assert.equal(2, #t:drain())
    t:input(frame:sub(6))
    assert.equal(1, #t:drain())
  end)

  it("is read into a block of its size, where that was told and nothing lies there yet", function()
    local t = talk.open()
    local frame = wire.frame { payload = ("m"):rep(300000) }
    t:input(frame:sub(1, 10)) -- the head alone
    assert.same({}, t:drain())
    t:input(frame:sub(11))
    local event = t:drain()[1]
    assert.equal(300000, #event[2])
  end)

  it("is for a server a client's frame, which is masked, and no answer of HTTP", function()
    for bytes, reason in pairs {
      [wire.frame { payload = "x" }] = "the client sent a frame that is not masked",
      ["HTTP/1.1 400 Bad Request\r\n\r\n"] = false,
    } do
      local t = talk.open()
      local server = talk.server(t)
      server:input(bytes)
      assert.is_nil((server:next()))
      local close = wire.read_frame(server:output(), 1)
      assert.equal(1002, close.code)
      if reason then assert.equal(reason, close.reason) end
      assert.is_nil(close.reason:find "HTTP")
    end
  end)

  it("is an end that a server tells as the client's", function()
    for _, bytes in ipairs { "", "GET / HTTP/1.1\r\n" } do
      local server = wsclose.protocol(nil, { role = "server", protocols = { "a" } })
      server:input(bytes)
      server:eof()
      local _, _, _, info = server:next()
      assert.equal("the client ended the connection during the handshake", info.error.message)
    end
  end)

  it("is given in pieces of any size", function()
    local t = talk.open { pieces = { size = 2 ^ 40 } }
    t:input { payload = ("m"):rep(50000) }
    assert.same({ { "piece", ("m"):rep(50000), "text", true } }, t:drain())
  end)
end)

describe("a carrier that departs", function()
  local cases = {
    ["says 1001 where its Close has left"] = {
      function(p) p:close(1001) return p:output() end, 1001, "client", true,
    },
    ["does not say so where its Close waits"] = {
      function(p) p:close(1001) end, 1006, "client", false,
    },
    ["does not say so where it may not have left this process"] = {
      function(p) p:close(1001) return p:output() end, 1006, "client", false, left = false,
    },
    ["has no code of its own behind another Close"] = {
      function(p) p:close(1000) return p:output() end, 1006, "client", true,
    },
    ["keeps the peer's code, whose Close came first"] = {
      function(p)
        p:input(wire.frame { opcode = "close", payload = "\3\233" })
        p:next()
        p:output()
      end, 1001, "peer", true,
    },
    ["keeps the peer's code, though the echo waits"] = {
      function(p) p:input(wire.frame { opcode = "close", payload = "\3\233" }) p:next() end,
      1001, "peer", false,
    },
    ["changes nothing behind the end"] = { function(p) p:eof() p:next() end },
  }
  for name, case in pairs(cases) do
    it(name, function()
      local t = talk.new()
      local p = core.protocol({ url = "ws://feed.example/v1" }, talk.fixed_bytes)
      t.p = p
      p:output()
      t:answer()
      t:drain()
      case[1](p)
      p:depart(case.left == nil or case.left)
      local event, code, _, info = p:next()
      if not case[2] then return assert.is_nil(event) end
      assert.same({ "close", case[2], case[3], case[4] },
        { event, code, info.by, info.sent ~= nil })
    end)
  end
end)

describe("a pass over what came", function()
  it("makes no room for a message that nobody takes, and ends with the connection", function()
    local memory = testing.memory
    local _, counted = counted_modules()
    local t = talk.new()
    t.p = counted.protocol({ url = "ws://feed.example/v1" }, talk.fixed_bytes)
    t.p:output()
    t:answer()
    t:drain()
    local frame = wire.frame { payload = ("m"):rep(4 * MIB) }
    t:input(frame:sub(1, 1000))
    t:drain()
    t.p:skip()
    memory.peak(true)
    local before = memory.live_bytes()
    for at = 1001, #frame, 50000 do
      t:input(frame:sub(at, at + 49999))
      t.p:skip()
    end
    assert.is_true(memory.peak() - before < MIB)
    t.p:eof()
    t.p:skip()
    local event, code, _, info = t.p:next()
    assert.same({ "close", 1006, 1 }, { event, code, info.dropped })
    t.p:skip()
    assert.is_nil(t.p:next())
    t.p:leave()
  end)
end)

describe("a redirect that is not followed", function()
  for location, shown in pairs {
    ["https://" .. ("h"):rep(200) .. "/x"] = "https://" .. ("h"):rep(120),
    ["https://" .. ("h"):rep(200) .. "?q"] = "https://" .. ("h"):rep(120) .. "?...",
    [("s"):rep(30) .. "://h/x"] = ("s"):rep(20) .. "h/x",
  } do
    it("is quoted without the end of a long address, to " .. #location .. " bytes", function()
      local t = talk.new()
      t:input("HTTP/1.1 302 Found\r\nLocation: " .. location .. "\r\nContent-Length: 0\r\n\r\n")
      local _, _, info = t:closed()
      assert.equal("the server answered 302 Found: it points to " .. shown, info.error.message)
    end)
  end
end)
