--- A round trip of 125 bytes: send, wait, receive.
local play = require "scripts.play"

local message = play.message(125)

play.serve()
local ws = play.connect()
for _ = 1, play.count do
  ws:send(message)
  if ws:receive() ~= message then error "another message came" end
end
play.finish()
