-- A loop of the program's own, by pollfd, events and timeout.

local hosts = require "support.hosts"
local process = require "support.process"

describe("a select of the program's own by pollfd, events and timeout", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it(hosts.promise, function()
    local host = hosts.start("lua5.4", { "lua5.4", "spec/support/hosts/poll.lua" })
    host:play()
    host.program:tell "end"
    host:went_away()
  end)

  it("calls timers", function()
    local command = { "WSCLOSE_CASE=timers", "lua5.4", "spec/support/hosts/poll.lua" }
    hosts.start("lua5.4", command).program:expect "^ALONE 3 1000$"
  end)
end)
