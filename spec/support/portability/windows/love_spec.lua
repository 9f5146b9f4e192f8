-- examples/love as LÖVE plays it, a frame after the other, in a LuaJIT for Windows: there is no
-- love.exe here.  Its clock and its server are the spec's.
local network = require "support.network"
local scripted = require "support.scripted_server"

describe("the example for LÖVE", function()
  local new = require("wsclose.love").new
  local getenv = os.getenv

  after_each(function()
    require("wsclose.love").new = new
    os.getenv = getenv -- luacheck: ignore 122
    _G.love = nil -- luacheck: globals love
    scripted.close_all()
  end)

  it("talks, is told of 1001 and comes back, and no frame waits", function()
    local time, clock = network.new_clock()
    local server = scripted.new {
      function(c)
        c:upgrade()
        c:expect("text", "hello")
        c:send_text "welcome"
        c:close_session(1001, "restarting")
      end,
      function(c)
        c:upgrade()
        c:expect("text", "hello")
        c:send_text "welcome back"
        c:stall()
      end,
    }
    require("wsclose.love").new = function(url, options)
      options.clock = clock
      return new(url, options)
    end
    os.getenv = function(name) -- luacheck: ignore 122
      return name == "WSCLOSE_FEED" and server:url() or getenv(name)
    end
    local shown = ""
    _G.love = {
      timer = { getTime = clock },
      graphics = { print = function(text) shown = text end },
    }
    local print = _G.print
    _G.print = function() end -- luacheck: ignore 121
    local ok, fault = pcall(function()
      dofile "examples/love/main.lua"
      _G.love.load()
      local give_up_at = require("socket").gettime() + network.patience
      repeat
        _G.love.update()
        _G.love.draw()
        server:step()
        if shown:find ": waiting\n" then time.now = time.now + 60 end
        assert(require("socket").gettime() < give_up_at, shown)
      until shown:find "welcome back"
      require("wsclose.love").leave()
    end)
    _G.print = print -- luacheck: ignore 121
    assert(ok, fault)
    assert.matches('> welcome\n.*closed by the peer: 1001 GOING_AWAY "restarting"', shown)
  end)
end)
