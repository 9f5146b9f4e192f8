local retry = require "wsclose.retry"
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

  it("are read anew when the program has changed its table, at any depth", function()
    local given = { limits = { message = 1 }, headers = { on_message = "a" } }
    local first = settings_of(given)
    assert.equal(first, settings_of(given))
    given.limits.message = 2
    assert.equal(2, settings_of(given).config.limits.message)
    given.headers.on_message = nil
    assert.same({}, settings_of(given).headers)
    given.max_messages = 5
    assert.equal(5, settings_of(given).max_messages)
    given.max_messages = nil
    assert.is_nil(settings_of(given).max_messages)
  end)

  it("are checked, and the callbacks with them, though all else was read before", function()
    local given = { family = 4 }
    local kept = settings_of(given)
    given.on_open = 1
    assert.has_error(function() settings_of(given) end)
    given.on_open, given.on_opened = nil, print
    assert.has_error(function() settings_of(given) end)
    given.on_opened, given.on_frame = nil, print
    assert.is_true(settings_of(given).config.trace)
    given.on_frame = nil
    assert.is_nil(settings_of(given).config.trace)
    assert.equal(kept, settings_of(given))
  end)

  it("of a clock, a function, are each read anew", function()
    local now = 0
    local function clock_of(clock) return settings_of({ clock = clock }).clock end
    local function other() return now end
    assert.equal(other, clock_of(other))
    assert.equal(os.clock, clock_of(os.clock))
  end)

  it("that nobody has any more are let go", function()
    local gone = setmetatable({}, { __mode = "k" })
    gone[settings_of { family = 4, bind = "192.0.2.77" }] = true
    gone[settings_of { family = 6, headers = { A = "only here" } }] = true
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
