-- wsclose.luv under the plain interpreter with luv, and in Neovim.

local hosts = require "support.hosts"
local process = require "support.process"

local PROGRAM = "spec/support/hosts/luv.lua"

local function luv(case)
  return hosts.start("lua5.4", { "WSCLOSE_CASE=" .. case, "lua5.4", PROGRAM })
end

local function neovim(case)
  return hosts.start("luajit", {
    "WSCLOSE_CASE=" .. case, "nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n",
    "-c", "luafile " .. PROGRAM,
  })
end

for name, start in pairs { luv = luv, Neovim = neovim } do
  describe("wsclose.luv in " .. name, function()
    after_each(process.stop_all)
    teardown(hosts.stop)

    it("connects over TLS, echoes, comes back after 1001, names 1010 and closes; 1001 when the "
      .. "host ends", function()
      local host = start "scenario"
      host:play()
      host.program:tell "end"
      host:went_away()
    end)

    it("waits in coroutines, and says so where there is none", function()
      local host = start "coroutines"
      host.program:expect "^MAIN false .*has to run in a coroutine"
      host.program:expect "^100 MESSAGES$"
      host.program:expect "^THEN nil done 1000$"
      host.program:expect "^CONNECT nil refused$"
    end)
  end)
end

describe("500 clients on one luv loop", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it("open over TLS, echo and close", function()
    local host = luv "many"
    host.program:expect "^ALL OPEN$"
    host.program:expect "^ALL ECHOED$"
    host.program:expect "^ALL CLOSED$"
  end)
end)
