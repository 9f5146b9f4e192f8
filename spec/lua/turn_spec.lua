-- What one turn gives and sends: messages that never fit, on_drain once a turn, fragments and
-- frames as large as the limits say, one write for all that callbacks send.

local network = require "support.network"
local scripted = require "support.scripted_server"
local stage = require "support.stage"
local talk = require "support.talk"
local testing = require "wsclose.core_testing"
local wsclose = require "wsclose"

local wire = scripted.wire
local memory = testing.memory

after_each(function()
  memory.fail_at()
  stage.close_all()
  network.close_all()
end)
teardown(stage.stop_all)

local UNCOMPRESSED = { compress = false }
local PLAIN = { ["permessage-deflate"] = false }

-- A refusal for good: it names both sizes, and does not send the program to on_drain.
local function assert_never_fits(size, limit, ok, sentence, name)
  assert.is_nil(ok)
  assert.equal("too_big", name)
  local digits = sentence:gsub("(%d)[ ,](%d%d%d)", "%1%2")
  assert.matches(tostring(size), digits, 1, true)
  assert.matches(tostring(limit), digits, 1, true)
  assert.is_nil(sentence:find "drain")
  assert.is_nil(sentence:find "wait")
end

for _, way in ipairs(stage.ways) do
  describe("a message that never fits, " .. way .. ",", function()
    it("is too_big for send, and one that fits later is busy", function()
      local s = stage.open(way, { limits = { send_queue = 1000 } })
      assert_never_fits(2000, 1000, s.ws:send(("x"):rep(2000), "text", UNCOMPRESSED))
      assert_never_fits(2000, 1000, s.ws:send(("x"):rep(2000), "binary", UNCOMPRESSED))
      assert.equal("open", s.ws:state())
      assert.is_true(s.ws:send("small"))
    end)

    it("is too_big for the writer of send_fragments, which may go on with less", function()
      local s = stage.open(way, { limits = { send_queue = 1000 }, extensions = PLAIN })
      local writer = s.ws:send_fragments "text"
      assert(writer:write "one ")
      assert_never_fits(2000, 1000, writer:write(("x"):rep(2000)))
      assert_never_fits(2000, 1000, writer:finish(("x"):rep(2000)))
      assert.is_true(writer:finish "two")
    end)

    it("is too_big for the outbox, by its own limit and by that of the queue", function()
      local s = stage.new(way, { limits = { send_queue = 1000 }, outbox = { bytes = 4000 } })
      assert_never_fits(5000, 4000, s.ws:send(("x"):rep(5000)))
      assert.equal(0, s.ws:buffered())
      s = stage.close_all() or stage.new(way, { limits = { send_queue = 5000 },
        outbox = { bytes = 1000 } })
      assert_never_fits(2000, 1000, s.ws:send(("x"):rep(2000)))
      assert(s.ws:send(("x"):rep(900)))
      local _, _, name = s.ws:send(("x"):rep(900))
      assert.equal("busy", name)
    end)

    it("is refused each time: update(0) comes back when it is sent again from on_drain", function()
      local drains = 0
      local s = stage.open(way, {
        limits = { send_queue = 1000 },
        on_drain = function(ws)
          drains = drains + 1
          assert(drains < 100, "on_drain without end")
          ws:send(("x"):rep(2000), "text", UNCOMPRESSED)
        end,
      })
      s.ws:send(("x"):rep(2000), "text", UNCOMPRESSED)
      s.ws:send "small"
      s.ws:buffered()
      for _ = 1, 5 do s:turn() end
      assert.is_true(drains <= 5, drains)
    end)
  end)

  describe("on_drain, " .. way .. ",", function()
    it("is told at most once an update, however fast the network is", function()
      local drains = 0
      local function pump(ws)
        drains = drains + 1
        assert(drains < 1000, "on_drain without end")
        ws:send "more"
        ws:buffered()
      end
      local s = stage.open(way, {
        on_drain = pump,
        on_message = function(ws)
          ws:send "first" -- leaves at the turn's end, so that it is seen waiting
          ws:buffered()
        end,
      })
      s:say(stage.text "go")
      for i = 1, 20 do
        s:turn()
        assert.is_true(drains <= i, ("%d in %d updates"):format(drains, i))
      end
      assert.is_true(drains >= 2, drains) -- and it is told
    end)

    it("is told of 64 KiB that the last message of an update brought", function()
      local drains = 0
      local s = stage.open(way, {
        max_messages = 1, on_drain = function() drains = drains + 1 end,
        on_message = function(ws) ws:send(("x"):rep(65536), "binary", UNCOMPRESSED) end,
      })
      s:say(stage.text "go")
      assert(s:turns(0, function() return drains == 1 end))
    end)

    it("is told when no more than outbox.low waits, once", function()
      local drains = 0
      local s = stage.open(way, {
        outbox = { bytes = 2 ^ 26, high = 3 * 2 ^ 22, low = 2 ^ 23 }, extensions = PLAIN,
        limits = { send_queue = 2 ^ 26 }, on_drain = function() drains = drains + 1 end,
      })
      s:hold()
      local _, mark
      repeat -- until the kernels between take no more
        _, mark = assert(s.ws:send(("x"):rep(65536), "binary"))
      until mark
      assert.equal("high", mark)
      s:turn()
      assert.equal(0, drains)
      assert(s:turns(0, function()
        s:take(65536)
        return drains > 0
      end))
      assert.is_true(s.ws:buffered() <= 2 ^ 23)
      assert.is_true(s.ws:buffered() > 0)
      for _ = 1, 5 do s:turn() end
      assert.equal(1, drains)
    end)

    it("is told again after a refusal", function()
      local drains = 0
      local s = stage.open(way, {
        limits = { send_queue = 1000 }, on_drain = function() drains = drains + 1 end,
      })
      s:hold()
      repeat -- what the system takes grows a little while it is full
        local ok, name, _
        repeat ok, _, name = s.ws:send(("x"):rep(900), "text", UNCOMPRESSED) until not ok
        assert.equal("busy", name)
        drains = 0
        s:turn()
      until drains == 0
      assert(s:turns(0, function()
        s:take(16 * 1024 * 1024)
        return drains > 0
      end))
      for _ = 1, 5 do s:turn() end
      assert.equal(1, drains)
    end)
  end)

  describe("messages in many pieces, " .. way .. ",", function()
    it("of 4 MiB in frames of 64 bytes are delivered", function()
      local s = stage.open(way, { extensions = PLAIN })
      local piece = ("0123456789abcdef"):rep(4)
      local middle = wire.frame { opcode = 0, payload = piece, fin = false }
      s:say(wire.frame { opcode = 1, payload = piece, fin = false } .. middle:rep(65535)
        .. wire.frame { opcode = 0 }) -- many senders end with an empty one
      assert(s:turns(0, function() return s.got[1] or s.closes[1] end))
      assert.is_nil(s.closes[1] and tostring(s.closes[1].info))
      assert.is_true(s.got[1] == piece:rep(65536))
    end)

    it("as one frame of 20 MiB are delivered where limits.message allows it", function()
      local s = stage.open(way, { limits = { message = 64 * 1024 * 1024 } })
      local data = ("0123456789abcdef"):rep(20 * 65536)
      s:say(wire.frame { opcode = "binary", payload = data })
      assert(s:turns(0, function() return s.got[1] or s.closes[1] end))
      assert.is_nil(s.closes[1] and tostring(s.closes[1].info))
      assert.is_true(s.got[1] == data)
    end)
  end)
