local testing = require "wsclose.core_testing"
local utf8 = testing.utf8
local new_random = require "support.random"
local wire = require "support.wire"

local ACCEPT, REJECT = 0, 1
local char, byte, floor = string.char, string.byte, math.floor

-- ---------------------------------------------------------------- an independent check

-- It knows code points, not byte ranges: a byte is impossible when no way to go on from it leads to
-- a code point that needs this many bytes (RFC 3629 3) and is no surrogate.
local MINIMUM = { 0, 0x80, 0x800, 0x10000 }
local MAXIMUM = { 0x7F, 0x7FF, 0xFFFF, 0x10FFFF }

local function lead(value)
  if value < 0x80 then
    return 1, value
  elseif value >= 0xC0 and value < 0xE0 then
    return 2, value - 0xC0
  elseif value >= 0xE0 and value < 0xF0 then
    return 3, value - 0xE0
  elseif value >= 0xF0 and value < 0xF8 then
    return 4, value - 0xF0
  end
end

local function possible(value, size, missing)
  local low = value * 64 ^ missing
  local high = low + 64 ^ missing - 1
  return high >= MINIMUM[size] and low <= MAXIMUM[size] and not (low >= 0xD800 and high <= 0xDFFF)
end

--- The place of the first impossible byte, else nil; and whether the text ends within a character.
local function check(text)
  local at = 1
  while at <= #text do
    local size, value = lead(byte(text, at))
    if not size or not possible(value, size, size - 1) then
      return at
    end
    for i = 1, size - 1 do
      local next_byte = byte(text, at + i)
      if not next_byte then
        return nil, true
      end
      value = value * 64 + next_byte - 0x80
      if floor(next_byte / 64) ~= 2 or not possible(value, size, size - 1 - i) then
        return at + i
      end
    end
    at = at + size
  end
  return nil, false
end

local function kind(state)
  return state == ACCEPT and "accept" or state == REJECT and "reject" or "unfinished"
end

local function check_byte_by_byte(text)
  local state = ACCEPT
  for i = 1, #text do
    state = utf8.check(state, text:sub(i, i))
  end
  return state
end

--- What is wrong with the answer about `text`, or nil.
local function disagreement(text)
  local fault, unfinished = check(text)
  local expected = fault and "reject" or unfinished and "unfinished" or "accept"
  local state = utf8.check(ACCEPT, text)
  if kind(state) ~= expected then
    return ("%s: %s, expected %s"):format(wire.to_hex(text), kind(state), expected)
  elseif utf8.valid(text) ~= (expected == "accept") then
    return wire.to_hex(text) .. ": wsc_utf8_valid disagrees"
  elseif kind(check_byte_by_byte(text)) ~= expected then
    return wire.to_hex(text) .. ": another answer byte by byte"
  elseif fault and utf8.check(ACCEPT, text:sub(1, fault - 1)) == REJECT then
    return ("%s: rejected before byte %d"):format(wire.to_hex(text), fault)
  elseif fault and utf8.check(ACCEPT, text:sub(1, fault)) ~= REJECT then
    return ("%s: not rejected at byte %d"):format(wire.to_hex(text), fault)
  end
end

