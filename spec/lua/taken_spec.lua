-- Large messages.  In Lua 5.5 they become strings without a copy: the block that they were read or
-- inflated into is Lua's from then on, and its collector gives it back.

local network = require "support.network"
local testing = require "wsclose.core_testing"
local wire = require "wsclose.testing.wire"

local memory = testing.memory
local wsclose = network.counted()
local uncounted = require "wsclose"
local collect = network.collect

local TAKES = _VERSION >= "Lua 5.5"
local MIB = 1048576

-- Other specs may have left connections, and they the block that all read into; and it is as much
-- as a connection may hold beside its messages.
local SLACK = 200000

local function drain(p)
  while p:next() do end -- luacheck: ignore 542
end

-- An open connection of a client whose memory is counted, and the server's end of it.
local function pair(options)
  local client = assert(wsclose.protocol("ws://a.example/", options or {}))
  local server = assert(uncounted.protocol(nil, {
    role = "server", extensions = { ["permessage-deflate"] = { threshold = 0 } },
  }))
  server:input(client:output())
  drain(server)
  client:input(server:output())
  drain(client)
  return client, server
end

-- Text that compresses, but not to nothing, and differs from any other of its size.
local function text_of(size, seed)
  local words = {}
  local value, length = seed or 1, 0
  while length < size do
    value = value * 16807 % 2147483647
    words[#words + 1] = ("%d "):format(value)
    length = length + #words[#words]
  end
  return table.concat(words):sub(1, size)
end

local SIZES = { 16383, 16384, 20000, 32768, 40000, 65525, 65535, 65536, 65537, 200000, MIB }

-- Hands the bytes over in pieces as a socket would, and collects the messages.
local function receive(client, bytes, piece)
  local got = {}
  for at = 1, #bytes, piece do
    client:input(bytes:sub(at, at + piece - 1))
    for event, data, kind in function() return client:next() end do
      if event == "message" then got[#got + 1] = { data, kind } end
    end
  end
  return got
end

local function assert_all(expected, got)
  assert.equal(#expected, #got)
  for i, text in ipairs(expected) do
    assert.is_true(text == got[i][1], ("message %d of %d bytes"):format(i, #text))
    assert.equal("text", got[i][2])
    assert.equal(#text .. "!", #got[i][1] .. "!")
    assert.equal(i, ({ [text] = i })[got[i][1]]) -- also where it is hashed
  end
end

describe("large messages", function()
  after_each(function() memory.fail_at() end)

  for _, piece in ipairs { 1000, 16384, 65536, 1e9 } do
    for _, shape in ipairs { "whole", "in fragments", "compressed" } do
      it(("come %s as they were sent, read %d bytes at a time"):format(shape, piece), function()
        local client, server = pair {
          extensions = { ["permessage-deflate"] = shape == "compressed" and {} or false },
        }
        local sent = {}
        for round = 1, 2 do
          for i, size in ipairs(SIZES) do
            sent[#sent + 1] = text_of(size, i + 100 * round)
            sent[#sent + 1] = "small " .. i
          end
        end
        for _, text in ipairs(sent) do
          if shape == "in fragments" then
            local writer = server:send_fragments "text"
            writer:write(text:sub(1, 1000))
            writer:finish(text:sub(1001))
          else
            server:send(text)
          end
        end
        assert_all(sent, receive(client, server:output(), piece))
      end)
    end
  end

  it("outlive the connection, and are given back when they are garbage", function()
    collect()
    local before = memory.live_bytes()
    local kept = {}
    for _, compressed in ipairs { false, true } do
      local client, server = pair {
        extensions = { ["permessage-deflate"] = compressed and {} or false },
      }
      server:send(text_of(MIB))
      kept[#kept + 1] = receive(client, server:output(), 65536)[1][1]
      client:leave()
    end
    collect()
    assert.is_true(kept[1] == kept[2] and #kept[1] == MIB)
    local held = memory.live_bytes() - before
    if TAKES then assert.is_true(held > 2 * MIB - SLACK) else assert.is_true(held < SLACK) end
    kept[1], kept[2] = nil, nil
    collect()
    assert.is_true(memory.live_bytes() - before < SLACK)
  end)

  it("are given back when the Lua state ends", function()
    collect()
    local before = memory.live_blocks()
    testing.process.in_state(package.path, ([[
      local wsclose = require "wsclose"
      local wire = require "wsclose.testing.wire"
      local handshake = require "wsclose.testing.handshake"
      kept = {}
      for i = 1, 3 do
        local p = wsclose.protocol("ws://a.example/", {})
        p:input(handshake.answer(handshake.read(p:output())))
        p:input(wire.frame { payload = ("x"):rep(%d) })
        assert(p:next() == "open")
        local _, data = p:next()
        kept[i] = { data, p }
        if i == 2 then p:leave() end
      end
      setmetatable(kept, { __gc = function() assert(#kept[1][1] == %d) end })
    ]]):format(MIB, MIB))
    assert.equal(before, memory.live_blocks())
  end)

  it("come, or fail cleanly, whatever allocation fails", function()
    local frame = wire.frame { payload = text_of(100000) } .. wire.frame { payload = "behind it" }
    local function play(n)
      local client = pair { extensions = {} }
      memory.fail_at(n)
      local ok, got = pcall(receive, client, frame, 65536)
      local attempts = memory.attempts()
      memory.fail_at()
      if ok and got[2] then assert.same({ "behind it", "text" }, got[2]) end
      return attempts
    end
    local n = 0
    local attempts
    repeat
      n = n + 1
      collect()
      local before = memory.live_blocks()
      attempts = play(n)
      collect()
      assert.equal(before, memory.live_blocks(), ("allocation %d failed"):format(n))
    until attempts < n
    assert.is_true(n >= 2)
  end)

  -- What Lua itself cannot see must not pile up until it looks by chance.
  for _, size in ipairs { MIB, 4 * MIB } do
    it(("take the memory of two, of %d bytes each, while each is dropped"):format(size), function()
      local client = pair { extensions = {} }
      local frame = wire.frame { opcode = "binary", payload = ("x"):rep(size) }
      collect()
      memory.peak(true)
      local before = memory.live_bytes()
      for _ = 1, 12 do
        for at = 1, #frame, 262144 do client:input(frame:sub(at, at + 262143)) end
        assert.equal(size, #select(2, client:next()))
        assert.is_nil(client:next())
      end
      assert.is_true(memory.peak() - before <= 2 * size + SLACK)
    end)
  end

  it("of 64 KiB take little more than a megabyte while each is dropped", function()
    local client = pair { extensions = {} }
    local frame = wire.frame { opcode = "binary", payload = ("x"):rep(65536) }
    collectgarbage()
    memory.peak(true)
    local before = memory.live_bytes()
    for _ = 1, 400 do
      client:input(frame)
      assert.equal(65536, #select(2, client:next()))
      assert.is_nil(client:next())
    end
    local heap = collectgarbage "count" * 1024
    assert.is_true(memory.peak() - before <= 1.2 * math.max(MIB, heap))
  end)

  it("are not collected by force where the program has stopped the collector", function()
    local client = pair { extensions = {} }
    local kept = setmetatable({}, { __mode = "k" })
    local frame = wire.frame { payload = text_of(MIB) }
    collect()
    collectgarbage "stop" -- which string.rep and table.concat of Lua 5.5 do not heed
    kept[{}] = true
    for _ = 1, 10 do receive(client, frame, 65536) end
    local there = next(kept) ~= nil
    collectgarbage "restart"
    assert.is_true(there)
  end)
end)
