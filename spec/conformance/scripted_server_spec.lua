-- The scripted server itself, against bytes of RFC 6455 and a client that is a bare socket.

local socket = require "socket"
local scripted = require "support.scripted_server"

local wire, handshake = scripted.wire, scripted.handshake
local hex, to_hex = wire.hex, wire.to_hex

-- The examples of RFC 6455 1.3.
local REQUEST = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
  .. "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
  .. "Sec-WebSocket-Version: 13\r\n\r\n"
local ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

local KEY = hex "37fa213d"

local function masked(frame)
  frame.mask = frame.mask or KEY
  return wire.frame(frame)
end

describe("frames of the scripted server, RFC 6455 5.7", function()
  local examples = {
    { hex = "810548656c6c6f", frame = { payload = "Hello" } },
    { hex = "818537fa213d7f9f4d5158", frame = { payload = "Hello", mask = KEY } },
    { hex = "010348656c", frame = { payload = "Hel", fin = false } },
    { hex = "80026c6f", frame = { opcode = "continuation", payload = "lo" } },
    { hex = "890548656c6c6f", frame = { opcode = "ping", payload = "Hello" } },
    { hex = "8a8537fa213d7f9f4d5158", frame = { opcode = "pong", payload = "Hello", mask = KEY } },
    { hex = "827e0100" .. ("00"):rep(256), frame = { opcode = 2, payload = ("\0"):rep(256) } },
    {
      hex = "827f0000000000010000" .. ("00"):rep(65536),
      frame = { opcode = 2, payload = ("\0"):rep(65536) },
    },
    { hex = "c100", frame = { rsv1 = true } },
    { hex = "b300", frame = { opcode = 3, rsv2 = true, rsv3 = true } },
    { hex = "817e000161", frame = { payload = "a", form = 16 }, illegal = true },
    { hex = "817f000000000000000161", frame = { payload = "a", form = 64 }, illegal = true },
    { hex = "817f8000000000000000", frame = { length = hex "8000000000000000" }, illegal = true },
  }
  for _, example in ipairs(examples) do
    it("writes " .. example.hex:sub(1, 24), function()
      assert.equal(example.hex, to_hex(wire.frame(example.frame)))
    end)
    if not example.illegal then
      it("reads " .. example.hex:sub(1, 24) .. " and asks for no byte too many", function()
        local bytes = "xx" .. hex(example.hex)
        local frame, next_at = wire.read_frame(bytes .. "y", 3)
        assert.equal(#bytes + 1, next_at)
        assert.equal(example.frame.payload or "", frame.payload)
        assert.equal(wire.opcode(example.frame.opcode or "text"), frame.opcode)
        assert.equal(example.frame.fin ~= false, frame.fin)
        assert.equal(example.frame.rsv1 or false, frame.rsv1)
        assert.equal(example.frame.mask, frame.mask)
        for size = 2, math.min(#bytes, 40) - 1 do
          local none, wanted = wire.read_frame(bytes:sub(1, size), 3)
          assert.is_nil(none)
          assert.is_true(wanted > size and wanted <= #bytes)
        end
      end)
    end
  end

  it("writes stored blocks as zlib would read them, RFC 7692 7.2.3.3", function()
    assert.equal("000500faff48656c6c6f00", to_hex(wire.stored "Hello"))
    assert.equal("00", to_hex(wire.stored ""))
  end)
end)

describe("the scripted server's check of a client's frame", function()
  local faults = {
    { "unmasked", "8100", "mask" },
    { "RSV1 without an extension", "c18000000000", "RSV" },
    { "RSV2", "a18000000000", "RSV" },
    { "RSV1 on a ping", "c98000000000", "RSV", true },
    { "a reserved opcode", "838000000000", "reserved opcode" },
    { "a length of 125 in 16 bits", "81fe007d00000000" .. ("61"):rep(125), "shortest" },
    { "a ping of 126 bytes", "89fe007e00000000" .. ("61"):rep(126), "control frame" },
    { "a fragmented ping", "098000000000", "control frame" },
    { "a Close of one byte", "88810000000003", "one byte" },
  }
  for _, fault in ipairs(faults) do
    it("names " .. fault[1], function()
      local frame = wire.read_frame(hex(fault[2]))
      assert.matches(fault[3], wire.fault(frame, fault[4]), 1, true)
    end)
  end

  it("has nothing against a masked text, compressed where that was agreed", function()
    assert.is_nil(wire.fault(wire.read_frame(masked { payload = "a" })))
    assert.is_nil(wire.fault(wire.read_frame(masked { payload = "a", rsv1 = true }), true))
  end)
end)

describe("the scripted server's check of a handshake", function()
  it("has nothing against the example of RFC 6455 1.2, and answers it as 1.3 does", function()
    local request, rest = handshake.read(REQUEST .. "rest")
    assert.equal("rest", rest)
    assert.equal("/chat", request.target)
    assert.equal("server.example.com", request.headers.host)
    assert.is_nil(handshake.fault(request))
    assert.equal(ACCEPT, handshake.accept(request.key))
    assert.matches("^HTTP/1.1 101 Switching Protocols\r\n.*\r\n\r\n$", handshake.answer(request))
  end)

  it("alters the answer as asked", function()
    local request = handshake.read(REQUEST)
    assert.equal(
      "HTTP/1.1 101 Oh\nConnection: keep-alive\nSec-WebSocket-Accept: "
        .. ACCEPT
        .. "\nSec-WebSocket-Protocol: p\nX-Folded: a\n b\n\n\129\0",
      handshake.answer(request, {
        status = "HTTP/1.1 101 Oh",
        set = { Upgrade = false, Connection = "keep-alive" },
        protocol = "p",
        lines = { "X-Folded: a\n b" },
        line_end = "\n",
        body = "\129\0",
      })
    )
  end)

  local faults = {
    { "another method", "GET", "POST", "request line" },
    { "HTTP/1.0", "1.1\r", "1.0\r", "request line" },
    { "an empty Host", "server.example.com", "", "Host" },
    { "no Upgrade", "Upgrade: websocket", "X: y", "Upgrade" },
    { "a Connection that does not upgrade", ": Upgrade", ": close", "Connection" },
    { "another version", ": 13", ": 8", "Version" },
    { "a key of 18 bytes", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZXMh", "Key" },
    { "a key of 15 bytes", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", "Key" },
    { "Host twice", "Upgrade: w", "Host: b\r\nUpgrade: w", "twice" },
  }
  for _, fault in ipairs(faults) do
    it("names " .. fault[1], function()
      local changed = REQUEST:gsub(fault[2], fault[3], 1)
      assert.are_not.equal(REQUEST, changed)
      assert.matches(fault[4], handshake.fault(handshake.read(changed)), 1, true)
    end)
  end
end)

describe("the scripted server on its socket", function()
  local client, server

  local function connect(options)
    server = scripted.new(options)
    client = assert(socket.connect(server.host, server.port))
    client:settimeout(5)
    client:setoption("tcp-nodelay", true)
  end

  local function open(script)
    connect(function(c)
      c:upgrade()
      script(c)
    end)
    client:send(REQUEST)
    scripted.pump(nil, server, function()
      return server.connections[1] and server.connections[1].upgraded
    end)
    repeat
      local line = assert(client:receive "*l")
    until line == ""
  end

  -- What the server sent until it ended TCP.
  local function received()
    local bytes, why, partial = client:receive "*a"
    return bytes or why == "closed" and partial or why
  end

  local function finished()
    return server.connections[1].finished
  end

  after_each(function()
    client:close()
    scripted.close_all()
  end)

  it("plays a session and keeps the record of it", function()
    open(function(c)
      c:expect("text", "hi")
      c:send_text "ho"
      c:close_session(1001, "restart")
    end)
    client:send(masked { payload = "hi" } .. masked { opcode = 8, payload = hex "03e9" })
    scripted.pump(nil, server, finished)
    assert.equal("8102686f" .. "880903e9" .. to_hex "restart", to_hex(received()))
    local connection = server.connections[1]
    assert.equal("/chat", connection.request.target)
    assert.same({ code = 1001, reason = "" }, connection.close)
    assert.equal("text", connection.frames[1].name)
  end)

  it("reads frames that come byte by byte", function()
    open(function(c)
      c:echo()
    end)
    local bytes = masked { payload = "one" } .. masked { opcode = 8, payload = hex "0fa0" }
    for i = 1, #bytes do
      client:send(bytes:sub(i, i))
      server:step()
    end
    scripted.pump(nil, server, finished)
    assert.equal("81036f6e65" .. "88020fa0", to_hex(received()))
  end)

  it("lets the client read each piece of what it drips by itself", function()
    local pieces = {}
    open(function(c)
      c:told "go"
      c:drip("abcdef", { 1, 4 })
      c:finish()
    end)
    server:tell "go"
    client:settimeout(0)
    scripted.pump({
      update = function()
        local _, _, piece = client:receive(100)
        pieces[#pieces + 1] = piece ~= "" and piece or nil
      end,
    }, server, finished)
    assert.same({ "a", "bcd", "ef" }, pieces)
  end)

  it("sends frames in the same segment as the 101", function()
    connect(function(c)
      c:upgrade { body = wire.frame { payload = "early" } }
    end)
    client:send(REQUEST)
    scripted.pump(nil, server, function()
      return server.connections[1] and server.connections[1].done
    end)
    client:settimeout(0)
    local _, _, bytes = client:receive(1000)
    assert.matches("\r\n\r\n\129\5early$", bytes)
  end)

  it("refuses, half-closes, and goes on reading", function()
    open(function(c)
      c:half_close()
      c:wait_end()
    end)
    scripted.pump(nil, server, function()
      return server.connections[1].waiting == "the client's end of TCP"
    end)
    assert.equal("", received())
    client:send(masked { payload = "still" })
    client:close()
    scripted.pump(nil, server, finished)
    assert.equal("still", server.connections[1].frames[1].payload)
    assert.equal("fin", server.connections[1].ended)
  end)

  it("tells an RST of the client from a FIN", function()
    open(function(c)
      c:wait_end()
    end)
    client:setoption("linger", { on = true, timeout = 0 })
    client:close()
    scripted.pump(nil, server, finished)
    assert.equal("reset", server.connections[1].ended)
  end)

  it("ends TCP with an RST", function()
    open(function(c)
      c:reset()
    end)
    scripted.pump(nil, server, finished)
    assert.equal("closed", client:getoption "error") -- so luasocket calls ECONNRESET
  end)

  it("waits for the spec's word", function()
    open(function(c)
      c:told "go"
      c:told "go"
      c:finish()
    end)
    server:tell "go"
    for _ = 1, 10 do
      server:step()
      server:tell "another word"
    end
    assert.is_false(finished())
    server:tell "go"
    scripted.pump(nil, server, finished)
    assert.equal("", received())
  end)

  it("leaves bytes in the kernel while it does not read: the client's queue fills", function()
    connect {
      receive_buffer = 4096,
      function(c)
        c.reading = false
        c:told "read"
        c.reading = true
      end,
    }
    server:step()
    client:settimeout(0)
    local bytes = ("x"):rep(16 * 1024 * 1024)
    local _, why, sent = client:send(bytes)
    assert.equal("timeout", why)
    assert.is_true(sent < #bytes)
    for _ = 1, 10 do
      server:step()
    end
    assert.equal(0, server.connections[1].bytes_in)
    server:tell "read"
    scripted.pump(nil, server, function()
      return server.connections[1].bytes_in == sent
    end)
  end)

  it("sends in order what the client is slow to read", function()
    local numbers = {}
    for i = 1, 10000 do
      numbers[i] = ("%08d"):format(i)
    end
    local bytes = table.concat(numbers):rep(200) -- more than the kernel takes at once
    open(function(c)
      c:told "send"
      c:send(bytes)
      c:finish()
    end)
    server:tell "send"
    for _ = 1, 3 do
      server:step()
    end
    assert.is_true(#server.connections[1].to_write > 0)
    client:settimeout(0)
    local pieces = {}
    scripted.pump({
      update = function()
        local piece, _, partial = client:receive(100000)
        pieces[#pieces + 1] = piece or partial
      end,
    }, server, finished)
    client:settimeout(5)
    pieces[#pieces + 1] = received()
    assert.is_true(table.concat(pieces) == bytes)
  end)

  it("accepts again and again, and plays one script after the other", function()
    local played = {}
    local function script(name)
      return function(c)
        played[#played + 1] = name .. c.index
        c:finish()
      end
    end
    server = scripted.new { script "a", script "b" }
    for i = 1, 3 do
      client = assert(socket.connect(server.host, server.port))
      scripted.pump(nil, server, function()
        return #played == i
      end)
    end
    assert.same({ "a1", "b2", "b3" }, played)
  end)

  it("plays a list of steps as it plays a function", function()
    connect(scripted.steps { { "send_hex", "61 62" }, { "send", "c" }, { "finish" } })
    scripted.pump(nil, server, function()
      return server.connections[1] and finished()
    end)
    assert.equal("abc", received())
  end)

  it("refuses connections while it does not listen, and keeps its port", function()
    connect(function() end)
    server:stop_listening()
    assert.same({ nil, "connection refused" }, { socket.connect(server.host, server.port) })
    server:listen_again()
    client = assert(socket.connect(server.host, server.port))
  end)

  local function failure(script, bytes)
    open(script)
    client:send(bytes)
    local ok, message = pcall(scripted.pump, nil, server, finished)
    assert.is_false(ok)
    return message
  end

  local function wait_for_close(c)
    c:expect_close()
  end

  it("raises what the script expected and what came instead", function()
    local message = failure(function(c)
      c:expect("text", "a")
    end, masked { opcode = "ping", payload = "b" })
    assert.matches('expected text "a", got ping "b"', message, 1, true)
  end)

  it("raises that another kind of frame came, though with the payload expected", function()
    local message = failure(function(c)
      c:expect("text", "a")
    end, masked { opcode = "binary", payload = "a" })
    assert.matches('expected text "a", got binary "a"', message, 1, true)
  end)

  for _, came in ipairs { { "bye", 1010 }, { "by", 1000 } } do
    it("raises that Close " .. came[2] .. " " .. came[1] .. " came and not 1000 bye", function()
      local message = failure(function(c)
        c:expect_close(1000, "bye")
      end, masked { opcode = "close", payload = wire.close_payload(came[2], came[1]) })
      assert.matches('expected Close 1000 "bye", got ' .. came[2], message, 1, true)
    end)
  end

  it("raises that the client ended TCP too early", function()
    open(wait_for_close)
    client:close()
    local ok, message = pcall(scripted.pump, nil, server, finished)
    assert.is_false(ok)
    assert.matches("TCP ended while the script waited for a Close", message, 1, true)
  end)

  local orders = {
    { "an unmasked frame", "8100", "must mask" },
    { "a stray continuation", "808000000000", "no message to continue" },
    { "a message within a message", "018000000000 818000000000", "not finished" },
    { "a frame behind a Close", "888000000000 898000000000", "after the client's Close" },
  }
  for _, order in ipairs(orders) do
    it("raises at " .. order[1], function()
      assert.matches(order[3], failure(function(c)
        c:wait_end()
      end, hex(order[2])), 1, true)
    end)
  end

  it("says where both sides stand when nothing comes of it", function()
    open(wait_for_close)
    client:send(masked { payload = "a" })
    local patience = scripted.patience
    scripted.patience = 0
    local ok, message = pcall(scripted.pump, {
      update = function() end,
      state = function()
        return "open"
      end,
    }, server, function() end, "a message")
    scripted.patience = patience
    assert.is_false(ok)
    assert.matches("a message did not happen", message, 1, true)
    assert.matches("client 1: open", message, 1, true)
    assert.matches("connection 1: its script waits for a Close", message, 1, true)
  end)
end)

describe("addresses that lead nowhere", function()
  after_each(scripted.close_all)

  it("drops connection attempts at a black hole", function()
    local client = socket.tcp4()
    client:settimeout(0)
    assert.same({ nil, "timeout" }, { client:connect("127.0.0.1", scripted.black_hole()) })
    local _, writable = socket.select(nil, { client }, 0)
    assert.same({}, writable)
    client:close()
  end)

  it("refuses at a port that is held and not listened at", function()
    local port = scripted.refused_port()
    assert.same({ nil, "connection refused" }, { socket.connect("127.0.0.1", port) })
  end)
end)
