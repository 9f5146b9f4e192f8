--- The options of a retry policy: their defaults, their checks, and what to say of a bad one.

local checks = require "wsclose.checks"
local close_codes = require "wsclose.close_codes"

local is_callable = checks.is_callable

---@alias wsclose.RetryRule boolean | number true: yes; false: no; a number: after so many seconds

---@class wsclose.RetryOptions
---@field initial? number seconds, ceiling of the first delay (1)
---@field factor? number what the ceiling grows by, at least 1 (2)
---@field max? number seconds, ceiling of every delay (60)
---@field floor? number seconds, no delay is shorter (0.25, and 0 where max is not above that)
---@field jitter? "full"|"equal"|"decorrelated"|"none" ("full")
---@field attempts? number retries in a row at most (math.huge)
---@field elapsed? number seconds after a run's first failure past which no attempt begins (nil)
---@field stable_after? number seconds a connection must stay open to end a run of failures (10)
---@field first? false|table<integer, false|number|number[]> first delay by code; false: none
---@field codes? table<integer, wsclose.RetryRule> by close code
---@field statuses? table<integer, wsclose.RetryRule> by HTTP status of a refused handshake
---@field decide? fun(code: integer, info: table, attempt: integer): wsclose.RetryRule?
---@field clock? fun(): number seconds, monotonic if possible (os.time)
---@field random? fun(): number in [0, 1) (a generator seeded from the system)
---@field sleep? fun(seconds: number) what policy:call waits with

local function is_number(value, low)
  return type(value) == "number" and value >= low and value - value == 0
end

local function described(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return "a " .. type(value)
end

local function seconds(value)
  return is_number(value, 0)
end

local function is_range(value)
  return type(value) == "table" and seconds(value[1]) and seconds(value[2])
    and value[1] <= value[2] and #value == 2
end

local function is_rule(value)
  return type(value) == "boolean" or seconds(value)
end

local function is_first(value)
  return value == false or seconds(value) or is_range(value)
end

-- A table from whole numbers to what `check` passes; else false and the key at fault.
local function is_map(value, check)
  if type(value) ~= "table" then return false end
  for key, field in pairs(value) do
    if not is_number(key, 0) or key % 1 ~= 0 or not check(field) then return false, key end
  end
  return true
end

local function is_rules(value)
  return is_map(value, is_rule)
end

local SECONDS = "seconds, a finite number not below 0"

-- name -> what is expected, its check, the default
local OPTIONS = {
  initial = { SECONDS, seconds, 1 },
  max = { SECONDS, seconds, 60 },
  floor = { SECONDS, seconds },
  factor = { "a finite number not below 1", function(v) return is_number(v, 1) end, 2 },
  jitter = {
    '"full", "equal", "decorrelated" or "none"',
    function(v) return v == "full" or v == "equal" or v == "decorrelated" or v == "none" end,
    "full",
  },
  attempts = {
    "a whole number not below 0, or math.huge",
    function(v) return v == math.huge or is_number(v, 0) and v % 1 == 0 end,
    math.huge,
  },
  elapsed = { SECONDS, seconds },
  stable_after = { SECONDS, seconds, 10 },
  first = {
    "false, or a table from close codes to false, seconds or { low, high }",
    function(v)
      if v == false then return true end
      return is_map(v, is_first)
    end,
  },
  codes = { "a table from close codes to true, false or seconds", is_rules, {} },
  statuses = { "a table from HTTP statuses to true, false or seconds", is_rules, {} },
  decide = { "a function", is_callable },
  clock = { "a function", is_callable },
  random = { "a function", is_callable },
  sleep = { "a function", is_callable },
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

-- The user's entries laid over the defaults of the close codes.
local function first_delays(given)
  if given == false then return {} end
  local first = {}
  for _, row in ipairs(close_codes.rows()) do
    if row.first then first[row.code] = row.first end
  end
  for code, delay in pairs(given or {}) do
    first[code] = type(delay) == "table" and { delay[1], delay[2] } or delay
  end
  return first
end

local function shallow_copy(value)
  if type(value) ~= "table" or getmetatable(value) then return value end
  local fresh = {}
  for key, field in pairs(value) do fresh[key] = field end
  return fresh
end

--- The checked options with their defaults filled in.
---@param given wsclose.RetryOptions
---@return table? options a copy; nil: a fault
---@return string? fault a clause that names the option and what is expected
local function read(given)
  if type(given) ~= "table" then
    return nil, "the options must be a table or true, not " .. described(given)
  end
  for name, value in pairs(given) do
    local fault = fault_of(name, value)
    if fault then return nil, fault end
  end
  local options = {}
  for name, option in pairs(OPTIONS) do
    local value = given[name]
    if value == nil then value = option[3] end
    options[name] = shallow_copy(value)
  end
  options.floor = given.floor or (options.max > 0.25 and 0.25 or 0)
  if options.floor > options.max then
    local line = "option floor must not be above max: floor is %g, max is %g"
    return nil, line:format(options.floor, options.max)
  end
  options.first = first_delays(given.first)
  return options
end

return { read = read, is_rule = is_rule, described = described }
