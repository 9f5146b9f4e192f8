-- The monotonic clock.
local core = require "wsclose.core"
local testing = require "wsclose.core_testing"

local monotonic = testing.process.monotonic
local MICROSECOND = 1e-6

describe("the clock", function()
  it("is the system's that nobody sets, in microseconds", function()
    for _ = 1, 1000 do
      local before = monotonic()
      local now = core.now()
      local after = monotonic()
      assert.is_true(before - MICROSECOND <= now and now <= after)
    end
  end)

  it("never goes back, and goes on", function()
    local first, last = core.now(), 0
    for _ = 1, 10000 do
      local now = core.now()
      assert(now >= last)
      last = now
    end
    assert.is_true(last > first)
  end)
end)
