local retry_after = require "wsclose.retry_after"

local seconds, lengthen = retry_after.seconds, retry_after.lengthen

-- 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 5.6.7.
local EXAMPLE = 784111777

local function at(now, fn)
  local time = os.time
  os.time = function() return now end -- luacheck: ignore
  local good, value = pcall(fn)
  os.time = time -- luacheck: ignore
  return assert(good, value) and value
end

describe("Retry-After in seconds, RFC 9110 10.2.3", function()
  for _, case in ipairs {
    { "120", 120 }, { "0", 0 }, { " 7 ", 7 }, { "007", 7 }, { "99999999999999999999", 1e20 },
    { "", 0 }, { "-5", 0 }, { "1.5", 0 }, { "soon", 0 }, { "5 s", 0 }, { "0x10", 0 }, { "1e3", 0 },
  } do
    it(("reads %q as %g"):format(case[1], case[2]), function()
      assert.equal(case[2], seconds { ["retry-after"] = case[1] })
    end)
  end

  it("is 0 without the header, and without headers", function()
    assert.equal(0, seconds { date = "Sun, 06 Nov 1994 08:49:37 GMT" })
    assert.equal(0, seconds {})
    assert.equal(0, seconds(nil))
  end)

  it("finds the header in any case, in a map, a map of lists and a list of pairs", function()
    for _, headers in ipairs {
      { ["Retry-After"] = "9" },
      { ["RETRY-AFTER"] = "9" },
      { ["retry-after"] = 9 },
      { ["retry-after"] = { "9", "30" } },
      { { "Server", "x" }, { "Retry-After", "9" } },
      { { name = "Retry-After", value = "9" } },
    } do
      assert.equal(9, seconds(headers))
    end
  end)
end)

describe("Retry-After as a date", function()
  for _, date in ipairs {
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "sun, 06 nov 1994 08:49:37 GMT",
  } do
    it("reads the form of " .. date, function()
      assert.equal(100, at(EXAMPLE - 100, function() return seconds { ["retry-after"] = date } end))
    end)
  end

  for _, case in ipairs {
    { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
    { "Tue, 29 Feb 2000 23:59:59 GMT", 951868799 },
    { "Wed, 01 Mar 2000 00:00:00 GMT", 951868800 },
    { "Fri, 31 Dec 1999 23:59:59 GMT", 946684799 },
    { "Mon, 01 Mar 2100 00:00:00 GMT", 4107542400 },
    { "Thu, 29 Feb 2024 12:00:00 GMT", 1709208000 },
    { "Monday, 01-Jan-69 00:00:00 GMT", 3124224000 },
    { "Thursday, 01-Jan-70 00:00:00 GMT", 0 },
  } do
    it("counts the days to " .. case[1], function()
      local now = case[2] - 7
      assert.equal(7, at(now, function() return seconds { ["retry-after"] = case[1] } end))
    end)
  end

  it("counts one day after the other from 1970 to 2105", function()
    local names = "JanFebMarAprMayJunJulAugSepOctNovDec"
    local lengths = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
    local days = 0
    for year = 1970, 2105 do
      local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
      for month = 1, 12 do
        local length = month == 2 and leap and 29 or lengths[month]
        local name = names:sub(3 * month - 2, 3 * month)
        local text = ("Day, %02d %s %d 00:00:00 GMT"):format(length, name, year)
        days = days + length
        local now = (days - 1) * 86400 - 1
        assert(at(now, function() return seconds { ["retry-after"] = text } end) == 1, text)
      end
    end
  end)

  it("goes by the answer's Date, however wrong the clock here is", function()
    local headers = {
      ["retry-after"] = "Sun, 06 Nov 1994 08:49:37 GMT", date = "Sun, 06 Nov 1994 08:48:37 GMT",
    }
    for _, now in ipairs { 0, EXAMPLE, 4e9 } do
      assert.equal(60, at(now, function() return seconds(headers) end))
    end
  end)

  it("goes by the clock here where Date cannot be read", function()
    local headers = { ["retry-after"] = "Sun, 06 Nov 1994 08:49:37 GMT", date = "yesterday" }
    assert.equal(5, at(EXAMPLE - 5, function() return seconds(headers) end))
  end)

  it("asks for nothing once the date is past", function()
    local headers = { ["retry-after"] = "Sun, 06 Nov 1994 08:49:37 GMT" }
    assert.equal(0, at(EXAMPLE + 5, function() return seconds(headers) end))
  end)

  for _, text in ipairs {
    "Sun, 06 Nov 1994", "Sun, 06 Foo 1994 08:49:37 GMT", "06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun Nov  6 08:49:37 94", "Sun, 06 Nov 1994 08:49:37 GMT, 5",
  } do
    it("leaves aside " .. text, function()
      assert.equal(0, at(0, function() return seconds { ["retry-after"] = text } end))
    end)
  end
end)

describe("a delay lengthened by Retry-After", function()
  for _, case in ipairs {
    -- delay, asked, random, what comes out
    { 1, 100, 0, 100 },
    { 1, 100, 0.5, 105 },
    { 1, 100, 1, 110 },
    { 104, 100, 0, 104 },
    { 200, 100, 1, 200 },
    { 1, 545, 1, 599.5 },
    { 1, 580, 0, 580 },
    { 1, 580, 0.5, 590 },
    { 1, 580, 1, 600 },
    { 1, 600, 0.5, 600 },
    { 1, 601, 0, 600 },
    { 1, 601, 0.5, 570 },
    { 1, 1e20, 1, 540 },
    { 900, 1e20, 0, 900 },
  } do
    local delay, asked, random, expected = case[1], case[2], case[3], case[4]
    it(("is %g s of %g, asked for %g, random %g"):format(expected, delay, asked, random), function()
      local given = lengthen(delay, asked, random)
      assert(math.abs(given - expected) < 1e-9, given)
    end)
  end

  it("is at least what was asked and at most 10 % or ten minutes more, for any number", function()
    for asked = 1, 600, 7 do
      for random = 0, 1, 0.125 do
        local delay = lengthen(0, asked, random)
        assert(delay >= asked and delay <= asked * 1.1 + 1e-9 and delay <= 600, delay)
      end
    end
  end)

  it("stays spread out past ten minutes", function()
    assert(lengthen(0, 3600, 0.1) - lengthen(0, 3600, 0.9) > 40)
  end)
end)
