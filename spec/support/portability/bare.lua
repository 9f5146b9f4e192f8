-- busted where no C module can be loaded: in a program that has Lua and wsclose linked in.  What
-- busted asks of lfs, term and system, and the specs of mime, is little when the specs are named:
--   suite spec/support/portability/bare.lua spec/core/utf8_spec.lua …

-- io.open opens folders too, where the system is POSIX's; no byte can be read from one.
local function mode_of(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local readable = file:read(1) ~= nil
  file:close()
  return readable and "file" or "directory"
end

package.preload.lfs = function()
  local function attributes(path, name)
    local mode = mode_of(path)
    if not mode then return nil, "no " .. path end
    return name and (name == "mode" and mode or 0) or { mode = mode }
  end
  return {
    attributes = attributes,
    symlinkattributes = attributes,
    currentdir = function() return "." end,
    chdir = function() return true end,
    dir = function() return function() end end,
  }
end

package.preload.term = function()
  return { isatty = function() return false end }
end

package.preload.system = function()
  return { gettime = os.time, monotime = os.clock, sleep = error }
end

-- RFC 4648 4
local function base64(bytes)
  local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  return (bytes:gsub("..?.?", function(group)
    local a, b, c = group:byte(1, 3)
    local number = a * 65536 + (b or 0) * 256 + (c or 0)
    local out = ""
    for place = 18, 0, -6 do
      local digit = math.floor(number / 2 ^ place) % 64 + 1
      out = out .. digits:sub(digit, digit)
    end
    return out:sub(1, #group + 1) .. ("="):rep(3 - #group)
  end))
end

package.preload.mime = function()
  return { b64 = base64 }
end

require "busted.runner" { standalone = false }
