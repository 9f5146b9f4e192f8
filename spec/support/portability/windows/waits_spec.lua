-- What spec/net/blocking_spec.lua sees in the system calls, by the calls of the client itself.
local network = require "support.network"
local phases = require "support.phases"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

local counted = network.counted()
local waits = testing.waits

describe("the count of waits", function()
  after_each(network.close_all)

  it("sees a client that waits", function()
    local stuck = phases.enter("handshake", nil, counted)
    waits.count()
    stuck.ws:update(0.01)
    assert.is_true(waits.seen() > 0)
  end)
end)

describe("update never waits", function()
  after_each(network.close_all)

  for _, name in ipairs(phases.names) do
    it("in the phase " .. name, function()
      local stuck = phases.enter(name, nil, counted)
      waits.count()
      for _ = 1, 100 do stuck.ws:update() end
      stuck.ws:close()
      stuck.ws:update()
      assert.equal(0, waits.seen())
      assert.equal("closed", stuck.ws:state())
    end)
  end

  it("for a name that the system is asked for", function()
    local ws = counted.new "ws://wsclose.invalid/"
    waits.count()
    for _ = 1, 100 do ws:update() end
    ws:close()
    ws:update()
    assert.equal(0, waits.seen())
  end)

  it("in an open connection, whatever either side does", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:stall()
    end)
    local ws = counted.new(server:url())
    scripted.pump(ws, server, function() return ws:state() == "open" end, "the opening")
    waits.count()
    for _ = 1, 100 do
      ws:send(("x"):rep(1000))
      ws:ping()
      ws:update()
    end
    ws:close()
    ws:update()
    assert.equal(0, waits.seen())
  end)
end)
