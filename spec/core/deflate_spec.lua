local testing = require "wsclose.core_testing"
local rawdeflate = require "support.rawdeflate"
local talk = require "support.talk"
local wire = require "support.wire"

local hex, to_hex = wire.hex, wire.to_hex
local memory = testing.memory

local TAIL = hex "0000ffff"
local STREAMS = tonumber(os.getenv "WSCLOSE_STREAMS" or 1500) -- of each random kind, at most 1500
local CORRUPT = "a compressed message is corrupt"
local UNFINISHED = "a compressed message is unfinished"
local TOO_MANY = "a compressed message holds more than 64 final blocks"

local function new(options)
  return assert(testing.deflate.new(options or {}))
end

-- A repeatable source: neither the clock nor Lua's own generator.
local function new_random(seed)
  local state = seed
  return function(limit)
    state = (state * 16807) % 2147483647
    return math.floor(state / 64) % limit
  end
end

local function random_bytes(size, seed, values)
  local random, bytes = new_random(seed), {}
  for i = 1, size do
    bytes[i] = string.char(random(values or 256))
  end
  return table.concat(bytes)
end

local TICKER = '{"type":"trade","symbol":"XBT/EUR","price":"27134.50",'
  .. '"volume":"0.00210","side":"buy"},'
local BEAT = '{"type":"heartbeat"}'

