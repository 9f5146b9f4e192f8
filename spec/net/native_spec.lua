-- What wsclose.h offers to programs in C and Lua never calls. A whole program: examples/native, in
-- spec/hosts/native_spec.lua.

local certificates = require "support.certificates"
local peers = require "support.peers"
local process = require "support.process"
local socket = require "socket"
local testing = require "wsclose.core_testing"

local native = testing.native

describe("a program in C", function()
  local made, server

  setup(function()
    made = certificates.shared()
    server = peers.everything(made)
  end)
  teardown(process.stop_all)

  -- The client is added twice, with another `user` the second time, and taken out twice.
  local WHOLE = "count:1 open message:hello close:1000 count:0"

  it("leads a client through its life in a loop, turn by turn", function()
    assert.equal(WHOLE, native.talk(("ws://127.0.0.1:%d/echo"):format(server.port)))
  end)

  it("needs no cache for TLS", function()
    assert.equal(WHOLE, native.talk(("wss://localhost:%d/echo"):format(server.port), made.ca))
  end)

  it("may ask a client that has not begun, and free what is NULL", function()
    assert.equal("none never", native.nothing())
  end)

  it("that closes while it connects is told at once, and need not flush", function()
    local listener = assert(socket.bind("127.0.0.1", 0)) -- and TLS is never answered
    local _, port = listener:getsockname()
    assert.equal("due close:1006", native.close_early(("wss://127.0.0.1:%d/"):format(port)))
    listener:close()
  end)
end)
