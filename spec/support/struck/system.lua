-- System calls that fail at chosen moments of a client's life, over every route: what is told of
-- it, or that nobody notices.

local faults = require "faults" -- before OpenSSL has allocated anything
local certificates = require "support.certificates"
local counted = require "support.counted"
local network = require "support.network"
local peers = require "support.peers"
local process = require "support.process"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

local wsclose = counted() -- memory may fail beside the system
local memory = testing.memory

local made, server

setup(function()
  made = certificates.shared()
  server = peers.everything(made, made.ca)
end)
teardown(process.stop_all)
after_each(function()
  faults.disarm()
  memory.fail_at()
  network.close_all()
  scripted.close_all()
end)

local routes = {
  ws = { url = "ws://127.0.0.1:%d" },
  name = { url = "ws://localhost:%d" },
  ["name of IPv4"] = { url = "ws://localhost:%d", family = 4 },
  wss = { url = "wss://feed.example:%d" },
  ["http proxy"] = { url = "ws://feed.example", proxy = "http://127.0.0.1:%d" },
  ["https proxy"] = { url = "wss://feed.example", proxy = "https://localhost:%d" },
}

-- Whoever waits so long in one call waits in the read itself.
local WAITS = 0.3

-- A client that sends a message, takes its echo and closes; `struck` is called with what has begun:
-- "start", "open", "sent", "message".
local function client(route, struck, tls)
  local told, way = { ends = {} }, routes[route]
  local ws = assert(wsclose.new(way.url:format(server.port) .. "/echo", {
    tls = tls or { ca_file = made.ca }, family = way.family,
    proxy = way.proxy and way.proxy:format(server.port) or false,
    resolve = not route:find "name" and { ["feed.example"] = "127.0.0.1", localhost = "127.0.0.1" }
      or nil,
    on_open = function(ws)
      struck "open"
      ws:send(("x"):rep(1000), "text", { compress = false })
      struck "sent"
    end,
    on_message = function(ws, data)
      told.echo = #data
      struck "message"
      ws:close()
    end,
    on_close = function(_, code, _, info)
      told.code = code
      table.insert(told.ends, info)
    end,
  }))
  struck "start"
  return ws, told
end

-- `round` is called between two updates, with their number.
local function run(ws, seconds, round)
  local rounds = 0
  network.wait(function()
    rounds = rounds + 1
    if round then round(rounds) end
    return not ws:update(seconds or 0.01)
  end, "the end")
end

-- Strikes at a moment.
local function at(moment, ...)
  local arguments = { n = select("#", ...), ... }
  return function(now)
    local unpack = rawget(_G, "unpack") or table.unpack -- luacheck: ignore 143
    if now == moment then faults.arm(unpack(arguments, 1, arguments.n)) end
  end
end

