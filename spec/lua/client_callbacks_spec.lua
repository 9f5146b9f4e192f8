-- What callbacks may do to the client that calls them: raise, yield, call update, close, connect
-- anew, drop the last reference.  And what remains of a client that is collected.

local process = require "support.process"
local scripted = require "support.scripted_server"
local wsclose = require "wsclose"

local wire = scripted.wire

local function upgraded(rest)
  return function(c)
    c:upgrade()
    if rest then rest(c) end
  end
end

local function start(script, options)
  local server = scripted.new(script)
  return assert(wsclose.new(server:url(), options)), server
end

local function three_messages(c)
  local frames = {}
  for i = 1, 3 do frames[i] = wire.frame { payload = tostring(i) } end
  c:send(table.concat(frames))
  c:answer_close()
end

-- Goes on over errors; gives them.
local function pump_over_errors(ws, server, happened)
  local errors = {}
  scripted.pump(nil, server, function()
    local ok, why = pcall(ws.update, ws, 0.002)
    if not ok then errors[#errors + 1] = why end
    return happened()
  end)
  return errors
end

describe("an error raised in", function()
  after_each(scripted.close_all)

  it("on_message comes out of update, and the next message is given by the next", function()
    local got = {}
    local ws, server = start(upgraded(three_messages), {
      on_message = function(_, data)
        got[#got + 1] = data
        error({ data }, 0)
      end,
    })
    local errors = pump_over_errors(ws, server, function() return got[3] end)
    assert.same({ "1", "2", "3" }, got)
    assert.same({ { "1" }, { "2" }, { "3" } }, errors)
    assert.equal("open", ws:state())
    assert.is_true(ws:send "still here")
  end)

  it("on_message keeps its traceback", function()
    local traceback
    local ws, server = start(upgraded(three_messages), {
      on_message = function() error "deep down" end,
    })
    scripted.pump(nil, server, function()
      return not xpcall(function() ws:update(0.002) end, function(message)
        traceback = debug.traceback(message)
      end)
    end)
    assert.matches("deep down", traceback, 1, true)
    assert.matches("client_callbacks_spec", traceback:match "traceback:.*client%.lua", 1, true)
  end)

  it("on_open leaves the connection open", function()
    local got
    local ws, server = start(upgraded(three_messages), {
      on_open = function() error("no", 0) end,
      on_message = function(_, data) got = data end,
    })
    assert.same({ "no" }, pump_over_errors(ws, server, function() return got end))
    assert.equal("open", ws:state())
  end)

  it("on_close comes once: on_retry and the retry follow all the same", function()
    local calls = {}
    local ws, server = start(upgraded(function(c) c:close_session(1001) end), {
      retry = { first = false, initial = 0.001, floor = 0 },
      on_close = function()
        calls[#calls + 1] = "close"
        if #calls == 1 then error("no", 0) end
      end,
      on_retry = function()
        calls[#calls + 1] = "retry"
        if #calls == 2 then error("not this either", 0) end
      end,
    })
    local errors = pump_over_errors(ws, server, function()
      if #calls == 1 then assert.equal(0, ws:timeout()) end
      return calls[4]
    end)
    assert.same({ "close", "retry", "close", "retry" }, calls)
    assert.same({ "no", "not this either" }, errors)
    assert.is_true(#server.connections >= 2)
  end)

  it("on_close for good is followed by false, code and reason", function()
    local ws, server = start(upgraded(function(c) c:close_session(1000, "end") end), {
      on_close = function() error("no", 0) end,
    })
    assert.same({ "no" }, pump_over_errors(ws, server, function() return ws.close_code end))
    assert.same({ false, 1000, "end" }, { ws:update() })
    assert.same({ 1000, "end", ws.close_info }, { ws:run() })
  end)

  for _, case in ipairs {
    { "decide retries as usual", { decide = function() error("no", 0) end, jitter = "none" },
      "waiting", 1 },
    { "decide is refused as usual", { decide = function() error("no", 0) end, attempts = 0 },
      "closed", nil, "the option attempts" },
    { "random ends the retries", { random = function() error("no", 0) end },
      "closed", nil, "the retry policy raised an error" },
  } do
    it("the retry option's " .. case[1] .. ", and on_close is called", function()
      local options, closed = case[2], nil
      options.first = false
      local ws, server = start(upgraded(function(c) c:close_session(1001) end), {
        retry = options, on_close = function(_, _, _, info) closed = info end,
      })
      assert.same({ "no" }, pump_over_errors(ws, server, function() return closed end))
      assert.equal(case[3], ws:state())
      assert.equal(case[4], closed.retry_in)
      if case[5] then assert.matches(case[5], closed.retry_refused, 1, true) end
    end)
  end

  it("on_frame, on_ping, on_pong and on_drain lets the rest go on", function()
    local left = { on_frame = true, on_ping = true, on_pong = true, on_drain = true }
    local options = {}
    for name in pairs(left) do
      options[name] = function()
        if left[name] then
          left[name] = nil
          error(name, 0)
        end
      end
    end
    function options.on_open(ws)
      ws:ping "x"
      assert(ws:buffered() > 0)
    end
    local got
    function options.on_message() got = true end
    local ws, server = start(upgraded(function(c)
      c:expect "ping"
      c:send_ping "a"
      c:send_pong "x"
      c:send_text "end"
    end), options)
    local errors = pump_over_errors(ws, server, function() return got end)
    table.sort(errors)
    assert.same({ "on_drain", "on_frame", "on_ping", "on_pong" }, errors)
  end)

  it("a callback comes out of receive, run and messages too", function()
    for _, call in ipairs {
      function(ws) return ws:receive(0.002) end,
      function(ws) return ws:run(0.002) end,
      function(ws) return ws:messages()() end,
    } do
      local ws, server = start(upgraded(function(c)
        c:told "open"
        c:send_ping "p"
      end), {
        on_ping = function() error("raised", 0) end,
      })
      scripted.pump(ws, server, function() return ws:state() == "open" end)
      server:tell "open"
      server:step()
      assert.has_error(function() call(ws) end, "raised")
    end
  end)

  it("the clock or a wrong clock comes out, and the client goes on", function()
    local broken
    local ws, server = start(upgraded(), {
      clock = function()
        if broken == 1 then error("stopped", 0) end
        return broken == 2 and "noon" or 1
      end,
    })
    scripted.pump(ws, server, function() return ws:state() == "open" end)
    broken = 1
    assert.has_error(function() ws:update() end, "stopped")
    broken = 2
    local ok, message = pcall(ws.update, ws)
    assert.is_false(ok)
    assert.matches("must return seconds, not string", message, 1, true)
    broken = nil
    ws:update()
    assert.equal("open", ws:state())
  end)

  it("the clock comes out where what on_open said leaves", function()
    local broken
    local ws, server = start(upgraded(), {
      clock = function()
        if broken then error("stopped", 0) end
        return 1
      end,
      on_open = function(ws)
        ws:send "x"
        broken = true
      end,
    })
    scripted.pump(ws, server, function() return ws:stats().bytes_out > 0 end)
    scripted.pump(nil, server, function()
      local c = server.connections[1]
      return c and c.upgraded
    end)
    assert.has_error(function() ws:wait_open() end, "stopped")
    assert.equal("open", ws:state())
  end)

  it("random_bytes comes out of send", function()
    local broken
    local ws, server = start(upgraded(), {
      random_bytes = function(n)
        if broken then error("no dice", 0) end
        return ("\1"):rep(n)
      end,
    })
    scripted.pump(ws, server, function() return ws:state() == "open" end)
    broken = true
    assert.has_error(function() ws:send "x" end, "no dice")
    broken = false
    assert.is_true(ws:send "y")
    scripted.pump(ws, server, function() return server.connections[1].frames[1] end)
    assert.equal("\1\1\1\1", server.connections[1].frames[1].mask)
  end)
end)

-- From Lua 5.4 on the loop's last value is closed; before, what was sent leaves with the next call
-- but send.
if _VERSION >= "Lua 5.4" then
  describe("after an error in a callback", function()
    after_each(scripted.close_all)

    it("a single send leaves at once again", function()
      local ws, server = start(upgraded(three_messages), {
        on_message = function(ws)
          ws:send "in the callback"
          error("no", 0)
        end,
      })
      scripted.pump(nil, server, function() return not pcall(ws.update, ws, 0.002) end)
      assert.equal(0, ws:buffered())
      ws:send "afterwards"
      assert.equal(0, ws:buffered())
    end)
  end)
end

describe("a callback that yields", function()
  after_each(scripted.close_all)

  it("is gone on with when its coroutine is, on every Lua", function()
    local got = {}
    local ws, server = start(upgraded(three_messages), {
      on_open = function() coroutine.yield "opening" end,
      on_message = function(_, data)
        coroutine.yield(data)
        got[#got + 1] = data
      end,
      on_close = function() coroutine.yield "closing" end,
    })
    local seen = {}
    local work = coroutine.wrap(function()
      while ws:update(0.002) do coroutine.yield(nil) end
      return "done"
    end)
    local asked
    scripted.pump(nil, server, function()
      local step = work()
      if step then seen[#seen + 1] = step end
      if got[3] and not asked then
        asked = true
        ws:close()
      end
      return step == "done"
    end)
    assert.same({ "opening", "1", "2", "3", "closing", "done" }, seen)
    assert.same({ "1", "2", "3" }, got)
  end)

  it("does not keep others from using the client", function()
    local got = {}
    local ws, server = start(upgraded(function(c)
      c:told "open"
      three_messages(c)
    end), {
      on_message = function(_, data)
        got[#got + 1] = data
        if data == "1" then coroutine.yield() end
        got[#got + 1] = data .. " done"
      end,
    })
    local work = coroutine.create(function()
      while true do ws:update(0.05) end
    end)
    scripted.pump(ws, server, function() return ws:state() == "open" end)
    server:tell "open"
    server:step()
    scripted.pump(nil, server, function()
      if not got[1] then assert(coroutine.resume(work)) end
      return got[1]
    end)
    scripted.pump(ws, server, function() return got[5] end)
    assert.same({ "1", "2", "2 done", "3", "3 done" }, got)
    assert.is_true(ws:send "x")
    assert.equal(0, ws:buffered())
  end)
end)

describe("a callback that calls the client", function()
  after_each(scripted.close_all)

  it("may call update and receive: messages stay in order", function()
    local got = {}
    local ws, server = start(upgraded(three_messages), {
      on_message = function(ws, data)
        got[#got + 1] = data
        if data == "1" then
          got[#got + 1] = ws:receive(0) .. " received"
          ws:update()
        end
      end,
    })
    scripted.pump(ws, server, function() return got[3] end)
    assert.same({ "1", "2 received", "3" }, got)
  end)

  it("may call update in on_close and on_retry", function()
    local calls = {}
    local ws, server = start({
      upgraded(function(c) c:close_session(1001) end),
      upgraded(),
    }, {
      retry = { first = false, max = 0 },
      on_close = function(ws)
        calls[#calls + 1] = "close"
        ws:update()
      end,
      on_retry = function(ws)
        calls[#calls + 1] = "retry"
        ws:update()
      end,
      on_open = function() calls[#calls + 1] = "open" end,
    })
    scripted.pump(ws, server, function() return calls[4] end)
    assert.same({ "open", "close", "retry", "open" }, calls)
  end)

  it("may close in on_close: the announced retry is not made", function()
    local retried = false
    local ws, server = start(upgraded(function(c) c:close_session(1001) end), {
      retry = { first = false, max = 0 },
      on_close = function(ws, _, _, info)
        assert.equal(0, info.retry_in)
        ws:close()
      end,
      on_retry = function() retried = true end,
    })
    scripted.pump(ws, server, function() return ws:state() == "closed" end)
    assert.is_false(retried)
    assert.equal(1, #server.connections)
    assert.is_nil(ws.close_info.retry_in)
    assert.matches("the program closed it", ws.close_info.retry_refused, 1, true)
  end)

  it("may connect anew in on_close, without a retry policy", function()
    local closes = 0
    local ws, server = start(upgraded(function(c) c:close_session(1000) end), {
      on_close = function(ws)
        closes = closes + 1
        if closes < 3 then ws:reconnect() end
      end,
    })
    scripted.pump(ws, server, function() return ws:state() == "closed" and closes == 3 end)
    assert.equal(3, #server.connections)
    assert.is_false((ws:update()))
  end)

  it("may exchange the callback for another", function()
    local got = {}
    local ws, server = start(upgraded(three_messages), {
      on_message = function(ws, data)
        got[#got + 1] = data
        function ws.on_message(_, again) got[#got + 1] = again:rep(2) end
      end,
    })
    scripted.pump(ws, server, function() return got[3] end)
    assert.same({ "1", "22", "33" }, got)
  end)
end)

describe("an open client that", function()
  after_each(scripted.close_all)
  after_each(process.stop_all)

  it("is collected says 1001", function()
    local ws, server = start(upgraded())
    scripted.pump(ws, server, function() return ws:state() == "open" end)
    ws = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    local c = server.connections[1]
    scripted.pump(nil, server, function() return c.ended end)
    assert.same({ code = 1001, reason = "" }, c.close)
  end)

  it("is dropped in its own callback is collected safely", function()
    local holder, got = {}, nil
    local server = scripted.new(upgraded(three_messages))
    holder.ws = wsclose.new(server:url(), {
      on_message = function(_, data)
        holder.ws = nil
        collectgarbage()
        got = data
      end,
    })
    scripted.pump(nil, server, function()
      if holder.ws then holder.ws:update(0.002) end
      return got
    end)
    assert.equal("3", got) -- the update under way holds it to its end
    collectgarbage()
    collectgarbage()
    local c = server.connections[1]
    scripted.pump(nil, server, function() return c.close end)
    assert.equal(1001, c.close.code)
  end)

  it("is collected while closing or connecting is safe", function()
    for _, stop_at in ipairs { "connecting", "closing" } do
      local ws, server = start(upgraded())
      scripted.pump(ws, server, function()
        return ws:state() == "open" or ws:state() == stop_at
      end)
      if stop_at == "closing" then ws:close(4000) end
      ws = nil -- luacheck: ignore 311
      collectgarbage()
      collectgarbage()
      local c
      scripted.pump(nil, server, function()
        c = server.connections[1]
        return c and c.ended
      end)
      assert.equal(stop_at == "closing" and 4000 or nil, c.close and c.close.code)
    end
  end)

  it("leaves says 1001, tells on_close and is gone", function()
    local told = {}
    local ws, server = start(upgraded(), {
      retry = true,
      on_close = function(_, code, reason, info) told[#told + 1] = { code, reason, info } end,
    })
    scripted.pump(ws, server, function() return ws:state() == "open" end)
    ws:leave()
    assert.equal("closed", ws:state())
    assert.equal(1, #told)
    assert.same({ 1001, "" }, { told[1][1], told[1][2] })
    local info = told[1][3]
    assert.equal("client", info.by)
    assert.is_true(info.opened)
    assert.is_false(info.clean)
    assert.same({ code = 1001, reason = "" }, info.sent)
    assert.is_nil(info.retry_in)
    local c = server.connections[1]
    scripted.pump(nil, server, function() return c.ended end)
    assert.equal(1001, c.close.code)
    -- everything may still be called
    ws:leave()
    assert.equal(1, #told)
    assert.is_nil((ws:send "x"))
    assert.is_nil((ws:ping()))
    assert.is_true(ws:close())
    assert.same({ false, 1001, "" }, { ws:update() })
    assert.same({ nil, tostring(info), "closed", 1001 }, { ws:receive() })
    assert.equal("state", select(3, ws:reconnect()))
    assert.is_false(ws:kick())
    assert.is_nil(ws:pollfd())
    assert.is_nil(ws:timeout())
    assert.equal(0, ws:buffered())
    assert.equal("closed", ws:info().state)
    assert.equal(1, ws:stats().attempts)
    ws:pause()
    ws:resume()
  end)

  it("leaves before its first attempt or while connecting is gone, too", function()
    local told = 0
    local ws, server = start(upgraded(), { on_close = function() told = told + 1 end })
    ws:leave()
    assert.same({ "closed", 0, 1006 }, { ws:state(), told, ws.close_code })
    ws = wsclose.new(server:url(), { on_close = function() told = told + 1 end })
    ws:update()
    ws:leave()
    assert.same({ "closed", 1, 1006 }, { ws:state(), told, ws.close_code })
  end)

  it("outlives its scope in Lua 5.4 as a variable to be closed says 1001", function()
    local ws, server = start(upgraded())
    scripted.pump(ws, server, function() return ws:state() == "open" end)
    local compile = rawget(_G, "loadstring") or load
    local scope = compile "local ws <close> = ...; return ws:state()"
    if scope then
      assert.equal("open", scope(ws))
    else
      getmetatable(ws).__close(ws)
    end
    assert.equal("closed", ws:state())
    scripted.pump(nil, server, function() return server.connections[1].close end)
    assert.equal(1001, server.connections[1].close.code)
  end)

  it("is open when its Lua state ends says 1001", function()
    local server = scripted.new(upgraded())
    local program = ([[
      local ws = assert(require("wsclose").connect(%q))
      kept = ws
      io.write("OPEN\n")
    ]]):format(server:url())
    local file = os.tmpname()
    local handle = assert(io.open(file, "w"))
    handle:write("package.path, package.cpath = ", ("%q, %q\n"):format(package.path, package.cpath),
      program)
    handle:close()
    local child = process.start { arg[-1] or "lua", file, portless = true }
    scripted.pump(nil, server, function()
      local c = server.connections[1]
      return c and c.ended
    end)
    child:expect "^OPEN"
    os.remove(file)
    assert.equal(1001, server.connections[1].close.code)
  end)
end)
