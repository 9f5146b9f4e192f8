-- Time is judged by what has been looked at: neither a slow program nor a budget nor a pause
-- makes a peer look dead, and one that is dead still meets its deadline.  In the scripted world,
-- over a socket and over TLS, on a clock that the spec moves.

local stage = require "support.stage"

after_each(stage.close_all)
teardown(stage.stop_all)

-- A game's round, and what LÖVE's clients have.
local FRAME = 1 / 60
local GAME = { max_messages = 1000, max_time = 0.001 }

local function with(options, more)
  local all = {}
  for name, value in pairs(options) do all[name] = value end
  for name, value in pairs(more) do all[name] = value end
  return all
end

-- A scene whose handler takes so many seconds for each message.
local function open_slow(way, seconds, options)
  local s, on_message
  s = stage.open(way, options)
  on_message = s.ws.on_message
  function s.ws.on_message(...)
    s:pass(seconds)
    on_message(...)
  end
  return s
end

local function assert_in_order(got, count)
  assert.equal(count, #got)
  for i = 1, count do assert.equal(tostring(i), got[i]) end
end

for _, way in ipairs(stage.ways) do
  describe("a backlog that the program takes slowly, " .. way .. ",", function()
    it("makes no peer look dead that answers every ping: one message an update", function()
      local s = stage.open(way, { max_messages = 1, keepalive = { interval = 1, timeout = 1 } })
      s:say(stage.texts(100))
      s:turns(0.05, function() return #s.got == 100 or s.closes[1] end)
      assert.is_nil(s.closes[1] and tostring(s.closes[1].info))
      assert_in_order(s.got, 100)
    end)

    it("makes no peer look dead: 3,000 messages on join, 2 ms each, LÖVE's budget", function()
      local s = open_slow(way, 0.002, with(GAME, { keepalive = { interval = 1, timeout = 1 } }))
      s:say(stage.texts(3000))
      s:turns(FRAME, function() return #s.got == 3000 or s.closes[1] end)
      assert.is_nil(s.closes[1] and tostring(s.closes[1].info))
      assert_in_order(s.got, 3000)
    end)

    it("makes no peer look dead with the defaults either, though it lasts for minutes", function()
      local s = open_slow(way, 0.05, GAME)
      s:say(stage.texts(3000))
      s:turns(FRAME, function() return #s.got == 3000 or s.closes[1] end)
      assert.is_nil(s.closes[1] and tostring(s.closes[1].info))
    end)

    it("has each ping in it answered within the round that reads it", function()
      local s = open_slow(way, 0.002, with(GAME, { keepalive = false }))
      local frames = {}
      for i = 1, 10 do
        frames[i] = stage.text "before" .. stage.ping(tostring(i)) .. stage.text "behind"
      end
      s:say(table.concat(frames))
      for _ = 1, 100 do
        s:turn()
        local pongs = s:pongs()
        local read = math.floor(#s.got / 2) -- the pings before the latest message
        assert.is_true(#pongs >= read, ("%d messages, %d pongs"):format(#s.got, #pongs))
        s:pass(FRAME)
      end
      assert_in_order(s:pongs(), 10)
      assert.equal(20, #s.got)
    end)

    it("does not keep close() from its time: the Close behind it counts", function()
      local s = open_slow(way, 0.002, with(GAME, { timeouts = { close = 1 } }))
      s:say(stage.texts(3000))
      s:turns(FRAME, function() return #s.got >= 1000 end)
      local closed_at = s:now()
      s.ws:close(1000)
      local came = s:until_closed(FRAME)
      assert.same({ 1000, true }, { came.code, came.info.clean })
      assert.same({ code = 1000, reason = "" }, came.info.received)
      assert.is_nil(came.info.error)
      assert.is_true(came.at <= closed_at + 1 + 2 * FRAME, came.at - closed_at)
      assert.equal(3000 - #s.got, came.info.dropped)
      assert_in_order(s.got, #s.got)
    end)

    it("does not keep close() from its time with one message an update", function()
      local s = stage.open(way, { max_messages = 1, timeouts = { close = 1 } })
      s:say(stage.texts(100))
      local closed_at = s:now()
      s.ws:close(1000, "bye")
      local came = s:until_closed(0.25)
      assert.same({ 1000, "bye", true }, { came.code, came.reason, came.info.clean })
      assert.is_true(came.at <= closed_at + 1.5, came.at - closed_at)
      assert.equal(100 - #s.got, came.info.dropped)
      assert.is_true(came.info.dropped > 90)
    end)

    it("is delivered before the Close where there is time: nothing is dropped", function()
      local s = stage.open(way, { max_messages = 10, timeouts = { close = 10 } })
      s:say(stage.texts(100))
      s.ws:close(1000)
      local came = s:until_closed(0.25)
      assert.same({ 1000, true, 0 }, { came.code, came.info.clean, came.info.dropped })
      assert_in_order(s.got, 100)
    end)

    it("counts what is left when it ends with the program's leave()", function()
      local s = stage.open(way, { max_messages = 1 })
      s:say(stage.texts(10))
      s:turn()
      s.ws:leave()
      assert.equal(1, #s.closes)
      assert.equal(10 - #s.got, s.closes[1].info.dropped)
    end)
  end)

  describe("a program that was away, " .. way .. ",", function()
    it("finds the pong that came meanwhile before the deadline", function()
      local s = stage.open(way, { keepalive = { interval = 1, timeout = 1 } })
      s:pass(1.01)
      s:turn()
      s:pass(100)
      s:turn()
      assert.equal(0, #s.closes)
      assert.is_true(s.ws:stats().pongs_in >= 1)
    end)

    it("finds the answer to its Close before the deadline", function()
      local s = stage.open(way, { timeouts = { close = 1 } })
      s.ws:close(1000)
      s:serve()
      s:pass(100)
      local came = s:until_closed(0, 10)
      assert.same({ 1000, true }, { came.code, came.info.clean })
    end)

    it("finds the messages that came before the Close, and the Close", function()
      local s = stage.open(way, { keepalive = { interval = 1, timeout = 1 } })
      s:pass(1.01)
      s:turn()
      s:say(stage.texts(100) .. stage.close(1001, "restart"))
      s:pass(100)
      local came = s:until_closed(0, 100)
      assert.same({ 1001, "restart" }, { came.code, came.reason })
      assert_in_order(s.got, 100)
    end)
  end)

  describe("a peer that is gone, " .. way .. ",", function()
    local BRIEF = {
      keepalive = { interval = 1, timeout = 1 }, timeouts = { close = 1, linger = 1 },
    }
    local STEP = 0.05

    -- Interval and timeout, and then a Close is tried.
    local function assert_noticed(s, since)
      local came = s:until_closed(STEP, 400)
      assert.is_truthy(came, "it was never noticed")
      assert.same({ 1006, "ping_timeout" }, { came.code, came.info.error and came.info.error.name })
      assert.is_true(came.at >= since + 2 - STEP, ("%g s"):format(came.at - since))
      assert.is_true(came.at <= since + 3 + 2 * STEP, ("%g s"):format(came.at - since))
      return came
    end

    it("is noticed after interval and timeout", function()
      local s = stage.open(way, BRIEF)
      s:silence()
      assert_noticed(s, s:now())
    end)

    it("is noticed with a budget, once its backlog is taken", function()
      local s = stage.open(way, with(BRIEF, { max_messages = 1 }))
      s:silence()
      s:say(stage.texts(100))
      s:turns(STEP, function() return #s.got == 100 or s.closes[1] end)
      assert_in_order(s.got, 100)
      assert_noticed(s, s:now() - 1) -- a ping may have been under way
    end)

    it("is noticed after a pause, and not in it", function()
      local s = stage.open(way, BRIEF)
      s:silence()
      s.ws:pause()
      s:turns(1, function() return s.closes[1] end, 100)
      assert.equal(0, #s.closes)
      s.ws:resume()
      assert_noticed(s, s:now())
    end)

    it("is not one that answers, after a pause", function()
      local s = stage.open(way, BRIEF)
      s:say(stage.texts(3))
      s.ws:pause()
      s:turns(1, function() return s.closes[1] end, 100)
      s.ws:resume()
      s:turns(STEP, function() return s.closes[1] end, 100)
      assert.equal(0, #s.closes)
    end)
  end)
end
