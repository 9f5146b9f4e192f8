-- The turn of a connection whose bytes somebody else moves, in the scripted world: it is that of
-- the core's client (spec/conformance/turn_spec.lua), down to when it waits and when it writes.

local testing = require "wsclose.testing"
local wsclose = require "wsclose"

local URL = "ws://carried.example/"

local clock = testing.clock()

describe("a carried connection", function()
  after_each(testing.reset)

  local function open(options)
    local server = testing.server(URL):accept()
    local ws = assert(wsclose.new(URL, options))
    testing.run(ws, "open")
    return ws, server
  end

  it("waits no more in a turn that gave something", function()
    local got = {}
    local ws, server = open { on_message = function(_, data) got[#got + 1] = data end }
    server:wait(2):send("one"):wait(1):send "two"
    ws:update(10)
    assert.same({ { "one" }, 2 }, { got, clock:now() })
  end)

  it("goes on waiting where nothing came, until its time is up", function()
    local ws, server = open { keepalive = false }
    server:slow(1, 1):send "half a message takes longer"
    ws:update(10)
    assert.equal(10, clock:now())
  end)

  it("ends its wait where it is woken from elsewhere, and nothing has come", function()
    local ws, called
    testing.server(URL, function(server)
      server:accept()
      server:wait(2)
      ws:after(1, function() called = clock:now() end)
      server:wait(8)
      server:raw "\129"
      server:wait(50)
      server:raw "\1x"
    end)
    ws = assert(wsclose.new(URL, { keepalive = false }))
    assert.equal("x", (ws:receive()))
    assert.equal(10, called) -- with the first byte
  end)

  it("gives as many values for a send as the core's client", function()
    local ws = open()
    assert.equal(1, select("#", ws:send "x"))
    ws:close()
    assert.equal(3, select("#", ws:send "x"))
  end)

  it("writes what callbacks send at the turn's end, in one", function()
    local waiting = {}
    local ws, server = open { on_message = function(ws, data)
      ws:send(data)
      waiting[#waiting + 1] = ws:buffered()
    end }
    server:send("one"):send "two"
    testing.run(function() return waiting[2] end)
    assert.is_true(waiting[1] > 0)
    assert.equal(0, ws:buffered())
    server:expect("one"):expect "two"
    testing.run()
    server:assert_done()
  end)

  it("writes at once what a callback in a coroutine sends, which may yield for long", function()
    local waiting
    local ws, server = open { on_message = function(ws, data)
      ws:send(data)
      waiting = ws:buffered()
    end }
    server:send "one"
    coroutine.wrap(function()
      while not waiting do ws:update(1) end
    end)()
    assert.equal(0, waiting)
  end)

  it("tells a drain without waiting, once", function()
    local drains = 0
    local ws, server = open { on_drain = function() drains = drains + 1 end }
    server:hold()
    testing.run()
    assert(ws:send(("x"):rep(100000), "text", { compress = false }))
    ws:update()
    server:release()
    ws:update(10)
    assert.same({ 1, 0 }, { drains, clock:now() })
    ws:update(1)
    assert.equal(1, drains)
  end)

  it("tells no drain of what its connection took along", function()
    local drains = 0
    local ws, server = open { on_drain = function() drains = drains + 1 end }
    server:hold()
    testing.run()
    assert(ws:send(("x"):rep(100000), "text", { compress = false }))
    server:close(1000)
    testing.run(ws, "closed")
    ws:update()
    assert.equal(0, drains)
  end)

  it("tells a drain of much that a callback sent, though it left at once", function()
    local drains = 0
    local ws, server = open {
      on_message = function(ws) ws:send(("x"):rep(100000), "text", { compress = false }) end,
      on_drain = function() drains = drains + 1 end,
    }
    server:send "go"
    coroutine.wrap(function()
      for _ = 1, 3 do ws:update() end
    end)()
    assert.equal(1, drains)
  end)
end)
