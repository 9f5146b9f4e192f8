-- pollfd(), for a foreign loop: one number for the client's life, readable exactly when there is
-- work, beside the deadline that timeout() tells.
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

-- What a foreign loop would find.
local function has_work(ws)
  return network.is_readable(ws:pollfd()) or ws:timeout() == 0
end

-- Updates as a foreign loop would: only when there is work; then there is none, and none comes up.
local function rest(ws)
  for _ = 1, 10 do
    if not has_work(ws) then
      return
    end
    ws:update()
  end
  error("there is always work", 2)
end

local function assert_at_rest(ws, phase)
  rest(ws)
  assert.equal(phase, ws:info().phase)
end

-- An update too many finds nothing to do, and changes nothing.
local function assert_idle(ws)
  local before = ws:stats()
  ws:update()
  assert.same(before, ws:stats())
  assert.is_false(has_work(ws))
end

local function step(server)
  for _ = 1, 3 do
    server:step()
  end
end

describe("pollfd", function()
  after_each(network.close_all)

  it("is readable when there is work, from lookup to end, and at no other time", function()
    local time, clock = network.new_clock()
    local server = scripted.new {
      receive_buffer = 4096,
      function(c)
        c:read_request()
        c:told "answer"
        c:upgrade()
        c:told "talk"
        c:send_text "hello"
        c.reading = false
        c:told "read"
        c.reading = true
        c:expect_close()
        c:told "close"
        c:send_close(1000)
        c:told "end"
        c:finish()
      end,
    }
    network.black_hole("127.0.0.2", server.port)
    local url = ("ws://feed.example:%d/"):format(server.port)
    local r = recorder.new(url, { clock = clock, keepalive = false }, server)
    local ws, resolver = r.ws, network.resolver()
    resolver:attach(ws)
    assert.is_true(has_work(ws)) -- the beginning

    assert_at_rest(ws, "dns")
    resolver:answer("127.0.0.2", "127.0.0.1")
    network.wait_for_threads()
    assert.is_true(has_work(ws))

    assert_at_rest(ws, "tcp")
    assert.is_true(math.abs(ws:timeout() - 0.25) < 1e-6)
    time.now = time.now + 0.26
    assert.equal(0, ws:timeout())

    assert_at_rest(ws, "handshake")
    step(server)
    assert.is_false(has_work(ws))
    server:tell "answer"
    step(server)
    assert.is_true(network.is_readable(ws:pollfd()))

    assert_at_rest(ws, "open")
    server:tell "talk"
    step(server)
    assert.is_true(network.is_readable(ws:pollfd()))
    assert_at_rest(ws, "open")
    assert.equal("hello", r.messages[1].data)

    ws:send(("x"):rep(8 * 1024 * 1024))
    assert_at_rest(ws, "open")
    local waiting = ws:buffered()
    server:tell "read"
    network.wait(function()
      server:step()
      return network.is_readable(ws:pollfd())
    end, "room to write")
    r:wait(function()
      return ws:buffered() == 0
    end)
    assert.is_true(waiting > 0)
    assert_at_rest(ws, "open")

    ws:close()
    assert_at_rest(ws, "close")
    network.wait(function()
      server:step()
      return server.connections[1].close
    end, "the Close")
    assert.is_false(has_work(ws))
    server:tell "close"
    step(server)
    assert.is_true(network.is_readable(ws:pollfd()))
    assert_at_rest(ws, "close")
    server:tell "end"
    step(server)
    assert.is_true(network.is_readable(ws:pollfd()))
    rest(ws)
    assert.equal("closed", ws:state())
    assert.is_nil(ws:timeout())
    assert.is_false(network.is_readable(ws:pollfd()))
  end)

  for _, talks in ipairs { 1, 2, 10 } do
    it(("is readable for each of %d messages, and not between"):format(talks), function()
      local server = scripted.new(function(c)
        c:upgrade()
        for i = 1, talks do
          c:told "talk"
          c:send_text("message " .. i)
        end
        c:stall()
      end)
      local r = recorder.new(server:url(), nil, server)
      local fd = r.ws:pollfd()
      r:wait_open()
      for i = 1, talks do
        rest(r.ws)
        assert.is_false(network.is_readable(fd))
        server:tell "talk"
        step(server)
        assert.is_true(network.is_readable(fd))
        r.ws:update()
        assert.equal(i, #r.messages)
      end
      assert_idle(r.ws)
    end)
  end

  it("stays the same number over connections, and belongs to one client", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:told "close"
      c:close_session(1012)
    end)
    local r = recorder.new(server:url(), { retry = true }, server)
    local fd = r.ws:pollfd()
    assert.not_equal(fd, recorder.new(server:url()).ws:pollfd())
    for i = 1, 3 do
      r:wait_open(i)
      assert.equal(fd, r.ws:pollfd())
      assert.is_false(network.is_readable(fd))
      server:tell("close", i)
      r:wait_close(i)
      assert.equal("waiting", r.ws:state())
      assert.equal(fd, r.ws:pollfd())
      assert.is_false(network.is_readable(fd))
      assert.is_true(r.ws:kick())
      assert.equal(0, r.ws:timeout())
    end
    r.ws:leave()
    assert.is_nil(r.ws:pollfd())
  end)

  it("is asked for at any time: what goes on already is watched", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:told "talk"
      c:send_text "hello"
      c:stall()
    end)
    local r = recorder.new(server:url(), nil, server)
    r:wait_open()
    local fd = r.ws:pollfd()
    assert.is_false(network.is_readable(fd))
    server:tell "talk"
    step(server)
    assert.is_true(network.is_readable(fd))
  end)

  it("is closed when another program is run", function()
    local r = recorder.new "ws://127.0.0.1:1/"
    assert.is_true(network.flags(r.ws:pollfd()).close_on_exec)
  end)

  it("is polled for reading", function()
    local r = recorder.new "ws://127.0.0.1:1/"
    assert.equal("r", r.ws:events())
  end)