end

describe("the wsclose.run and wsclose.update of many clients", function()
  it("serve all of them though one sends from each on_drain", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:stall()
    end)
    local drains, got = 0, {}
    local a = assert(wsclose.new(server:url(), {
      on_drain = function(ws)
        drains = drains + 1
        assert(drains < 1000, "on_drain without end")
        ws:send "more"
        ws:buffered()
      end,
      on_message = function(ws)
        ws:send "first"
        ws:buffered()
      end,
    }))
    local b = assert(wsclose.new(server:url(), {
      on_message = function(_, data) got[#got + 1] = data end,
    }))
    scripted.pump({ a, b }, server, function()
      return a:state() == "open" and b:state() == "open"
    end)
    drains = 0
    server.connections[1].socket:send(wire.frame { payload = "go" })
    server.connections[2].socket:send(wire.frame { payload = "b's" })
    local rounds = 0
    repeat
      rounds = rounds + 1
      wsclose.update(0, a, b)
      assert.is_true(drains <= rounds, ("%d in %d rounds"):format(drains, rounds))
      server:step()
    until rounds > 20
    assert.same({ "b's" }, got)
  end)
end)

describe("limits of the protocol object", function()
  -- A text of so many fragments of one byte.
  local function fragments(count)
    return "\1\1a" .. ("\0\1a"):rep(count - 2) .. "\128\1a"
  end

  it("take 262,144 fragments, and answer one more with 1009", function()
    local t = talk.open()
    t:input(fragments(262144))
    local event, data = t:next()
    assert.equal("message", event)
    assert.equal(262144, #data)
    t:input(fragments(262145))
    t:drain()
    assert.equal(1009, t:sent_close().code)
    t.p:eof()
    local _, _, info = t:closed()
    assert.same({ 1009, "too_big" }, { info.sent.code, info.error.name })
  end)

  it("let a frame be as long as a message", function()
    local t = talk.open { limits = { message = 64 * 1024 * 1024 } }
    local data = ("x"):rep(20 * 1024 * 1024)
    t:input { opcode = "binary", payload = data }
    local event, got = t:next()
    assert.equal("message", event)
    assert.is_true(got == data)
  end)

  it("keep the first 64 pongs that wait, and the latest of the rest", function()
    local t, pings = talk.open(), {}
    for i = 1, 200 do pings[i] = wire.frame { opcode = "ping", payload = tostring(i) } end
    t:input(table.concat(pings))
    t:drain()
    local expected, got = {}, {}
    for i = 1, 64 do expected[i] = tostring(i) end
    expected[65] = "200"
    for i, frame in ipairs(t:frames()) do got[i] = frame.payload end
    assert.equal(table.concat(expected, " "), table.concat(got, " "))
  end)
end)

describe("a Close whose code may not travel", function()
  for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535 } do
    it("is told by its code, " .. code .. ": the sentence and info.received have it", function()
      local t = talk.open()
      t:input_close(code, "odd"):drain()
      assert.equal(1002, t:sent_close().code)
      t.p:eof()
      local _, _, info = t:closed()
      assert.equal(code, info.received.code)
      assert.matches(tostring(code), info.error.message, 1, true)
      assert.matches(tostring(code), tostring(info), 1, true)
    end)
  end

  it("is told of a reason that is not UTF-8", function()
    local t = talk.open()
    t:input_close(4000, "\255"):drain()
    assert.equal(1007, t:sent_close().code)
    t.p:eof()
    local _, _, info = t:closed()
    assert.equal(4000, info.received.code)
    assert.matches("UTF%-8", info.error.message)
  end)
end)

