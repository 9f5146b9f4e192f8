local retry = require "wsclose.retry"
local shared = require "wsclose.shared"
local wsclose = require "wsclose"

local function settings_of(options)
  return wsclose.new("ws://a.example/", options)._settings
end

describe("settings", function()
  it("of clients that were told alike are one table", function()
    local function told()
      return {
        protocols = { "a", "b" }, limits = { message = 100 }, extensions = { x = { y = 1 } },
        timeouts = { connect = 3 }, on_message = function() end,
      }
    end
    local first, second = settings_of(told()), settings_of(told())
    assert.equal(first, second)
    assert.same({ "a", "b" }, second.config.protocols)
    assert.equal(settings_of(), settings_of {})
  end)

  for name, case in pairs {
    ["a value"] = { { limits = { message = 100 } }, { limits = { message = 101 } } },
    ["a value more"] = { { limits = { message = 1 } }, { limits = { message = 1, frame = 1 } } },
    ["a value less"] = { { limits = { message = 1, frame = 1 } }, { limits = { message = 1 } } },
    ["the order of a list"] = { { protocols = { "a", "b" } }, { protocols = { "b", "a" } } },
    ["a function"] = {
      { random_bytes = function(n) return ("a"):rep(n) end },
      { random_bytes = function(n) return ("b"):rep(n) end },
    },
  } do
    it("that differ by " .. name .. " are two", function()
      assert.are_not.equal(settings_of(case[1]), settings_of(case[2]))
    end)
  end

  it("with a retry policy are each client's own, but for what the core reads", function()
    local a, b = settings_of { retry = true }, settings_of { retry = true }
    assert.are_not.equal(a.retry, b.retry)
    assert.equal(a.config, b.config)
    local policy = retry.new {}
    assert.equal(settings_of { retry = policy }.retry, settings_of { retry = policy }.retry)
  end)

  it("leave callbacks to each client", function()
    local on_open = function() end
    local a = wsclose.new("ws://a.example/", { on_open = on_open })
    local b = wsclose.new("ws://a.example/", {})
    assert.equal(a._settings, b._settings)
    assert.equal(on_open, a.on_open)
    assert.is_nil(b.on_open)
    assert.is_nil(a._settings.callbacks)
  end)

  it("that nobody has any more are let go", function()
    local gone = setmetatable({}, { __mode = "k" })
    gone[shared.settings { config = { family = 4, bind = "192.0.2.77" } }] = true
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(gone))
  end)

  it("beyond the eighth kind are still right", function()
    for round = 1, 2 do -- luacheck: ignore 213
      for i = 1, 20 do
        assert.equal(i, settings_of { limits = { message = i } }.config.limits.message)
      end
    end
  end)
end)
