-- wsclose.copas with Debian's copas, under the Luas for which Debian has it.

local hosts = require "support.hosts"
local process = require "support.process"

for _, lua in ipairs { "lua5.1", "lua5.2" } do
  local function start(case)
    return hosts.start(lua, { "WSCLOSE_CASE=" .. case, lua, "spec/support/hosts/copas.lua" })
  end

  describe("wsclose.copas under " .. lua, function()
    after_each(process.stop_all)
    teardown(hosts.stop)

    it(hosts.promise, function()
      start("scenario"):play_to "end"
    end)

    it("waits in copas' threads", function()
      start("straight"):straight()
    end)

    it("waits for pieces of a message", function()
      start("pieces"):pieces()
    end)

    it("wakes who waits for the next attempt when another thread closes", function()
      start("wake"):wakes()
    end)

    it("calls timers, whoever set them", function()
      start("timers"):timers()
    end)
  end)
end
