-- The option outbox: what send keeps while not open, what is sent again and what never is, and that
-- nothing is lost without being counted.

local scripted = require "support.scripted_server"
local outbox = require "wsclose.outbox"
local wsclose = require "wsclose"

local function upgraded(rest)
  return function(c)
    c:upgrade()
    if rest then rest(c) end
  end
end

local RETRY = { jitter = "none", first = false, initial = 1 }

local function start(script, options)
  local server = scripted.new(script)
  local time = { now = 50 }
  local all = {
    clock = function() return time.now end,
    outbox = {},
    extensions = {},
    keepalive = false,
  }
  for name, value in pairs(options or {}) do all[name] = value end
  return assert(wsclose.new(server:url(), all)), server, time
end

local function in_state(ws, state)
  return function() return ws:state() == state end
end

local function payloads(c)
  local list = {}
  for _, frame in ipairs(c and c.frames or {}) do
    if frame.opcode < 8 then list[#list + 1] = frame.payload end
  end
  return list
end

local function pump_payloads(ws, server, index, count)
  scripted.pump(ws, server, function()
    return #payloads(server.connections[index]) >= count
  end)
  return payloads(server.connections[index])
end

describe("the outbox", function()
  after_each(scripted.close_all)

  it("keeps what is sent before the first attempt and while connecting", function()
    local ws, server = start(upgraded())
    assert.is_true(ws:send "1")
    assert.equal("idle", ws:state())
    assert.equal(1, ws:buffered())
    ws:update()
    assert.is_true(ws:send("2", "binary"))
    assert.equal(2, ws:buffered())
    assert.same({ "1", "2" }, pump_payloads(ws, server, 1, 2))
    assert.equal("binary", server.connections[1].frames[2].name)
    assert.equal(0, ws:buffered())
  end)

  it("sends what it kept after on_open, which may have to log in first", function()
    local ws, server = start(upgraded(), { on_open = function(ws) ws:send "login" end })
    ws:send "1"
    assert.same({ "login", "1" }, pump_payloads(ws, server, 1, 2))
  end)

  it("sends what it kept though on_open raises", function()
    local ws, server = start(upgraded(), { on_open = function() error("no", 0) end })
    ws:send "1"
    scripted.pump(nil, server, function()
      pcall(ws.update, ws, 0.002)
      return payloads(server.connections[1])[1]
    end)
  end)

  it("keeps what is sent while waiting for the next attempt", function()
    local ws, server, time = start({
      upgraded(function(c) c:close_session(1001) end),
      upgraded(),
    }, { retry = RETRY })
    scripted.pump(ws, server, in_state(ws, "waiting"))
    for i = 1, 100 do assert.is_true(ws:send(tostring(i))) end
    time.now = time.now + 1
    local got = pump_payloads(ws, server, 2, 100)
    for i = 1, 100 do assert.equal(tostring(i), got[i]) end
  end)

  it("is no way round the state once the program has closed", function()
    local ws, server = start(upgraded(function(c) c:answer_close() end), { retry = RETRY })
    scripted.pump(ws, server, in_state(ws, "open"))
    ws:close()
    assert.equal("state", select(3, ws:send "x"))
    scripted.pump(ws, server, in_state(ws, "closed"))
    assert.equal("state", select(3, ws:send "x"))
    assert.equal(0, ws:buffered())
  end)

  it("keeps nothing for a connection that will not come: closing without a retry", function()
    local ws, server = start(upgraded(function(c)
      c:send_close(1000)
      c:expect_close()
      c:told "end"
      c:finish()
    end))
    scripted.pump(ws, server, in_state(ws, "closing"))
    assert.equal("state", select(3, ws:send "x"))
    server:tell "end"
    scripted.pump(ws, server, in_state(ws, "closed"))
    assert.equal(0, ws.close_info.undelivered)
  end)

  it("refuses at once what could never be sent", function()
    local ws = start(upgraded())
    assert.equal("utf8", select(3, ws:send "\255"))
    assert.is_true(ws:send("\255", "binary"))
    assert.is_false(pcall(ws.send, ws, {}))
    assert.is_false(pcall(ws.send, ws, "x", "txt"))
    assert.equal(1, ws:buffered())
  end)

  it("is busy when outbox.bytes are kept", function()
    local ws, server = start(upgraded(), { outbox = { bytes = 10 } })
    assert.is_true(ws:send "12345678")
    local ok, sentence, name = ws:send "abc"
    assert.is_nil(ok)
    assert.matches("outbox is full", sentence, 1, true)
    assert.equal("busy", name)
    assert.is_true(ws:send "ab")
    assert.same({ "12345678", "ab" }, pump_payloads(ws, server, 1, 2))
  end)

  it("drops what is older than outbox.ttl, and counts it in undelivered", function()
    local ws, server, time = start({
      upgraded(function(c) c:close_session(1001) end),
      upgraded(function(c)
        c:expect "text"
        c:close_session(1001)
      end),
    }, { retry = RETRY, outbox = { ttl = 5 } })
    scripted.pump(ws, server, in_state(ws, "waiting"))
    ws:send "old"
    time.now = time.now + 4.5
    ws:send "young"
    time.now = time.now + 0.5
    assert.same({ "young" }, pump_payloads(ws, server, 2, 1))
    scripted.pump(ws, server, in_state(ws, "waiting"))
    assert.equal(3, ws.close_info.undelivered)
  end)

  it("counts what it drops when the client is closed for good", function()
    local told
    local ws, server = start(function(c) c:refuse(403) end, {
      retry = RETRY,
      on_close = function(_, _, _, info) told = info end,
    })
    ws:send "12345"
    scripted.pump(ws, server, in_state(ws, "closed"))
    assert.equal(5, told.undelivered)
    assert.matches("5 bytes were not delivered", tostring(told), 1, true)
    assert.equal(0, ws:buffered())
  end)

  it("counts what it drops when closed while waiting or before the first attempt", function()
    local ws = start(upgraded())
    ws:send "123"
    ws:close()
    assert.equal(3, ws.close_info.undelivered)
    local server
    ws, server = start(upgraded(function(c) c:close_session(1001) end), { retry = RETRY })
    scripted.pump(ws, server, in_state(ws, "waiting"))
    ws:send "1234"
    local announced = ws.close_info
    ws:close()
    assert.equal(4, ws.close_info.undelivered)
    assert.equal(0, announced.undelivered)
  end)

  describe("when a connection breaks", function()
    local SIZE = 60000

    local FRAME = SIZE + 8 -- with its head

    -- Sends numbered messages until the network takes no more and several have not begun to leave.
    local function fill(ws)
      local sent = 0
      repeat
        sent = sent + 1
        assert(ws:send(("%06d"):format(sent) .. ("x"):rep(SIZE - 6), "binary"))
      until ws:buffered() > 5 * FRAME
      return sent
    end

    local function number_of(payload)
      return tonumber(payload:sub(1, 6))
    end

    local function broken(options)
      local script = {
        upgraded(function(c)
          c.reading = false
          c:told "break"
          c:reset()
        end),
        upgraded(),
        receive_buffer = 4096,
      }
      local ws, server, time = start(script, options)
      scripted.pump(ws, server, in_state(ws, "open"))
      local sent = fill(ws)
      local waiting = ws:buffered()
      server:tell "break"
      scripted.pump(ws, server, function() return ws.close_code end)
      return ws, server, time, sent, waiting
    end

    it("sends again what never began to leave, and never what did", function()
      local ws, server, time, sent, waiting = broken { retry = RETRY, outbox = { bytes = 2 ^ 24 } }
      assert.equal("waiting", ws:state())
      local kept = ws:buffered()
      assert.equal(0, kept % SIZE)
      local count = kept / SIZE
      assert.is_true(count >= 5)
      -- all that waited but the message in flight: whole messages, each with a head of 8 bytes
      assert.equal(math.floor(waiting / (SIZE + 8)), count)
      local lost = ws.close_info.undelivered
      assert.is_true(lost == 0 or lost == SIZE, tostring(lost))
      ws:send "afterwards"
      time.now = time.now + 1
      local got = pump_payloads(ws, server, 2, count + 1)
      for i = 1, count do assert.equal(sent - count + i, number_of(got[i])) end
      assert.equal("afterwards", got[count + 1])
    end)

    it("counts as undelivered what outbox.bytes have no room for, the newest first", function()
      local options = { retry = RETRY, outbox = { bytes = SIZE * 2 } }
      local ws, server, time, sent, waiting = broken(options)
      assert.equal(2 * SIZE, ws:buffered())
      local count = math.floor(waiting / (SIZE + 8))
      local lost = ws.close_info.undelivered - (count - 2) * SIZE
      assert.is_true(lost == 0 or lost == SIZE, tostring(lost))
      time.now = time.now + 1
      local got = pump_payloads(ws, server, 2, 2)
      assert.same({ sent - count + 1, sent - count + 2 }, { number_of(got[1]), number_of(got[2]) })
    end)

    it("counts all as undelivered when there is no retry", function()
      local ws, _, _, _, waiting = broken {}
      assert.equal("closed", ws:state())
      local count = math.floor(waiting / (SIZE + 8))
      local lost = ws.close_info.undelivered - count * SIZE
      assert.is_true(lost == 0 or lost == SIZE, tostring(lost))
      assert.equal(0, ws:buffered())
    end)
  end)

  it("is handed over as the send queue takes it, in order", function()
    local ws, server = start({
      upgraded(function(c)
        c.reading = false
        c:told "read"
        c.reading = true
      end),
      receive_buffer = 4096,
    }, { limits = { send_queue = 300000 }, outbox = { bytes = 2 ^ 24 } })
    local count, size = 40, 100000
    for i = 1, count do assert(ws:send(("%06d"):format(i) .. ("x"):rep(size), "binary")) end
    scripted.pump(ws, server, in_state(ws, "open"))
    ws:update()
    assert.is_true(ws:buffered() > 300000)
    assert.is_true(ws:send "last")
    server:tell "read"
    local got = pump_payloads(ws, server, 1, count + 1)
    for i = 1, count do assert.equal(i, tonumber(got[i]:sub(1, 6))) end
    assert.equal("last", got[count + 1])
  end)
end)

-- The outbox alone, over a connection that is only numbers.
describe("the outbox's memory of what was given to a connection", function()
  local Handle = {}
  Handle.__index = Handle

  function Handle:progress()
    return #self.taken, self.started, 0, self.wire, self.written or self.started
  end

  function Handle:send(data)
    if self.busy then return nil, "full", self.busy end
    self.taken[#self.taken + 1] = data
    self.wire = self.wire + self.shrunk * #data
    return true
  end

  function Handle:ping(data)
    if self.busy then return nil, "full", "busy" end
    self.pings[#self.pings + 1] = data
    return true
  end

  function Handle:buffered() return self.waiting or 0 end

  function Handle:drain_at(bytes) self.drained_size = bytes end

  local function connection(shrunk)
    return setmetatable({ taken = {}, pings = {}, started = 0, wire = 0, shrunk = shrunk or 1 },
      Handle)
  end

  -- An outbox whose reports stand in `reports` as "data why".
  local function new(settings)
    local reports = {}
    local box = outbox.new(settings or {}, function(item, why)
      reports[#reports + 1] = item.data .. " " .. why
    end)
    return box, reports
  end

  local function send_all(box, c, list)
    for _, data in ipairs(list) do assert.is_true(box:send(c, data, "text", nil, 0)) end
  end

  local function drained(box, now)
    local again = connection()
    box:drain(again, now or 0)
    return again.taken
  end

  it("is of what was not started: neither of what was, nor of what is in flight", function()
    for started = 0, 4 do
      local box, reports = new()
      local c = connection()
      send_all(box, c, { "a", "bb", "ccc", "dddd" })
      c.started, c.written = started, math.max(0, started - 1)
      local not_started = ({ "abbcccdddd", "bbcccdddd", "cccdddd", "dddd", "" })[started + 1]
      -- the core counts what it did not write wholly, the message in flight too
      local in_flight = ({ 0, 1, 2, 3, 4 })[started + 1]
      assert.equal(in_flight, box:ended(c, #not_started + in_flight, 0))
      assert.equal(not_started, table.concat(drained(box)))
      assert.equal(0, box.kept.bytes)
      local cut = ({ false, "a", "bb", "ccc", "dddd" })[started + 1]
      assert.same(cut and { cut .. " cut" } or {}, reports)
      assert.equal(#reports, box.lost)
    end
  end)

  it("follows the queue as it moves, and forgets what has left", function()
    local box, reports = new()
    local c = connection()
    send_all(box, c, { "a", "b" })
    c.started = 2
    send_all(box, c, { "c", "d" })
    c.started = 3
    send_all(box, c, { "e" })
    assert.equal(2, box.given.bytes) -- d and e
    assert.equal(0, box:ended(c, 2, 0))
    assert.same({ "d", "e" }, drained(box))
    assert.same({}, reports)
  end)

  it("keeps over several connections what never began to leave", function()
    local box = new()
    local c = connection()
    send_all(box, c, { "a", "b", "c" })
    for _ = 1, 3 do
      box:ended(c, 3, 0)
      c = connection()
      box:drain(c, 0)
      assert.same({ "a", "b", "c" }, c.taken)
    end
    c.started = 2
    box:ended(c, 1, 0)
    assert.same({ "c" }, drained(box))
  end)

  it("takes off what the core counted for it, which may be less than its size", function()
    local box, c = new(), connection(0.25)
    send_all(box, c, { ("a"):rep(100), ("b"):rep(200), ("c"):rep(400) })
    c.started = 1
    assert.equal(25, box:ended(c, 175, 0))
    assert.equal(600, box.kept.bytes)
  end)

  it("keeps the first deadline of what is kept again", function()
    local box, reports = new { ttl = 10 }
    local c = connection()
    assert.is_true(box:send(c, "a", "text", nil, 0))
    assert.is_true(box:send(c, "b", "text", nil, 5))
    assert.equal(1, box:ended(c, 2, 11)) -- a: undelivered
    assert.equal(1, box.kept.bytes)
    assert.same({}, drained(box, 15))
    assert.equal(1, box:take_dropped())
    assert.equal(0, box:take_dropped())
    assert.same({ "a expired", "b expired" }, reports)
  end)

  it("has no room for all that comes back: the newest goes, or the oldest", function()
    for full, kept in pairs { refuse = { "a", "b" }, oldest = { "b", "c" } } do
      local box, reports = new { bytes = 2, full = full }
      local c = connection()
      send_all(box, c, { "a", "b", "c" })
      assert.equal(1, box:ended(c, 3, 0))
      assert.same({ (full == "oldest" and "a" or "c") .. " full" }, reports)
      assert.same(kept, drained(box))
    end
  end)

  it("counts what it dropped before, too, when it is cleared", function()
    local box, reports = new { ttl = 10 }
    box:keep(nil, "abc", "text", nil, 0)
    box:keep(nil, "de", "text", nil, 10)
    assert.equal(5, box:clear())
    assert.equal(0, box:clear())
    assert.equal(0, box.kept.bytes)
    assert.same({ "abc expired", "de closed" }, reports)
  end)

  it("stops at a full queue and goes on in order", function()
    local box, c = new(), connection()
    for _, data in ipairs { "a", "b", "c" } do
      assert.is_true(box:keep(nil, data, "text", nil, 0))
    end
    c.busy = "busy"
    box:drain(c, 0)
    assert.same({}, c.taken)
    assert.is_true(box:send(c, "d", "text", nil, 0)) -- behind what is kept
    c.busy = nil
    assert.is_true(box:send(c, "e", "text", nil, 0)) -- there is room again
    assert.same({ "a", "b", "c", "d", "e" }, c.taken)
  end)

  it("gives up what never fits a connection's queue, and goes on behind it", function()
    local box, reports = new()
    local c = connection()
    box:keep(nil, "large", "text", nil, 0)
    box:keep(nil, "b", "text", nil, 0)
    function c.send(self, data)
      if data == "large" then return nil, "never", "too_big" end
      return Handle.send(self, data)
    end
    box:drain(c, 0)
    assert.same({ "b" }, c.taken)
    assert.same({ "large too_big" }, reports)
  end)

  describe("with confirm", function()
    local function pong(box, c, number)
      return box:pong(c, "wsclose outbox " .. number)
    end

    it("lasts until the pong behind it; what is not confirmed is reported, never kept", function()
      local box, reports = new { confirm = true }
      local c = connection()
      send_all(box, c, { "a", "b", "c", "d", "e" })
      assert.same({ "wsclose outbox 1" }, c.pings) -- one at a time
      c.started, c.written = 4, 3
      assert.is_true(pong(box, c, 1))
      assert.same({ "wsclose outbox 1", "wsclose outbox 5" }, c.pings)
      assert.equal(1, box:ended(c, 2, 0)) -- d, of which a part was written
      assert.same({ "b unconfirmed", "c unconfirmed", "d cut" }, reports)
      c = connection()
      box:drain(c, 0)
      assert.same({ "e" }, c.taken)
      assert.same({ "wsclose outbox 1" }, c.pings)
    end)

    it("asks again where another pong came: servers may answer the latest ping alone", function()
      local box, c = new { confirm = true }, connection()
      send_all(box, c, { "a", "b" })
      assert.is_false(box:pong(c, "the program's"))
      assert.same({ "wsclose outbox 1", "wsclose outbox 2" }, c.pings)
      c.started = 2
      assert.is_true(pong(box, c, 2))
      assert.equal(0, box:ended(c, 0, 0))
      assert.equal(0, box.lost)
      assert.is_false(new():pong(c, "wsclose outbox 2"))
    end)

    it("asks later where the queue has no room for a ping", function()
      local box, c = new { confirm = true }, connection()
      function c.ping() return nil, "full", "busy" end
      send_all(box, c, { "a" })
      c.ping = nil
      box:drain(c, 0)
      assert.same({ "wsclose outbox 1" }, c.pings)
    end)

    it("asks once more before a Close, behind all that was sent and kept", function()
      local box, c = new { confirm = true }, connection()
      box:keep(nil, "c", "text", nil, 0)
      box.ahead = true
      send_all(box, c, { "a", "b" })
      box:finish(c, 0)
      assert.same({ "a", "b", "c" }, c.taken)
      assert.same({ "wsclose outbox 1", "wsclose outbox 3" }, c.pings)
    end)

    it("lets no connection tell of a mark, which pongs do", function()
      local box, c = new { confirm = true, high = 2, low = 1 }, connection()
      assert.same({ true, "high" }, { box:send(c, "xx", "text", nil, 0) })
      assert.equal(0, c.drained_size)
    end)

    it("drops nothing for the sake of what finds no room all the same", function()
      local box, reports = new { confirm = true, bytes = 3, full = "oldest" }
      local c = connection()
      send_all(box, c, { "aa" })
      c.busy = "busy"
      assert.is_true(box:send(c, "b", "text", nil, 0))
      assert.equal("busy", select(3, box:send(c, "cc", "text", nil, 0)))
      assert.same({}, reports)
      assert.is_true(box:send(c, "d", "text", nil, 0))
      assert.same({ "b full" }, reports)
    end)

    it("holds outbox.bytes of what is not confirmed, and tells when it is", function()
      local box, c = new { confirm = true, bytes = 3 }, connection()
      send_all(box, c, { "aa", "b" })
      assert.same({ "aa", "b" }, c.taken)
      c.started = 2
      assert.equal("busy", select(3, box:send(c, "c", "text", nil, 0)))
      assert.is_false(box:relieved(c, true))
      pong(box, c, 1)
      assert.is_true(box:send(c, "c", "text", nil, 0))
      pong(box, c, 3)
      assert.is_true(box:relieved(c, false))
      assert.is_false(box:relieved(c, false)) -- once
      send_all(box, c, { "larger" }) -- alone
      assert.equal("larger", c.taken[4])
    end)
  end)

  describe("marks", function()
    it("say when much waits, here or for the network, and when little does again", function()
      local box, c = new { high = 4, low = 2 }, connection()
      assert.same({ true }, { box:keep(nil, "abc", "text", nil, 0) })
      assert.same({ true, "high" }, { box:keep(nil, "d", "text", nil, 0) })
      box:drain(c, 0)
      c.waiting = 3
      assert.is_false(box:relieved(c, true))
      c.waiting = 2
      assert.is_true(box:relieved(c, true))
      c.waiting = 0
      assert.is_false(box:relieved(c, true)) -- it was not high again
      c.waiting = 4
      assert.same({ true, "high" }, { box:send(c, "x", "text", nil, 0) })
    end)

    it("wait for all to leave after a refusal, lest what was refused find no room again", function()
      local box, c = new { high = 4, low = 2 }, connection()
      c.waiting = 4
      assert.same({ true, "high" }, { box:send(c, "x", "text", nil, 0) })
      assert.equal(2, c.drained_size)
      c.busy = "busy"
      assert.equal("busy", select(3, box:send(c, "x", "text", nil, 0)))
      assert.equal(0, c.drained_size)
      c.waiting = 1
      assert.is_false(box:relieved(c, true))
      c.busy, c.waiting = nil, 4
      assert.same({ true, "high" }, { box:send(c, "x", "text", nil, 0) })
      assert.equal(0, c.drained_size)
      c.waiting = 0
      assert.is_true(box:relieved(c, true))
    end)

    it("wait for all to leave while something is kept, which needs the room", function()
      local box, c = new { high = 4, low = 2 }, connection()
      c.waiting = 4
      assert.same({ true, "high" }, { box:send(c, "x", "text", nil, 0) })
      assert.equal(2, c.drained_size)
      c.busy = "state"
      assert.same({ true, "high" }, { box:send(c, "x", "text", nil, 0) })
      assert.equal(0, c.drained_size)
      c.busy = nil
      box:drain(c, 0)
      assert.equal(2, c.drained_size)
      c.waiting = 2
      assert.is_true(box:relieved(c, true))
      assert.equal(0, c.drained_size)
    end)

    it("are none by default: on_drain as without an outbox, once nothing is kept", function()
      local box, c = new { bytes = 3 }, connection()
      assert.same({ true }, { box:keep(nil, "abc", "text", nil, 0) })
      assert.is_false(box:relieved(c, true))
      assert.equal("busy", select(3, box:keep(nil, "d", "text", nil, 0)))
      box:drain(c, 0)
      assert.is_true(box:relieved(c, false)) -- a send was refused
      assert.is_false(box:relieved(c, false))
      assert.is_true(box:relieved(c, true))
    end)
  end)

  it("makes room for what is new where the oldest is to go", function()
    local box, reports = new { bytes = 4, full = "oldest" }
    for _, data in ipairs { "aa", "b", "c", "dd" } do
      assert.is_true(box:keep(nil, data, "text", nil, 0))
    end
    assert.same({ "aa full" }, reports)
    assert.equal("too_big", select(3, box:keep(nil, "large", "text", nil, 0)))
    assert.equal("utf8", select(3, box:keep(nil, "\255", "text", nil, 0)))
    assert.same({ "aa full" }, reports) -- what is refused makes no room
    local c = connection()
    c.busy = "busy" -- and so does a connection's full queue
    assert.is_true(box:send(c, "e", "text", nil, 0))
    assert.same({ "aa full", "b full" }, reports)
    assert.same({ "c", "dd", "e" }, drained(box))
    c = connection()
    c.busy = "busy"
    assert.is_true(box:send(c, "f", "text", nil, 0)) -- though nothing was kept
    assert.same({ "f" }, drained(box))
  end)
end)

describe("a client with an outbox that has left", function()
  after_each(scripted.close_all)

  it("may be closed again, and told to connect anew", function()
    local ws, server = start(upgraded())
    scripted.pump(ws, server, in_state(ws, "open"))
    ws:leave()
    assert.is_true(ws:close())
    assert.equal("state", select(3, ws:reconnect()))
    local ok, fault = pcall(function() ws:close(1) end)
    assert.is_false(ok)
    assert.matches("^[^:]*outbox_spec%.lua:%d+: close code 1 may not be sent", fault)
  end)
end)
