-- wsclose.copas with Debian's copas, under Lua 5.1, for which Debian has it.

local hosts = require "support.hosts"
local process = require "support.process"

local function start(case)
  local program = "spec/support/hosts/copas.lua"
  return hosts.start("lua5.1", { "WSCLOSE_CASE=" .. case, "lua5.1", program })
end

describe("wsclose.copas", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it("connects over TLS, echoes, comes back after 1001, names 1010 and closes; 1001 when the host "
    .. "ends", function()
    local host = start "scenario"
    host:play()
    host.program:tell "end"
    host:went_away()
  end)

  it("waits in copas' threads", function()
    local host = start "coroutines"
    host.program:expect "^100 MESSAGES$"
    host.program:expect "^THEN nil done 1000$"
    host.program:expect "^CONNECT nil refused$"
  end)

  it("wakes who waits for the next attempt when another thread closes", function()
    start("wake").program:expect "^STOPPED closed$"
  end)
end)
