-- From one attempt to the next: the sequence of callbacks, delays on a scripted clock, fresh data
-- before each attempt, reconnect and kick, redirects.  What the policy decides is held by
-- retry_spec.

local scripted = require "support.scripted_server"
local wsclose = require "wsclose"

local function upgraded(rest)
  return function(c)
    c:upgrade()
    if rest then rest(c) end
  end
end

local function closing(code, reason)
  return upgraded(function(c) c:close_session(code, reason) end)
end

-- A client on a clock that stands still but for what the spec adds to `time.now`.
local function start(script, options, resource)
  local server = scripted.new(script)
  local time = { now = 1000 }
  local all = { clock = function() return time.now end }
  for name, value in pairs(options or {}) do all[name] = value end
  return assert(wsclose.new(server:url(resource), all)), server, time
end

-- `count`: the server must have seen so many connections, too.
local function in_state(ws, state, server, count)
  return function()
    return ws:state() == state and (not count or #server.connections == count)
  end
end

-- The client is not ready for its next attempt: however often it is updated, it waits.
local function assert_waits(ws, server)
  local count = #server.connections
  for _ = 1, 3 do
    assert.is_true((ws:update()))
    server:step()
  end
  assert.equal("waiting", ws:state())
  assert.equal(count, #server.connections)
end

local NO_JITTER = { jitter = "none", first = false, initial = 2, factor = 3, max = 60 }

describe("a client with a retry policy", function()
  after_each(scripted.close_all)

  it("goes through on_close, on_retry, before_connect, on_open, in that order", function()
    local calls = {}
    local function note(name)
      return function(ws, ...) calls[#calls + 1] = { name, ws:state(), ... } end
    end
    local ws, server, time = start({ closing(1001, "restart"), upgraded() }, {
      retry = NO_JITTER,
      on_open = note "on_open",
      on_close = note "on_close",
      on_retry = note "on_retry",
      before_connect = note "before_connect",
    })
    scripted.pump(ws, server, in_state(ws, "waiting"))
    assert_waits(ws, server)
    time.now = time.now + 1.999
    assert_waits(ws, server)
    time.now = time.now + 0.001
    scripted.pump(ws, server, in_state(ws, "open"))
    local names = {}
    for i, call in ipairs(calls) do names[i] = call[1] .. " " .. call[2] end
    assert.same({
      "before_connect connecting", "on_open open", "on_close waiting", "on_retry waiting",
      "before_connect connecting", "on_open open",
    }, names)
    local info = calls[3][5]
    assert.same({ 1001, "restart" }, { calls[3][3], calls[3][4] })
    assert.equal(2, info.retry_in)
    assert.is_nil(info.retry_refused)
    assert.equal(1, info.attempt)
    assert.same({ 2, info }, { calls[4][3], calls[4][4] })
    assert.equal(1, calls[1][3])
    assert.equal(2, calls[5][3])
  end)

  it("waits exactly as long as the policy says, longer each time", function()
    local delays = {}
    local ws, server, time = start(closing(1011), {
      retry = NO_JITTER,
      on_retry = function(_, delay) delays[#delays + 1] = delay end,
    })
    for i, delay in ipairs { 2, 6, 18, 54 } do
      scripted.pump(ws, server, in_state(ws, "waiting"))
      assert.equal(delay, delays[i])
      assert.equal(delay, ws:timeout())
      time.now = time.now + delay - 0.001
      assert_waits(ws, server)
      time.now = time.now + 0.001
      ws:update()
      assert.equal("connecting", ws:state())
    end
  end)

  it("counts anew after a connection that was stable, and only then", function()
    local delays = {}
    local ws, server, time = start(upgraded(function(c)
      c:send_text "hello"
      c:told "end"
      c:close_session(1001)
    end), {
      retry = NO_JITTER,
      on_retry = function(_, delay) delays[#delays + 1] = delay end,
    })
    for _, open_for in ipairs { 9.99, 9.99, 10, 0 } do
      scripted.pump(ws, server, in_state(ws, "open"))
      scripted.pump(ws, server, function() return ws:stats().messages_in == 1 end)
      time.now = time.now + open_for
      server:tell("end", #server.connections)
      scripted.pump(ws, server, in_state(ws, "waiting"))
      time.now = time.now + delays[#delays]
      ws:update()
    end
    assert.same({ 2, 6, 2, 6 }, delays)
  end)

  local function delays_of(pong_comes)
    local delays = {}
    local ws, server, time = start(upgraded(function(c)
      c:told "end"
      if pong_comes then c:send_pong "" end
      c:close_session(1001)
    end), {
      retry = NO_JITTER,
      keepalive = false,
      on_retry = function(_, delay) delays[#delays + 1] = delay end,
    })
    for _ = 1, 2 do
      scripted.pump(ws, server, in_state(ws, "open"))
      time.now = time.now + 11
      server:tell("end", #server.connections)
      scripted.pump(ws, server, in_state(ws, "waiting"))
      time.now = time.now + delays[#delays]
      ws:update()
    end
    return delays
  end

  it("does not count a connection as stable on which nothing came in", function()
    assert.same({ 2, 6 }, delays_of(false))
  end)

  it("counts one as stable on which no more than a pong came in", function()
    assert.same({ 2, 2 }, delays_of(true))
  end)

  it("ends where the policy refuses, and says why", function()
    local told, retried
    local ws, server = start(closing(1008, "banned"), {
      retry = true,
      on_close = function(_, _, _, info) told = info end,
      on_retry = function() retried = true end,
    })
    scripted.pump(ws, server, in_state(ws, "closed"))
    assert.is_nil(told.retry_in)
    assert.matches("1008", told.retry_refused, 1, true)
    assert.is_nil(retried)
    assert.matches(told.retry_refused, tostring(told), 1, true)
  end)

  it("ends after its own close, whatever the policy would say", function()
    local ws, server = start(upgraded(function(c) c:answer_close() end), {
      retry = { codes = { [1000] = true, [4000] = true } },
    })
    scripted.pump(ws, server, in_state(ws, "open"))
    ws:close(4000)
    scripted.pump(ws, server, in_state(ws, "closed"))
    assert.matches("the program closed it", ws.close_info.retry_refused, 1, true)
  end)

  it("ends when closed while it waits; on_close is not called again", function()
    local closes = 0
    local ws, server, time = start(closing(1001, "restart"), {
      retry = NO_JITTER,
      on_close = function() closes = closes + 1 end,
    })
    scripted.pump(ws, server, in_state(ws, "waiting"))
    local info = ws.close_info
    assert.is_true(ws:close())
    assert.equal("closed", ws:state())
    assert.same({ false, 1001, "restart" }, { ws:update() })
    assert.equal(1, closes)
    time.now = time.now + 100
    ws:update()
    assert.equal(1, #server.connections)
    assert.equal(2, info.retry_in) -- what was handed out stays as it was
    assert.equal(server:url(), ws.close_info.url)
    assert.is_nil(ws.close_info.retry_in)
    assert.matches("the program closed it", ws.close_info.retry_refused, 1, true)
  end)

  it("tells on_close of a refused handshake, with what the server said", function()
    local told
    local ws, server = start({
      function(c) c:refuse(503, { ["Retry-After"] = "7" }, "come back later") end,
      upgraded(),
    }, {
      retry = NO_JITTER,
      on_close = function(_, code, reason, info) told = { code, reason, info } end,
    })
    scripted.pump(ws, server, in_state(ws, "waiting"))
    local info = told[3]
    assert.same({ 1006, "" }, { told[1], told[2] })
    assert.is_false(info.opened)
    assert.equal("http", info.error.name)
    assert.equal("handshake", info.error.phase)
    assert.equal(503, info.http.status)
    assert.equal("7", info.http.headers["retry-after"])
    assert.equal("come back later", info.http.body)
    assert.is_true(info.retry_in >= 7 and info.retry_in < 14)
  end)

  it("tries another address of the host first after 1013", function()
    local socket = require "socket"
    local server = scripted.new(closing(1013))
    local other = assert(socket.bind("127.0.0.2", server.port))
    other:settimeout(0)
    local ws = wsclose.new(("ws://feed.example:%d/"):format(server.port), {
      retry = true,
      resolve = { ["feed.example"] = { "127.0.0.1", "127.0.0.2" } },
      proxy = false,
    })
    local peer
    scripted.pump(ws, server, function()
      ws:kick()
      peer = peer or other:accept()
      return peer
    end)
    assert.equal(1, #server.connections)
    assert.equal(1013, ws.close_code)
    ws:leave()
    peer:close()
    other:close()
  end)

  it("is not advised to reconnect once it has left", function()
    for _, state in ipairs { "idle", "open", "waiting" } do
      local ws, server = start(upgraded(function(c)
        c:told "end"
        c:finish()
      end), { retry = true })
      if state ~= "idle" then scripted.pump(ws, server, in_state(ws, "open")) end
      if state == "waiting" then
        server:tell "end"
        scripted.pump(ws, server, in_state(ws, "waiting"))
      end
      ws:leave()
      assert.matches(" is not retried: the client has left for good$", ws.close_info.retry_refused)
    end
    local ws = start(upgraded())
    ws:close()
    assert.matches("ws:reconnect%(%) connects anew$", ws.close_info.retry_refused)
  end)

  it("tries again when connecting fails", function()
    local ws, server, time = start(upgraded(), { retry = NO_JITTER })
    server:stop_listening()
    scripted.pump(ws, nil, in_state(ws, "waiting"))
    assert.equal("refused", ws.close_info.error.name)
    server:listen_again()
    time.now = time.now + 2
    scripted.pump(ws, server, in_state(ws, "open"))
    assert.is_nil(ws.close_code)
  end)
end)

describe("before_connect", function()
  after_each(scripted.close_all)

  local function requests(server)
    local seen = {}
    for i, c in ipairs(server.connections) do seen[i] = c.request end
    return seen
  end

  it("may give URL, headers and protocols for one attempt", function()
    local server_url
    local ws, server, time = start({
      function(c)
        c:upgrade { protocol = "v2" }
        c:close_session(1001)
      end,
      upgraded(),
    }, {
      retry = NO_JITTER,
      headers = { ["X-Token"] = "old" },
      before_connect = function(_, attempt)
        if attempt == 1 then
          return {
            url = server_url .. "first",
            headers = { ["X-Token"] = "new" },
            protocols = { "v2" },
          }
        end
      end,
    })
    server_url = server:url()
    scripted.pump(ws, server, in_state(ws, "waiting"))
    assert.equal(server_url .. "first", ws.close_info.url)
    time.now = time.now + 2
    scripted.pump(ws, server, in_state(ws, "open"))
    local first, second = requests(server)[1], requests(server)[2]
    assert.same({ "/first", "new", "v2" },
      { first.target, first.headers["x-token"], first.headers["sec-websocket-protocol"] })
    assert.same({ "/", "old" }, { second.target, second.headers["x-token"] })
    assert.is_nil(second.headers["sec-websocket-protocol"])
    assert.equal(server_url, ws:info().url)
  end)

  it("may change ws.url and ws.headers for this and all further attempts", function()
    local ws, server, time = start({ closing(1001), upgraded() }, {
      retry = NO_JITTER,
      headers = {},
      before_connect = function(ws, attempt)
        if attempt == 1 then
          ws.url = ws.url .. "changed"
          ws.headers.Authorization = "Bearer fresh"
        end
      end,
    })
    scripted.pump(ws, server, in_state(ws, "waiting"))
    time.now = time.now + 2
    scripted.pump(ws, server, in_state(ws, "open"))
    for _, request in ipairs(requests(server)) do
      assert.same({ "/changed", "Bearer fresh" }, { request.target, request.headers.authorization })
    end
  end)

  it("may give up: the attempt has failed, and the policy decides", function()
    local told = {}
    local ws, server, time = start(upgraded(), {
      retry = NO_JITTER,
      before_connect = function(_, attempt)
        if attempt == 1 then return nil, "no token" end
      end,
      on_close = function(_, code, _, info) told[#told + 1] = { code, info } end,
    })
    ws:update()
    assert.equal("waiting", ws:state())
    assert.equal(1, #told)
    assert.equal(1006, told[1][1])
    local info = told[1][2]
    assert.equal("state", info.error.name)
    assert.matches("no token", info.error.message, 1, true)
    assert.is_false(info.opened)
    assert.equal(2, info.retry_in)
    assert.equal(0, #server.connections)
    time.now = time.now + 2
    scripted.pump(ws, server, in_state(ws, "open"))
  end)

  it("may give a faulty URL: the attempt has failed by name", function()
    local ws = start(upgraded(), { before_connect = function() return { url = "http://x" } end })
    assert.is_false((ws:update()))
    assert.equal("url", ws.close_info.error.name)
    assert.equal(1006, ws.close_code)
  end)

  it("may not give a URL that a NUL cuts short", function()
    local ws, server = start(upgraded())
    function ws:before_connect() -- luacheck: ignore 212
      return { url = server:url() .. "\0feed" }
    end
    assert.is_false((ws:update()))
    assert.equal("url", ws.close_info.error.name)
    assert.matches("NUL", ws.close_info.error.message)
  end)

  it("may raise: the error comes out, and the attempt has failed", function()
    local told = {}
    local ws, server, time = start(upgraded(), {
      retry = NO_JITTER,
      before_connect = function(_, attempt)
        if attempt == 1 then error("no luck", 0) end
      end,
      on_close = function(_, code, _, info) told[#told + 1] = { code, info.error.name } end,
    })
    assert.has_error(function() ws:update() end, "no luck")
    ws:update()
    assert.same({ { 1006, "state" } }, told)
    assert.equal("waiting", ws:state())
    time.now = time.now + 2
    scripted.pump(ws, server, in_state(ws, "open"))
  end)

  it("may raise in a coroutine, which is dead then: the attempt has failed all the same", function()
    local ws = start(upgraded(), { before_connect = function() error("no luck", 0) end })
    assert.same({ false, "no luck" }, { coroutine.resume(coroutine.create(function()
      ws:update()
    end)) })
    assert.is_false((ws:update()))
    assert.equal("state", ws.close_info.error.name)
  end)

  for _, case in ipairs {
    { { headers = { X = "a\r\nb" } }, "headers.X" },
    { { protocols = { "a b" } }, "protocols" },
    { { url = 5 }, "expected a string as url" },
    { "ws://x/", "expected a table or nothing, got string" },
  } do
    it("raises for what may not be sent: " .. case[2], function()
      local ws = start(upgraded(), { before_connect = function() return case[1] end })
      local ok, message = pcall(ws.update, ws)
      assert.is_false(ok)
      assert.matches(case[2], message, 1, true)
      assert.is_false((ws:update()))
      assert.equal("state", ws.close_info.error.name)
    end)
  end

  it("may yield; meanwhile update by others does no harm, and close ends the attempt", function()
    for _, ending in ipairs { "open", "close", "leave" } do
      local told = 0
      local ws, server = start(upgraded(), {
        before_connect = function() coroutine.yield() end,
        on_close = function() told = told + 1 end,
      })
      local work = coroutine.create(function() ws:update() end)
      assert(coroutine.resume(work))
      assert.equal("connecting", ws:state())
      for _ = 1, 3 do assert.is_true((ws:update())) end
      assert.is_nil((ws:send "x"))
      if ending ~= "open" then
        ws[ending](ws)
        ws:update()
        assert.equal(1, told)
      end
      assert(coroutine.resume(work))
      if ending == "open" then
        scripted.pump(ws, server, in_state(ws, "open"))
      else
        assert.equal("closed", ws:state())
        assert.equal(1006, ws.close_code)
        assert.equal("client", ws.close_info.by)
        server:step(0.005)
        assert.equal(0, #server.connections)
        assert.is_false((ws:update()))
        assert.equal(1, told)
      end
    end
  end)
end)

describe("reconnect", function()
  after_each(scripted.close_all)

  it("closes with 1000 or the code given, and connects anew without delay", function()
    for _, code in ipairs { 1000, 4001 } do
      local told
      local ws, server = start(upgraded(function(c) c:answer_close() end), {
        on_close = function(_, closed_with, _, info) told = { closed_with, info } end,
      })
      scripted.pump(ws, server, in_state(ws, "open"))
      assert.is_true(ws:reconnect(code ~= 1000 and code or nil, "moving"))
      assert.equal("closing", ws:state())
      scripted.pump(ws, server, in_state(ws, "open", server, 2))
      assert.equal(code, told[1])
      assert.equal(0, told[2].retry_in)
      assert.same({ code = code, reason = "moving" }, server.connections[1].close)
    end
  end)

  it("leaves the policy's count as it was, and does not ask it", function()
    local asked = 0
    local ws, server, time = start(upgraded(function(c)
      c:told "end"
      c:close_session(1001)
    end), {
      retry = {
        jitter = "none", first = false, initial = 2, factor = 3,
        decide = function() asked = asked + 1 end,
      },
    })
    scripted.pump(ws, server, in_state(ws, "open"))
    server:tell "end"
    scripted.pump(ws, server, in_state(ws, "waiting"))
    assert.equal(2, ws.close_info.retry_in)
    time.now = time.now + 2
    scripted.pump(ws, server, in_state(ws, "open"))
    ws:reconnect()
    scripted.pump(ws, server, function()
      server:tell("end", 2)
      return server.connections[3] and in_state(ws, "open")()
    end)
    assert.equal(1, asked)
    server:tell("end", 3)
    scripted.pump(ws, server, in_state(ws, "waiting"))
    assert.equal(6, ws.close_info.retry_in)
  end)

  it("while connecting begins over", function()
    local ws, server = start {
      function(c) c:stall() end,
      upgraded(),
    }
    scripted.pump(ws, server, function() return server.connections[1] end)
    ws:reconnect()
    scripted.pump(ws, server, in_state(ws, "open"))
    assert.equal(2, #server.connections)
    assert.equal(2, ws:info().attempt)
  end)

  it("while waiting, when closed for good and before the first attempt connects at once", function()
    local ws, server = start({ closing(1001), closing(1000), upgraded() }, { retry = NO_JITTER })
    assert.is_true(ws:reconnect())
    assert.equal("idle", ws:state())
    scripted.pump(ws, server, in_state(ws, "waiting"))
    ws:reconnect()
    scripted.pump(ws, server, in_state(ws, "closed"))
    assert.equal(1000, ws.close_code)
    ws:reconnect()
    assert.equal(0, ws:timeout())
    assert.is_true((ws:update()))
    scripted.pump(ws, server, in_state(ws, "open"))
    assert.equal(3, #server.connections)
  end)

  it("after a close makes a client whose policy is asked again", function()
    local ws, server = start({
      upgraded(function(c) c:answer_close() end),
      closing(1001),
    }, { retry = NO_JITTER })
    scripted.pump(ws, server, in_state(ws, "open"))
    ws:close()
    scripted.pump(ws, server, in_state(ws, "closed"))
    ws:reconnect()
    scripted.pump(ws, server, in_state(ws, "waiting", server, 2))
    assert.equal(2, ws.close_info.retry_in)
  end)

  it("ends a pause: the peer's answer is read", function()
    local ws, server = start(upgraded(function(c) c:answer_close() end))
    scripted.pump(ws, server, in_state(ws, "open"))
    ws:pause()
    ws:reconnect()
    scripted.pump(ws, server, in_state(ws, "open", server, 2))
  end)

  it("after a delay waits from the connection's end on, and says so", function()
    local told
    local ws, server, time = start(upgraded(function(c) c:answer_close() end), {
      on_retry = function(_, delay) told = delay end,
    })
    scripted.pump(ws, server, in_state(ws, "open"))
    ws:reconnect(nil, nil, 5)
    time.now = time.now + 1
    scripted.pump(ws, server, in_state(ws, "waiting"))
    assert.equal(5, told)
    assert.equal(5, ws.close_info.retry_in)
    assert.equal(5, ws:timeout())
    assert_waits(ws, server)
    time.now = time.now + 5
    scripted.pump(ws, server, in_state(ws, "open", server, 2))
  end)

  it("after a delay waits too where there is no connection", function()
    local ws, server, time = start({ closing(1001), closing(1000), upgraded() }, {
      retry = NO_JITTER,
    })
    for _, state in ipairs { "idle", "waiting", "closed" } do
      scripted.pump(ws, server, in_state(ws, state))
      assert.is_true(ws:reconnect(1000, "", 7))
      assert.equal("waiting", ws:state())
      assert.equal(7, ws:timeout())
      assert_waits(ws, server)
      time.now = time.now + 7
      ws:update()
    end
    scripted.pump(ws, server, in_state(ws, "open"))
    assert.equal(3, #server.connections)
  end)

  it("draws its delay from a range, with the policy's chance or its own", function()
    local ws, server = start(upgraded(function(c) c:answer_close() end), {
      retry = { random = function() return 0.25 end },
    })
    scripted.pump(ws, server, in_state(ws, "open"))
    ws:reconnect(1000, "", { 10, 30 })
    scripted.pump(ws, server, in_state(ws, "waiting"))
    assert.equal(15, ws.close_info.retry_in)
    local others = {}
    for _ = 1, 20 do
      local other = assert(wsclose.new("ws://127.0.0.1:1/", { clock = function() return 0 end }))
      other:reconnect(1000, "", { 10, 30 })
      local seconds = other:timeout()
      assert.is_true(seconds >= 10 and seconds <= 30)
      others[seconds] = true
    end
    assert.is_truthy(next(others, next(others))) -- not all are one
  end)

  it("checks its delay before anything is done", function()
    local ws, server = start(upgraded())
    scripted.pump(ws, server, in_state(ws, "open"))
    for _, case in ipairs {
      { -1, "-1" }, { 0 / 0, "NaN" }, { math.huge, tostring(math.huge) }, { "5", "string" },
      { { 5 }, "table" }, { { 5, 1 }, "table" }, { { 1, 2, 3 }, "table" },
    } do
      local ok, fault = pcall(function() ws:reconnect(1000, "", case[1]) end)
      assert.is_false(ok)
      assert.equal("delay: expected seconds or { low, high }, got " .. case[2],
        fault:match "client_retry_spec%.lua:%d+: (.*)$")
      assert.equal("open", ws:state())
    end
  end)

  it("gives way to a close that follows", function()
    local ws, server = start(upgraded(function(c) c:answer_close() end))
    scripted.pump(ws, server, in_state(ws, "open"))
    ws:reconnect(1000, "", 5)
    ws:close()
    scripted.pump(ws, server, in_state(ws, "closed"))
    assert.equal(1, #server.connections)
  end)
end)

describe("stats().total", function()
  after_each(scripted.close_all)

  local function talk(c)
    c:upgrade()
    c:expect("text", "hello")
    c:send_text "you"
    c:send_text "too"
    c:told "end"
    c:close_session(1001)
  end

  local function start_talk(script, options)
    options.retry, options.keepalive = NO_JITTER, false
    options.on_open = function(ws) ws:send "hello" end
    options.on_message = function() end
    local ws, server, time = start(script, options)
    local function pump_until_heard(count)
      scripted.pump(ws, server, function()
        return ws:stats().messages_in == 2 and #server.connections == count
      end)
    end
    return ws, server, time, pump_until_heard
  end

  it("counts over all attempts, failed and redirected ones too", function()
    local ws, server, time, pump_until_heard = start_talk({
      talk,
      function(c) c:refuse(503) end,
      function(c) c:refuse(302, { Location = "/there" }) end,
      talk,
    }, { redirects = 1 })
    assert.equal(0, ws:stats().total.bytes_in)
    pump_until_heard(1)
    assert.equal(2, ws:stats().total.messages_in)
    assert.is_nil(ws:stats().total.rtt)
    assert.is_nil(ws:stats().total.attempts)
    server:tell "end"
    scripted.pump(ws, server, in_state(ws, "waiting"))
    local first = ws:stats()
    assert.equal(first.bytes_in, first.total.bytes_in)
    time.now = time.now + 60
    scripted.pump(ws, server, in_state(ws, "waiting", server, 2))
    local second = ws:stats()
    assert.equal(first.bytes_in + second.bytes_in, second.total.bytes_in)
    time.now = time.now + 120
    pump_until_heard(4)
    local third = ws:stats()
    assert.equal(4, third.total.messages_in)
    assert.equal(2, third.total.messages_out)
    assert.equal(first.payload_in + third.payload_in, third.total.payload_in)
    assert.is_true(third.total.bytes_in > second.total.bytes_in + third.bytes_in)
  end)

  local function not_so_far(_, attempt)
    if attempt == 2 then return { url = "ftp://nowhere/" } end
    if attempt == 3 then return nil, "not now" end
  end

  it("counts no connection twice when an attempt does not get so far", function()
    local ws, server, _, pump_until_heard = start_talk(talk, { before_connect = not_so_far })
    pump_until_heard(1)
    server:tell "end"
    scripted.pump(ws, server, in_state(ws, "waiting"))
    for attempt = 2, 4 do
      ws:reconnect()
      scripted.pump(ws, server, function() return ws:stats().attempts == attempt end)
    end
    pump_until_heard(2)
    assert.equal(4, ws:stats().total.messages_in)
  end)

  it("counts none twice over streams that others move", function()
    local testing = require "wsclose.testing"
    local server = testing.server "ws://feed.example/"
    server:accept():send("x"):drop():accept():send "y"
    local ws = assert(wsclose.new("ws://feed.example/", {
      retry = { decide = function() return 0.1 end }, before_connect = not_so_far,
    }))
    ws:receive()
    assert.equal("y", (ws:receive()))
    assert.equal(4, ws:stats().attempts)
    assert.equal(2, ws:stats().total.messages_in)
    testing.reset()
  end)
end)

describe("kick", function()
  after_each(scripted.close_all)

  it("makes the next attempt now, and keeps the count", function()
    local ws, server = start({ closing(1001), closing(1001), upgraded() }, { retry = NO_JITTER })
    assert.is_false(ws:kick())
    scripted.pump(ws, server, in_state(ws, "waiting"))
    assert.equal(2, ws.close_info.retry_in)
    assert.is_true(ws:kick())
    assert.equal(0, ws:timeout())
    scripted.pump(ws, server, in_state(ws, "waiting", server, 2))
    assert.equal(6, ws.close_info.retry_in)
    assert.is_true(ws:kick())
    scripted.pump(ws, server, in_state(ws, "open"))
    assert.is_false(ws:kick())
  end)
end)

describe("redirects", function()
  after_each(scripted.close_all)

  local function redirecting(to, status)
    return function(c) c:refuse(status or 302, { Location = to }) end
  end

  it("are not followed unless allowed", function()
    for _, redirects in ipairs { 0, false } do
      local ws, server = start(redirecting "/other", { redirects = redirects or nil })
      scripted.pump(ws, server, in_state(ws, "closed"))
      assert.equal("http", ws.close_info.error.name)
      assert.equal(302, ws.close_info.http.status)
      assert.equal(1, #server.connections)
    end
  end)

  it("are followed as one attempt: on_close and before_connect are not called between", function()
    local calls = {}
    local scripts = { redirecting("next?x=1", 307), redirecting("/last", 308), upgraded() }
    local ws, server = start(scripts, {
      redirects = 2,
      headers = { Authorization = "secret", ["X-A"] = "1" },
      protocols = { "v1" },
      require_protocol = false,
      before_connect = function() calls[#calls + 1] = "before_connect" end,
      on_close = function() calls[#calls + 1] = "on_close" end,
    }, "/dir/first")
    scripted.pump(ws, server, in_state(ws, "open"))
    assert.same({ "before_connect" }, calls)
    local targets = {}
    for i, c in ipairs(server.connections) do
      targets[i] = c.request.target
      assert.equal("secret", c.request.headers.authorization)
      assert.equal("1", c.request.headers["x-a"])
      assert.equal("v1", c.request.headers["sec-websocket-protocol"])
    end
    assert.same({ "/dir/first", "/dir/next?x=1", "/last" }, targets)
    assert.equal(server:url "/last", ws:info().url)
    assert.equal(1, ws:info().attempt)
  end)

  it("lose credentials on the way to another origin", function()
    local other = scripted.new(upgraded())
    local ws, server = start(redirecting(other:url "/x"), {
      redirects = 1,
      headers = { Authorization = "secret", Cookie = "a=b", ["X-A"] = "1" },
    })
    scripted.pump(ws, server, function()
      other:step()
      return ws:state() == "open"
    end)
    local headers = other.connections[1].request.headers
    assert.is_nil(headers.authorization)
    assert.is_nil(headers.cookie)
    assert.equal("1", headers["x-a"])
  end)

  for _, case in ipairs {
    { "more than allowed", "/again", "one redirect more than" },
    { "nowhere", "", "does not say where" },
    { "to another kind of URL", "ftp://a.example/", "no WebSocket or HTTP URL" },
  } do
    it(case[1] .. " end the attempt: error redirect", function()
      local ws, server = start(redirecting(case[2]), { redirects = 1, retry = true })
      scripted.pump(ws, server, in_state(ws, "closed"))
      local info = ws.close_info
      assert.equal(1006, info.code)
      assert.equal("redirect", info.error.name)
      assert.matches(case[3], info.error.message, 1, true)
      assert.equal(302, info.http.status)
      assert.equal("string", type(info.retry_refused))
    end)
  end

  it("are not followed by a client that was closed or told to reconnect meanwhile", function()
    for _, call in ipairs { "close", "reconnect" } do
      local ws, server = start({
        function(c)
          c:read_request()
          c:send "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 9\r\n\r\nhalf"
          c:stall()
        end,
        upgraded(),
      }, { redirects = 1 })
      scripted.pump(ws, server, function() return ws:info().status == 302 end)
      ws[call](ws)
      scripted.pump(ws, server, in_state(ws, call == "close" and "closed" or "open"))
      assert.equal(call == "close" and 1 or 2, #server.connections)
      if call == "reconnect" then assert.equal("/", server.connections[2].request.target) end
    end
  end)

  it("begin at the first URL again when the connection is made anew", function()
    local ws, server, time = start({ redirecting "/moved", closing(1001), upgraded() }, {
      redirects = 5, retry = NO_JITTER,
    })
    scripted.pump(ws, server, in_state(ws, "waiting"))
    time.now = time.now + 2
    scripted.pump(ws, server, in_state(ws, "open"))
    assert.equal("/", server.connections[3].request.target)
  end)
end)
