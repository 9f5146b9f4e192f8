--- What the values of options may be, and what to say of one that is not.  A check takes the
-- option's path and the value, gives what is to be used, and raises a sentence.

local checks = {}

-- ---------------------------------------------------------------- saying what is wrong

--- What a value is, for sentences.
function checks.described(value)
  if value ~= value then return "NaN" end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return type(value)
end

--- Caught in options.read, which gives the sentence to its caller.
function checks.fail(path, expected, value, shown)
  local line = "option '%s': expected %s, got %s"
  error(line:format(path, expected, shown or checks.described(value)), 0)
end

function checks.fail_with(path, sentence)
  error(("option '%s': %s"):format(path, sentence), 0)
end

-- How many letters must be changed, added or dropped to make `b` of `a`.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local best = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
      diagonal = row[j]
      row[j] = math.min(best, row[j] + 1, row[j - 1] + 1)
    end
  end
  return row[#b]
end

--- The known name that is the most like `name`, if one is: a third of its letters may differ.
---@param known table<string, any>
---@return string?
function checks.nearest(name, known)
  local best, least = nil, math.max(1, math.floor((#name + 1) / 3))
  for candidate in pairs(known) do
    local changes = distance(name:lower(), candidate)
    if changes < least or changes == least and (not best or candidate < best) then
      best, least = candidate, changes
    end
  end
  return best
end

-- More are not told in one sentence.
local LISTED = 8

local function all_of(prefix, known)
  local names = checks.sorted_names("", known)
  if #names > LISTED then return "" end
  for i, name in ipairs(names) do names[i] = ("'%s%s'"):format(prefix, name) end
  return "; expected " .. table.concat(names, ", "):gsub(", ([^,]*)$", " or %1")
end

--- `meaning`: what a word of another client's means, as a whole path.
function checks.fail_unknown(prefix, name, known, meaning)
  if type(name) ~= "string" then
    error(("option %s%s: expected a name, got %s"):format(prefix, tostring(name), type(name)), 0)
  end
  local meant = meaning and meaning(name, prefix)
  local nearest = not meant and checks.nearest(name, known)
  meant = meant or nearest and prefix .. nearest
  error(("unknown option '%s%s'%s"):format(
    prefix, name, meant and ("; did you mean '%s'?"):format(meant) or all_of(prefix, known)), 0)
end

-- ---------------------------------------------------------------- kinds of values

function checks.is_callable(value)
  if type(value) == "function" then return true end
  local meta = getmetatable(value)
  return type(meta) == "table" and type(meta.__call) == "function"
end

--- The check of what a function tells to be good.
---@param expected string
---@param is_good fun(value: any): any
function checks.expecting(expected, is_good)
  return function(path, value)
    if not is_good(value) then checks.fail(path, expected, value) end
    return value
  end
end
local expecting = checks.expecting

checks.callable = expecting("a function", checks.is_callable)
checks.boolean = expecting("true or false", function(v) return type(v) == "boolean" end)
-- what is no number at all is not above 0 either
checks.seconds = expecting("seconds >= 0", function(v) return type(v) == "number" and v >= 0 end)

function checks.whole(low, high)
  local expected = ("a whole number >= %d"):format(low)
  if high then expected = ("a whole number from %d to %d"):format(low, high) end
  return expecting(expected, function(v)
    return type(v) == "number" and v >= low and v <= (high or 2 ^ 53) and v % 1 == 0
  end)
end

function checks.text(path, value)
  if type(value) ~= "string" then checks.fail(path, "a string", value) end
  if value:find("\0", 1, true) then checks.fail_with(path, "must not hold NUL") end
  return value
end

function checks.line(path, value)
  checks.text(path, value)
  if value:find "[\r\n]" then checks.fail_with(path, "must not hold CR or LF") end
  return value
end

function checks.list_of_lines(path, value)
  if type(value) == "string" then value = { value } end
  if type(value) ~= "table" then checks.fail(path, "a list of strings", value) end
  local lines = {}
  for key in pairs(value) do
    if type(key) ~= "number" then checks.fail(path, "a list", nil, "the key " .. tostring(key)) end
  end
  for i = 1, #value do
    lines[i] = checks.line(("%s[%d]"):format(path, i), value[i])
  end
  return lines
end

--- A table of named fields; `fields` has a check for each name, `meaning` knows other words for
-- them.
function checks.group(fields, meaning)
  return function(path, value)
    if type(value) ~= "table" then checks.fail(path, "a table", value) end
    local checked, prefix = {}, path == "" and "" or path .. "."
    for name, field in pairs(value) do
      local check = fields[name]
      if not check then checks.fail_unknown(prefix, name, fields, meaning) end
      checked[name] = check(prefix .. name, field)
    end
    return checked
  end
end

function checks.sorted_names(path, map)
  local names = {}
  for name in pairs(map) do
    if type(name) ~= "string" then
      checks.fail(path, "names as keys", nil, "the key " .. tostring(name))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

return checks