end)

-- The kernel watches open files, not numbers: one that somebody else still holds, a forked child
-- say, would go on to report.
describe("what the client has closed is not watched any more", function()
  after_each(network.close_all)

  local copies = {}
  after_each(function()
    for _, fd in ipairs(copies) do
      testing.net.close(fd)
    end
    copies = {}
  end)

  -- Holds what the client has opened since.
  local function hold(before, pattern)
    local after = network.descriptors()
    for _, name in ipairs(network.added(before, after)) do
      if after[name]:match(pattern) then
        copies[#copies + 1] = testing.net.dup(tonumber(name))
      end
    end
    return #copies
  end

  it("after a connection", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:told "end"
      c:finish()
    end)
    local r = recorder.new(server:url(), nil, server)
    local fd = r.ws:pollfd()
    local before = network.descriptors()
    r.ws:update()
    assert.equal(1, hold(before, "^socket:"))
    r:wait_open()
    server:tell "end"
    r:wait_close()
    assert.equal("r", testing.net.watch.look(copies[1], "r"))
    assert.is_false(network.is_readable(fd))
  end)

  it("after a lookup", function()
    local ws, resolver = network.client(require "wsclose", "ws://feed.example/")
    local fd = ws:pollfd()
    local before = network.descriptors()
    ws:update()
    assert.equal(1, hold(before, "eventfd"))
    resolver:answer "EAI_NONAME"
    network.wait_for_threads()
    assert.is_true(network.is_readable(fd))
    ws:update()
    assert.equal("r", testing.net.watch.look(copies[1], "r"))
    assert.is_false(network.is_readable(fd))
  end)

  it("after connection attempts, those that lost and those that failed", function()
    local server = scripted.new(function(c)
      c:stall()
    end)
    network.black_hole("127.0.0.2", server.port)
    network.black_hole("127.0.0.3", server.port)
    local time, clock = network.new_clock()
    local r = recorder.new(("ws://feed.example:%d/"):format(server.port), {
      clock = clock,
      resolve = { ["feed.example"] = { "127.0.0.2", "127.0.0.3", "127.0.0.1" } },
    }, server)
    local fd = r.ws:pollfd()
    local before = network.descriptors()
    r.ws:update()
    time.now = time.now + 0.26
    r.ws:update()
    assert.equal(2, hold(before, "^socket:"))
    testing.net.break_off(copies[2]) -- it fails, the third address connects, the first loses
    assert.is_true(network.is_readable(fd))
    r.ws:update()
    assert.equal("handshake", r.ws:info().phase)
    testing.net.break_off(copies[1])
    assert.equal("rw", testing.net.watch.look(copies[1], "r"))
    assert.is_false(network.is_readable(fd))
  end)
end)

describe("where there is no", function()
  after_each(network.close_all)

  it("memory for it, pollfd is nil, and there the next time", function()
    local wsclose = network.counted()
    local server = scripted.new(function(c)
      c:stall()
    end)
    local ws = wsclose.new(server:url())
    ws:update()
    testing.memory.fail_at(1)
    assert.is_nil(ws:pollfd())
    testing.memory.fail_at()
    assert.is_number(ws:pollfd())
  end)

  -- The kernel's answers are put in by strace.
  local prelude = [[
    local network = require "support.network"
    local recorder = require "support.recorder"
    local scripted = require "support.scripted_server"
    local server = scripted.new(function(c)
      c:upgrade()
      c:told "talk"
      c:send_text "hello"
      c:echo()
    end)
    local r = recorder.new(server:url(), nil, server)
    local fd = r.ws:pollfd()
    r:wait_open()
    r.ws:update()
    server:tell "talk"
    server:step()
    local readable = fd and network.is_readable(fd)
    assert(r:wait_message().data == "hello")
    r.ws:close()
    assert(r:wait_close().info.clean)
  ]]

  it("descriptor for it, pollfd is nil, all else works, and there is one the next time", function()
    local result = network.trace(prelude .. "assert(fd == nil and r.ws:pollfd())",
      "-e inject=epoll_create1:error=EMFILE:when=1")
    assert.is_true(result.ok, result.output)
  end)

  it("memory in the kernel for a registration, it is tried again", function()
    local result = network.trace(prelude .. "assert(readable)",
      "-e inject=epoll_ctl:error=ENOMEM:when=1")
    assert.is_true(result.ok, result.output)
    assert.is_true(network.has_failed(result.traces[1], "epoll_ctl", "ENOMEM"))
  end)
end)

describe("an update that changes nothing about what is watched", function()
  it("asks the kernel for no change", function()
    local result = network.trace [[
      local recorder = require "support.recorder"
      local scripted = require "support.scripted_server"
      local server = scripted.new(function(c) c:upgrade() c:echo() end)
      local r = recorder.new(server:url(), nil, server)
      r.ws:pollfd()
      r:wait_open()
      for i = 1, 50 do
        r.ws:send "hello"
        r:wait_message()
        r.ws:update()
      end
    ]]
    assert.is_true(result.ok, result.output)
    local changes = {}
    for _, call in ipairs(network.calls(result.traces[1])) do
      if call.name == "epoll_ctl" then
        changes[#changes + 1] = call.arguments:match "EPOLL_CTL_%u+"
      end
    end
    assert.same({ "EPOLL_CTL_ADD", "EPOLL_CTL_DEL" }, changes)
  end)
end)
