--- Values as JSON texts (RFC 8259): for programs that read what the command line writes.

local core = require "wsclose.core"

local json = {}

local Array = {}

--- A table that is a list, also where it is empty.
function json.array(list)
  return setmetatable(list, Array)
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escaped(byte)
  return ESCAPES[byte] or ("\\u%04x"):format(byte:byte())
end

-- Headers may hold bytes that are no UTF-8: they are taken for Latin-1, as HTTP once said.
local function string_of(text)
  local pattern = core.valid_utf8(text) and '[%c"\\]' or '[%c"\\\128-\255]'
  return '"' .. text:gsub(pattern, escaped) .. '"'
end

local function number_of(number)
  if number ~= number or number - number ~= 0 then return "null" end
  if number % 1 == 0 and math.abs(number) < 2 ^ 53 then return ("%.0f"):format(number) end
  return (("%.6g"):format(number))
end

-- "event" first, so that a person finds it; the rest by name, so that every run gives the same.
local function before(a, b)
  if a == "event" or b == "event" then return a == "event" and b ~= "event" end
  return a < b
end

local encode

local function object_of(value)
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, before)
  for i, key in ipairs(keys) do parts[i] = string_of(key) .. ":" .. encode(value[key]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function array_of(value)
  local parts = {}
  for i, element in ipairs(value) do parts[i] = encode(element) end
  return "[" .. table.concat(parts, ",") .. "]"
end

local WRITERS = {
  string = string_of,
  number = number_of,
  boolean = tostring,
  table = function(value)
    return (value[1] ~= nil or getmetatable(value) == Array) and array_of(value) or object_of(value)
  end,
}

--- One line.
---@param value any strings, numbers, booleans, lists and tables with string keys
---@return string
function encode(value)
  return WRITERS[type(value)](value)
end

json.encode = encode

-- ---------------------------------------------------------------- bytes

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function four_of(three)
  local a, b, c = three:byte(1, 3)
  local bits = a * 65536 + (b or 0) * 256 + (c or 0)
  local digits = ""
  for place = 3, 0, -1 do
    local digit = math.floor(bits / 64 ^ place) % 64
    digits = digits .. DIGITS:sub(digit + 1, digit + 1)
  end
  return c and digits or b and digits:sub(1, 3) .. "=" or digits:sub(1, 2) .. "=="
end

--- Bytes in base64 (RFC 4648).
---@param bytes string
---@return string
function json.base64(bytes)
  return (bytes:gsub("..?.?", four_of))
end

return json
