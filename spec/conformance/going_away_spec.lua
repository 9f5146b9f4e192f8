-- 1001 from servers that wsclose did not write: they restart, the client comes back by itself after
-- exactly the delay of its policy, and messages flow again.  The clock is scripted: nobody waits.

local peers = require "support.peers"
local process = require "support.process"
local recorder = require "support.recorder"

-- A random source that gives the same value again and again, and a clock that stands still.
local function scripted_time(random_value)
  local time = { now = 1000 }
  function time.clock()
    return time.now
  end
  function time.random()
    return random_value
  end
  return time
end

local TICK = 1e-6 -- the clock's grain

local function client(peer, time, retry)
  retry.random = time.random
  return recorder.new("ws://127.0.0.1:" .. peer.port, { retry = retry, clock = time.clock })
end

local function echo(r, text)
  assert.is_true(r.ws:send(text))
  assert.equal(text, r:wait_message().data)
end

-- Just before the delay is over nothing happens; with its last instant the client connects.
local function assert_comes_back_after(r, time, delay)
  local opens = #r.opens
  time.now = time.now + delay - TICK
  for _ = 1, 5 do
    r.ws:update(0)
  end
  assert.equal("waiting", r.ws:state())
  time.now = time.now + 2 * TICK
  r:wait_open(opens + 1)
  assert.equal("open", r.ws:state())
end

local function restart(r, peer, reason)
  local closes = #r.closes
  peer:tell("restart " .. reason)
  local came = r:wait_close(closes + 1)
  peer:expect "^RESTARTED"
  return came
end

for _, key in ipairs { "websockets", "ws", "lws", "autobahn" } do
  describe("1001 from " .. peers.all[key].name, function()
    local peer

    before_each(function()
      peer = peers.start(key)
    end)

    after_each(process.stop_all)

    it("reaches on_close with its reason, and the client comes back after 0 to 5 s", function()
      for _, random_value in ipairs { 0.25, 0.99 } do
        local time = scripted_time(random_value)
        local r = client(peer, time, {})
        r:wait_open()
        echo(r, "before")
        local came = restart(r, peer, "restarting, back soon")
        assert.equal(1001, came.code)
        assert.equal("restarting, back soon", came.reason)
        assert.same({ code = 1001, reason = "restarting, back soon" }, came.info.received)
        assert.equal(1001, came.info.sent.code)
        assert.equal("GOING_AWAY", came.info.name)
        assert.equal("peer", came.info.by)
        assert.is_true(came.info.clean)
        assert.is_true(came.info.opened)
        local delay = 5 * random_value
        assert.near(delay, came.info.retry_in, 1e-9)
        assert.near(delay, r.retries[1].delay, 1e-9)
        assert_comes_back_after(r, time, delay)
        echo(r, "after")
        r.ws:close()
        assert.equal(1000, r:wait_close(2).code)
        assert.equal(2, #r.opens)
        assert.equal(2, #r.closes)
      end
    end)

    it("again and again: the delays are the policy's, and reset by a stable connection", function()
      local time = scripted_time(0.5)
      local r = client(peer, time, { initial = 1, factor = 2, floor = 0.25, first = false })
      r:wait_open()
      -- floor + random * (min(max, initial * factor^n) - floor)
      for n, delay in ipairs { 0.625, 1.125, 2.125, 4.125 } do
        echo(r, "round " .. n)
        local came = restart(r, peer, "once more")
        assert.near(delay, came.info.retry_in, 1e-9)
        assert.equal(n, came.info.attempt)
        assert_comes_back_after(r, time, delay)
      end
      time.now = time.now + 10 + TICK -- stable_after, and something came in
      echo(r, "stable")
      assert.near(0.625, restart(r, peer, "after a while").info.retry_in, 1e-9)
      r.ws:close()
    end)

    it("goes on under the policy while the server is away, and stops when told to", function()
      local time = scripted_time(0)
      local r = client(peer, time, { initial = 2, factor = 3, jitter = "none", first = false })
      r:wait_open()
      peer:tell "close 1001 for good"
      assert.equal(2, r:wait_close().info.retry_in)
      peer:stop()
      time.now = time.now + 2 + TICK
      local refused = r:wait_close(2)
      assert.equal(1006, refused.code)
      assert.equal("refused", refused.info.error.name)
      assert.is_false(refused.info.opened)
      assert.equal(6, refused.info.retry_in)
      r.ws:close()
      assert.is_false((r.ws:update(0)))
      assert.equal("closed", r.ws:state())
      assert.equal(2, #r.closes)
    end)

    it("ends it when no retry was asked for", function()
      local r = recorder.new("ws://127.0.0.1:" .. peer.port)
      r:wait_open()
      local came = restart(r, peer, "bye")
      assert.equal(1001, came.code)
      assert.equal("bye", came.reason)
      assert.is_nil(came.info.retry_in)
      assert.equal("closed", r.ws:state())
    end)
  end)
end
