-- Messages that are given in pieces (option `pieces`), as they come.  That joined they are the
-- message, however the bytes were cut, is held by chunking_spec.lua.

local counted = require("support.counted")()
local talk = require "support.talk"
local testing = require "wsclose.core_testing"
local wire = require "support.wire"
local wsclose = require "wsclose"

local memory = testing.memory

-- A gigabyte, and less where a tool makes each byte slow.
local VAST = os.getenv "WSCLOSE_STREAMS" and 2 ^ 25 or 2 ^ 30
local BLOCK = 2 ^ 20

-- All events up to now, as "kind: bytes", with a full stop behind the last piece of a message.
local function given(t)
  local list = {}
  for i, event in ipairs(t:drain()) do
    local name, data, kind, last = event[1], event[2], event[3], event[4]
    list[i] = name == "piece" and kind .. ": " .. data .. (last and "." or "") or name
  end
  return list
end

local function open(options, answer)
  local all = { pieces = true }
  for name, value in pairs(options or {}) do all[name] = value end
  return talk.open(all, answer)
end

local DEFLATE = { extensions = "permessage-deflate" }

-- How it ended once the server has gone.
local function ended(t)
  local close = t:sent_close()
  t.p:eof()
  local code, reason, info = t:closed()
  assert.equal(code, close and close.code)
  return code, reason, info
end

local function first_bytes(frame, count)
  return wire.frame(frame):sub(1, count)
end

