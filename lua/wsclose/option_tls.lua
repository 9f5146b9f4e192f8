--- The option tls.

local checks = require "wsclose.checks"
local core = require "wsclose.core"
local meaning = require "wsclose.option_words"

local fail, fail_with, boolean = checks.fail, checks.fail_with, checks.boolean
local whole, text, line = checks.whole, checks.text, checks.line
local list_of_lines, group = checks.list_of_lines, checks.group

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- The 32 bytes that 43 base64 digits and one "=" stand for: four digits are three bytes.
local function from_base64(digits)
  local bytes = digits:gsub("=", "A"):gsub("....", function(four)
    local number = 0
    for digit in four:gmatch "." do number = number * 64 + BASE64:find(digit, 1, true) - 1 end
    local low, middle = number % 256, math.floor(number / 256) % 256
    return string.char(math.floor(number / 65536), middle, low)
  end)
  return bytes:sub(1, 32)
end

local function pin(path, value)
  line(path, value)
  local digits = value:gsub("^[sS][hH][aA]256[:/]", "")
  -- "sha256//": the second slash, unless it is the first digit
  if digits:sub(1, 1) == "/" and (#digits == 45 or #digits == 65) then digits = digits:sub(2) end
  if #digits == 64 and digits:find "^%x+$" then
    return (digits:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
  end
  if #digits ~= 44 or not digits:find "^[A-Za-z0-9+/]+=$" then
    fail_with(path, "expected the SHA-256 of a public key, 64 hex digits or base64")
  end
  return from_base64(digits)
end

local function pins(path, value)
  local checked = list_of_lines(path, value)
  for i, one in ipairs(checked) do
    checked[i] = pin(("%s[%d]"):format(path, i), one)
  end
  return checked
end

-- Windows knows its files by UTF-16.
local names_are_utf8 = package.config:sub(1, 1) == "\\"

local function file(check)
  return function(path, value)
    check(path, value)
    if names_are_utf8 and not core.valid_utf8(value) then fail_with(path, "must be UTF-8") end
    return value
  end
end

local TLS_VERSIONS = { ["1.2"] = 12, ["1.3"] = 13 }

local function tls_version(path, value)
  local version = TLS_VERSIONS[tostring(value)]
  if not version then fail(path, '"1.2" or "1.3"', value) end
  return version
end

-- In OpenSSL no name, and one that begins with a dot, would match more hosts than one.
local function server_name(path, value)
  if not line(path, value):find "^[^.]" then fail_with(path, "expected a host's name") end
  return value
end

local function alpn(path, value)
  if value == false then return "" end
  return line(path, value)
end

local function session_cache(path, value)
  if value == true then return nil end
  if value == false then return 0 end
  return whole(0)(path, value)
end

local tls = group({
  verify = boolean,
  ca_file = file(line),
  ca_path = file(line),
  ca = text,
  cert = file(text),
  key = file(text),
  password = text,
  server_name = server_name,
  ciphers = line,
  groups = line,
  min_version = tls_version,
  pin = pins,
  alpn = alpn,
  keylog_file = file(line),
  session_cache = session_cache,
}, meaning)

return { read = tls }
