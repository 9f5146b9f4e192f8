--- Collects all there is of the modules on counted memory: what a finalizer lets go of takes
--- another round.

local garbage = require "support.garbage"
local memory = require("wsclose.core_testing").memory

return function()
  local before
  repeat
    before = memory.live_blocks()
    garbage()
  until memory.live_blocks() == before
end
