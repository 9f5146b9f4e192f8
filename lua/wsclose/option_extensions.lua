--- The option extensions: checked, and brought into the order of the offer.

local core = require "wsclose.core"
local checks = require "wsclose.checks"

local fail, fail_with, fail_unknown = checks.fail, checks.fail_with, checks.fail_unknown
local boolean, whole, line = checks.boolean, checks.whole, checks.line
local list_of_lines, sorted_names = checks.list_of_lines, checks.sorted_names

local window_bits = whole(8, 15)

local function flag(path, value)
  return boolean(path, value) or nil
end

-- Checkers of permessage-deflate's parameters; they give the parameter's value, true for a bare
-- one, nil for none.
local DEFLATE_PARAMS = {
  client_max_window_bits = function(path, value)
    if type(value) == "boolean" then return value or nil end
    return window_bits(path, value)
  end,
  client_no_context_takeover = flag,
  server_max_window_bits = window_bits,
  server_no_context_takeover = flag,
}

-- How to compress, which is nobody's business but ours.
local DEFLATE_TUNING = { level = whole(0, 9), mem_level = whole(1, 9), threshold = whole(0) }

local GENERAL = { name = line, required = boolean, require = list_of_lines }

local DEFLATE_NAMES = {}
for _, names in ipairs { DEFLATE_PARAMS, DEFLATE_TUNING, GENERAL } do
  for name in pairs(names) do DEFLATE_NAMES[name] = true end
end

-- Flat: name, value, name, value; false: a bare one.
local function plain_params(path, given)
  local params = {}
  for _, name in ipairs(sorted_names(path, given)) do
    local value = given[name]
    if not GENERAL[name] then
      local where = path .. "." .. name
      params[#params + 1] = line(where, name)
      if type(value) == "number" then value = ("%.14g"):format(value) end
      params[#params + 1] = value ~= true and line(where, value)
    end
  end
  return params
end

local function deflate_params(path, given, config)
  local wished = { client_max_window_bits = not config.server or nil }
  for name, value in pairs(given) do
    local where = path .. "." .. tostring(name)
    if DEFLATE_PARAMS[name] then
      wished[name] = DEFLATE_PARAMS[name](where, value)
    elseif DEFLATE_TUNING[name] then
      config.deflate = config.deflate or {}
      config.deflate[name] = DEFLATE_TUNING[name](where, value)
    elseif not GENERAL[name] then
      fail_unknown(path .. ".", name, DEFLATE_NAMES)
    end
  end
  return plain_params(path, wished)
end

local function extension(path, name, given, config)
  if type(given) ~= "table" then fail(path, "a table or false", given) end
  local is_deflate = name == "permessage-deflate"
  local checked = {
    name = line(path, name),
    params = is_deflate and deflate_params(path, given, config) or plain_params(path, given),
  }
  local required, require_params = given.required, given.require
  if required ~= nil then checked.required = boolean(path .. ".required", required) end
  if require_params ~= nil then
    checked.require = list_of_lines(path .. ".require", require_params)
  end
  local ok, sentence = core.check_extension(checked)
  if not ok then fail_with(path, sentence) end
  return checked
end

local function extensions(path, value, config)
  if type(value) ~= "table" then fail(path, "a table", value) end
  local list = {}
  if value[1] ~= nil then
    for i, given in ipairs(value) do
      local where = ("%s[%d]"):format(path, i)
      if type(given) ~= "table" then fail(where, "a table", given) end
      list[i] = extension(where, line(where .. ".name", given.name), given, config)
    end
    return list
  end
  for _, name in ipairs(sorted_names(path, value)) do
    local given = value[name]
    if given == true then given = {} end
    if given ~= false then
      list[#list + 1] = extension(path .. "." .. name, name, given, config)
    end
  end
  return list
end

return { read = extensions }
