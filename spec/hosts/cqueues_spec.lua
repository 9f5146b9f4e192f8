-- wsclose.cqueues, and the client polled by cqueues as it is.

local hosts = require "support.hosts"
local process = require "support.process"

local function start(case)
  local program = "spec/support/hosts/cqueues.lua"
  return hosts.start("lua5.4", { "WSCLOSE_CASE=" .. case, "lua5.4", program })
end

describe("wsclose.cqueues", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it("connects over TLS, echoes, comes back after 1001, names 1010 and closes; 1001 when the host "
    .. "ends", function()
    local host = start "scenario"
    host:play()
    host.program:tell "end"
    host:went_away()
  end)

  it("waits in coroutines", function()
    local host = start "coroutines"
    host.program:expect "^100 MESSAGES$"
    host.program:expect "^THEN nil done 1000$"
    host.program:expect "^CONNECT nil refused$"
  end)

  it("wakes who waits for the next attempt when another coroutine closes", function()
    start("wake").program:expect "^STOPPED closed$"
  end)
end)

describe("a client", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it("is pollable by cqueues as it is", function()
    local host = start "pollable"
    host.program:expect "^ECHO hello$"
    host.program:expect "^CLOSED$"
  end)
end)
