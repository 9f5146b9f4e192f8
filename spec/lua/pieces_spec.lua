-- The option `pieces`: on_piece and receive_piece, and what holds between messages and now holds
-- within one.

local network = require "support.network"
local stage = require "support.stage"
local talk = require "support.talk"
local testing = require "wsclose.testing"
local wsclose = require "wsclose"

local wire = stage.wire

local function raised(call, ...)
  local ok, message = pcall(call, ...)
  assert.is_false(ok)
  return message
end

-- A message of one frame, as bytes.
local function whole(size)
  return wire.frame { payload = ("x"):rep(size) }
end

local TEN = ("x"):rep(10)

local function counts_of_turns(s, total)
  local counts = {}
  while #s.got < total and #counts < 100 do
    local before = #s.got
    s:turn()
    counts[#counts + 1] = #s.got - before
  end
  return counts
end

-- Those that are there now, as got has them.
local function received(ws)
  local list = {}
  local piece, _, last = ws:receive_piece(0)
  while piece do
    list[#list + 1] = piece .. (last and "." or "")
    piece, _, last = ws:receive_piece(0)
  end
  return list
end

for _, way in ipairs(stage.ways) do
  describe("a client that takes pieces, " .. way .. ",", function()
    after_each(stage.close_all)
    teardown(stage.stop_all)

    -- With all ten pieces of a message here and none given.
    local function with_ten(options)
      local all = { pieces = { size = 10 } }
      for name, value in pairs(options) do all[name] = value end
      local s = stage.open(way, all)
      s.ws:pause()
      s:say(whole(100))
      s.ws:resume()
      return s
    end

    it("is given them as they come, with their kind and the end", function()
      local got = {}
      local s = stage.open(way, { pieces = true })
      function s.ws:on_piece(...) got[#got + 1] = { self == s.ws, ... } end
      local bytes = wire.frame { payload = "hello world", opcode = "binary" }
      s:say(bytes:sub(1, 7))
      s:turn()
      assert.same({ { true, "hello", "binary", false } }, got)
      s:say(bytes:sub(8))
      s:turn()
      assert.same({ { true, "hello", "binary", false }, { true, " world", "binary", true } }, got)
    end)

    it("has max_messages of them an update", function()
      local s = with_ten { max_messages = 3 }
      assert.same({ 3, 3, 3, 1 }, counts_of_turns(s, 10))
      assert.same({ TEN, TEN .. "." }, { s.got[1], s.got[10] })
    end)

    it("is given them for max_time, and one at least", function()
      local s = with_ten { max_time = 0.010 }
      function s.ws:on_piece(piece) -- luacheck: ignore 212
        s.got[#s.got + 1] = piece
        s:pass(#s.got < 5 and 0.004 or 1)
      end
      assert.same({ 3, 2, 1, 1, 1, 1, 1 }, counts_of_turns(s, 10))
    end)

    it("has work as long as there is more to inflate, though all that came was read", function()
      local s = stage.open(way, {
        pieces = { size = 10 }, max_messages = 1, keepalive = false,
        answer = { extensions = "permessage-deflate" },
      })
      local server = talk.server(talk.open_deflate())
      server:send(("x"):rep(105))
      local bytes = server:output()
      s:say(bytes:sub(1, -2)) -- the end of the last block is missing, and nothing else
      s:turn()
      for _ = 2, 10 do
        assert.equal(0, s.ws:timeout())
        s:turn()
      end
      assert.equal(TEN:rep(10), table.concat(s.got))
      s:say(bytes:sub(-1))
      s:turns(0, function() return #s.got == 12 end, 3)
      assert.equal(TEN:rep(10) .. "xxxxx.", table.concat(s.got))
    end)

    it("is given none within a pause, which may begin within a message", function()
      local s = with_ten { on_piece = nil }
      function s.ws:on_piece(piece)
        s.got[#s.got + 1] = piece
        self:pause()
      end
      for _ = 1, 3 do s:turn() end
      assert.equal(1, #s.got)
      s.ws:resume()
      s:turn()
      assert.equal(2, #s.got)
    end)

    it("goes on behind the one whose on_piece raised", function()
      local s = with_ten {}
      function s.ws:on_piece(piece, _, last) -- luacheck: ignore 212
        s.got[#s.got + 1] = piece .. (last and "." or "")
        if #s.got == 4 then error("not this one", 0) end
      end
      assert.equal("not this one", raised(s.ws.update, s.ws, 0))
      s:turn()
      assert.equal(TEN:rep(10) .. ".", table.concat(s.got))
    end)

    it("has the rest of a message behind its own close()", function()
      local s = stage.open(way, { pieces = true })
      function s.ws:on_piece(piece, _, last)
        s.got[#s.got + 1] = piece .. (last and "." or "")
        self:close(1000, "enough")
      end
      s:say(wire.frame { payload = "one", fin = false })
      s:turn()
      assert.same({ "one" }, s.got)
      local came = s:until_closed(0.1)
      assert.same({ 1000, "enough", true, 0 },
        { came.code, came.reason, came.info.clean, came.info.dropped })
    end)

    it("ends in time within a message, and the message counts as dropped", function()
      local s = with_ten { max_messages = 1, timeouts = { close = 1 } }
      s:turn()
      local closed_at = s:now()
      s.ws:close(1000)
      local came = s:until_closed(0.4)
      assert.is_true(came.at <= closed_at + 2)
      assert.is_true(#s.got < 10)
      assert.same({ 1000, 1 }, { came.code, came.info.dropped })
    end)

    it("may leave() within a message, and the message counts as dropped", function()
      local s = with_ten { max_messages = 1 }
      s:turn()
      s.ws:leave()
      assert.same({ 1, 1 }, { #s.got, s.closes[1].info.dropped })
    end)

    it("is told of the end within a message by on_close", function()
      local s = stage.open(way, { pieces = true })
      s:say(wire.frame { payload = "half", fin = false } .. stage.close(1001, "away"))
      local came = s:until_closed(0.1)
      assert.same({ { "half" }, 1001, "away" }, { s.got, came.code, came.reason })
    end)

    it("fails with 1007 at the byte that is no text, though the message goes on", function()
      local s = stage.open(way, { pieces = true })
      s:say(wire.frame { payload = "ab", fin = false })
      s:turn()
      s:say(wire.frame({ opcode = "continuation", payload = "\255 and more" }):sub(1, 4))
      local came = s:until_closed(0.1)
      assert.same({ { "ab" }, 1007, "utf8" }, { s.got, came.code, came.info.error.name })
    end)

    it("gives them to receive_piece, one each time", function()
      local s = with_ten {}
      s.ws.on_piece = nil
      local list = received(s.ws)
      assert.equal(TEN:rep(10) .. ".", table.concat(list))
      assert.equal(10, #list)
      assert.same({ "timeout", "timeout" }, { select(2, s.ws:receive_piece(0)) })
      s:say(stage.close(1001, "away"))
      s:until_closed(0.1)
      local piece, sentence, name, code = s.ws:receive_piece(0)
      assert.same({ "closed", 1001 }, { name, code })
      assert.is_nil(piece)
      assert.equal(tostring(s.closes[1].info), sentence)
    end)

    it("is not given what receive_piece waits for: on_piece has what comes else", function()
      local s = with_ten {}
      assert.equal(TEN, (s.ws:receive_piece(0)))
      s:turn()
      assert.equal(9, #s.got)
    end)

    it("lets what a program sends between two pieces leave at once", function()
      local s = with_ten {}
      s.ws:receive_piece(0)
      s.ws:send "answer"
      assert.equal(0, s.ws:buffered())
    end)

    it("reads no further than the piece that nobody takes", function()
      local s = stage.open(way, { pieces = { size = 10 } })
      s.ws.on_piece = nil
      s:say(whole(1000000))
      s:turn()
      local read = s.ws:stats().bytes_in
      for _ = 1, 10 do s:turn() end
      assert.equal(read, s.ws:stats().bytes_in)
      local size = 0
      while size < 1000000 do
        local list = received(s.ws)
        size = size + #table.concat(list):gsub("%.", "")
        s:serve()
      end
      assert.equal(1000000, size)
    end)

    it("gives those that come after close() to receive_piece while it is waited in", function()
      local s = with_ten {}
      s.ws.on_piece = nil
      s.ws:close(1000)
      assert.equal(TEN:rep(10) .. ".", table.concat(received(s.ws)))
    end)

    it("leaves from within on_piece, and the message counts as dropped", function()
      local s = with_ten {}
      function s.ws:on_piece(piece)
        s.got[#s.got + 1] = piece
        self:leave()
      end
      s:turn()
      assert.same({ 1, 1, 1 }, { #s.got, #s.closes, s.closes[1].info.dropped })
    end)

    it("may yield in on_piece, and be given the rest when it goes on", function()
      local s = with_ten {}
      function s.ws:on_piece(piece, _, last) -- luacheck: ignore 212
        s.got[#s.got + 1] = piece .. (last and "." or "")
        coroutine.yield()
      end
      local turn = coroutine.wrap(function() s.ws:update(0) end)
      for i = 1, 10 do
        turn()
        assert.equal(i, #s.got)
      end
      turn()
      assert.equal(TEN:rep(10) .. ".", table.concat(s.got))
    end)

    it("passes over what comes after close() while nobody takes it", function()
      local s = stage.open(way, { pieces = { size = 10 } })
      s.ws.on_piece = nil
      s.ws:pause()
      s:say(whole(100) .. whole(20))
      s.ws:close(1000)
      local came = s:until_closed(0.1)
      assert.equal(1000, came.code)
      assert.equal(2, s.ws:stats().messages_dropped)
      assert.same({}, received(s.ws))
      assert.equal("closed", (select(3, s.ws:receive_piece(0))))
    end)
  end)
end

describe("a client that takes pieces over reconnections", function()
  after_each(testing.reset)

  it("is told where a message was cut short, before the next one", function()
    local server = testing.server "ws://cut.example/"
    server:accept():send("a whole one"):raw(wire.frame { payload = "half of", fin = false })
    server:drop()
    server:accept():send "from the beginning"
    local ws = assert(wsclose.connect("ws://cut.example/", { pieces = true, retry = true }))
    local told = {}
    repeat
      local piece, kind, last, code = ws:receive_piece()
      told[#told + 1] = { piece or false, last, code, kind }
    until piece == "from the beginning"
    assert.same({ "a whole one", true, nil, "text" }, told[1])
    assert.same({ "half of", false, nil, "text" }, told[2])
    assert.same({ false, "cut", 1006 }, { told[3][1], told[3][2], told[3][3] })
    assert.matches("^within a message: .*1006", told[3][4])
    assert.same({ "from the beginning", true, nil, "text" }, told[4])
    ws:leave()
  end)

  it("is not told so between messages", function()
    local server = testing.server "ws://cut.example/"
    server:accept():send("one"):drop()
    server:accept():send "two"
    local ws = assert(wsclose.connect("ws://cut.example/", { pieces = true, retry = true }))
    assert.equal("one", (ws:receive_piece()))
    assert.equal("two", (ws:receive_piece()))
    ws:leave()
  end)
end)

describe("the option pieces", function()
  local URL = "ws://option.example/"

  it("is true, false or a size", function()
    for _, good in ipairs { true, false, {}, { size = 1 } } do
      assert.is_not_nil(wsclose.new(URL, { pieces = good }))
    end
    for given, sentence in pairs {
      [1] = "option 'pieces': expected a table, got 1",
      x = "option 'pieces': expected a table, got string",
    } do
      assert.matches(sentence, raised(wsclose.new, URL, { pieces = given }), 1, true)
    end
    assert.matches("option 'pieces.size': expected a whole number >= 1, got 0",
      raised(wsclose.new, URL, { pieces = { size = 0 } }), 1, true)
    assert.matches("unknown option 'pieces.bytes'; expected 'pieces.size'",
      raised(wsclose.new, URL, { pieces = { bytes = 1 } }), 1, true)
  end)

  it("does not go together with on_message, nor on_piece without it", function()
    local function nothing() end
    local to_on_piece = ": with the option pieces messages are given to on_piece"
    local to_on_message = ": it needs the option pieces; without it messages are given to "
      .. "on_message"
    local in_pieces = assert(wsclose.new(URL, { pieces = true }))
    local whole_ones = assert(wsclose.new(URL))
    assert.matches("option 'on_message'" .. to_on_piece,
      raised(wsclose.new, URL, { pieces = true, on_message = nothing }), 1, true)
    assert.matches("option 'on_piece'" .. to_on_message,
      raised(wsclose.new, URL, { on_piece = nothing }), 1, true)
    assert.matches("^spec/lua/pieces_spec.lua:%d+: ws.on_message" .. to_on_piece,
      raised(function() in_pieces.on_message = nothing end))
    assert.matches("^spec/lua/pieces_spec.lua:%d+: ws.on_piece" .. to_on_message,
      raised(function() whole_ones.on_piece = nothing end))
    in_pieces.on_piece, whole_ones.on_message = nothing, nothing
  end)

  it("decides which of receive and receive_piece there is; the other raises", function()
    local here = "^spec/lua/pieces_spec.lua:%d+: "
    local whole_ones = assert(wsclose.new(URL))
    local in_pieces = assert(wsclose.new(URL, { pieces = true }))
    assert.matches(here .. "ws:receive_piece%(%) needs the option pieces; without it call "
      .. "ws:receive%(%)",
      raised(function() whole_ones:receive_piece(0) end))
    assert.matches(here .. "with the option pieces no message is given whole: call "
      .. "ws:receive_piece%(%)", raised(function() in_pieces:receive(0) end))
    assert.matches(here .. "with the option pieces no message is given whole",
      raised(function() in_pieces:messages() end))
    assert.matches(here .. "expected a wsclose object, got no value",
      raised(function() in_pieces.receive_piece() end))
    assert.matches(here .. "expected seconds, got string",
      raised(function() in_pieces:receive_piece "1" end))
  end)

  it("lets the first three limits be math.huge, and no other", function()
    local huge = math.huge
    assert(wsclose.new(URL, { limits = { message = huge, frame = huge, fragments = huge } }))
    for _, name in ipairs { "header", "send_queue" } do
      assert.matches("option 'limits." .. name .. "': expected a whole number >= 1, got inf",
        raised(wsclose.new, URL, { limits = { [name] = huge } }), 1, true)
    end
  end)
end)

describe("pieces that were taken", function()
  -- In LuaJIT and Lua 5.1 the collector did too little at each while it was at work, and several
  -- megabytes of them came together.
  it("are collected as others come: less than three times what the program holds", function()
    local result = network.run [[
      local wsclose = require "wsclose"
      local client = assert(wsclose.protocol("ws://a.example/", {
        pieces = true, limits = { message = math.huge },
      }))
      local server = assert(wsclose.protocol(nil, { role = "server" }))
      server:input(client:output())
      assert(server:next() == "open")
      -- no two pieces are alike: LuaJIT would hold them once
      local bytes, number = {}, 1
      for i = 1, 16411 do
        number = number * 16807 % 2147483647
        bytes[i] = string.char(number % 256)
      end
      client:input(server:output())
      assert(client:next() == "open")
      local part, writer = table.concat(bytes), server:send_fragments "binary"
      for i = 1, 1000 do
        assert(writer[i < 1000 and "write" or "finish"](writer, i .. part))
        client:input(server:output())
      end
      bytes = nil
      collectgarbage()
      collectgarbage()
      local held, most, size = collectgarbage "count", 0, 0
      repeat
        local event, piece, _, last = client:next()
        assert(event == "piece")
        size, most = size + #piece, math.max(most, collectgarbage "count")
      until last
      assert(size > 16411000)
      io.write(("%.1f"):format((most - held) / held))
    ]]
    assert.is_true(result.ok, result.output)
    assert.is_true(tonumber(result.output) < 3, result.output)
  end)
end)
