local retry_options = require "wsclose.retry_options"

local read = retry_options.read

local function fault(options)
  local checked, sentence = read(options)
  assert.equal(nil, checked)
  return sentence
end

describe("the options' defaults", function()
  it("are those of the contract", function()
    local options = read {}
    assert.same({
      initial = 1, factor = 2, max = 60, floor = 0.25, jitter = "full", attempts = math.huge,
      stable_after = 10, codes = {}, statuses = {},
      first = { [1001] = { 0, 5 }, [1012] = { 5, 30 }, [1013] = { 10, 30 } },
    }, options)
  end)

  it("give place to what is given", function()
    local given = {
      initial = 2, factor = 3, max = 30, floor = 0.5, jitter = "equal", attempts = 7, elapsed = 100,
      stable_after = 5, codes = { [4000] = false }, statuses = { [404] = true },
      decide = function() end, clock = os.time, random = math.random, sleep = function() end,
    }
    local options = read(given)
    for name, value in pairs(given) do assert.same(value, options[name]) end
  end)

  it("lay the user's first delays over the codes' own", function()
    assert.same({ [1001] = { 1, 2 }, [1006] = 3, [1012] = false, [1013] = { 10, 30 } },
      read({ first = { [1001] = { 1, 2 }, [1006] = 3, [1012] = false } }).first)
    assert.same({}, read({ first = false }).first)
  end)

  it("copy tables", function()
    local codes = { [4000] = false }
    assert.are_not.equal(codes, read({ codes = codes }).codes)
    assert.are_not.equal(read({}).codes, read({}).codes)
    assert.are_not.equal(read({}).first[1001], read({}).first[1001])
  end)

  it("let the floor give way to a max that is not above it", function()
    assert.equal(0.25, read({ max = 0.26 }).floor)
    assert.equal(0, read({ max = 0.25 }).floor)
    assert.equal(0, read({ max = 0 }).floor)
  end)
end)

