--- Collects all there is of the modules on counted memory: what a finalizer lets go of takes
--- another round.

local memory = require("wsclose.core_testing").memory

return function()
  local before
  repeat
    before = memory.live_blocks()
    collectgarbage()
    collectgarbage()
  until memory.live_blocks() == before
end
