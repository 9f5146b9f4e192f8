local testing = require "wsclose.core_testing"
local error_of = testing.error

-- The enum's value, the name that programs see, the code on the wire (0: none).
local ERRORS = {
  { 0, "ok", 0 },
  { -1, "again", 0 },
  { -2, "protocol", 1002 },
  { -3, "utf8", 1007 },
  { -4, "too_big", 1009 },
  { -5, "deflate", 1002 },
  { -6, "memory", 1011 },
  { -7, "handshake", 0 },
  { -8, "extension", 0 },
  { -9, "http", 0 },
  { -10, "redirect", 0 },
  { -11, "timeout", 0 },
  { -12, "dns", 0 },
  { -13, "refused", 0 },
  { -14, "unreachable", 0 },
  { -15, "reset", 0 },
  { -16, "proxy", 0 },
  { -17, "tls", 0 },
  { -18, "ping_timeout", 1011 },
  { -19, "close_timeout", 0 },
  { -20, "eof", 0 },
  { -21, "state", 0 },
  { -22, "busy", 0 },
  { -23, "url", 0 },
  { -24, "cancelled", 0 },
  { -25, "tls", 0 },
}

describe("errors", function()
  for _, case in ipairs(ERRORS) do
    it(("name %d %q and put %d on the wire"):format(case[1], case[2], case[3]), function()
      assert.equal(case[2], error_of.name(case[1]))
      assert.equal(case[3], error_of.close_code(case[1]))
    end)
  end

  it("have a name for each that api.md lists", function()
    local known = {}
    for _, case in ipairs(ERRORS) do
      known[error_of.name(case[1])] = true
    end
    local listed = "timeout dns refused unreachable reset proxy tls http redirect handshake "
      .. "extension protocol utf8 too_big deflate ping_timeout close_timeout eof state busy url "
      .. "memory"
    for name in listed:gmatch "%S+" do
      assert.is_true(known[name], name)
    end
  end)

  it("are unknown outside the list, and put nothing on the wire", function()
    for _, error in ipairs { 1, 1002, 2147483647, -26, -27, -1000, -2147483647 } do
      assert.equal("unknown", error_of.name(error))
      assert.equal(0, error_of.close_code(error))
    end
  end)

  it("put only codes on the wire that may travel", function()
    for _, case in ipairs(ERRORS) do
      local code = error_of.close_code(case[1])
      assert.is_true(code == 0 or testing.close.sendable(code))
    end
  end)

  it("happen in a phase with a name", function()
    local phases = { "dns", "tcp", "proxy", "tls", "handshake", "open", "close" }
    for i, name in ipairs(phases) do
      assert.equal(name, error_of.phase_name(i - 1))
    end
    assert.equal("unknown", error_of.phase_name(#phases))
    assert.equal("unknown", error_of.phase_name(-1))
  end)
end)
