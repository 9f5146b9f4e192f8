--- The options of a retry policy: their defaults, their checks, and what to say of a bad one.
--
-- They are read once, into the shape that the policy uses at each failure: windows are pairs and
-- cut to `max`, keys such as "4400-4429" are a list.  What is not given is shared by all policies;
-- nothing here is changed after it was read.

local checks = require "wsclose.checks"
local close_codes = require "wsclose.close_codes"

local fail, fail_with, expecting = checks.fail, checks.fail_with, checks.expecting

---@alias wsclose.RetryWindow number | number[] seconds, or { low, high }: drawn between them
---@alias wsclose.RetryRule boolean | wsclose.RetryWindow true: yes; false: no; else: yes, then

---@class wsclose.RetryOptions
---@field profile? "fleet" for very many installations: windows double from the first one on (none)
---@field initial? number seconds above 0, ceiling of the first delay (1)
---@field factor? number what the ceiling grows by, at least 1 (2)
---@field max? number seconds, ceiling of every delay (40; of the fleet 60)
---@field overload_max? number seconds, ceiling under overload (three times max; of the fleet twice)
---@field floor? number seconds, no drawn delay is shorter (0.25; 0 where a ceiling is no higher)
---@field jitter? "full"|"equal"|"decorrelated"|"none" ("full")
---@field attempts? number retries in a row at most (math.huge)
---@field elapsed? number seconds after a run's first failure past which no attempt begins (nil)
---@field stable_after? number seconds a connection must stay open to end a run of failures (10)
---@field first? false|table<integer, false|wsclose.RetryWindow> first delay by code; false: none
---@field codes? table<integer|string, wsclose.RetryRule> by close code, or a range "4400-4429"
---@field statuses? table<integer|string, wsclose.RetryRule> by HTTP status of a refused handshake
---@field always? boolean retry what is refused by default too, but what no retry can mend (false)
---@field hints? boolean heed retry=a-b in a close reason (false)
---@field decide? fun(code: integer, info: table, attempt: integer): wsclose.RetryRule?
---@field clock? fun(): number seconds, monotonic if possible (os.time)
---@field random? fun(): number in [0, 1) (a generator seeded from the system)
---@field sleep? fun(seconds: number) what policy:call waits with

local FLOOR = 0.25
-- Under overload a cap that is too small keeps everybody out: see docs/retry.md.
local OVERLOAD, FLEET_OVERLOAD = 3, 2
local MAX, FLEET_MAX = 40, 60

-- ---------------------------------------------------------------- kinds of values

-- Neither infinity nor what is no number at all.
local function is_finite(value)
  return type(value) == "number" and value - value == 0
end

local function is_seconds(value)
  return is_finite(value) and value >= 0
end

local function is_window(value)
  if type(value) ~= "table" then return is_seconds(value) end
  return is_seconds(value[1]) and is_seconds(value[2]) and value[1] <= value[2] and #value == 2
end

local function is_rule(value)
  return type(value) == "boolean" or is_window(value)
end

local function is_first(value)
  return value == false or is_window(value)
end

local function is_whole(value)
  return is_seconds(value) and value % 1 == 0
end

local function range_of(key)
  if type(key) ~= "string" then return nil end
  local low, high = key:match "^(%d+)%-(%d+)$"
  low, high = tonumber(low), tonumber(high)
  if low and low <= high then return low, high end
end

local function is_key(key)
  return is_whole(key) or range_of(key) ~= nil
end

local JITTERS = { full = true, equal = true, decorrelated = true, none = true }

-- ---------------------------------------------------------------- what is expected

-- A table by `keys`, whose entries are to be `rules`.
local function map(keys, is_good_key, rules, is_good)
  return function(path, value)
    if type(value) ~= "table" then fail(path, "a table by " .. keys, value) end
    for key, rule in pairs(value) do
      local entry = ("%s[%s]"):format(path, tostring(key))
      if not is_good_key(key) then fail_with(entry, ("expected a %s as key"):format(keys)) end
      if not is_good(rule) then fail(entry, rules, rule) end
    end
    return value
  end
end

local seconds = expecting("finite seconds >= 0", is_seconds)
local first_map = map("close code", is_whole, "false, seconds or { low, high }", is_first)
local RULES = "true, false, seconds or { low, high }"

local read_all = checks.group {
  profile = expecting('"fleet"', function(v) return v == "fleet" end),
  -- At 0 every ceiling would be 0.
  initial = expecting("finite seconds > 0", function(v) return is_seconds(v) and v > 0 end),
  max = seconds,
  overload_max = seconds,
  floor = seconds,
  factor = expecting("a finite number >= 1", function(v) return is_finite(v) and v >= 1 end),
  jitter = expecting('"full", "equal", "decorrelated" or "none"',
    function(v) return JITTERS[v] end),
  attempts = expecting("a whole number >= 0 or math.huge",
    function(v) return v == math.huge or is_whole(v) end),
  elapsed = seconds,
  stable_after = seconds,
  first = function(path, value) return value and first_map(path, value) end,
  codes = map('close code or "from-to"', is_key, RULES, is_rule),
  statuses = map('HTTP status or "from-to"', is_key, RULES, is_rule),
  always = checks.boolean,
  hints = checks.boolean,
  decide = checks.callable,
  clock = checks.callable,
  random = checks.callable,
  sleep = checks.callable,
}

