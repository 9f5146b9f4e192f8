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

---@param settings wsclose.Settings without callbacks; not to be changed from here on
---@return wsclose.Settings
function shared.settings(settings)
  settings.config = share_config(settings.config)
  return share_settings(settings)
end

return shared
