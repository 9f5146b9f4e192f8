--- Equal settings are one: what a thousand clients were told alike is held once.
--
-- Settings are never changed once a client has them, so nobody can tell.  What has a metatable (a
-- retry policy, which counts) and functions are equal to themselves alone.

-- How many different ones are told apart; of more, the oldest are not shared with new clients.
local KEPT = 8

local shared = {}

local function is_same(a, b)
  if rawequal(a, b) then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  if getmetatable(a) or getmetatable(b) then return false end
  for key, value in pairs(a) do
    if not is_same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- A function that gives an equal table that is in use, or the one it was called with.
local function new_store()
  local kept, oldest = setmetatable({}, { __mode = "v" }), 1
  return function(given)
    for i = 1, KEPT do
      local known = kept[i]
      if known and is_same(known, given) then return known end
    end
    kept[oldest] = given
    oldest = oldest % KEPT + 1
    return given
  end
end

local share_config, share_settings = new_store(), new_store()

---@param settings wsclose.Settings without callbacks; not to be changed from here on
---@return wsclose.Settings
function shared.settings(settings)
  settings.config = share_config(settings.config)
  return share_settings(settings)
end

return shared