describe("without memory", function()
  local counted = network.counted()

  it("a handshake that cannot be read ends in the phase handshake", function()
    local seen = 0
    for n = 1, 40 do
      local server = scripted.new(function(c)
        c:upgrade { lines = { "X-Long: " .. ("x"):rep(5000) } }
        c:stall()
      end)
      local info
      local ws = assert(counted.new(server:url(), {
        on_close = function(_, _, _, given) info = given end,
      }))
      scripted.pump(ws, server, function() return ws:info().phase == "handshake" end)
      repeat until not server:step()
      memory.fail_at(n)
      ws:update(0)
      ws:update(0)
      memory.fail_at()
      if info then
        seen = seen + 1
        assert.same({ "memory", "handshake" }, { info.error.name, info.error.phase })
        assert.is_false(info.opened)
      end
      ws:leave()
      scripted.close_all()
    end
    assert.is_true(seen > 0)
  end)

  local function carry(from, to)
    to:input(from:output())
    while to:next() do end -- luacheck: ignore 542
  end

  -- Three fragments, of which one fails at its n-th allocation and is sent again.
  local function send_again(extensions, failing, n)
    local client = assert(counted.protocol("ws://a.example/", { extensions = extensions }))
    local server = assert(wsclose.protocol(nil, { role = "server", extensions = extensions }))
    carry(client, server)
    carry(server, client)
    local writer = client:send_fragments "text"
    local pieces = { ("one"):rep(100), ("two"):rep(30000), ("three"):rep(100) }
    for i, piece in ipairs(pieces) do
      local send = i == #pieces and writer.finish or writer.write
      if i == failing then memory.fail_at(n) end
      local ok, _, name = send(writer, piece)
      memory.fail_at()
      if not ok then
        assert.equal("memory", name)
        assert.is_true(send(writer, piece))
      end
    end
    server:input(client:output())
    local event, data, kind = server:next()
    assert.same({ "message", "text" }, { event, kind })
    assert.is_true(data == table.concat(pieces))
    client:leave()
  end

  for name, extensions in pairs {
    ["as it is"] = PLAIN, ["compressed"] = { ["permessage-deflate"] = { threshold = 0 } },
  } do
    it("a fragment that could not be sent, " .. name .. ", can be sent again", function()
      for failing = 1, 3 do
        for n = 1, 12 do send_again(extensions, failing, n) end
      end
    end)
  end
end)

