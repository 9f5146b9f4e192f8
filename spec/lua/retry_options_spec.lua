local retry_options = require "wsclose.retry_options"

local read = retry_options.read

local function fault(options)
  local good, sentence = pcall(read, options)
  assert.is_false(good)
  return sentence
end

describe("the options' defaults", function()
  it("are those of the contract", function()
    local options = read {}
    assert.same({
      initial = 1, factor = 2, max = 40, overload_max = 120, floor = 0.25, jitter = "full",
      attempts = math.huge, stable_after = 10, codes = {}, statuses = {}, always = false,
      hints = false,
      first = { [1001] = { 0, 5 }, [1006] = { 0, 2 }, [1012] = { 0, 15 }, [1013] = { 10, 30 } },
    }, options)
  end)

  it("give place to what is given", function()
    local given = {
      profile = "fleet", initial = 2, factor = 3, max = 30, overload_max = 31, floor = 0.5,
      jitter = "equal", attempts = 7, elapsed = 100, stable_after = 5, always = true, hints = true,
      codes = { [4000] = false }, statuses = { [404] = true },
      decide = function() end, clock = os.time, random = math.random, sleep = function() end,
    }
    local options = read(given)
    for name, value in pairs(given) do assert.same(value, options[name]) end
  end)

  it("lay the user's first delays over the codes' own", function()
    assert.same({ [1001] = { 1, 2 }, [1006] = { 3, 3 }, [1013] = { 10, 30 } },
      read({ first = { [1001] = { 1, 2 }, [1006] = 3, [1012] = false } }).first)
    assert.same({}, read({ first = false }).first)
  end)

  it("copy the user's tables, all the way down", function()
    local given = { codes = { [4000] = { 1, 2 }, ["4100-4200"] = { 3, 4 } },
      first = { [1001] = { 1, 2 } } }
    local options = read(given)
    for _, name in ipairs { "codes", "first" } do
      assert.are_not.equal(given[name], options[name])
      for key, value in pairs(given[name]) do assert.are_not.equal(value, options[name][key]) end
    end
    given.codes["4100-4200"][1] = 9
    assert.equal(3, retry_options.rule_for(options.codes, 4150)[1])
  end)

  it("are shared where nothing else is said", function()
    assert.equal(read(true), read(true))
    assert.equal(read({}).codes, read({}).codes)
    assert.equal(read({}).first, read({ max = 30 }).first)
    assert.are_not.equal(read({}).first, read({ max = 29 }).first)
  end)

  it("let the floor give way to an initial or a max that is not above it", function()
    for _, name in ipairs { "max", "initial" } do
      assert.equal(0.25, read({ [name] = 0.26 }).floor)
      assert.equal(0, read({ [name] = 0.25 }).floor)
    end
    assert.equal(0, read({ max = 0 }).floor)
  end)

  it("take overload_max for thrice max", function()
    assert.equal(15, read({ max = 5 }).overload_max)
    assert.equal(5, read({ max = 5, overload_max = 5 }).overload_max)
  end)

  it("are those of a profile where only its name is given", function()
    local fleet = read "fleet"
    assert.same(read { profile = "fleet" }, fleet)
    assert.same({ 60, 120, { 0, 5 } }, { fleet.max, fleet.overload_max, fleet.first[1006] })
    assert.same({ 30, 60 }, { read({ profile = "fleet", max = 30 }).max,
      read({ profile = "fleet", max = 30 }).overload_max })
  end)
end)

