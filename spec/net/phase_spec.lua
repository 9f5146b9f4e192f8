-- Every phase has its name and its deadline: the server, or whoever stands before it, goes silent
-- in each of them in turn, and on a scripted clock nothing ends a moment too early.

local certificates = require "support.certificates"
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"

local made, time, clock, resolver

setup(function()
  made = certificates.shared()
end)

before_each(function()
  time, clock = network.new_clock()
  resolver = network.resolver()
end)

after_each(network.close_all)

local function client(url, options, server)
  local all = { clock = clock, retry = true, proxy = false }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return recorder.new(url, all, server)
end

local function against(script, scheme, options)
  local server = scripted.new(script)
  return client(server:url("/", scheme), options, server), server
end

local function stall(c)
  c:stall()
end

-- Lets the client come as far as it can without time passing.
local function until_phase(r, phase)
  r:wait(function()
    return r.ws:info().phase == phase
  end, "phase " .. phase)
  for _ = 1, 3 do
    r.ws:update(0)
  end
end

-- Each gives a client that hangs in the phase, the seconds after which it is given up there, and
-- the sentence.
local HANGS = {
  dns = function(timeout)
    local r = client("ws://feed.example/", { timeouts = { dns = timeout } })
    resolver:attach(r.ws)
    return r, "no address for feed.example within %g s"
  end,
  tcp = function(timeout)
    local url = "ws://127.0.0.1:" .. network.black_hole "127.0.0.1"
    return client(url, { timeouts = { connect = timeout } })
  end,
  proxy = function(timeout)
    local server = scripted.new(stall)
    return client("ws://feed.example/", {
      proxy = "http://127.0.0.1:" .. server.port, timeouts = { connect = timeout },
    }, server), "the proxy 127.0.0.1 opened no tunnel to feed.example within %g s"
  end,
  tls = function(timeout)
    local r = against(stall, "wss", { timeouts = { tls = timeout }, tls = { ca_file = made.ca } })
    return r, "no TLS handshake with 127.0.0.1 within %g s"
  end,
  handshake = function(timeout)
    local r = against(stall, "ws", { timeouts = { handshake = timeout } })
    return r
  end,
}

for _, phase in ipairs { "dns", "tcp", "proxy", "tls", "handshake" } do
  it("the phase " .. phase .. " ends by its deadline, with its name, and is tried again", function()
    for _, timeout in ipairs { 2, 4.5 } do
      local r, sentence = HANGS[phase](timeout)
      until_phase(r, phase)
      time.now = time.now + timeout - 0.01
      r.ws:update(0)
      assert.equal("connecting", r.ws:state())
      time.now = time.now + 0.02
      local came = r:wait_close()
      assert.equal(1006, came.code)
      assert.equal("timeout", came.info.error.name)
      assert.equal(phase, came.info.error.phase)
      if sentence then
        assert.equal(sentence:format(timeout), came.info.error.message)
      else
        assert.matches(("within %g s"):format(timeout), came.info.error.message, 1, true)
      end
      assert.is_number(came.info.retry_in)
      assert.is_near(timeout + 0.01, came.info.duration, 1e-6)
      r.ws:close()
    end
  end)

  it("the phase " .. phase .. " ends by timeouts.connect, which covers all of them", function()
    local r = HANGS[phase](100)
    r = client(r.ws.url, {
      timeouts = { connect = 3, dns = 100, tls = 100, handshake = 100 },
      proxy = phase == "proxy" and "http://127.0.0.1:" .. r.server.port or false,
    }, r.server)
    if phase == "dns" then
      resolver:attach(r.ws)
    end
    until_phase(r, phase)
    time.now = time.now + 2.99
    r.ws:update(0)
    assert.equal(0, #r.closes)
    time.now = time.now + 0.02
    local came = r:wait_close()
    assert.equal("timeout", came.info.error.name)
    assert.equal(phase, came.info.error.phase)
    r.ws:close()
  end)
end
