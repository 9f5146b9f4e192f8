-- wsclose.luv under the plain interpreter with luv, and in Neovim.

local hosts = require "support.hosts"
local process = require "support.process"

local PROGRAM = "spec/support/hosts/luv.lua"

local function under(lua)
  return function(case) return hosts.start(lua, { "WSCLOSE_CASE=" .. case, lua, PROGRAM }) end
end

local function neovim(case)
  return hosts.start("luajit", {
    "WSCLOSE_CASE=" .. case, "nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n",
    "-c", "luafile " .. PROGRAM,
  })
end

for _, way in ipairs {
  { "under lua5.1", under "lua5.1" }, { "under lua5.4", under "lua5.4" }, { "in Neovim", neovim },
} do
  local start = way[2]

  describe("wsclose.luv " .. way[1], function()
    after_each(process.stop_all)
    teardown(hosts.stop)

    it(hosts.promise, function()
      start("scenario"):play_to "end"
    end)

    it("waits in coroutines, and says so where there is none", function()
      local host = start "straight"
      host.program:expect "^MAIN false .*has to run in a coroutine"
      host:straight()
    end)

    it("looks now and then where no descriptor tells of a client's work", function()
      local host = start "blind"
      host.program:expect "^MAIN false"
      host:straight()
    end)

    it("waits for pieces of a message", function()
      start("pieces"):pieces()
    end)

    it("wakes who waits for the next attempt when another coroutine closes", function()
      start("wake"):wakes()
    end)

    it("calls timers, whoever set them, also those of a client that nobody waits for", function()
      start("timers"):timers(true)
    end)
  end)
end

describe("500 clients on one luv loop", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it("open over TLS, echo and close", function()
    local host = under "lua5.4" "many"
    host.program:expect "^ALL OPEN$"
    host.program:expect "^ALL ECHOED$"
    host.program:expect "^ALL CLOSED$"
  end)
end)
