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
          trace = true, max_messages = budget or nil, on_message = echo,
        })
        s:say(pings(1, 1) .. stage.text "a" .. pings(2, 3) .. stage.text "b" .. pings(4, 4))
        settle(s)
        local seen, order = {}, 0
        for _, word in ipairs(s:words()) do
          seen[#seen + 1] = word
          order = word == "text" and order + 1 or order
          if order == 0 then assert.is_true(seen[1] == "pong 1") end
        end
        -- the second echo stands behind the pings that were read before its message
        local place = {}
        for i, word in ipairs(seen) do place[word] = place[word] or i end
        assert.equal(6, #seen)
        assert.is_true(place["pong 1"] < place["text"], table.concat(seen, ", "))
        assert_counts(s:pongs(), 4)
        local last_text = 0
        for i, word in ipairs(seen) do if word == "text" then last_text = i end end
        assert.is_true(place["pong 3"] < last_text, table.concat(seen, ", "))
        stage.close_all()
      end
    end)

    it("between two fragments in one segment are answered before the message's echo", function()
      local s = stage.open(way, {
        trace = true, on_message = function(ws, data) ws:send(data) end,
      })
      local fragments = wire.fragments("text", { "hel", "lo" })
      s:say(fragments[1] .. stage.ping "between" .. fragments[2])
      settle(s)
      assert.same({ "pong between", "text" }, s:words())
    end)

    it("are answered at once while a message is sent in fragments", function()
      local s = stage.open(way, { trace = true })
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
      local waiting = s.ws:buffered()
      -- 65 pongs with payloads of one to three bytes; 200 of them would be 1,600 bytes
      local pongs = 0
      for i = 1, 64 do pongs = pongs + 6 + #tostring(i) end
      pongs = pongs + 6 + #"200"
      s.ws:ping(("p"):rep(100))
      assert.equal(waiting + 106, s.ws:buffered())
      s:take(size * 2)
      local before
      repeat
        before = s.ws:buffered()
        s:turn()
        s:take(size * 2)
      until s.ws:buffered() == before
      assert.equal(0, s.ws:buffered())
      assert.equal(65, s.ws:stats().frames_out - 2) -- the message and the ping beside them
      assert.is_true(pongs > 0)
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
      local s = stage.new(way, { timeouts = { handshake = 0.5, connect = 5 }, answer = {} })
      if s.c == nil and not s.server.attempts then -- a socket: the script must not answer
        s.server.scripts[1] = function(c)
          s.c = c
          c:read_request()
          c:stall()
        end
      else
        require("wsclose.testing").reset()
        s.server = require("wsclose.testing").server "ws://stage.example/"
        s.server:request()
        s.ws = assert(require("wsclose").new("ws://stage.example/", {
          timeouts = { handshake = 0.5, connect = 5 },
          on_close = function(_, code, _, info)
            s.closes[1] = { code = code, info = info, at = s:now() }
          end,
        }))
      end
      s:turns(0, function()
        if s.c then return s.c.request end
        return s.server.current and s.server.current.request
      end, 1000)
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
