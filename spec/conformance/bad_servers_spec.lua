-- Servers that trickle, flood, or take nothing, over a real socket: what the program is told, and
-- what the server sees of it.  How connections end is in close_matrix_spec.lua.

local recorder = require "support.recorder"
local scripted = require "support.scripted_server"

local wire = scripted.wire

-- A clock that moves when it is told to.
local function new_clock()
  local time = { now = 50 }
  return time, function()
    return time.now
  end
end

local function start(script, options)
  local server = scripted.new(script)
  local time, clock = new_clock()
  local all = { clock = clock }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return recorder.new(server:url "/", all, server), server, time
end

-- A script that begins with a valid 101.
local function upgraded(rest)
  return function(c)
    c:upgrade()
    rest(c)
  end
end

local function assert_closed(came, code, name)
  assert.equal(code, came.code)
  assert.equal(name, came.info.error and came.info.error.name)
end

describe("a server that trickles", function()
  after_each(scripted.close_all)

  it("its answer and frames byte by byte is understood", function()
    local r = start(function(c)
      c:upgrade(nil, 1)
      c:drip(wire.frame { payload = "größer" } .. wire.frame { opcode = "ping", payload = "p" })
      c:expect("pong", "p")
      c:drip(wire.frame { opcode = "close", payload = wire.close_payload(1001, "bye") })
      c:expect_close(1001)
      c:finish()
    end)
    local came = r:wait_close()
    assert.equal("größer", r.messages[1].data)
    assert.equal(1001, came.code)
    assert.equal("bye", came.reason)
    assert.is_true(came.info.clean)
  end)

  it("nothing, frames in one segment with the 101, keeps them", function()
    local r = start(function(c)
      local close = wire.frame { opcode = "close", payload = wire.close_payload(4000, "full") }
      c:upgrade { body = wire.frame { payload = "early" } .. close }
      c:expect_close(4000)
      c:finish()
    end)
    assert.equal(4000, r:wait_close().code)
    assert.equal(1, #r.opens)
    assert.equal("early", r.messages[1].data)
  end)
end)

describe("a server that floods with pings", function()
  after_each(scripted.close_all)

  it("gets a pong for the last of them, and few for those before", function()
    local count = 20000
    local r, server = start(upgraded(function(c)
      c.reading = false
      c:flood_pings(count)
      c.reading = true
      repeat
        local pong = c:expect "pong"
      until pong.payload == tostring(count)
      c:close_session(1000)
    end))
    assert.equal(1000, r:wait_close().code)
    assert.is_true(#server.connections[1].frames < count / 10)
  end)
end)

describe("a server that takes nothing,", function()
  after_each(scripted.close_all)

  it("not even the connection: the handshake's deadline ends it", function()
    local r, _, time = start { accept = false, function() end }
    for _ = 1, 5 do
      r.ws:update(0)
    end
    time.now = time.now + 5.01
    assert_closed(r:wait_close(), 1006, "timeout")
  end)
end)

describe("an open client that is collected", function()
  after_each(scripted.close_all)

  it("sends 1001 without waiting", function()
    local r, server = start(upgraded(function(c)
      c:expect_close(1001)
      c:wait_end()
    end))
    r:wait_open()
    r.ws = nil
    collectgarbage()
    collectgarbage()
    scripted.pump(nil, server, function()
      return server.connections[1].ended
    end)
    assert.equal(1001, server.connections[1].close.code)
  end)
end)
