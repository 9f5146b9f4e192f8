-- Large messages.  In Lua 5.5 they become strings without a copy: the block that they were read or
-- inflated into is Lua's from then on, and its collector gives it back.

local network = require "support.network"
local scripted = require "support.scripted_server"
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

local function digits(size)
  local words, value, length = {}, 1, 0
  while length < size do
    value = value * 16807 % 2147483647
    words[#words + 1] = ("%d "):format(value)
    length = length + #words[#words]
  end
  return table.concat(words)
end

-- Text that compresses, but not to nothing, and differs from any other of its size.
local DIGITS = digits(MIB)
local function text_of(size, seed)
  return (("%d "):format(seed or 1) .. DIGITS):sub(1, size)
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
  after_each(function()
    memory.fail_at()
    scripted.close_all()
  end)

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

  for _, size in ipairs { 65536, 200000, MIB } do
    it(("are all taken out of a stream of them, %d bytes each"):format(size), function()
      local frame, kept = wire.frame { opcode = "binary", payload = ("x"):rep(size) }, {}
      local server = scripted.new(function(c)
        c:upgrade {}
        for _ = 1, 20 do c:send(frame) end
        c:wait_end()
      end)
      local ws = wsclose.new(server:url(), {
        on_message = function(_, data) kept[#kept + 1] = data end,
      })
      collect()
      local before = memory.live_bytes()
      scripted.pump(nil, server, function()
        ws:update(0.002)
        return #kept == 20
      end)
      collect()
      local held = memory.live_bytes() - before
      if TAKES then assert.is_true(held > 18 * size) else assert.is_true(held < 4 * size) end
      ws:leave()
    end)
  end

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
    -- As long as a connection lives, the block that all read into stays when a read has failed, and
    -- goes into a large message that succeeds: so one lives here, and has it before each count.
    local living = pair { extensions = {} }
    local function count()
      collect()
      assert.same({ { "small", "text" } }, receive(living, wire.frame { payload = "small" }, 65536))
      return memory.live_blocks()
    end
    local n = 0
    local attempts
    repeat
      n = n + 1
      local before = count()
      attempts = play(n)
      assert.equal(before, count(), ("allocation %d failed"):format(n))
    until attempts < n
    assert.is_true(n >= 2)
  end)

  -- In a Lua state of its own, where little else wakes the collector.
  local function in_state(code, size, count)
    testing.process.in_state(package.path, ([[
      local wsclose = require "wsclose"
      local wire = require "wsclose.testing.wire"
      local handshake = require "wsclose.testing.handshake"
      local p = wsclose.protocol("ws://a.example/", {})
      p:input(handshake.answer(handshake.read(p:output())))
      assert(p:next() == "open" and not p:next())
      local size, count = %d, %d
      local pieces = { "" }
      do
        local frame = wire.frame { opcode = "binary", payload = ("x"):rep(size) }
        local middle = ("x"):rep(65536)
        for at = 1, #frame, 65536 do
          local piece = frame:sub(at, at + 65535)
          pieces[#pieces + 1] = piece == middle and middle or piece
        end
      end
      collectgarbage()
      local function receive()
        for i = 1, #pieces do
          p:input(pieces[i])
          if i < #pieces then assert(not p:next()) end
        end
        assert(#select(2, p:next()) == size and not p:next())
      end
    ]]):format(size, count) .. code)
  end

  -- What Lua itself cannot see must not pile up until it looks by chance.
  for _, size in ipairs { MIB, 4 * MIB } do
    -- the one that is read, the one before it, and one that is garbage
    it(("take the memory of three, %d bytes each, while each is dropped"):format(size), function()
      collect()
      memory.peak(true)
      local before = memory.live_bytes()
      in_state("for _ = 1, count do receive() end", size, 12)
      assert.is_true(memory.peak() - before <= 3 * size + SLACK)
    end)
  end

  it("of 64 KiB take little more than a megabyte while each is dropped", function()
    collect()
    memory.peak(true)
    local before = memory.live_bytes()
    in_state("for _ = 1, count do receive() end", 65000, 400)
    assert.is_true(memory.peak() - before <= 1.5 * MIB)
  end)

  it("are read into a block made for one like the last, which does not have to grow", function()
    local function allocations(count)
      memory.fail_at()
      in_state("for _ = 1, count do receive() end", MIB, count)
      return memory.attempts()
    end
    collect()
    allocations(2) -- others may have left that block, or taken it
    assert.equal(20 * (TAKES and 2 or 0), allocations(22) - allocations(2))
  end)

  it("do not wake a collector that the program has stopped", function()
    in_state([[
      local kept = setmetatable({}, { __mode = "k" })
      collectgarbage()
      collectgarbage "stop"
      kept[{}] = true
      for _ = 1, count do receive() end
      assert(next(kept))
    ]], MIB, 10)
  end)
end)
