-- After a fork the child has copies of everything, and the connections are its parent's.
local loopback = require "support.loopback"
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"
local wsclose = require "wsclose"

local fork = testing.process.fork

local function collect()
  collectgarbage()
  collectgarbage()
end

local function open()
  local server = scripted.new(function(c)
    c:upgrade()
    c:told "talk"
    c:send_text "hello"
    c:expect("text", "still here")
    c:echo()
  end)
  local r = recorder.new(server:url(), nil, server)
  r.fd = r.ws:pollfd()
  r:wait_open()
  r.ws:update()
  return r, server
end

-- The server has heard nothing, and both go on.
local function assert_goes_on(r, server)
  local bytes = server.connections[1].bytes_in
  for _ = 1, 3 do
    server:step()
  end
  assert.equal(bytes, server.connections[1].bytes_in)
  assert.is_nil(server.connections[1].ended)
  assert.is_false(network.is_readable(r.fd))
  server:tell "talk"
  server:step()
  assert.is_true(network.is_readable(r.fd))
  assert.equal("hello", r:wait_message().data)
  r.ws:update()
  assert.is_false(network.is_readable(r.fd))
  r.ws:send "still here"
  r.ws:close()
  local came = r:wait_close()
  assert.equal(1000, came.code)
  assert.is_true(came.info.clean)
end

describe("a connection of a process that forks goes on when the child", function()
  after_each(network.close_all)

  it("ends", function()
    local r, server = open()
    fork(function() end)
    assert_goes_on(r, server)
  end)

  it("collects the client", function()
    local r, server = open()
    fork(function()
      r.ws = nil
      collect()
    end)
    assert_goes_on(r, server)
  end)

  it("leaves the client", function()
    local r, server = open()
    fork(function()
      r.ws:leave()
      assert(r.closes[1])
    end)
    assert_goes_on(r, server)
  end)

  -- Lets the child's copy of the client connect to a server of the child's; number 0 is left to it.
  local function connect_anew(r, script, zero)
    local other, held = scripted.new(script), {}
    for i = 1, 100 do
      held[i] = io.open "/dev/null" -- the new socket takes the number of the old one
    end
    if zero then testing.net.close(0) end
    r.ws.url, r.server = other:url(), other
    r.ws._quiet = false
    r.ws._state, r.ws._due = "waiting", 0 -- reconnect would say goodbye to the parent's server
    r:wait_open(2)
    r.ws:update()
    for _, file in ipairs(held) do
      file:close()
    end
    return other
  end

  it("connects anew with it, over a poll descriptor of its own under the same number", function()
    local r, server = open()
    fork(function()
      local other = connect_anew(r, function(c)
        c:upgrade()
        c:told "talk"
        c:close_session(4000)
      end)
      assert(r.ws:pollfd() == r.fd)
      assert(network.flags(r.fd).close_on_exec)
      assert(not network.is_readable(r.fd))
      other:tell "talk"
      other:step()
      assert(network.is_readable(r.fd))
      assert(r:wait_close().code == 4000)
    end)
    assert_goes_on(r, server)
  end)

  it("connects anew over the same number though 0 is free, as a daemon's may be", function()
    local r, server = open()
    fork(function()
      connect_anew(r, function(c)
        c:upgrade()
        c:stall()
      end, true)
      assert(r.ws:pollfd() == r.fd)
    end)
    assert_goes_on(r, server)
  end)

  it("connects anew, and is not woken for its parent's connection", function()
    local r, server = open()
    fork(function()
      connect_anew(r, function(c)
        c:upgrade()
        c:stall()
      end)
      server.connections[1].socket:send "\129\2hi"
      assert(not network.is_readable(r.fd))
    end)
    assert.is_true(network.is_readable(r.fd))
    assert.equal("hi", r:wait_message().data)
    r.ws:update()
    assert_goes_on(r, server)
  end)

  it("connects anew, and leaves that connection with a farewell", function()
    local r, server = open()
    fork(function()
      local other = connect_anew(r, function(c)
        c:upgrade()
        c:expect_close(1001)
      end)
      r.ws:leave()
      network.wait(function()
        other:step()
        return other.connections[1].ended
      end, "the farewell")
      assert(other.connections[1].close.code == 1001)
    end)
    assert_goes_on(r, server)
  end)
end)

describe("a group whose process goes on as a forked child, as a daemon's does", function()
  after_each(network.close_all)

  it("has its connections there", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:told "talk"
      c:send_text "hello"
      c:stall()
    end)
    local r = recorder.new(server:url(), nil, server)
    r:wait_open()
    local group = wsclose.group { r.ws }
    for _ = 1, 3 do group:update() end
    local heard = fork(function()
      server:tell "talk"
      server:step()
      loopback.settle()
      group:update() -- it is watched: no deadline has to help
      return r.messages[1] and r.messages[1].data
    end)
    assert.equal("hello", heard)
    r.ws:leave()
  end)
