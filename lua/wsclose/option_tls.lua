--- The option tls.

local checks = require "wsclose.checks"
local core = require "wsclose.core"
local meaning = require "wsclose.option_words"

local fail, fail_with, boolean = checks.fail, checks.fail_with, checks.boolean
local whole, text, line = checks.whole, checks.text, checks.line
local list_of_lines, group = checks.list_of_lines, checks.group

local BASE64 = {}
do
  local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  for i = 1, #letters do BASE64[letters:sub(i, i)] = i - 1 end
end

-- The 32 bytes that 43 base64 digits and one "=" stand for, or nil.
local function from_base64(digits)
  local bytes, bits, held = {}, 0, 0
  for digit in digits:gmatch "[^=]" do
    local value = BASE64[digit]
    if not value then return nil end
    held, bits = held * 64 + value, bits + 6
    if bits >= 8 then
      bits = bits - 8
      local byte = math.floor(held / 2 ^ bits)
      bytes[#bytes + 1] = string.char(byte)
      held = held - byte * 2 ^ bits
    end
  end
  return table.concat(bytes)
end

local function pin(path, value)
  line(path, value)
  local digits = value:gsub("^[sS][hH][aA]256[:/]", "")
  -- "sha256//": the second slash, unless it is the first digit
  if digits:sub(1, 1) == "/" and (#digits == 45 or #digits == 65) then digits = digits:sub(2) end
  if #digits == 64 and digits:find "^%x+$" then
    return (digits:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
  end
  local bytes = #digits == 44 and digits:sub(-1) == "=" and from_base64(digits)
  if not bytes or #bytes ~= 32 then
    fail_with(path, "expected the SHA-256 of a public key, 64 hex digits or base64")
  end
  return bytes
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
