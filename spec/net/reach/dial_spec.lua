-- Which address of a host is tried when, RFC 8305: with real sockets, and time that the spec moves.
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

-- A client of feed.example, which has these addresses.
local function client(addresses, port, options)
  local time, clock = network.new_clock()
  local all = { clock = clock, resolve = { ["feed.example"] = addresses } }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  local r = recorder.new(("ws://feed.example:%d/"):format(port), all)
  return r, time
end

local function greeting_server(host)
  return scripted.new {
    host = host,
    function(c)
      c:upgrade()
      c:send_text "welcome"
      c:stall()
    end,
  }
end

-- Moves both, but not time, until the client is open.
local function open(r, server)
  r.server = server
  r:wait_message()
  return r.ws:info()
end

local function count_sockets(before)
  return #network.sockets_since(before)
end

describe("of two addresses, one that swallows connection attempts,", function()
  after_each(network.close_all)

  for _, case in ipairs {
    { hole = "::1", good = "127.0.0.1", family = 4 },
    { hole = "127.0.0.1", good = "::1", family = 6 },
  } do
    it("the other, " .. case.good .. ", opens 250 ms later, and the loser is closed", function()
      local new_server = function() return greeting_server(case.good) end
      local server = network.behind_holes(new_server, case.hole)
      local before = network.descriptors()
      local r, time = client({ case.hole, case.good }, server.port)
      local began = time.now
      r.ws:update()
      assert.equal("tcp", r.ws:info().phase)
      assert.is_true(math.abs(r.ws:timeout() - 0.25) < 1e-6)

      time.now = began + 0.249
      for _ = 1, 3 do
        r.ws:update()
      end
      assert.equal("tcp", r.ws:info().phase)
      assert.equal(1, count_sockets(before))

      time.now = began + 0.251
      local info = open(r, server)
      assert.is_true(time.now - began < 0.6)
      assert.equal(case.good, info.address)
      assert.equal(server.port, info.port)
      assert.equal(case.family, info.family)
      assert.equal(2, count_sockets(before)) -- the client's, and the server's of it
    end)
  end

  it("the first to answer wins, though it was tried later", function()
    local new_server = function() return greeting_server "127.0.0.3" end
    local server = network.behind_holes(new_server, "127.0.0.1", "127.0.0.2")
    local r, time = client({ "127.0.0.1", "127.0.0.2", "127.0.0.3" }, server.port)
    for _ = 1, 2 do
      r.ws:update()
      assert.equal("tcp", r.ws:info().phase)
      time.now = time.now + 0.251
    end
    assert.equal("127.0.0.3", open(r, server).address)
  end)
end)

describe("an address that refuses", function()
  after_each(network.close_all)

  it("is followed at once by the next", function()
    local server = greeting_server "127.0.0.1"
    local r = client({ "127.0.0.2", "::1", "127.0.0.1" }, server.port)
    assert.equal("127.0.0.1", open(r, server).address)
  end)

  it("is followed at once by the next while others are silent, too", function()
    local server = greeting_server "127.0.0.1"
    network.black_hole("::1", server.port)
    local r, time = client({ "::1", "127.0.0.2", "127.0.0.1" }, server.port)
    r.ws:update()
    time.now = time.now + 0.251
    assert.equal("127.0.0.1", open(r, server).address)
  end)
end)

