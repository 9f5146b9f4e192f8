-- A server may ask for new keys (TLS 1.3) whenever it likes, and is owed an answer each time.
local acknowledge = require("wsclose.core_testing").process.acknowledge -- or the next waits for it
local certificates = require "support.certificates"
local handshake = require "support.scripted.handshake"
local loopback = require "support.loopback"
local network = require "support.network"
local process = require "support.process"
local socket = require "socket"
local way = require "support.way"

local FRAME = "\129\1" -- and the end of the line, which s_server sends as well
local ASKED_MAX = 4000
local MEGABYTE = 1024 * 1024

local function connect(port, server)
  local one = port and assert(socket.connect("127.0.0.1", port)) or server:accept()
  one:settimeout(0)
  one:setoption("tcp-nodelay", true)
  return one
end

local function read(from)
  local bytes, _, partial = from:receive(MEGABYTE)
  acknowledge(from:getfd())
  return bytes or partial
end

describe("a server that asks for new keys and reads nothing", function()
  after_each(network.close_all)
  after_each(process.stop_all)

  it("is not read any further before it takes the answers", function()
    local made = certificates.shared()
    local server = way.s_server(made.good, "-tls1_3")
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local r = way.client(("wss://feed.example:%d/"):format(port), { tls = { ca_file = made.ca } })
    r.ws:update()
    local near, far = connect(nil, listener), connect(server.port)
    local function pass_on(from, to)
      local bytes = read(from)
      if bytes ~= "" then assert(to:send(bytes)) end
      return #bytes
    end
    local key
    r:wait(function()
      pass_on(near, far)
      pass_on(far, near)
      key = key or server:look "^Sec%-WebSocket%-Key: (%S+)"
      return key
    end)
    server:tell((handshake.answer({ key = key }):gsub("\n$", "")))
    r:wait(function()
      pass_on(far, near)
      return r.ws:state() == "open"
    end)

    r.ws:send(("x"):rep(12 * MEGABYTE)) -- more than the kernel takes
    local sent, passed = 0
    local function say(line, size) -- of its record: a head, what is said, its type and a tag
      server:tell(line)
      network.wait(function()
        size = size - pass_on(far, near)
        return size == 0
      end, "what the server says")
    end
    repeat
      say(FRAME, 5 + 3 + 1 + 16)
      say("K", 5 + 5 + 1 + 16)
      server:expect "SSL_do_handshake %-> 1$"
      loopback.settle()
      sent = sent + 1
      for _ = 1, 3 do r.ws:update() end -- that of a record without data may end early
      passed = #r.messages == sent
    until not passed or sent == ASKED_MAX
    assert.is_false(passed)
    assert.is_true(sent > 1000)
    r:wait(function() -- what it says goes nowhere, and nobody misses it
      read(near)
      return #r.messages == sent
    end)
    r.ws:leave()
  end)
end)
