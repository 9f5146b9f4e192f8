-- A loop of the program's own, by pollfd, events and timeout.

local hosts = require "support.hosts"
local process = require "support.process"

describe("pollfd, events and timeout in a select of the program's own", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it("connect over TLS, echo, come back after 1001, name 1010 and close; 1001 when the program "
    .. "ends", function()
    local host = hosts.start("lua5.4", { "lua5.4", "spec/support/hosts/poll.lua" })
    host:play()
    host.program:tell "end"
    host:went_away()
  end)
end)
