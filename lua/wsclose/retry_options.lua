--- The options of a retry policy: their defaults, their checks, and what to say of a bad one.
--
-- They are read once, into the shape that the policy uses at each failure: windows are pairs and
-- cut to `max`, keys such as "4400-4429" are a list.  What is not given is shared by all policies;
-- nothing here is changed after it was read.

local checks = require "wsclose.checks"
local close_codes = require "wsclose.close_codes"

local is_callable = checks.is_callable

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

local function described(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return "a " .. type(value)
end

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

-- A table whose entries pass; else false and the key at fault.
local function is_map(value, is_good_key, is_good)
  if type(value) ~= "table" then return false end
  for key, field in pairs(value) do
    if not is_good_key(key) or not is_good(field) then return false, key end
  end
  return true
end

local function is_rules(value)
  return is_map(value, is_key, is_rule)
end

local function is_boolean(value)
  return type(value) == "boolean"
end

local JITTERS = { full = true, equal = true, decorrelated = true, none = true }

-- ---------------------------------------------------------------- what is expected

local SECONDS = "seconds, a finite number not below 0"
local RULES = "true, false, seconds or { low, high }"
local A_FUNCTION = { "a function", is_callable }

-- name -> what is expected, and its check
local OPTIONS = {
  profile = { '"fleet"', function(v) return v == "fleet" end },
  -- At 0 every ceiling would be 0.
  initial = { "seconds, a finite number above 0", function(v) return is_seconds(v) and v > 0 end },
  max = { SECONDS, is_seconds },
  overload_max = { SECONDS, is_seconds },
  floor = { SECONDS, is_seconds },
  factor = { "a finite number not below 1", function(v) return is_finite(v) and v >= 1 end },
  jitter = {
    '"full", "equal", "decorrelated" or "none"',
    function(v) return JITTERS[v] or false end,
  },
  attempts = {
    "a whole number not below 0, or math.huge",
    function(v) return v == math.huge or is_whole(v) end,
  },
  elapsed = { SECONDS, is_seconds },
  stable_after = { SECONDS, is_seconds },
  first = {
    "false, or a table from close codes to false, seconds or { low, high }",
    function(v)
      if v == false then return true end
      return is_map(v, is_whole, is_first)
    end,
  },
  codes = { 'a table from close codes or "from-to" to ' .. RULES, is_rules },
  statuses = { 'a table from HTTP statuses or "from-to" to ' .. RULES, is_rules },
  always = { "true or false", is_boolean },
  hints = { "true or false", is_boolean },
  decide = A_FUNCTION,
  clock = A_FUNCTION,
  random = A_FUNCTION,
  sleep = A_FUNCTION,
}

local function fault_of(name, value)
  local option = OPTIONS[name]
  if not option then
    local line = 'unknown option %s; did you mean "%s"?'
    return line:format(described(name), checks.nearest(tostring(name), OPTIONS))
  end
  local good, key = option[2](value)
  if good then return nil end
  if key == nil then
    return ("option %s must be %s, not %s"):format(name, option[1], described(value))
  end
  local line = "option %s must be %s; the entry [%s] = %s is not"
  return line:format(name, option[1], described(key), described(value[key]))
end

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
local function settle(options, given)
  local is_fleet = options.profile == "fleet"
  options.max = options.max or is_fleet and FLEET_MAX or MAX
  options.overload_max = options.overload_max
    or (is_fleet and FLEET_OVERLOAD or OVERLOAD) * options.max
  local lowest = math.min(options.initial, options.max)
  if options.overload_max < options.max then
    local line = "option overload_max must not be below max: overload_max is %g, max is %g"
    return line:format(options.overload_max, options.max)
  end
  -- A floor at the ceiling would take the jitter away, so ours gives way.
  options.floor = options.floor or (FLOOR < lowest and FLOOR or 0)
  for _, name in ipairs { "initial", "max" } do
    if options.floor > options[name] then
      local line = "option floor must not be above %s: floor is %g, %s is %g"
      return line:format(name, options.floor, name, options[name])
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

--- The checked options with their defaults filled in.
---@param given wsclose.RetryOptions|true|"fleet"
---@return table? options not to be changed; nil: a fault
---@return string? fault a clause that names the option and what is expected
local function read(given)
  if given == true then return DEFAULTS end
  if given == "fleet" then given = { profile = "fleet" } end
  if type(given) ~= "table" then
    return nil, 'the options must be a table, true or "fleet", not ' .. described(given)
  end
  local options = defaults()
  for name, value in pairs(given) do
    local fault = fault_of(name, value)
    if fault then return nil, fault end
    options[name] = value
  end
  if given.codes then options.codes = rules_of(given.codes) end
  if given.statuses then options.statuses = rules_of(given.statuses) end
  local fault = settle(options, given)
  if fault then return nil, fault end
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

return { read = read, rule_for = rule_for, is_rule = is_rule, described = described }
