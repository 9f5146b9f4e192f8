-- What is in use is not freed: finalizers, metamethods and callbacks may call anything at any
-- moment, and methods may be given anything.  Each case in a process of its own, so that a fault is
-- that case's; under AddressSanitizer (make test-asan) none goes unseen.

local garbage = require "support.garbage"
local network = require "support.network"

-- Open connections without end, and what is tried on them.
local PRELUDE = [[
local wire = require "wsclose.testing.wire"
local finalizer = require "support.finalizer"
local handshake = require "support.scripted.handshake"
local scripted = require "support.scripted_server"
local wsclose = require "wsclose"
local core = require "wsclose.core"

local function attempt(f, ...)
  local ok, fault = pcall(f, ...)
  assert(ok or type(fault) == "string", "an error that is no sentence")
  return ok, fault
end

-- Uses a thing again and again until garbage is collected within a use, not between two of them:
-- `f` is called then, at the nth collection within that use, if it has so many.
local function collected_within(use, f, nth)
  local inside, done, left = false, false, nth
  local function finalize()
    if not inside then return end
    left = left - 1
    if left > 0 then
      finalizer(finalize)
    else
      inside, done = false, true
      f()
    end
  end
  for _ = 1, nth == 1 and 300 or 10 do
    for _ = 1, 3 do finalizer(finalize) end
    inside, left = true, nth
    attempt(use)
    inside = false
    if done then return end
  end
end

local closes = 0
local server = scripted.new(function(c)
  c:upgrade { protocol = "a", extensions = "permessage-deflate" }
  c:told "go"
  c:send_ping "p"
  for _ = 1, 20 do c:send_text(("message "):rep(100)) end
  c:send_close(4000, "bye")
  c:stall()
end)

local function open(options)
  local all = { protocols = { "a" } }
  for name, value in pairs(options or {}) do all[name] = value end
  all.on_close = all.on_close or function() closes = closes + 1 end
  local ws = assert(wsclose.new(server:url(), all))
  return ws
end

local function until_open(ws)
  scripted.pump(ws, server, function() return ws:state() == "open" end)
end

-- The server says all it has, and ends it.
local function step()
  server:tell "go"
  pcall(server.step, server)
end

local function protocol(options)
  local all = { trace = true }
  for name, value in pairs(options or {}) do all[name] = value end
  local p = assert(wsclose.protocol("ws://a.example/", all))
  local request = handshake.read(p:output())
  if request then p:input(handshake.answer(request)) end
  return p
end

]]

local function run(code)
  local result = network.run(PRELUDE .. code)
  assert.is_true(result.ok, result.output:sub(-4000))
  return result
end

local COLLECTORS = {
  ["step by step"] = 'collectgarbage("setpause", 0) collectgarbage("setstepmul", 1000)',
}
if _VERSION >= "Lua 5.4" then
  COLLECTORS["by generations"] = 'collectgarbage "generational"'
  COLLECTORS["step by step"] = 'collectgarbage "incremental" ' .. COLLECTORS["step by step"]
end
if _VERSION == "Lua 5.5" then
  COLLECTORS["step by step"] = COLLECTORS["step by step"]:gsub('"set(%l+)"', '"param", "%1"')
end
if _VERSION == "Lua 5.2" then -- without a pause its every allocation is a whole collection
  COLLECTORS["step by step"] = 'collectgarbage("setpause", 100) collectgarbage("setstepmul", 200)'
end

-- While these build what they give, the object is let go of by a finalizer.
local USES = {
  ["ws:stats()"] = "ws:stats()",
  ["ws:info()"] = "ws:info()",
  ["the close report"] = "for _ = 1, 4 do ws:update(0) end",
  ["ws:receive()"] = "ws.on_message = nil ws:receive(0) ws:receive(0)",
  ["ws:send()"] = 'ws:send(("x"):rep(200)) ws:ping "p"',
}

describe("a finalizer that says ws:leave()", function()
  for collector, tuning in pairs(COLLECTORS) do
    -- opening is slow where each allocation collects
    local stop = collector == "step by step" and 'collectgarbage "stop"' or ""
    local restart = stop:gsub("stop", "restart")
    for name, use in pairs(USES) do
      it(("frees nothing under %s, collected %s"):format(name, collector), function()
        run(tuning .. [[
          for round = 1, 40 do
            ]] .. stop .. [[
            local ws = open()
            until_open(ws)
            step()
            local before = closes
            ]] .. restart .. [[
            local nth = math.max(1, round - 20)
            collected_within(function() ]] .. use .. [[ end, function() ws:leave() end, nth)
            ws:leave()
            assert(closes == before + 1, closes - before .. " times on_close")
          end
        ]])
      end)
    end

    it("or p:leave() frees nothing under output, input, next, info and stats, collected "
      .. collector, function()
      run(tuning .. [[
        for _, use in ipairs {
          function(p) p:output() end,
          function(p) p:input(wire.frame { payload = ("x"):rep(300) }) while p:next() do end end,
          function(p) p:info() end,
          function(p) p:stats() end,
          function(p) p:input(wire.frame { opcode = "close", payload = "\3\233bye" })
            p:output() p:eof() while p:next() do end end,
          function(p) p:send(("y"):rep(300)) p:tick(5) end,
        } do
          for round = 1, 20 do
            local p = protocol()
            local nth = math.max(1, round - 10)
            collected_within(function() use(p) end, function() p:leave() end, nth)
            local bytes = p:output()
            assert(not bytes:find "\165\165\165\165", "freed bytes")
          end
        end
      ]])
    end)
  end
end)

