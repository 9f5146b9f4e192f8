-- The client's three faces: callbacks under update and run, receive, connect; sending and closing;
-- what it tells a foreign loop and of itself.  Retry, redirects and the outbox have specs of their
-- own.

local scripted = require "support.scripted_server"
local wsclose = require "wsclose"

local wire = scripted.wire

-- Upgrades and plays the rest.
local function upgraded(rest, answer)
  return function(c)
    c:upgrade(answer)
    if rest then rest(c) end
  end
end

local function start(script, options, resource)
  local server = scripted.new(script)
  return assert(wsclose.new(server:url(resource), options)), server
end

local function is_open(ws)
  return function() return ws:state() == "open" end
end

local function is_closed(ws)
  return function() return ws:state() == "closed" end
end

-- An open client and its server, whose script goes on from here.
local function open(script, options)
  local ws, server = start(upgraded(script and function(c)
    c:told "open"
    script(c)
  end), options)
  scripted.pump(ws, server, is_open(ws))
  server:tell "open"
  return ws, server, server.connections[1]
end

-- Lets both move some times: what can happen has happened.
local function settle(ws, server)
  for _ = 1, 4 do
    server:step(0.002)
    ws:update(0)
  end
end

local function fault_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

describe("a new client", function()
  after_each(scripted.close_all)

  it("says in one line what it knows of itself", function()
    local ws = wsclose.new "wss://me:secret@feed.example/v1?token=secret"
    assert.equal("wss://feed.example/v1?token=... is idle", tostring(ws:info()))
  end)

  it("touches no network until its first update", function()
    local ws, server = start(upgraded())
    assert.equal("idle", ws:state())
    server:step(0.01)
    assert.equal(0, #server.connections)
    assert.equal(0, ws:timeout())
    assert.is_true((ws:update()))
    assert.equal("connecting", ws:state())
    scripted.pump(ws, server, is_open(ws))
    assert.equal(1, #server.connections)
  end)

  it("is checked at once: a faulty URL is given back, a wrong option raises", function()
    local ws, sentence, name = wsclose.new "http://a.example/"
    assert.is_nil(ws)
    assert.equal("string", type(sentence))
    assert.equal("url", name)
    assert.same({ nil, "the URL holds a NUL byte", "url" }, { wsclose.new "ws://a.example/\0b" })
    assert.has_error(function() wsclose.new("ws://a.example/", { retri = true }) end)
  end)

  it("has the callbacks of the options as fields, and takes others later", function()
    local ws, server = start(upgraded(function(c) c:send_text "a" end), {
      on_open = function(ws) ws.opened = true end,
    })
    function ws:on_message(data, kind) self.got = { data, kind } end
    scripted.pump(ws, server, function() return ws.got end)
    assert.is_true(ws.opened)
    assert.same({ "a", "text" }, ws.got)
  end)

  it("prints its URL and state", function()
    local ws = wsclose.new "ws://me:secret@a.example/x"
    assert.equal("wsclose client for ws://a.example/x (idle)", tostring(ws))
  end)
end)

describe("on_open", function()
  after_each(scripted.close_all)

  it("is told what was agreed on, and with whom", function()
    local seen
    local ws, server = start(upgraded(nil, { protocol = "b", extensions = "x-y; p=1" }), {
      protocols = { "a", "b" },
      extensions = { ["x-y"] = { p = 1 } },
      on_open = function(ws, info) seen = { info, ws:state() } end,
    }, "/feed")
    scripted.pump(ws, server, function() return seen end)
    local info, state = seen[1], seen[2]
    assert.equal("open", state)
    assert.equal(server:url "/feed", info.url)
    assert.equal("b", info.protocol)
    assert.same({ p = "1" }, info.extensions["x-y"].params)
    assert.equal("x-y", info.extensions[1].name)
    assert.equal("127.0.0.1", info.address)
    assert.equal(server.port, info.port)
    assert.equal(4, info.family)
    assert.equal(101, info.status)
    assert.equal("websocket", info.headers.upgrade)
    assert.equal(1, info.attempt)
    assert.is_nil(info.tls)
    local line = "%s is open: 127.0.0.1, port %d, b, x-y"
    assert.equal(line:format(info.url, server.port), tostring(info))
  end)
end)

describe("update", function()
  after_each(scripted.close_all)

  it("gives true while there is something to do, then false, code and reason", function()
    local ws, server = open(function(c) c:close_session(1000, "that was it") end)
    local alive, code, reason
    scripted.pump(nil, server, function()
      alive, code, reason = ws:update(0.01)
      return not alive
    end)
    assert.equal(1000, code)
    assert.equal("that was it", reason)
    assert.same({ false, 1000, "that was it" }, { ws:update() })
    assert.equal(1000, ws.close_code)
    assert.equal("that was it", ws.close_reason)
  end)

  it("gives messages in order, with their kinds", function()
    local got = {}
    local ws, server = open(function(c)
      c:send_text "Grüße"
      c:send_binary "\0\255"
      c:send_text ""
    end, {
      on_message = function(_, data, kind) got[#got + 1] = { data, kind } end,
    })
    scripted.pump(ws, server, function() return got[3] end)
    assert.same({ { "Grüße", "text" }, { "\0\255", "binary" }, { "", "text" } }, got)
  end)

  it("refuses seconds that are none", function()
    local ws = wsclose.new "ws://a.example/"
    assert.matches("client_spec.lua:%d+: expected seconds, got string",
      fault_of(function() ws:update "1" end))
    assert.matches("expected seconds, got table", fault_of(function() ws:run {} end), 1, true)
    assert.matches("expected seconds", fault_of(function() ws:receive(0 / 0) end), 1, true)
    assert.equal("idle", ws:state())
  end)
end)

describe("run", function()
  after_each(scripted.close_all)

  it("gives code, reason and info once closed for good, and again", function()
    local ws, server = open(function(c) c:close_session(1008, "policy") end)
    scripted.pump(nil, server, function()
      server:step()
      return (ws:run(0.01))
    end)
    local code, reason, info = ws:run()
    assert.same({ 1008, "policy" }, { code, reason })
    assert.equal(ws.close_info, info)
    assert.equal("POLICY_VIOLATION", info.name)
  end)

  it("gives nil and timeout when time is up, and can go on", function()
    local ws = open()
    assert.same({ nil, "timeout" }, { ws:run(0) })
    assert.same({ nil, "timeout" }, { ws:run(0.001) })
    assert.equal("open", ws:state())
  end)
end)

describe("receive", function()
  after_each(scripted.close_all)

  -- receive with a server that moves between short waits
  local function receive(ws, server)
    local data, kind, name, code
    scripted.pump(nil, server, function()
      data, kind, name, code = ws:receive(0.002)
      return data or name ~= "timeout"
    end)
    return data, kind, name, code
  end

  it("gives the next message, and a sentence and the code once closed for good", function()
    local ws, server = start(upgraded(function(c)
      c:send_text "one"
      c:send_binary "two"
      c:close_session(1001, "later")
    end))
    assert.same({ "one", "text" }, { receive(ws, server) })
    assert.same({ "two", "binary" }, { receive(ws, server) })
    local sentence = ("connection to %s closed by the peer: 1001 GOING_AWAY \"later\" after ")
      :format(server:url())
    for _, take in ipairs { receive, ws.receive } do
      local data, why, name, code = take(ws, take == receive and server or nil)
      assert.same({ nil, "closed", 1001 }, { data, name, code })
      assert.equal(sentence, why:sub(1, #sentence))
      assert.equal(tostring(ws.close_info), why)
    end
  end)

  it("cannot be led to take the peer's reason for a timeout", function()
    local ws, server = start(upgraded(function(c) c:close_session(1001, "timeout") end))
    local data, why, name, code = receive(ws, server)
    assert.same({ nil, "closed", 1001 }, { data, name, code })
    assert.equal(tostring(ws.close_info), why)
  end)

  it("gives nil and timeout when none came, harmlessly", function()
    local ws, server = open(function(c)
      c:told "now"
      c:send_text "late"
    end)
    assert.same({ nil, "timeout", "timeout" }, { ws:receive(0) })
    assert.same({ nil, "timeout", "timeout" }, { ws:receive(0.001) })
    server:tell "now"
    assert.same({ "late", "text" }, { receive(ws, server) })
  end)

  it("gives what update met while there was no on_message, in order", function()
    local ws, server = open(function(c)
      for i = 1, 5 do c:send_text(tostring(i)) end
      c:close_session(1000)
    end)
    scripted.pump(ws, server, is_closed(ws))
    for i = 1, 5 do assert.same({ tostring(i), "text" }, { ws:receive() }) end
    assert.same({ nil, tostring(ws.close_info), "closed", 1000 }, { ws:receive() })
  end)

  it("takes a message before on_message does, while it is what the program waits in", function()
    local called = {}
    local ws, server = open(function(c)
      c:told "a"
      c:send_text "a"
      c:told "b"
      c:send_text "b"
    end, {
      on_message = function(_, data) called[#called + 1] = data end,
    })
    server:tell "a"
    assert.equal("a", (receive(ws, server)))
    server:tell "b"
    scripted.pump(ws, server, function() return called[1] end)
    assert.same({ "b" }, called)
  end)

  it("answers pings and calls the other callbacks meanwhile", function()
    local pinged
    local ws, server = open(function(c)
      c:send_ping "p"
      c:expect("pong", "p")
      c:send_text "x"
    end, {
      on_ping = function(_, data) pinged = data end,
    })
    assert.equal("x", (receive(ws, server)))
    assert.equal("p", pinged)
  end)

  it("leaves what is sent afterwards to leave at once", function()
    local ws, server, c = open(function(c)
      c:send_text "1"
      c:send_text "2"
    end)
    receive(ws, server)
    assert.is_true(ws:send "answer")
    assert.equal(0, ws:buffered())
    scripted.pump(nil, server, function() return c.frames[1] end)
    assert.equal("answer", c.frames[1].payload)
  end)

  it("does not lose messages of a program that receives slowly", function()
    local size, count = 100000, 300
    local payload = ("x"):rep(size)
    local ws, server = open(function(c)
      for i = 1, count do c:send_binary(("%06d"):format(i) .. payload) end
      c:close_session(1000)
    end)
    assert.equal("000001", (receive(ws, server)):sub(1, 6))
    for _ = 1, 2000 do -- far more than the client keeps
      server:step()
      ws:update(0)
    end
    assert.equal(0, ws:stats().messages_dropped)
    assert.equal("open", ws:state())
    for i = 2, count do
      local data = receive(ws, server)
      assert.equal(("%06d"):format(i), data:sub(1, 6))
    end
    local ended = { receive(ws, server) }
    assert.same({ nil, tostring(ws.close_info), "closed", 1000 }, ended)
  end)

  it("keeps messages without holding up the answers to pings", function()
    local ws, server, c = open(function(c)
      c:send_text "0"
      c:told "received"
      c:send_text "1"
      c:send_text "2"
      c:send_ping "p"
      c:expect("pong", "p")
    end)
    assert.equal("0", (receive(ws, server)))
    server:tell "received"
    scripted.pump(ws, server, function() return c.frames[1] end)
    assert.same({ "1", "2" }, { (ws:receive()), (ws:receive()) })
  end)

  it("gives messages in order though a callback calls update meanwhile", function()
    local ws, server = open(function(c)
      local ping = wire.frame { opcode = "ping" }
      c:send(ping .. wire.frame { payload = "1" } .. wire.frame { payload = "2" })
    end, {
      on_ping = function(ws) ws:update() end,
    })
    assert.same({ "1", "2" }, { (receive(ws, server)), (receive(ws, server)) })
  end)

  it("drops the oldest where the program never received, and counts them", function()
    local size, count = 100000, 300
    local payload = ("x"):rep(size)
    local ws, server = open(function(c)
      for i = 1, count do c:send_binary(("%06d"):format(i) .. payload) end
      c:close_session(1000)
    end)
    scripted.pump(ws, server, is_closed(ws))
    local dropped = ws:stats().messages_dropped
    assert.is_true(dropped > 100 and dropped < 200)
    assert.equal(("%06d"):format(dropped + 1), (ws:receive()):sub(1, 6))
  end)

  it("is behind messages, which ends when closed for good", function()
    local ws, server = open(function(c)
      c:send_text "a"
      c:send_binary "b"
      c:close_session(1000)
    end)
    scripted.pump(ws, server, is_closed(ws))
    local got = {}
    for data, kind in ws:messages() do got[#got + 1] = data .. " " .. kind end
    assert.same({ "a text", "b binary" }, got)
    assert.equal(1000, ws.close_code)
  end)
end)

describe("send", function()
  after_each(scripted.close_all)

  it("leaves at once outside of callbacks", function()
    local ws, server, c = open()
    assert.is_true(ws:send "text")
    assert.equal(0, ws:buffered())
    assert.is_true(ws:send("\255", "binary"))
    assert.is_true(ws:send("1", 1))
    assert.is_true(ws:send("2", 2))
    scripted.pump(nil, server, function() return c.frames[4] end)
    local seen = {}
    for i, frame in ipairs(c.frames) do seen[i] = frame.name .. " " .. frame.payload end
    assert.same({ "text text", "binary \255", "text 1", "binary 2" }, seen)
  end)

  it("waits within a callback, so that all of one step leave in one write", function()
    local written, waiting
    local ws, server, c = open(function(c)
      c:send(wire.frame { payload = "a" } .. wire.frame { payload = "b" })
    end, {
      on_message = function(ws)
        local before = ws:stats().bytes_out
        for i = 1, 10 do assert(ws:send(("%d"):format(i))) end
        written, waiting = ws:stats().bytes_out - before, ws:buffered()
      end,
    })
    scripted.pump(ws, server, function() return c.frames[20] end)
    assert.equal(0, written)
    assert.equal(20 * 7 + 2, waiting)
    assert.equal(0, ws:buffered())
  end)

  it("leaves at once within a coroutine's callback, which may go on much later", function()
    local waiting
    local ws, server = open(function(c) c:send_text "a" end, {
      on_message = function(ws)
        ws:send "1"
        waiting = ws:buffered()
      end,
    })
    local work = coroutine.wrap(function()
      while true do
        ws:update(0)
        coroutine.yield()
      end
    end)
    scripted.pump(nil, server, function()
      work()
      return waiting
    end)
    assert.equal(0, waiting)
  end)

  it("says why not", function()
    local ws, server = start(upgraded())
    local ok, sentence, name = ws:send "x"
    assert.is_nil(ok)
    assert.matches("not open yet", sentence, 1, true)
    assert.equal("state", name)
    scripted.pump(ws, server, is_open(ws))
    ok, sentence, name = ws:send "\255"
    assert.is_nil(ok)
    assert.matches("UTF-8", sentence, 1, true)
    assert.equal("utf8", name)
    ws:close()
    ok, sentence, name = ws:send "x"
    assert.is_nil(ok)
    assert.matches("closing", sentence, 1, true)
    assert.equal("state", name)
  end)

  it("raises for wrong arguments, at the caller's line, in every state", function()
    local ws, server = start(upgraded())
    for _ = 1, 2 do
      assert.matches("client_spec.lua:%d+: expected a string to send, got no value",
        fault_of(function() ws:send() end))
      assert.matches("client_spec.lua:%d+: expected the kind",
        fault_of(function() ws:send("a", "txt") end))
      assert.matches("client_spec.lua:%d+: a ping carries at most 125 bytes",
        fault_of(function() ws:ping(("x"):rep(126)) end))
      assert.matches("client_spec.lua:%d+: close code 1005 may not be sent",
        fault_of(function() ws:close(1005) end))
      assert.matches("client_spec.lua:%d+: a close reason has at most 123 bytes",
        fault_of(function() ws:close(1000, ("x"):rep(124)) end))
      assert.matches("client_spec.lua:%d+: a close reason must be valid UTF",
        fault_of(function() ws:close(1000, "\255") end))
      assert.matches("client_spec.lua:%d+: close code 1006 may not be sent",
        fault_of(function() ws:reconnect(1006) end))
      assert.matches("client_spec.lua:%d+: expected the kind",
        fault_of(function() ws:send_fragments "txt" end))
      scripted.pump(ws, server, is_open(ws))
    end
  end)

  it("is busy when the queue is full, and on_drain tells when it is empty", function()
    local drained = 0
    local ws, server = start({
      upgraded(function(c)
        c.reading = false
        c:told "read"
        c.reading = true
      end),
      receive_buffer = 4096,
    }, {
      limits = { send_queue = 100000 },
      on_drain = function() drained = drained + 1 end,
      extensions = {},
    })
    scripted.pump(ws, server, is_open(ws))
    settle(ws, server)
    local ok, sentence, name
    local sent = 0
    repeat
      ok, sentence, name = ws:send(("x"):rep(50000), "binary")
      if ok then sent = sent + 1 end
    until not ok
    assert.equal("busy", name)
    assert.matches("queue is full", sentence, 1, true)
    assert.is_true(ws:buffered() > 50000)
    settle(ws, server)
    assert.equal(0, drained)
    server:tell "read"
    scripted.pump(ws, server, function() return #server.connections[1].frames == sent end)
    scripted.pump(ws, server, function() return drained > 0 end)
    assert.equal(1, drained)
    assert.equal(0, ws:buffered())
    settle(ws, server)
    assert.equal(1, drained)
  end)

  it("calls on_drain for a program that saw bytes waiting, though they leave right then", function()
    local drained, seen = 0, nil
    local ws, server = start(upgraded(), {
      on_open = function(ws)
        ws:send "x"
        seen = ws:buffered()
      end,
      on_drain = function() drained = drained + 1 end,
    })
    scripted.pump(ws, server, function() return drained > 0 end)
    assert.is_true(seen > 0)
    settle(ws, server)
    assert.equal(1, drained)
  end)
end)

describe("send_fragments", function()
  after_each(scripted.close_all)

  it("sends one message in pieces", function()
    local ws, server, c = open(nil, { extensions = {} })
    local w = ws:send_fragments "text"
    assert.is_true(w:write "Gr\195")
    assert.same({ nil, "state" }, { ws:send "x", (select(3, ws:send "x")) })
    assert.is_true(w:write "\188\195\159e")
    assert.is_true(ws:ping "between")
    assert.is_true(w:finish "!")
    assert.is_true(ws:send "next")
    scripted.pump(nil, server, function() return c.frames[5] end)
    local seen = {}
    for i, frame in ipairs(c.frames) do
      seen[i] = ("%s %s %s"):format(frame.name, frame.payload, tostring(frame.fin))
    end
    assert.same({
      "text Gr\195 false",
      "continuation \188\195\159e false",
      "ping between true",
      "continuation ! true",
      "text next true",
    }, seen)
  end)

  it("ends without a last piece, too", function()
    local ws, server, c = open(nil, { extensions = {} })
    local w = ws:send_fragments(2)
    assert.is_true(w:write "a")
    assert.is_true(w:finish())
    scripted.pump(nil, server, function() return c.frames[2] end)
    assert.same({ "binary", "continuation" }, { c.frames[1].name, c.frames[2].name })
    local ok, sentence, name = w:write "b"
    assert.is_nil(ok)
    assert.equal("the message is finished", sentence)
    assert.equal("state", name)
    assert.is_nil((w:finish()))
  end)

  it("refuses a piece that breaks the text, and goes on with another", function()
    local ws, server, c = open(nil, { extensions = {} })
    local w = ws:send_fragments()
    assert.is_true(w:write "a")
    assert.equal("utf8", select(3, w:write "\255"))
    assert.equal("utf8", select(3, w:finish "\195"))
    assert.is_true(w:finish "b")
    scripted.pump(nil, server, function() return c.frames[2] end)
    assert.equal("b", c.frames[2].payload)
  end)

  it("raises for a piece that is no string", function()
    local ws = open()
    local w = ws:send_fragments()
    assert.matches("client_spec.lua:%d+: expected a string to send, got number",
      fault_of(function() w:write(1) end))
    assert.matches("client_spec.lua:%d+: expected a string to send, got table",
      fault_of(function() w:finish {} end))
  end)

  it("does not go on with its message on another connection", function()
    local ws, server = open(function(c) c:answer_close() end)
    local w = ws:send_fragments()
    assert.is_true(w:write "a")
    ws:reconnect()
    scripted.pump(ws, server, function() return #server.connections == 2 and is_open(ws)() end)
    local ok, sentence, name = w:write "b"
    assert.is_nil(ok)
    assert.matches("has ended", sentence, 1, true)
    assert.equal("state", name)
    assert.is_true(ws:send "free")
  end)
end)

describe("ping", function()
  after_each(scripted.close_all)

  it("comes back to on_pong with the round-trip time", function()
    local now = 5
    local got
    local ws, server = open(function(c)
      c:expect("ping", "hi")
      now = now + 0.5
      c:send_pong "hi"
      c:send_pong "uninvited"
    end, {
      clock = function() return now end,
      on_pong = function(_, data, rtt) got = got or { data, rtt } end,
    })
    assert.is_true(ws:ping "hi")
    scripted.pump(ws, server, function() return got end)
    assert.same({ "hi", 0.5 }, got)
    assert.equal(0.5, ws:stats().rtt)
  end)

  it("needs an open connection", function()
    local ws = wsclose.new "ws://a.example/"
    assert.equal("state", select(3, ws:ping()))
  end)
end)

describe("close", function()
  after_each(scripted.close_all)

  it("runs the closing handshake and tells on_close once", function()
    local closes = {}
    local ws, server = open(function(c) c:answer_close() end, {
      on_close = function(_, ...) closes[#closes + 1] = { ... } end,
    })
    assert.is_true(ws:close(4000, "enough"))
    assert.equal("closing", ws:state())
    assert.equal(0, #closes)
    assert.is_true(ws:close())
    assert.is_true(ws:close(1001, "another"))
    scripted.pump(ws, server, is_closed(ws))
    assert.is_true(ws:close())
    ws:update()
    assert.equal(1, #closes)
    local code, reason, info = closes[1][1], closes[1][2], closes[1][3]
    assert.same({ 4000, "enough" }, { code, reason })
    assert.equal("client", info.by)
    assert.is_true(info.clean)
    assert.is_true(info.opened)
    assert.same({ code = 4000, reason = "enough" }, info.sent)
    assert.same({ code = 4000, reason = "enough" }, info.received)
    assert.equal("PRIVATE", info.name)
    assert.equal(1, info.attempt)
    assert.is_true(info.duration >= 0)
    assert.equal(server:url(), info.url)
    assert.is_nil(info.retry_in)
    assert.matches("the program closed it", info.retry_refused, 1, true)
  end)

  it("ends TCP with on_close, though the program does nothing more", function()
    local now = 1
    local ws, server, c = open(function(c)
      c:send_close(1000)
      c:expect_close()
      c:wait_end()
    end, {
      clock = function() return now end,
      on_close = function() error("no", 0) end,
    })
    scripted.pump(ws, server, function() return c.close end)
    settle(ws, server)
    now = now + 2
    assert.has_error(function() ws:update() end, "no")
    scripted.pump(nil, server, function() return c.ended end)
    assert.equal("closed", ws:state())
  end)

  it("before the first attempt ends the client: there was nothing to tell on_close of", function()
    local called = false
    local ws, server = start(upgraded(), { on_close = function() called = true end })
    assert.is_true(ws:close())
    assert.equal("closed", ws:state())
    assert.same({ false, 1006, "" }, { ws:update() })
    assert.same({ nil, tostring(ws.close_info), "closed", 1006 }, { ws:receive() })
    local code, _, info = ws:run()
    assert.equal(1006, code)
    assert.is_false(info.opened)
    assert.same({ "client", 0 }, { info.by, info.attempt })
    server:step(0.01)
    assert.equal(0, #server.connections)
    assert.is_false(called)
  end)

  it("while connecting cancels, and on_close is told by the next update", function()
    local closes = {}
    local ws = wsclose.new(("ws://127.0.0.1:%d/"):format(scripted.black_hole()), {
      on_close = function(_, code, reason, info) closes[#closes + 1] = { code, reason, info } end,
    })
    ws:update()
    assert.is_true(ws:timeout() > 1)
    ws:close(1000, "never mind")
    assert.equal(0, #closes)
    assert.equal("closing", ws:state()) -- until it has been told
    assert.equal(0, ws:timeout())
    local code, reason, info = ws:run()
    assert.same({ 1006, "" }, { code, reason })
    assert.equal(1, #closes)
    assert.equal(info, closes[1][3])
    assert.equal("client", info.by)
    assert.is_nil(info.sent)
    assert.is_nil(info.error)
    assert.is_false(info.opened)
  end)

  it("within on_open and on_message is safe", function()
    for _, callback in ipairs { "on_open", "on_message" } do
      local ws, server = start(upgraded(function(c)
        c:send_text "a"
        c:answer_close()
      end), { [callback] = function(ws) ws:close(4000) end })
      scripted.pump(ws, server, is_closed(ws))
      assert.equal(4000, ws.close_code)
    end
  end)
end)

describe("pause", function()
  after_each(scripted.close_all)

  it("holds messages back until resume, those already here too", function()
    local got = {}
    local ws, server = open(function(c)
      c:send(wire.frame { payload = "1" } .. wire.frame { payload = "2" })
      c:told "more"
      c:send_text "3"
    end, {
      on_message = function(ws, data)
        got[#got + 1] = data
        ws:pause()
      end,
    })
    scripted.pump(ws, server, function() return got[1] end)
    server:tell "more"
    settle(ws, server)
    assert.same({ "1" }, got)
    ws:resume()
    settle(ws, server)
    assert.same({ "1", "2" }, got)
    ws:resume()
    settle(ws, server)
    assert.same({ "1", "2", "3" }, got)
  end)

  it("before the connection is open holds back from the first message on", function()
    local got = {}
    local ws, server = start(upgraded(function(c) c:send_text "1" end), {
      on_message = function(_, data) got[#got + 1] = data end,
    })
    ws:pause()
    scripted.pump(ws, server, is_open(ws))
    settle(ws, server)
    assert.same({}, got)
    ws:resume()
    scripted.pump(ws, server, function() return got[1] end)
  end)

  it("ends with close: the peer's answer is read", function()
    local ws, server = open(function(c) c:answer_close() end)
    ws:pause()
    ws:close(1000)
    scripted.pump(ws, server, is_closed(ws))
    assert.is_true(ws.close_info.clean)
  end)

  for name, ends in pairs {
    ["reconnect"] = function(ws) ws:reconnect() end,
    ["close, while it waits for the next attempt"] = function(ws)
      ws:close()
      ws:reconnect()
    end,
    ["reconnect, while it waits for the next attempt"] = function(ws) ws:reconnect() end,
  } do
    it("ends with " .. name .. ": the next connection's messages come", function()
      local got
      local first = name == "reconnect" and "open" or "waiting"
      local ws, server = start({
        upgraded(function(c)
          if first == "open" then c:answer_close() else c:close_session(1001) end
        end),
        upgraded(function(c) c:send_text "1" end),
      }, { on_message = function(_, data) got = data end, retry = true })
      scripted.pump(ws, server, function() return ws:state() == first end)
      ws:pause()
      ends(ws)
      scripted.pump(ws, server, function() return got end)
    end)
  end

  it("does not make update spin: it waits, and sending goes on", function()
    local got = 0
    local ws, server, c = open(function(c)
      c:send(wire.frame { payload = "1" } .. wire.frame { payload = "2" })
    end, {
      on_message = function(ws)
        got = got + 1
        ws:pause()
      end,
    })
    scripted.pump(ws, server, function() return got > 0 end)
    settle(ws, server)
    assert.equal(1, got)
    assert.is_nil(ws:timeout()) -- what is not read cannot be too late
    assert.is_true(ws:send "x")
    scripted.pump(ws, server, function() return c.frames[1] end)
  end)
end)

describe("a foreign event loop", function()
  after_each(scripted.close_all)

  local socket = require "socket"

  local function readable(fd)
    local ready = socket.select({ { getfd = function() return fd end } }, nil, 0)
    return ready[1] ~= nil
  end

  it("polls one descriptor, the same over reconnections", function()
    local ws, server = start(upgraded(function(c)
      c:told "go"
      c:send_text "x"
      c:answer_close()
    end))
    local fd = ws:pollfd()
    assert.equal("number", type(fd))
    scripted.pump(ws, server, is_open(ws))
    assert.equal(fd, ws:pollfd())
    assert.equal("r", ws:events())
    settle(ws, server)
    assert.is_false(readable(fd))
    server:tell "go"
    server:step()
    assert.is_true(readable(fd))
    settle(ws, server)
    assert.is_false(readable(fd))
    ws:reconnect()
    scripted.pump(ws, server, function() return #server.connections == 2 and is_open(ws)() end)
    settle(ws, server)
    assert.equal(fd, ws:pollfd())
    assert.is_false(readable(fd))
    server:tell("go", 2)
    server:step()
    assert.is_true(readable(fd))
  end)

  it("is told the time until the next deadline", function()
    local now = 100
    local ws, server = start(upgraded(), {
      clock = function() return now end,
      timeouts = { close = 3 },
      keepalive = { interval = 7 },
    })
    assert.equal(0, ws:timeout())
    scripted.pump(ws, server, is_open(ws))
    now = now + 2 -- buffers of an idle connection are given back after a second
    ws:update()
    assert.equal(5, ws:timeout())
    now = now + 1.5
    assert.equal(3.5, ws:timeout())
    ws:close()
    assert.equal(1, ws:timeout()) -- the buffer of what was written
    now = now + 1
    ws:update()
    assert.equal(2, ws:timeout())
    now = now + 10
    assert.equal(0, ws:timeout())
    ws:update()
    assert.equal("closed", ws:state())
    assert.is_nil(ws:timeout())
    assert.equal("close_timeout", ws.close_info.error.name)
  end)
end)

describe("on_frame", function()
  after_each(scripted.close_all)

  it("sees every frame, both ways", function()
    local seen = {}
    local ws, server = open(function(c)
      c:expect("text", "hello")
      c:send_ping "p"
      c:answer_close()
    end, {
      extensions = {},
      on_frame = function(_, direction, frame)
        seen[#seen + 1] = ("%s %s %d"):format(direction, frame.name, frame.size)
      end,
    })
    ws:send "hello"
    scripted.pump(ws, server, function() return seen[3] end)
    ws:close(1000, "x")
    scripted.pump(ws, server, is_closed(ws))
    assert.same({ "out text 5", "in ping 1", "out pong 1", "out close 3", "in close 3" }, seen)
  end)
end)

describe("many clients", function()
  after_each(scripted.close_all)

  it("are updated and run with one wait", function()
    local server = scripted.new(upgraded(function(c)
      c:send_text "x"
      c:close_session(1000)
    end))
    local got, clients = 0, {}
    for i = 1, 5 do
      clients[i] = wsclose.new(server:url(), { on_message = function() got = got + 1 end })
    end
    local unpack = rawget(table, "unpack") or rawget(_G, "unpack")
    scripted.pump(nil, server, function()
      return not wsclose.update(0.002, unpack(clients))
    end)
    assert.equal(5, got)
    wsclose.run(unpack(clients))
    assert.is_false(wsclose.update(nil, unpack(clients)))
    assert.is_false(wsclose.update(0))
    for _, ws in ipairs(clients) do assert.equal(1000, ws.close_code) end
  end)

  it("do not wait when one of them has work", function()
    local ws = open()
    local idle = wsclose.new "ws://127.0.0.1:1/"
    assert.is_true(wsclose.update(1000, ws, idle))
    assert.are_not.equal("idle", idle:state())
  end)
end)

describe("stats", function()
  after_each(scripted.close_all)

  it("count both ways", function()
    local ws, server = open(function(c)
      c:expect("text", "hello")
      c:send_binary "abc"
    end, { extensions = {} })
    ws:send "hello"
    scripted.pump(ws, server, function() return ws:stats().messages_in == 1 end)
    local stats = ws:stats()
    assert.equal(1, stats.messages_out)
    assert.equal(5, stats.payload_out)
    assert.equal(5, stats.wire_out)
    assert.equal(3, stats.payload_in)
    assert.equal(1, stats.attempts)
    assert.equal(0, stats.messages_dropped)
    assert.is_nil(stats.rtt)
  end)
end)

describe("connect", function()
  after_each(scripted.close_all)

  -- connect waits, so the server has to live in another process
  local process = require "support.process"
  after_each(process.stop_all)

  it("gives a client that is open, with the messages that came right behind", function()
    local peer = process.start { "/usr/bin/python3", "spec/support/peers/websockets_server.py" }
    local opened
    local ws = assert(wsclose.connect(("ws://127.0.0.1:%d/"):format(peer.port), {
      on_open = function() opened = true end,
    }))
    assert.is_true(opened)
    assert.equal("open", ws:state())
    assert.is_true(ws:send "hello")
    assert.same({ "hello", "text" }, { ws:receive(20) })
    ws:close()
    assert.equal(1000, (ws:run(20)))
  end)

  it("gives nil, a sentence, the error's name and info", function()
    local url = ("ws://127.0.0.1:%d/x"):format(scripted.refused_port())
    local told
    local ws, sentence, name, info = wsclose.connect(url, {
      on_close = function(_, _, _, given) told = given end,
    })
    assert.is_nil(ws)
    assert.matches("cannot connect to " .. url .. ": ", sentence, 1, true)
    assert.equal("refused", name)
    assert.equal(1006, info.code)
    assert.equal("tcp", info.error.phase)
    assert.equal(told, info)
  end)

  it("limits each attempt by timeouts.connect", function()
    local ws, _, name = wsclose.connect(
      ("ws://127.0.0.1:%d/"):format(scripted.black_hole()), { timeouts = { connect = 0.02 } })
    assert.is_nil(ws)
    assert.equal("timeout", name)
  end)

  it("goes on under the retry policy until that says no", function()
    local url = ("ws://127.0.0.1:%d/"):format(scripted.refused_port())
    local attempts = 0
    local ws, _, name, info = wsclose.connect(url, {
      retry = { initial = 0.001, floor = 0, max = 0.001, attempts = 3 },
      before_connect = function() attempts = attempts + 1 end,
    })
    assert.is_nil(ws)
    assert.equal("refused", name)
    assert.equal(4, attempts)
    assert.equal(4, info.attempt)
    assert.matches("attempts", info.retry_refused, 1, true)
  end)

  it("ends when a callback closes", function()
    local url = ("ws://127.0.0.1:%d/"):format(scripted.refused_port())
    local ws, _, name = wsclose.connect(url, {
      retry = { initial = 1000, first = false },
      on_close = function(ws) ws:close() end,
    })
    assert.is_nil(ws)
    assert.equal("refused", name)
  end)
end)