--- Inflates one message given in pieces; what came of it, whatever that was.
local function inflate_pieces(deflate, pieces, limit)
  local text = {}
  for i, piece in ipairs(pieces) do
    local got, sentence, name, rest = deflate:inflate(piece, i == #pieces, limit)
    text[#text + 1] = got or rest
    if not got then
      return { text = table.concat(text), sentence = sentence, name = name, at = i }
    end
  end
  return { text = table.concat(text) }
end

local function inflate(bytes, options, limit)
  return inflate_pieces(new(options), { bytes }, limit)
end

--- What the client compresses, as the server inflates it, and the other way round.
local function pair(options)
  local mirrored = {}
  for key, value in pairs(options or {}) do
    mirrored[key] = value
  end
  mirrored.server = true
  return new(options), new(mirrored)
end

describe("the examples of RFC 7692 7.2.3", function()
  local cases = {
    { "f248cdc9c90700", "Hello", "7.2.3.1: one block" },
    { "000500faff48656c6c6f00", "Hello", "7.2.3.3: a block without compression" },
    { "f348cdc9c9070000", "Hello", "7.2.3.4: a block with BFINAL set" },
    { "f248050000 00ffffcac9c90700", "Hello", "7.2.3.5: two blocks" },
    { "00", "", "7.2.3.6: an empty message" },
  }
  for _, case in ipairs(cases) do
    it("are inflated, " .. case[3], function()
      assert.same({ text = case[2] }, inflate(hex(case[1])))
    end)
  end

  it("are inflated in fragments, 7.2.3.1", function()
    assert.same({ text = "Hello" }, inflate_pieces(new(), { hex "f248cd", hex "c9c90700" }))
  end)

  it("are inflated with the window of the message before, 7.2.3.2", function()
    local deflate = new()
    assert.same({ text = "Hello" }, inflate_pieces(deflate, { hex "f248cdc9c90700" }))
    assert.same({ text = "Hello" }, inflate_pieces(deflate, { hex "f200110000" }))
  end)

  it("need that window", function()
    for _, role in ipairs { false, true } do
      local deflate = new {
        server = role,
        server_no_context_takeover = not role,
        client_no_context_takeover = role,
      }
      assert.same({ text = "Hello" }, inflate_pieces(deflate, { hex "f248cdc9c90700" }))
      local result = inflate_pieces(deflate, { hex "f200110000" })
      assert.same({ text = "H", sentence = CORRUPT, name = "deflate", at = 1 }, result)
    end
  end)

  it("are what we compress", function()
    local deflate = new()
    assert.equal("f248cdc9c90700", to_hex(deflate:compress("Hello", true)))
    assert.equal("f200110000", to_hex(deflate:compress("Hello", true)))
    local forgetful = new { client_no_context_takeover = true }
    assert.equal("f248cdc9c90700", to_hex(forgetful:compress("Hello", true)))
    assert.equal("f248cdc9c90700", to_hex(forgetful:compress("Hello", true)))
  end)

  it("give an empty message as 00, first or after others, with and without takeover", function()
    for _, no_takeover in ipairs { false, true } do
      local deflate = new { client_no_context_takeover = no_takeover }
      for _, text in ipairs { "", "", "Hello", "", "", "Hello", "" } do
        local compressed = deflate:compress(text, true)
        assert.equal(text == "" and "00" or nil, text == "" and to_hex(compressed) or nil)
      end
      assert.equal("", deflate:compress("", false))
      assert.equal("", deflate:compress("", false))
      assert.equal("00", to_hex(deflate:compress("", true)))
    end
  end)
end)

describe("streams that zlib wrote with other settings", function()
  for name, bytes in pairs {
    ["by default"] = [[aa562aa92c4855b2522a294a4c4955d2512aaecc4dcacf010a443885e8bb86060185
      0a8a3293414a8ccc0d8d4df44c0d804265f939a5b92031033d03032343905071660a4820a9b452a956a77a681a9b
      919a585492949a58a2540b00]],
    ["at level 1"] = [[aa562aa92c4855b2522a294a4c4955d2512aaecc4dcacf010a443885e8bb860601850a
      8a3293414a8ccc0d8d4df44c0d804265f939a5b92031033d030323439050712650bf95525269a552ad4ef5d03436
      2335b1a8242935b144a91600]],
    ["with Huffman codes only"] = [[04c1418a83401040d1bbfc75614a4d08d432900b8404dcda5a308262d3
      b64223de7dde3bc9253a464efde8085b59c23a6374afefedfdfb20c4340d8ed13cebf65e3d14e158e77d710cad54
      9b5a11b669748cb0172e39c9253a464efde8085b59c23a6374afefedfdfb20c4340d8ed13cebf65e3d14e158e77d
      710cad549b5a11b669748cb0172e39c9253a464efde8085b59c23a6374afefedfdfb20c4340d8ed13cebf65e3d14
      e158e77d710cad549b5a11b669748cb0172e39c9253ac69ff72907ef33d73f00]],
    ["with full flushes between"] = [[aa562aa92c4855b2522a294a4c4955d2512aaecc4dcacf010a443885
      e8bb860601850a8a3293414a8ccc0d8d4df44c0d804265f939a5b92031033d03032343905071660a4820a9b452a9
      56a71a622c000000ffffb2522a294a4c4955d2512aaecc4dcacf51b2528a700ad1770d0d020a15146526a702458c
      cc0d8d4df44c0d804265f939a5b92031033d03032343905071660a4820a9b452a956a75aa9a4b200c4051b0b0000
      00ffff52d2512aaecc4dcacf51b2528a700ad1770d0d52d2512a28ca4c4e058a18991b1a9be8991a0085caf2734a
      734162067a0606468620a1e2cc1490405269a552ad4eb552496501889b919a585492949a58a2540b00]],
    ["with partial flushes between"] = [[aa562aa92c4855b2522a294a4c4955d2512aaecc4dcacf010a44
      3885e8bb860601850a8a3293414a8ccc0d8d4df44c0d804265f939a5b92031033d03032343905071660a4820a9b4
      52a956a71a622c4000d1d6588000a2beb119a989452549a989254ab50000]],
  } do
    it("are inflated: " .. name, function()
      assert.same({ text = TICKER:rep(3) .. BEAT }, inflate(hex(bytes)))
    end)
  end
end)

describe("the end of a compressed message", function()
  local writer = rawdeflate.writer
  for _, case in ipairs {
    { "f348cdc9c90700", "Hello", "right behind a BFINAL block" },
    { "f348cdc9c90700 f348cdc9c90700", "HelloHello", "behind a second BFINAL block" },
    { "01", "", "with an empty stored block that has BFINAL set" },
    { "f248cdc9c90700 0000ffff 00", "Hello", "with the tail kept, and one more empty block" },
  } do
    it("may stand " .. case[3], function()
      assert.same({ text = case[2] }, inflate(hex(case[1])))
    end)
  end

  for _, case in ipairs {
    { "f248cdc9c907", "Hello", "without the empty block" },
    { "f248cd", "He", "within a block" },
    { "f2", "", "within the first symbol" },
    { "000500faff48656c", "Hel", "within a stored block" },
    { "000900f6ff48656c6c6f", "Hello", "within a stored block that the tail would fill" },
    { "000500fa", "", "within a stored block's length" },
    { "f248cdc9c90700 00", "Hello", "with two empty blocks begun" },
    { "f248cdc9c90700 0000ffff", "Hello", "with the tail that is to be left out" },
    { "f348cdc9c9070000 00", "Hello", "with too much behind a BFINAL block" },
    { "04", "", "within the codes of a dynamic block" },
  } do
    it("is missed in a message " .. case[3], function()
      local result = inflate(hex(case[1]))
      assert.same({ text = case[2], sentence = UNFINISHED, name = "deflate", at = 1 }, result)
    end)
  end

  it("may come in a piece of its own, of no bytes", function()
    assert.same({ text = "Hello" }, inflate_pieces(new(), { hex "f248cdc9c90700", "" }))
    assert.same({ text = "Hello" }, inflate_pieces(new(), { hex "f348cdc9c90700", "", "" }))
    assert.same({ text = "" }, inflate_pieces(new(), { "", "", hex "00", "" }))
  end)

  for _, case in ipairs {
    { hex "06", "", "a block of kind 3" },
    { hex "000500ffff48656c6c6f00", "", "a stored block whose length is broken" },
    { hex "f248cdc9c90700 0000ffff 06", "Hello", "a fault behind a good block" },
    { writer():fixed():literals("abc"):match(4):end_block():flush():bytes(), "abc",
      "a match that reaches before the beginning" },
    { hex "fc0000", "", "too many length or distance codes" },
    { hex "0400feff", "", "code lengths that make no code" },
    { hex "04002449 00", "", "a repeat of no code length" },
    { hex "040024e9ff6d", "", "codes without an end of block" },
    { hex "04804992244992 2471ffff931100", "", "literals that make no code" },
    { hex "027effff", "", "a distance that has no code" },
  } do
    it("is not looked for behind " .. case[3], function()
      local result = inflate(case[1])
      assert.same({ text = case[2], sentence = CORRUPT, name = "deflate", at = 1 }, result)
    end)
  end
end)

describe("a compressed message without a single byte", function()
  it("is an empty one, in one piece or several, and touches no inflater", function()
    local deflate = new()
    memory.fail_at()
    for _, pieces in ipairs { { "" }, { "", "" }, { "", "", "" } } do
      assert.same({ text = "" }, inflate_pieces(deflate, pieces))
    end
    assert.equal(0, memory.attempts())
  end)

  for _, case in ipairs {
    { "an ordinary message", "f248cdc9c90700" }, { "one that ended with BFINAL", "f348cdc9c90700" },
  } do
    it("leaves the window as it is, behind " .. case[1], function()
      local deflate = new()
      for _ = 1, 2 do
        assert.same({ text = "Hello" }, inflate_pieces(deflate, { hex(case[2]) }))
        assert.same({ text = "" }, inflate_pieces(deflate, { "" }))
        assert.same({ text = "" }, inflate_pieces(deflate, { "", "" }))
        assert.same({ text = "Hello" }, inflate_pieces(deflate, { hex "f200110000" }))
      end
    end)
  end

  it("does not end a message that was begun", function()
    assert.same(UNFINISHED, inflate_pieces(new(), { "", hex "f248cd", "" }).sentence)
    local deflate = new()
    assert.same({ text = "Hello" }, inflate_pieces(deflate, { hex "f348cdc9c90700" }))
    assert.same(UNFINISHED, inflate_pieces(deflate, { hex "f2", "" }).sentence)
  end)

  it("is a message for the connection", function()
    local t = talk.open_deflate()
    t:input { opcode = 1, rsv1 = true, payload = "" }
    assert.same({ "message", "", "text" }, { t:next() })
    t:input { opcode = 2, rsv1 = true, payload = "", fin = false }
    t:input { opcode = 0, payload = "" }
    assert.same({ "message", "", "binary" }, { t:next() })
    t:input { opcode = 1, rsv1 = true, payload = "", fin = false }
    t:input { opcode = 0, payload = hex "f248cdc9c90700" }
    assert.same({ "message", "Hello", "text" }, { t:next() })
  end)
end)

describe("BFINAL blocks, RFC 7692 7.2.3.4", function()
  local writer = rawdeflate.writer

  it("keep the window within a message", function()
    local bytes = writer():fixed(true):literals("abcdef"):end_block():align()
      :fixed(true):match(6):end_block():align():fixed():match(3):end_block():flush():bytes()
    assert.same({ text = "abcdefabcabc" }, inflate(bytes))
  end)

  it("keep all 32 KiB of it", function()
    local old = random_bytes(40000, 5)
    local bytes = writer():stored(old, true):fixed(true):match(32768):end_block():flush():bytes()
    assert.same(old .. old:sub(-32768, -32766), inflate(bytes).text)
  end)

  it("keep it across messages with context takeover", function()
    local deflate = new()
    local first = writer():fixed(true):literals("abcdef"):end_block():bytes()
    local second = writer():fixed():match(6):end_block():flush():bytes()
    assert.same({ text = "abcdef" }, inflate_pieces(deflate, { first }))
    assert.same({ text = "abc" }, inflate_pieces(deflate, { second }))
  end)

  it("do not keep it across messages without context takeover", function()
    local deflate = new { server_no_context_takeover = true }
    local first = writer():fixed(true):literals("abcdef"):end_block():bytes()
    local second = writer():fixed():match(6):end_block():flush():bytes()
    assert.same({ text = "abcdef" }, inflate_pieces(deflate, { first }))
    assert.same(CORRUPT, inflate_pieces(deflate, { second }).sentence)
  end)

  it("keep it wherever they stand or are cut, for the message that follows too", function()
    local function begin()
      return writer():fixed():literals("abc"):end_block():fixed(true):literals("def"):end_block()
        :align():fixed(true):match(6):end_block():align():fixed():match(4):end_block()
    end
    local ends = {
      ["within"] = begin():flush():bytes(),
      ["at the end"] = begin():fixed(true):end_block():bytes(),
    }
    local text = "abcdefabcfab"
    local second = writer():fixed():match(12):end_block():flush():bytes()
    for place, bytes in pairs(ends) do
      for cut = 0, #bytes do
        for _, forgets in ipairs { false, true } do
          local deflate = new { server_no_context_takeover = forgets }
          local pieces = { bytes:sub(1, cut), bytes:sub(cut + 1) }
          assert.same({ text = text }, inflate_pieces(deflate, pieces), place)
          local result = inflate_pieces(deflate, { second })
          assert.same(forgets and CORRUPT or nil, result.sentence)
          assert.equal(forgets and "" or "abc", result.text)
        end
      end
    end
  end)

  it("cost no copy of the window, within a message or from one to the next", function()
    local function attempts(messages)
      local deflate = new()
      inflate_pieces(deflate, { writer():stored(random_bytes(40000, 5)):flush():bytes() })
      memory.fail_at()
      memory.peak(true)
      local before = memory.live_bytes()
      for _ = 1, 100 do
        for _, message in ipairs(messages) do
          assert.same({ text = "" }, inflate_pieces(deflate, { message }))
        end
      end
      assert.is_true(memory.peak() - before < 1024)
      return memory.attempts()
    end
    local plain = attempts { "\0" }
    assert.equal(plain, attempts { hex "0300" })
    assert.equal(plain, attempts { hex(("0300"):rep(64)) })
  end)

  it("may be 64 in a message", function()
    local deflate = new()
    for _ = 1, 3 do
      assert.same({ text = "" }, inflate_pieces(deflate, { hex(("0300"):rep(64)) .. "\0" }))
      assert.same({ text = "" }, inflate_pieces(deflate, { hex(("0300"):rep(64)) }))
    end
  end)

  it("are refused from the 65th on, wherever the message is cut", function()
    local letter = writer():fixed(true):literals("a"):end_block():bytes()
    local bytes = letter:rep(65) .. "\0"
    local expected = { text = ("a"):rep(65), sentence = TOO_MANY, name = "deflate", at = 1 }
    assert.same(expected, inflate(bytes))
    for cut = 1, #bytes - 2 do
      local result = inflate_pieces(new(), { bytes:sub(1, cut), bytes:sub(cut + 1) })
      expected.at = result.at
      assert.same(expected, result)
    end
  end)
end)

describe("the limit of a message's size", function()
  local zeros = new { level = 9 }:compress(("\0"):rep(2 ^ 22), true)

  it("lets a message of just that size pass", function()
    local bytes = new():compress(TICKER, true)
    assert.same({ text = TICKER }, inflate(bytes, nil, #TICKER))
    assert.same({ text = "" }, inflate("\0", nil, 0))
  end)

  it("stops one byte past it, with that byte", function()
    local bytes = new():compress(TICKER, true)
    for limit = 0, #TICKER - 1 do
      local result = inflate(bytes, nil, limit)
      assert.same({ text = TICKER:sub(1, limit + 1), name = "too_big", at = 1 }, result)
    end
  end)

  it("counts over the pieces of a message, and anew for each message", function()
    local deflate = new()
    local bytes = new { client_no_context_takeover = true }:compress(("abc"):rep(100), true)
    for _ = 1, 3 do
      assert.same({ text = ("abc"):rep(100) },
        inflate_pieces(deflate, { bytes:sub(1, 4), bytes:sub(5) }, 300))
    end
    local result = inflate_pieces(deflate, { bytes:sub(1, -2), bytes:sub(-1) }, 299)
    assert.same({ text = ("abc"):rep(100), name = "too_big", at = result.at }, result)
  end)

  it("bounds the memory that a bomb gets", function()
    assert.is_true(#zeros < 2 ^ 22 / 1000)
    for _, limit in ipairs { 0, 1, 255, 256, 257, 1000, 65536, 100001 } do
      local deflate = new()
      deflate:inflate("", false, limit) -- zlib's own memory is made here
      deflate:inflate("\0", true, limit)
      local before = memory.live_bytes()
      memory.peak(true)
      local _, _, name, rest, size, capacity = deflate:inflate(zeros, true, limit)
      assert.same({ "too_big", limit + 1, limit + 1 }, { name, #rest, size })
      assert.is_true(capacity <= limit + 1)
      -- blocks move when they grow: the old one, the new one, and zlib's window of 32 KiB
      assert.is_true(memory.peak() - before <= 2 * (limit + 1) + 32768)
      deflate:free()
    end
  end)

  it("bounds it whatever the pieces are", function()
    for _, limit in ipairs { 1, 256, 1000, 70000 } do
      for _, size in ipairs { 1, 7, 1000 } do
        local deflate, at, name = new(), 1, nil
        repeat
          local _, _, fault, _, held, capacity = deflate:inflate(zeros:sub(at, at + size - 1),
            false, limit)
          -- without a fault: what came, size, capacity
          if not fault or type(fault) == "number" then
            capacity = fault
          else
            name = fault
            assert.equal(limit + 1, held)
          end
          assert.is_true(capacity <= limit + 1)
          at = at + size
        until name
        assert.equal("too_big", name)
        deflate:free()
      end
    end
  end)

  it("holds in a buffer with more room than that", function()
    local _, _, name, rest, size, capacity = new():inflate(zeros, true, 100, 5000)
    assert.same({ "too_big", 101, 101, 5000 }, { name, #rest, size, capacity })
  end)

  it("stands before a fault that lies behind it, wherever the bytes are cut", function()
    local bytes = rawdeflate.writer():fixed():literals("abcdef"):end_block():flush():bytes()
      .. TAIL .. "\6"
    assert.same(CORRUPT, inflate(bytes).sentence)
    for cut = 0, #bytes do
      local result = inflate_pieces(new(), { bytes:sub(1, cut), bytes:sub(cut + 1) }, 5)
      assert.same({ text = "abcdef", name = "too_big", at = result.at }, result)
    end
  end)
end)

describe("the chunking law", function()
  local writer = rawdeflate.writer
  local long = random_bytes(700, 9, 200)
  local streams = {
    { "a text", new():compress(TICKER:rep(3), true) },
    { "a text over its limit", new():compress(TICKER:rep(3), true), 100 },
    { "noise", new():compress(random_bytes(300, 3), true) },
    { "stored blocks", new { level = 0 }:compress(TICKER, true) },
    { "Huffman codes of its own", new { level = 9 }:compress(random_bytes(400, 4, 30), true) },
    { "the RFC's two blocks", hex "f248050000 00ffffcac9c90700" },
    { "BFINAL blocks", hex "f348cdc9c90700 f348cdc9c90700 f200110000" },
    { "BFINAL blocks with a fault", hex "f348cdc9c90700 f348cdc9c90700 f200118000" },
    { "an end right behind BFINAL", hex "f348cdc9c90700" },
    { "no end", new():compress(TICKER, true):sub(1, -2) },
    { "too much behind its end", new():compress(TICKER, true) .. TAIL },
    { "a fault in its last block", hex "f248cdc9c90700 0000ffff 06" },
    { "a match too far back", writer():fixed():literals(TICKER):match(#TICKER + 1):end_block()
      :flush():bytes() },
    -- The agreed window would not reach; whether zlib notices depends on where the bytes are cut.
    { "a match beyond the agreed window",
      writer():stored(long):fixed():match(690):end_block():flush():bytes(), nil, 9 },
    { "a match beyond an agreed window of 8 bits",
      writer():stored(long):fixed():match(300):end_block():flush():bytes(), nil, 8 },
  }

  local function outcome(stream, pieces)
    local bits = stream[4]
    local deflate = new { client_max_window_bits = bits, server_max_window_bits = bits }
    local result = inflate_pieces(deflate, pieces, stream[3])
    result.at = nil
    deflate:free()
    return result
  end

  for _, stream in ipairs(streams) do
    local bytes = stream[2]
    it("holds at every place where a message can be cut: " .. stream[1], function()
      local whole = outcome(stream, { bytes })
      for cut = 0, #bytes do
        assert.same(whole, outcome(stream, { bytes:sub(1, cut), bytes:sub(cut + 1) }))
      end
    end)

    it("holds byte by byte: " .. stream[1], function()
      local pieces = {}
      for i = 1, #bytes do
        pieces[i] = bytes:sub(i, i)
      end
      local whole = outcome(stream, { bytes })
      assert.same(whole, outcome(stream, pieces))
      pieces[#pieces + 1] = ""
      assert.same(whole, outcome(stream, pieces))
    end)
  end

  it("holds for messages with random faults, cut at random", function()
    local random = new_random(77)
    for seed = 1, math.min(1500, STREAMS) do
      local text = random_bytes(random(600), seed, 1 + random(80))
      local bytes = new { level = random(10) }:compress(text .. text, true)
      local at = random(#bytes) + 1
      bytes = bytes:sub(1, at - 1) .. string.char(random(256)) .. bytes:sub(at + 1)
      local stream = { nil, bytes, random(1500), 8 + random(8) }
      local pieces, from = {}, 1
      while from <= #bytes do
        local size = 1 + random(30)
        pieces[#pieces + 1] = bytes:sub(from, from + size - 1)
        from = from + size
      end
      assert.same(outcome(stream, { bytes }), outcome(stream, pieces))
    end
  end)
end)

describe("compressing", function()
  local texts = { "Hello", "", TICKER, TICKER .. BEAT, "", random_bytes(3000, 8), BEAT:rep(300),
    TICKER:rep(1000), random_bytes(70000, 9), TICKER, random_bytes(2000, 10, 3), BEAT }

  local function round_trip(from, to)
    for _, text in ipairs(texts) do
      local bytes = assert(from:compress(text, true))
      local result = inflate_pieces(to, { bytes })
      if result.text ~= text or result.name then
        return false
      end
    end
    return true
  end

  for bits = 8, 15 do
    it("keeps to a window of " .. bits .. " bits, either side", function()
      local options = { client_max_window_bits = bits, server_max_window_bits = bits }
      local client, server = pair(options)
      assert.is_true(round_trip(client, server))
      assert.is_true(round_trip(server, client))
      -- Noise that comes again within the window, and more that comes again only beyond it.
      local near = bits > 9 and math.floor(2 ^ bits * 0.7) or 200
      local far = math.floor(2 ^ bits * 1.2)
      local text = random_bytes(near, 1):rep(2) .. random_bytes(far, 2):rep(2)
      options.level = 9
      for _, side in ipairs { true, false } do
        options.server = side
        local inflated, info = rawdeflate.inflate(new(options):compress(text, true) .. TAIL)
        assert.equal(text, inflated)
        assert.is_true(info.farthest >= near and info.farthest <= 2 ^ bits)
        assert.equal(0, info.final)
      end
    end)
  end

  it("uses the window of its own direction", function()
    local noise = random_bytes(1000, 3)
    local text = noise .. random_bytes(2000, 4) .. noise
    for _, case in ipairs {
      { { client_max_window_bits = 9 }, 9, 15 },
      { { server_max_window_bits = 9 }, 15, 9 },
    } do
      local client, server = pair(case[1])
      assert.equal(case[2] == 9, #client:compress(text, true) > 3900)
      assert.equal(case[3] == 9, #server:compress(text, true) > 3900)
    end
  end)

  for level = -1, 9 do
    it("comes back, at level " .. level, function()
      for _, mem_level in ipairs { 0, 1, 9 } do
        local client, server = pair { level = level, mem_level = mem_level }
        assert.is_true(round_trip(client, server))
      end
    end)
  end

  it("uses the level and the memory that it is given", function()
    local random = new_random(3)
    local text = (TICKER:rep(200):gsub("%d", function()
      return random(10)
    end))
    local stored, fast, best = new { level = 0 }, new { level = 1 }, new { level = 9 }
    stored, fast = #stored:compress(text, true), #fast:compress(text, true)
    best = #best:compress(text, true)
    assert.is_true(stored > #text and fast < #text and best < fast)
    local used = {}
    collectgarbage()
    collectgarbage "stop"
    for _, mem_level in ipairs { 0, 1, 8, 9 } do
      local deflate, before = new { mem_level = mem_level }, memory.live_bytes()
      deflate:compress(text, true)
      used[mem_level] = memory.live_bytes() - before
      deflate:free()
    end
    collectgarbage "restart"
    assert.is_true(used[1] < used[8] and used[8] < used[9])
    assert.equal(used[8], used[0])
  end)

  it("takes over the context of its own direction only where that was not given up", function()
    for _, client_no in ipairs { false, true } do
      for _, server_no in ipairs { false, true } do
        local client, server = pair {
          client_no_context_takeover = client_no,
          server_no_context_takeover = server_no,
        }
        for _, side in ipairs { { client, server, client_no }, { server, client, server_no } } do
          local first, second = side[1]:compress(TICKER, true), side[1]:compress(TICKER, true)
          assert.equal(side[3], first == second)
          assert.is_true(side[3] or #second < 10)
          assert.same({ text = TICKER }, inflate_pieces(side[2], { first }))
          assert.same({ text = TICKER }, inflate_pieces(side[2], { second }))
        end
        assert.is_true(round_trip(client, server))
        assert.is_true(round_trip(server, client))
      end
    end
  end)

  it("gives whole blocks and the empty one without its tail", function()
    local client = new()
    local bytes = client:compress(TICKER, true)
    local text, info = rawdeflate.inflate(bytes .. TAIL)
    assert.equal(TICKER, text)
    assert.equal(1, info.stored)
    bytes = client:compress(TICKER, true)
    assert.equal(TICKER, (rawdeflate.inflate(bytes .. TAIL, TICKER)))
  end)

  it("takes a message in pieces, each of which the peer can inflate at once", function()
    for _, no_takeover in ipairs { false, true } do
      local client, server = pair { client_no_context_takeover = no_takeover }
      local text = TICKER:rep(40) .. random_bytes(50000, 6)
      for size = 1, 60000, 7919 do
        local from = 1
        repeat
          local piece = text:sub(from, from + size - 1)
          local bytes = client:compress(piece, false)
          assert.equal(TAIL, bytes:sub(-4))
          assert.equal(piece, (server:inflate(bytes, false)))
          from = from + size
        until from > #text or from > 300 * size
        local last = size % 2 == 0 and "" or BEAT
        local bytes = client:compress(last, true)
        assert.equal(last == "", bytes == "\0")
        assert.equal(last, (server:inflate(bytes, true)))
      end
    end
  end)

  it("gives nothing for an empty piece", function()
    local client, server = pair()
    local pieces = {}
    for i, piece in ipairs { "", "Hello", "", "", " there", "" } do
      pieces[i] = client:compress(piece, false)
      assert.equal(piece == "", pieces[i] == "")
    end
    pieces[#pieces + 1] = client:compress("", true)
    assert.same({ text = "Hello there" }, inflate_pieces(server, pieces))
  end)

  it("forgets the window behind a message in pieces, not within it", function()
    local client = new { client_no_context_takeover = true }
    local first = client:compress(TICKER, false)
    assert.is_true(#client:compress(TICKER, false) < 15)
    assert.equal("00", to_hex(client:compress("", true)))
    assert.equal(first, client:compress(TICKER, false))
  end)

  it("takes all its room beforehand, whatever it compresses", function()
    -- Bytes from 144 on have the longest codes; 9 bits each, where no others are worth their table.
    local high = random_bytes(70000, 21, 112):gsub(".", function(c)
      return string.char(c:byte() + 144)
    end)
    local sources = { random_bytes(70000, 20), high, TICKER:rep(800) }
    for _, level in ipairs { 0, 1, 3, 4, 6, 9 } do
      for _, mem_level in ipairs { 1, 2, 8, 9 } do
        for _, bits in ipairs { 8, 10, 15 } do
          local options = { level = level, mem_level = mem_level, client_max_window_bits = bits }
          local deflate = new(options)
          deflate:compress("made at first use", true)
          for _, text in ipairs(sources) do
            for _, size in ipairs { 1, 30, 127, 128, 251, 509, 4000, 33000, 70000 } do
              memory.fail_at()
              local bytes = deflate:compress(text:sub(1, size), size % 2 == 0)
              assert.equal(1, memory.attempts())
              assert.is_true(#bytes < size + size / 8 + size / 64 + 64)
            end
          end
          deflate:free()
        end
      end
    end
  end)

  it("gives the same bytes whatever room it finds", function()
    -- Without compression the output's size is known: the buffer's end can be put everywhere.
    for _, options in ipairs { { level = 0 }, { level = 6 } } do
      local noise = random_bytes(5000, 12)
      local expected = new(options):compress(noise, true)
      assert.is_true(#expected >= 5000)
      for room = #expected - 30, #expected + 30 do
        assert.equal(expected, new(options):compress(noise, true, room))
        assert.equal(expected .. TAIL, new(options):compress(noise, false, room))
      end
      for room = 1300, 1340 do
        assert.equal(expected, new(options):compress(noise, true, room))
      end
    end
    local longest = random_bytes(40, 21, 112):gsub(".", function(c) -- codes of 9 bits
      return string.char(c:byte() + 144)
    end)
    for size = 1, #longest do
      local text = longest:sub(1, size)
      local expected = new():compress(text, false)
      for room = size, size + 20 do
        assert.equal(expected, new():compress(text, false, room))
      end
    end
    local expected = new():compress(TICKER, true)
    for room = 1, 400 do
      assert.equal(expected, new():compress(TICKER, true, room))
    end
  end)
end)

describe("memory", function()
  before_each(function()
    collectgarbage()
    collectgarbage()
  end)

  it("of zlib is taken at first use, each direction by itself, and given back", function()
    local blocks, bytes = memory.live_blocks(), memory.live_bytes()
    local deflate = new()
    deflate:compress("", true)
    assert.is_true(memory.live_bytes() - bytes < 1024)
    assert.equal(1, memory.live_blocks() - blocks)
    deflate:inflate(hex "f248cdc9c90700", true)
    assert.is_true(memory.live_bytes() - bytes < 64 * 1024)
    deflate:compress("Hello", true)
    assert.is_true(memory.live_bytes() - bytes > 128 * 1024)
    deflate:free()
    assert.equal(blocks, memory.live_blocks())
    assert.equal(bytes, memory.live_bytes())
  end)

  -- Half a byte's code: what ends a message makes it whole, and zlib its window for that.
  it("is wanting, and not the message at fault, also at its very end", function()
    local function inflate_half()
      local deflate, _, name = testing.deflate.new {}
      if not deflate then return name end
      local out
      out, _, name = deflate:inflate("\242", true)
      deflate:free()
      assert.is_nil(out)
      return name
    end
    memory.fail_at()
    assert.equal("deflate", inflate_half())
    local attempts = memory.attempts()
    assert.is_true(attempts >= 4)
    for n = 1, attempts do
      memory.fail_at(n)
      local name = inflate_half()
      memory.fail_at()
      assert.equal("memory", name)
    end
  end)

  it("grows by few steps", function()
    local deflate = new()
    local small = new():compress(TICKER, true)
    local large = new():compress(TICKER:rep(12000), true)
    deflate:inflate(small, true)
    memory.fail_at()
    deflate:inflate(small, true)
    assert.equal(1, memory.attempts())
    memory.fail_at()
    deflate:inflate(large, true)
    assert.is_true(memory.attempts() <= 10)
    local text = random_bytes(3000, 7, 12)
    local bytes = new():compress(text, true)
    assert.is_true(#bytes > 1000)
    memory.fail_at()
    deflate:inflate(bytes, true)
    assert.equal(1, memory.attempts())
    deflate:compress(TICKER, true)
    for _, data in ipairs { TICKER, random_bytes(4000, 3) } do
      memory.fail_at()
      deflate:compress(data, true)
      assert.equal(1, memory.attempts())
    end
  end)

  local noise = random_bytes(9000, 1)
  local compressed = new { level = 0 }:compress(noise, true)

  -- Every allocation is made to fail once; each time an error comes back and nothing stays behind.
  local function fail_each(scenario)
    local failures, ended = 0, false
    repeat
      collectgarbage()
      local blocks = memory.live_blocks()
      memory.fail_at(failures + 1)
      local deflate, _, name = testing.deflate.new {}
      if deflate then
        ended, name = scenario(deflate)
        memory.fail_at()
        deflate:free()
      end
      memory.fail_at()
      assert.equal(blocks, memory.live_blocks())
      assert.equal(ended and "nil" or "memory", tostring(name))
      failures = failures + (ended and 0 or 1)
    until ended
    return failures
  end

  it("that fails leaves the compressor as it was: the same piece goes again", function()
    local pieces = { { "", true }, { TICKER, true }, { noise, false }, { "", false },
      { TICKER:rep(50), true }, { BEAT, false }, { "", true }, { TICKER, true } }
    local function all_pieces(client, again)
      local made = {}
      for i, piece in ipairs(pieces) do
        local bytes, _, name = client:compress(piece[1], piece[2])
        made[i] = bytes or again(name, piece)
      end
      return made
    end
    for _, options in ipairs { {}, { client_no_context_takeover = true }, { level = 0 },
      { mem_level = 1, client_max_window_bits = 9 } } do
      local expected = all_pieces(new(options), error)
      local failures, failed = 0
      repeat
        local client, server = pair(options)
        failed = false
        memory.fail_at(failures + 1, true)
        local made = all_pieces(client, function(name, piece)
          failed = true
          assert.equal("memory", name)
          for _ = 1, 2 do
            assert.equal("memory", (select(3, client:compress(piece[1], piece[2]))))
          end
          memory.fail_at()
          return client:compress(piece[1], piece[2])
        end)
        memory.fail_at()
        assert.same(expected, made)
        for i, piece in ipairs(pieces) do
          assert.equal(piece[1], (server:inflate(made[i], piece[2])))
        end
        client:free()
        server:free()
        failures = failures + (failed and 1 or 0)
      until not failed
      -- zlib's stream, its state and four tables; the room of each piece that is not empty, or ends
      assert.is_true(failures >= 6 + 7)
    end
  end)

  it("may fail while compressing", function()
    assert.is_true(fail_each(function(deflate)
      local bytes, _, name = deflate:compress(noise, false)
      if bytes then
        bytes, _, name = deflate:compress("", true)
      end
      return bytes ~= nil, name
    end) >= 7)
  end)

  it("may fail while inflating", function()
    assert.is_true(fail_each(function(deflate)
      local text, _, name = deflate:inflate(compressed, true)
      return text ~= nil, not text and name or nil
    end) >= 3)
  end)

  it("may fail while a BFINAL block is followed by another", function()
    local final = rawdeflate.writer():stored(noise, true):bytes() .. hex "f248cdc9c90700"
    assert.is_true(fail_each(function(deflate)
      local text, _, name = deflate:inflate(final, true)
      return text ~= nil, not text and name or nil
    end) >= 4)
  end)
end)

describe("whether a message is worth compressing", function()
  local function worth(data, options)
    return new(options):worth(data)
  end

  it("is decided by its size: 64 bytes with takeover of our direction, 512 without", function()
    for _, case in ipairs {
      { {}, 64 },
      { { server_no_context_takeover = true }, 64 },
      { { client_no_context_takeover = true }, 512 },
      { { server = true }, 64 },
      { { server = true, client_no_context_takeover = true }, 64 },
      { { server = true, server_no_context_takeover = true }, 512 },
      { { threshold = 0 }, 0 },
      { { threshold = 1 }, 1 },
      { { threshold = 1000, client_no_context_takeover = true }, 1000 },
    } do
      local options, least = case[1], case[2]
      assert.is_true(worth(("a"):rep(least), options))
      assert.equal(least == 0, worth(("a"):rep(math.max(least - 1, 0)), options))
    end
  end)

  local texts = {
    English = "The client closes the connection when the server's answer lacks an extension. ",
    German = "Überprüfe die Größe der Nachricht, ehe du sie über die Leitung schickst; höre zu. ",
    Russian = "Соединение закрывается, если сервер не ответил вовремя на вопрос клиента. ",
    Greek = "Η σύνδεση κλείνει όταν ο διακομιστής δεν απαντά εγκαίρως στο ερώτημα. ",
    Chinese = "服务器重新启动时连接会关闭，客户端应当等待片刻再重新连接，以免所有人同时到来。",
    Japanese = "サーバーが再起動すると接続は閉じられ、クライアントは少し待ってから再接続します。",
    Korean = "서버가 다시 시작되면 연결이 닫히고 클라이언트는 잠시 기다린 뒤 다시 연결합니다. ",
    Arabic = "يغلق الاتصال عندما يعاد تشغيل الخادم ثم ينتظر العميل قليلا قبل أن يتصل من جديد. ",
    Hindi = "सर्वर के फिर से शुरू होने पर संपर्क बंद हो जाता है और ग्राहक थोड़ी देर रुकता है। ",
    emoji = ("😀😂🎉🚀🐙"):rep(5),
    JSON = TICKER,
    base64 = "dGhlIHNhbXBsZSBub25jZQ==s3pPLMBiTxaQ9kYGzzhZRbK+xOo=R0lGODlhAQABAIAAAAAA",
    ["a token of all letters"] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~!()",
  }
  for name, text in pairs(texts) do
    it("is granted to text, short or long: " .. name, function()
      assert.is_true(worth(text))
      assert.is_true(worth(text:rep(5)))
      assert.is_true(worth(text:rep(1000)))
    end)
  end

  it("is granted to numbers in binary form", function()
    local values = {}
    for i = 1, 500 do
      values[i] = random_bytes(2, i) .. "\63\128" -- the mantissa is noise, the exponent is not
    end
    assert.is_true(worth(table.concat(values)))
    assert.is_true(worth(random_bytes(2000, 4, 100)))
  end)

  it("is granted where only a part of a message is noise", function()
    local noise = random_bytes(30000, 3)
    assert.is_true(worth(TICKER:rep(500) .. noise))
    assert.is_true(worth(noise .. TICKER:rep(500)))
  end)

  it("is denied to noise, as compressed or encrypted bytes are", function()
    for _, size in ipairs { 200, 512, 1000, 2047, 2048, 2049, 4096, 50000 } do
      for seed = 1, 20 do
        assert.is_false(worth(random_bytes(size, seed)))
      end
    end
    assert.is_false(worth(new():compress(random_bytes(8000, 2, 90), true)))
  end)

  it("is asked of a sample that spans the whole message", function()
    local noise = random_bytes(100000, 3)
    assert.is_false(worth(noise))
    assert.is_false(worth(random_bytes(600, 4, 128) .. noise)) -- ASCII in front only
    local zeros = ("\0"):rep(600)
    assert.is_true(worth(zeros .. noise))
    assert.is_true(worth(noise .. zeros))
  end)
end)
