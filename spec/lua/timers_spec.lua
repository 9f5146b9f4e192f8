-- Timers of a client: ws:after, ws:every, wsclose.now, mostly on the clock of wsclose.testing.
-- Nothing waits here but where it says so.  The loops of hosts are in spec/hosts.

local network = require "support.network"
local scripted = require "support.scripted_server"
local testing = require "wsclose.testing"
local timers = require "wsclose.timers"
local wsclose = require "wsclose"

local URL = "wss://feed.example/v1"

local clock = testing.clock()

local function assert_raises(message, f, ...)
  local ok, fault = pcall(f, ...)
  assert.is_false(ok)
  assert.equal(message, (fault:gsub("^[^:]+:%d+: ", "")))
end

describe("a timer", function()
  local server, ws, said

  local function say(what)
    return function() said[#said + 1] = ("%s %g"):format(what, wsclose.now()) end
  end

  local function open(options)
    server = testing.server(URL)
    server:accept()
    ws = assert(wsclose.new(URL, options))
    testing.run(ws, "open")
    return ws
  end

  before_each(function() said = {} end)
  after_each(testing.reset)

  it("is called once, with the client, when its time has come", function()
    open()
    local given
    ws:after(2, function(...) given = { ... } end)
    clock:advance(1.5)
    assert.is_nil(given)
    clock:advance(0.5)
    assert.same({ ws }, given)
    given = nil
    clock:advance(10)
    assert.is_nil(given)
  end)

  it("comes again and again, on its beat", function()
    open()
    ws:every(2, say "beat")
    clock:advance(7)
    assert.same({ "beat 2", "beat 4", "beat 6" }, said)
  end)

  it("comes in the order of its time, those of one moment as they were set", function()
    open()
    for _, name in ipairs { "c3", "a1", "d3", "b2", "e3" } do
      ws:after(tonumber(name:sub(2)), say(name:sub(1, 1)))
    end
    clock:advance(3)
    assert.same({ "a 1", "b 2", "c 3", "d 3", "e 3" }, said)
    said = {}
    local expected = {}
    for i = 1, 50 do
      ws:after(1, say(i))
      expected[i] = i .. " 4"
    end
    clock:advance(1)
    assert.same(expected, said)
  end)

  it("is not called when it was cancelled, in any order, and again", function()
    open()
    local all = {}
    for i = 1, 100 do all[i] = ws:after(i * 37 % 101, say(i)) end
    for i = 1, 100 do
      if i % 10 ~= 0 then all[i * 7 % 101]:cancel() end
      all[i * 7 % 101]:cancel()
    end
    assert.same({}, said)
    clock:advance(101)
    assert.same({}, said)
    for i = 1, 100 do all[i] = ws:after(i * 37 % 101, say(i)) end
    for i = 1, 100 do
      if i % 10 ~= 0 then all[i]:cancel() end
    end
    clock:advance(101)
    local left = {}
    for i = 1, 10 do left[i] = ("%d %g"):format(i * 10, 101 + i * 370 % 101) end
    table.sort(left, function(a, b) return tonumber(a:match "%S+$") < tonumber(b:match "%S+$") end)
    assert.same(left, said)
    all[10]:cancel() -- it is over
  end)

  it("may cancel itself, and those that are due with it", function()
    open()
    local beat, other
    beat = ws:every(1, function()
      say "beat" ()
      beat:cancel()
      other:cancel()
    end)
    other = ws:after(1, say "other")
    clock:advance(5)
    assert.same({ "beat 1" }, said)
  end)

  it("of no or less than no seconds comes in the next turn", function()
    open()
    for _, seconds in ipairs { 0, -1, -math.huge } do ws:after(seconds, say(seconds)) end
    assert.same({}, said)
    assert.equal(0, ws:timeout())
    assert.is_true(ws:update())
    assert.same({ "0 0", "-1 0", -math.huge .. " 0" }, said)
  end)

  it("of endless seconds never comes", function()
    open { keepalive = false }
    local before = ws:timeout()
    ws:after(math.huge, say "never")
    ws:every(math.huge, say "never")
    assert.equal(before, ws:timeout())
    clock:advance(1e9)
    assert.same({}, said)
  end)

  it("is checked where it is set", function()
    open()
    local nan = 0 / 0
    assert_raises("expected a wsclose object, got number (call its methods with a colon)",
      ws.after, 1, print)
    assert_raises("seconds: expected a number, got nil", ws.after, ws, nil, print)
    assert_raises("seconds: expected a number, got string", ws.after, ws, "1", print)
    assert_raises("seconds: expected a number, got NaN", ws.after, ws, nan, print)
    assert_raises("fn: expected a function, got nil", ws.after, ws, 1)
    assert_raises("seconds: expected a number > 0, got 0", ws.every, ws, 0, print)
    assert_raises("seconds: expected a number > 0, got -1", ws.every, ws, -1, print)
    assert_raises("seconds: expected a number > 0, got NaN", ws.every, ws, nan, print)
    assert_raises("seconds: expected a number > 0, got nil", ws.every, ws)
    assert_raises("fn: expected a function, got string", ws.every, ws, 1, "f")
    local _, fault = pcall(function() ws:after() end)
    assert.matches("^[^:]*timers_spec%.lua:%d+: ", fault)
    assert.is_true(ws:update())
  end)

  it("may be anything that can be called", function()
    open()
    ws:after(1, setmetatable({}, { __call = function(_, client) said[1] = client end }))
    ws:after(1, ws.ping)
    clock:advance(1)
    assert.equal(ws, said[1])
    assert.equal(1, #server.current.pings)
  end)

  it("that sets one of no seconds leaves it to the next turn", function()
    open()
    local count = 0
    local function again()
      count = count + 1
      ws:after(0, again)
    end
    again()
    for turn = 2, 5 do
      assert.is_true(ws:update())
      assert.equal(turn, count)
    end
    ws:send "x"
    server:echo():send "y"
    assert.equal("y", (ws:receive())) -- it holds nothing up
  end)

  it("that was set by a callback of the turn waits for the next one", function()
    open { on_message = function(client) client:after(0, say "after") end }
    ws:every(1, say "beat")
    server:send "x"
    ws:update(0.5)
    assert.same({}, said)
    ws:update()
    assert.same({ "after 0" }, said)
  end)

  it("is called within the update that waited for it", function()
    open()
    ws:after(2, say "after")
    ws:every(2, say "beat")
    assert.is_true(ws:update(5))
    assert.same({ "after 2", "beat 2" }, said)
    assert.same({ nil, "timeout" }, { ws:run(2) })
    assert.same({ "after 2", "beat 2", "beat 4" }, said)
  end)

  it("is called while the program waits for a message", function()
    open()
    ws:every(2, say "beat")
    server:wait(5):send "x"
    assert.same({ "x", "text" }, { ws:receive() })
    assert.same({ nil, "timeout", "timeout" }, { ws:receive(2) })
    assert.same({ "beat 2", "beat 4", "beat 6" }, said)
    assert.equal(7, clock:now())
  end)

  it("is called though messages come without end", function()
    open()
    server:send("x"):send("x"):send "x"
    ws:receive()
    ws:after(0, say "after")
    ws:receive()
    assert.same({ "after 0" }, said)
    ws:receive(0)
  end)

  it("that is set by a callback of receive is called while that goes on waiting", function()
    open { on_pong = function(client) client:after(1, say "after") end }
    ws:ping()
    server:wait(9):send "x"
    assert.equal("x", (ws:receive()))
    assert.same({ "after 1" }, said)
  end)

  it("is called while connect waits", function()
    server = testing.server(URL)
    server:request()
    server:wait(3):accept()
    local client = assert(wsclose.connect(URL, {
      before_connect = function(client) client:every(2, say "beat") end,
    }))
    assert.equal("open", client:state())
    assert.same({ "beat 2" }, said)
  end)

  it("has no beat for those that were missed, and keeps the beat", function()
    local time = 0
    local client = assert(wsclose.new("ws://127.0.0.1:1/", {
      clock = function() return time end, before_connect = function(client) client:pause() end,
    }))
    client:every(10, function() said[#said + 1] = time end)
    for _, moment in ipairs { 10, 35, 36, 40, 1000005, 1000009, 1000010 } do
      time = moment
      timers.fire(client)
    end
    assert.same({ 10, 35, 40, 1000005, 1000010 }, said)
  end)

  it("waits for its moment where the clock goes back", function()
    local time = 100
    local client = assert(wsclose.new("ws://127.0.0.1:1/", { clock = function() return time end }))
    client:every(10, function() said[#said + 1] = time end)
    for _, moment in ipairs { 110, 50, 119, 120, 121 } do
      time = moment
      timers.fire(client)
    end
    assert.same({ 110, 120 }, said)
  end)

  it("whose period is lost in rounding comes once a turn", function()
    local time = 1e9
    local client = assert(wsclose.new("ws://127.0.0.1:1/", { clock = function() return time end }))
    client:every(1e-300, say "beat")
    for turn = 1, 4 do
      if turn > 2 then time = time * 100 end
      timers.fire(client)
      assert.equal(turn, #said)
    end
  end)

  it("raises out of the call that it was called from, and nothing is lost", function()
    open()
    ws:after(1, function() error("first", 0) end)
    ws:every(1, function() error("second", 0) end)
    ws:after(1, say "third")
    server:wait(1.5):send "x"
    assert_raises("first", ws.update, ws, 1)
    assert_raises("second", ws.receive, ws)
    assert.equal("x", (ws:receive()))
    assert.same({ "third 1" }, said)
    assert_raises("second", ws.run, ws)
    assert.equal(2, clock:now())
    assert.equal("open", ws:state())
  end)

  it("may yield, and others go on meanwhile", function()
    open()
    ws:after(1, function() say(coroutine.yield()) () end)
    ws:after(1, say "other")
    local thread = coroutine.create(function() return ws:update(1) end)
    coroutine.resume(thread)
    assert.is_true(ws:update())
    assert.same({ "other 1" }, said)
    coroutine.resume(thread, "resumed")
    assert.same({ "other 1", "resumed 1" }, said)
  end)

  it("may update the client again", function()
    open()
    ws:after(1, function()
      ws:update()
      say "outer" ()
    end)
    ws:after(1, say "inner")
    ws:update(1)
    assert.same({ "inner 1", "outer 1" }, said)
  end)

  it("goes on over reconnections, also between them", function()
    open { retry = { initial = 10, jitter = "none", first = { [1006] = false } } }
    server:drop():fail("refused"):accept()
    ws:every(4, say "beat")
    testing.run(function() return #server.connections == 2 and ws:state() == "open" end)
    assert.equal(30, clock:now())
    assert.equal(7, #said)
    clock:advance(2)
    assert.equal("beat 32", said[8])
  end)

  it("starts a client that has not begun", function()
    testing.server(URL):accept()
    local client = assert(wsclose.new(URL))
    client:after(1, say "after")
    assert.is_true(client:update(2))
    assert.equal(1, client:stats().attempts)
  end)

  it("does not begin before its time what waits for the next attempt", function()
    open { retry = { initial = 10, jitter = "none", first = { [1006] = false } } }
    server:drop()
    testing.run(ws, "waiting")
    ws:after(1, say "after")
    ws:update(5)
    assert.same({ "after 1" }, said)
    assert.equal("waiting", ws:state())
    assert.equal(9, ws:timeout())
  end)

  it("comes while a client is paused", function()
    open()
    ws:pause()
    ws:after(1, say "after")
    clock:advance(1)
    assert.same({ "after 1" }, said)
  end)

  it("comes while the closing handshake lasts", function()
    open()
    server:silence()
    testing.run()
    ws:close()
    ws:every(2, say "beat")
    ws:run()
    assert.same({ "beat 2", "beat 4" }, said)
  end)

  describe("ends with the client,", function()
    local function assert_over()
      assert.equal("closed", ws:state())
      assert.is_nil(ws:timeout())
      assert.same({ nil, "the client is closed for good, and its timers with it", "state" },
        { ws:after(1, print) })
      assert.same({ nil, "the client is closed for good, and its timers with it", "state" },
        { ws:every(1, print) })
      local before = #said
      server:accept()
      if ws:reconnect() then testing.run(ws, "open") end
      clock:advance(30)
      assert.equal(before, #said)
    end

    it("closed by the program", function()
      open()
      local beat = ws:every(1, say "beat")
      ws:close()
      ws:run()
      assert_over()
      beat:cancel()
    end)

    it("closed by the peer, told by receive", function()
      open()
      ws:every(1, say "beat")
      server:close(1000)
      assert.equal("closed", select(3, ws:receive()))
      assert_over()
    end)

    it("left", function()
      open()
      ws:every(1, say "beat")
      ws:leave()
      assert_over()
    end)

    it("left within a timer", function()
      open()
      ws:after(1, function() ws:leave() end)
      ws:after(1, say "other")
      ws:update(1)
      ws:update()
      assert.same({}, said)
      assert_over()
    end)

    it("stopped while it waits for the next attempt, by a timer", function()
      open { retry = { initial = 10, jitter = "none", first = { [1006] = false } } }
      server:drop()
      testing.run(ws, "waiting")
      ws:after(1, function() ws:close() end)
      ws:after(1, say "other")
      assert.is_true(ws:update(1) or true)
      assert.is_false((ws:update()))
      assert_over()
    end)

    it("closed before the first attempt", function()
      open()
      ws = assert(wsclose.new(URL))
      ws:every(1, say "beat")
      ws:close()
      assert_over()
    end)

    it("though on_close raises", function()
      open { on_close = function() error("in on_close", 0) end }
      ws:every(1, say "beat")
      server:close(1000)
      assert_raises("in on_close", ws.run, ws)
      clock:advance(5)
      ws:update()
      assert.same({}, said)
      assert.is_falsy(ws._timers)
      assert.is_false((ws:update()))
    end)

    it("but not where on_close connects anew", function()
      open { on_close = function(client) client:reconnect() end }
      ws:every(1, say "beat")
      server:close(1000):accept()
      clock:advance(2)
      assert.equal(2, #said)
    end)
  end)

  it("keeps no client alive", function()
    testing.server(URL)
    local gone = setmetatable({}, { __mode = "k" })
    local client = assert(wsclose.new(URL))
    local timer = client:after(1, print)
    gone[client] = true
    client = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(gone))
    timer:cancel()
  end)

  it("costs a turn the same, however many there are", function()
    local looks, time = 0, 0
    local client = assert(wsclose.new("ws://127.0.0.1:1/", { clock = function() return time end }))
    local all = {}
    for i = 1, 10000 do all[i] = client:after(i * 7919 % 10007 + 1, say(i)) end
    local heap = client._timers
    client._timers = setmetatable({}, {
      __index = function(_, key)
        looks = looks + 1
        return heap[key]
      end,
      __newindex = heap,
    })
    timers.fire(client)
    assert.is_true(looks < 10)
    client._timers, looks = heap, 0
    -- each moves as many as the heap is deep
    local fired = 0
    for i = 1, 10000 do
      all[i]._fn = function() fired = fired + 1 end
      if i % 2 == 0 then all[i]:cancel() end
    end
    time = 20000
    timers.fire(client)
    assert.equal(5000, fired)
    assert.is_falsy(client._timers)
  end)

  it("keeps the heap in order, whatever is set, cancelled and called", function()
    local time, state = 0, 1
    local client = assert(wsclose.new("ws://127.0.0.1:1/", { clock = function() return time end }))
    local function random(n)
      state = state * 48271 % 2147483647
      return state % n
    end
    local pending, live, called = {}, 0, 0
    client:after(math.huge, print)
    for _ = 1, 3000 do
      local what = random(20)
      if what < 8 and #pending > 0 then
        local item = table.remove(pending, random(#pending) + 1)
        item.timer:cancel()
        if not item.over then live = live - 1 end
        item.over = true
      elseif what == 8 then
        time = time + random(20)
        timers.fire(client)
        for _, item in ipairs(pending) do
          assert.equal(item.due <= time, item.over == true)
        end
      else
        local item = { due = time + random(1000) }
        if item.due == time then item.due = time + 1 end
        item.timer = client:after(item.due - time, function()
          assert.is_nil(item.over)
          item.over, live, called = true, live - 1, called + 1
        end)
        pending[#pending + 1], live = item, live + 1
      end
      assert.equal(live + 1, client._timers.count)
    end
    assert.is_true(called > 100 and live > 100)
  end)

  it("leaves a client that has none any more as it was", function()
    open()
    ws:update()
    assert.is_true(ws._quiet)
    ws:after(1, print):cancel()
    ws:after(1, function() end)
    assert.is_false(ws._quiet)
    ws:update(1)
    ws:update()
    assert.is_falsy(ws._timers)
    assert.is_true(ws._quiet)
  end)
end)

describe("timers of many clients", function()
  local said

  local function client(name, seconds)
    local url = ("ws://%s.example/"):format(name)
    testing.server(url):accept()
    local ws = assert(wsclose.new(url))
    ws:every(seconds, function() said[#said + 1] = ("%s %g"):format(name, wsclose.now()) end)
    return ws
  end

  before_each(function() said = {} end)
  after_each(testing.reset)

  local EXPECTED = { "a 2", "b 3", "a 4", "a 6", "b 6", "a 8", "b 9" }

  it("are waited for in wsclose.run, of clients and of a list", function()
    assert.same({ nil, "timeout" }, { wsclose.run(client("a", 2), client("b", 3), 9.5) })
    assert.same(EXPECTED, said)
    testing.reset()
    said = {}
    assert.same({ nil, "timeout" }, { wsclose.run({ client("a", 2), client("b", 3) }, 9.5) })
    assert.same(EXPECTED, said)
  end)

  it("are known to a group's timeout, and called in its update", function()
    local group = wsclose.group(client("a", 2), client("b", 3))
    clock:advance(1.75)
    assert.equal(0.25, group:timeout())
    group:update(5)
    assert.equal("a 2", said[1])
    group:run(7.5)
    assert.same(EXPECTED, said)
  end)

  it("are called in plain rounds", function()
    local a, b = client("a", 2), client("b", 3)
    repeat wsclose.update(1, a, b) until clock:now() >= 9
    wsclose.update(0, a, b)
    assert.same(EXPECTED, said)
  end)
end)

describe("wsclose.now", function()
  after_each(testing.reset)

  it("is a clock that does not go back", function()
    local first = wsclose.now()
    assert.is_true(first > 0 and wsclose.now() >= first)
    assert.is_true(wsclose.now() - first < 100)
  end)

  it("is the scripted one while there is a scripted server", function()
    local now = wsclose.now
    testing.server(URL)
    assert.equal(0, now())
    clock:advance(3)
    assert.equal(3, now())
    testing.reset()
    assert.is_true(now() > 3)
  end)
end)

-- In earnest: sockets, the core's loops and clock.  Broken ones are noticed after this long.
local LONG = 10

for _, way in ipairs { "epoll or kqueue", "poll" } do
  describe(("timers of a group over %s,"):format(way), function()
    local real, core = network.counted()
    local loop = core.loop
    function core.loop() return loop(way == "poll") end

    after_each(function()
      scripted.close_all()
      network.collect()
    end)

    -- Three that are open, wait for their next attempt, and have a clock of their own.
    local function clients()
      local server = scripted.new(function(c)
        c:upgrade()
        c:echo()
      end)
      local function no_port() return nil, "not now" end
      local retry = { initial = 1000, max = 1000, jitter = "none" }
      local opened = real.new(server:url())
      scripted.pump(opened, server, function() return opened:state() == "open" end)
      local waiting = real.new("ws://127.0.0.1:1/", { before_connect = no_port, retry = retry })
      local clocked = real.new("ws://127.0.0.1:1/", {
        before_connect = no_port, retry = { clock = core.now, decide = function() return 1000 end },
        clock = function() return core.now() / 2 end,
      })
      for _, ws in ipairs { waiting, clocked } do
        while ws:state() ~= "waiting" do ws:update() end
      end
      return { opened, waiting, clocked }
    end

    it("wake it", function()
      local all, count = clients(), 0
      local group = real.group(all)
      for _ = 1, 3 do group:update() end
      for _, ws in ipairs(all) do ws:after(0.01, function() count = count + 1 end) end
      assert.is_true(group:timeout() <= 0.02)
      local give_up_at = real.now() + LONG
      while count < 3 and real.now() < give_up_at do group:update(LONG) end
      assert.equal(3, count)
      assert.is_true(real.now() < give_up_at)
      group:update()
      for _, ws in ipairs(all) do
        assert.is_falsy(ws._timers)
        ws:leave()
      end
    end)

    it("wake it each time, and another of the same client too", function()
      local all, counts = clients(), { 0, 0, 0 }
      for i, ws in ipairs(all) do
        local timer
        ws:after(0.001, function()
          timer = ws:every(0.001, function()
            counts[i] = counts[i] + 1
            if counts[i] == 3 then timer:cancel() end
            if counts[1] + counts[2] + counts[3] == 9 then ws:after(0.001, error) end
          end)
        end)
      end
      assert.is_false((pcall(real.run, all, LONG)))
      assert.same({ 3, 3, 3 }, counts)
      for _, ws in ipairs(all) do ws:leave() end
    end)

    it("wake a plain round", function()
      for _, ws in ipairs(clients()) do
        local called
        ws:after(0.01, function() called = true end)
        local give_up_at = real.now() + LONG
        while not called and real.now() < give_up_at do real.update(LONG, ws, clients()[2]) end
        assert.is_true(called)
        assert.is_true(real.now() < give_up_at)
      end
    end)
  end)
end
