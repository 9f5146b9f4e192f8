--- A message of 125 bytes, 64 in flight: for each that comes to on_message one is sent.
local play = require "scripts.play"

local message = play.message(125)
local left = play.count

play.serve()
local ws = play.connect(false, function(ws, data)
  if data ~= message then error "another message came" end
  left = left - 1
  if left >= 64 then ws:send(message) end
end)
for _ = 1, math.min(64, left) do assert(ws:send(message)) end
while left > 0 do assert(ws:update(1)) end
play.finish()