describe("an option's range", function()
  local function no() end
  local callable = setmetatable({}, { __call = no })

  local GOOD = {
    profile = { "fleet" },
    initial = { 1, 0.001, 1e9 },
    overload_max = { 40, 120, 1e9 },
    factor = { 1, 1.5, 1e300 },
    max = { 0, 0.1, 1e9 },
    floor = { 0, 0.25, 1 },
    jitter = { "full", "equal", "decorrelated", "none" },
    attempts = { 0, 1, 1000, math.huge },
    elapsed = { 0, 0.5, 1e9 },
    stable_after = { 0, 1e9 },
    first = { false, {}, { [1001] = 0 }, { [1001] = { 0, 0 }, [4000] = false, [1012] = 7 } },
    codes = {
      {}, { [0] = false, [4000] = true, [4001] = false, [4002] = 0, [4003] = 1.5 },
      { [4000] = { 0, 0 }, [4001] = { 5, 15 }, ["4400-4429"] = false, ["7-7"] = { 1, 2 } },
    },
    statuses = { {}, { [404] = true, [503] = false, [429] = 30, ["500-599"] = { 1, 2 } } },
    always = { true, false },
    hints = { true, false },
    decide = { no, callable },
    clock = { no, callable },
    random = { no, callable },
    sleep = { no, callable },
  }
  local NAN = 0 / 0
  local BAD = {
    profile = { true, "flet", "", 1 },
    overload_max = { -1, 39.9, math.huge, NAN, "60", false },
    always = { 1, "true", {} },
    hints = { 1, "true", {} },
    initial = { 0, -1, math.huge, NAN, "1", true, {} },
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
      { [4000] = { 5 } }, { [4000] = { 5, 1 } }, { [4000] = { 1, 2, 3 } }, { ["4429-4400"] = true },
      { ["4400-"] = true }, { ["4400 - 4429"] = true }, { [4000.5] = true },
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
        assert.is_table(read { [name] = value })
      end
    end)
  end

  for name, values in pairs(BAD) do
    it(("refuses what is wrong for %s and names it"):format(name), function()
      for _, value in ipairs(values) do
        local sentence = fault { [name] = value }
        assert(sentence:find(("^option '%s[%%['][^:]*: %%l"):format(name)), sentence)
      end
    end)
  end

  it("is checked for every option there is", function()
    for name in pairs(GOOD) do assert.truthy(BAD[name]) end
    local sentence = fault { atempts = 1 }
    assert(GOOD[sentence:match "'(%l[%l_]*)'%?$"], sentence)
  end)

  for _, case in ipairs {
    { { max = "60" }, "option 'max': expected finite seconds >= 0, got string" },
    { { factor = 0.5 }, "option 'factor': expected a finite number >= 1, got 0.5" },
    { { jitter = "half" },
      [[option 'jitter': expected "full", "equal", "decorrelated" or "none", got string]] },
    { { attempts = 1.5 },
      "option 'attempts': expected a whole number >= 0 or math.huge, got 1.5" },
    { { decide = {} }, "option 'decide': expected a function, got table" },
    { { codes = true }, [[option 'codes': expected a table by close code or "from-to", got true]] },
    { { codes = { [4004] = "no" } },
      "option 'codes[4004]': expected true, false, seconds or { low, high }, got string" },
    { { initial = 0 }, "option 'initial': expected finite seconds > 0, got 0" },
    { { profile = "flet" }, [[option 'profile': expected "fleet", got string]] },
    { { overload_max = 30 },
      "option 'overload_max': must not be below max: overload_max is 30, max is 40" },
    { { first = { GOING_AWAY = 5 } },
      "option 'first[GOING_AWAY]': expected a close code as key" },
    { { floor = 2, initial = 3, max = 1 },
      "option 'floor': must not be above max: floor is 2, max is 1" },
    { { floor = 2 }, "option 'floor': must not be above initial: floor is 2, initial is 1" },
  } do
    it("is named in the sentence: " .. case[2], function()
      assert.equal(case[2], fault(case[1]))
    end)
  end

  it("is no matter where the options are no table", function()
    for _, value in ipairs { 5, "true", false, "flet", function() end } do
      local sentence = fault(value)
      assert(sentence:find([['retry': expected a table, true or "fleet", got ]], 1, true), sentence)
    end
  end)
end)

it("are named by the option that they stand in", function()
  local good, sentence = pcall(read, { max = true, initial = 1 }, "retry")
  assert.same({ false, "option 'retry.max': expected finite seconds >= 0, got true" },
    { good, sentence })
  good, sentence = pcall(read, { floor = 9 }, "retry")
  assert.is_false(good)
  assert.matches("^option 'retry%.floor': must not be above initial", sentence)
end)

describe("an unknown option", function()
  for _, case in ipairs {
    { "intial", "initial" }, { "Initial", "initial" }, { "factr", "factor" }, { "jiter", "jitter" },
    { "attempt", "attempts" }, { "status", "statuses" }, { "code", "codes" }, { "maxx", "max" },
    { "max_", "max" }, { "stableAfter", "stable_after" }, { "rnadom", "random" },
    { "foor", "floor" }, { "elapsd", "elapsed" },
    { "decider", "decide" }, { "clcok", "clock" }, { "frist", "first" },
    { "sleeep", "sleep" }, { "overloadmax", "overload_max" }, { "alway", "always" },
    { "hint", "hints" }, { "profil", "profile" },
  } do
    it(("%s suggests %s"):format(case[1], case[2]), function()
      local expected = ("unknown option '%s'; did you mean '%s'?"):format(case[1], case[2])
      assert.equal(expected, fault { [case[1]] = 1 })
    end)
  end

  it("may be no string at all", function()
    assert.equal("option 1: expected a name, got number", fault { 5 })
    assert.equal("option true: expected a name, got boolean", fault { [true] = 5 })
  end)
end)

describe("a rule", function()
  it("is true, false, seconds or a range of them", function()
    for _, value in ipairs { true, false, 0, 5, 0.5, { 0, 0 }, { 1, 2.5 } } do
      assert.equal(true, retry_options.is_rule(value))
    end
    for _, value in ipairs { -1, math.huge, "5", {}, 0 / 0, { 2, 1 }, { 1, math.huge } } do
      assert.equal(false, retry_options.is_rule(value))
    end
    assert.equal(false, retry_options.is_rule(nil))
  end)
end)
