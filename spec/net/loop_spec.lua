-- The loop of the core: who is given out, when, and what a message costs.
local crowd = require "support.crowd"
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

local core = require "wsclose.core"

local LONG = 10

describe("alarms", function()
  local random = 1
  local function below(limit)
    random = random * 16807 % 2147483647
    return random % limit
  end

  it("ring in the order of their times, however they were set and moved", function()
    local alarms, times = testing.loop.alarms(), {}
    assert.is_nil(alarms:first())
    assert.is_true(alarms:reserve(1000))
    for _ = 1, 5000 do
      local number, at = below(1000) + 1, below(500)
      if below(4) == 0 then
        at = nil
      end
      alarms:set(number, at)
      times[number] = at
    end
    local order, count = {}, 0
    for _, at in pairs(times) do
      order[#order + 1] = at
    end
    table.sort(order)
    for number, at in function() return alarms:first() end do
      count = count + 1
      assert.equal(order[count], at)
      assert.equal(times[number], at)
      alarms:set(number)
    end
    assert.equal(#order, count)
  end)

  it("have room made for them beforehand, or do without", function()
    local alarms = testing.loop.alarms()
    assert.is_true(alarms:reserve(10))
    testing.memory.fail_at(1, true)
    assert.is_true(alarms:reserve(16))
    assert.is_false(alarms:reserve(17))
    testing.memory.fail_at()
    for i = 1, 16 do
      alarms:set(i, 100 - i)
    end
    assert.equal(16, (alarms:first()))
  end)

  it("are not asked memory for that 32 bits cannot count", function()
    local alarms = testing.loop.alarms()
    testing.memory.fail_at(1, true)
    local reserved, attempts = alarms:reserve(2 ^ 29), testing.memory.attempts()
    testing.memory.fail_at()
    assert.is_false(reserved)
    assert.equal(0, attempts)
  end)
end)

local ways = { ["epoll or kqueue"] = false, poll = true }

local servers = {}
local function close_all()
  for _, server in ipairs(servers) do
    server:close()
  end
  servers = {}
  network.close_all()
end

-- Open clients that have taken all there was.
local function open(count)
  local server, list = crowd.new(), {}
  servers[#servers + 1] = server
  for i = 1, count do
    list[i] = recorder.new(server:url(i))
  end
  server:open(function()
    for _, r in ipairs(list) do
      r.ws:update()
    end
  end, count)
  for _, r in ipairs(list) do
    r:wait_open()
    r.ws:update()
    r.ws:update()
  end
  return list, server
end

local function given(loop)
  local slots = {}
  for slot, left in function() return loop:next() end do
    slots[#slots + 1] = left and -slot or slot
  end
  return slots
end

for way, poll in pairs(ways) do
  describe(("a loop over %s"):format(way), function()
    after_each(close_all)

    local function loop_of(list)
      local loop = core.loop(poll)
      for i, r in ipairs(list) do
        assert.is_true(loop:add(r.ws._handle, i))
      end
      loop:wait(0)
      given(loop)
      return loop
    end

    it("gives out those that have something to read, once for each wait", function()
      local list, server = open(5)
      local loop = loop_of(list)
      assert.equal(0, loop:wait(0))
      server:say(4, "x")
      server:say(2, "x")
      assert.equal(2, loop:wait(LONG))
      assert.equal(2, loop:wait(LONG))
      local slots = given(loop)
      table.sort(slots)
      assert.same({ 2, 4 }, slots)
      list[2].ws:update()
      assert.equal(1, loop:wait(LONG))
      assert.same({ 4 }, given(loop))
      list[4].ws:update()
      assert.equal(0, loop:wait(0))
    end)

    it("gives out first who waited longest", function()
      local list, server = open(3)
      local loop = loop_of(list)
      for _, number in ipairs { 3, 1, 2 } do
        server:say(number, "x")
        loop:wait(LONG)
      end
      assert.same({ 3, 1, 2 }, given(loop))
    end)

    it("rings an alarm once, in time, and not one that was taken back", function()
      local list = open(2)
      local loop = loop_of(list)
      loop:alarm(list[1].ws._handle, 0)
      assert.equal(1, loop:wait(LONG))
      assert.same({ 1 }, given(loop))
      assert.equal(0, loop:wait(0))
      local at = core.now() + 0.02
      loop:alarm(list[2].ws._handle, at)
      loop:alarm(list[1].ws._handle, 0)
      loop:alarm(list[1].ws._handle, nil)
      assert.is_true(math.abs(loop:deadline() - at) < 1e-5)
      assert.equal(1, loop:wait(LONG))
      assert.is_true(core.now() >= at)
      assert.same({ 2 }, given(loop))
    end)

    it("gives out all that have deadlines to keep", function()
      local list = open(2)
      local loop = loop_of(list)
      local ready = network.wait(function() -- the buffers of idle connections go after a second
        return loop:wait(LONG) == 2 and given(loop)
      end, "the deadline")
      table.sort(ready)
      assert.same({ 1, 2 }, ready)
    end)

    it("shares a client with other loops", function()
      local list, server = open(1)
      local one, two = loop_of(list), loop_of(list)
      local fd = list[1].ws:pollfd()
      server:say(1, "x")
      assert.equal(1, one:wait(LONG))
      assert.equal(1, two:wait(LONG))
      assert.is_true(network.is_readable(fd))
      one:remove(list[1].ws._handle)
      assert.equal(1, two:wait(0))
      assert.same({}, given(one))
      assert.same({ 1 }, given(two))
      list[1].ws:update()
      assert.is_false(network.is_readable(fd))
      assert.equal(0, two:wait(0))
    end)

    it("tells once of a client that was freed, and forgets it", function()
      local list, server = open(3)
      local loop = loop_of(list)
      server:say(2, "x")
      loop:wait(LONG)
      list[1].ws._handle:free()
      list[2].ws._handle:free()
      assert.equal(2, loop:wait(LONG))
      local slots = given(loop)
      table.sort(slots)
      assert.same({ -2, -1 }, slots)
      list[3].ws._handle:free()
      assert.equal(1, loop:wait(0))
      assert.equal(1, loop:wait(0)) -- its place is there until it is told
      assert.same({ -3 }, given(loop))
      loop:remove(list[3].ws._handle)
      loop:remove(list[3].ws._handle)
      server:say(3, "x")
      assert.equal(0, loop:wait(0))
      assert.is_false(loop:add(list[1].ws._handle, 1))
    end)

    it("goes on behind one that was freed", function()
      local list, server = open(2)
      local loop = loop_of(list)
      list[1].ws._handle:free()
      server:say(2, "x")
      assert.equal(2, loop:wait(LONG))
      local slots = given(loop)
      table.sort(slots)
      assert.same({ -1, 2 }, slots)
    end)

    it("waits without end where nothing has a time", function()
      local list, server = open(1)
      local loop = loop_of(list)
      server:say(1, "x")
      assert.equal(1, loop:wait(math.huge))
    end)

    it("gives out one that tries several addresses, whichever of them tells", function()
      local port = network.black_hole "127.0.0.2"
      network.black_hole("127.0.0.3", port)
      local time, clock = network.new_clock()
      local ws = recorder.new(("ws://feed.example:%d/"):format(port), {
        clock = clock, resolve = { ["feed.example"] = { "127.0.0.2", "127.0.0.3" } },
      }).ws
      local before = network.descriptors()
      ws:update()
      time.now = time.now + 0.26
      ws:update()
      local sockets = network.sockets_since(before)
      assert.equal(2, #sockets)
      local loop = core.loop(poll)
      assert.is_true(loop:add(ws._handle, 1))
      assert.equal(0, loop:wait(0))
      testing.net.break_off(sockets[2])
      assert.equal(1, loop:wait(LONG))
      assert.same({ 1 }, given(loop))
      ws:update()
      assert.equal(1, #network.sockets_since(before))
      ws:leave()
    end)

    it("goes before its clients, or after them", function()
      local list, server = open(2)
      local loop = loop_of(list)
      loop:__gc()
      loop:__gc()
      server:say(1, "x")
      assert.equal("x", list[1]:wait_message().data)
      assert.has_error(function() loop:wait(0) end)
    end)

    it("follows its clients through all phases", function()
      local server = scripted.new {
        receive_buffer = 4096,
        function(c)
          c:upgrade()
          c.reading = false
          c:told "read"
          c.reading = true
          c:expect_close()
          c:answer_close()
        end,
      }
      local hole = network.black_hole "127.0.0.1"
      local r = recorder.new(("ws://feed.example:%d/"):format(server.port), {
        resolve = { ["feed.example"] = { "127.0.0.1" } },
      }, server)
      local _, clock = network.new_clock() -- its deadlines never come
      local stuck = recorder.new(("ws://127.0.0.1:%d/"):format(hole), { clock = clock })
      r.ws:update()
      stuck.ws:update()
      local loop = loop_of { r, stuck }
      local function pump(happened)
        network.wait(function()
          server:step()
          loop:wait(0.001)
          for _, slot in ipairs(given(loop)) do
            assert.equal(1, slot)
            r.ws:update()
          end
          return happened()
        end, "the next phase")
      end
      pump(function() return r.opens[1] end)
      r.ws:send(("x"):rep(8 * 1024 * 1024))
      pump(function() return loop:wait(0) == 0 end) -- the kernel takes what it has room for
      assert.is_true(r.ws:buffered() > 0)
      server:tell "read"
      pump(function() return r.ws:buffered() == 0 end)
      r.ws:close()
      pump(function() return r.closes[1] end)
      assert.is_true(r.closes[1].info.clean)
      assert.equal(1, loop:wait(0)) -- what is told in Lua woke it
      assert.same({ 1 }, given(loop))
      assert.equal(0, loop:wait(0))
    end)

    it("passes over one that is paused until it goes on", function()
      local list, server = open(2)
      local loop = loop_of(list)
      list[1].ws:pause()
      list[2].ws:pause()
      list[2].ws:resume()
      server:say(1, "x")
      server:say(2, "x")
      loop:wait(0)
      loop:wait(0)
      local slots = {}
      for _, slot in ipairs(given(loop)) do
        slots[slot] = true
        list[slot].ws:update()
      end
      assert.is_true(slots[2])
      assert.equal("x", list[2].messages[1].data)
      for _ = 1, 3 do
        loop:wait(0)
        for _, slot in ipairs(given(loop)) do
          list[slot].ws:update()
        end
      end
      assert.equal(0, loop:wait(0))
      assert.equal(0, #list[1].messages)
      list[1].ws:resume()
      assert.equal(1, loop:wait(LONG))
      assert.same({ 1 }, given(loop))
    end)
  end)
end

describe("a loop over poll", function()
  after_each(close_all)

  it("is short and blind where there is no memory to look", function()
    local wsclose, counted = network.counted()
    local server, list = crowd.new(), {}
    servers[#servers + 1] = server
    local loop = counted.loop(true)
    for i = 1, 40 do
      list[i] = wsclose.new(server:url(i))
      assert.is_true(loop:add(list[i]._handle, i))
      list[i]:update()
    end
    testing.memory.fail_at(1, true)
    local ready = loop:wait(LONG)
    testing.memory.fail_at()
    assert.equal(40, ready)
    assert.equal(40, #given(loop))
  end)
end)

describe("the memory of a loop", function()
  after_each(close_all)

  for way, poll in pairs(ways) do
    it("is given back with it: " .. way, function()
      local wsclose, counted = network.counted()
      local server = crowd.new()
      servers[#servers + 1] = server
      local ws = wsclose.new(server:url(1))
      local before = testing.memory.live_blocks()
      local loop = counted.loop(poll)
      assert.is_true(loop:add(ws._handle, 1))
      loop:wait(0)
      assert.is_true(testing.memory.live_blocks() > before)
      loop:free()
      assert.equal(before, testing.memory.live_blocks())
    end)
  end
end)

describe("what a message costs over a loop", function()
  it("is a wait and a read, whoever else is there", function()
    local result = network.trace [[
      local crowd = require "support.crowd"
      local wsclose = require "wsclose"
      local server, clients, got = crowd.new(), {}, 0
      for i = 1, 30 do
        clients[i] = wsclose.new(server:url(i), { on_message = function() got = got + 1 end })
      end
      local group = wsclose.group(clients)
      server:open(function() group:update() end, 30)
      for _ = 1, 10 do group:update(0.001) end
      local null = assert(io.open("/dev/null", "w"))
      null:setvbuf "no"
      for i = 1, 5 do
        server:say(i * 6, "x")
        null:write "update>"
        group:update(60)
        null:write "<update"
        assert(got == i)
      end
    ]]
    assert.is_true(result.ok, result.output)
    local rounds = network.rounds(result.traces[1], "update>", "<update")
    assert.equal(5, #rounds)
    for _, round in ipairs(rounds) do
      local names = {}
      for _, call in ipairs(round) do
        names[#names + 1] = call.name ~= "getpid" and call.name or nil
      end
      assert.same({ "epoll_wait", "recvfrom" }, names)
    end
  end)
end)

-- The kernel's answers are put in by strace.
describe("where the kernel has no", function()
  local program = [[
    local crowd = require "support.crowd"
    local network = require "support.network"
    local wsclose = require "wsclose"
    local server, clients, got = crowd.new(), {}, {}
    for i = 1, 3 do
      clients[i] = wsclose.new(server:url(i), {
        on_message = function(_, data) got[#got + 1] = data end,
      })
    end
    local group = wsclose.group(clients)
    server:open(function() group:update() end, 3)
    for _ = 1, 10 do group:update(0.001) end
    for i = 1, 3 do server:say(i, "m" .. i) end
    network.wait(function()
      group:update(0.001)
      return #got == 3
    end, "the messages")
    for _, ws in ipairs(clients) do ws:leave() end
    group:run()
  ]]

  it("descriptor for the loop, poll does it", function()
    local result = network.trace(program .. "assert(not group:pollfd())",
      "-e inject=epoll_create1:error=EMFILE:when=1+")
    assert.is_true(result.ok, result.output)
  end)

  it("memory for a registration, the client looks for itself and it is tried again", function()
    local result = network.trace(program, "-e inject=epoll_ctl:error=ENOSPC:when=2..8")
    assert.is_true(result.ok, result.output)
    assert.is_true(network.has_failed(result.traces[1], "epoll_ctl", "ENOSPC"))
  end)

  it("memory for any of them, the clients look for themselves for as long as it takes", function()
    local looks = program:gsub("for i = 1, 3 do server:say", "assert(group:timeout() <= 0.01)\n%0")
    local result = network.trace(looks, "-e inject=epoll_ctl:error=ENOSPC:when=1+")
    assert.is_true(result.ok, result.output)
  end)

  it("answer, the clients look for themselves", function()
    local result = network.trace(program, "-e inject=epoll_wait:error=EBADF:when=1+")
    assert.is_true(result.ok, result.output)
    local calls = network.calls(result.traces[1])
    for i, call in ipairs(calls) do -- after a while
      if call.name == "epoll_wait" then assert.matches("nanosleep$", calls[i + 1].name) end
    end
  end)
end)
