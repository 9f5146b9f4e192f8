-- Debian's Tarantool, by socket.iowait on pollfd.

local hosts = require "support.hosts"
local pages = require "support.pages"
local process = require "support.process"

local function start(case)
  return hosts.start("luajit", {
    "WSCLOSE_CASE=" .. case, "tarantool", "spec/support/hosts/tarantool.lua",
  })
end

describe("Tarantool", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it(hosts.promise, function()
    start("scenario"):play_to "end"
  end)

  it("waits in fibers", function()
    start("straight"):straight()
  end)

  it("wakes who waits for the next attempt when another fiber closes", function()
    start("wake"):wakes()
  end)

  it("calls timers, whichever fiber set them", function()
    start("timers"):timers()
  end)

  it("keeps the order where a handler yields and another fiber sends", function()
    local told = start("yields").program:expect "^GOT.*"
    assert.equal("GOT 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20, CLOSE 1000", told)
  end)

  it(pages.promise .. ", and says 1001 as Tarantool ends", function()
    local page = pages.start("tarantool", { "tarantool", "{}" }, { lua = "luajit" })
    page:comes_back "^text%s+hello$"
    page.program:stop()
    page.server:expect "^page CLOSED 1001"
  end)
end)
