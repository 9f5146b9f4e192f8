-- One TCP or unix socket: how it is made, what it binds to, how it ends.
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

-- luasocket 3.0.0 has streams in a table, as later ones; before it was the constructor itself.

local function stalling(c)
  c:upgrade()
  c:stall()
end

local function fault_of(url, options)
  local came = recorder.new(url, options):wait_close()
  assert.equal(1006, came.code)
  assert.equal("tcp", came.info.error.phase)
  return came.info.error.name, came.info.error.message
end

describe("a TCP socket", function()
  after_each(network.close_all)

  it("never blocks, and is closed when another program is run", function()
    local server = scripted.new { accept = false, stalling }
    local before = network.descriptors()
    local r = recorder.new(server:url())
    r.ws:update()
    local added = network.added(before, network.descriptors())
    assert.equal(1, #added)
    assert.same({ nonblocking = true, close_on_exec = true }, network.flags(added[1]))
  end)

  it("that meets itself is nobody's answer", function()
    local port = scripted.refused_port()
    scripted.close_all() -- it is free now
    local ok, sentence, name = testing.net.connect("127.0.0.1", port, "127.0.0.1", port)
    assert.is_nil(ok)
    assert.equal("refused", name)
    assert.equal(("connection refused by 127.0.0.1 port %d"):format(port), sentence)
  end)

  -- What the kernel is asked for, in the words of strace.
  local function options_set(options)
    local result = network.trace(([[
      local scripted = require "support.scripted_server"
      local wsclose = require "wsclose"
      local server = scripted.new(function(c) c:stall() end)
      local ws = wsclose.new(server:url(), %s)
      io.open("/dev/null"):close()
      ws:update()
      io.open("/dev/null"):close()
    ]]):format(options or "nil"))
    assert(result.ok, result.output)
    local set, inside = {}, false
    for _, call in ipairs(network.calls(result.traces[1])) do
      if call.arguments:match '"/dev/null"' then
        inside = not inside
      elseif inside and call.name == "setsockopt" then
        set[#set + 1] = call.arguments:match "^%d+, (.-), %[1%]"
      end
    end
    table.sort(set)
    return table.concat(set, "; ")
  end

  it("sends small segments at once, and asks the kernel to look after a silent peer", function()
    assert.equal("SOL_SOCKET, SO_KEEPALIVE; SOL_TCP, TCP_NODELAY", options_set())
  end)

  it("waits for more to send with nodelay = false", function()
    assert.equal("SOL_SOCKET, SO_KEEPALIVE", options_set "{ nodelay = false }")
  end)

  it("bound to an address does not claim a port before it connects", function()
    local set = options_set '{ bind = "127.0.0.3" }'
    assert.matches("SOL_IP, IP_BIND_ADDRESS_NO_PORT", set, 1, true)
  end)
end)

describe("what lies unread in a socket that is closed", function()
  after_each(network.close_all)

  -- strace lets every read find 4 KiB more, which are no answer to a handshake.
  it("is thrown away, 256 KiB of it at most", function()
    local result = network.trace([[
      local listener = assert(require "socket".bind("127.0.0.1", 0))
      local _, port = listener:getsockname()
      print(select(2, require "wsclose".new(("ws://127.0.0.1:%d/"):format(port)):run()))
    ]], "-e inject=recvfrom:retval=4096")
    assert.is_true(result.ok, result.output)
    local reads, ended = 0, false
    for _, call in ipairs(network.calls(result.traces[1])) do
      if call.name == "shutdown" then ended = true end
      if call.name == "recvfrom" and ended then reads = reads + 1 end
    end
    assert.equal(64, reads)
  end)
end)

describe("the option bind", function()
  after_each(network.close_all)

  for host, locals in pairs {
    ["127.0.0.1"] = { "127.0.0.1", "127.0.0.3" },
    ["::1"] = { "::1" },
  } do
    for _, address in ipairs(locals) do
      it("makes connections come from " .. address .. " to " .. host, function()
        local server = scripted.new { host = host, stalling }
        local r = recorder.new(server:url(), { bind = address }, server)
        r:wait_open()
        assert.equal(address, (server.connections[1].socket:getpeername()))
      end)
    end
  end

  for address, case in pairs {
    -- TEST-NET-3, RFC 5737: nobody has it
    ["203.0.113.9"] = {
      "127.0.0.1",
      "cannot bind to the local address 203.0.113.9: Cannot assign requested address",
    },
    ["::1"] = { "127.0.0.1", "127.0.0.1 has no IPv6 address" },
    ["127.0.0.1"] = { "[::1]", "::1 has no IPv4 address" },
    localhost = { "127.0.0.1", 'bind: "localhost" is not a numeric address' },
  } do
    it("with " .. address .. " to " .. case[1] .. " ends the attempt with a sentence", function()
      local name, message = fault_of(("ws://%s:1/"):format(case[1]), { bind = address })
      assert.equal("unreachable", name)
      assert.equal(case[2], message)
    end)
  end
end)

describe("an address that cannot be reached", function()
  after_each(network.close_all)

  it("ends the attempt at once where no route leads", function()
    local name, message = fault_of "ws://224.0.0.1:1/"
    assert.equal("unreachable", name)
    assert.equal("no route to 224.0.0.1 port 1", message)
  end)

  it("does so when the system has no descriptor left for it", function()
    local result = network.trace([[
      local _, _, info = require "wsclose".new("ws://127.0.0.1:1/"):run()
      print(info.error.name, info.error.phase, info.error.message)
    ]], "-e inject=socket:error=EMFILE")
    assert.equal("unreachable\ttcp\tcannot connect to 127.0.0.1 port 1: Too many open files\n",
      result.output)
  end)
end)

describe("a unix socket", function()
  after_each(network.close_all)

  it("is reached by its path, and the request asks for the resource behind it", function()
    local path = network.unix_path()
    local server = network.unix_server(path, function(c)
      c:upgrade()
      c:echo()
    end)
    local r = recorder.new("ws+unix://" .. path .. ":/feed?a=b", { trace = true }, server)
    local info = r:wait_open()
    assert.same({ path, 0, 0 }, { info.address, info.port, info.family })
    local request = server.connections[1].request
    assert.equal("/feed?a=b", request.target)
    assert.equal("localhost", request.headers.host)
    r.ws:send "hello"
    assert.equal("hello", r:wait_message().data)
    r.ws:close()
    local came = r:wait_close()
    assert.equal(1000, came.code)
    assert.is_true(came.info.clean)
  end)

  it("needs no lookup, and minds neither bind nor family nor a proxy", function()
    local path = network.unix_path()
    local server = network.unix_server(path, stalling)
    local r = recorder.new("ws+unix://" .. path,
      { bind = "203.0.113.9", family = 6, proxy = "http://127.0.0.1:1" }, server)
    assert.equal(path, r:wait_open().address)
    assert.equal(1, network.threads())
  end)

  it("that is not there ends the attempt with a sentence", function()
    local path = network.unix_path()
    local name, message = fault_of("ws+unix://" .. path)
    assert.equal("unreachable", name)
    assert.equal("there is no socket at " .. path, message)
  end)

  it("that nobody listens at refuses", function()
    local path = network.unix_path()
    local held = assert(network.unix_stream())
    assert(held:bind(path))
    local name, message = fault_of("ws+unix://" .. path)
    held:close()
    assert.equal("refused", name)
    assert.equal("connection refused by " .. path, message)
  end)

  it("whose queue is full refuses, and says why", function()
    local path = network.unix_path()
    local listener, fillers = assert(network.unix_stream()), {}
    assert(listener:bind(path))
    assert(listener:listen(0))
    repeat
      local filler = assert(network.unix_stream())
      filler:settimeout(0)
      fillers[#fillers + 1] = filler
    until not filler:connect(path) or #fillers > 10
    local name, message = fault_of("ws+unix://" .. path)
    for _, each in ipairs(fillers) do
      each:close()
    end
    listener:close()
    assert.equal("refused", name)
    assert.equal("connection refused by " .. path .. ": its queue is full", message)
  end)

  it("whose path is too long for the system ends the attempt", function()
    local path = "/" .. ("a"):rep(108)
    local fault = recorder.new("ws+unix://" .. path):wait_close().info.error
    assert.equal("url", fault.name)
    assert.equal("the path of the unix socket is too long for this system", fault.message)
  end)
end)

-- The kernel's answers are put in by strace: half of all calls are interrupted.
describe("system calls that a signal interrupts", function()
  for _, call in ipairs { "recvfrom", "sendto" } do
    it("are made anew: " .. call, function()
      local result = network.trace([[
        local recorder = require "support.recorder"
        local scripted = require "support.scripted_server"
        local server = scripted.new(function(c) c:upgrade() c:echo() end)
        local r = recorder.new(server:url(), nil, server)
        r:wait_open()
        for i = 1, 5 do
          r.ws:send(("x"):rep(i))
          assert(r:wait_message().data == ("x"):rep(i))
        end
        r.ws:close()
        assert(r:wait_close().info.clean)
      ]], ("-e inject=%s:error=EINTR:when=1+2"):format(call))
      assert.is_true(result.ok, result.output)
      assert.is_true(network.has_failed(result.traces[1], call, "EINTR"))
    end)
  end
end)