end)

describe("a client that waits for its next attempt when the process forks", function()
  after_each(network.close_all)

  it("makes it in both processes, each with its own", function()
    local server = scripted.new {
      function(c)
        c:upgrade()
        c:close_session(1012)
      end,
      function(c)
        c:upgrade()
        c:told "talk"
        c:send_text "hello"
        c:expect("text", "still here")
        c:echo()
      end,
    }
    local r = recorder.new(server:url(), { retry = true }, server)
    r.fd = r.ws:pollfd()
    r:wait_close()
    fork(function()
      r.ws.url, r.server = scripted.new(function(c)
        c:upgrade()
        c:stall()
      end):url(), nil
      r.ws:kick()
      r.ws:update()
      assert(r.ws:pollfd() == r.fd and r.ws:info().phase == "handshake")
    end)
    r.ws:kick()
    r:wait_open(2)
    r.ws:update()
    assert.is_false(network.is_readable(r.fd))
    server:tell("talk", 2)
    server:step()
    assert.is_true(network.is_readable(r.fd))
    assert.equal("hello", r:wait_message().data)
  end)
end)

describe("a lookup of a process that forks", function()
  after_each(network.close_all)

  it("goes on when the child lets go of it, and the child's ends in time", function()
    local time, clock = network.new_clock()
    local port = scripted.refused_port()
    local url = ("ws://feed.example:%d/"):format(port)
    local ws, resolver = network.client(wsclose, url, { clock = clock })
    local fd = ws:pollfd()
    ws:update()
    resolver:question()

    fork(function()
      local before = network.descriptors()
      time.now = time.now + 5.01
      assert(not ws:update() and ws.close_info.error.phase == "dns")
      assert(#network.added(before, network.descriptors()) == 0)
    end)
    fork(function()
      ws:close()
      assert(not ws:update())
    end)
    fork(function()
      ws = nil
      collect()
    end)

    assert.is_false(network.is_readable(fd))
    resolver:answer "127.0.0.1"
    network.wait_for_threads()
    assert.is_true(network.is_readable(fd))
    ws:update()
    assert.equal("refused", ws.close_info.error.name)
  end)

  it("that queues is left alone by a child that lets go of it", function()
    local counted, lookups = network.counted(), testing.net.lookups
    lookups.tune(1)
    local resolver, clients = network.resolver(), {}
    for i = 1, 2 do
      clients[i] = resolver:attach(counted.new(("ws://feed%d.example/"):format(i)))
      clients[i]:update()
    end
    resolver:question()
    fork(function()
      local blocks = lookups.live_blocks()
      for i = 1, 2 do
        clients[i]:close()
        assert(not clients[i]:update())
      end
      assert(lookups.live_blocks() == blocks)
    end)
    resolver:answer "EAI_NONAME"
    assert.equal("feed2.example", resolver:question().host)
    for i = 1, 2 do clients[i]:leave() end
  end)

  it("can be made by the child", function()
    local text = fork(function()
      local ws, resolver = network.client(wsclose, "ws://feed.example/")
      ws:update()
      local host = resolver:question().host
      ws:close()
      ws:update()
      resolver:close()
      return host
    end)
    assert.equal("feed.example", text)
  end)

  it("can be waited for by a second client at number 0, where that is free", function()
    fork(function()
      local ws, resolver = network.client(wsclose, "ws://feed.example/")
      ws:update()
      resolver:question()
      local other = resolver:attach(wsclose.new "ws://feed.example/")
      testing.net.close(0)
      assert(not io.open "/nowhere/at all") -- a fault of before is not the lookup's
      assert(other:update())
      for _, each in ipairs { ws, other } do each:leave() end
      resolver:close()
    end)
  end)

  it("can be made by the child while all threads of its parent are taken", function()
    local resolver, clients = network.resolver(), {}
    for i = 1, 10 do
      clients[i] = resolver:attach(wsclose.new(("ws://feed%d.example/"):format(i)))
      clients[i]:update()
    end
    for _ = 1, 8 do
      resolver:question()
    end
    fork(function()
      local ws, other = network.client(wsclose, "ws://feed.example/")
      ws:update()
      assert(other:question().host == "feed.example")
      other:answer "EAI_NONAME"
      network.wait_for_threads()
      assert(not ws:update() and ws.close_info.error.name == "dns")
      -- the same question as its parent's, which the child's thread asks again
      local same = resolver:attach(wsclose.new "ws://feed1.example/")
      same:update()
      assert(resolver:question().host == "feed1.example")
      resolver:answer "EAI_NONAME"
      for i = 10, 1, -1 do
        clients[i]:close()
        assert(not clients[i]:update())
      end
    end)
    assert.equal(9, network.threads())
  end)
end)
