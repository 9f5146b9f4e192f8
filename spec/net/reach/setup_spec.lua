-- The way to the server: each phase has its deadline, its name and its sentence.
local network = require "support.network"
local phases = require "support.phases"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"

local MILLISECOND = 0.001

-- Nothing happens until `seconds` after the beginning, and then the end.
local function end_after(stuck, seconds)
  local began = stuck.time.now
  if stuck.ws:info().phase == "handshake" then -- where an idle buffer is given back before
    assert.is_true(stuck.ws:timeout() <= seconds)
  else
    assert.is_true(math.abs(stuck.ws:timeout() - seconds) < 1e-6)
  end
  stuck.time.now = began + seconds - MILLISECOND
  for _ = 1, 3 do
    assert.is_true(stuck.ws:update())
  end
  assert.is_true(math.abs(stuck.ws:timeout() - MILLISECOND) < 1e-6)
  stuck.time.now = began + seconds
  for _ = 1, 2 do -- bytes that may have come in meanwhile are looked at first
    stuck.ws:update()
  end
  assert.equal("closed", stuck.ws:state())
  assert.equal(1, #stuck.closes)
  assert.equal(0, stuck.opens)
  return stuck.closes[1]
end

local function assert_timeout(info, phase, sentence)
  assert.equal(1006, info.code)
  assert.equal("timeout", info.error.name)
  assert.equal(phase, info.error.phase)
  assert.matches(sentence, info.error.message)
  assert.equal("network", info.by)
  assert.is_false(info.clean)
end

describe("the phase", function()
  after_each(network.close_all)

  local own = {
    { "dns", "dns", 5, "^no address for feed%.example within 5 s$" },
    { "name for a proxy", "dns", 5, "^no address for feed%.example within 5 s$" },
    { "proxy's name", "dns", 5, "^no address for proxy%.example within 5 s$" },
    { "tcp", "tcp", 10, "^no answer from 127%.0%.0%.1 port %d+ within 10 s$" },
    { "proxy", "proxy", 10,
      "^the proxy 127%.0%.0%.1 opened no tunnel to feed%.example within 10 s$" },
    { "proxy's TLS", "proxy", 5, "^no TLS handshake with the proxy 127%.0%.0%.1 within 5 s$" },
    { "tls", "tls", 5, "^no TLS handshake with 127%.0%.0%.1 within 5 s$" },
    { "handshake", "handshake", 5, "." },
  }
  for _, case in ipairs(own) do
    it(("%s ends after %d s, by default"):format(case[1], case[3]), function()
      assert_timeout(end_after(phases.enter(case[1]), case[3]), case[2], case[4])
    end)
  end

  for option, names in pairs {
    dns = { "dns", "name for a proxy", "proxy's name" },
    tls = { "tls", "proxy's TLS" },
    handshake = { "handshake" },
  } do
    for _, name in ipairs(names) do
      it(("%s ends after timeouts.%s"):format(name, option), function()
        local stuck = phases.enter(name, { timeouts = { [option] = 1.5 } })
        assert.equal("timeout", end_after(stuck, 1.5).error.name)
      end)

      it(("%s ends with the whole way's time if timeouts.%s is 0"):format(name, option), function()
        local stuck = phases.enter(name, { timeouts = { [option] = 0 } })
        assert.matches("10 s", end_after(stuck, 10).error.message, 1, true)
      end)
    end
  end

  for _, name in ipairs(phases.names) do
    it(("%s ends with the whole way's time where that is shorter"):format(name), function()
      local stuck = phases.enter(name, { timeouts = { connect = 3 } })
      local info = end_after(stuck, 3)
      assert_timeout(info, stuck.ws:info().phase, "within 3 s")
    end)

    it(("%s has no end where no time has one"):format(name), function()
      local none = { connect = 0, dns = math.huge, tls = 0, handshake = 0 }
      local stuck = phases.enter(name, { timeouts = none })
      stuck.time.now = stuck.time.now + 1e6
      for _ = 1, 3 do
        assert.is_true(stuck.ws:update())
      end
      assert.is_nil(stuck.ws:timeout())
      assert.same({}, stuck.closes)
    end)
  end
end)

describe("the whole way's time", function()
  after_each(network.close_all)

  -- The name takes 4.5 s of 7, and the handshake's own time is over after 9.5 s.
  local function start(answer_after)
    local time, clock = network.new_clock()
    local server = scripted.new(function(c)
      c:read_request()
      c:told "answer"
      c:upgrade()
      c:stall()
    end)
    local options = { clock = clock, timeouts = { connect = 7 } }
    local r = recorder.new(("ws://feed.example:%d/"):format(server.port), options, server)
    local resolver = network.resolver()
    resolver:attach(r.ws)
    r.ws:update()
    time.now = time.now + 4.5
    resolver:answer "127.0.0.1"
    r:wait(function()
      return server.connections[1] and server.connections[1].request
    end)
    assert.equal("handshake", r.ws:info().phase)
    time.now = time.now + answer_after
    r.ws:update()
    return r, server, time
  end

  it("is that of all phases together", function()
    local r, server = start(2.4)
    server:tell "answer"
    r:wait_open()
  end)

  it("ends a handshake that has its own time left", function()
    local r, _, time = start(2.4)
    time.now = time.now + 0.2
    local fault = r:wait_close().info.error
    assert.equal("timeout", fault.name)
    assert.equal("handshake", fault.phase)
    assert.equal("the handshake was not complete within 7 s of the start", fault.message)
  end)

  it("is over at an answer that came in time and was read too late: it opens", function()
    local r, server, time = start(1)
    server:tell "answer"
    server:step()
    time.now = time.now + 60
    r:wait_open()
    for _ = 1, 3 do
      r.ws:update()
    end
    assert.equal("open", r.ws:state())
    assert.same({}, r.closes)
  end)
end)

describe("an answer that trickles in", function()
  after_each(network.close_all)

  for option, phase_time in pairs { connect = 7, handshake = 5 } do
    it("does not hold up timeouts." .. option, function()
      local time, clock = network.new_clock()
      local server = scripted.new(function(c)
        c:read_request()
        c:drip("HTTP/1.1 101 Switching Protocols\r\nX: " .. ("x"):rep(1000))
      end)
      local timeouts = { connect = 0, handshake = 0, [option] = phase_time }
      local r = recorder.new(server:url(), { clock = clock, timeouts = timeouts }, server)
      local began, heard = time.now, 0
      r:wait(function()
        local connection = server.connections[1]
        if connection and connection.request then
          heard, time.now = heard + 1, time.now + 0.25
        end
        return r.closes[1] or heard > 100
      end)
      assert.equal("timeout", r.closes[1] and r.closes[1].info.error.name)
      assert.is_true(time.now - began >= phase_time and time.now - began < phase_time + 2)
    end)
  end
end)

describe("the phase that info() names", function()
  after_each(network.close_all)

  it("goes from dns by tcp to handshake, open and close", function()
    local seen, last = {}, nil
    local server = scripted.new(function(c)
      c:upgrade()
      c:told "close"
      c:send_close(1000)
      c:wait_end()
    end)
    local time, clock = network.new_clock()
    local hole = network.black_hole("127.0.0.2", server.port)
    local r = recorder.new(("ws://feed.example:%d/"):format(hole), { clock = clock }, server)
    local resolver = network.resolver()
    resolver:attach(r.ws)
    local function look()
      local phase = r.ws:info().phase
      if phase ~= last then
        seen[#seen + 1], last = phase, phase
      end
      return phase
    end
    local function wait_for(phase)
      r:wait(function()
        return look() == phase
      end, "phase " .. phase)
    end
    r.ws:update()
    wait_for "dns"
    resolver:answer("127.0.0.2", "127.0.0.1")
    wait_for "tcp"
    time.now = time.now + 0.3
    wait_for "open"
    server:tell "close"
    wait_for "close"
    assert.equal("dns tcp handshake open close", table.concat(seen, " "))
  end)
end)
