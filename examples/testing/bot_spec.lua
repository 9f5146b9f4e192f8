-- How the bot takes what a network can do: no server, no socket, no second of waiting.
--
--     make test SPEC=examples/testing      or, where wsclose is installed: busted examples/testing

local Bot = require "examples.testing.bot"
local testing = require "wsclose.testing"

local WITH_DEFLATE = { extensions = "permessage-deflate" }

describe("the bot", function()
  local server, tokens

  local function start()
    return Bot.new(function()
      tokens = tokens + 1
      return "token-" .. tokens
    end)
  end

  before_each(function()
    server, tokens = testing.server "wss://feed.example/v1", 0
  end)

  after_each(testing.reset)

  it("subscribes and follows prices", function()
    server:accept(WITH_DEFLATE):expect("subscribe BTC"):send "BTC 100"
    local bot = start()
    testing.run(function() return bot.prices.BTC == 100 end)
    assert.is_true(bot.online)
    server:assert_done()
  end)

  it("comes back after a restart (1001) and subscribes again", function()
    server:accept(WITH_DEFLATE):expect("subscribe BTC"):close(1001, "restart")
    server:accept(WITH_DEFLATE):expect("subscribe BTC"):send "BTC 101"
    local bot = start()
    testing.run(function() return bot.prices.BTC == 101 end)
    assert.equal(2.5, testing.clock():now()) -- the middle of the 0 to 5 s after a 1001
  end)

  it("keeps an order while the connection is lost (1006)", function()
    server:accept(WITH_DEFLATE):expect("subscribe BTC"):drop()
    server:accept(WITH_DEFLATE):expect("subscribe BTC"):expect "sell BTC"
    local bot = start()
    testing.run(bot.ws, "waiting")
    assert.is_false(bot.online)
    bot:sell "BTC"
    testing.run(bot.ws, "open")
    server:assert_done()
  end)

  it("gives up where the server has no compression (1010), and says why", function()
    server:accept():expect_close(1010, "permessage-deflate")
    local bot = start()
    testing.run(bot.ws, "closed")
    assert.matches("switch it on at the server", bot.gave_up)
    server:assert_done()
  end)

  it("fetches a new token when the old one is refused (401)", function()
    server:refuse(401):accept(WITH_DEFLATE)
    local bot = start()
    testing.run(bot.ws, "open")
    assert.equal("Bearer token-2", server.current.request.headers.authorization)
  end)

  it("waits as long as a busy server asks (503, Retry-After)", function()
    server:refuse(503, { ["Retry-After"] = 30 }):accept(WITH_DEFLATE)
    local bot = start()
    testing.run(bot.ws, "open")
    assert.equal(45, testing.clock():now()) -- the middle of 30 to 60 s
  end)

  it("notices a server that has fallen silent", function()
    server:accept(WITH_DEFLATE):silence():expect_ping()
    server:accept(WITH_DEFLATE)
    local bot = start()
    testing.run(bot.ws, "waiting")
    assert.equal("ping_timeout", bot.ws.close_info.error.name)
    testing.run(bot.ws, "open")
  end)

  it("reads a price that arrives byte by byte", function()
    server:accept(WITH_DEFLATE):slow(1, 0.2):send "BTC 102"
    local bot = start()
    testing.run(function() return bot.prices.BTC == 102 end)
  end)

  it("says goodbye when it is stopped", function()
    server:accept(WITH_DEFLATE)
    local bot = start()
    testing.run(bot.ws, "open")
    bot:stop()
    server:expect_close(1000, "stopped")
    testing.run(bot.ws, "closed")
    server:assert_done()
  end)
end)
