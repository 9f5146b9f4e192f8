--- Equal settings are one: what a thousand clients were told alike is held once.
--
-- Settings are never changed once a client has them, so nobody can tell.  What has a metatable (a
-- retry policy, which counts) and functions are equal to themselves alone.

local is_alike = require("wsclose.core").is_alike

-- How many different ones are told apart; of more, the oldest are not shared with new clients.
local KEPT = 8

local shared = {}

-- A function that gives an equal table that is in use, or the one it was called with.
local function new_store()
  local kept, oldest = setmetatable({}, { __mode = "v" }), 1
  return function(given)
    for i = 1, KEPT do
      local known = kept[i]
      if known and is_alike(known, given) then return known end
    end
    kept[oldest] = given
    oldest = oldest % KEPT + 1
    return given
  end
end

local share_config, share_settings = new_store(), new_store()

local function share(settings)
  settings.config = share_config(settings.config)
  return share_settings(settings)
end

-- ---------------------------------------------------------------- reading

-- Deeper than any option goes: what is deeper, or goes round, is not copied.
local DEPTH = 6

local PLAIN = { string = true, number = true, boolean = true }
local NOTHING = {}

-- nil: something in it cannot be copied.  `without`: keys that are left out, but not further down.
local function copied(value, depth, without)
  if PLAIN[type(value)] then return value end
  if type(value) ~= "table" or depth == 0 or getmetatable(value) then return nil end
  local copy = {}
  for key, field in next, value do
    if not without[key] then
      local inner = copied(field, depth - 1, NOTHING)
      if inner == nil then return nil end
      copy[key] = inner
    end
  end
  return copy
end

--- Options that were read last are not read again.  The program may change its table meanwhile, so
-- what is told is compared with a copy, which goes when the settings go.
---@param read fun(given: table): wsclose.Settings may raise
---@param without table<string, any> options that it does not read
---@return fun(given: table): wsclose.Settings not to be changed
function shared.reader(read, without)
  local last, told = setmetatable({}, { __mode = "v" }), setmetatable({}, { __mode = "k" })
  return function(given)
    local known = last[1]
    if known and is_alike(given, told[known], without) then return known end
    local settings = share(read(given))
    -- each client has a retry policy of its own, and a descriptor is another socket the next time
    local copy = not settings.retry and not settings.socket and copied(given, DEPTH, without)
    if copy then last[1], told[settings] = settings, copy end
    return settings
  end
end

return shared
