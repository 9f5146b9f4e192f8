-- The client: an attempt can be ended in any phase, at once and without a trace; an open connection
-- is left with a farewell.
local network = require "support.network"
local phases = require "support.phases"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

local counted = network.counted()
local memory = testing.memory

local function held()
  network.collect()
  return { descriptors = network.descriptors(), blocks = memory.live_blocks() }
end

-- Nothing is left of a client that was ended while it was stuck in a phase.
local function leave_no_trace(name, finish)
  counted.new("ws://127.0.0.1:1/"):run() -- what is made once is made
  local before = held()
  local stuck = phases.enter(name, nil, counted)
  assert.is_true(memory.live_blocks() > before.blocks)
  finish(stuck)
  stuck.ws = nil
  network.close_all()
  assert.equal(1, network.threads())
  assert.same(before, held())
  return stuck.closes
end

local function assert_cancelled(closes)
  assert.equal(1, #closes)
  local info = closes[1]
  assert.equal(1006, info.code)
  assert.equal("", info.reason)
  assert.equal("client", info.by)
  assert.is_nil(info.error)
  assert.is_nil(info.sent)
  assert.is_false(info.opened)
end

describe("an attempt in the phase", function()
  after_each(network.close_all)

  for _, name in ipairs(phases.names) do
    it(name .. " is cancelled by close(), at the next update", function()
      local closes = leave_no_trace(name, function(stuck)
        assert.is_true(stuck.ws:close(1000, "never mind"))
        assert.equal(0, stuck.ws:timeout())
        assert.same({ false, 1006, "" }, { stuck.ws:update() })
        assert.equal("closed", stuck.ws:state())
        assert.is_nil(stuck.ws:timeout())
      end)
      assert_cancelled(closes)
    end)

    it(name .. " is cancelled by leave(), at once", function()
      local closes = leave_no_trace(name, function(stuck)
        stuck.ws:leave()
        assert.equal("closed", stuck.ws:state())
      end)
      assert_cancelled(closes)
    end)

    it(name .. " is dropped with a client that is collected", function()
      assert.same({}, leave_no_trace(name, function() end))
    end)

    it(name .. " gives way to a new one with reconnect()", function()
      local closes = leave_no_trace(name, function(stuck)
        assert.is_true(stuck.ws:reconnect())
        for _ = 1, 3 do
          stuck.ws:update()
        end
        assert_cancelled(stuck.closes)
        assert.equal(2, stuck.ws:info().attempt)
        stuck.ws:close()
        stuck.ws:update()
      end)
      assert.equal(2, #closes)
    end)
  end
end)

describe("an open connection", function()
  after_each(network.close_all)

  -- A server that sends more than the client has read when it goes.
  local function open_with_unread()
    local server = scripted.new(function(c)
      c:upgrade()
      c:told "more"
      c:send_text(("x"):rep(100000))
      c:expect_close(1001)
      assert(c:wait_end() == "fin", "the farewell was overtaken by a reset")
      c.farewell = true
    end)
    local r = recorder.new(server:url(), nil, server)
    r:wait_open()
    server:tell "more"
    server:step()
    return r, server
  end

  local function assert_farewell(server)
    scripted.pump(nil, server, function()
      return server.connections[1].farewell
    end, "Close 1001 and FIN")
    assert.same({ code = 1001, reason = "" }, server.connections[1].close)
    assert.equal(1, #server.connections[1].frames)
  end

  it("that is left says Close 1001 and FIN, though unread bytes lie there", function()
    local r, server = open_with_unread()
    r.ws:leave()
    assert_farewell(server)
    assert.equal(1001, r.closes[1].code)
  end)

  it("that is collected says the same", function()
    local r, server = open_with_unread()
    r.ws = nil
    collectgarbage()
    collectgarbage()
    assert_farewell(server)
  end)

  it("holds one descriptor, and none after its end", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:echo()
    end)
    local before = network.descriptors()
    local r = recorder.new(server:url(), nil, server)
    r:wait_open()
    assert.equal(2, #network.added(before, network.descriptors())) -- and the server's one of it
    r.ws:close()
    r:wait_close()
    assert.same(before, network.descriptors())
  end)
end)

describe("a connection that has failed", function()
  after_each(network.close_all)

  it("has its Close heard, however much the peer goes on to send", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:send_hex "83 00" -- a reserved opcode, RFC 6455 5.2
      c:send(("x"):rep(1000000))
      c:expect_close(1002)
      c:finish()
    end)
    local r = recorder.new(server:url(), nil, server)
    assert.equal(1002, r:wait_close().code)
  end)
end)

describe("a client with connections one after the other", function()
  after_each(network.close_all)

  it("holds no more with the twentieth than with the second", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:echo()
    end)
    local ws = counted.new(server:url())
    local function round()
      ws:reconnect()
      scripted.pump(ws, server, function()
        return ws:state() == "open"
      end)
      ws:send(("x"):rep(1000))
      ws:close()
      scripted.pump(ws, server, function()
        return ws:state() == "closed"
      end)
    end
    round()
    round()
    local before = held()
    for _ = 3, 20 do
      round()
    end
    assert.same(before, held())
    ws:leave()
  end)

  it("tells of each the peer's address, and of none the last one's", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:close_session(1012)
    end)
    local r = recorder.new(server:url(), { retry = true }, server)
    assert.equal("127.0.0.1", r:wait_open().address)
    r:wait_close()
    assert.equal("127.0.0.1", r.ws:info().address)
    assert.equal("close", r.ws:info().phase)
    r.ws.url = "ws://feed.example/"
    network.resolver():attach(r.ws)
    r.ws:kick()
    r.ws:update()
    assert.is_nil(r.ws:info().address)
    assert.is_nil(r.ws:info().port)
    assert.equal("dns", r.ws:info().phase)
  end)
end)
