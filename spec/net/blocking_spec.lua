-- ws:update() never waits and costs next to nothing: seen from the system calls that the kernel is
-- asked for in each phase of an attempt, and from the processor time of many clients.
local network = require "support.network"
local testing = require "wsclose.core_testing"
local wsclose = require "wsclose"

-- What the scripts begin with.  `watched` calls a method; its system calls stand between two marks.
local prelude = [[
local network = require "support.network"
local scripted = require "support.scripted_server"
local socket = require "socket"
local wsclose = require "wsclose"
local time, clock = network.new_clock()
local null = assert(io.open("/dev/null", "w"))
null:setvbuf "no"
local function watched(ws, method, ...)
  null:write "watched>"
  local result = ws[method](ws, ...)
  null:write "<watched"
  return result
end
local function updates(ws, count)
  for _ = 1, count do watched(ws, "update") end
end
local function never_mind(ws)
  local left = watched(ws, "close") and watched(ws, "update")
  assert(not left and ws:state() == "closed")
end
]]

local function is_zero_time(text)
  return text:match "{tv_sec=0, tv_[nu]sec=0}" ~= nil
end

local function last_number_is_zero(text)
  return text:match ", (%-?%d+)$" == "0"
end

-- Calls that wait unless their arguments say otherwise; true: they do.
local harmless = {
  poll = last_number_is_zero,
  epoll_wait = last_number_is_zero,
  epoll_pwait = function(text)
    return text:match ", 0, NULL, %d+$" ~= nil
  end,
  ppoll = is_zero_time,
  select = is_zero_time,
  pselect6 = is_zero_time,
  futex = function(text)
    return not text:match "FUTEX_WAIT" and not text:match "FUTEX_LOCK"
  end,
}
for name in
  ("nanosleep clock_nanosleep wait4 waitid pause rt_sigtimedwait rt_sigsuspend flock"):gmatch "%S+"
do
  harmless[name] = function()
    return false
  end
end

-- Calls that wait on a descriptor that is not in non-blocking mode.
local transfers = {}
for name in ([[connect accept accept4 read readv pread64 write writev pwrite64 recvfrom recvmsg
  recvmmsg sendto sendmsg sendmmsg sendfile splice]]):gmatch "%S+" do
  transfers[name] = true
end

-- Which descriptors cannot make a call wait, as the trace goes on.
local function note_descriptor(ready, call)
  local fd = call.result:match "^(%d+)"
  local first = call.arguments:match "^(%d+)"
  if call.name == "close" then
    ready[first] = nil
  elseif call.name == "fcntl" then
    if call.arguments:match "F_SETFL" then
      ready[first] = call.arguments:match "O_NONBLOCK" ~= nil
    end
  elseif call.name == "openat" or call.name == "open" then
    ready[fd or ""] = true -- a file
  elseif fd and call.arguments:match "NONBLOCK" and call.name ~= "getrandom" then
    ready[fd] = true
  elseif fd and (call.name == "socket" or call.name == "accept" or call.name == "accept4") then
    ready[fd] = nil
  end
end

local function waits(ready, call)
  if transfers[call.name] then
    return not ready[call.arguments:match "^%d+"] and not call.arguments:match "MSG_DONTWAIT"
  end
  return harmless[call.name] and not harmless[call.name](call.arguments)
end