-- The system calls of a process of its own are looked at.
describe("what callbacks send", function()
  local PRELUDE = [[
    local recorder = require "support.recorder"
    local scripted = require "support.scripted_server"
    local wsclose = require "wsclose"
    local server = scripted.new(function(c)
      c:upgrade { body = scripted.wire.frame { payload = "a" }
        .. scripted.wire.frame { payload = "b" } .. scripted.wire.frame { payload = "c" } }
      c:stall()
    end)
    local got = 0
    local ws = assert(wsclose.new(server:url(), {
      extensions = { ["permessage-deflate"] = false },
      on_message = function(ws, data)
        got = got + 1
        ws:send("one " .. data)
        ws:send("two " .. data)
      end,
      on_open = function(ws) ws:send "login" ws:send "subscribe" end,
    }))
    ws:update(0)
    while not (server.connections[1] and server.connections[1].upgraded) do
      ws:update(0)
      server:step()
    end
    io.stdout:setvbuf "no"
    io.write "<"
    %s
    io.write ">"
  ]]

  local CALLS = {
    update = "for _ = 1, 3 do ws:update(0) end assert(got == 3)",
    run = "ws:run(0) ws:run(0) ws:run(0) assert(got == 3)",
    receive = "ws:receive(0) ws:receive(0) ws:receive(0) ws:receive(0)",
    wait_open = "assert(ws:wait_open())",
  }

  for name, call in pairs(CALLS) do
    it("leaves in one write at the end of the turn: " .. name, function()
      local result = network.trace(PRELUDE:format(call), "-e trace=write,writev,%network")
      assert.is_true(result.ok, result.output)
      local sends = 0
      for _, found in ipairs(network.rounds(result.traces[1], "<", ">")[1]) do
        if found.name:match "^send" or found.arguments:match '^%d+, "\\2' then
          sends = sends + 1
        end
      end
      assert.equal(1, sends)
    end)
  end
end)