-- What a callback may take into its head; `ws` is the client.
local DEEDS = {
  leave = "ws:leave()", close = "ws:close(4000, 'x')", update = "ws:update(0)",
  send = "ws:send 'x'", raise = "error 'a fault of the program'", yield = "coroutine.yield()",
  info = "ws:info() ws:stats()", collect = "collectgarbage()", receive = "ws:receive(0)",
}

local CALLBACKS = {
  on_open = "function() act() end", on_message = "function() act() end",
  on_ping = "function() act() end", on_drain = "function() act() end",
  on_frame = "function() act() end",
  clock = "function() act() return require('wsclose').now() end",
  random_bytes = "function(n) act() return ('r'):rep(n) end",
}

describe("a program that acts from", function()
  for callback, text in pairs(CALLBACKS) do
    it(callback .. " in any way meets a sentence or its wish, and one on_close", function()
      for name, deed in pairs(DEEDS) do
        run(([[
          local ws, acting
          local told, acts = 0, 0
          local function act()
            if not ws or acting or acts == 1000 then return end -- each frame out may send another
            acting, acts = true, acts + 1
            local ok, fault = pcall(function() %s end)
            acting = false
            if not ok then error(fault, 0) end
          end
          if %q == "yield" and rawget(_G, "jit") == nil and _VERSION == "Lua 5.1" then
            act = function() end -- pcall lets nothing yield there
          end
          ws = open { %s = %s, on_close = function() told = told + 1 end }
          local function play()
            for _ = 1, 40 do
              attempt(ws.update, ws, 0)
              step()
            end
            attempt(ws.leave, ws)
          end
          local thread = coroutine.create(play)
          for _ = 1, 10000 do
            if coroutine.status(thread) == "dead" then break end
            local ok, fault = coroutine.resume(thread)
            assert(ok, fault)
          end
          for _ = 1, 10 do attempt(ws.leave, ws) attempt(ws.update, ws, 0) end
          assert(told <= 1, told .. " times on_close after %s")
        ]]):format(deed, name, callback, text, name))
      end
    end)
  end

  it("a coroutine within on_message has clock called in another: that may be over", function()
    run [[
      local ws
      local over = {}
      local calls = 0
      ws = open {
        max_time = 10,
        clock = function()
          assert(not over[coroutine.running() or "main"], "in a coroutine that is over")
          calls = calls + 1
          return wsclose.now()
        end,
        on_message = function()
          local thread = coroutine.create(function() return ws:state() end)
          assert(coroutine.resume(thread))
          over[thread] = true
        end,
      }
      until_open(ws)
      step()
      local before = calls
      ws:update(0)
      assert(calls >= before + 20)
    ]]
  end)

  it("decide meets a sentence or its wish", function()
    for name, deed in pairs(DEEDS) do
      run(([[
        local ws
        local told = 0
        ws = open {
          retry = { decide = function() %s return false end },
          on_close = function() told = told + 1 end,
        }
        until_open(ws)
        local thread = coroutine.create(function()
          for _ = 1, 40 do
            attempt(ws.update, ws, 0)
            step()
            for _, c in ipairs(server.connections) do c:finish() end
          end
        end)
        for _ = 1, 1000 do
          if coroutine.status(thread) ~= "dead" then assert(coroutine.resume(thread)) end
        end
        attempt(ws.leave, ws)
        assert(told >= 1 and told <= ws:stats().attempts, told .. " times on_close after %s")
      ]]):format(deed, name))
    end
  end)

  it("__index of the tables of options and of send meets a sentence or its wish", function()
    run [[
      local ws
      for _, act in ipairs {
        function() ws:leave() end, function() ws:close() end, function() ws:update(0) end,
        function() error "a fault of the program" end, function() collectgarbage() end,
      } do
        local trap = setmetatable({}, { __index = function() if ws then act() end end })
        ws = nil
        for _, name in ipairs { "timeouts", "limits", "keepalive", "tls", "extensions", "retry" } do
          attempt(wsclose.new, server:url(), { [name] = trap })
        end
        ws = open()
        until_open(ws)
        attempt(ws.send, ws, "x", "text", trap)
        attempt(function() ws.headers = trap ws:reconnect() for _ = 1, 9 do ws:update(0) end end)
        attempt(ws.leave, ws)
        assert(ws:state() == "closed")
      end
    ]]
  end)
end)

