local testing = require "wsclose.core_testing"
local close, error_of = testing.close, testing.error
local wire = require "support.wire"

local floor = math.floor

-- The contract: an endpoint may send 1000-1003, 1007-1014 and 3000-4999.
local SENDABLE = {}
for _, range in ipairs { { 1000, 1003 }, { 1007, 1014 }, { 3000, 4999 } } do
  for code = range[1], range[2] do
    SENDABLE[code] = true
  end
end

local function payload(code, reason)
  return string.char(floor(code / 256), code % 256) .. (reason or "")
end

describe("close codes, RFC 6455 7.4 and the IANA registry", function()
  it("lets exactly 1000-1003, 1007-1014 and 3000-4999 travel, in both directions", function()
    local wrong = {}
    for code = 0, 65535 do
      local expected = SENDABLE[code] or false
      local parsed, _, name = close.parse(payload(code))
      local read_as = expected and code or "protocol"
      if close.sendable(code) ~= expected or (parsed or name) ~= read_as then
        wrong[#wrong + 1] = code
      end
    end
    assert.same({}, wrong)
  end)

  it("does not take a number over 16 bits for its lower half", function()
    assert.is_false(close.sendable(65536 + 1000))
    assert.is_false(close.sendable(65536 + 3000))
  end)
end)

describe("the payload of a Close frame, RFC 6455 5.5.1", function()
  for _, case in ipairs {
    { "", 1005, "", "nothing: 1005" },
    { "03e8", 1000, "", "a code alone" },
    { "03e9 627965", 1001, "bye", "a code and a reason" },
    { "03f2 7065726d6573736167652d6465666c617465", 1010, "permessage-deflate", "1010" },
    { "0fa0 c3a4e282ac", 4000, "ä€", "a reason that is not ASCII" },
    { "03e8 00", 1000, "\0", "a reason with a NUL" },
    { "03e8 " .. ("61"):rep(123), 1000, ("a"):rep(123), "the longest reason" },
  } do
    it("reads " .. case[4], function()
      assert.same({ case[2], case[3] }, { close.parse(wire.hex(case[1])) })
    end)
  end

  for _, case in ipairs {
    { "03", "protocol", "one byte cannot hold a code" },
    { "00", "protocol", "one zero byte neither" },
    { "0000", "protocol", "0 is no code" },
    { "03e7", "protocol", "999" },
    { "03ec", "protocol", "1004 is reserved" },
    { "03ed", "protocol", "1005 never travels" },
    { "03ee", "protocol", "1006 never travels" },
    { "03f7", "protocol", "1015 never travels" },
    { "0bb7", "protocol", "2999 is not assigned" },
    { "1388", "protocol", "5000 is out of range" },
    { "ffff", "protocol", "65535 is out of range" },
    { "03e8 80", "utf8", "a reason that begins with a continuation byte" },
    { "03e8 61c3", "utf8", "a reason that ends within a character" },
    { "03e8 eda080", "utf8", "a reason with a surrogate" },
    { "03ed ff", "protocol", "the code is checked before the reason" },
  } do
    it("refuses " .. case[1] .. " as " .. case[2] .. ": " .. case[3], function()
      assert.same({ nil, nil, case[2] }, { close.parse(wire.hex(case[1])) })
    end)
  end

  it("is written as it is read", function()
    for _, case in ipairs {
      { 1000, "" },
      { 1001, "going away" },
      { 4999, "ä€😀" },
      { 1000, ("x"):rep(123) },
    } do
      local bytes = close.write(case[1], case[2])
      assert.equal(wire.to_hex(payload(case[1], case[2])), wire.to_hex(bytes))
      assert.same(case, { close.parse(bytes) })
    end
  end)

  it("is written empty without a code, whatever the reason", function()
    assert.equal("", close.write(0, ""))
    assert.equal("", close.write(0, "lost"))
  end)

  it("cuts a long reason before the character that does not fit", function()
    for _, wide in ipairs { "a", "ä", "€", "😀" } do
      for ascii = 119, 124 do
        local characters = {}
        for i = 1, ascii do
          characters[i] = "x"
        end
        characters[#characters + 1] = wide
        characters[#characters + 1] = "more"
        local reason, fits = table.concat(characters), ""
        for character in reason:gmatch "[%z\1-\127\192-\255][\128-\191]*" do
          if #fits + #character > 123 then
            break
          end
          fits = fits .. character
        end
        assert.same({ 1000, fits }, { close.parse(close.write(1000, reason)) })
      end
    end
  end)

  it("cuts what is no text, and holds no beginning of a character, to nothing", function()
    assert.equal("\3\232", testing.close.write(1000, ("\128"):rep(200)))
  end)

  it("cuts a reason of any length to at most 123 bytes of UTF-8", function()
    for count = 0, 200 do
      local bytes = close.write(1000, ("€"):rep(count))
      assert.equal(2 + 3 * math.min(count, 41), #bytes)
    end
  end)
end)

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
