-- What a program hears of its outbox: each message that is lost, with why, and when to send on.  On
-- the clock and the network of wsclose.testing.

local testing = require "wsclose.testing"
local wsclose = require "wsclose"

local URL = "wss://feed.example/v1"
local RETRY = { jitter = "none", first = false, initial = 1 }

-- A client whose `told` has a line for each callback that tells of an end or a loss.
local function new(options)
  local told = {}
  local all = {
    outbox = true, keepalive = false, extensions = {},
    on_undelivered = function(_, data, kind, why)
      told[#told + 1] = ("%s %s %s"):format(data, kind, why)
    end,
    on_close = function(_, code) told[#told + 1] = "close " .. code end,
    on_retry = function(_, delay) told[#told + 1] = ("retry %g"):format(delay) end,
    on_drain = function() told[#told + 1] = "drain" end,
  }
  for name, value in pairs(options or {}) do all[name] = value end
  local ws = assert(wsclose.new(URL, all))
  return ws, told
end

describe("on_undelivered", function()
  local server

  before_each(function() server = testing.server(URL) end)
  after_each(testing.reset)

  it("is told each message that is left when there will be no connection any more", function()
    server:refuse(403)
    local ws, told = new { retry = RETRY }
    ws:send "a"
    ws:send("b", "binary")
    ws:send("c", 2)
    testing.run(ws, "closed")
    assert.same({ "close 1006", "a text closed", "b binary closed", "c binary closed" }, told)
    assert.equal(3, ws.close_info.undelivered)
    assert.equal(3, ws:stats().messages_undelivered)
  end)

  it("is told by update, not by the send that drops", function()
    local ws, told = new { outbox = { bytes = 3, full = "oldest" } }
    for _, data in ipairs { "a", "b", "c", "dd" } do assert.is_true(ws:send(data)) end
    assert.same({}, told)
    assert.equal(0, ws:timeout())
    assert.equal(3, ws:buffered())
    ws:update()
    assert.same({ "a text full", "b text full" }, told)
  end)

  it("is told of what is kept for too long, while the client waits", function()
    server:accept():drop()
    local ws, told = new {
      outbox = { ttl = 5 }, retry = { jitter = "none", first = false, initial = 20 },
    }
    testing.run(ws, "waiting")
    ws:send "a"
    testing.run(4)
    ws:send "b"
    testing.run(1)
    ws:update()
    assert.same({ "close 1006", "retry 20", "a text expired" }, told)
    assert.equal(1, ws:buffered())
  end)

  it("is told of what was written in part, with what comes behind it sent again", function()
    server:accept():hold(100):wait(1):reset()
    local second = server:accept()
    local ws, told = new { retry = RETRY }
    testing.run(ws, "open")
    local first = ("x"):rep(90)
    for _, data in ipairs { first, ("y"):rep(90), "z" } do assert.is_true(ws:send(data)) end
    testing.run(ws, "waiting")
    assert.same({ "close 1006", ("y"):rep(90) .. " text cut", "retry 1" }, told)
    assert.equal(90, ws.close_info.undelivered)
    testing.run(ws, "open")
    testing.run()
    assert.same({ "z" }, second:received(2))
    assert.equal(1, ws:stats().messages_undelivered)
  end)

  it("is not told of what was written wholly, where a ping behind it was cut", function()
    server:accept():send("go"):hold(100):wait(1):reset()
    local ws, told = new {
      retry = RETRY,
      on_message = function(ws) -- both leave together, at the turn's end
        ws:send(("x"):rep(90))
        ws:ping "12345678"
      end,
    }
    testing.run(ws, "waiting")
    assert.same({ "close 1006", "retry 1" }, told)
  end)

  it("lets an error out of the update that told it, and the rest is told next", function()
    server:refuse(403)
    local told
    local ws, all = new { retry = RETRY }
    told = ws.on_undelivered
    function ws:on_undelivered(data, kind, why)
      told(self, data, kind, why)
      error("no " .. data, 0)
    end
    ws:send "a"
    ws:send "b"
    local ok, message = pcall(testing.run, ws, "closed")
    assert.same({ false, "no a" }, { ok, message })
    ok, message = pcall(ws.update, ws)
    assert.same({ false, "no b" }, { ok, message })
    assert.same({ "close 1006", "a text closed", "b text closed" }, all)
    assert.is_false((ws:update()))
  end)

  it("may send again, and what it sends for nobody is refused", function()
    server:refuse(403)
    local ws
    ws = new {
      retry = RETRY,
      on_undelivered = function(_, data)
        assert.equal("state", select(3, ws:send(data)))
      end,
    }
    ws:send "a"
    testing.run(ws, "closed")
    assert.equal(0, ws:buffered())
  end)

  it("is told by leave, and after close while waiting", function()
    server:accept():drop()
    server:accept():drop()
    for _, way in ipairs { "leave", "close" } do
      local ws, told = new { retry = RETRY }
      testing.run(ws, "waiting")
      ws:send "a"
      ws[way](ws)
      ws:update()
      assert.same({ "close 1006", "retry 1", "a text closed" }, told)
      assert.equal(1, ws.close_info.undelivered)
    end
  end)

  it("need not be there: the loss is counted", function()
    local ws = new { retry = RETRY, outbox = { bytes = 1, full = "oldest" } }
    ws.on_undelivered = nil
    server:fail "refused"
    server:refuse(403)
    testing.run(ws, "waiting")
    ws:send "a"
    ws:send "b"
    assert.equal(1, ws:timeout()) -- there is nothing to tell
    testing.run(ws, "closed")
    assert.equal(2, ws:stats().messages_undelivered)
  end)
end)

describe("the outbox", function()
  local server

  before_each(function() server = testing.server(URL) end)
  after_each(testing.reset)

  it("lasts over a redirect, reconnect and kick, and nothing is lost", function()
    server:refuse(302, { Location = "wss://other.example/" })
    local other = testing.server "wss://other.example"
    other:accept()
    server:fail "refused"
    server:accept()
    local ws, told = new { retry = RETRY, redirects = 1 }
    ws:send "a"
    testing.run(ws, "open")
    testing.run()
    ws:reconnect(1001)
    assert.is_true(ws:send "b")
    testing.run(function() return told[3] end)
    ws:send "c"
    assert.is_true(ws:kick())
    testing.run(ws, "open")
    testing.run()
    assert.same({ "a" }, other:received())
    assert.same({ "b", "c" }, server:received())
    assert.equal(0, ws:stats().messages_undelivered)
    assert.same({ "close 1001", "retry 0", "close 1006", "retry 1" }, told)
  end)

  it("keeps what is sent within a message in pieces, until that is finished", function()
    server:accept()
    local ws = new()
    testing.run(ws, "open")
    local writer = ws:send_fragments()
    assert.is_true(writer:write "1")
    assert.is_true(ws:send "after")
    assert.equal(5, ws:buffered())
    assert.is_true(writer:finish "2")
    testing.run()
    assert.same({ "12", "after" }, server:received())
  end)

  it("sends what on_open sends in pieces ahead of what is kept, as all else", function()
    server:accept()
    local ws = new {
      on_open = function(ws)
        ws:send_fragments():finish "login"
        ws:send "select"
      end,
    }
    ws:send "kept"
    testing.run(ws, "open")
    testing.run()
    assert.same({ "login", "select", "kept" }, server:received())
  end)

  it("keeps what is sent while reconnect closes, though there is no retry", function()
    server:accept()
    server:accept()
    local ws = new()
    testing.run(ws, "open")
    ws:reconnect()
    assert.equal("closing", ws:state())
    assert.is_true(ws:send "a")
    testing.run(ws, "open")
    testing.run()
    assert.same({ "a" }, server:received())
  end)

  it("tells no drain once it is closed for good, and no message in pieces is kept", function()
    server:fail "refused"
    server:refuse(403)
    local ws, told = new { retry = RETRY, outbox = { bytes = 4, high = 1 } }
    testing.run(ws, "waiting")
    local writer = ws:send_fragments()
    ws:send "abcd"
    assert.equal("busy", select(3, ws:send "e"))
    assert.equal("state", select(3, writer:write "x"))
    testing.run(ws, "closed")
    ws:update()
    assert.same({ "close 1006", "retry 1", "close 1006", "abcd text closed" }, told)
  end)

  it("tells of the drain that comes with the end of a message in pieces", function()
    server:accept()
    local ws, told = new { outbox = { bytes = 4, high = 100 } }
    testing.run(ws, "open")
    local writer = ws:send_fragments()
    writer:write "1"
    assert.is_true(ws:send "abcd")
    assert.equal("busy", select(3, ws:send "e"))
    writer:finish()
    testing.run()
    assert.same({ "drain" }, told)
    assert.same({ "1", "abcd" }, server:received())
  end)

  it("lets what is kept go before a Close", function()
    server:accept()
    local ws, told = new { on_open = function(ws) ws:close() end }
    ws:send "a"
    testing.run(ws, "closed")
    assert.same({ "a" }, server:received())
    assert.same({ "close 1000" }, told)
  end)

  it("lets no message in pieces overtake what is kept", function()
    server:accept():hold(0):wait(1):release()
    local ws, told = new { limits = { send_queue = 200 }, outbox = { bytes = 1000, high = 2000 } }
    for i = 1, 3 do ws:send(tostring(i):rep(150)) end
    testing.run(ws, "open")
    local writer = ws:send_fragments()
    local ok, sentence, name = writer:write "x"
    assert.is_nil(ok)
    assert.matches("wait for on_drain", sentence, 1, true)
    assert.equal("busy", name)
    testing.run(2)
    assert.same({ "drain" }, told)
    assert.is_true(writer:write "x")
    assert.is_true(ws:send "y")
    assert.is_true(writer:finish())
    testing.run()
    local got = server:received()
    assert.same({ "x", "y" }, { got[4], got[5] })
  end)

  it("sends the whole of it on a connection that takes a little at a time", function()
    server:accept():hold(0):wait(1):release()
    local ws = new { limits = { send_queue = 100 }, outbox = { bytes = 10000 } }
    local sent = {}
    for i = 1, 100 do
      sent[i] = ("%03d"):format(i)
      assert(ws:send(sent[i]))
    end
    testing.run(5)
    assert.same(sent, server:received())
  end)

  it("tells when little waits: while there is no connection too, and by update", function()
    server:accept():drop()
    local ws, told = new {
      outbox = { high = 4, low = 1, ttl = 5 },
      retry = { jitter = "none", first = false, initial = 20 },
    }
    testing.run(ws, "waiting")
    assert.same({ true }, { ws:send "abc" })
    testing.run(2)
    assert.same({ true, "high" }, { ws:send "d" })
    ws:update()
    assert.equal(2, #told)
    testing.run(3)
    ws:update()
    assert.same({ "abc text expired", "drain" }, { told[3], told[4] })
    ws:update()
    assert.equal(4, #told)
  end)

  it("tells when no more than outbox.low waits for the network", function()
    server:accept():hold(100):wait(1):hold(1100):wait(1):hold(2100):wait(1):release()
    local ws, told = new { outbox = { high = 2000, low = 1200 } }
    testing.run(ws, "open")
    local got = { ws:send(("x"):rep(1000)) }
    assert.same({ true }, got)
    got = { ws:send(("y"):rep(1200)) }
    assert.same({ true, "high" }, got)
    testing.run(0.5)
    assert.same({}, told)
    testing.run(1)
    assert.same({ "drain" }, told)
    assert(ws:buffered() > 1000)
    testing.run(3)
    assert.same({ "drain" }, told)
  end)

  it("with confirm knows what a server has read, by pings that the program does not see", function()
    server:accept():expect("a"):expect "b"
    server:wait(1):hold(1000):wait(1):drop()
    server:accept()
    local pongs = 0
    local ws, told = new {
      outbox = { confirm = true, high = 2 }, retry = RETRY,
      on_pong = function() pongs = pongs + 1 end,
    }
    ws:send "a"
    assert.same({ true, "high" }, { ws:send "b" })
    testing.run(1.5)
    assert.same({ "drain" }, told)
    told[1] = nil
    ws:send "c"
    ws:send "d"
    testing.run(ws, "waiting")
    assert.same({ "close 1006", "c text unconfirmed", "d text unconfirmed", "retry 1" }, told)
    assert.equal(0, ws.close_info.undelivered)
    testing.run(ws, "open")
    ws:ping "mine"
    testing.run()
    assert.equal(1, pongs)
    assert.same({}, server:received(2))
  end)

  it("with confirm knows at a Close of its own what the server has read", function()
    for _, way in ipairs { "close", "reconnect" } do
      server:accept()
      local ws, told = new { outbox = { confirm = true } }
      testing.run(ws, "open")
      ws:send "a"
      ws:send "b"
      ws[way](ws)
      testing.run(function() return told[1] end)
      assert.same({ "close 1000" }, { told[1] })
      assert.equal(0, ws:stats().messages_undelivered)
    end
  end)

  it("takes what send takes, and raises at the line that calls", function()
    server:accept()
    local ws = new()
    assert.is_true(ws:send(12))
    for _, wrong in ipairs {
      { {} }, { "x", "txt" }, { "x", 3 }, { "x", "text", 1 }, { "x", "text", { compres = true } },
    } do
      local ok, message = pcall(function() ws:send(wrong[1], wrong[2], wrong[3]) end)
      assert.is_false(ok)
      assert.matches("outbox_lost_spec%.lua:%d+: %l+ ", message)
    end
    assert.error_matches(function() ws.send "x" end, "call its methods with a colon")
    testing.run(ws, "open")
    testing.run()
    assert.same({ "12" }, server:received())
  end)
end)