--- Judges each text alone and amid ASCII: where four bytes may be read, characters go whole.
local function assert_agreement(texts)
  local wrong, count = {}, 0
  for text in texts do
    count = count + 1
    wrong[#wrong + 1] = disagreement(text) or disagreement("a" .. text .. "abcd")
    if #wrong > 5 then
      break
    end
  end
  assert.same({}, wrong)
  return count
end

-- For third and fourth bytes: the ends of the range, their neighbours, ASCII and a lead byte.
local EDGES = { 0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xC2 }

--- All texts whose first byte runs from `first` to `last`, the second through all values and the
--- others through the edges.
local function sequences(first, last, size)
  return coroutine.wrap(function()
    local function extend(text)
      if #text == size then
        return coroutine.yield(text)
      end
      for _, value in ipairs(EDGES) do
        extend(text .. char(value))
      end
    end
    for a = first, last do
      for b = 0, 255 do
        extend(char(a, b))
      end
    end
  end)
end

describe("UTF-8 validation, RFC 3629 and RFC 6455 8.1", function()
  it("checks each single byte", function()
    local value = -1
    local count = assert_agreement(function()
      value = value + 1
      return value < 256 and char(value) or nil
    end)
    assert.equal(256, count)
  end)

  it("checks each pair of bytes", function()
    assert.equal(65536, assert_agreement(sequences(0, 255, 2)))
  end)

  it("checks three bytes: each first and second, the third at the edges", function()
    assert.equal(16 * 256 * #EDGES, assert_agreement(sequences(0xE0, 0xEF, 3)))
  end)

  it("checks four bytes: each first and second, the others at the edges", function()
    assert.equal(8 * 256 * #EDGES * #EDGES, assert_agreement(sequences(0xF0, 0xF7, 4)))
  end)

  for _, case in ipairs {
    { "", "accept", "the empty text" },
    { "24 c2a2 e282ac f09f9880", "accept", "one to four bytes" },
    { "7f c280 dfbf e0a080 efbfbf f0908080 f48fbfbf", "accept", "the edges of each length" },
    { "ed9fbf ee8080", "accept", "both sides of the surrogates" },
    { "efbfbe efbfbf efb790", "accept", "noncharacters are characters" },
    { "00", "accept", "NUL" },
    { "c080", "reject", "an overlong NUL" },
    { "c1bf", "reject", "an overlong ASCII character" },
    { "e09fbf", "reject", "overlong in three bytes" },
    { "f08fbfbf", "reject", "overlong in four bytes" },
    { "eda080", "reject", "the first surrogate" },
    { "edbfbf", "reject", "the last surrogate" },
    { "f4908080", "reject", "U+110000" },
    { "f5808080", "reject", "a lead byte beyond U+10FFFF" },
    { "f8888080 80", "reject", "five bytes" },
    { "80", "reject", "a continuation byte alone" },
    { "c3a4 a4", "reject", "one continuation byte too many" },
    { "e282", "unfinished", "a character cut short" },
    { "cebae1bdb9cf83cebcceb5eda080656469746564", "reject", "RFC 6455 8.1, Autobahn's 6.3" },
  } do
    it("answers " .. case[2] .. " to " .. case[3], function()
      local text = wire.hex(case[1])
      assert.equal(case[2], kind(utf8.check(ACCEPT, text)))
      assert.equal(case[2] == "accept", utf8.valid(text))
    end)
  end

  it("has a state for each place within a character and its range", function()
    for _, case in ipairs {
      { "e0", "9f", "a0" },
      { "ed", "a0", "9f" },
      { "f0", "8f", "90" },
      { "f4", "90", "8f" },
      { "e1", "7f", "80" },
      { "f1", "c0", "bf" },
      { "c2", "c0", "bf" },
    } do
      local state = utf8.check(ACCEPT, wire.hex(case[1]))
      assert.equal("unfinished", kind(state))
      assert.equal(REJECT, utf8.check(state, wire.hex(case[2])), case[1] .. case[2])
      assert.not_equal(REJECT, utf8.check(state, wire.hex(case[3])), case[1] .. case[3])
    end
  end)

  it("stays in its state when nothing comes", function()
    local starts = { "", "c3", "e2", "e282", "f0", "f09f", "f09f98", "e0", "ed", "f4", "ff" }
    for _, text in ipairs(starts) do
      local state = utf8.check(ACCEPT, wire.hex(text))
      assert.equal(state, utf8.check(state, ""))
    end
  end)

  it("never leaves the rejecting state", function()
    for value = 0, 255 do
      assert.equal(REJECT, utf8.check(REJECT, char(value)))
    end
    assert.equal(REJECT, utf8.check(REJECT, ("valid"):rep(40)))
  end)

  it("gives the same state however a text is cut", function()
    for _, text in ipairs {
      wire.hex "24c2a2e282acf09f988041e0a080ed9fbff0908080f1808080f3bfbfbff48fbfbf",
      wire.hex "24c2a2e282acf09f9880eda08041",
      wire.hex "e282ace282ace282ace282",
    } do
      local whole = utf8.check(ACCEPT, text)
      for first = 0, #text do
        local state = utf8.check(ACCEPT, text:sub(1, first))
        for second = first, #text do
          local middle = utf8.check(state, text:sub(first + 1, second))
          assert.equal(whole, utf8.check(middle, text:sub(second + 1)))
        end
      end
    end
  end)

  it("finds a character at each place of a long ASCII text", function()
    local wrong = {}
    for before = 0, 140 do
      for _, after in ipairs { 0, 1, 2, 3, 7, 8, 15, 16, 63, 64, 65 } do
        local left, right = ("a"):rep(before), ("z"):rep(after)
        local good = utf8.valid(left .. "\195\164" .. right)
        local bad = utf8.valid(left .. "\164" .. right)
        local high = utf8.valid(left .. "\255" .. right)
        if not good or bad or high then
          wrong[#wrong + 1] = before .. "+" .. after
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("agrees on random texts, most of them nearly valid", function()
    local random = new_random(20240229)
    local pieces = { "a", "word ", ("x"):rep(17), "\195\164", "\226\130\172", "\240\159\152\128" }
    local faults = { "\128", "\192\175", "\237\160\128", "\244\144\128\128", "\226\130", "\255" }
    local wrong = {}
    for _ = 1, 3000 do
      local text = {}
      for i = 1, random(1, 24) do
        text[i] = pieces[random(1, #pieces)]
      end
      if random(1, 2) == 1 then
        text[random(1, #text)] = faults[random(1, #faults)]
      end
      wrong[#wrong + 1] = disagreement(table.concat(text))
    end
    assert.same({}, wrong)
  end)
end)

-- Only long texts that are not plain ASCII reach the vectors.  Each path answers for itself, before
-- the check above, with the bytes before and behind an unmapped page.
describe("the paths of UTF-8 validation", function()
  -- 16 and 32 bytes at a time, and 64 for ASCII: a fault in the first, in the middle, in the last.
  local SURROUNDINGS = {
    { "", ("z"):rep(20) },
    { ("a"):rep(16), "" },
    { ("a"):rep(40), ("z"):rep(40) },
    { "\226\130\172" .. ("a"):rep(60), ("z"):rep(17) },
    { "a\195\164", ("z"):rep(90) },
  }

  local function expected_of(text)
    local fault, unfinished = check(text)
    return fault and "reject" or unfinished and "unfinished" or "accept"
  end

  local function differences(text, expected)
    expected = expected or expected_of(text)
    local wrong
    for _, path in ipairs(testing.cpu_paths) do
      local got = kind(path.utf8.check(ACCEPT, text))
      if got ~= expected then
        wrong = ("%s%s: %s, expected %s: %s\n")
          :format(wrong or "", path.name, got, expected, wire.to_hex(text))
      end
    end
    return wrong
  end

  local function assert_same_everywhere(texts)
    local wrong, count = {}, 0
    for text in texts do
      local around = SURROUNDINGS[count % #SURROUNDINGS + 1]
      count = count + 1
      local expected = expected_of(text .. around[2]:sub(1, 1))
      wrong[#wrong + 1] = differences(around[1] .. text .. around[2], expected)
      if #wrong > 5 then
        break
      end
    end
    assert.same({}, wrong)
    return count
  end

  it("check each pair of bytes amid a long text", function()
    assert.equal(65536, assert_same_everywhere(sequences(0, 255, 2)))
  end)

  it("check three bytes amid a long text: the third at the edges", function()
    assert.equal(64 * 256 * #EDGES, assert_same_everywhere(sequences(0xC0, 0xFF, 3)))
  end)

  it("check four bytes amid a long text: the last two at the edges", function()
    assert.equal(8 * 256 * #EDGES * #EDGES, assert_same_everywhere(sequences(0xF0, 0xF7, 4)))
  end)

  it("find each fault at each place of a text of two to four bytes a character", function()
    local wrong = {}
    local long = { "\195\164", "\226\130\172", "\240\159\152\128", "a\195\164" }
    for _, piece in ipairs(long) do
      local text = piece:rep(60):sub(1, 40 * #piece)
      for at = 1, #text do
        for _, value in ipairs { 0x41, 0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xFF } do
          wrong[#wrong + 1] = differences(text:sub(1, at - 1) .. char(value) .. text:sub(at + 1))
        end
        wrong[#wrong + 1] = differences(text:sub(1, at))
        for _, before in ipairs { "", "a\195\164a", "a\195\164aa" } do -- then a cut at 64 bytes
          wrong[#wrong + 1] = differences(before .. text:sub(1, at) .. ("z"):rep(64))
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("give the same state for random texts of each size up to 300, at each alignment", function()
    local random = new_random(7)
    local pieces = {
      "a", "word ", ("x"):rep(70), "\195\164", "\226\130\172", "\240\159\152\128", "\237\159\191",
      "\244\143\191\191", "\224\160\128", "\240\144\128\128",
    }
    local function random_text(size)
      local kinds, text = random(1, #pieces), ""
      while #text < size + 4 do
        text = text .. pieces[random(1, kinds)]
      end
      text = text:sub(1 + random(0, 3)):sub(1, size)
      if size > 0 and random(1, 2) == 1 then
        local at = random(1, size)
        text = text:sub(1, at - 1) .. char(random(0, 255)) .. text:sub(at + 1)
      end
      return text
    end
    local wrong = {}
    for size = 0, 300 do
      for slack = 0, 31 do
        local text, state = random_text(size), random(1, 2) == 1 and ACCEPT or random(0, 8)
        local expected = testing.cpu_paths[1].utf8.check(state, text)
        local by_bytes = state
        for i = 1, slack == 0 and #text or 0 do
          by_bytes = utf8.check(by_bytes, text:sub(i, i))
        end
        local checked = slack > 0 or by_bytes == expected
        for _, path in ipairs(testing.cpu_paths) do
          if not checked or path.utf8.check(state, text, slack) ~= expected then
            wrong[#wrong + 1] = ("%s: state %d, slack %d, %s")
              :format(path.name, state, slack, wire.to_hex(text))
          end
        end
      end
    end
    assert.same({}, wrong)
  end)
end)
