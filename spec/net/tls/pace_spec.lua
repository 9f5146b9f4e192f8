-- A TLS handshake in pieces: how often an update gives the turn back though there is more to do.

local certificates = require "support.certificates"
local peers = require "support.peers"
local process = require "support.process"
local way = require "support.way"

local made, nginx

setup(function()
  made = certificates.shared()
  local backend = peers.start "websockets"
  local function good(also)
    return { cert = made.good.cert, key = made.good.key, also = also }
  end
  nginx = way.nginx(made.folder, backend.port, {
    tls13 = good "ssl_protocols TLSv1.3;",
    tls12 = good "ssl_protocols TLSv1.2;",
    unknown_ca = made.unknown_ca,
  })
end)
teardown(process.stop_all)

local function client(server, tls)
  return way.client("wss://feed.example:" .. nginx.ports[server] .. "/", { tls = tls })
end

-- Updates until `done`; after how many of them, within TLS, there was more to do at once?
local function count_holds(r, done)
  local holds = 0
  r:wait(function()
    if r.ws:timeout() == 0 and r.ws:info().phase == "tls" then holds = holds + 1 end
    return done(r)
  end)
  return holds
end

local function is_open(r)
  return r.ws:state() == "open"
end

local function is_closed(r)
  return r.closes[1]
end

describe("a TLS handshake", function()
  for _, server in ipairs { "tls13", "tls12" } do
    it("gives the turn back four times, " .. server, function()
      assert.equal(4, count_holds(client(server, { ca_file = made.ca }), is_open))
    end)

    it("gives it back twice when a session is resumed, " .. server, function()
      local r = client(server, { ca_file = made.ca })
      r:wait_open()
      r.ws:reconnect()
      r:wait_close()
      assert.equal(2, count_holds(r, is_open))
      assert.is_true(r.ws:info().tls.resumed)
    end)

    it("has nothing to verify with verify = false, " .. server, function()
      assert.equal(3, count_holds(client(server, { verify = false }), is_open))
    end)
  end

  it("ends with the update that finds the certificate bad", function()
    local r = client("unknown_ca", { ca_file = made.ca })
    assert.equal(3, count_holds(r, is_closed))
    assert.matches("unknown authority", r.closes[1].info.error.message)
  end)
end)
