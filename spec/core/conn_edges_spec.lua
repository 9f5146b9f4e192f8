-- A connection at the edges of what conn_spec.lua has in the middle: nothing, one byte, one more
-- than fits.

local talk = require "support.talk"
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

  it("is a pong for each of 64 pings that carry nothing, and for the latest of the rest", function()
    local t = talk.open()
    t:input(wire.frame { opcode = "ping" }:rep(70))
    t:drain()
    local frames = t:frames()
    assert.equal(65, #frames)
    for _, frame in ipairs(frames) do assert.same({ "pong", "" }, { frame.name, frame.payload }) end
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
