--- A connection: connect, handshake, Close 1000 and its answer.
local play = require "scripts.play"

play.serve()
for _ = 1, play.count do
  local ws = play.connect()
  ws:close()
  assert(ws:run() == 1000)
end
play.finish()