describe("connection attempts that fail later", function()
  after_each(network.close_all)

  -- Two attempts are under way, and a third address is left.
  local function start()
    local server = greeting_server "127.0.0.1"
    network.black_hole("127.0.0.2", server.port)
    network.black_hole("127.0.0.3", server.port)
    local before = network.descriptors()
    local r, time = client({ "127.0.0.2", "127.0.0.3", "127.0.0.1" }, server.port)
    r.ws:update()
    time.now = time.now + 0.251
    r.ws:update()
    local found = network.sockets_since(before)
    assert.equal(2, #found)
    return r, server, found
  end

  for name, broken in pairs {
    ["the first of two"] = { 1 },
    ["the second of two"] = { 2 },
    ["both in one moment"] = { 1, 2 },
  } do
    it(name .. " let the next address be tried at once", function()
      local r, server, found = start()
      for _, i in ipairs(broken) do
        testing.net.break_off(found[i])
      end
      assert.equal("127.0.0.1", open(r, server).address)
    end)
  end

  it("are told of in the order in which they failed", function()
    local port = network.black_hole "127.0.0.2"
    network.black_hole("127.0.0.3", port)
    local before = network.descriptors()
    local r, time = client({ "127.0.0.2", "127.0.0.3" }, port)
    r.ws:update()
    local first = network.sockets_since(before)
    time.now = time.now + 0.251
    r.ws:update()
    for _, fd in ipairs(network.sockets_since(before)) do
      if fd ~= first[1] then
        testing.net.break_off(fd)
      end
    end
    r.ws:update()
    testing.net.break_off(first[1])
    local fault = r:wait_close().info.error
    assert.equal("reset", fault.name)
    local sentence = "could not connect to feed.example: connection reset by 127.0.0.3 port %d; "
      .. "connection reset by 127.0.0.2 port %d"
    assert.equal(sentence:format(port, port), fault.message)
  end)
end)

describe("many addresses that swallow connection attempts", function()
  after_each(network.close_all)

  it("are tried 250 ms apart, eight at a time; the oldest gives way", function()
    local server, addresses = greeting_server "127.0.0.1", {}
    for i = 1, 10 do
      addresses[i] = "127.0.0." .. i + 1
      network.black_hole(addresses[i], server.port)
    end
    addresses[11] = "127.0.0.1"
    local before = network.descriptors()
    local r, time = client(addresses, server.port)
    for i = 1, 10 do
      r.ws:update()
      assert.equal("tcp", r.ws:info().phase)
      assert.equal(math.min(i, 8), count_sockets(before))
      assert.is_true(r.ws:timeout() > 0.249)
      time.now = time.now + r.ws:timeout() + 1e-6
    end
    assert.equal("127.0.0.1", open(r, server).address)
    assert.equal(2, count_sockets(before))
  end)

  it("are named, all of them, when time is up", function()
    local port = network.black_hole "127.0.0.1"
    network.black_hole("::1", port)
    local addresses = { "127.0.0.1", "::1", "127.0.0.2" }
    local r, time = client(addresses, port, { timeouts = { connect = 3 } })
    for _ = 1, 3 do
      r.ws:update()
      time.now = time.now + 0.26
    end
    time.now = time.now + 3
    local came = r:wait_close()
    assert.equal("timeout", came.info.error.name)
    assert.equal("tcp", came.info.error.phase)
    local sentence = "could not connect to feed.example: connection refused by 127.0.0.2 port %d; "
      .. "no answer from 127.0.0.1 port %d; no answer from ::1 port %d within 3 s"
    assert.equal(sentence:format(port, port, port), came.info.error.message)
  end)
end)

describe("addresses are tried", function()
  after_each(network.close_all)

  -- Nobody listens at any of them, so that the report names all, in the order of trying.
  local function order_tried(addresses, options)
    local port = scripted.refused_port()
    local fault = client(addresses, port, options):wait_close().info.error
    assert.equal("refused", fault.name)
    assert.equal("tcp", fault.phase)
    local order = {}
    for address in fault.message:gmatch "(%S+) port" do
      order[#order + 1] = address
    end
    return order, fault.message
  end

  for _, case in ipairs {
    {
      "in turns by family, that of the first begins",
      { "::1", "::ffff:127.0.0.6", "127.0.0.2", "127.0.0.3" },
      { "::1", "127.0.0.2", "::ffff:127.0.0.6", "127.0.0.3" },
    },
    {
      "in turns by family, IPv4 first where it stands first",
      { "127.0.0.2", "127.0.0.3", "::1", "127.0.0.4", "::ffff:127.0.0.6" },
      { "127.0.0.2", "::1", "127.0.0.3", "::ffff:127.0.0.6", "127.0.0.4" },
    },
    {
      "in the resolver's order within a family",
      { "127.0.0.4", "127.0.0.2", "127.0.0.3", "::1" },
      { "127.0.0.4", "::1", "127.0.0.2", "127.0.0.3" },
    },
    {
      "once each",
      { "127.0.0.2", "127.0.0.3", "127.0.0.2", "::1", "0:0::1" },
      { "127.0.0.2", "::1", "127.0.0.3" },
    },
    { "of IPv4 only with family = 4", { "::1", "127.0.0.2" }, { "127.0.0.2" }, { family = 4 } },
    { "of IPv6 only with family = 6", { "127.0.0.2", "::1" }, { "::1" }, { family = 6 } },
    {
      "of the family that bind is of",
      { "::1", "127.0.0.2" },
      { "127.0.0.2" },
      { bind = "127.0.0.1" },
    },
  } do
    it(case[1], function()
      local order, sentence = order_tried(case[2], case[4])
      assert.same(case[3], order)
      local refusals = select(2, sentence:gsub("connection refused by ", ""))
      assert.equal(#order - 1, select(2, sentence:gsub("; ", "")))
      assert.equal(#order, refusals)
    end)
  end

  it("32 of them and more, and the report is cut", function()
    local addresses = {}
    for i = 1, 40 do
      addresses[i] = "127.0.1." .. i
    end
    local order = order_tried(addresses)
    assert.is_true(#order > 8 and #order < 40)
    assert.same({ "127.0.1.1", "127.0.1.2" }, { order[1], order[2] })
  end)

  it("at all only where there is one of the wanted family", function()
    local came = client({ "127.0.0.1" }, 1, { family = 6 }):wait_close()
    assert.equal("unreachable", came.info.error.name)
    assert.equal("tcp", came.info.error.phase)
    assert.equal("feed.example has no IPv6 address", came.info.error.message)
  end)

  it("to the last, and who refused is more telling than where no route leads", function()
    local port = scripted.refused_port()
    local came = client({ "224.0.0.1", "127.0.0.1", "224.0.0.2" }, port):wait_close()
    assert.equal("refused", came.info.error.name)
    local sentence = "could not connect to feed.example: no route to 224.0.0.1 port %d; "
      .. "connection refused by 127.0.0.1 port %d; no route to 224.0.0.2 port %d"
    assert.equal(sentence:format(port, port, port), came.info.error.message)
  end)
end)

describe("an address given as such", function()
  after_each(network.close_all)

  it("is named once in the sentence", function()
    local port = scripted.refused_port()
    local r = recorder.new(("ws://127.0.0.1:%d/"):format(port))
    assert.equal(("connection refused by 127.0.0.1 port %d"):format(port),
      r:wait_close().info.error.message)
  end)
end)

describe("after a Close", function()
  after_each(network.close_all)

  local function addresses_of_two_attempts(code, addresses)
    local server = scripted.new {
      host = "0.0.0.0",
      function(c)
        c:upgrade()
        c:close_session(code)
      end,
      function(c)
        c:upgrade()
        c:stall()
      end,
    }
    local r = client(addresses, server.port, { retry = true })
    r.server = server
    r:wait_open()
    local first = r.ws:info().address
    r:wait_close()
    assert.is_true(r.ws:kick())
    r:wait_open(2)
    return { first, r.ws:info().address }
  end

  it("1013, another address of the host comes first", function()
    assert.same({ "127.0.0.1", "127.0.0.2" },
      addresses_of_two_attempts(1013, { "127.0.0.1", "127.0.0.2", "127.0.0.3" }))
  end)

  it("1013, another comes first also behind one that was refused", function()
    assert.same({ "127.0.0.1", "127.0.0.2" },
      addresses_of_two_attempts(1013, { "::1", "127.0.0.1", "127.0.0.2" }))
  end)

  it("1013, the only address is tried again", function()
    assert.same({ "127.0.0.1", "127.0.0.1" }, addresses_of_two_attempts(1013, { "127.0.0.1" }))
  end)

  it("1012, the first address comes first again", function()
    assert.same({ "127.0.0.1", "127.0.0.1" },
      addresses_of_two_attempts(1012, { "127.0.0.1", "127.0.0.2" }))
  end)
end)
