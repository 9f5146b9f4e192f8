--- A message of 40 bytes, of a flood that on_message takes.
local play = require "scripts.play"

local message = play.message(40)
local messages = {}
for i = 1, 1000 do messages[i] = message end

local left = play.count

play.serve(messages)
local ws = play.connect(false, function(ws, data)
  if data ~= message then error "another message came" end
  left = left - 1
  if left == 0 then ws:pause() end -- what else came with the last read is not counted
end)
assert(ws:send "go")
while left > 0 do assert(ws:update(1)) end
play.finish()
