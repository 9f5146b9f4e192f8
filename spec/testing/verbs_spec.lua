-- wsclose.testing: what each verb of a scripted server does to a client.

local testing = require "wsclose.testing"
local wsclose = require "wsclose"

local URL = "wss://feed.example/v1"

-- A client that writes down what it is told.
local function watched(options, url)
  local told = {}
  local function note(name)
    return function(_, ...) told[#told + 1] = { name, ... } end
  end
  local all = {
    on_open = note "open", on_message = note "message", on_ping = note "ping",
    on_pong = note "pong", on_close = note "close", on_drain = note "drain",
  }
  for name, value in pairs(options or {}) do all[name] = value end
  local ws = assert(wsclose.new(url or URL, all))
  return ws, told
end

-- Runs until closed for good; gives what on_close was told.
local function closed(ws)
  testing.run(ws, "closed")
  return ws.close_code, ws.close_reason, ws.close_info
end

local function opened(options)
  local server = testing.server(URL)
  server:accept()
  local ws, told = watched(options)
  testing.run(ws, "open")
  return server, ws, told
end

-- Without a reading of the error that takes the line away, as assert.error_matches does.
local function assert_raises(pattern, f)
  local ok, fault = pcall(f)
  assert.is_false(ok)
  assert.matches(pattern, fault)
end

describe("the answer to a connection:", function()
  after_each(testing.reset)

  it("accept gives a plain 101 and the subprotocol that the client likes best", function()
    local server = testing.server(URL)
    server:accept()
    local ws, told = watched { protocols = { "feed.v2", "feed.v1" } }
    testing.run(ws, "open")
    local info = told[1][2]
    assert.same({ "open", 101, "feed.v2" }, { told[1][1], info.status, info.protocol })
    assert.equal(0, #info.extensions)
  end)

  it("accept takes the subprotocol, the extensions and the headers it is given", function()
    local server = testing.server(URL)
    server:accept {
      protocol = "feed.v1", extensions = "permessage-deflate", headers = { ["X-Node"] = 7 },
    }
    local ws, told = watched { protocols = { "feed.v2", "feed.v1" } }
    testing.run(ws, "open")
    local info = told[1][2]
    assert.same({ "feed.v1", "7" }, { info.protocol, info.headers["x-node"] })
    assert.is_truthy(info.extensions["permessage-deflate"])
  end)

  it("accept with protocol = false chooses none", function()
    local server = testing.server(URL)
    server:accept { protocol = false }
    local ws = watched { protocols = { "feed.v2" } }
    local code, _, info = closed(ws)
    assert.same({ 1006, "handshake" }, { code, info.error.name })
  end)

  it("accept without an extension that the client requires brings 1010", function()
    local server = testing.server(URL)
    server:accept():expect_close(1010, "permessage-deflate")
    local ws, told = watched { extensions = { ["permessage-deflate"] = { required = true } } }
    local code, reason = closed(ws)
    assert.same({ 1010, "permessage-deflate" }, { code, reason })
    assert.equal("close", told[1][1])
    assert.is_truthy(ws.close_info.retry_refused)
    server:assert_done()
  end)

  it("accept with another Sec-WebSocket-Accept fails the handshake", function()
    local server = testing.server(URL)
    server:accept { set = { ["Sec-WebSocket-Accept"] = "wrong" } }
    local _, _, info = closed((watched()))
    assert.equal("handshake", info.error.name)
  end)

  it("accept reads what the client compresses", function()
    local server = testing.server(URL)
    server:accept { extensions = "permessage-deflate" }
    local ws = watched()
    testing.run(ws, "open")
    for _ = 1, 3 do assert(ws:send(("tick "):rep(100))) end
    testing.run()
    assert.is_true(ws:stats().wire_out < 200)
    assert.same({ ("tick "):rep(100), ("tick "):rep(100), ("tick "):rep(100) }, server:received())
  end)

  it("refuse gives status, headers and body", function()
    local server = testing.server(URL)
    server:refuse(503, { ["Retry-After"] = 7 }, "later")
    local code, _, info = closed((watched()))
    assert.equal(1006, code)
    assert.same({ 503, "7", "later" },
      { info.http.status, info.http.headers["retry-after"], info.http.body })
  end)

  it("request leaves the answer to what follows", function()
    local server = testing.server(URL, function(s)
      while s:request().headers.authorization ~= "Bearer 2" do s:refuse(401) end
      s:accept():send "in"
    end)
    local number = 0
    local ws = watched {
      retry = { statuses = { [401] = 1 } },
      before_connect = function()
        number = number + 1
        return { headers = { Authorization = "Bearer " .. number } }
      end,
    }
    testing.run(ws, "open")
    assert.same({ 2, 1 }, { server.attempts, testing.clock():now() })
  end)

  it("raw answers with any bytes", function()
    local server = testing.server(URL)
    server:request()
    server:raw "SSH-2.0-OpenSSH_9.2\r\n\r\n"
    local _, _, info = closed((watched()))
    assert.equal("handshake", info.error.name)
  end)

  for name, phase in pairs {
    dns = "dns", refused = "tcp", unreachable = "tcp", reset = "tcp", timeout = "tcp",
    proxy = "proxy", tls = "tls", certificate = "tls",
  } do
    it("fail " .. name .. " ends the attempt in phase " .. phase, function()
      testing.server(URL):fail(name)
      local code, _, info = closed((watched()))
      assert.equal((name == "tls" or name == "certificate") and 1015 or 1006, code)
      assert.same({ name == "certificate" and "tls" or name, phase, false },
        { info.error.name, info.error.phase, info.opened })
    end)
  end

  it("fail gives its own sentence", function()
    testing.server(URL):fail("dns", "nobody knows feed.example")
    local _, _, info = closed((watched()))
    assert.equal("nobody knows feed.example", info.error.message)
  end)

  it("fail does so also when time has gone by", function()
    testing.server(URL):wait(1):fail "dns"
    local _, _, info = closed((watched()))
    assert.same({ "dns", 1 }, { info.error.name, testing.clock():now() })
  end)

  it("request and accept are for one connection, the next accept for the next", function()
    local server = testing.server(URL)
    server:request():accept():accept()
    local one, two = watched(), watched()
    testing.run(one, "open")
    testing.run(two, "open")
    assert.equal(2, #server.connections)
  end)

  it("none at all lets the connection time out", function()
    testing.server(URL):wait(60)
    local _, _, info = closed((watched()))
    assert.same({ "timeout", "tcp", 10 },
      { info.error.name, info.error.phase, testing.clock():now() })
  end)

  it("passes by a client that has given up", function()
    local server = testing.server(URL)
    server:wait(1):accept()
    local ws = watched()
    testing.run()
    ws:close()
    local code, _, info = closed(ws)
    assert.same({ 1006, "client", 0 }, { code, info.by, testing.clock():now() })
    testing.run((watched()), "open")
    assert.same({ 2, 1 }, { server.attempts, #server.connections })
  end)

  it("ignore lets the handshake time out, to the second", function()
    testing.server(URL):ignore()
    local _, _, info = closed((watched()))
    assert.same({ "timeout", "handshake" }, { info.error.name, info.error.phase })
    assert.equal(5, testing.clock():now())
  end)
end)

describe("what a server sends:", function()
  after_each(testing.reset)

  it("send gives a text message, or a binary one", function()
    local server, _, told = opened()
    server:send "hello"
    server:send("\255", "binary")
    testing.run()
    assert.same({ { "message", "hello", "text" }, { "message", "\255", "binary" } },
      { told[2], told[3] })
  end)

  it("ping is answered by the client, and pong is told", function()
    local server, ws, told = opened()
    server:ping "are you there"
    server:expect_pong "are you there"
    testing.run()
    ws:ping "and you"
    testing.run()
    assert.same({ "ping", "are you there" }, told[2])
    assert.same({ "pong", "and you", 0 }, told[3])
    assert.same({ { "and you" }, { "are you there" } },
      { server.current.pings, server.current.pongs })
    server:pong "unasked"
    testing.run()
    assert.same({ "pong", "unasked" }, told[4])
    server:assert_done()
  end)

  it("frame writes what may not be written, and the client says 1002", function()
    local server, ws = opened()
    server:frame { opcode = "text", payload = "x", rsv2 = true }
    server:expect_close(1002)
    local code, _, info = closed(ws)
    assert.same({ 1002, "protocol", "client" }, { code, info.error.name, info.by })
    server:assert_done()
  end)

  it("raw writes bytes into the stream", function()
    local server, ws, told = opened()
    server:raw "\129\2hi"
    testing.run()
    assert.same({ "message", "hi", "text" }, told[2])
    assert.equal("open", ws:state())
  end)

  it("is lost once the connection has ended", function()
    local server, ws, told = opened()
    ws:close()
    server:expect_end():send "too late"
    closed(ws)
    assert.same({ "open", "close" }, { told[1][1], told[2][1] })
    server:assert_done()
  end)
end)

describe("how a connection ends:", function()
  after_each(testing.reset)

  it("close is a whole closing handshake", function()
    local server, ws = opened()
    server:close(1008, "banned")
    local code, reason, info = closed(ws)
    assert.same({ 1008, "banned", true, "peer" }, { code, reason, info.clean, info.by })
    assert.same({ code = 1008, reason = "banned" }, server.connections[1].close)
  end)

  it("close without a code is an empty Close", function()
    local server, ws = opened()
    server:close()
    assert.equal(1005, (closed(ws)))
  end)

  it("close with a code that never travels is a fault of the server", function()
    local server, ws = opened()
    server:close(1005)
    assert.equal(1002, (closed(ws)))
  end)

  it("drop is an end without Close: 1006", function()
    local server, ws = opened()
    server:drop()
    local code, _, info = closed(ws)
    assert.same({ 1006, "eof" }, { code, info.error.name })
  end)

  it("reset is a reset: 1006", function()
    local server, ws = opened()
    server:reset()
    local code, _, info = closed(ws)
    assert.same({ 1006, "reset" }, { code, info.error.name })
  end)

  it("the client's Close is answered without a step of the script", function()
    local server, ws = opened()
    ws:close(3000, "enough")
    server:expect_close(3000, "enough")
    local code, reason, info = closed(ws)
    assert.same({ 3000, "enough", true, "client" }, { code, reason, info.clean, info.by })
    server:assert_done()
  end)

  it("leave() says 1001 and ends at once", function()
    local server, ws = opened()
    ws:leave()
    server:expect_close(1001)
    testing.run()
    server:assert_done()
  end)
end)

describe("how a server behaves:", function()
  after_each(testing.reset)

  it("silence lets the client miss its pong after interval and timeout", function()
    local server, ws = opened { keepalive = { interval = 30, timeout = 10 } }
    server:silence():expect_ping()
    local code, _, info = closed(ws)
    assert.same({ 1006, "ping_timeout" }, { code, info.error.name })
    assert.equal(42, testing.clock():now()) -- two more seconds for a Close that nobody reads
    server:assert_done()
  end)

  it("silence lets the client wait for a Close in vain", function()
    local server, ws = opened { timeouts = { close = 3 } }
    server:silence()
    testing.run()
    ws:close()
    local code, _, info = closed(ws)
    assert.same({ 1006, "close_timeout", 3 }, { code, info.error.name, testing.clock():now() })
  end)

  it("an idle connection is kept alive by pings that are answered", function()
    local server, ws = opened()
    testing.clock():advance(90)
    assert.equal("open", ws:state())
    assert.equal(4, #server.connections[1].pings)
  end)

  it("slow delivers in pieces, one each so many seconds, until slow(false)", function()
    local server, _, told = opened()
    server:slow(1, 0.5):send "abc"
    testing.clock():advance(2.4)
    assert.equal(1, #told)
    testing.clock():advance(0.1)
    assert.same({ "message", "abc", "text" }, told[2])
    server:slow(false):send "quick"
    testing.run()
    assert.same({ "message", "quick", "text" }, told[3])
  end)

  it("slow holds the end back behind the bytes", function()
    local server, ws, told = opened()
    server:slow(2, 1):send "ab":drop()
    closed(ws)
    assert.same({ "open", "message", "close" }, { told[1][1], told[2][1], told[3][1] })
    assert.equal(3, testing.clock():now())
  end)

  it("an end that is on its way is the only one", function()
    local server, ws = opened()
    server:slow(1, 1):drop():reset()
    local _, _, info = closed(ws)
    assert.same({ "eof", 1 }, { info.error.name, testing.clock():now() })
  end)

  it("slow(false) does not overtake what is on its way", function()
    local server, _, told = opened()
    server:slow(1, 1):send("abc"):slow(false):send "quick"
    testing.run(4)
    assert.equal(1, #told)
    testing.run(1)
    assert.same({ "abc", "quick" }, { told[2][2], told[3][2] })
  end)

  it("a reset overtakes it, and it is lost", function()
    local server, ws, told = opened()
    server:slow(1, 1):send("abc"):reset()
    closed(ws)
    assert.same({ "close", 1 }, { told[2][1], testing.clock():now() })
  end)

  it("hold leaves the client's bytes unread until release: busy, then drain", function()
    local server, ws, told = opened {
      limits = { send_queue = 100 }, extensions = { ["permessage-deflate"] = false },
    }
    server:hold(50)
    testing.run()
    assert.is_true(ws:send(("x"):rep(100)))
    assert.equal(56, ws:buffered())
    local ok, _, name = ws:send(("y"):rep(100))
    assert.same({ nil, "busy" }, { ok, name })
    server:release()
    testing.run()
    assert.equal("drain", told[2][1])
    assert.same({ ("x"):rep(100) }, server:received())
  end)

  it("hold leaves what came before unread, too", function()
    local server, ws = opened()
    server:hold(50)
    testing.run()
    ws:send "x"
    testing.run()
    local before = #server:received()
    server:release()
    testing.run()
    assert.same({ 0, { "x" } }, { before, server:received() })
  end)

  for title, act in pairs {
    ["a busy queue"] = function(ws)
      ws:send(("x"):rep(99))
      return select(3, ws:send(("x"):rep(99))) == "busy"
    end,
    ["64 KiB"] = function(ws) return ws:send(("x"):rep(65536)) end,
    ["what buffered() told of"] = function(ws)
      ws:send "x"
      return ws:buffered() > 0
    end,
  } do
    it("release tells of " .. title .. " by on_drain", function()
      local server, ws, told = opened {
        limits = title == "a busy queue" and { send_queue = 150 } or nil,
        extensions = { ["permessage-deflate"] = false },
      }
      server:hold()
      testing.run()
      assert.is_true(act(ws))
      testing.run()
      assert.equal(1, #told)
      server:release()
      testing.run()
      assert.same({ "drain" }, told[2])
    end)
  end

  it("hold and a lost connection leave messages undelivered", function()
    local server, ws = opened { extensions = { ["permessage-deflate"] = false } }
    server:hold(10)
    testing.run()
    ws:send(("x"):rep(100))
    server:reset()
    local _, _, info = closed(ws)
    assert.equal(100, info.undelivered)
  end)

  it("wait lets seconds go by", function()
    local server, _, told = opened()
    server:wait(3):send "late"
    testing.run(2.999)
    assert.equal(1, #told)
    testing.run(0.001)
    assert.equal("late", told[2][2])
  end)

  it("use goes back to an earlier connection", function()
    local server = testing.server(URL)
    server:accept()
    local _, first = watched()
    testing.run()
    server:accept()
    local _, second = watched()
    testing.run()
    server:use(1):send "one":use(2):send "two"
    testing.run()
    assert.same({ "one", "two" }, { first[2][2], second[2][2] })
  end)

  it("echo sends every message back, and is no step to wait for", function()
    local server, ws, told = opened()
    server:echo()
    ws:send "a"
    ws:send("b", "binary")
    testing.run()
    assert.same({ { "message", "a", "text" }, { "message", "b", "binary" } }, { told[2], told[3] })
    ws:close()
    closed(ws)
    server:assert_done()
  end)
end)

describe("what a server expects:", function()
  after_each(testing.reset)

  it("any message, a certain one, one that a function likes, one of a kind", function()
    local server, ws = opened()
    server:expect():expect "b":expect(function(data) return data:find "^c" end)
      :expect("d", "binary")
    for _, data in ipairs { "a", "b", "cc" } do ws:send(data) end
    ws:send("d", "binary")
    testing.run()
    server:assert_done()
    assert.same({ "a", "b", "cc", "d" }, server:received())
    assert.same({ data = "d", kind = "binary" }, server.connections[1].messages[4])
  end)

  for _, case in ipairs {
    { "another message", function(s) s:expect "b" end, 'expected the message "b", got text "a"' },
    { "another kind", function(s) s:expect("a", "binary") end,
      'expected binary "a", got text "a"' },
    { "a message that does not fit", function(s) s:expect(function() return false end) end,
      'expected the message that fits, got text "a"' },
  } do
    it("says at which line of the test it got " .. case[1], function()
      local server, ws = opened()
      case[2](server)
      ws:send "a"
      local ok, fault = pcall(testing.run)
      assert.is_false(ok)
      assert.matches("verbs_spec%.lua:%d+: ", fault)
      assert.is_truthy(fault:find(case[3], 1, true), fault)
    end)
  end

  it("says that the connection ended instead", function()
    local server, ws = opened()
    server:expect "login"
    ws:close(1000, "no")
    local ok, fault = pcall(testing.run)
    assert.is_false(ok)
    assert.is_truthy(fault:find(
      'expected the message "login", but the connection ended after Close 1000 "no"', 1, true))
  end)

  it("says that another Close came, or another ping", function()
    local server, ws = opened()
    server:expect_ping "a"
    ws:ping "b"
    local _, fault = pcall(testing.run)
    assert.is_truthy(fault:find('expected a ping "a", got "b"', 1, true), fault)
    testing.reset()
    server, ws = opened()
    server:expect_close(1000, "bye")
    ws:close(1000, "later")
    _, fault = pcall(testing.run)
    local sentence = 'expected Close 1000 "bye", got Close 1000 "later"'
    assert.is_truthy(fault:find(sentence, 1, true), fault)
  end)

  it("says that the connection ended without a Close", function()
    local server = opened()
    server:drop():expect_close()
    local _, fault = pcall(testing.run)
    assert.is_truthy(fault:find("expected a Close, but the connection ended without", 1, true))
  end)
end)

describe("a script as a function", function()
  after_each(testing.reset)

  it("is given what its verbs find", function()
    local found = {}
    testing.server(URL, function(s)
      s:accept()
      found[1] = s.current.request.target
      found[2], found[3] = s:expect()
      s:ping "x"
      found[4] = s:expect_pong()
      found[5], found[6] = s:expect_close()
    end)
    local ws = watched { on_open = function(ws) ws:send("hi", "binary") end,
      on_ping = function(ws) ws:close(3001, "done") end }
    closed(ws)
    assert.same({ "/v1", "hi", "binary", "x", 3001, "done" }, found)
  end)

  it("may loop: one server for as many connections as come", function()
    local server = testing.server(URL, function(s)
      while true do s:accept():close(1012) end
    end)
    local ws = watched { retry = { jitter = "none", first = false, attempts = 4 } }
    closed(ws)
    assert.same({ 5, 15 }, { server.attempts, testing.clock():now() })
  end)

  it("is followed by what the test appends", function()
    local server = testing.server(URL, function(s) s:accept() end)
    server:send "appended"
    local _, told = watched()
    testing.run()
    assert.equal("appended", told[2][2])
  end)

  it("may call the client it serves", function()
    local ws, told
    testing.server(URL, function(s)
      s:accept()
      ws:update()
      s:send "x"
    end)
    ws, told = watched()
    testing.run()
    assert.same({ "open", "message" }, { told[1][1], told[2][1] })
  end)

  it("is over when it has raised", function()
    testing.server(URL, function() error "once" end)
    assert.is_false((pcall(testing.run)))
    testing.run()
  end)

  it("raises its own errors in the test, with the script's trace", function()
    testing.server(URL, function(s)
      s:accept()
      error "my own fault"
    end)
    local ws = watched()
    local ok, fault = pcall(testing.run)
    assert.is_false(ok)
    assert.matches("my own fault.*verbs_spec", fault)
    assert.equal("connecting", ws:state())
  end)
end)

describe("a verb that is used wrongly raises at the line that does it:", function()
  after_each(testing.reset)

  local cases = {
    { "accept", { "yes" }, 'answer: expected a table, got "yes"' },
    { "accept", { { protocl = "a" } }, "answer: expected protocol, extensions, headers" },
    { "accept", { { protocol = 1 } }, "answer.protocol: expected a string or false, got 1" },
    { "accept", { { headers = "a" } }, 'answer.headers: expected a table, got "a"' },
    { "refuse", {}, "status: expected an HTTP status other than 101, got nil" },
    { "refuse", { 101 }, "status: expected an HTTP status other than 101, got 101" },
    { "refuse", { 503, "x" }, 'headers: expected a table, got "x"' },
    { "refuse", { 503, {}, 1 }, "body: expected a string, got 1" },
    { "fail", { "dsn" }, 'name: expected "dns", "refused"' },
    { "send", { 1 }, "data: expected a string, got 1" },
    { "send", { "a", "blob" }, 'kind: expected "text" or "binary", got "blob"' },
    { "ping", { {} }, "data: expected a string, got table" },
    { "frame", { "x" }, "frame: expected a table" },
    { "frame", { { opcode = "txt" } }, "frame: expected what wsclose.testing.wire can write" },
    { "raw", {}, "bytes: expected a string, got nil" },
    { "close", { "1001" }, 'code: expected a whole number from 0 to 65535, got "1001"' },
    { "close", { nil, "why" }, "code: expected a close code, as there is a reason, got nil" },
    { "slow", { 0, 1 }, "bytes: expected a whole number >= 1, or false, got 0" },
    { "slow", { 1 }, "seconds: expected seconds >= 0, got nil" },
    { "hold", { -1 }, "room: expected a number of bytes >= 0, got -1" },
    { "wait", { "1" }, 'seconds: expected seconds >= 0, got "1"' },
    { "use", { 0 }, "index: expected the number of a connection, got 0" },
    { "expect", { 1 }, "data: expected a string, a function or nil, got 1" },
    { "expect_close", { 1.5 }, "code: expected a close code, got 1.5" },
    { "expect_close", { 1000, 1 }, "reason: expected a string, got 1" },
  }
  local unpack = rawget(_G, "unpack") or table.unpack -- luacheck: ignore 143

  for _, case in ipairs(cases) do
    local verb, arguments, sentence = case[1], case[2], case[3]
    it(verb .. ": " .. sentence, function()
      local server = testing.server(URL)
      local ok, fault = pcall(function() server[verb](server, unpack(arguments, 1, 3)) end)
      assert.is_false(ok)
      assert.matches("verbs_spec%.lua:%d+: ", fault)
      assert.is_truthy(fault:find(sentence, 1, true), fault)
    end)
  end

  it("a dot in the place of the colon", function()
    local server = testing.server(URL)
    assert_raises("verbs_spec%.lua:%d+: expected a server before ':accept', got nil",
      function() server.accept() end)
  end)

  it("before there is a connection", function()
    testing.server(URL):send "hello"
    assert_raises("verbs_spec%.lua:%d+: there is no connection yet; accept, refuse or request",
      testing.run)
  end)

  it("for a connection that there is not", function()
    testing.server(URL):use(2)
    assert_raises("verbs_spec%.lua:%d+: there is no connection 2 yet", testing.run)
  end)

  it("received of a connection that there is not", function()
    local server = testing.server(URL)
    assert_raises("verbs_spec%.lua:%d+: index: expected a connection from 1 to 0, got 1",
      function() server:received(1) end)
  end)
end)
