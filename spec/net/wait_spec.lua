-- The one wait of the library: what ends it, and what does not begin it.
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"
local wsclose = require "wsclose"

local core, monotonic = require "wsclose.core", testing.process.monotonic

-- Long enough to be noticed by who runs a broken wait.
local LONG = 10

local function handles(clients)
  local list = {}
  for i, r in ipairs(clients) do
    list[i] = r.ws._handle
  end
  return list
end

local function wait(list, seconds)
  local loop = core.loop()
  for i, handle in ipairs(list) do
    loop:add(handle, i)
  end
  local count = loop:wait(seconds)
  loop:free()
  return count
end

-- Open clients of one server, all of which have taken all there was; no ping of theirs is due,
-- however long opening them takes.
local function open(count, script, options)
  local server = scripted.new(script or function(c)
    c:upgrade()
    c:told "talk"
    c:send_text "hello"
    c:stall()
  end)
  local clients = {}
  for i = 1, count do
    clients[i] = recorder.new(server:url(), options or { keepalive = false }, server)
    clients[i]:wait_open()
    clients[i].ws:update()
  end
  return clients, server
end

local function talk(server, indices)
  for _, i in ipairs(indices) do
    server:tell("talk", i)
  end
  for _ = 1, 3 do
    server:step()
  end
end

