-- Debian's HAProxy, by update and core.msleep.

local hosts = require "support.hosts"
local pages = require "support.pages"
local process = require "support.process"

local function command(file)
  return { "WSCLOSE_FILE=" .. file, "haproxy", "-db", "-f", "spec/support/hosts/haproxy.cfg" }
end

local function start(case)
  local words = command "spec/support/hosts/haproxy.lua"
  table.insert(words, 1, "WSCLOSE_CASE=" .. case)
  return hosts.start("lua5.3", words)
end

describe("HAProxy", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it(hosts.promise, function()
    local host = start "scenario"
    local pid = host.program:expect "^PID (%d+)$"
    host:play()
    assert(process.run { "kill", "-USR1", pid })
    host:went_away()
  end)

  it("waits in tasks", function()
    start("straight"):straight()
  end)

  it("wakes who waits for the next attempt when another task closes", function()
    start("wake"):wakes()
  end)

  it("calls timers, whichever task set them", function()
    local host = start "timers"
    host.program:expect "^PID"
    host:timers()
  end)

  it("loses nothing where it takes the processor from a handler, or that sleeps", function()
    local told = start("busy").program:expect "^GOT.*"
    assert.equal("GOT 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20, CLOSE 1000", told)
  end)

  for block, how in ipairs { "straight down", "by callbacks" } do
    it(pages.promise .. ", " .. how, function()
      pages.start("haproxy", command "{}", {
        lua = "lua5.3", block = block,
      }):comes_back "^text%s+hello$"
    end)
  end
end)
