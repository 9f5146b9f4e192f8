-- max_messages and max_time: what one update gives at most, and what becomes of the rest.

local scripted = require "support.scripted_server"
local wsclose = require "wsclose"

local wire = scripted.wire

local function ten_messages(c)
  c:upgrade()
  local frames = {}
  for i = 1, 10 do frames[i] = wire.frame { payload = tostring(i) } end
  c:send(table.concat(frames))
  c:answer_close()
end

-- A client on a clock of its own, which has all ten messages and has given none of them.
local function start(options)
  local server = scripted.new(ten_messages)
  local time, got = { now = 1000 }, {}
  options.clock = function() return time.now end
  options.on_message = options.on_message or function(_, data) got[#got + 1] = data end
  local ws = assert(wsclose.new(server:url(), options))
  function ws:on_open() self:pause() end
  scripted.pump(ws, server, function() return ws:stats().bytes_in > 30 and ws:state() == "open" end)
  ws:resume()
  return ws, got, time, server
end

local function counts_of_updates(ws, got)
  local counts = {}
  while #got < 10 do
    local before = #got
    assert.is_true(ws:update())
    counts[#counts + 1] = #got - before
  end
  return counts
end

describe("an update within a budget", function()
  after_each(scripted.close_all)

  it("gives max_messages, and the rest to those that follow", function()
    local ws, got = start { max_messages = 3 }
    assert.same({ 3, 3, 3, 1 }, counts_of_updates(ws, got))
    assert.same({ "1", "2", "3", "4", "5", "6", "7", "8", "9", "10" }, got)
  end)

  it("gives messages for max_time, and one at least", function()
    local ws, got, time = start { max_time = 0.010 }
    function ws:on_message(data) -- luacheck: ignore 212
      got[#got + 1] = data
      time.now = time.now + (#got < 5 and 0.004 or 1)
    end
    assert.same({ 3, 2, 1, 1, 1, 1, 1 }, counts_of_updates(ws, got))
  end)

  it("gives one message in the shortest time there is, and all in the longest", function()
    for max_time, expected in pairs {
      [1e-9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, [2 ^ 40] = { 10 },
    } do
      local ws, got, time = start { max_time = max_time, max_messages = 2 ^ 40 }
      function ws:on_message(data) -- luacheck: ignore 212
        got[#got + 1] = data
        time.now = time.now + 0.000002
      end
      assert.same(expected, counts_of_updates(ws, got))
    end
  end)

  it("counts into max_time what it takes to read the messages", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:told "send"
      for i = 1, 10 do c:send_text(tostring(i)) end
      c:answer_close()
    end)
    local now, passing, got = 1000, {}, {}
    local ws = assert(wsclose.new(server:url(), {
      max_time = 0.5,
      on_message = function(_, data) got[#got + 1] = data end,
      clock = function()
        now = now + (table.remove(passing, 1) or 0)
        return now
      end,
    }))
    scripted.pump(ws, server, function() return ws:state() == "open" end)
    server:tell "send"
    repeat until not server:step()
    passing = { 0, 1 } -- between the update's start and its step
    ws:update()
    assert.same({ "1" }, got)
  end)

  it("asks a foreign loop to come back at once while messages are left", function()
    local ws, got = start { max_messages = 9 }
    ws:update()
    assert.equal(9, #got)
    assert.equal(0, ws:timeout())
    ws:update()
    ws:update()
    assert.is_true(ws:timeout() > 0)
  end)

  it("sends what callbacks queued when it ends, not when the rest is taken", function()
    local ws, _, _, server = start {
      max_messages = 1,
      on_message = function(ws, data) ws:send("got " .. data) end,
    }
    ws:update()
    assert.equal(0, ws:buffered())
    local peer = server.connections[1]
    scripted.pump(nil, server, function() return peer.frames[1] end)
    assert.equal("got 1", peer.frames[1].payload)
  end)

  it("keeps the rest for receive too", function()
    local ws = start { max_messages = 4 }
    ws.on_message = nil
    ws:update()
    local got = {}
    for i = 1, 10 do got[i] = ws:receive(0) end
    assert.same({ "1", "2", "3", "4", "5", "6", "7", "8", "9", "10" }, got)
  end)

  it("needs a whole number and seconds", function()
    assert.has_error(function() wsclose.new("ws://a", { max_messages = 0 }) end,
      "option 'max_messages': expected a whole number >= 1, got 0")
    assert.has_error(function() wsclose.new("ws://a", { max_time = "1" }) end,
      "option 'max_time': expected seconds >= 0, got string")
  end)
end)