describe("a wait", function()
  after_each(network.close_all)

  it("takes the time it is given, and no less", function()
    local list = handles(open(1))
    for _, seconds in ipairs { 0.002, 0.0005, 0.0201 } do
      local began = monotonic()
      assert.equal(0, wait(list, seconds))
      assert.is_true(monotonic() - began >= seconds)
    end
  end)

  it("of one client ends when it has work, bytes or a deadline, else with its time", function()
    local time, clock = network.new_clock()
    local clients, server = open(1, nil, { clock = clock, keepalive = { interval = 30 } })
    local handle, microseconds = clients[1].ws._handle, 1e6
    assert.is_false(testing.net.wait(handle, 0))
    local began = monotonic()
    assert.is_false(testing.net.wait(handle, 2000))
    assert.is_true(monotonic() - began >= 0.002)
    talk(server, { 1 })
    assert.is_true(testing.net.wait(handle, LONG * microseconds))
    clients[1].ws:update()
    assert.is_false(testing.net.wait(handle, 0))
    time.now = time.now + 31 -- a ping is due
    assert.is_true(testing.net.wait(handle, LONG * microseconds))
  end)

  it("without end ends when something has come", function()
    local clients, server = open(1)
    talk(server, { 1 })
    clients[1].ws:update(math.huge)
    assert.equal("hello", clients[1].messages[1].data)
  end)

  it("without clients does the same", function()
    local began = monotonic()
    core.sleep(0.002)
    assert.is_true(monotonic() - began >= 0.002)
  end)

  it("ends when something has come, and finds it at once when it was there", function()
    local clients, server = open(1)
    assert.equal(0, wait(handles(clients), 0))
    talk(server, { 1 })
    assert.equal(1, wait(handles(clients), LONG))
    assert.equal(1, wait(handles(clients), LONG)) -- it still is there
    clients[1].ws:update()
    assert.equal("hello", clients[1].messages[1].data)
    assert.equal(0, wait(handles(clients), 0))
  end)

  for _, count in ipairs { 3, 32, 33, 70 } do
    it(("looks at each of %d clients"):format(count), function()
      local clients, server = open(count)
      assert.equal(0, wait(handles(clients), 0))
      talk(server, { 1, count - 1, count })
      assert.equal(3, wait(handles(clients), LONG))
      for i, r in ipairs(clients) do
        r.ws:update()
        local expected = (i == 1 or i >= count - 1) and 1 or 0
        assert.equal(expected, #r.messages)
      end
      assert.equal(0, wait(handles(clients), 0))
    end)
  end

  it("looks at clients in all phases together", function()
    local time, clock = network.new_clock()
    local server = scripted.new(function(c)
      c:read_request()
      c:told "answer"
      c:upgrade()
      c:stall()
    end)
    local port, resolver = network.black_hole "127.0.0.1", network.resolver()
    network.black_hole("127.0.0.2", port)
    local function client(url, options)
      local r = recorder.new(url, options or { clock = clock }, server)
      resolver:attach(r.ws)
      r.ws:update()
      return r
    end
    local resolve = { ["two.example"] = { "127.0.0.1", "127.0.0.2" } }
    local clients = {
      client "ws://feed.example/",
      client(("ws://two.example:%d/"):format(port), { clock = clock, resolve = resolve }),
      client(server:url()),
    }
    time.now = time.now + 0.26
    for _, r in ipairs(clients) do
      r:wait(function()
        return r ~= clients[3] or server.connections[1] and server.connections[1].request
      end)
      r.ws:update()
    end
    assert.equal(0, wait(handles(clients), 0))
    server:tell "answer"
    server:step()
    assert.equal(1, wait(handles(clients), LONG))
    resolver:answer "EAI_NONAME"
    assert.equal(2, network.wait(function()
      local ready = wait(handles(clients), LONG)
      return ready == 2 and ready
    end, "the lookup's end"))
    assert.equal(0, #clients[1].closes)
    for _, r in ipairs(clients) do
      r.ws:update()
    end
    assert.equal("dns", clients[1].closes[1].info.error.phase)
    assert.equal("tcp", clients[2].ws:info().phase)
    assert.equal(1, #clients[3].opens)
  end)

  it("passes over a client that is closed, or paused", function()
    local clients, server = open(3)
    clients[1].ws:leave()
    clients[2].ws:pause()
    clients[3].ws:pause()
    talk(server, { 2 })
    server.connections[3]:reset()
    assert.equal(0, wait(handles(clients), 0.001))
    clients[2].ws:resume()
    assert.equal(1, wait(handles(clients), LONG))
    clients[3].ws:resume()
    assert.equal(2, wait(handles(clients), LONG))
  end)

end)

describe("run", function()
  after_each(network.close_all)

  it("wakes at a deadline", function()
    local ws = network.client(wsclose, "ws://feed.example/", { timeouts = { dns = 0.01 } })
    local code, _, info = ws:run(LONG)
    assert.equal(1006, code)
    assert.equal("timeout", info.error.name)
  end)

  it("wakes to try the next address", function()
    local port = network.black_hole "127.0.0.1"
    local ws = wsclose.new(("ws://feed.example:%d/"):format(port), {
      resolve = { ["feed.example"] = { "127.0.0.1", "127.0.0.2" } },
      timeouts = { connect = 0.3 },
    })
    local _, _, info = ws:run(LONG)
    assert.equal("timeout", info.error.name)
    assert.matches("refused by 127.0.0.2", info.error.message, 1, true)
  end)
end)

describe("where the clock goes back", function()
  after_each(network.close_all)

  it("a wait is no longer for it", function()
    local now = 1e6
    local ws = open(1, nil, { clock = function()
      now = now - 30
      return now
    end })[1].ws
    local began = monotonic()
    ws:update(0.002)
    assert.is_true(monotonic() - began < LONG)
  end)

  it("the next attempt counts its time from there", function()
    local time, clock = network.new_clock()
    local port = network.black_hole "127.0.0.1"
    local r = recorder.new(("ws://127.0.0.1:%d/"):format(port), { clock = clock })
    r.ws:update()
    time.now = 10
    r.ws:reconnect()
    assert.equal(0, r:wait_close().info.duration)
    for _, now in ipairs { 10, 19.9, 20.1 } do
      assert.is_nil(r.closes[2])
      time.now = now
      r.ws:update()
    end
    assert.equal("timeout", r.closes[2].info.error.name)
  end)
end)

describe("a signal", function()
  local TICKS = 50

  before_each(function()
    testing.process.count_signals "ALRM"
  end)
  after_each(function()
    testing.process.ignore_signals "ALRM"
    network.close_all()
  end)

  -- Were the wait begun anew, it would see all of them.
  local function assert_ended(ready)
    assert.equal(0, ready)
    local seen = testing.process.signals_seen()
    assert.is_true(seen >= 1 and seen < TICKS, ("%d signals"):format(seen))
  end

  it("ends a wait, so that its handler's wishes are looked at", function()
    local list = handles(open(1))
    testing.process.tick(0.02, TICKS)
    assert_ended(wait(list, 5))
  end)

  it("ends a wait without clients", function()
    testing.process.tick(0.02, TICKS)
    assert_ended(wait({}, 5))
  end)

  it("does no harm to a connection, however often it comes", function()
    testing.process.tick(0.0005, 1000000)
    local clients = open(1, function(c)
      c:upgrade()
      c:echo()
    end)
    local r, text = clients[1], ("x"):rep(100000)
    repeat
      r.ws:send(text)
      assert.is_true(r:wait_message().data == text)
    until testing.process.signals_seen() >= 20
    r.ws:close()
    assert.is_true(r:wait_close().info.clean)
  end)
end)

-- The names of the system calls of each round that a script marks.
local function rounds_of(script)
  local result = network.trace([[
    local recorder = require "support.recorder"
    local scripted = require "support.scripted_server"
    local null = assert(io.open("/dev/null", "w"))
    null:setvbuf "no"
    local function round(f)
      null:write "round>"
      f()
      null:write "<round"
    end
    local server = scripted.new(function(c)
      c:upgrade()
      for _ = 1, 9 do
        c:told "talk"
        c:send_text "hello"
      end
      c:stall()
    end)
    local function talk()
      server:tell "talk"
      server:step()
    end
  ]] .. script)
  assert.is_true(result.ok, result.output)
  local rounds = network.rounds(result.traces[1], "round>", "<round")
  for i, round in ipairs(rounds) do
    local names = ""
    for _, call in ipairs(round) do
      local waits = call.name == "recvfrom" and not call.arguments:match "MSG_DONTWAIT"
      names = names .. call.name .. (waits and ":waits " or " ")
    end
    rounds[i] = names
  end
  return rounds
end

describe("what a wait has found", function()
  it("is not asked for again: a message costs one wait and one read", function()
    local rounds = rounds_of [[
      local r = recorder.new(server:url(), nil, server)
      r:wait_open()
      for i = 1, 5 do
        r.ws:update()
        r.ws:update()
        talk()
        round(function() r.ws:update(60) end)
        assert(#r.messages == i)
      end
    ]]
    assert.same({
      "ppoll recvfrom ", "ppoll recvfrom ", "ppoll recvfrom ", "ppoll recvfrom ", "ppoll recvfrom ",
    }, rounds)
  end)
end)

describe("a wait for the answer to a message", function()
  local START = [[
    local wsclose = require "wsclose"
    local time = { now = 1000 }
    local ws = wsclose.new(server:url(), CLOCK)
    scripted.pump(ws, server, function() return ws:state() == "open" end)
    local function next_message()
      talk()
      round(function() assert(ws:receive() == "hello") end)
    end
    next_message()
  ]]
  local function start(options)
    return (START:gsub("CLOCK", options or "nil"))
  end

  it("is the read itself: two system calls are a round trip", function()
    local rounds = rounds_of(start() .. [[
      next_message()
      next_message()
    ]])
    assert.same({ "recvfrom:waits ", "recvfrom:waits " }, { rounds[2], rounds[3] })
  end)

  it("leaves update without time to wait: it looks and comes back", function()
    local rounds = rounds_of(start() .. [[
      next_message()
      next_message()
      round(function() ws:update() end)
      round(function() ws:update() end)
      talk()
      round(function() ws:update() end)
      assert(ws:receive(0) == "hello")
    ]])
    assert.same({ "recvfrom ", "ppoll ", "ppoll recvfrom " }, { rounds[4], rounds[5], rounds[6] })
  end)

  it("goes on as a poll when nothing came for a while", function()
    local rounds = rounds_of(start() .. [[
      next_message()
      round(function() assert(select(2, ws:receive(1)) == "timeout") end)
      next_message()
    ]])
    assert.matches("^recvfrom:waits ppoll ", (rounds[3]))
    assert.matches("^ppoll recvfrom ", (rounds[4]))
  end)

  it("does not outlast a deadline that is near", function()
    local rounds = rounds_of(start() .. [[
      next_message()
      round(function() assert(select(2, ws:receive(0.01)) == "timeout") end)
    ]])
    assert.matches("^ppoll ", (rounds[3]))
  end)

  it("tells of the end that came meanwhile", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:send_text "hello"
      c:told "end"
      c:reset()
    end)
    local r = recorder.new(server:url(), nil, server)
    r.ws.on_message = nil
    r:wait_open()
    scripted.pump(nil, server, function() return r.ws:receive(0) end)
    server:tell "end"
    server:step()
    local data, _, name, code = r.ws:receive()
    assert.same({ nil, "closed", 1006 }, { data, name, code })
    assert.equal("reset", r.ws.close_info.error.name)
  end)
end)
