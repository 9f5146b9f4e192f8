-- wsclose.love in Debian's LÖVE, without a window.

local hosts = require "support.hosts"
local process = require "support.process"

local function start(case)
  return hosts.start("luajit", { "WSCLOSE_CASE=" .. case, "love", "spec/support/hosts/love" })
end

describe("wsclose.love", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  for _, way in ipairs { "quit", "restart" } do
    it(hosts.promise .. ", told to " .. way, function()
      local host = start "scenario"
      host:play()
      host.program:tell(way)
      host:went_away()
    end)
  end

  it("waits in coroutines, over frames", function()
    start("straight"):straight()
  end)

  it("wakes who waits for the next attempt when another coroutine closes", function()
    start("wake").program:expect "^STOPPED closed$"
  end)

  it("spreads a burst over frames, and loses nothing to an error in a callback", function()
    local host = start "budget"
    assert.equal("MOST 7 ERRORS 1 OTHER true", host.program:expect "^MOST.*")
  end)

  it("gives each client a budget, unless its options name another", function()
    start("defaults").program:expect "^DEFAULT 1000 0.001 GIVEN 1000 0.5$"
  end)
end)
