-- leave() tells the truth: what did not leave is not claimed and is counted, and on_close is called
-- once, whatever state it finds.  What was exchanged stays in the report: close_matrix_spec.lua.

local network = require "support.network"
local stage = require "support.stage"

after_each(function()
  stage.close_all()
  network.close_all()
end)
teardown(stage.stop_all)

-- Turns that take no time, until the state is this one.
local function until_state(s, state)
  assert(s:turns(0, function() return s.ws:state() == state end))
end

for _, way in ipairs(stage.ways) do
  describe("leave() " .. way, function()
    local function left(s)
      s.ws:leave()
      s:serve()
      assert.equal(1, #s.closes)
      assert.equal("closed", s.ws:state())
      assert.is_false((s.ws:update(0)))
      assert.equal(1, #s.closes)
      return s.closes[1].code, s.closes[1].info
    end

    it("comes back from a pause, with more to be read than one read brings", function()
      local s = stage.open(way, { on_message = function(ws) ws:pause() end })
      s:say(stage.text(("x"):rep(1000)):rep(200))
      s:turn()
      s.ws:leave()
      assert.equal(1, #s.closes)
      assert.is_true(s.closes[1].info.dropped > 0, s.closes[1].info.dropped)
    end)

    it("keeps the counters of what was exchanged", function()
      local s = stage.open(way, { on_message = function() end })
      s:say(stage.text "hello")
      assert(s:turns(0, function() return s.ws:stats().messages_in == 1 end))
      s.ws:leave()
      s.ws:leave()
      local stats = s.ws:stats()
      assert.same({ 1, 1, 1 }, { stats.messages_in, stats.total.messages_in, stats.attempts })
      assert.is_true(stats.frames_out >= 1, stats.frames_out) -- our Close
    end)

    it("hears a Close that came behind messages which the budget still holds back", function()
      local s = stage.open(way, { max_messages = 1 })
      s:say(stage.texts(10))
      s:turn()
      s:say(stage.close(4001, "yours"))
      local code, info = left(s)
      assert.same({ 4001, 10 - #s.got }, { code, info.dropped })
      assert.same({ code = 4001, reason = "yours" }, info.received)
    end)

    it("counts whole messages that did not leave, and none that did", function()
      local s = stage.open(way)
      assert(s.ws:send("gone"))
      s:turn()
      s:silence()
      s:hold()
      local size = 8 * 1024 * 1024
      assert(s.ws:send(("x"):rep(size), "binary", { compress = false }))
      s:turn()
      assert(s.ws:send("stays", "text", { compress = false }))
      local _, info = left(s)
      assert.equal(size + 5, info.undelivered)
    end)

    it("before the first update, or twice, tells nothing twice", function()
      local s = stage.new(way)
      s.ws:leave()
      s.ws:leave()
      assert.equal("closed", s.ws:state())
      assert.is_true(#s.closes <= 1)
    end)

    it("while it waits to connect anew tells no second end", function()
      local s = stage.open(way, { retry = true })
      s:silence()
      s:say(stage.close(1001, "restart"))
      s:turns(0.1, function() return s.closes[1] end, 1000)
      assert.equal("waiting", s.ws:state())
      assert.equal(1, #s.closes)
      s.ws:leave()
      s:turn()
      assert.same({ 1, "closed" }, { #s.closes, s.ws:state() })
      assert.equal(1001, s.ws.close_code)
      assert.is_nil(s.ws.close_info.retry_in)
    end)

    it("after the end was told tells nothing more", function()
      local s = stage.open(way)
      s.ws:close(1000)
      assert(s:until_closed(0.1, 100))
      local info = s.closes[1].info
      s.ws:leave()
      s:turn()
      assert.equal(1, #s.closes)
      assert.same(info.sent, s.ws.close_info.sent)
      assert.equal(1000, s.ws.close_code)
    end)

    it("from within on_close, on_open and on_message tells one end", function()
      for _, callback in ipairs { "on_close", "on_open", "on_message" } do
        local s = stage.new(way)
        local inner = s.ws[callback]
        s.ws[callback] = function(ws, ...)
          inner(ws, ...)
          ws:leave()
        end
        until_state(s, callback == "on_open" and "closed" or "open")
        if callback ~= "on_open" then
          s:say(stage.text "a" .. stage.text "b" .. stage.close(1000))
        end
        s:until_closed(0.1, 100)
        assert.same({ 1, "closed" }, { #s.closes, s.ws:state() })
        stage.close_all()
      end
    end)
  end)
end