-- What the watched calls asked of the kernel.
---@return { rounds: integer, waits: string[], counts: integer[] }
local function judge(trace)
  local found = { rounds = 0, waits = {}, counts = {} }
  local ready, inside = {}, false
  for _, call in ipairs(network.calls(trace)) do
    local mark = call.name == "write" and call.arguments:match '"(.-)"'
    if mark == "watched>" then
      inside, found.rounds = true, found.rounds + 1
      found.counts[found.rounds] = 0
    elseif mark == "<watched" then
      inside = false
    else
      note_descriptor(ready, call)
      if inside then
        local one = network.of_memory[call.name] and 0 or 1
        found.counts[found.rounds] = found.counts[found.rounds] + one
        found.waits[#found.waits + 1] = waits(ready, call) and call.line or nil
      end
    end
  end
  return found
end

local function run(script)
  local result = network.trace(prelude .. script .. "\nnetwork.close_all()")
  assert(result.ok, result.output)
  return judge(result.traces[1])
end

describe("the watch over system calls", function()
  it("sees a client that waits", function()
    local found = run [[
      local server = scripted.new(function(c) c:stall() end)
      local ws = wsclose.new(server:url())
      updates(ws, 3)
      watched(ws, "update", 0.001)
    ]]
    assert.equal(4, found.rounds)
    assert.equal(1, #found.waits)
    assert.matches("^ppoll", found.waits[1])
  end)

  it("sees sleep, and every way to wait for a descriptor", function()
    local found = run [[
      local server = scripted.new(function(c) c:stall() end)
      watched({ f = function() socket.sleep(0.001) end }, "f")
      watched({ f = function() socket.select({ server.listener }, nil, 0.001) end }, "f")
      watched({ f = function() socket.select({ server.listener }, nil, 0) end }, "f")
      local pipe = io.popen "echo a"
      watched({ f = function() pipe:read "*a" end }, "f")
      watched({ f = function() pipe:close() end }, "f")
    ]]
    assert.equal(5, found.rounds)
    local names = {}
    for _, line in ipairs(found.waits) do
      local name = line:match "^[%w_]+"
      names[#names + 1] = name ~= names[#names] and name or nil
    end
    assert.matches("nanosleep", names[1])
    assert.matches("select", names[2])
    assert.equal("read", names[3])
    assert.equal("wait4", names[4])
  end)
end)

describe("update never waits", function()
  it("for a name server that is slow", function()
    local found = run [[
      local server = scripted.new(function(c) c:upgrade() c:stall() end)
      local url = ("ws://slow.example:%d/"):format(server.port)
      local ws, resolver = network.client(wsclose, url, { clock = clock })
      updates(ws, 20)
      resolver:question()
      assert(ws:info().phase == "dns")
      updates(ws, 20)
      resolver:answer "127.0.0.1"
      network.wait_for_threads()
      repeat
        server:step()
        updates(ws, 1)
      until ws:state() == "open"
    ]]
    assert.is_true(found.rounds >= 42)
    assert.same({}, found.waits)
    -- the thread's own start aside, there is nothing to ask the kernel for
    for i = 2, 40 do
      assert.equal(0, found.counts[i])
    end
  end)

  it("for a name server that never answers, whose time is over", function()
    local found = run [[
      local ws = network.client(wsclose, "ws://never.example/", { clock = clock })
      updates(ws, 20)
      time.now = time.now + 5.01
      updates(ws, 1)
      assert(ws:state() == "closed" and ws.close_info.error.phase == "dns")
    ]]
    assert.equal(21, found.rounds)
    assert.same({}, found.waits)
  end)

  it("for addresses that swallow connection attempts", function()
    local found = run [[
      local port = network.black_hole "127.0.0.1"
      network.black_hole("::1", port)
      local url = ("ws://hole.example:%d/"):format(port)
      local resolve = { ["hole.example"] = { "::1", "127.0.0.1" } }
      local ws = wsclose.new(url, { clock = clock, resolve = resolve })
      updates(ws, 20)
      time.now = time.now + 0.3
      updates(ws, 20)
      assert(ws:info().phase == "tcp")
      time.now = time.now + 10
      updates(ws, 1)
      assert(ws:state() == "closed" and ws.close_info.error.phase == "tcp")
    ]]
    assert.equal(41, found.rounds)
    assert.same({}, found.waits)
    for i = 2, 20 do
      assert.equal(1, found.counts[i])
    end
  end)

  for scheme, phase in pairs { ws = "handshake", wss = "tls" } do
    it("for a server that accepts and stays silent, in phase " .. phase, function()
      local found = run(([[
        local server = scripted.new(function(c) c:stall() end)
        local ws = wsclose.new(server:url("/", %q), { clock = clock })
        repeat
          server:step()
          updates(ws, 1)
        until server.connections[1] and server.connections[1].bytes_in > 0
        updates(ws, 20)
        assert(ws:info().phase == %q)
        time.now = time.now + 5.01
        updates(ws, 2)
        assert(ws:state() == "closed" and ws.close_info.error.phase == %q)
      ]]):format(scheme, phase, phase))
      assert.same({}, found.waits)
      for i = found.rounds - 21, found.rounds - 3 do
        assert.is_true(found.counts[i] <= 1)
      end
    end)
  end

  it("for a proxy that accepts and stays silent", function()
    local found = run [[
      local server = scripted.new(function(c) c:stall() end)
      local proxy = ("http://127.0.0.1:%d"):format(server.port)
      local ws = wsclose.new("ws://feed.example/", { clock = clock, proxy = proxy })
      repeat
        server:step()
        updates(ws, 1)
      until server.connections[1] and server.connections[1].bytes_in > 0
      updates(ws, 20)
      assert(ws:info().phase == "proxy")
      never_mind(ws)
    ]]
    assert.same({}, found.waits)
  end)

  it("in an open connection, whatever either side does, nor do send, ping and close", function()
    local found = run [[
      local server = scripted.new {
        receive_buffer = 4096,
        function(c)
          c:upgrade()
          c:send_text "a"
          c:expect("text", "b")
          c.reading = false
          c:told "read"
          c.reading = true
          c:answer_close()
        end,
      }
      local ws = wsclose.new(server:url(), { clock = clock })
      local message
      function ws:on_message(data) message = data end
      local function go_on_until(happened)
        while not happened() do
          server:step()
          updates(ws, 1)
        end
      end
      go_on_until(function() return message end)
      updates(ws, 10)
      watched(ws, "send", "b")
      go_on_until(function() return server.connections[1].reading == false end)
      watched(ws, "send", ("x"):rep(8 * 1024 * 1024))
      watched(ws, "ping")
      watched(ws, "close")
      updates(ws, 10)
      assert(ws:buffered() > 1024 * 1024)
      server:tell "read"
      go_on_until(function() return ws:state() == "closed" end)
      assert(ws.close_code == 1000)
    ]]
    assert.same({}, found.waits)
  end)

  it("when it is asked for in any phase to end", function()
    local found = run [[
      local server = scripted.new(function(c) c:stall() end)
      local hole = ("ws://127.0.0.1:%d/"):format(network.black_hole "127.0.0.1")
      local ws = network.client(wsclose, "ws://never.example/")
      updates(ws, 2)
      never_mind(ws)
      ws = wsclose.new(hole)
      updates(ws, 2)
      never_mind(ws)
      ws = wsclose.new(server:url())
      updates(ws, 2)
      never_mind(ws)
    ]]
    assert.equal(12, found.rounds)
    assert.same({}, found.waits)
  end)
end)

describe("update takes less than 1 ms of processor time", function()
  after_each(network.close_all)

  it("with 100 clients whose names take 3 s to be looked up", function()
    local time, clock = network.new_clock()
    local resolver, clients = network.resolver(), {}
    for i = 1, 100 do
      local url = ("ws://feed%d.example/"):format(i)
      clients[i] = resolver:attach(wsclose.new(url, { clock = clock }))
    end
    local rounds, before = 30, testing.process.cpu()
    for _ = 1, rounds do
      for _, ws in ipairs(clients) do
        ws:update()
      end
      time.now = time.now + 0.1
    end
    local each = (testing.process.cpu() - before) / (rounds * #clients)
    for _ = 1, 8 do -- the others queue
      resolver:question()
    end
    for _, ws in ipairs(clients) do
      assert.equal("dns", ws:info().phase)
      ws:close()
      ws:update()
      assert.equal("closed", ws:state())
    end
    assert.is_true(each < 0.001, ("%g s"):format(each))
  end)
end)