-- LuaJIT's compiled code, which collects garbage, writes into the coroutine that C entered last.
describe("an error that leaves a method after a call of the program's own functions", function()
  for name, use in pairs {
    random_bytes = [[
      local object, method, argument = protocol { random_bytes = own }, "send", "x"
      assert(object:next() == "open")
    ]],
    clock = 'local object, method, argument = open { clock = own }, "update", 0',
  } do
    it("leaves their coroutine alone: " .. name, function()
      run([[
        local fails = false
        local function own(n)
          if fails then error "not now" end
          return n and ("r"):rep(n) or 1
        end
      ]] .. use .. [[
        local function work(n)
          local list
          for i = 1, n do list = i % 50 > 0 and { list } or nil end
        end
        for _ = 1, 300 do
          fails = true
          local ok, fault = pcall(object[method], object, argument)
          work(3000)
          assert(not ok and fault:match "not now", fault)
          fails = false
          object[method](object, argument)
        end
      ]])
    end)
  end
end)

describe("every method of clients, protocol objects, loops and tunnels", function()
  local VALUES = [[
    local values = {
      0, 1.5, "x", {}, print, true, io.stdout, coroutine.create(function() end), core.loop(),
      protocol(), core.client(), core.tunnel("ws://h/", "http://p"), n = 12,
    }
    local function tunnel() return core.tunnel("ws://h/", "http://u:p@p") end
    local kinds = {
      { core.client_methods, function() return core.client() end },
      { getmetatable(protocol()).__index, protocol },
      { getmetatable(core.loop()).__index, core.loop },
      { getmetatable(tunnel()).__index, tunnel },
    }
    for i, kind in ipairs(kinds) do
      kind.meta = getmetatable(kind[2]())
      kind.methods = {}
      for _, from in ipairs { kind[1], kind.meta } do
        for name, method in pairs(from) do
          if type(method) == "function" then kind.methods[name] = method end
        end
      end
      assert(next(kind.methods))
    end
  ]]

  for i, kind in ipairs { "client", "protocol object", "loop", "tunnel" } do
    it("refuse a wrong first argument with a sentence: " .. kind, function()
      run(VALUES .. ("local kind, taken = kinds[%d], {}"):format(i) .. [[
        local function check(name, method, ...)
          local ok, fault = pcall(method, ...)
          if ok or type(fault) ~= "string" then
            taken[#taken + 1] = name .. " takes " .. tostring((...))
          end
        end
        for name, method in pairs(kind.methods) do
          check(name, method)
          for i = 1, values.n do
            local value = values[i]
            local meta = type(value) == "userdata" and getmetatable(value)
            local is_own = false -- also of another kind that has the same method
            for _, other in ipairs(kinds) do
              is_own = is_own or meta == other.meta and other.methods[name] == method
            end
            if not is_own then check(name, method, value) end
          end
        end
        assert(#taken == 0, table.concat(taken, "\n"))
      ]])
    end)
  end

  it("do no harm after __gc was called by hand, once and again", function()
    run(VALUES .. [[
      for _, kind in ipairs(kinds) do
        for name, method in pairs(kind.methods) do
          local object = kind[2]()
          local collect = kind.meta.__gc
          assert(collect, "no __gc")
          attempt(collect, object)
          attempt(method, object)
          attempt(method, object, 1)
          attempt(method, object, "x", 1)
          attempt(collect, object)
        end
      end
      collectgarbage()
    ]])
  end)

  it("do no harm in a client, open, whose __gc was called by hand", function()
    run [[
      local ws = open()
      until_open(ws)
      getmetatable(ws._handle).__gc(ws._handle)
      for _, name in ipairs {
        "update", "send", "ping", "close", "pause", "resume", "reconnect", "kick", "buffered",
        "state", "info", "stats", "pollfd", "events", "timeout", "send_fragments", "leave",
      } do
        attempt(ws[name], ws)
      end
      attempt(ws.receive, ws, 0)
      attempt(tostring, ws)
    ]]
  end)
end)

describe("an object whose own functions refer to it", function()
  it("is garbage with them, when nothing else does", function()
    local wsclose = require "wsclose"
    local kept = setmetatable({}, { __mode = "k" })
    local function make()
      local ws, p
      local function random_bytes(n) return (ws or p or true) and ("r"):rep(n) end
      ws = wsclose.new("ws://a.example/", {
        clock = function() return ws and 0 or 1 end, random_bytes = random_bytes,
      })
      p = wsclose.protocol("ws://a.example/", { random_bytes = random_bytes })
      kept[ws], kept[ws._handle], kept[p] = true, true, true
    end
    for _ = 1, 10 do make() end
    for _ = 1, 2 do garbage() end
    local count = 0
    for _ in pairs(kept) do count = count + 1 end
    assert.is_true(count <= 3, count .. " are kept") -- a stale place of the stack may hold the last
  end)
end)
