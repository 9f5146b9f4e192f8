-- Many clients, one wait: wsclose.update, wsclose.run and groups.  All of it over epoll or kqueue,
-- and over poll as on a system that has neither.
local crowd = require "support.crowd"
local network = require "support.network"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"
local wire = require "support.wire"

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

-- Long enough to be noticed by who runs a broken wait.
local LONG = 10

-- A module of its own for each way, whose loops use it.
local function module_with(poll)
  local wsclose, core = network.counted()
  local loop = core.loop
  core.loops = {}
  function core.loop()
    local made = loop(poll)
    core.loops[#core.loops + 1] = made
    return made
  end
  return wsclose, core
end

local ways = {}
for _, name in ipairs { "epoll or kqueue", "poll" } do
  local wsclose, core = module_with(name == "poll")
  ways[#ways + 1] = { name = name, wsclose = wsclose, core = core }
end

local function each_way(describe_way)
  for _, way in ipairs(ways) do
    describe(("over %s,"):format(way.name), function() describe_way(way.wsclose, way.core) end)
  end
end

local servers, opened = {}, setmetatable({}, { __mode = "k" })

local function close_all()
  for _, server in ipairs(servers) do server:close() end
  for ws in pairs(opened) do ws:leave() end
  servers = {}
  network.close_all()
end

local function new_crowd()
  local server = crowd.new()
  servers[#servers + 1] = server
  return server
end

-- Open clients, each of which notes what comes in one common list, and how often it was updated.
local function open(wsclose, count, options)
  local server, got, clients, updates = new_crowd(), {}, {}, {}
  for i = 1, count do
    local all = {
      on_message = function(_, data) got[#got + 1] = ("%d %s"):format(i, data) end,
    }
    for name, value in pairs(options or {}) do all[name] = value end
    local ws = assert(wsclose.new(server:url(i), all))
    updates[i] = 0
    function ws:update(seconds)
      updates[i] = updates[i] + 1
      return getmetatable(self).update(self, seconds)
    end
    clients[i] = ws
    opened[ws] = true
  end
  local group = wsclose.group(clients)
  server:open(function() group:update() end, count)
  local function all_open()
    group:update(0.001)
    for _, ws in ipairs(clients) do
      if ws:state() ~= "open" then return false end
    end
    return true
  end
  network.wait(all_open, "opening")
  group:update()
  group:update()
  for i = 1, count do updates[i] = 0 end
  return { server = server, group = group, clients = clients, got = got, updates = updates }
end

-- A client that falls silent has work once more, a second later: it gives its room back.
local function wait_for_silence(all)
  network.wait(function()
    all.group:update(0.001)
    return all.group:timeout() == nil
  end, "silence")
  for i = 1, #all.updates do all.updates[i] = 0 end
end

local function total(numbers)
  local sum = 0
  for _, number in ipairs(numbers) do sum = sum + number end
  return sum
end

each_way(function(wsclose, core)
  describe("a message to one of a thousand clients", function()
    after_each(close_all)

    it("touches that one, and no other", function()
      testing.process.allow_files(2500)
      local all = open(wsclose, 1000, { keepalive = false })
      local loop, said = all.group._loop, {}
      wait_for_silence(all)
      local before = loop:looks()
      for round = 1, 100 do
        local i = round * 37 % 1000 + 1
        said[i] = true
        all.server:say(i, "m" .. round)
        assert.is_true(all.group:update(LONG))
        assert.equal(("%d m%d"):format(i, round), all.got[round])
      end
      assert.equal(100, #all.got)
      for i = 1, 1000 do
        local updates = all.updates[i]
        assert.is_true(said[i] and (updates == 1 or updates == 2) or updates == 0)
      end
      assert.is_true(loop:looks() - before <= total(all.updates) + 1)
    end)

    it("leaves a round without messages to nobody", function()
      local all = open(wsclose, 50, { keepalive = false })
      wait_for_silence(all)
      local before = all.group._loop:looks()
      for _ = 1, 20 do assert.is_true(all.group:update()) end
      assert.equal(0, total(all.updates))
      assert.equal(before, all.group._loop:looks())
    end)

    it("comes with those to all others in one round", function()
      testing.process.allow_files(1200)
      local all = open(wsclose, 400, { keepalive = false })
      wait_for_silence(all)
      for i = 1, 400 do all.server:say(i, "x") end
      all.group:update(LONG)
      assert.equal(400, #all.got)
      assert.equal(400, total(all.updates))
    end)
  end)

  describe("a client that is flooded", function()
    after_each(close_all)

    it("gets what one read brings, and then the others have their turn", function()
      local all = open(wsclose, 3)
      local frame = wire.frame { payload = ("f"):rep(100) }
      all.server:pour(1, frame:rep(10000))
      all.server:say(2, "here")
      all.server:say(3, "too")
      all.group:update(LONG)
      assert.same({ 1, 1, 1 }, all.updates)
      local others = {}
      for _, text in ipairs(all.got) do
        if not text:match "^1 " then others[#others + 1] = text end
      end
      assert.same({ "2 here", "3 too" }, others)
      assert.is_true(#all.got - 2 <= 65536 / #frame + 1)
      network.wait(function()
        all.group:update(0.001)
        return #all.got >= 1002
      end, "the rest of the flood")
    end)
  end)

  describe("update and run", function()
    after_each(close_all)

    local function closing_server(count)
      return scripted.new(function(c)
        c:upgrade()
        for i = 1, count or 1 do c:send_text("m" .. i) end
        c:close_session(1000)
      end)
    end

    local function run_with(server, update)
      network.wait(function()
        server:step()
        return not update()
      end, "the end")
    end

    for _, shape in ipairs { "clients", "a list", "a group" } do
      it("take " .. shape, function()
        local server, got, clients = closing_server(), 0, {}
        for i = 1, 3 do
          clients[i] = wsclose.new(server:url(), { on_message = function() got = got + 1 end })
        end
        local arguments = { unpack(clients) }
        if shape == "a list" then arguments = { clients } end
        if shape == "a group" then arguments = { wsclose.group(clients) } end
        run_with(server, function() return wsclose.update(0.001, unpack(arguments)) end)
        assert.equal(3, got)
        wsclose.run(unpack(arguments))
        assert.is_false(wsclose.update(nil, unpack(arguments)))
        for _, ws in ipairs(clients) do assert.equal(1000, ws.close_code) end
      end)
    end

    it("of nobody are over at once", function()
      assert.is_false(wsclose.update(LONG))
      assert.is_false(wsclose.update(LONG, {}))
      assert.is_false(wsclose.group():update(LONG))
      wsclose.run {}
      wsclose.group():run()
    end)

    it("update a client that is named twice once", function()
      local all = open(wsclose, 2)
      local a, b = all.clients[1], all.clients[2]
      all.server:say(1, "x")
      wsclose.update(LONG, a, b, a)
      assert.same({ "1 x" }, all.got)
      assert.same({ 1, 1 }, { #all.got, all.updates[1] })
    end)

    it("see a client that takes another's place in the list", function()
      local all = open(wsclose, 3)
      local list = { all.clients[1], all.clients[2] }
      wsclose.update(0, list)
      wsclose.update(0, list)
      list[2] = all.clients[3]
      all.server:say(2, "not asked for")
      all.server:say(3, "x")
      all.group:remove(all.clients[2])
      wsclose.update(LONG, list)
      assert.same({ "3 x" }, all.got)
    end)

    it("are told apart by their lists, however many there are", function()
      local all = open(wsclose, 12)
      local before = #core.loops
      for round = 1, 3 do
        for i = 1, 11, 2 do
          all.server:say(i, "r" .. round)
          all.server:say(i + 1, "r" .. round)
          network.wait(function()
            wsclose.update(0, all.clients[i], all.clients[i + 1])
            return #all.got == (round - 1) * 12 + i + 1
          end, "two messages")
        end
      end
      assert.equal(36, #all.got)
      assert.is_true(#core.loops - before <= 4)
    end)

    it("raise for what is no client", function()
      local ws = wsclose.new "ws://127.0.0.1:1/"
      local function message(...) return select(2, pcall(...)) end
      assert.matches("many_spec.lua.*expected clients, got string as number 2",
        message(function() wsclose.update(0, ws, "x") end))
      assert.matches("many_spec.lua.*expected clients, got number as number 1",
        message(function() wsclose.run(3) end))
      assert.matches("many_spec.lua.*expected clients, got boolean as number 1",
        message(function() wsclose.group { true } end))
      assert.matches("many_spec.lua.*expected clients, got table as number 1",
        message(function() wsclose.group { url = "ws://127.0.0.1:1/" } end))
      assert.is_nil(message(function() wsclose.group(ws, nil, nil) end))
      assert.matches("many_spec.lua.*expected clients, got nil as number 1",
        message(function() wsclose.group():add(nil) end))
      assert.matches("many_spec.lua.*expected seconds, got string",
        message(function() wsclose.update("1", ws) end))
      assert.matches("many_spec.lua.*expected seconds, got table",
        message(function() wsclose.group():update {} end))
    end)

    it("keep no client alive", function()
      local server = scripted.new(function(c) c:wait_end() end)
      local held = setmetatable({}, { __mode = "v" })
      for i = 1, 3 do held[i] = wsclose.new(server:url()) end
      wsclose.update(0, held[1], held[2], held[3])
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(held))
      local other = closing_server()
      local a, b = wsclose.new(other:url()), wsclose.new(other:url())
      run_with(other, function() return wsclose.update(0.001, a, b) end)
    end)
  end)

  describe("a callback", function()
    after_each(close_all)

    local function two(options)
      local all = open(wsclose, 2, options)
      return all, all.clients[1], all.clients[2]
    end

    it("that closes the other client ends it", function()
      local all, a, b = two()
      function a:on_message() -- luacheck: ignore 212
        b:leave()
        all.group:update()
      end
      all.server:say(1, "x")
      all.server:say(2, "x")
      all.group:update(LONG)
      assert.equal("closed", b:state())
      a:leave()
      assert.is_false(all.group:update(LONG))
      assert.equal(2, all.group:count())
    end)

    it("that removes the other client, or itself, lets it be", function()
      local all, a, b = two()
      function a:on_message()
        assert.is_true(all.group:remove(b))
        assert.is_false(all.group:remove(b))
        assert.is_true(all.group:remove(self))
      end
      all.server:say(1, "x")
      all.server:say(2, "x")
      assert.is_false(all.group:update(LONG))
      assert.same({ 1, 0 }, all.updates)
      b:update(LONG)
      assert.same({ "2 x" }, all.got)
    end)

    it("that makes a client sees it go on with the group", function()
      local all, a = two()
      local other = wsclose.new(all.server:url(3), {
        on_message = function(_, data) all.got[#all.got + 1] = "3 " .. data end,
      })
      function a:on_message() all.group:add(other, self) end -- luacheck: ignore 212
      all.server:say(1, "x")
      all.group:update(LONG)
      assert.equal(3, all.group:count())
      all.server:open(function() all.group:update() end, 1)
      all.server:say(3, "y")
      network.wait(function()
        all.group:update(0.001)
        return all.got[1]
      end, "the message")
      assert.same({ "3 y" }, all.got)
    end)

    it("that raises leaves the others their turn, and itself the rest", function()
      local all, a, b = two()
      local seen = {}
      function a:on_message(data) -- luacheck: ignore 212
        seen[#seen + 1] = data
        if data == "1" then error("broken", 0) end
      end
      b.on_message = a.on_message
      for i = 1, 2 do
        all.server:pour(i, wire.frame { payload = "1" } .. wire.frame { payload = "2" })
      end
      assert.same({ false, "broken" }, { pcall(all.group.update, all.group, LONG) })
      assert.same({ false, "broken" }, { pcall(all.group.update, all.group, LONG) })
      network.wait(function()
        all.group:update()
        return #seen == 4
      end, "the rest")
    end)

    it("that raises while a close is told is told the rest in the next round", function()
      local told = {}
      local all = open(wsclose, 1, {
        retry = { initial = 60, jitter = "none", codes = { [4000] = true } },
        on_close = function(_, code)
          told[#told + 1] = "close " .. code
          error("broken", 0)
        end,
        on_retry = function() told[#told + 1] = "retry" end,
      })
      all.server:hang_up(1, 1012)
      local ok, why
      network.wait(function()
        ok, why = pcall(all.group.update, all.group, 0.01)
        return not ok
      end, "the error")
      assert.equal("broken", why)
      assert.is_true(all.group:update(LONG))
      assert.same({ "close 1012", "retry" }, told)
    end)

    it("may update the group, and run it", function()
      local all, a, b = two()
      local depth = 0
      function a:on_message() -- luacheck: ignore 212
        depth = depth + 1
        if depth == 1 then
          all.server:say(1, "again")
          all.group:update(LONG)
          b:close()
          wsclose.update(0, a, b)
          a:leave()
          b:leave()
          all.group:run()
          wsclose.run(a, b)
        end
      end
      all.server:say(1, "x")
      all.server:say(2, "y")
      assert.is_false(all.group:update(LONG))
      assert.equal(2, depth)
      assert.same({ "2 y" }, all.got)
    end)

    it("may yield: meanwhile the group goes on", function()
      local all, a = two()
      local seen = {}
      function a:on_message(data) -- luacheck: ignore 212
        seen[#seen + 1] = data
        if data == "stop" then coroutine.yield() end
      end
      local thread = coroutine.create(function() all.group:update(LONG) end)
      all.server:say(1, "stop")
      all.server:say(2, "x")
      assert.is_true(coroutine.resume(thread))
      assert.equal("suspended", coroutine.status(thread))
      all.server:say(1, "on")
      network.wait(function()
        all.group:update(0.001)
        return #seen == 2 and #all.got == 1
      end, "the others")
      assert.same({ "stop", "on" }, seen)
      assert.is_true(coroutine.resume(thread))
      assert.equal("dead", coroutine.status(thread))
    end)
  end)

  describe("a client of a group", function()
    after_each(close_all)

    local function refusing()
      return scripted.new(function(c)
        c:upgrade()
        c:close_session(1012)
      end)
    end

    it("that waits for its next attempt makes it in time", function()
      local server, retries = refusing(), 0
      local idle = open(wsclose, 1)
      local ws = wsclose.new(server:url(), {
        retry = { initial = 0.02, max = 0.02, jitter = "none" },
        on_retry = function() retries = retries + 1 end,
      })
      idle.group:add(ws)
      network.wait(function()
        server:step()
        idle.group:update(0.001)
        return ws:state() == "waiting"
      end, "a retry")
      idle.updates[1] = 0
      while ws:state() == "waiting" do idle.group:update(LONG) end
      assert.equal(0, idle.updates[1])
      assert.equal("connecting", ws:state())
      ws:close()
      idle.clients[1]:leave()
      idle.group:run()
    end)

    it("that waits is kicked, stopped and connected anew by the program", function()
      local server = refusing()
      local ws = wsclose.new(server:url(), { retry = { initial = 600, max = 600 } })
      local group = wsclose.group(ws)
      local function until_state(state)
        network.wait(function()
          server:step()
          group:update(0.001)
          return ws:state() == state
        end, state)
      end
      until_state "waiting"
      ws:kick()
      assert.is_true(group:update(LONG))
      assert.equal("connecting", ws:state())
      until_state "waiting"
      ws:close()
      assert.is_false(group:update(LONG))
      assert.equal("closed", ws:state())
      ws:reconnect()
      assert.is_true(group:update(LONG))
      assert.equal("connecting", ws:state())
      until_state "waiting"
    end)

    it("is looked at when the clock that it brought along says so", function()
      local time, clock = network.new_clock()
      local server, closes = scripted.new(function(c) c:stall() end), {}
      local function note(_, _, _, info) closes[#closes + 1] = info.error.name end
      local ws = wsclose.new(server:url(), { clock = clock, on_close = note })
      local other = open(wsclose, 1)
      other.group:add(ws)
      for _ = 1, 5 do other.group:update() end
      assert.same({}, closes)
      time.now = time.now + 60
      other.group:update(LONG)
      assert.same({ "timeout" }, closes)
      assert.equal(0, other.updates[1])
    end)

    it("whose own clock comes so far while a round waits is updated by that round", function()
      local time, clock = network.new_clock()
      local ws = wsclose.new("ws://127.0.0.1:1/", { clock = clock })
      ws:reconnect(nil, nil, 0.001)
      local group, timeout = wsclose.group(ws), ws.timeout
      group:update()
      assert.equal(0, ws:stats().attempts)
      function ws.timeout()
        local left = timeout(ws)
        time.now = time.now + 0.002
        return left
      end
      group:update(LONG)
      assert.equal(1, ws:stats().attempts)
      ws:leave()
    end)

    it("that prepares its attempt in a coroutine is waited for", function()
      local server = refusing()
      local ws = wsclose.new(server:url(), {
        before_connect = function()
          coroutine.yield()
        end,
      })
      local group = wsclose.group(ws)
      local thread = coroutine.create(function() group:update() end)
      assert.is_true(coroutine.resume(thread))
      assert.is_true(group:update(0.03))
      assert.equal("connecting", ws:state())
      assert.is_true(coroutine.resume(thread))
      network.wait(function()
        server:step()
        return not group:update(0.001)
      end, "the end")
      assert.equal(1012, ws.close_code)
    end)

    it("whose preparing coroutine died is told of it", function()
      local ws = wsclose.new("ws://127.0.0.1:1/", {
        before_connect = function() error("no token", 0) end,
      })
      local group = wsclose.group(ws)
      assert.same({ false, "no token" }, { pcall(group.update, group) })
      assert.is_false(group:update(LONG))
      assert.matches("raised an error", ws.close_info.error.message)
    end)

    it("is told when what it sent outside of a round has left", function()
      local drained = 0
      local all = open(wsclose, 1, { on_drain = function() drained = drained + 1 end })
      local ws = all.clients[1]
      repeat ws:send(("x"):rep(65536)) until ws:buffered() > 0
      network.wait(function()
        all.server:heard(1)
        all.group:update(0.001)
        return drained == 1
      end, "on_drain")
      assert.equal(0, ws:buffered())
    end)

    it("that left with something to tell tells it", function()
      local told = {}
      local all = open(wsclose, 1, {
        on_close = function(_, code)
          told[#told + 1] = code
          if #told == 1 then error("broken", 0) end
        end,
      })
      assert.is_false(pcall(all.clients[1].leave, all.clients[1]))
      assert.is_false(all.group:update(LONG))
      all.group:run()
      all.group:add(all.clients[1])
      local left = wsclose.new "ws://127.0.0.1:1/"
      left:leave()
      all.group:add(left)
      assert.is_false(all.group:update(LONG))
      assert.is_true(all.group:remove(left))
      assert.equal(1, all.group:count())
      assert.same({ 1001 }, told)
    end)

    it("that left, and was removed before a round, leaves its place to one other", function()
      local group, fresh = wsclose.group(), {}
      for i = 1, 3 do fresh[i] = wsclose.new "ws://127.0.0.1:1/" end
      group:add(fresh[1])
      group:update()
      fresh[1]:leave()
      group:remove(fresh[1])
      group:update()
      assert.equal(0, group:count())
      group:add(fresh[2], fresh[3])
      assert.equal(2, group:count())
      assert.is_true(group:remove(fresh[2]))
      group:run()
      assert.equal("closed", fresh[3]:state())
    end)

    it("stays alive, and is collected once it is removed", function()
      local all = open(wsclose, 2)
      local held = setmetatable({ all.clients[1] }, { __mode = "v" })
      all.clients[1], all.updates[1] = nil, nil
      collectgarbage()
      collectgarbage()
      assert.is_truthy(held[1])
      all.group:remove(held[1])
      collectgarbage()
      collectgarbage()
      assert.is_nil(held[1])
      all.server:say(2, "x")
      all.group:update(LONG)
      assert.same({ "2 x" }, all.got)
    end)

    it("may be updated by itself, and be polled by a foreign loop", function()
      local all = open(wsclose, 2)
      local ws = all.clients[1]
      local fd = ws:pollfd()
      all.server:say(1, "x")
      assert.is_true(network.is_readable(fd))
      ws:update()
      assert.is_false(network.is_readable(fd))
      assert.same({ "1 x" }, all.got)
      all.server:say(1, "y")
      assert.is_true(network.is_readable(fd))
      all.group:update(LONG)
      assert.is_false(network.is_readable(fd))
      assert.same({ "1 x", "1 y" }, all.got)
      ws:leave()
      assert.is_true(all.group:update())
    end)
  end)

  describe("the group", function()
    after_each(close_all)

    it("has a deadline for a foreign loop", function()
      local group = wsclose.group()
      assert.is_nil(group:timeout())
      assert.equal("r", group:events())
      local time, clock = network.new_clock()
      local server = scripted.new(function(c) c:stall() end)
      local ws = wsclose.new(server:url(), { timeouts = { handshake = 3 } })
      local other = wsclose.new(server:url(), { clock = clock, timeouts = { handshake = 2 } })
      group:add(ws)
      assert.equal(0, group:timeout())
      for _ = 1, 5 do group:update() end
      assert.is_true(group:timeout() > 2 and group:timeout() <= 3)
      group:add(other)
      for _ = 1, 5 do group:update() end
      assert.is_true(group:timeout() > 1 and group:timeout() <= 2)
      time.now = time.now + 60
      assert.equal(0, group:timeout())
      group:update()
      assert.equal("closed", other:state())
      ws:close()
      group:update()
      assert.is_nil(group:timeout())
    end)

    it("is there for each of several Lua states", function()
      local result = network.run [[
        local wsclose = require "wsclose"
        local a, b = wsclose.new "ws://127.0.0.1:1/", wsclose.new "ws://127.0.0.1:1/"
        wsclose.run(a, b)
        kept = wsclose.group(a, b) -- for the state's end to close
        assert(a.close_code == 1006 and b.close_code == 1006)
      ]]
      assert.is_true(result.ok, result.output)
    end)

    for failing = 1, 12 do
      it(("goes on without the %d. piece of memory"):format(failing), function()
        local all = open(wsclose, 2)
        local server = scripted.new(function(c)
          c:upgrade()
          c:send_text "x"
          c:close_session(1000)
        end)
        local clients, got = {}, 0
        for i = 1, 2 do
          clients[i] = wsclose.new(server:url(), { on_message = function() got = got + 1 end })
        end
        testing.memory.fail_at(failing)
        local group = wsclose.group(clients)
        testing.memory.fail_at()
        network.wait(function()
          server:step()
          return not group:update(0.001)
        end, "the end")
        assert.equal(2, got)
        assert.equal(2, group:count())
        assert.is_nil(next(group._strays))
        all.group:update()
      end)
    end

    it("goes on while there is no memory at all", function()
      local all = open(wsclose, 2)
      testing.memory.fail_at(1, true)
      local group = wsclose.group(all.clients)
      assert.is_true(group:update(0.001))
      assert.is_number(group:timeout())
      testing.memory.fail_at()
      all.server:say(1, "x")
      all.group:remove(all.clients[1])
      network.wait(function()
        group:update(0.001)
        return all.got[1]
      end, "the message")
      assert.is_nil(next(group._strays))
    end)

    it("belongs to the parent after a fork, and the child has one of its own", function()
      local all = open(wsclose, 2)
      local said = testing.process.fork(function()
        all.group:remove(all.clients[1])
        all.group:update()
        local other = open(wsclose, 1)
        all.group:add(other.clients[1])
        other.group:remove(other.clients[1])
        for _ = 1, 3 do all.group:update() end
        other.server:say(1, "child")
        for _ = 1, 5 do all.group:update(0.001) end
        all.clients[2]:leave()
        all.group:update()
        return table.concat(other.got, " ")
      end)
      assert.equal("1 child", said)
      testing.process.fork(function()
        all.clients, all.group = nil, nil
        collectgarbage()
        collectgarbage()
      end)
      for i = 1, 2 do
        assert.equal("", all.server:heard(i))
        all.server:say(i, "parent")
        all.group:update() -- it is still watched: no deadline has to help
        assert.equal(i, #all.got)
      end
      assert.same({ "1 parent", "2 parent" }, all.got)
    end)
  end)
end)

describe("a group", function()
  after_each(close_all)

  it("over epoll or kqueue has one descriptor for a foreign loop", function()
    local all = open(ways[1].wsclose, 3)
    local fd = all.group:pollfd()
    assert.is_false(network.is_readable(fd))
    all.server:say(2, "x")
    assert.is_true(network.is_readable(fd))
    all.group:update()
    assert.is_false(network.is_readable(fd))
    assert.is_true(network.flags(fd).close_on_exec)
  end)

  it("over poll has none", function()
    assert.is_nil(ways[2].wsclose.group():pollfd())
  end)
end)
