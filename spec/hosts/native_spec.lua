-- examples/native: a C program on wsclose.h alone.

local hosts = require "support.hosts"
local process = require "support.process"

local function start(server, words)
  local command = { "env", "SSL_CERT_FILE=" .. hosts.certificates().ca, portless = true }
  for _, word in ipairs(words) do command[#command + 1] = word end
  command[#command + 1] = ("wss://localhost:%d/?id=native"):format(server.port)
  return process.start(command)
end

describe("the native program", function()
  setup(function()
    assert(process.run { "sh", "-c", "make -C examples/native CFLAGS=-O1 >/dev/null" })
  end)
  after_each(process.stop_all)
  teardown(hosts.stop)

  it("connects over TLS, echoes, comes back after 1001, and says 1001 when it ends", function()
    local server = hosts.server()
    local program = start(server, { "build/native/native", "--retry", "0.05" })
    program:expect "^open$"
    program:tell "one"
    program:expect "^text one$"
    server:tell "restart back soon"
    program:expect "^close 1001 back soon by peer, again in "
    program:expect "^open$"
    program:tell "two"
    program:expect "^text two$"
    server:expect "^native CLOSED 1001 back soon$"
    program:stop()
    server:expect "^native CLOSED 1001 ?$"
  end)

  it("ends with 1010 where a server lacks the extension that it requires", function()
    local server = hosts.server()
    local program = start(server, { "build/native/native", "--require", "permessage-deflate" })
    program:expect "^close 1010 permessage%-deflate by client.* for good$"
    server:expect "^native CLOSED 1010 permessage%-deflate$"
  end)

  it("closes with 1000 at the end of its input", function()
    local server = hosts.server()
    local program = start(server, { "sh", "-c", "echo one | build/native/native \"$1\"", "sh" })
    program:expect "^open$"
    program:expect "^close 1000 done by client, for good$"
    server:expect "^native CLOSED 1000 done$"
  end)
end)
