-- Every ping has its pong, in order, queued the moment the ping is read and so before all that a
-- callback sends from then on; and a peer that never pauses still meets its deadlines.  In the
-- scripted world, over a socket and over TLS.

local stage = require "support.stage"

local wire = stage.wire

after_each(stage.close_all)
teardown(stage.stop_all)

local function pings(first, last)
  local frames = {}
  for i = first, last do frames[#frames + 1] = stage.ping(tostring(i)) end
  return table.concat(frames)
end

local function assert_counts(list, last)
  assert.equal(last, #list)
  for i = 1, last do assert.equal(tostring(i), list[i]) end
end

local function settle(s)
  for _ = 1, 20 do s:turn() end
end

for _, way in ipairs(stage.ways) do
  describe("pings, " .. way .. ",", function()
    it("that come ten in one segment have ten pongs in order", function()
      local s = stage.open(way)
      s:say(pings(1, 10))
      settle(s)
      assert_counts(s:pongs(), 10)
      assert_counts(s.pings, 10)
    end)

    it("each have their pong before what on_message sends, with a budget too", function()
      local function echo(ws, data) ws:send(data) end
      for _, budget in ipairs { false, 1, 3 } do
        local s = stage.open(way, {
          max_messages = budget or nil, on_message = echo,
        })
        s:say(pings(1, 1) .. stage.text "a" .. pings(2, 3) .. stage.text "b" .. pings(4, 4))
        settle(s)
        local words, first, last = s:words(), nil, nil
        for i, word in ipairs(words) do
          if word == "text" then first, last = first or i, i end
        end
        local shown = table.concat(words, ", ")
        assert.equal(6, #words, shown)
        assert_counts(s:pongs(), 4)
        assert.is_true(first > 1, shown) -- behind pong 1, and the last one behind pong 3
        assert.is_true(last > 4, shown)
        stage.close_all()
      end
    end)

    it("between two fragments in one segment are answered before the message's echo", function()
      local s = stage.open(way, {
        on_message = function(ws, data) ws:send(data) end,
      })
      local fragments = {
        wire.frame { payload = "hel", fin = false },
        wire.frame { opcode = "continuation", payload = "lo" },
      }
      s:say(fragments[1] .. stage.ping "between" .. fragments[2])
      settle(s)
      assert.same({ "pong between", "text" }, s:words())
    end)

    it("are answered at once while a message is sent in fragments", function()
      local s = stage.open(way)
      local writer = s.ws:send_fragments()
      writer:write "one"
      s:say(stage.ping "p")
      settle(s)
      writer:finish "two"
      settle(s)
      assert.same({ "text", "pong p", "continuation" }, s:words())
    end)

    it("of a flood have the first 64 pongs, and the latest of the rest", function()
      local s = stage.open(way)
      local size = 12 * 1024 * 1024 -- more than kernels take: nothing more is written
      s:hold()
      assert(s.ws:send(("x"):rep(size), "binary", { compress = false }))
      s:turn()
      s:say(pings(1, 200))
      settle(s)
      assert.is_true(s.ws:buffered() > 0)
      local function is_gone()
        s:take(size)
        return s.ws:buffered() == 0
      end
      assert.is_true(s:turns(0, is_gone))
      assert.equal(1 + 65, s.ws:stats().frames_out)
    end)
  end)

  describe("a peer that never pauses, " .. way .. ",", function()
    local STEP = 0.01

    -- Says more than one turn reads, each time; for drips one byte.
    local FLOODS = {
      ["small messages"] = stage.texts(20000),
      ["large frames"] = wire.frame { opcode = "binary", payload = ("x"):rep(1048576) },
      ["bytes in drips"] = "",
    }

    -- Lets the peer go on until the end is told; the seconds that took.
    local function flood(s, bytes, first)
      local began_at, drip = s:now(), 0
      if first then s:say(first) end
      for _ = 1, 100 do
        if bytes ~= "" then
          if s:now() - began_at < 0.7 then s:say(bytes) end
        else
          drip = drip + 1
          s:say(drip == 1 and "\1\126\255\255" or "x") -- a fragment that never ends
        end
        s:turn()
        if s.closes[1] then return s.closes[1].at - began_at, s.closes[1] end
        s:pass(STEP)
      end
      error "it was not ended"
    end

    for name, bytes in pairs(FLOODS) do
      it("meets timeouts.close with " .. name, function()
        local s = stage.open(way, { timeouts = { close = 0.5 }, keepalive = false })
        s:silence()
        s:say(bytes)
        s:turn()
        s.ws:close(1000)
        s:turn()
        local seconds, came = flood(s, bytes)
        assert.is_true(seconds >= 0.5 - STEP and seconds <= 0.6, seconds)
        assert.same({ 1006, "close_timeout" }, { came.code, came.info.error.name })
        assert.same({ code = 1000, reason = "" }, came.info.sent)
      end)
    end

    it("meets timeouts.handshake with drips of its answer", function()
      local s = stage.new(way, { stalls = true, timeouts = { handshake = 0.5 } })
      assert(s:turns(0, function() return s:is_asked() end))
      local began_at = s:now()
      s:say "HTTP/1.1 101 Switching Protocols\r\nX-A: "
      local came = s:turns(STEP, function()
        if not s.closes[1] then s:say "x" end
        return s.closes[1]
      end, 100)
      assert.is_true(came.at - began_at <= 0.6, came.at - began_at)
      assert.same({ 1006, "timeout", "handshake" },
        { came.code, came.info.error.name, came.info.error.phase })
    end)
  end)
end
