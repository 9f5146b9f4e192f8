-- A host that is an address, or stands in the table `resolve`, needs no lookup.
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"

local function server_on(host)
  return scripted.new {
    host = host,
    function(c)
      c:upgrade()
      c:stall()
    end,
  }
end

-- Opens, and gives the peer's address; a lookup would have to ask the resolver and fail.
local function open(server, url, resolve)
  local resolver = network.resolver()
  local r = recorder.new(url:format(server.port), { resolve = resolve }, server)
  resolver:attach(r.ws)
  local info = r:wait_open()
  assert.equal(1, network.threads())
  assert.is_nil(resolver.core:asked())
  return info
end

describe("an IPv6 zone", function()
  after_each(network.close_all)

  it("names the interface to dial by, and stands in no request, RFC 6874", function()
    local server = server_on "::1"
    local info = open(server, "ws://[::1%%25lo]:%d/")
    assert.equal("::1%1", info.address)
    assert.equal("[::1]:" .. server.port, server.connections[1].request.headers.host)
  end)

  it("that there is not is told", function()
    local r = recorder.new "ws://[fe80::1%25nosuch0]/"
    local fault = r:wait_close().info.error
    assert.same({ "dns", "no address for fe80::1%nosuch0: there is no such interface" },
      { fault.name, fault.message })
    assert.equal(1, network.threads())
  end)
end)

describe("the table resolve", function()
  after_each(network.close_all)

  it("gives the address of a host, and the request still names the host", function()
    local server = server_on "127.0.0.2"
    local info = open(server, "ws://feed.example:%d/", { ["feed.example"] = "127.0.0.2" })
    assert.equal("127.0.0.2", info.address)
    assert.equal("feed.example:" .. server.port, server.connections[1].request.headers.host)
  end)

  it("gives several, tried in turn", function()
    local server = server_on "127.0.0.2"
    local resolve = { ["feed.example"] = { "127.0.0.3", "127.0.0.2" } }
    assert.equal("127.0.0.2", open(server, "ws://feed.example:%d/", resolve).address)
  end)

  it("is read without regard to case", function()
    local server = server_on "127.0.0.2"
    local resolve = { ["FEED.Example"] = "127.0.0.2", ["feed.example.org"] = "127.0.0.9" }
    assert.equal("127.0.0.2", open(server, "ws://feed.eXample:%d/", resolve).address)
  end)

  it("comes before an address, too", function()
    local server = server_on "127.0.0.2"
    local resolve = { ["192.0.2.1"] = "127.0.0.2" }
    assert.equal("127.0.0.2", open(server, "ws://192.0.2.1:%d/", resolve).address)
  end)

  it("leaves other hosts to the lookup", function()
    local resolver = network.resolver()
    local r = recorder.new("ws://other.example/", { resolve = { ["feed.example"] = "127.0.0.1" } })
    resolver:attach(r.ws)
    r.ws:update()
    assert.equal("other.example", resolver:question().host)
  end)

  for what, case in pairs {
    ["a name as address"] = {
      "localhost",
      'no address for feed.example: "localhost" in `resolve` is not a numeric address',
    },
    ["an IPv6 address in brackets"] = {
      { "127.0.0.1", "[::1]" },
      'no address for feed.example: "[::1]" in `resolve` is not a numeric address',
    },
    ["an empty list"] = { {}, "no address for feed.example: its list in `resolve` is empty" },
  } do
    it("with " .. what .. " ends the attempt with a sentence", function()
      local r = recorder.new("ws://feed.example/", { resolve = { ["feed.example"] = case[1] } })
      local fault = r:wait_close().info.error
      assert.equal("dns", fault.name)
      assert.equal("dns", fault.phase)
      assert.equal(case[2], fault.message)
      assert.equal(1, network.threads())
    end)
  end
end)

describe("a numeric host", function()
  after_each(network.close_all)

  it("of IPv4 needs no lookup", function()
    local info = open(server_on "127.0.0.1", "ws://127.0.0.1:%d/")
    assert.equal("127.0.0.1", info.address)
    assert.equal(4, info.family)
  end)

  it("of IPv6 needs no lookup, and stands in brackets in the URL alone", function()
    local server = server_on "::1"
    local info = open(server, "ws://[::1]:%d/")
    assert.equal("::1", info.address)
    assert.equal(server.port, info.port)
    assert.equal(6, info.family)
    assert.equal(("[::1]:%d"):format(server.port), server.connections[1].request.headers.host)
  end)
end)
