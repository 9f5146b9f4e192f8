-- TLS as a stream: servers that do not speak it, break off, or end without close_notify, and
-- sessions that are resumed.  The server without TLS is the scripted one; in front of it stands one
-- that misbehaves on demand (peers/tls_relay.py), nginx, stunnel or nothing at all.

local certificates = require "support.certificates"
local handshake = require "support.scripted.handshake"
local peers = require "support.peers"
local process = require "support.process"
local scripted = require "support.scripted_server"
local way = require "support.way"

local wire = scripted.wire

local made, backend, nginx, relays

setup(function()
  made = certificates.shared()
  backend = peers.start "websockets"
  nginx = way.nginx(made.folder, backend.port, {
    tls13 = { cert = made.good.cert, key = made.good.key, also = "ssl_protocols TLSv1.3;" },
    tls12 = { cert = made.good.cert, key = made.good.key, also = "ssl_protocols TLSv1.2;" },
    expired = made.expired,
    ids = {
      cert = made.good.cert,
      key = made.good.key,
      also = "ssl_protocols TLSv1.2; ssl_session_tickets off; ssl_session_cache shared:ids:100k;",
    },
  })
  relays = {
    ["1.2"] = way.relay(made.good, "1.2"),
    ["1.3"] = way.relay(made.good),
    ["200 tickets"] = way.relay(made.good, "200"),
    ["5 tickets"] = way.relay(made.good, "5"),
  }
end)
teardown(process.stop_all)
after_each(scripted.close_all)

local function url(port, resource)
  return ("wss://feed.example:%d%s"):format(port, resource or "/")
end

local function with_ca(more)
  local tls = { ca_file = made.ca }
  for name, value in pairs(more or {}) do
    tls[name] = value
  end
  return tls
end

-- ---------------------------------------------------------------- before TLS is there

-- A client of a server without TLS, which plays `script` from the first byte on.
local function against(script, options)
  local server = scripted.new(script)
  local all = { tls = with_ca(), retry = { random = function() return 0.5 end } }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  local r, time = way.client(url(server.port), all, server)
  return r, server, time
end

local HELLO = "\22\3\1.*" -- a handshake record of the client's

local function answer_with(bytes)
  return function(c)
    c:read(HELLO)
    c:send(bytes)
    c:wait_end()
  end
end

