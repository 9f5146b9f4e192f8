-- wsclose.love in Debian's LÖVE, without a window.

local hosts = require "support.hosts"
local process = require "support.process"
local sources = require "support.sources"

local function start(case)
  return hosts.start("luajit", { "WSCLOSE_CASE=" .. case, "love", "spec/support/hosts/love" })
end

describe("wsclose.love", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  for _, way in ipairs { "quit", "restart" } do
    it(hosts.promise .. ", told to " .. way, function()
      start("scenario"):play_to(way)
    end)
  end

  it("waits in coroutines, over frames", function()
    start("straight"):straight()
  end)

  it("wakes who waits for the next attempt when another coroutine closes", function()
    start("wake"):wakes()
  end)

  it("calls timers, whoever set them, also those of a client that nobody waits for", function()
    start("timers"):timers(true)
  end)

  it("spreads a burst over frames, and loses nothing to an error in a callback", function()
    local host = start "budget"
    assert.equal("MOST 7 ERRORS 1 OTHER true", host.program:expect "^MOST.*")
  end)

  it("gives each client a budget, unless its options name another", function()
    start("defaults").program:expect "^DEFAULT 1000 0.001 GIVEN 1000 0.5$"
  end)

  -- LÖVE is told of no other place than docs/hosts/love.md says.
  for _, case in ipairs {
    { "a folder", core = "game", game = "game" },
    { "a .love, with core.so beside it", core = ".", game = "game.love" },
  } do
    it("finds the C module where the game is " .. case[1], function()
      local folder = hosts.certificates().folder .. "/love"
      local line = sources.read("docs/hosts/love.md"):match "\n(package%.cpath = [^\n]+)\n"
      local main = line .. "\n" .. [[print(require("wsclose.love")._VERSION) os.exit(0)]]
      local lay = [[set -e; rm -rf "$1"; mkdir -p "$1/$3/wsclose" "$1/game"
        cp -r lua/wsclose spec/support/hosts/love/conf.lua "$1/game"
        printf %s "$2" >"$1/game/main.lua"
        (cd "$1/game" && /usr/bin/python3 -m zipfile -c ../game.love *)
        cp "$4/luajit/wsclose/core.so" "$1/$3/wsclose"]]
      local build = os.getenv "WSCLOSE_BUILD" or "build"
      assert(process.run { "sh", "-c", lay, "lay", folder, main, case.core, build })
      local program = process.start {
        "env", "-u", "LUA_PATH", "-u", "LUA_CPATH", "love", folder .. "/" .. case.game,
        portless = true,
      }
      program:expect "^wsclose %d"
    end)
  end
end)
