-- wsclose.cqueues, and the client polled by cqueues as it is.

local hosts = require "support.hosts"
local process = require "support.process"

for _, lua in ipairs { "lua5.1", "lua5.4" } do
  local function start(case)
    return hosts.start(lua, { "WSCLOSE_CASE=" .. case, lua, "spec/support/hosts/cqueues.lua" })
  end

  describe("wsclose.cqueues under " .. lua, function()
    after_each(process.stop_all)
    teardown(hosts.stop)

    it(hosts.promise, function()
      start("scenario"):play_to "end"
    end)

    it("waits in coroutines", function()
      start("straight"):straight()
    end)

    it("waits for pieces of a message", function()
      start("pieces"):pieces()
    end)

    it("wakes who waits for the next attempt when another coroutine closes", function()
      start("wake"):wakes()
    end)

    it("calls timers, whoever set them", function()
      start("timers"):timers()
    end)

    it("is not needed where a client is polled as it is", function()
      local host = start "pollable"
      host.program:expect "^ECHO hello$"
      host.program:expect "^CLOSED$"
    end)
  end)
end