describe("the first bytes of a handshake", function()
  -- From OpenSSL 3.5 on they hold the share of a hybrid group, and are 1.5 kB long.
  it("offer the groups of the list, and hold a share of the first", function()
    local hello
    local r = against(function(c)
      hello = c:read(HELLO)
      c:finish()
    end, { tls = with_ca { groups = "P-256:X25519", min_version = "1.3" } })
    r:wait_close()
    assert.is_true(#hello < 500)
    -- RFC 8446 4.2.7: supported_groups are secp256r1 and x25519
    assert.is_truthy(hello:find("\0\10\0\6\0\4\0\23\0\29", 1, true))
  end)
end)

describe("a server that breaks the TLS handshake", function()
  for _, case in ipairs {
    {
      "speaks HTTP without TLS",
      answer_with "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
      "the peer does not speak TLS, which ws:// does not need "
        .. '(it answered "HTTP/1.1 400 Bad Request")',
    },
    {
      "sends bytes that nothing can be made of, which are shown without harm",
      answer_with("\1\27[31m\255" .. ("\7"):rep(100)),
      'the peer does not speak TLS, which ws:// does not need (it answered "\\x01\\x1b[31m\\xff'
        .. ("\\x07"):rep(41) .. '")',
    },
    {
      "sends two bytes that are not TLS and closes TCP",
      function(c)
        c:read(HELLO)
        c:send "hi"
        c:finish()
      end,
      'the peer does not speak TLS, which ws:// does not need (it answered "hi")',
    },
    {
      "closes TCP",
      function(c)
        c:read(HELLO)
        c:finish()
      end,
      "the peer closed the connection during the TLS handshake",
    },
    {
      "closes TCP in the middle of a record",
      function(c)
        c:read(HELLO)
        c:send "\22\3\3\0"
        c:finish()
      end,
      "the peer closed the connection during the TLS handshake",
    },
    {
      "resets TCP",
      function(c)
        c:read(HELLO)
        c:reset()
      end,
      "the connection broke during the TLS handshake: connection reset by 127.0.0.1 port %d",
    },
    {
      "sends an alert",
      answer_with "\21\3\3\0\2\2\80",
      'the peer sent the TLS alert "internal error" (80)',
    },
    {
      "sends a record larger than TLS has",
      answer_with("\22\3\3\255\255" .. ("x"):rep(300)),
      "TLS failed: packet length too long",
    },
    {
      "sends a handshake message that is none",
      answer_with("\22\3\3\0\4\99\0\0\0"),
      "TLS failed: unexpected message",
    },
  } do
    it(case[1] .. ": 1015, a fault of the transport, tried again", function()
      local r, server = against(case[2])
      local came = r:wait_close()
      assert.equal(1015, came.code)
      assert.equal("", came.reason)
      local message = case[3]:find "%%d" and case[3]:format(server.port) or case[3]
      local said = came.info.error
      said.message = said.message:gsub("data length", "packet length") -- as OpenSSL 3.5 has it
      assert.same({ name = "tls", message = message, phase = "tls" }, said)
      assert.equal("network", came.info.by)
      assert.is_false(came.info.opened)
      assert.is_number(came.info.retry_in)
      assert.is_nil(came.info.retry_refused)
      assert.equal("waiting", r.ws:state())
    end)
  end

  it("says nothing: timeouts.tls ends it, and it is tried again", function()
    local r, server, time = against(function(c)
      c:stall()
    end, { timeouts = { tls = 3 } })
    r:wait(function()
      return server.connections[1] and server.connections[1].bytes_in > 0
    end)
    time.now = time.now + 2.99
    r.ws:update(0)
    assert.equal(0, #r.closes)
    time.now = time.now + 0.02
    local came = r:wait_close()
    assert.equal(1006, came.code)
    assert.same(
      { "timeout", "no TLS handshake with feed.example within 3 s", "tls" },
      { came.info.error.name, came.info.error.message, came.info.error.phase }
    )
    assert.is_number(came.info.retry_in)
  end)

  it("trickles: the same, however many bytes come", function()
    local r, server, time = against(function(c)
      c:read(HELLO)
      c:send "\22\3\3\64\0"
      while true do
        c:send "x"
        c:told "more"
      end
    end, { timeouts = { tls = 3 } })
    for i = 1, 4 do
      r:wait(function()
        return server.connections[1] and not server.connections[1].to_write[1]
      end)
      for _ = 1, 3 do
        r.ws:update(0)
        server:step()
      end
      assert.equal(i < 4 and 0 or 1, #r.closes)
      time.now = time.now + 1.01
      server:tell "more"
    end
    assert.equal("timeout", r.closes[1].info.error.name)
  end)

  it("lets close() cancel it: 1006, and nothing is said to the server", function()
    local r, server = against(function(c)
      c:read(HELLO)
      c:wait_end()
    end)
    r:wait(function()
      return server.connections[1] and server.connections[1].bytes_in > 0
    end)
    local sent = server.connections[1].bytes_in
    r.ws:close(1000, "never mind")
    local came = r:wait_close()
    assert.equal(1006, came.code)
    assert.is_nil(came.info.error)
    r:wait(function()
      return server.connections[1].ended
    end)
    assert.equal(sent, server.connections[1].bytes_in)
  end)
end)

-- ---------------------------------------------------------------- behind the handshake

-- A server's script behind TLS that a relay takes off; what the relay does at its end is `mode`.
local function behind(version, mode, script, options)
  local server = scripted.new(script)
  local all = { tls = with_ca() }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  local front = relays[version]
  front:tell(("%s %d %d %d"):format(mode, server.port, all.join or 0, all.record or 16384))
  all.join, all.record = nil, nil
  front:expect("^MODE " .. mode)
  local r, time = way.client(url(front.port), all, server)
  return r, server, front, time
end

for _, version in ipairs { "1.2", "1.3" } do
  describe("TLS " .. version .. " that ends", function()
    it("without close_notify and without a Close: 1006, for it may be cut off", function()
      local r, _, front = behind(version, "cut", function(c)
        c:upgrade()
        c:send_text "last words"
        c:finish()
      end)
      local came = r:wait_close()
      assert.equal("TLSv" .. version, (front:expect "^TLS (%S+)"))
      assert.equal("last words", r:wait_message().data)
      assert.equal(1006, came.code)
      assert.same({
        name = "eof",
        message = "the connection ended without TLS close_notify",
        phase = "open",
      }, came.info.error)
      assert.is_false(came.info.clean)
    end)

    it("with close_notify but without a Close: 1006 too", function()
      local r = behind(version, "close", function(c)
        c:upgrade()
        c:finish()
      end)
      local came = r:wait_close()
      assert.equal(1006, came.code)
      assert.equal("eof", came.info.error.name)
      assert.is_nil(came.info.error.message:find "close_notify")
    end)

    it("without close_notify behind both Closes: clean", function()
      local r = behind(version, "cut", function(c)
        c:upgrade()
        c:close_session(1000, "bye")
      end)
      local came = r:wait_close()
      assert.equal(1000, came.code)
      assert.equal("bye", came.reason)
      assert.is_true(came.info.clean)
      assert.is_nil(came.info.error)
    end)

    it("with a reset behind both Closes: clean too", function()
      local r = behind(version, "reset", function(c)
        c:upgrade()
        c:close_session(1001, "restart")
      end)
      local came = r:wait_close()
      assert.equal(1001, came.code)
      assert.is_true(came.info.clean)
    end)

    it("with a damaged record: 1006, and the sentence says so", function()
      local r = behind(version, "damage", function(c)
        c:upgrade()
        c:send_text "whole"
        c:finish()
      end)
      local came = r:wait_close()
      assert.equal("whole", r:wait_message().data)
      assert.equal(1006, came.code)
      assert.same(
        { name = "tls", message = "a TLS record was damaged on its way", phase = "open" },
        came.info.error
      )
    end)

    it("with a reset: 1006", function()
      local r, server = behind(version, "reset", function(c)
        c:upgrade()
        c:told "opened"
        c:finish()
      end)
      r:wait_open()
      server:tell "opened"
      local came = r:wait_close()
      assert.equal(1006, came.code)
      assert.equal("reset", came.info.error.name)
      assert.equal("open", came.info.error.phase)
    end)

    it("before the answer to the handshake: 1006", function()
      local r = behind(version, "cut", function(c)
        c:read_request()
        c:send "HTTP/1.1 101 Switching"
        c:finish()
      end)
      local came = r:wait_close()
      assert.equal(1006, came.code)
      assert.equal("eof", came.info.error.name)
      assert.equal("handshake", came.info.error.phase)
    end)

    it("by this client with close_notify", function()
      local r, server, front, time = behind(version, "close", function(c)
        c:upgrade()
        c:expect_close(1000)
        c:send_close(1000)
        c:stall()
      end)
      r:wait_open()
      r.ws:close()
      r:wait(function()
        return server.connections[1].close
      end)
      for _ = 1, 3 do
        r.ws:update(0.01)
      end
      time.now = time.now + 2.01 -- linger
      assert.equal(1000, r:wait_close().code)
      front:expect "^END close_notify"
    end)
  end)
end

describe("one record of TLS", function()
  it("may hold the 101 and many frames: all are given without another byte", function()
    local r, server
    local messages, frames = {}, {}
    for i = 1, 30 do
      messages[i] = { data = "message " .. i, kind = "text" }
      frames[i] = wire.frame { payload = messages[i].data }
    end
    local all = table.concat(frames)
    r, server = behind("1.3", "close", function(c)
      c:upgrade { body = all }
      c:stall()
    end, { join = #all })
    r:wait_open()
    r:wait(function()
      return #r.messages == 30
    end)
    assert.same(messages, r.messages)
    assert.is_nil(server.connections[1].ended)
  end)
end)

describe("records without data", function()
  -- OpenSSL's own server, which the spec answers by hand.
  local function open_by_hand()
    local server = way.s_server(made.good, "-tls1_3")
    local r, time = way.client(url(server.port), { tls = with_ca() })
    local key
    r:wait(function()
      key = key or server:look "^Sec%-WebSocket%-Key: (%S+)"
      return key
    end)
    server:tell((handshake.answer({ key = key }):gsub("\n$", ""))) -- which tell puts there
    r:wait_open()
    r.ws:update(0)
    return r, server, time
  end

  local function update_keys(r, server, count)
    for _ = 1, count do
      server:tell "k"
      server:expect "SSL_do_handshake %-> 1$"
      r.ws:update(0)
    end
  end

  local function say(server, text)
    server:tell("\129" .. string.char(#text + 1) .. text)
  end

  it("are read on, up to 32 times in a row", function()
    local r, server = open_by_hand()
    for _ = 1, 2 do
      update_keys(r, server, 32)
      say(server, "data")
      assert.equal("data\n", r:wait_message().data)
    end
    update_keys(r, server, 33)
    assert.same({
      name = "tls", message = "the peer sends TLS records without data on and on", phase = "open",
    }, r:wait_close().info.error)
  end)

  it("are no sign of life", function()
    local r, server, time = open_by_hand()
    local count = 0
    repeat
      count = count + 1
      time.now = time.now + 10.1
      update_keys(r, server, 1)
    until r.closes[1] or count == 10
    assert.equal("ping_timeout", r.closes[1].info.error.name)
  end)

  it("give the turn back, however many there are: 200 tickets", function()
    local r, server, front = behind("200 tickets", "close", function(c)
      c:upgrade()
      c:stall()
    end)
    r:wait(function()
      return r.ws:info().phase == "handshake"
    end)
    scripted.pump(nil, server, function()
      return server.connections[1] and server.connections[1].request
    end)
    front:expect "^SENT" -- the answer, behind them
    r.ws:update(0)
    assert.equal("connecting", r.ws:state())
    r:wait_open()
  end)
end)

describe("a message over TLS that has come whole", function()
  it("leaves nothing to be read behind it", function()
    local r = way.client(url(nginx.ports.tls12), { tls = with_ca() })
    r:wait_open()
    for i = 1, 2 do
      r.ws:send("round " .. i)
      r:wait_message()
      assert.is_true(r.ws:timeout() > 0)
    end
    r.ws:close()
    r:wait_close()
  end)
end)

describe("much at once", function()
  -- What an update reads where 40 messages of 1004 bytes are there, with the 101 before them.
  local function bytes_of_one_update(record)
    local frames = wire.frame({ payload = ("x"):rep(1000) }):rep(40)
    local r, server, front = behind("1.3", "close", function(c)
      c:upgrade { body = frames }
      c:stall()
    end, { join = #frames, record = record })
    r:wait(function()
      return r.ws:info().phase == "handshake"
    end)
    scripted.pump(nil, server, function()
      return server.connections[1] and server.connections[1].request
    end)
    front:expect "^SENT"
    return r:largest_read(40)
  end

  it("that is there is read by one update, over several records", function()
    assert.is_true(bytes_of_one_update() >= 40160)
  end)

  it("is read by records too: 128 by one update", function()
    assert.equal(128 * 200, bytes_of_one_update(200))
  end)

  it("is read over many updates: 64 KiB at most by each", function()
    local r = way.client(url(nginx.ports.tls13), { tls = with_ca() })
    r:wait_open()
    assert.is_true(r.ws:send(("0123456789abcdef"):rep(65536 * 2), "binary"))
    assert.is_true(r:largest_read() <= 65536)
    r.ws:close()
    r:wait_close()
  end)

  for _, name in ipairs { "tls12", "tls13" } do
    it("comes through " .. name .. " whole, both ways", function()
      local r = way.client(url(nginx.ports[name]), { tls = with_ca() })
      r:wait_open()
      local data = ("0123456789abcdef"):rep(65536 * 2)
      assert.is_true(r.ws:send(data, "binary"))
      assert.is_true(r:wait_message().data == data)
      r.ws:close()
      assert.equal(1000, r:wait_close().code)
    end)
  end

  it("waits for a server that does not read, and leaves whole then", function()
    local data = ("0123456789abcdef"):rep(65536 * 4)
    local r, server = behind("1.3", "close", {
      receive_buffer = 16384,
      function(c)
        c:upgrade()
        c.reading = false
        c:told "read"
        c.reading = true
        c:expect("text", data)
        c:send_text "thanks"
        c:answer_close()
      end,
    }, { extensions = {} })
    r:wait_open()
    assert.is_true(r.ws:send(data))
    r:wait(function()
      return server.connections[1].request
    end)
    for _ = 1, 10 do
      r.ws:update(0.001)
    end
    assert.is_true(r.ws:buffered() > 0)
    server:tell "read"
    assert.equal("thanks", r:wait_message().data)
    assert.equal(0, r.ws:buffered())
    r.ws:close()
    assert.equal(1000, r:wait_close().code)
  end)

  it("comes through stunnel too", function()
    local stunnel = way.stunnel(made.folder, made.good, backend.port)
    local r = way.client(url(stunnel.port), { tls = with_ca() })
    r:wait_open()
    assert.is_true(r.ws:send(("x"):rep(300000)))
    assert.equal(300000, #r:wait_message().data)
    r.ws:close(4000, "done")
    local came = r:wait_close()
    assert.equal(4000, came.code)
    assert.is_true(came.info.clean)
  end)
end)

describe("a server that wants to renegotiate", function()
  it("is told no, and does not stop the connection from ending in order", function()
    local server = way.s_server(made.good, "-tls1_2")
    local r = way.client(url(server.port), { tls = with_ca() })
    r:wait(function()
      return server:look "^Sec%-WebSocket%-Key"
    end)
    server:tell "R"
    local came = r:wait_close()
    assert.equal(1006, came.code)
    assert.equal("handshake", came.info.error.phase)
    server:expect "no renegotiation"
  end)
end)

-- ---------------------------------------------------------------- sessions

describe("a session", function()
  local function echo(r, text)
    assert.is_true(r.ws:send(text))
    assert.equal(text, r:wait_message().data)
  end

  local function connections(id, count)
    local seen = {}
    for i = 1, count do
      seen[i] = nginx:expect(("^CONNECTION .*resumed=(%%S+) .*id=%s$"):format(id))
    end
    return table.concat(seen)
  end

  for _, name in ipairs { "tls13", "tls12", "ids" } do
    it("is resumed by a reconnect after 1001, again and again: " .. name, function()
      local id = "resumed_" .. name
      local r, time = way.client(url(nginx.ports[name], "/?id=" .. id), {
        tls = with_ca(),
        retry = { first = false, jitter = "none", initial = 1, factor = 1 },
      })
      for attempt = 1, 3 do
        local info = r:wait_open(attempt)
        assert.equal(attempt > 1, info.tls.resumed)
        echo(r, "round " .. attempt)
        backend:tell "close 1001 restart"
        assert.equal(1001, r:wait_close(attempt).code)
        time.now = time.now + 1.001
      end
      r:wait_open(4)
      assert.is_true(r.ws:info().tls.resumed)
      r.ws:close()
      r:wait_close(4)
      assert.equal(".rrr", connections(id, 4))
    end)
  end

  it("is resumed by reconnect(), and counted by OpenSSL's server", function()
    local server = way.s_server(made.good)
    local r = way.client(url(server.port), { tls = with_ca() })
    for _ = 1, 3 do
      r:wait(function()
        return server:look "^Sec%-WebSocket%-Key"
      end)
      for _ = 1, 3 do
        r.ws:update(0) -- the tickets, which left the server before
      end
      r.ws:reconnect()
    end
    r.ws:close()
    local all, reused = 0, 0
    for _, line in ipairs(server.lines) do
      all = all + (line:find "^CIPHER is TLS_" and 1 or 0)
      reused = reused + (line:find "^Reused session%-id" and 1 or 0)
    end
    assert.same({ 3, 2 }, { all, reused })
  end)

  for _, case in ipairs {
    { "another server's", function(r) r.ws.url = url(nginx.ports.tls12) end },
    { "one asked for by another name", function(r)
      r.ws.url = url(nginx.ports.tls13):gsub("feed.example", "localhost")
    end },
  } do
    it("is not " .. case[1], function()
      local r = way.client(url(nginx.ports.tls13), {
        tls = with_ca(), resolve = { ["feed.example"] = "127.0.0.1", localhost = "127.0.0.1" },
      })
      r:wait_open()
      echo(r, "first") -- the tickets have come
      case[2](r)
      r.ws:reconnect()
      assert.is_false(r:wait_open(2).tls.resumed)
      r.ws:close()
      r:wait_close(2)
    end)
  end

  it("is not one of the same server for which another name was checked", function()
    local r = way.client(url(nginx.ports.tls13), { tls = with_ca() })
    r:wait_open()
    echo(r, "first")
    r.ws._settings.config.tls.server_name = "localhost"
    r.ws:reconnect()
    assert.is_false(r:wait_open(2).tls.resumed)
    echo(r, "second")
    r.ws:reconnect()
    assert.is_true(r:wait_open(3).tls.resumed)
    r.ws:close()
    r:wait_close(3)
  end)

  it("is not one whose certificate has expired, for a full handshake has to refuse that", function()
    local r = way.client(url(nginx.ports.expired), { tls = { verify = false } })
    r:wait_open()
    echo(r, "first")
    r.ws:reconnect()
    assert.is_false(r:wait_open(2).tls.resumed)
    r.ws:close()
    r:wait_close(2)
  end)

  it("is another client's neither", function()
    for _ = 1, 2 do
      local r = way.client(url(nginx.ports.tls13), { tls = with_ca() })
      assert.is_false(r:wait_open().tls.resumed)
      echo(r, "one")
      r.ws:close()
      r:wait_close()
    end
  end)

  it("is not kept with session_cache = false", function()
    local r = way.client(url(nginx.ports.tls13), { tls = with_ca { session_cache = false } })
    r:wait_open()
    echo(r, "first")
    r.ws:reconnect()
    assert.is_false(r:wait_open(2).tls.resumed)
    r.ws:close()
    r:wait_close(2)
  end)

  it("is kept though another server gives five: of one no more than two are", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:send_text "behind the tickets"
      c:expect_close()
      c:answer_close()
    end)
    local front = relays["5 tickets"]
    front:tell(("close %d 0 16384"):format(server.port))
    front:expect "^MODE close"
    local r = way.client(url(nginx.ports.ids), { tls = with_ca { session_cache = 3 } })
    r:wait_open()
    echo(r, "first")
    r.ws.url = url(front.port)
    r.ws:reconnect()
    r:wait_close()
    r.server = server
    r:wait_open(2)
    assert.equal("behind the tickets", r:wait_message().data)
    r.ws.url = url(nginx.ports.ids)
    r.ws:reconnect()
    r:wait_close(2)
    r.server = nil
    assert.is_true(r:wait_open(3).tls.resumed)
    r.ws:close()
    r:wait_close(3)
  end)

  it("is kept for as many servers as session_cache says", function()
    for _, case in ipairs { { 1, false }, { 2, true } } do
      local r = way.client(url(nginx.ports.ids), { tls = with_ca { session_cache = case[1] } })
      for i, name in ipairs { "ids", "tls12", "ids" } do
        r.ws.url = url(nginx.ports[name])
        if i > 1 then
          r.ws:reconnect()
        end
        r:wait_open(i)
        echo(r, "round " .. i)
      end
      assert.equal(case[2], r.opens[3].tls.resumed)
      r.ws:close()
      r:wait_close(3)
    end
  end)
end)
