-- wsclose.testing: which clients are scripted, how time goes by, and what is said of a test that
-- cannot go on.  The verbs of a server are held by verbs_spec.

local hosted = require "wsclose.hosted"
local testing = require "wsclose.testing"
local wsclose = require "wsclose"

local URL = "wss://feed.example/v1"

local clock = testing.clock()

local function assert_raises(pattern, f)
  local ok, fault = pcall(f)
  assert.is_false(ok)
  assert.matches(pattern, fault)
end

describe("a scripted client", function()
  after_each(testing.reset)

  local new = wsclose.new

  it("is any that is made after a server, also by a function kept from before", function()
    local server = testing.server(URL)
    server:accept()
    local ws = assert(new(URL))
    testing.run(ws, "open")
    assert.equal(1, server.attempts)
  end)

  it("finds the server by scheme, host and port, whatever the rest of the URL", function()
    local server = testing.server "wss://feed.example"
    local targets = {}
    for _, url in ipairs {
      "wss://feed.example:443/a?b", "wss://me:secret@FEED.example/c", "WSS://feed.example",
    } do
      server:accept()
      testing.run(assert(wsclose.new(url)), "open")
      targets[#targets + 1] = server.current.request.target
    end
    assert.same({ "/a?b", "/c", "/" }, targets)
  end)

  it("finds each of several servers, and one behind a unix socket", function()
    local urls = { URL, "ws://feed.example/v1", "wss://feed.example:444/", "wss://[::1]/",
      "ws+unix:///run/feed.sock:/v1" }
    local servers = {}
    for i, url in ipairs(urls) do servers[i] = testing.server(url):accept() end
    for i, url in ipairs(urls) do
      testing.run(assert(wsclose.new(url)), "open")
      assert.equal(1, servers[i].attempts)
    end
  end)

  it("raises when it connects to where there is no server", function()
    testing.server(URL)
    local ws = wsclose.new "wss://other.example/"
    assert_raises("a client connects to wss://other%.example/, for which no testing%.server",
      function() ws:update() end)
  end)

  it("follows redirects from server to server", function()
    testing.server(URL):refuse(302, { Location = "wss://other.example/v2" })
    local other = testing.server "wss://other.example"
    other:accept()
    testing.run(assert(wsclose.new(URL, { redirects = 1 })), "open")
    assert.equal("/v2", other.current.request.target)
  end)

  it("keeps its outbox over a lost connection", function()
    local server = testing.server(URL)
    server:accept():expect("a"):drop()
    server:accept():expect "b"
    local ws = assert(wsclose.new(URL, { outbox = true, retry = true }))
    ws:send "a"
    testing.run(ws, "waiting")
    ws:send "b"
    testing.run(ws, "open")
    server:assert_done()
  end)

  it("sends fragments, headers and a ping, and says what it knows", function()
    local server = testing.server(URL)
    server:accept():expect("abc"):expect_ping "p"
    local ws = assert(wsclose.new(URL, { headers = { ["X-Bot"] = "7" } }))
    testing.run(ws, "open")
    local writer = ws:send_fragments()
    writer:write "a"
    writer:finish "bc"
    ws:ping "p"
    testing.run()
    server:assert_done()
    assert.equal("7", server.current.request.headers["x-bot"])
    assert.equal("open", ws:info().phase)
    assert.equal(1, ws:stats().messages_out)
    assert.is_nil(ws:pollfd())
  end)

  it("checks its arguments and names the line that calls, as a real one does", function()
    testing.server(URL):accept()
    local ws = assert(wsclose.new(URL))
    assert_raises("testing_spec%.lua:%d+: close code 1006 may not be sent",
      function() ws:close(1006) end)
    testing.run(ws, "open")
    assert_raises("testing_spec%.lua:%d+: expected a string to send, got nil",
      function() ws:send(nil) end)
    assert_raises("testing_spec%.lua:%d+: close code 1006 may not be sent",
      function() ws:close(1006) end)
  end)

  it("that has not begun, or is closed, sends nothing", function()
    testing.server(URL):accept()
    local ws = assert(wsclose.new(URL))
    assert.same({ "idle", 0, 0 }, { ws:state(), ws:buffered(), ws:stats().messages_out })
    local _, _, name = ws:send "early"
    assert.equal("state", name)
    testing.run(ws, "open")
    ws:leave()
    _, _, name = ws:send "late"
    assert.same({ "state", "closed" }, { name, ws:state() })
  end)

  it("holds messages back while paused, and its Close not", function()
    local server = testing.server(URL)
    server:accept():send("one"):send "two"
    local got = {}
    local ws = assert(wsclose.new(URL, { on_message = function(_, data) got[#got + 1] = data end }))
    testing.run(ws, "open")
    ws:pause()
    testing.run(10)
    local before = #got
    ws:resume()
    testing.run()
    assert.same({ 0, { "one", "two" } }, { before, got })
    ws:pause()
    server:close(1001)
    testing.run()
    assert.equal("open", ws:state())
    ws:close()
    testing.run(ws, "closed")
    assert.equal(1001, ws.close_code)
  end)

  it("gives after resume what had come in one piece, and notices no end meanwhile", function()
    local server = testing.server(URL)
    server:accept():raw("\129\1a\129\1b"):wait(1):drop()
    local got = {}
    local ws = assert(wsclose.new(URL, { on_message = function(ws, data)
      got[#got + 1] = data
      if data == "a" then ws:pause() end
    end }))
    testing.run(5)
    assert.same({ { "a" }, "open" }, { got, ws:state() })
    ws:resume()
    testing.run()
    assert.same({ { "a", "b" }, "closed" }, { got, ws:state() })
  end)

  it("takes no silence for a fault while it is paused", function()
    local server = testing.server(URL)
    server:accept():silence()
    local ws = assert(wsclose.new(URL))
    testing.run(ws, "open")
    ws:pause()
    testing.run(100)
    assert.equal("open", ws:state())
    ws:resume()
    testing.run(ws, "closed")
    assert.equal("ping_timeout", ws.close_info.error.name)
  end)

  it("asks for what before_connect gives", function()
    local server = testing.server(URL)
    server:accept()
    local ws = assert(wsclose.new(URL, {
      protocols = { "a" }, before_connect = function() return { protocols = { "b" } } end,
    }))
    testing.run(ws, "open")
    assert.equal("b", ws:info().protocol)
  end)

  it("lives on the scripted clock, whatever clock the program hands in", function()
    local server = testing.server(URL)
    server:accept():close(1001):accept()
    local ws = assert(wsclose.new(URL, { retry = true, clock = function() return 7 end }))
    testing.run(function() return #server.connections == 2 end)
    assert.equal(2.5, clock:now())
    assert.is_truthy(ws)
  end)

  it("has a policy on the scripted clock: a connection was stable, or not", function()
    local server = testing.server(URL)
    local delays = {}
    for _, seconds in ipairs { 9, 10, 10 } do
      server:accept():send("x"):wait(seconds):close(1011)
    end
    local ws = assert(wsclose.new(URL, {
      retry = { jitter = "none", first = false, initial = 2, factor = 3 },
      on_retry = function(_, delay) delays[#delays + 1] = delay end,
    }))
    testing.run(function() return delays[3] end)
    assert.same({ 2, 2, 2 }, delays)
    server:accept():wait(9):close(1011)
    testing.run(function() return delays[4] end)
    assert.equal(6, delays[4])
    assert.is_truthy(ws)
  end)

  it("keeps to its budget of messages", function()
    local server = testing.server(URL)
    server:accept():send("one"):send("two"):send "three"
    local got = {}
    local ws = assert(wsclose.new(URL, {
      max_messages = 1, on_message = function(_, data) got[#got + 1] = data end,
    }))
    for _ = 1, 3 do ws:update() end
    local before = #got
    ws:update()
    assert.equal(before + 1, #got)
    testing.run()
    assert.same({ "one", "two", "three" }, got)
  end)

  it("has its time for messages from the first that it has waited for", function()
    testing.server(URL):accept():wait(0.8):raw "\129\1a\129\1b"
    local got = {}
    local ws = assert(wsclose.new(URL, {
      max_time = 0.5, on_message = function(_, data) got[#got + 1] = data end,
    }))
    testing.run(ws, "open")
    ws:update(1)
    assert.same({ { "a", "b" }, 0.8 }, { got, clock:now() })
  end)

  it("has the same key in every run, or that of the program's own random_bytes", function()
    local keys = {}
    for i, random_bytes in ipairs { false, function(count) return ("a"):rep(count) end } do
      testing.reset()
      local server = testing.server(URL)
      server:accept()
      testing.run(assert(wsclose.new(URL, { random_bytes = random_bytes or nil })), "open")
      keys[i] = server.current.request.headers["sec-websocket-key"]
    end
    assert.same({ "ESIzRBEiM0QRIjNEESIzRA==", "YWFhYWFhYWFhYWFhYWFhYQ==" }, keys)
  end)

  it("may be collected", function()
    local server = testing.server(URL)
    server:accept()
    local kept = setmetatable({ ws = assert(wsclose.new(URL)) }, { __mode = "v" })
    testing.run(function() return kept.ws:state() == "open" end)
    collectgarbage()
    collectgarbage()
    assert.is_nil(kept.ws)
    testing.run()
  end)

  it("is not scripted any more after reset", function()
    testing.server(URL):accept()
    testing.reset()
    assert.equal(0, clock:now())
    local ws = assert(wsclose.new "ws://127.0.0.1:1/")
    assert.is_userdata(ws._handle)
    ws:leave()
  end)

  it("is not made by a host's module, which says so", function()
    local of_some_loop = hosted.module { wait = function() end, wake = function() end }
    testing.server(URL)
    assert_raises("testing_spec%.lua:%d+: wsclose%.testing: a client of a host's module cannot be",
      function() of_some_loop.new(URL) end)
  end)
end)

describe("a game with wsclose.love", function()
  after_each(testing.reset)

  it("is scripted by testing.host, frame by frame, coroutines too", function()
    local love = testing.host "wsclose.love"
    local server = testing.server(URL)
    server:accept():send("a"):wait(1):close(1001):accept():echo()
    local got, echoed = {}, nil
    assert(love.new(URL, { retry = true, on_message = function(_, data) got[#got + 1] = data end,
      on_open = function(ws) if got[1] then ws:send "b" end end }))
    testing.run(function()
      love.update()
      return #got == 2
    end)
    assert.same({ "a", "b" }, got)
    assert.equal(3.5, clock:now())
    server:accept():echo()
    coroutine.wrap(function()
      local ws = assert(love.connect(URL))
      ws:send "c"
      echoed = ws:receive()
    end)()
    testing.run(function()
      love.update()
      return echoed
    end)
    assert.equal("c", echoed)
    love.leave()
  end)

  it("gives a thousand messages a frame, and the rest with the next", function()
    local love = testing.host "wsclose.love"
    testing.server(URL):accept():raw(("\129\1a"):rep(1001))
    local frames, frame = {}, 0
    assert(love.new(URL, { on_message = function() frames[frame] = (frames[frame] or 0) + 1 end }))
    testing.run(function()
      frame = frames[frame] and frame + 1 or frame
      love.update()
      return frame == 1
    end)
    assert.same({ [0] = 1000, 1 }, frames)
    love.leave()
  end)

  it("is over when all its clients are closed and those who wait for them know it", function()
    local love, known = testing.host "wsclose.love", nil
    testing.server(URL):accept():close(1000)
    coroutine.wrap(function()
      local ws = assert(love.connect(URL))
      known = select(3, ws:receive())
    end)()
    local alive
    testing.run(function()
      alive = love.update()
      return not alive
    end)
    assert.same({ "closed", false }, { known, alive })
  end)

  it("is left as it was where it is required", function()
    local kept = { package.loaded["wsclose.love"], package.loaded["wsclose.hosted"],
      package.loaded["wsclose.client"], package.loaded["wsclose.core"] }
    testing.host "wsclose.love"
    assert.same(kept, { package.loaded["wsclose.love"], package.loaded["wsclose.hosted"],
      package.loaded["wsclose.client"], package.loaded["wsclose.core"] })
  end)

  it("is the only host", function()
    assert_raises('testing_spec%.lua:%d+: name: expected "wsclose.love", got wsclose.luv',
      function() testing.host "wsclose.luv" end)
  end)
end)

describe("code that waits", function()
  after_each(testing.reset)

  it("is not changed: connect, messages and the rest let the script play on", function()
    local server = testing.server(URL)
    server:wait(2):accept():expect("hello"):wait(60)
    server:send("a"):send("b", "binary"):close(1000, "bye")
    local ws = assert(wsclose.connect(URL))
    ws:send "hello"
    local got = {}
    for data, kind in ws:messages() do got[#got + 1] = kind .. " " .. data end
    assert.same({ "text a", "binary b" }, got)
    assert.same({ 1000, "bye", 62 }, { ws.close_code, ws.close_reason, clock:now() })
    server:assert_done()
  end)

  it("run reconnects on the scripted clock until it is over", function()
    local server = testing.server(URL)
    server:accept():close(1001):accept():close(1012):fail("refused"):accept():close(1008, "banned")
    local delays = {}
    local ws = assert(wsclose.new(URL, {
      retry = true, on_retry = function(_, delay) delays[#delays + 1] = delay end,
    }))
    local code, reason = ws:run()
    assert.same({ 1008, "banned" }, { code, reason })
    assert.same({ 2.5, 7.75, 7.75 }, delays)
    assert.is_true(math.abs(clock:now() - 18) < 1e-6)
  end)

  it("receive and run with seconds give up when those are over", function()
    testing.server(URL):accept()
    local ws = assert(wsclose.connect(URL))
    assert.same({ nil, "timeout", "timeout" }, { ws:receive(7) })
    assert.same({ nil, "timeout" }, { ws:run(3) })
    assert.is_true(ws:update(1.5))
    assert.is_true(math.abs(clock:now() - 11.5) < 1e-6)
  end)

  it("connect gives the world's faults", function()
    testing.server(URL):refuse(403)
    local ws, sentence, name, info = wsclose.connect(URL)
    assert.same({ nil, "http", 403 }, { ws, name, info.http.status })
    assert.matches("403", sentence)
  end)

  it("a group does for clients that come and go", function()
    local got, server = {}, testing.server(URL)
    for i = 1, 3 do server:accept():send("m" .. i):close(i == 2 and 1012 or 1000) end
    server:accept():send("again"):close(1000)
    local group = wsclose.group()
    assert.is_false(group:update(1))
    for _ = 1, 3 do
      group:add(assert(wsclose.new(URL, {
        retry = { initial = 3, max = 3, jitter = "none" },
        on_message = function(_, data)
          got[#got + 1] = data
          if data == "m3" then error("broken", 0) end
        end,
        on_close = function(ws, code)
          if code == 1000 then group:remove(ws) end
        end,
      })))
      group:update()
    end
    assert.same({ false, "broken" }, { pcall(group.run, group) })
    group:run()
    assert.equal(0, group:count())
    assert.same({ "m1", "m2", "m3", "again" }, got)
    assert.is_false(wsclose.update(1, group))
    testing.reset()
    local real = assert(wsclose.new "ws://127.0.0.1:1/")
    group:add(real)
    assert.is_true(group:run()) -- its loop is the scripted world's, and does not know it
    assert.equal("refused", real.close_info.error.name)
  end)

  it("wsclose.run and wsclose.update do for many", function()
    local server = testing.server(URL)
    server:accept():accept():wait(5):use(1):close(1000):use(2):close(1000)
    local a, b = assert(wsclose.new(URL)), assert(wsclose.new(URL))
    assert.is_true(wsclose.update(0, a, b))
    wsclose.run(a, b)
    assert.same({ "closed", "closed", 5 }, { a:state(), b:state(), clock:now() })
    assert.is_false(wsclose.update(1, a, b))
  end)

  it("wsclose.run waits for next attempts, too", function()
    local server = testing.server(URL)
    server:accept():close(1001):accept():close(1000):accept():close(1000)
    local a = assert(wsclose.new(URL, { retry = true }))
    local b = assert(wsclose.new(URL, { retry = { first = false, initial = 9, max = 9 } }))
    wsclose.run(a, b)
    assert.same({ "closed", "closed" }, { a:state(), b:state() })
    assert.same({ 2, 1 }, { a:stats().attempts, b:stats().attempts })
  end)

  it("an update that waits until the next attempt is due begins it", function()
    testing.server(URL):accept():close(1001):accept()
    local ws = assert(wsclose.new(URL, {
      retry = { jitter = "none", first = false, initial = 2, max = 2 },
    }))
    testing.run(ws, "waiting")
    ws:update(3)
    assert.same({ 2, 2 }, { ws:stats().attempts, clock:now() })
  end)

  it("a game may be long", function()
    for _ = 1, 25000 do clock:advance(1 / 60) end
    assert.is_true(math.abs(clock:now() - 25000 / 60) < 1e-6)
  end)

  it("a game's update(0) once a frame lets no time go by itself", function()
    testing.server(URL):accept():send("now"):wait(0.5):send "then"
    local got = {}
    local ws = assert(wsclose.new(URL, { on_message = function(_, data) got[#got + 1] = data end }))
    for _ = 1, 10 do ws:update() end
    assert.same({ { "now" }, 0 }, { got, clock:now() })
    for _ = 1, 30 do
      ws:update()
      clock:advance(1 / 60)
    end
    assert.same({ "now", "then" }, got)
  end)

  it("raises where it would wait for ever", function()
    testing.server(URL):accept()
    local ws = assert(wsclose.connect(URL, { keepalive = false }))
    local LINE = "^spec/testing/testing_spec%.lua:%d+: wsclose%.testing: "
    assert_raises(LINE .. "this would wait for ever", function() ws:receive() end)
    assert_raises(LINE .. "this would wait for ever", function() testing.run(ws, "closed") end)
    local line = debug.getinfo(1, "l").currentline + 1
    local _, fault = pcall(function() testing.run(ws, "closed") end)
    assert.equal(line, tonumber(fault:match ":(%d+):"))
  end)

  it("draws the middle of a range for reconnect too, without a policy", function()
    testing.server(URL):accept():accept()
    local ws = assert(wsclose.connect(URL))
    ws:reconnect(1000, "", { 10, 30 })
    testing.run(ws, "waiting")
    assert.equal(20, ws.close_info.retry_in)
    testing.run(ws, "open")
    assert.equal(20, clock:now())
  end)

  it("raises where it would try for ever", function()
    testing.server(URL, function(s)
      while true do s:fail "refused" end
    end)
    local ws = assert(wsclose.new(URL, { retry = true }))
    assert_raises("time went on %d+ times", function() ws:run() end)
  end)

  it("lets a program wait 20,000 times before that", function()
    testing.server(URL):accept()
    local ws = assert(wsclose.connect(URL, { keepalive = false }))
    for _ = 1, 20000 do ws:update(1) end
    assert.equal(20000, clock:now())
    assert_raises("time went on 20000 times", function() ws:update(1) end)
  end)
end)

describe("run", function()
  after_each(testing.reset)

  it("gives what its function gave", function()
    testing.server(URL):accept():wait(3)
    local ws = assert(wsclose.new(URL))
    assert.equal("yes", testing.run(function() return clock:now() >= 3 and "yes" end))
    assert.equal("open", ws:state())
  end)

  it("calls its function before anything happens, and after each round", function()
    testing.server(URL):accept()
    local ws = assert(wsclose.new(URL))
    local states = {}
    testing.run(function()
      states[#states + 1] = ws:state()
      return ws:state() == "open"
    end)
    assert.same({ "idle", "open" }, states)
  end)

  it("stops at the moment something happens, and goes no further", function()
    testing.server(URL):accept():wait(1):send("a"):wait(1):send "b"
    local got = {}
    local ws = assert(wsclose.new(URL, { on_message = function(_, data) got[#got + 1] = data end }))
    testing.run(function() return got[1] end)
    assert.same({ { "a" }, 1, "open" }, { got, clock:now(), ws:state() })
  end)

  it("without arguments lets no time go by", function()
    testing.server(URL):accept():send("a"):wait(1):send "b"
    local got = {}
    local ws = assert(wsclose.new(URL, { on_message = function(_, data) got[#got + 1] = data end }))
    testing.run()
    assert.same({ { "a" }, 0, "open" }, { got, clock:now(), ws:state() })
  end)

  it("raises what a callback raises", function()
    testing.server(URL):accept()
    local ws = assert(wsclose.new(URL, { on_open = function() error "my bug" end }))
    assert_raises("testing_spec%.lua:%d+: my bug", testing.run)
    assert.equal("open", ws:state())
  end)

  it("says where everybody stands when nothing can happen any more", function()
    testing.server(URL):accept():expect "login"
    local ws = assert(wsclose.new(URL, { keepalive = false }))
    local ok, fault = pcall(testing.run, ws, "closed")
    assert.is_false(ok)
    assert.matches('while the test waits for the state "closed"', fault)
    assert.matches('testing_spec%.lua:%d+: waits for the message "login"', fault)
    assert.matches("wsclose client for wss://feed%.example/v1 %(open%)", fault)
  end)

  it("says that a client connects and the script has nothing for it", function()
    testing.server(URL):accept():close(1001)
    local ws = assert(wsclose.new(URL, { retry = true }))
    assert_raises("a client connects to wss://feed%.example/v1, attempt 2, but its script has no "
      .. "step left", function() testing.run(function() return ws:stats().attempts == 3 end) end)
  end)

  it("says that it did not happen within the seconds given", function()
    testing.server(URL):accept()
    local ws = assert(wsclose.new(URL))
    assert_raises('^spec/testing/testing_spec%.lua:%d+: wsclose%.testing: the state "closed" '
      .. "did not happen within 30 s", function() testing.run(ws, "closed", 30) end)
    assert.equal(30, clock:now())
    assert_raises("did not happen within 5 s",
      function() testing.run(function() return false end, 5) end)
  end)

  it("names what it expected", function()
    testing.server(URL)
    local ws = assert(wsclose.new(URL))
    for _, wrong in ipairs { { "open" }, { {} }, { ws }, { ws, "opened" } } do
      assert_raises("testing_spec%.lua:%d+: run: expected a function, seconds, a client and a ",
        function() testing.run(wrong[1], wrong[2]) end)
    end
    assert_raises("testing_spec%.lua:%d+: seconds: expected a number >= 0, got %-1",
      function() testing.run(-1) end)
    assert_raises("testing_spec%.lua:%d+: seconds: expected a number >= 0, got soon",
      function() testing.run(ws, "open", "soon") end)
  end)
end)

describe("the scripted clock", function()
  after_each(testing.reset)

  it("begins at 0, moves by advance alone, and can be handed in as a clock", function()
    assert.equal(0, clock:now())
    clock:advance(1.5)
    assert.same({ 1.5, 1.5 }, { clock:now(), clock() })
    local policy = wsclose.retry { clock = clock, jitter = "none", first = false }
    assert.equal(1, (policy:next(1006)))
    policy:opened()
    clock:advance(10)
    policy:closed(true)
    assert.equal(1, (policy:next(1006)))
  end)

  it("lets everything happen that is due, at its own moment", function()
    testing.server(URL):accept():wait(1):send("a"):wait(1):send "b"
    local at = {}
    local ws = assert(wsclose.new(URL, { on_message = function() at[#at + 1] = clock:now() end }))
    clock:advance(5)
    assert.same({ { 1, 2 }, 5 }, { at, clock:now() })
    assert.is_truthy(ws)
  end)

  it("goes no way back and nowhere else", function()
    for _, wrong in ipairs { -1, "1", math.huge } do
      assert_raises("testing_spec%.lua:%d+: seconds: expected a number >= 0, got ",
        function() clock:advance(wrong) end)
    end
  end)
end)

describe("chance", function()
  after_each(testing.reset)

  local function first_delay(code, options)
    testing.server(URL):accept():close(code)
    local ws = assert(wsclose.new(URL, { retry = options or true }))
    testing.run(ws, "waiting")
    return ws.close_info.retry_in
  end

  it("is 0.5 unless the test says otherwise", function()
    assert.equal(2.5, first_delay(1001))
  end)

  it("is what random is given, a number or a function", function()
    testing.random(0)
    assert.equal(10, first_delay(1013))
    testing.reset()
    testing.random(function() return 0.25 end)
    assert.equal(1.25, first_delay(1001))
  end)

  it("is the program's own where its policy brings one", function()
    assert.equal(0, first_delay(1001, { random = function() return 0 end, floor = 0 }))
  end)

  it("names what it expected", function()
    for _, wrong in ipairs { 1, -0.1, "0.5" } do
      assert_raises("testing_spec%.lua:%d+: draw: expected a number in %[0, 1%) or a function",
        function() testing.random(wrong) end)
    end
  end)
end)

describe("server", function()
  after_each(testing.reset)

  it("names what it expected", function()
    for url, got in pairs { ["http://a.example/"] = '"http://a.example/"', [7] = "number" } do
      assert_raises("testing_spec%.lua:%d+: url: expected a WebSocket URL, got " .. got,
        function() testing.server(url) end)
    end
    assert_raises("testing_spec%.lua:%d+: script: expected a function, got table",
      function() testing.server(URL, {}) end)
    testing.server(URL)
    assert_raises("testing_spec%.lua:%d+: url: there is a server for wss://feed%.example/v2 ",
      function() testing.server "wss://feed.example/v2" end)
  end)

  it("says what of its script was not played", function()
    local server = testing.server(URL)
    server:assert_done()
    server:accept()
    assert_raises("the script is not played out.*waits for a client to connect",
      function() server:assert_done() end)
  end)
end)

-- ---------------------------------------------------------------- what it is for

-- Two reactions to a server that goes away: one subscribes again, the other forgets to.
local function start_bot(is_forgetful)
  local opens = 0
  return assert(wsclose.new(URL, {
    retry = true,
    on_open = function(ws)
      opens = opens + 1
      if opens == 1 or not is_forgetful then ws:send "subscribe" end
    end,
  }))
end

local function resubscribes(bot)
  local server = testing.server(URL)
  server:accept():expect("subscribe"):close(1001, "restart")
  server:accept():expect "subscribe"
  local ws = bot()
  testing.run(ws, "open", 60)
  testing.run(30)
  assert.equal("open", ws:state())
  server:assert_done()
end

describe("a test of a program's reaction", function()
  after_each(testing.reset)

  it("is green when the program is right", function()
    resubscribes(function() return start_bot(false) end)
  end)

  it("is red when the program is wrong, and says what did not come", function()
    assert_raises('the script is not played out.*testing_spec%.lua:%d+: waits for the message '
      .. '"subscribe"', function() resubscribes(function() return start_bot(true) end) end)
  end)
end)
