-- A slow upload is life: no peer looks dead while bytes of ours leave, and what was queued before
-- close() may take its time.  With an upload that no longer moves a dead peer is noticed.  In the
-- scripted world, over a socket and over TLS; kernels take bytes in lumps of a few seconds' worth.

local stage = require "support.stage"

after_each(stage.close_all)
teardown(stage.stop_all)

local SIZE = 16000000
local PACE = 200000 -- bytes a second

-- A large message to a server that says nothing and reads nothing but what the spec lets it.
local function start(way, options)
  local s = stage.open(way, options)
  s:silence()
  s:hold()
  assert(s.ws:send(("x"):rep(SIZE), "binary", { compress = false }))
  return s
end

-- A second of the upload.
local function second(s, pace)
  s:take(pace or PACE)
  s:turn()
  s:pass(1)
end

for _, way in ipairs(stage.ways) do
  describe("a slow upload, " .. way .. ",", function()
    it("to a peer that is otherwise silent is no ping_timeout while bytes leave", function()
      local s = start(way)
      local lowest = math.huge
      repeat
        second(s)
        assert.is_nil(s.closes[1] and tostring(s.closes[1].info))
        assert.is_true(s.ws:buffered() < lowest + 100, "the upload grows")
        lowest = math.min(lowest, s.ws:buffered())
      until s.ws:buffered() == 0
    end)

    it("has a peer that stays silent behind it noticed after interval and timeout", function()
      local s = start(way, { timeouts = { close = 1, linger = 1 } })
      repeat second(s) until s.ws:buffered() == 0 or s.closes[1]
      assert.is_nil(s.closes[1] and tostring(s.closes[1].info))
      local left_at = s:now()
      repeat
        assert.is_true(s:now() <= left_at + 45, "it was not noticed")
        second(s)
      until s.closes[1]
      assert.equal("ping_timeout", s.closes[1].info.error.name)
      assert.is_true(s:now() >= left_at + 19, s:now() - left_at)
    end)

    it("that no longer moves has a dead peer noticed after interval and timeout", function()
      local s = start(way, { timeouts = { close = 1, linger = 1 } })
      local before, stuck_at
      for _ = 1, 5 do second(s, 2 * PACE) end
      repeat -- what the kernels still take
        before, stuck_at = s.ws:buffered(), s:now()
        s:turn()
      until s.ws:buffered() == before
      repeat
        assert.is_true(s:now() <= stuck_at + 45, "it was not noticed")
        s:turn()
        s:pass(1)
      until s.closes[1]
      assert.equal(1006, s.closes[1].code)
      assert.equal("ping_timeout", s.closes[1].info.error.name)
      assert.is_true(s:now() >= stuck_at + 20, s:now() - stuck_at)
      assert.equal(SIZE, s.closes[1].info.undelivered)
    end)
  end)

  describe("close() behind a slow upload, " .. way .. ",", function()
    it("lets it take timeouts.drain, 30 s, as long as bytes leave", function()
      local s = start(way)
      s.ws:close(1000)
      local total
      repeat
        total = s:take(4 * PACE)
        s:turn()
        assert.is_nil(s.closes[1] and tostring(s.closes[1].info))
        s:pass(1)
      until s.ws:buffered() == 0 and total >= SIZE or s:now() > 2000
      assert.equal(0, s.ws:buffered())
      s:say(stage.close(1000))
      local came = s:until_closed(0.5, 20)
      assert.same({ 1000, true, 0 }, { came.code, came.info.clean, came.info.undelivered })
      assert.same({ code = 1000, reason = "" }, came.info.sent)
    end)

    it("is over once timeouts.drain is, though bytes still leave", function()
      local s = start(way, { timeouts = { drain = 10, close = 5 } })
      s.ws:close(1000)
      local closed_at = s:now()
      repeat
        second(s, 2 * PACE)
        assert.is_true(s:now() <= closed_at + 17, "it goes on")
      until s.closes[1]
      assert.is_true(s:now() >= closed_at + 10, s:now() - closed_at)
      local came = s.closes[1]
      assert.same({ 1006, "close_timeout" }, { came.code, came.info.error.name })
      assert.equal("what was sent before the Close did not leave within 10 s",
        came.info.error.message)
      assert.is_nil(came.info.sent) -- its Close did not leave
      assert.equal(SIZE, came.info.undelivered)
    end)

    it("is over timeouts.close after the last byte that left", function()
      local s = start(way, { timeouts = { close = 15 } })
      s.ws:close(1000)
      local before, stuck_at
      for _ = 1, 10 do second(s, 2 * PACE) end
      repeat
        before, stuck_at = s.ws:buffered(), s:now()
        s:turn()
      until s.ws:buffered() == before
      repeat
        s:turn()
        s:pass(1)
        assert.is_true(s:now() <= stuck_at + 18, "it was never over")
      until s.closes[1]
      -- in lumps: the last may have left some seconds before
      assert.is_true(s:now() >= stuck_at + 7, s:now() - stuck_at)
      assert.same({ 1006, "close_timeout" }, { s.closes[1].code, s.closes[1].info.error.name })
    end)
  end)
end
