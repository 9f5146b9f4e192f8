-- Bytes between socket and connection: resets, what the peer said before them, full buffers.
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

local MEGABYTE = 1024 * 1024

-- An open connection to a server that goes on when it is told the word.
local function open(script, options)
  local server = scripted.new(script)
  local r = recorder.new(server:url(), options, server)
  r:wait_open()
  return r, server
end

-- The client is not asked to look until the server has done what the word stands for.
local function tell(server, word)
  server:tell(word)
  for _ = 1, 3 do
    server:step()
  end
end

local ways_to_end = {
  ["RST"] = function(c)
    c:reset()
  end,
  ["FIN"] = function(c)
    c:finish()
  end,
}

describe("a Close with RST or FIN right behind it", function()
  after_each(network.close_all)

  for name, finish in pairs(ways_to_end) do
    for _, code in ipairs { 1000, 1001 } do
      for what, size in pairs { ["nothing"] = 0, ["a message"] = 5, ["8 MiB"] = 8 * MEGABYTE } do
        it(("is reported as %d, %s, though %s was being sent"):format(code, name, what), function()
          local r, server = open(function(c)
            c:upgrade()
            c.reading = false
            c:told "go"
            c:send_text "last words"
            c:send_close(code, "bye")
            finish(c)
          end)
          if size > 0 then
            r.ws:send(("x"):rep(size))
          end
          tell(server, "go")
          if size > 0 then -- which meets the reset
            r.ws:send "more"
            r.ws:send "and more"
          end
          local came = r:wait_close()
          assert.equal(code, came.code)
          assert.equal("bye", came.reason)
          assert.equal("peer", came.info.by)
          assert.same({ code = code, reason = "bye" }, came.info.received)
          assert.equal("last words", r.messages[1].data)
          assert.equal(1, #r.closes)
        end)
      end
    end
  end
end)

describe("an RST without a Close", function()
  after_each(network.close_all)

  for what, size in pairs { ["nothing is sent"] = 0, ["8 MiB are sent"] = 8 * MEGABYTE } do
    it("is told as such while " .. what .. "; what came before it is delivered", function()
      local r, server = open(function(c)
        c:upgrade()
        c.reading = false
        c:told "go"
        c:send_text "last words"
        c:reset()
      end)
      if size > 0 then
        r.ws:send(("x"):rep(size))
      end
      tell(server, "go")
      if size > 0 then
        r.ws:send "more"
      end
      local came = r:wait_close()
      assert.equal(1006, came.code)
      assert.equal("reset", came.info.error.name)
      assert.equal("open", came.info.error.phase)
      assert.equal(("connection reset by 127.0.0.1 port %d"):format(server.port),
        came.info.error.message)
      assert.equal(size > 0 and size + 4 or 0, came.info.undelivered)
    end)
  end
end)

describe("writing to a connection that the peer has ended", function()
  before_each(function()
    testing.process.count_signals "PIPE"
  end)
  after_each(function()
    testing.process.ignore_signals "PIPE" -- as luasocket does
    network.close_all()
  end)

  -- After FIN the first write makes the peer's kernel reset, and the second one meets that.
  for name, finish in pairs(ways_to_end) do
    it("raises no SIGPIPE after " .. name, function()
      local r, server = open(function(c)
        c:upgrade()
        c:told "go"
        finish(c)
      end)
      tell(server, "go")
      for _ = 1, 5 do
        r.ws:send "hello"
      end
      r.ws:ping()
      r.ws:close()
      assert.equal(1006, r:wait_close().code)
      assert.equal(0, testing.process.signals_seen())
    end)
  end

  it("raises none when the end was read before", function()
    local r, server = open(function(c)
      c:upgrade()
      c:told "go"
      c:send_close(1001) -- and the socket is gone when the echo comes
      c:finish()
    end)
    tell(server, "go")
    r:wait_close()
    r.ws:close()
    assert.equal(0, testing.process.signals_seen())
  end)

  it("raises none when the client is left", function()
    local r, server = open(function(c)
      c:upgrade()
      c:told "go"
      c:reset()
    end)
    tell(server, "go")
    r.ws:leave()
    assert.equal(0, testing.process.signals_seen())
  end)
end)

describe("a server that does not read", function()
  after_each(network.close_all)

  local function open_to_deaf()
    local server = scripted.new {
      receive_buffer = 4096,
      function(c)
        c:upgrade()
        c.reading = false
        c:told "read"
        c.reading = true
        c:echo()
      end,
    }
    local r = recorder.new(server:url(), nil, server)
    r:wait_open()
    return r, server
  end

  it("lets bytes wait, in order, until it does", function()
    local r, server = open_to_deaf()
    local sent = {}
    for i = 1, 64 do
      sent[i] = ("%02d"):format(i):rep(MEGABYTE / 16)
      assert.is_true(r.ws:send(sent[i]))
    end
    for _ = 1, 5 do
      r.ws:update()
    end
    assert.is_true(r.ws:buffered() > MEGABYTE)
    assert.equal(0, #server.connections[1].frames)
    server:tell "read"
    r:wait(function()
      return #r.messages == #sent
    end)
    for i, data in ipairs(sent) do
      assert.equal(data, r.messages[i].data)
    end
    assert.equal(0, r.ws:buffered())
  end)

  -- What was begun before the peer's Close keeps ours from leaving.
  it("and ends its side after its Close is waited for no longer than timeouts.close", function()
    local time, clock = network.new_clock()
    local r, server = open(function(c)
      c:upgrade()
      c.reading = false
      c:told "go"
      c:send_close(1001, "restarting")
      c:half_close()
      c:stall()
    end, { clock = clock, keepalive = false, timeouts = { close = 5, drain = 60 } })
    r.ws:send(("x"):rep(8 * MEGABYTE))
    tell(server, "go")
    for _ = 1, 5 do -- the Close is read, and the end
      r.ws:update()
    end
    assert.equal("closing", r.ws:state())
    time.now = time.now + 5.1
    r.ws:update()
    assert.same({ 1001, "restarting" }, { r.closes[1].code, r.closes[1].reason })
    assert.equal("close_timeout", r.closes[1].info.error.name)
    assert.is_nil(r.closes[1].info.sent)
  end)

  it("does not keep the client from reading", function()
    local r, server = open_to_deaf()
    r.ws:send(("x"):rep(8 * MEGABYTE))
    for _ = 1, 5 do
      r.ws:update()
    end
    server.connections[1].socket:send "\129\2hi"
    assert.equal("hi", r:wait_message().data)
    assert.is_true(r.ws:buffered() > 0)
  end)
end)

-- Nothing that a peer says on and on, once the connection is to end, is read to its end.
describe("a flood", function()
  local MOST = 8 * MEGABYTE / 64 -- messages, and those of one read more
  after_each(network.close_all)

  local function open_stalling(options)
    local r = open(function(c)
      c:upgrade()
      c:stall()
    end, options)
    r.ws:update()
    return r
  end

  -- It was looked through for a Close, and no message of it was given.
  local function assert_bounded(r)
    local dropped = r.closes[1].info.dropped
    assert.is_true(dropped >= MOST and dropped < 1.2 * MOST, dropped)
    assert.same({}, r.messages)
  end

  it("does not keep leave() from coming back", function()
    local r = open_stalling()
    testing.net.flood(r.ws._handle)
    r.ws:leave()
    assert_bounded(r)
    assert.equal(1001, r.closes[1].info.sent.code)
  end)

  it("is over with timeouts.close", function()
    local time, clock = network.new_clock()
    local r = open_stalling { clock = clock, timeouts = { close = 5 } }
    r.ws:close()
    r.ws:update()
    testing.net.flood(r.ws._handle)
    for _ = 1, 2 do -- that the Close has reached the peer may be seen meanwhile, and counts anew
      time.now = time.now + 5.1
      r.ws:update()
    end
    assert_bounded(r)
    assert.equal("close_timeout", r.closes[1].info.error.name)
  end)
end)

describe("a large message", function()
  after_each(network.close_all)

  it("is read over many updates, a megabyte at most by each", function()
    local text = ("0123456789abcdef"):rep(MEGABYTE)
    local r = open(function(c)
      c:upgrade()
      c:send_binary(text)
      c:echo()
    end)
    assert.is_true(r:largest_read() <= MEGABYTE)
    assert.is_true(text == r.messages[1].data)
  end)
end)

describe("a burst", function()
  after_each(network.close_all)

  local FRAME = scripted.wire.frame { payload = ("x"):rep(1000) }

  -- A unix socket takes it all at once, and a read has room for 64 KiB.
  local function messages_of_one_update(options)
    local server = network.unix_server(network.unix_path(), function(c)
      c:upgrade()
      c:told "go"
      c:send(FRAME:rep(100))
      c:stall()
    end)
    local r = recorder.new("ws+unix://" .. server.path, options, server)
    r:wait_open()
    tell(server, "go")
    r.ws:update()
    return #r.messages
  end

  it("comes with one update within max_time, and else with as many as it has reads", function()
    assert.equal(65, messages_of_one_update())
    assert.equal(65, messages_of_one_update { max_messages = 1000 })
    assert.equal(70, messages_of_one_update { max_time = 3600, max_messages = 70 })
    assert.equal(100, messages_of_one_update { max_time = 3600 })
  end)
end)

describe("a pause", function()
  after_each(network.close_all)

  it("leaves bytes in the kernel until it ends", function()
    local r, server = open(function(c)
      c:upgrade()
      c:told "go"
      c:send_text "hello"
      c:echo()
    end)
    local fd = r.ws:pollfd()
    r.ws:pause()
    tell(server, "go")
    local before = r.ws:stats().bytes_in
    for _ = 1, 3 do
      assert.is_false(network.is_readable(fd))
      r.ws:update()
    end
    assert.equal(before, r.ws:stats().bytes_in)
    assert.same({}, r.messages)
    r.ws:resume()
    assert.is_true(network.is_readable(fd))
    assert.equal("hello", r:wait_message().data)
  end)
end)

describe("a client whose socket is full", function()
  after_each(network.close_all)

  it("reads what comes, and does not try to write before there is room", function()
    local result = network.trace [[
      local loopback = require "support.loopback"
      local recorder = require "support.recorder"
      local scripted = require "support.scripted_server"
      local server = scripted.new(function(c)
        c:upgrade()
        c.reading = false
        c:told "talk"
        c:send_text "hello"
        c:stall()
      end)
      local r = recorder.new(server:url(), { limits = { send_queue = 2 ^ 26 } }, server)
      r:wait_open()
      r.ws:send(("x"):rep(2 ^ 25))
      repeat
        local before = r.ws:buffered()
        loopback.settle()
        r.ws:update()
      until r.ws:buffered() == before
      server:tell "talk"
      server:step()
      loopback.settle()
      local null = assert(io.open("/dev/null", "w"))
      null:setvbuf "no"
      null:write "update>"
      r.ws:update(60)
      null:write "<update"
      assert(r.messages[1].data == "hello")
      r.ws:leave()
    ]]
    assert.is_true(result.ok, result.output)
    local rounds, names = network.rounds(result.traces[1], "update>", "<update"), {}
    for _, call in ipairs(rounds[1]) do names[#names + 1] = call.name end
    assert.same({ "ppoll", "recvfrom" }, names)
  end)
end)

-- The kernel's answers are put in by strace.  The third sendto is that of the client's first
-- message: the first two were the handshake's.
describe("the kernel's answer to a call", function()
  local prelude = [[
    require("support.loopback").settle = function() end -- whose datagrams would be counted
    local recorder = require "support.recorder"
    local scripted = require "support.scripted_server"
    local server = scripted.new(function(c) c:upgrade() c:told "go" c:echo() end)
    local r = recorder.new(server:url(), nil, server)
    r:wait_open()
    server:tell "go"
    local function closed_by(name, message)
      local info = r:wait_close().info
      assert(info.code == 1006 and info.error.phase == "open", tostring(info))
      assert(info.error.name == name and info.error.message == message:format(server.port),
        tostring(info))
    end
  ]]

  local function run(inject, code)
    local result = network.trace(prelude .. code, "-e inject=" .. inject)
    assert.is_true(result.ok, result.output)
    local call, number = inject:match "^(%w+):error=(%w+)"
    assert.is_true(network.has_failed(result.traces[1], call, number))
  end

  it("ENOBUFS to a write, which BSD gives for a while, lets it be made anew", function()
    run("sendto:error=ENOBUFS:when=3", [[
      assert(r.ws:send "hello")
      assert(r.ws:buffered() > 0)
      assert(r:wait_message().data == "hello")
      r.ws:close()
      assert(r:wait_close().info.clean)
    ]])
  end)

  it("EPIPE to a write ends the connection, when there is nothing left to read", function()
    run("sendto:error=EPIPE:when=3", [[
      assert(r.ws:send "hello")
      assert(r.ws:timeout() == 0)
      assert(not r.ws:update())
      closed_by("reset", "connection reset by 127.0.0.1 port %d")
      assert(r.closes[1].info.undelivered == 5)
    ]])
  end)

  it("EPIPE to a write does not keep the client from what the peer said before", function()
    run("sendto:error=EPIPE:when=4", [[
      server.connections[1].socket:send "\129\2hi"
      assert(r.ws:send "hello")
      assert(r.ws:timeout() == 0)
      assert(r.ws:update() or r.messages[1])
      closed_by("reset", "connection reset by 127.0.0.1 port %d")
      assert(r.messages[1].data == "hi")
    ]])
  end)

  for number, case in pairs {
    ETIMEDOUT = { "timeout", "the connection to 127.0.0.1 port %d timed out" },
    EHOSTUNREACH = { "unreachable", "the route to 127.0.0.1 port %d was lost" },
  } do
    it(number .. " to a write ends the connection with its own name", function()
      run(("sendto:error=%s:when=3"):format(number), ([[
        assert(r.ws:send "hello")
        closed_by(%q, %q)
      ]]):format(case[1], case[2]))
    end)
  end
end)
