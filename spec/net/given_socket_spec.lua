-- The option socket: a connected descriptor in the place of name, TCP and proxy.  Whose it is, what
-- stands on it, and what a further attempt stands on.

local certificates = require "support.certificates"
local core = require "wsclose.core"
local network = require "support.network"
local peers = require "support.peers"
local process = require "support.process"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
local socket = require "socket"
local testing = require "wsclose.core_testing"
local wsclose = require "wsclose"

local net = testing.net
local URL = "ws://feed.example/v1"

local made, plain, secure

setup(function()
  made = certificates.shared()
  plain = peers.start "websockets"
  secure = process.start {
    "/usr/bin/python3", "spec/support/peers/websockets_server.py", "--tls", made.good.cert,
    made.good.key,
  }
end)
teardown(process.stop_all)

-- The server's side over a descriptor: an echo that answers a Close; played by the spec.
local function echo(fd)
  local p, told = assert(wsclose.protocol(nil, { role = "server" })), {}
  local ended = false
  local function play()
    local bytes = ended and "" or core.read(fd, 0)
    ended = ended or bytes == nil
    if bytes then p:input(bytes) end
    for event, a, b in p.next, p do
      told[#told + 1] = { event, a, b }
      if event == "message" then p:send(a, b) end
    end
    local output = p:output()
    if output ~= "" then net.write(fd, output) end
  end
  return play, told, function() return ended end
end

local function is_open(fd)
  return network.descriptors()[tostring(fd)] ~= nil
end

-- A TCP connection that luasocket has made and lets go of.
local function dialled(port)
  local made_by = assert(socket.connect("127.0.0.1", port))
  local fd = made_by:getfd()
  made_by:setfd(-1)
  return fd
end

-- A child that leads to a server, as `ssh -W host:port` would: one end of a pair.
local function forwarded(port)
  local ours, theirs = net.pair()
  testing.process.spawn(theirs, "socat", "-", "TCP:127.0.0.1:" .. port)
  return ours
end

local function assert_echo(r)
  r:wait_open()
  assert.is_true(r.ws:send "through")
  assert.equal("through", r:wait_message().data)
  r.ws:close(4000, "done")
  local came = r:wait_close()
  assert.equal(4000, came.code)
  assert.is_true(came.info.clean)
end

describe("a socket that is given", function()
  after_each(network.close_all)

  it("is all there is to the way: no name, no proxy, no bind", function()
    local fd, other = net.pair()
    local play, told, has_ended = echo(other)
    local ws, resolver = network.client(wsclose, URL, {
      socket = fd, proxy = "http://127.0.0.1:1", bind = "192.0.2.1", retry = true,
    })
    local got
    ws.on_open = function() ws:send "hello" end
    ws.on_message = function(_, data)
      got = data
      ws:close(1000, "done")
    end
    while ws:update() do play() end
    play()
    assert.same({ "hello", 1000, true }, { got, ws.close_code, ws.close_info.clean })
    assert.is_nil(resolver.core:asked())
    assert.equal(1, network.threads())
    assert.equal("close", told[#told][1])
    assert.is_true(has_ended())
    assert.is_false(is_open(fd))
    net.close(other)
  end)

  it("without a name has no address; one of TCP has the peer's", function()
    local fd, other = net.pair()
    local play = echo(other)
    local ws = assert(wsclose.new(URL, { socket = fd }))
    while ws:state() ~= "open" do
      ws:update()
      play()
    end
    assert.is_nil(ws:info().address)
    ws:leave()
    net.close(other)
    local r = recorder.new(URL, { socket = dialled(plain.port) })
    local info = r:wait_open()
    assert.same({ "127.0.0.1", plain.port, 4 }, { info.address, info.port, info.family })
    assert_echo(r)
  end)

  it("may lead to a server through a child, as ssh -W does", function()
    assert_echo(recorder.new(URL, { socket = forwarded(plain.port) }))
  end)

  it("has TLS on top for wss, for the URL's host, whatever the header Host says", function()
    local tls = { ca_file = made.ca }
    local r = recorder.new("wss://feed.example/", {
      socket = forwarded(secure.port), tls = tls, headers = { Host = "other.example" },
    })
    assert.equal("TLSv1.3", r:wait_open().tls.version)
    assert_echo(r)
    r = recorder.new("wss://other.example/", {
      socket = forwarded(secure.port), tls = tls, headers = { Host = "feed.example" },
    })
    local came = r:wait_close()
    assert.equal(1015, came.code)
    assert.matches("host name mismatch: asked for other.example", came.info.error.message)
  end)

  it("is not inherited by programs that are started", function()
    local fd, other = net.pair()
    local ws = assert(wsclose.new(URL, { socket = fd }))
    assert.is_false(network.flags(fd).close_on_exec)
    ws:update()
    assert.is_true(network.flags(fd).close_on_exec)
    ws:leave()
    net.close(other)
  end)

  it("that nobody holds the other end of is told", function()
    local fd, other = net.pair()
    net.close(other)
    local fault = recorder.new(URL, { socket = fd }):wait_close().info.error
    assert.same({ "reset", "handshake", "connection reset by the other end" },
      { fault.name, fault.phase, fault.message })
    assert.is_false(is_open(fd))
  end)

  it("that is not connected is told", function()
    local stream = assert(socket.tcp4())
    assert(stream:bind("127.0.0.1", 0))
    local fd = net.dup(stream:getfd())
    local fault = recorder.new(URL, { socket = fd }):wait_close().info.error
    assert.same({ "reset", "tcp", "the socket that was given is not, or no longer, connected" },
      { fault.name, fault.phase, fault.message })
    assert.is_false(is_open(fd))
    stream:close()
  end)
end)

describe("a wrong socket", function()
  for _, case in ipairs {
    { "x", "expected the descriptor of a socket, got string" },
    { -1, "expected the descriptor of a socket, got -1" },
    { 1.5, "expected the descriptor of a socket, got 1.5" },
    { true, "expected the descriptor of a socket, got true" },
    { 2 ^ 31, "expected the descriptor of a socket, got " },
    { 1000000, "the descriptor 1000000 is none of a stream socket" },
    { 0, "the descriptor 0 is none of a stream socket" },
  } do
    it(("raises: %s"):format(tostring(case[1])), function()
      for _, call in ipairs { wsclose.new, wsclose.connect } do
        local ok, sentence = pcall(call, URL, { socket = case[1] })
        assert.is_false(ok)
        assert.matches("option 'socket': " .. case[2], sentence, 1, true)
      end
      local ws = assert(wsclose.new(URL, {
        before_connect = function() return { socket = case[1] } end,
      }))
      local ok, sentence = pcall(ws.update, ws)
      assert.is_false(ok)
      assert.matches("option 'socket': " .. case[2], sentence, 1, true)
    end)
  end

  it("raises: one of datagrams", function()
    local udp = socket.udp4 and socket.udp4() or socket.udp()
    assert(udp:setpeername("127.0.0.1", 9))
    local fd = udp:getfd()
    assert.has_error(function() wsclose.new(URL, { socket = fd }) end,
      ("option 'socket': the descriptor %d is none of a stream socket"):format(fd))
    udp:close()
  end)
end)

describe("the descriptor", function()
  it("is looked at each time, though the options are those of the client before", function()
    local fd, other = net.pair()
    local given = { socket = fd }
    assert(wsclose.new(URL, given))
    net.close(fd)
    net.close(other)
    assert.has_error(function() wsclose.new(URL, given) end,
      ("option 'socket': the descriptor %d is none of a stream socket"):format(fd))
  end)

  it("is the program's where no client was made, or none began", function()
    local fd, other = net.pair()
    assert.is_nil((wsclose.new("http://feed.example/", { socket = fd })))
    assert.is_false((pcall(wsclose.new, URL, { socket = fd, redirects = -1 })))
    local ws = assert(wsclose.new(URL, { socket = fd }))
    ws:close()
    ws = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_true(is_open(fd))
    net.close(fd)
    net.close(other)
  end)

  it("is closed where the attempt cannot begin", function()
    for _, url in ipairs { "ws://feed.example/\0", "ws://", "http://feed.example/" } do
      local fd, other = net.pair()
      local r = recorder.new(URL, {
        before_connect = function() return { url = url, socket = fd } end,
      })
      assert.equal("url", r:wait_close().info.error.name)
      assert.is_false(is_open(fd))
      net.close(other)
    end
  end)

  it("is closed when the program gives up, and when its client is collected", function()
    for _, give_up in ipairs {
      function(ws) ws:close() ws:update() end,
      function(ws) ws:leave() end,
      function() end,
    } do
      local fd, other = net.pair()
      local ws = assert(wsclose.new(URL, { socket = fd }))
      ws:update()
      give_up(ws)
      ws = nil -- luacheck: ignore
      assert.is_false(is_open(fd)) -- collects
      net.close(other)
    end
  end)

  it("is closed where there is no memory for the attempt", function()
    local counted = network.counted()
    local memory, n, through = testing.memory, 0, false
    while not through do
      n = n + 1
      local fd, other = net.pair()
      local ws = assert(counted.new(URL, { socket = fd }))
      memory.fail_at(n)
      pcall(ws.update, ws)
      through = memory.attempts() < n
      memory.fail_at()
      ws:leave()
      ws = nil -- luacheck: ignore
      assert.is_false(is_open(fd))
      net.close(other)
    end
    assert.is_true(n > 5)
  end)
end)

describe("a further attempt", function()
  after_each(network.close_all)

  local quick = { initial = 0.001, first = false, floor = 0, codes = { [1000] = true } }

  local USED_UP = "the socket that was given is used up; give another in before_connect"

  it("is not made on its own", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:close_session(1001)
    end)
    local r = recorder.new(URL, { socket = dialled(server.port), retry = quick }, server)
    local info = r:wait_close().info
    assert.is_nil(info.retry_in)
    assert.equal("1001 GOING_AWAY is not retried: " .. USED_UP, info.retry_refused)
    assert.is_false(r.ws:update())
  end)

  it("that the program asks for fails, where it gives no other", function()
    local r = recorder.new(URL, { socket = dialled(plain.port), retry = quick })
    r:wait_open()
    r.ws:close()
    r:wait_close()
    r.ws:reconnect()
    local info = r:wait_close(2).info
    assert.same({ "state", USED_UP }, { info.error.name, info.error.message })
    assert.is_nil(info.retry_in)
  end)

  it("stands on what before_connect gives", function()
    local codes = { 1001, 4400 }
    local server = scripted.new(function(c)
      c:upgrade()
      c:close_session(codes[c.index])
    end)
    local asked = 0
    local r = recorder.new(URL, {
      retry = { initial = 0.001, first = false, floor = 0, codes = { [4400] = false } },
      before_connect = function()
        asked = asked + 1
        return { socket = dialled(server.port) }
      end,
    }, server)
    assert.equal(1001, r:wait_close().code)
    assert.equal(4400, r:wait_close(2).code)
    assert.equal(2, asked)
  end)

  it("does not dial the URL where before_connect gives none", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:close_session(1001)
    end)
    local r = recorder.new(("ws://127.0.0.1:%d/"):format(server.port), {
      socket = dialled(server.port), retry = quick, before_connect = function() end,
    }, server)
    assert.equal(1001, r:wait_close().code)
    local info = r:wait_close(2).info
    assert.same({ "state", USED_UP }, { info.error.name, info.error.message })
    assert.equal(1, #server.connections)
  end)

  it("is not made by a redirect", function()
    local server = scripted.new(function(c)
      c:read_request()
      c:refuse(302, { Location = "/other?key=1" })
    end)
    local r = recorder.new(URL, { socket = dialled(server.port), redirects = 2 }, server)
    local fault = r:wait_close().info.error
    assert.same({ "redirect", "the redirect leads to ws://feed.example/other?key=..., and the "
      .. "socket that was given to one server only" }, { fault.name, fault.message })
  end)

  it("over no socket at all says so: in the scripted world", function()
    local world = require "wsclose.testing"
    local fd, other = net.pair()
    world.server(URL):accept()
    local ws = assert(wsclose.new(URL, { socket = fd }))
    ws:update()
    assert.equal("no socket is used here, so none can be given: without the option socket the host "
      .. "connects to the URL", ws.close_info.error.message)
    world.reset()
    net.close(fd)
    net.close(other)
  end)
end)

describe("a socket for which there is no memory", function()
  local counted = network.counted()

  after_each(function() testing.memory.fail_at() end)

  it("is the end of the attempt, and no other is connected to", function()
    local ended = 0
    for n = 1, 20 do
      local before = network.descriptors()
      local near, far = testing.net.pair()
      local ws = assert(counted.new(URL, {
        socket = near, resolve = { ["feed.example"] = "127.0.0.1" },
      }))
      testing.memory.fail_at(n)
      local goes_on = ws:update()
      testing.memory.fail_at()
      if not goes_on then
        ended = ended + 1
        assert.equal("memory", ws.close_info.error.name)
      end
      ws:leave()
      testing.net.close(far)
      assert.same({}, network.added(before, network.descriptors()))
    end
    assert.is_true(ended > 0)
  end)
end)