describe("a message in pieces", function()
  it("is given as its bytes come, and told to be over with the last of them", function()
    local t = open()
    t:input(first_bytes({ payload = "hello" }, 2))
    assert.same({}, given(t))
    for _, byte in ipairs { "h", "e", "l", "l" } do
      t:input(byte)
      assert.same({ "text: " .. byte }, given(t))
    end
    t:input "o"
    assert.same({ "text: o." }, given(t))
  end)

  it("is one piece where it came at once", function()
    local t = open()
    t:input { payload = "one" }:input { payload = "two", opcode = "binary" }
    assert.same({ "text: one.", "binary: two." }, given(t))
  end)

  it("has its first frame's kind in every piece, and ends where its last frame does", function()
    local t = open()
    t:input { payload = "a", opcode = "binary", fin = false }
    t:input { opcode = "ping" }
    t:input { payload = "", opcode = "continuation", fin = false }
    t:input { payload = "b", opcode = "continuation", fin = false }
    assert.same({ "binary: a", "ping", "binary: b" }, given(t))
    t:input { payload = "", opcode = "continuation" }
    assert.same({ "binary: ." }, given(t))
  end)

  it("is one empty piece where it is empty", function()
    local t = open(nil, DEFLATE)
    t:input { payload = "" }
    t:input { payload = "", opcode = "binary", rsv1 = true } -- without a byte, and as zlib makes it
    t:input { payload = "\0", rsv1 = true }
    assert.same({ "text: .", "binary: .", "text: ." }, given(t))
  end)

  it("has no piece longer than the option says, 16 KiB else", function()
    for size, options in pairs { [3] = { pieces = { size = 3 } }, [16384] = {} } do
      local t = open(options, DEFLATE)
      local server = talk.server(t)
      local text = ("ab"):rep(size)
      server:send(text)
      for _, bytes in ipairs { wire.frame { payload = text }, server:output() } do
        t:input(bytes)
        local sizes = {}
        for i, event in ipairs(t:drain()) do sizes[i] = #event[2] end
        -- a compressed message may end with an empty one
        assert.same({ size, size }, { sizes[1], sizes[2] })
        assert.equal(0, sizes[3] or 0)
      end
    end
  end)

  it("is inflated as it comes, a piece at a time, though no more bytes come", function()
    local t = open({ pieces = { size = 100 } }, DEFLATE)
    local server = talk.server(t)
    server:send(("ha"):rep(125))
    t:input(server:output())
    for _ = 1, 2 do
      local _, data, _, last = t:next()
      assert.same({ 100, false }, { #data, last })
    end
    local event, data, kind, last = t:next()
    assert.same({ "piece", ("ha"):rep(25), "text", true }, { event, data, kind, last })
    assert.is_nil(t:next())
  end)

  it("is counted once, when it is over", function()
    local t = open()
    t:input { payload = "abc", fin = false }
    t:drain()
    assert.equal(0, t.p:stats().messages_in)
    t:input { payload = "de", opcode = "continuation" }
    t:drain()
    local stats = t.p:stats()
    assert.same({ 1, 5, 5 }, { stats.messages_in, stats.payload_in, stats.wire_in })
  end)

  it("comes unmasked to a server, wherever its frames were cut and its pieces are full", function()
    local server = assert(wsclose.protocol(nil, { role = "server", pieces = { size = 3 } }))
    local t = talk.open_deflate()
    server:input(t.request.head)
    assert.equal("open", (server:next()))
    server:output()
    t.p:send("a plain message", "text")
    t.p:send(("and a compressed one, "):rep(20))
    local bytes, text = t.p:output(), ""
    for _, range in ipairs { { 1, 9 }, { 10, 30 }, { 31, #bytes } } do
      server:input(bytes:sub(range[1], range[2]))
      for _, piece in function() return server:next() end do text = text .. piece end
    end
    assert.equal("a plain message" .. ("and a compressed one, "):rep(20), text)
  end)

  it("comes unmasked to a server that is fed while pieces wait", function()
    local server = assert(wsclose.protocol(nil, { role = "server", pieces = { size = 3 } }))
    local t = talk.open_deflate()
    server:input(t.request.head)
    assert.equal("open", (server:next()))
    server:output()
    t.p:send("a plain message", "text")
    local bytes = t.p:output()
    server:input(bytes:sub(1, 14)) -- eight of its bytes
    local text = select(2, server:next())
    server:input(bytes:sub(15))
    for _, piece in function() return server:next() end do text = text .. piece end
    assert.equal("a plain message", text)
  end)

  it("holds no more while it waits for the rest of one than between two", function()
    local p = assert(counted.protocol("ws://a.example/", { pieces = true }))
    local server = assert(counted.protocol(nil, { role = "server" }))
    server:input(p:output())
    assert.equal("open", (server:next()))
    p:input(server:output())
    assert.equal("open", (p:next()))
    p:tick(0)
    local writer = server:send_fragments "binary"
    writer:write(("\0"):rep(100000))
    p:input(server:output())
    while p:next() do end
    local function idle_bytes(now)
      for i = 0, 5 do p:tick(now + i) end
      return memory.live_bytes()
    end
    local within = idle_bytes(1)
    writer:finish "end"
    p:input(server:output())
    assert.same({ "piece", "end", "binary", true }, { p:next() })
    assert.is_nil(p:next())
    assert.equal(idle_bytes(10), within)
  end)
end)

describe("text in pieces, RFC 6455 8.1", function()
  it("may be cut within a character", function()
    local t = open { pieces = { size = 2 } }
    t:input { payload = "\226\130\172" }
    assert.same({ "text: \226\130", "text: \172." }, given(t))
  end)

  it("fails with 1007 at the offending byte, with what stood before it given", function()
    local t = open()
    t:input(first_bytes({ payload = "ab\192\128" }, 4))
    assert.same({ "text: ab" }, given(t))
    t:input "\192"
    assert.same({}, given(t))
    assert.equal(1007, (ended(t)))
  end)

  it("fails with 1007 where the message ends within a character", function()
    local t = open()
    t:input { payload = "x\226", fin = false }
    assert.same({ "text: x\226" }, given(t))
    t:input { payload = "", opcode = "continuation" }
    assert.same({}, given(t))
    assert.equal(1007, (ended(t)))
  end)

  it("is not asked of binary ones", function()
    local t = open()
    t:input { payload = "\192", opcode = "binary" }
    assert.same({ "binary: \192." }, given(t))
  end)
end)

describe("the limits of a message in pieces", function()
  it("count its frames together", function()
    local t = open { limits = { message = 10 } }
    t:input { payload = "12345", fin = false }
    t:input { payload = "67890", opcode = "continuation", fin = false }
    assert.same({ "text: 12345", "text: 67890" }, given(t))
    t:input(first_bytes({ payload = "x", opcode = "continuation" }, 2))
    assert.same({}, given(t))
    local code, reason = ended(t)
    assert.equal(1009, code)
    assert.matches("a message of 11 bytes is larger than limits.message %(10%)", reason)
  end)

  it("count what it inflates to, over all pieces", function()
    local t = open({ limits = { message = 250 }, pieces = { size = 100 } }, DEFLATE)
    local server = talk.server(t)
    server:send(("a"):rep(250))
    server:send(("a"):rep(251))
    t:input(server:output())
    local events = t:drain()
    local sizes = {}
    for i, event in ipairs(events) do sizes[i] = #event[2] end
    assert.same({ 100, 100, 50, 100, 100 }, sizes)
    local code, reason = ended(t)
    assert.equal(1009, code)
    assert.matches("inflates to more than limits.message %(250%)", reason)
  end)

  it("are without end with math.huge, and that of a frame follows", function()
    local t = open { limits = { message = math.huge, fragments = math.huge } }
    -- a frame of 2^62 bytes
    t:input("\130\127\64" .. ("\0"):rep(7) .. "and so on")
    assert.same({ "binary: and so on" }, given(t))
  end)
end)

describe("a connection that ends within a message in pieces", function()
  it("takes the peer's Close between two fragments", function()
    local t = open()
    t:input { payload = "half", fin = false }:input_close(1001, "away")
    assert.same({ "text: half" }, given(t))
    local code, _, info = ended(t)
    assert.same({ 1001, 0 }, { code, info.dropped })
  end)

  it("gives the rest of it after our own Close", function()
    local t = open()
    t:input { payload = "half", fin = false }
    assert.same({ "text: half" }, given(t))
    t.p:close(1000)
    t:input { payload = " and half", opcode = "continuation" }
    assert.same({ "text:  and half." }, given(t))
  end)

  it("gives what had come before the transport ended", function()
    local t = open()
    t:input(first_bytes({ payload = "hello" }, 5))
    t.p:eof()
    local events = t:drain()
    assert.same({ "piece", "hel", "text", false }, events[1])
    assert.equal(1006, events[2][2])
  end)

  it("counts a message as dropped whose end the program did not take", function()
    for _, frame in ipairs { { payload = ("x"):rep(250) }, { payload = "", deflated = true } } do
      local t = open({ pieces = { size = 100 }, timeouts = { close = 5 } }, DEFLATE)
      local server = talk.server(t)
      server:send(("x"):rep(250), "text", { compress = frame.deflated == true })
      t:input(server:output())
      assert.equal(100, #select(2, t:next()))
      t.p:close(1000)
      t.p:output()
      t:tick(0)
      t:tick(6) -- what was not taken gives way to the peer's Close
      t:input_close(1000)
      t.p:eof()
      local code, _, info = t:closed()
      assert.same({ 1000, 1 }, { code, info.dropped })
    end
  end)
end)

-- Bytes of the core's own for all that `feed` brings, more than there were before.
local function growth(p, feed)
  collectgarbage()
  local before = memory.live_bytes()
  memory.peak(true)
  local size, is_over = 0, false
  feed(function(bytes)
    p:input(bytes)
    for event, piece, _, last in function() return p:next() end do
      assert(event == "piece" and not is_over)
      size, is_over = size + #piece, last
    end
  end)
  assert.is_true(is_over)
  assert.equal(VAST, size)
  return memory.peak() - before
end

describe("a message of a gigabyte", function()
  local function opened()
    local client = assert(counted.protocol("ws://a.example/",
      { pieces = true, limits = { message = math.huge } }))
    local server = assert(counted.protocol(nil, { role = "server" }))
    server:input(client:output())
    assert.equal("open", (server:next()))
    client:input(server:output())
    assert.equal("open", (client:next()))
    return client, server
  end

  it("passes in one plain frame, and the core grows by less than 1 MiB", function()
    local client = opened()
    local part = ("\0"):rep(65536)
    local size = growth(client, function(input)
      local length = ""
      for i = 7, 0, -1 do length = length .. string.char(math.floor(VAST / 256 ^ i) % 256) end
      input("\130\127" .. length)
      for _ = 1, VAST / #part do input(part) end
    end)
    assert.is_true(size < BLOCK, size)
  end)

  it("passes compressed, and the core grows by less than 1 MiB", function()
    local client, server = opened()
    local block = ("\0"):rep(BLOCK)
    local writer = server:send_fragments "binary"
    writer:write(block)
    local first = server:output()
    -- the window is full of zeros: from here on each block is compressed alike
    writer:write(block)
    local further = server:output()
    writer:finish(block)
    local last = server:output()
    local size = growth(client, function(input)
      input(first)
      for _ = 1, VAST / BLOCK - 2 do input(further) end
      input(last)
    end)
    assert.is_true(size < BLOCK, size)
  end)
end)
