--- A fresh `require "wsclose"` on the testing platform: `testing.memory` counts its memory.

local testing = require "wsclose.core_testing"

---@return table wsclose
---@return table core its wsclose.core
return function()
  local kept = {}
  for name in pairs(package.loaded) do
    if name:match "^wsclose" and name ~= "wsclose.core_testing" then
      kept[name] = package.loaded[name]
    end
  end
  for name in pairs(kept) do
    package.loaded[name] = nil
  end
  local core = testing.open_core()
  package.loaded["wsclose.core"] = core
  local wsclose = require "wsclose"
  for name in pairs(package.loaded) do
    if name:match "^wsclose" and name ~= "wsclose.core_testing" then
      package.loaded[name] = kept[name]
    end
  end
  return wsclose, core
end