describe("an option's range", function()
  local function no() end
  local callable = setmetatable({}, { __call = no })

  local GOOD = {
    initial = { 0, 0.001, 1e9 },
    factor = { 1, 1.5, 1e300 },
    max = { 0, 0.1, 1e9 },
    floor = { 0, 0.25, 60 },
    jitter = { "full", "equal", "decorrelated", "none" },
    attempts = { 0, 1, 1000, math.huge },
    elapsed = { 0, 0.5, 1e9 },
    stable_after = { 0, 1e9 },
    first = { false, {}, { [1001] = 0 }, { [1001] = { 0, 0 }, [4000] = false, [1012] = 7 } },
    codes = { {}, { [0] = false, [4000] = true, [4001] = false, [4002] = 0, [4003] = 1.5 } },
    statuses = { {}, { [404] = true, [503] = false, [429] = 30 } },
    decide = { no, callable },
    clock = { no, callable },
    random = { no, callable },
    sleep = { no, callable },
  }
  local NAN = 0 / 0
  local BAD = {
    initial = { -1, math.huge, NAN, "1", true, {} },
    factor = { 0.99, 0, -2, math.huge, NAN, "2" },
    max = { -1, math.huge, NAN, "60", false },
    floor = { -0.1, math.huge, NAN, "0", false },
    jitter = { "half", true, 1, "", false },
    attempts = { -1, 1.5, NAN, -math.huge, "3", false },
    elapsed = { -1, math.huge, NAN, "60", false },
    stable_after = { -1, math.huge, NAN, "10", false },
    first = {
      true, 5, "0-5", { [1001] = true }, { [1001] = -1 }, { [1001] = { 5 } },
      { [1001] = { 5, 1 } }, { [1001] = { -1, 5 } },
      { [1001] = { 0, 5, 9 } },
      { [1001] = { 0, math.huge } }, { [1001] = "5" },
      { GOING_AWAY = 5 }, { [1001.5] = 5 }, { [-1] = 5 },
    },
    codes = {
      true, 4000, { [4000] = "no" }, { [4000] = -1 }, { [4000] = NAN }, { ["4000"] = true },
    },
    statuses = {
      false, 404, { [404] = "no" }, { [404] = {} }, { [404] = math.huge }, { x = true },
    },
    decide = { true, "f", {}, 1 },
    clock = { true, "f", {}, 1 },
    random = { true, "f", {}, 1 },
    sleep = { true, "f", {}, 1 },
  }

  for name, values in pairs(GOOD) do
    it("takes what is right for " .. name, function()
      for _, value in ipairs(values) do
        local checked, sentence = read { [name] = value }
        assert(checked, sentence)
      end
    end)
  end

  for name, values in pairs(BAD) do
    it(("refuses what is wrong for %s and names it"):format(name), function()
      for _, value in ipairs(values) do
        local sentence = fault { [name] = value }
        assert(sentence:find(("option %s must be "):format(name), 1, true), sentence)
      end
    end)
  end

  it("is checked for every option there is", function()
    for name in pairs(GOOD) do assert.truthy(BAD[name]) end
    local sentence = fault { zzz = 1 }
    assert(GOOD[sentence:match '"(%l[%l_]*)"%?$'], sentence)
  end)

  for _, case in ipairs {
    { { max = "60" }, 'option max must be seconds, a finite number not below 0, not "60"' },
    { { factor = 0.5 }, "option factor must be a finite number not below 1, not 0.5" },
    { { jitter = "half" },
      'option jitter must be "full", "equal", "decorrelated" or "none", not "half"' },
    { { attempts = 1.5 },
      "option attempts must be a whole number not below 0, or math.huge, not 1.5" },
    { { decide = {} }, "option decide must be a function, not a table" },
    { { codes = true }, "option codes must be a table from close codes to true, false or seconds, "
      .. "not true" },
    { { codes = { [4004] = "no" } }, "option codes must be a table from close codes to true, false "
      .. 'or seconds; the entry [4004] = "no" is not' },
    { { first = { GOING_AWAY = 5 } }, "option first must be false, or a table from close codes to "
      .. 'false, seconds or { low, high }; the entry ["GOING_AWAY"] = 5 is not' },
    { { floor = 2, max = 1 }, "option floor must not be above max: floor is 2, max is 1" },
    { { floor = 61 }, "option floor must not be above max: floor is 61, max is 60" },
  } do
    it("is named in the sentence: " .. case[2], function()
      assert.equal(case[2], fault(case[1]))
    end)
  end

  it("is no matter where the options are no table", function()
    for _, value in ipairs { 5, "true", false, function() end } do
      local sentence = fault(value)
      assert(sentence:find("the options must be a table or true, not", 1, true), sentence)
    end
  end)
end)

describe("an unknown option", function()
  for _, case in ipairs {
    { "intial", "initial" }, { "Initial", "initial" }, { "factr", "factor" }, { "jiter", "jitter" },
    { "attempt", "attempts" }, { "status", "statuses" }, { "code", "codes" }, { "maxx", "max" },
    { "max_", "max" }, { "stableAfter", "stable_after" }, { "rnadom", "random" },
    { "foor", "floor" }, { "elapsd", "elapsed" },
    { "decider", "decide" }, { "clcok", "clock" }, { "frist", "first" },
    { "sleeep", "sleep" },
  } do
    it(("%s suggests %s"):format(case[1], case[2]), function()
      local expected = ('unknown option %q; did you mean "%s"?'):format(case[1], case[2])
      assert.equal(expected, fault { [case[1]] = 1 })
    end)
  end

  it("may be no string at all", function()
    assert(fault({ 5 }):find("unknown option 1;", 1, true))
    assert(fault({ [true] = 5 }):find("unknown option true;", 1, true))
    assert(fault({ [{}] = 5 }):find("unknown option a table;", 1, true))
  end)
end)

describe("a rule", function()
  it("is true, false or seconds", function()
    for _, value in ipairs { true, false, 0, 5, 0.5 } do
      assert.equal(true, retry_options.is_rule(value))
    end
    for _, value in ipairs { -1, math.huge, "5", {}, 0 / 0 } do
      assert.equal(false, retry_options.is_rule(value))
    end
    assert.equal(false, retry_options.is_rule(nil))
  end)
end)