-- ---------------------------------------------------------------- the shape that is used

-- A pair that ends at `max`.  What lies wholly above it becomes the upper half of what is left, so
-- that clients stay spread out.
local function window_within(max, given)
  if type(given) == "number" then given = { given, given } end
  local low, high = given[1], given[2]
  if low == high then return { math.min(low, max), math.min(high, max) } end
  return { low < max and low or max / 2, math.min(high, max) }
end

local FIRST, FLEET_FIRST, WIDEST = {}, {}, 0
for _, row in ipairs(close_codes.rows()) do
  if row.first then
    FIRST[row.code], FLEET_FIRST[row.code] = row.first, row.first
    WIDEST = math.max(WIDEST, row.first[2])
  end
end
-- The 5 s of RFC 6455 7.2.3: one user would rather not wait so long, a server rather have it.
FLEET_FIRST[1006] = { 0, 5 }

-- The user's entries laid over the codes' own.
local function first_windows(own, given, max)
  if given == nil and max >= WIDEST then return own end
  local first = {}
  if given == false then return first end
  for code, window in pairs(own) do first[code] = window_within(max, window) end
  for code, window in pairs(given or {}) do
    first[code] = window and window_within(max, window) or nil
  end
  return first
end

local function copied(rule)
  return type(rule) == "table" and { rule[1], rule[2] } or rule
end

-- Single numbers as they are; ranges in a list, the narrower first, since it knows better.
local function rules_of(given)
  local rules, ranges = {}, nil
  for key, rule in pairs(given) do
    local low, high = range_of(key)
    if low then
      ranges = ranges or {}
      ranges[#ranges + 1] = { low = low, high = high, rule = copied(rule), key = key }
    else
      rules[key] = copied(rule)
    end
  end
  if ranges then
    table.sort(ranges, function(a, b)
      local one, other = a.high - a.low, b.high - b.low
      if one ~= other then return one < other end
      return a.low < b.low
    end)
    rules.ranges = ranges
  end
  return rules
end

-- The bounds that depend on each other.
local function settle(options, given, prefix)
  local is_fleet = options.profile == "fleet"
  options.max = options.max or is_fleet and FLEET_MAX or MAX
  options.overload_max = options.overload_max
    or (is_fleet and FLEET_OVERLOAD or OVERLOAD) * options.max
  local lowest = math.min(options.initial, options.max)
  if options.overload_max < options.max then
    local line = "must not be below max: overload_max is %g, max is %g"
    fail_with(prefix .. "overload_max", line:format(options.overload_max, options.max))
  end
  -- A floor at the ceiling would take the jitter away, so ours gives way.
  options.floor = options.floor or (FLOOR < lowest and FLOOR or 0)
  for _, name in ipairs { "initial", "max" } do
    if options.floor > options[name] then
      local line = "must not be above %s: floor is %g, %s is %g"
      fail_with(prefix .. "floor", line:format(name, options.floor, name, options[name]))
    end
  end
  options.first = first_windows(is_fleet and FLEET_FIRST or FIRST, given.first, options.max)
end

local NONE = {}

local function defaults()
  return {
    initial = 1, factor = 2, jitter = "full", attempts = math.huge, stable_after = 10,
    codes = NONE, statuses = NONE, always = false, hints = false,
  }
end

local DEFAULTS = defaults()
settle(DEFAULTS, NONE)

--- The checked options with their defaults filled in; raises a sentence for a fault.
---@param given wsclose.RetryOptions|true|"fleet"
---@param path? string of the option that they stand in; default: none
---@return table options not to be changed
local function read(given, path)
  if given == true then return DEFAULTS end
  if given == "fleet" then given = { profile = "fleet" } end
  if type(given) ~= "table" then
    fail(path or "retry", 'a table, true or "fleet"', given)
  end
  local options = defaults()
  for name, value in pairs(read_all(path or "", given)) do options[name] = value end
  if given.codes then options.codes = rules_of(given.codes) end
  if given.statuses then options.statuses = rules_of(given.statuses) end
  settle(options, given, path and path .. "." or "")
  return options
end

--- What the option `codes` or `statuses` says of a number.
---@param rules table as read
---@param number integer
---@return wsclose.RetryRule? rule
---@return integer|string? key the entry's
local function rule_for(rules, number)
  if rules[number] ~= nil then return rules[number], number end
  for _, range in ipairs(rules.ranges or NONE) do
    if number >= range.low and number <= range.high then return range.rule, range.key end
  end
end

return { read = read, rule_for = rule_for, is_rule = is_rule, is_window = is_window }
