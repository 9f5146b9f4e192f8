local retry_after = require "wsclose.retry_after"

local seconds, hint = retry_after.seconds, retry_after.hint

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
    { "120", 120 }, { "0", 0 }, { " 7 ", 7 }, { "007", 7 }, { "99999999999999999999", 600 },
    { "600", 600 }, { "601", 600 }, { "5.5", 5.5 }, { "0.25", 0.25 }, { "120, 30", 120 },
    { "30,120", 120 }, { "soon, 30", 30 }, { "5.", 0 }, { ".5", 0 }, { "5.5.5", 0 },
    { "", 0 }, { ",", 0 }, { "-5", 0 }, { "soon", 0 }, { "5 s", 0 }, { "0x10", 0 }, { "1e3", 0 },
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
      { ["retry-after"] = { "9", "3" } },
      { ["retry-after"] = { "3", "9" } },
      { { "Retry-After", "3" }, { "Retry-After", "9" }, ["retry-after"] = "3" },
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

  it("may stand in a list", function()
    for _, list in ipairs {
      "Sun, 06 Nov 1994 08:49:37 GMT, 5", "5, Sunday, 06-Nov-94 08:49:37 GMT",
    } do
      assert.equal(60, at(EXAMPLE - 60, function() return seconds { ["retry-after"] = list } end))
    end
  end)

  it("asks for nothing once the date is past", function()
    local headers = { ["retry-after"] = "Sun, 06 Nov 1994 08:49:37 GMT" }
    assert.equal(0, at(EXAMPLE + 5, function() return seconds(headers) end))
  end)

  for _, text in ipairs {
    "Sun, 06 Nov 1994", "Sun, 06 Foo 1994 08:49:37 GMT", "06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun Nov  6 08:49:37 94",
  } do
    it("leaves aside " .. text, function()
      assert.equal(0, at(0, function() return seconds { ["retry-after"] = text } end))
    end)
  end
end)

describe("the window of Retry-After", function()
  it("is as wide as the time asked for", function()
    assert.same({ 30, 60 }, retry_after.window(30))
  end)
end)

describe("a hint in a close reason", function()
  for _, case in ipairs {
    { "retry=5-30", { 5, 30 } },
    { "restart; retry=0-2.5.", { 0, 2.5 } },
    { "back soon (retry=1.5-2)", { 1.5, 2 } },
    { "retry=7", { 7, 14 } },
    { "retry=7, bye", { 7, 14 } },
    { "retry=5-86400", { 5, 1200 } },
    { "retry=86400-86400", { 600, 1200 } },
    { "retry=86400", { 600, 1200 } },
    { "retry=5-5", { 5, 5 } },
  } do
    it(("%q is %g to %g s"):format(case[1], case[2][1], case[2][2]), function()
      assert.same(case[2], hint(case[1]))
    end)
  end

  for _, reason in ipairs {
    "", "retry", "retry=", "retry=soon", "retry=30-5", "retry=-5", "retry=5-", "retry=5-x",
    "retry=5s", "retry=5-30s", "no_retry=5", "autoretry=5", "retry=1.2.3", "retry=..", "Retry: 5",
  } do
    it(("%q is none"):format(reason), function()
      assert.equal(nil, hint(reason))
    end)
  end

  it("is none without a reason", function()
    assert.equal(nil, hint(nil))
  end)
end)