local function assert_unharmed(told)
  assert.equal(1, #told.ends)
  assert.is_nil(told.ends[1].error and told.ends[1].error.message)
  assert.equal(1000, told.echo)
  assert.equal(1000, told.code)
end

local function fault_of(told)
  assert.equal(1, #told.ends)
  local fault = told.ends[1].error
  return ("%s %s: %s"):format(fault.name, fault.phase, fault.message)
end

describe("nobody notices that", function()
  for _, case in ipairs {
    { "connect is interrupted", "ws", "start", "connect", 1, "EINTR" },
    { "the own address cannot be had", "ws", "start", "getsockname", 1, "ENOBUFS", true },
    { "the read cannot be told to wait", "ws", "start", "setsockopt", 1, "ENOMEM", true, WAITS },
    { "the mode cannot be changed", "ws", "start", "fcntl", 1, "EINVAL", true, WAITS },
    { "a read that waits is interrupted", "ws", "open", "recv", 1, "EINTR", false, WAITS },
    { "a read over TLS is interrupted", "wss", "open", "recv", 1, "EINTR", false, WAITS },
    { "nothing is told of what has left", "ws", "open", "ioctl", 1, "EINVAL", true },
    { "the same of a proxy", "http proxy", "open", "ioctl", 1, "EINVAL", true, WAITS },
    { "a look is interrupted", "ws", "start", "ppoll", 1, "EINTR" },
    { "a look is interrupted later", "ws", "open", "ppoll", 1, "EINTR" },
    { "a wait fails", "ws", "open", "ppoll", 1, "ENOMEM" },
    { "a thread's sign is interrupted", "name", "start", "write", 1, "EINTR" },
    { "a name has no such address at first", "name", "start", "getaddrinfo", 1, "EAI_NODATA" },
    { "a name has no such family at first", "name", "start", "getaddrinfo", 1, "EAI_ADDRFAMILY" },
    { "a name is unknown at first", "name", "start", "getaddrinfo", 1, "EAI_NONAME" },
    { "a thread's stack is too small", "name", "start", "pthread_create", 1, "EINVAL" },
    { "the proxy takes no bytes yet", "http proxy", "start", "send", 1, "EAGAIN" },
    { "no bytes are taken yet: the client's hello", "wss", "start", "send", 1, "EAGAIN" },
    { "no bytes are taken yet: the client's Finished", "wss", "start", "send", 2, "EAGAIN" },
    { "no bytes are taken yet: the request", "wss", "start", "send", 3, "EAGAIN" },
    { "no bytes are taken yet: a message over TLS", "wss", "open", "send", 1, "EAGAIN" },
    { "half a message over TLS is taken", "wss", "open", "send", 1, "short" },
    { "no bytes are taken yet: TLS over TLS", "https proxy", "open", "send", 1, "EAGAIN" },
  } do
    it(case[1] .. ": " .. case[2], function()
      local ws, told = client(case[2], at(case[3], case[4], case[5], faults[case[6]], case[7]))
      run(ws, case[8])
      assert.is_true(faults.strikes() > 0)
      assert_unharmed(told)
    end)
  end

  it("one byte at a time is sent, over TLS over TLS", function()
    local ws, told = client("https proxy", at("open", "send", 1, faults.byte, true))
    run(ws)
    assert_unharmed(told)
  end)

  for n = 1, 3 do
    it("what is read before it is left is read by an interrupted call: " .. n, function()
      local ws, told = client("ws", at("message", "recv", n, faults.EINTR))
      ws.on_message = function()
        faults.arm("recv", n, faults.EINTR)
        ws:leave()
      end
      run(ws)
      assert.equal(1001, told.ends[1].sent.code)
    end)
  end

  it("connecting to a unix socket is interrupted", function()
    local path = network.unix_path()
    local unix = network.unix_server(path, function(c)
      c:upgrade()
      c:stall()
    end)
    local ws = assert(wsclose.new("ws+unix://" .. path .. ":/"))
    faults.arm("connect", 1, faults.EINTR)
    ws:update()
    faults.disarm()
    assert.equal(1, faults.strikes())
    scripted.pump(ws, unix, function() return ws:state() == "open" end)
  end)
end)

describe("it is told that", function()
  for _, case in ipairs {
    {
      "ws", "start", "connect", 1, "ENOBUFS", false,
      "memory tcp: no memory to connect to 127.0.0.1 port %d",
    },
    {
      "name", "start", "eventfd", 1, "EMFILE", false,
      "dns dns: cannot look up localhost: no descriptor (Too many open files)",
    },
    {
      "name", "start", "pthread_attr_init", 1, "ENOMEM", false,
      "dns dns: cannot look up localhost: no thread (Cannot allocate memory)",
    },
    {
      "name", "start", "getaddrinfo", 1, "EAI_NODATA", true,
      "dns dns: no address for localhost: No address associated with hostname",
    },
    {
      "name of IPv4", "start", "getaddrinfo", 1, "EAI_NONAME", false, -- and not asked again
      "dns dns: no address for localhost: Name or service not known",
    },
    {
      "name", "start", "getaddrinfo", 1, "EAI_SYSTEM", true,
      "dns dns: no address for localhost: Input/output error",
    },
    {
      "wss", "open", "recv", 1, "ECONNRESET", true,
      "reset open: connection reset by 127.0.0.1 port %d",
    },
    {
      "wss", "start", "recv", 1, "ECONNRESET", true,
      "tls tls: the connection broke during the TLS handshake: "
        .. "connection reset by 127.0.0.1 port %d",
    },
    {
      "wss", "start", "recv", 1, "ended", true,
      "tls tls: the peer closed the connection during the TLS handshake",
    },
    {
      "wss", "open", "recv", 1, "ended", true,
      "eof open: the connection ended without TLS close_notify",
    },
    {
      "wss", "start", "send", 1, "EPIPE", true,
      "tls tls: the connection broke during the TLS handshake: "
        .. "connection reset by 127.0.0.1 port %d",
    },
    {
      "http proxy", "start", "send", 1, "EPIPE", true,
      "reset proxy: the connection to the proxy broke: connection reset by 127.0.0.1 port %d",
    },
    {
      "http proxy", "start", "recv", 1, "ended", true,
      "proxy proxy: the HTTP proxy closed the connection without an answer for feed.example:80",
    },
  } do
    local sentence = case[7]
    it(sentence, function()
      local ws, told = client(case[1], at(case[2], case[3], case[4], faults[case[5]], case[6]))
      run(ws)
      assert.is_true(faults.strikes() > 0)
      assert.equal(sentence:format(server.port), fault_of(told))
    end)
  end
end)

-- Two faults, one after the other.
describe("bytes that wait, and then", function()
  for _, route in ipairs { "wss", "https proxy" } do
    for _, what in ipairs { "reads", "pauses" } do
      it(("cannot leave, are told of: %s, whoever %s meanwhile"):format(route, what), function()
        local ws, told = client(route, at("open", "send", 1, faults.EAGAIN, true))
        local opened
        run(ws, nil, function(round)
          if ws:state() == "open" then opened = opened or round end
          if not opened then return end
          if round == opened + 1 and what == "pauses" then ws:pause() end
          if round == opened + 3 then faults.arm("send", 1, faults.EPIPE, true) end
          if round == opened + 6 and what == "pauses" then ws:resume() end
        end)
        assert.equal(("reset open: connection reset by 127.0.0.1 port %d"):format(server.port),
          fault_of(told))
      end)
    end
  end

  -- 72 KiB of certificates, more than TLS holds back for a network that takes nothing.
  local function with_long_chain()
    local chain = certificates.read(made.client_chained.cert)
    local above = chain:match "%-END CERTIFICATE%-+\n(.*)$"
    return { ca_file = made.ca, cert = chain .. above:rep(160), key = made.client_chained.key }
  end

  it("leave with room again, though they are more than is held", function()
    local ws, told = client("wss", at("start", "send", 2, faults.EAGAIN, true), with_long_chain())
    run(ws, nil, function()
      if faults.strikes() > 5 then faults.disarm() end
    end)
    assert_unharmed(told)
  end)

  for _, route in ipairs { "ws", "wss" } do
    it("cannot leave when the program does, were not sent: " .. route, function()
      local ws, told = client(route, function() end)
      ws.on_message = function()
        faults.arm("send", 1, faults.EAGAIN, true)
        ws:leave()
      end
      run(ws)
      assert.is_true(faults.strikes() > 0)
      assert.is_nil(told.ends[1].sent)
    end)
  end

  it("are a single one, are waited for with on_drain", function()
    local peer = scripted.new(function(c)
      c:upgrade()
      c:stall()
    end)
    local drains = 0
    local ws = assert(wsclose.new(peer:url(), { on_drain = function() drains = drains + 1 end }))
    scripted.pump(ws, peer, function() return ws:state() == "open" end)
    faults.arm("send", 1, faults.short, true)
    ws:send "" -- six bytes, of which leave three, one and one
    while faults.strikes() < 3 do ws:update() end
    faults.arm("send", 1, faults.EAGAIN, true)
    assert.equal(1, ws:buffered())
    faults.disarm()
    network.wait(function()
      ws:update()
      return drains == 1
    end, "on_drain")
  end)

  it("cannot leave in many writes, are told of once", function()
    local ws, told = client("wss", at("start", "send", 2, faults.EPIPE, true), with_long_chain())
    run(ws)
    assert.equal(("tls tls: the connection broke during the TLS handshake: "
      .. "connection reset by 127.0.0.1 port %d"):format(server.port), fault_of(told))
    assert.equal(1, faults.strikes())
  end)

  it("cannot wait for lack of memory, are told of", function()
    local ws, told = client("wss", function(now)
      if now == "sent" then
        faults.arm("send", 1, faults.EAGAIN, true)
        memory.fail_at(1)
      end
    end)
    run(ws)
    assert.equal("memory open: no memory", fault_of(told))
  end)

  it("cannot leave when the peer has said Close and ended its side: its code is told", function()
    local peer = scripted.new {
      receive_buffer = 4096,
      function(c)
        c:upgrade()
        c.reading = false
        c:told "close"
        c:send_close(1001, "away")
        c:half_close()
        c:stall()
      end,
    }
    local ends = {}
    local _, clock = network.new_clock() -- no time is up
    local ws = assert(wsclose.new(peer:url(), {
      clock = clock,
      on_close = function(_, code, _, info) ends[#ends + 1] = { code, info } end,
    }))
    scripted.pump(ws, peer, function() return ws:state() == "open" end)
    ws:send(("x"):rep(8 * 1024 * 1024), "binary", { compress = false })
    ws:update()
    peer:tell "close"
    scripted.pump(ws, peer, function() return ws:state() == "closing" end)
    for _ = 1, 3 do ws:update() end
    assert.equal(0, #ends)
    faults.arm("send", 1, faults.EPIPE, true)
    network.wait(function() return not ws:update() end, "the end")
    assert.equal(1, #ends)
    assert.equal(1001, ends[1][1])
    assert.is_false(ends[1][2].clean)
    assert.equal(1, faults.strikes())
  end)
end)

describe("a socket of the program's, which waits,", function()
  it("is not read where it cannot be told for how long", function()
    local near, far = testing.net.pair()
    local ws = assert(wsclose.new("ws://feed.example/", { socket = near }))
    faults.arm("setsockopt", 1, faults.ENOMEM, true)
    assert.is_true(ws:update(WAITS))
    assert.is_true(ws:update(WAITS))
    assert.is_true(faults.strikes() > 0)
    assert.equal("connecting", ws:state())
    ws:close()
    ws:update()
    testing.net.close(far)
  end)
end)

describe("a proxy over TLS", function()
  it("that ends without close_notify has given no answer", function()
    local wanted = "proxy proxy: the HTTP proxy closed the connection without an answer "
      .. "for feed.example:443"
    local told_of
    for try = 0, 199 do -- how many reads the handshake takes is up to the network
      local ws, told = client("https proxy", at("start", "recv", try % 20 + 1, faults.ended, true))
      run(ws)
      told_of = told.ends[1].error and fault_of(told)
      if told_of == wanted then break end
    end
    assert.equal(wanted, told_of)
  end)
end)

describe("an attempt whose fate cannot be asked for", function()
  it("has failed", function()
    local port = network.black_hole "127.0.0.1"
    local before = network.descriptors()
    local ws = assert(wsclose.new(("ws://127.0.0.1:%d/"):format(port)))
    ws:update()
    local fd = network.sockets_since(before)[1]
    testing.net.break_off(fd)
    faults.arm("getsockopt", 1, faults.ENOBUFS)
    assert.is_false((ws:update()))
    faults.disarm()
    assert.equal(("no memory to connect to 127.0.0.1 port %d"):format(port),
      ws.close_info.error.message)
  end)
end)

describe("a name that has more addresses than are kept", function()
  it("is tried at 32 of them", function()
    local ws = assert(wsclose.new(("ws://localhost:%d/"):format(scripted.refused_port()), {
      family = 4,
    }))
    faults.arm("getaddrinfo", 1, faults.many)
    run(ws)
    assert.equal("refused", ws.close_info.error.name)
    assert.equal(32, faults.seen().connect)
  end)
end)

describe("an address that is not connected to at once", function()
  it("is the only one of the host that is tried, once it is", function()
    local peer = scripted.new(function(c)
      c:upgrade()
      c:stall()
    end)
    local ws = assert(wsclose.new(("ws://feed.example:%d/"):format(peer.port), {
      resolve = { ["feed.example"] = { "127.0.0.1", "127.0.0.2" } },
    }))
    faults.arm("getpeername", 1, faults.ENOTCONN)
    ws:update()
    assert.equal(1, faults.strikes())
    scripted.pump(ws, peer, function() return ws:state() ~= "connecting" end)
    assert.equal("open", ws:state())
  end)
end)

describe("a look at a descriptor", function()
  it("that is interrupted has not found nothing: it is made anew", function()
    local near, far = testing.net.pair()
    testing.net.write(far, "x")
    faults.arm("ppoll", 1, faults.EINTR)
    local found = testing.net.watch.look(near, "r")
    faults.disarm()
    assert.equal("r", found)
    testing.net.close(near)
    testing.net.close(far)
  end)
end)

describe("a descriptor that is read", function()
  local core = require "wsclose.core"
  for fault, expected in pairs { EINTR = "nothing", EAGAIN = "nothing", EIO = "its end" } do
    it(("and gives %s has %s to give"):format(fault, expected), function()
      local file = assert(io.tmpfile())
      file:write "text"
      file:close()
      local pair = { testing.net.pair() }
      testing.net.write(pair[2], "text")
      faults.arm("read", 1, faults[fault])
      local got = core.read(pair[1], 60)
      faults.disarm()
      assert.equal(expected == "nothing" and "" or nil, got)
      for _, fd in ipairs(pair) do testing.net.close(fd) end
    end)
  end
end)

describe("in a forked child", function()
  it("there may be no descriptor for pollfd: all else works", function()
    local peer = scripted.new(function(c)
      c:upgrade()
      c:stall()
    end)
    local ws = assert(wsclose.new(peer:url()))
    assert.is_number(ws:pollfd())
    assert.equal("nothing", testing.process.fork(function()
      faults.arm("epoll_create1", 1, faults.EMFILE, true)
      scripted.pump(ws, peer, function() return ws:state() == "open" end)
      local fd = ws:pollfd()
      ws:leave()
      return fd and tostring(fd) or "nothing"
    end))
  end)

  it("there may be no memory for its first lookup; the next one is made", function()
    assert.equal("no memory to look up localhost, refused", testing.process.fork(function()
      local ws = assert(wsclose.new("ws://localhost:1/", { family = 4 }))
      faults.arm("pthread_mutex_init", 1, faults.ENOMEM)
      assert(not ws:update())
      faults.disarm()
      local first = ws.close_info.error.message
      ws = assert(wsclose.new("ws://localhost:1/", { family = 4 }))
      run(ws)
      return first .. ", " .. ws.close_info.error.name
    end))
  end)
end)

describe("random bytes that OpenSSL does not give", function()
  it("are an error once those that are there are used up, and come again", function()
    faults.arm("RAND_bytes", 1, faults.fails, true)
    local given = 0
    while pcall(testing.net.random_bytes, 16) and given < 1000 do given = given + 1 end
    assert.is_true(given < 4096 / 16)
    assert.is_false((pcall(testing.net.random_bytes, 4000)))
    faults.disarm()
    assert.equal(16, #testing.net.random_bytes(16))
  end)
end)
