--- In LÖVE: wsclose.love with its default budget, at 60 frames a second.
local love = love -- luacheck: globals love
local meter = require "meter"
local wsclose = require "wsclose.love"

local count = 0
local ws = assert(wsclose.new(os.getenv "WSCLOSE_URL", {
  retry = { first = false, initial = 0.2 },
  tls = { ca = os.getenv "WSCLOSE_CA_PEM" },
  on_message = function() count = count + 1 end,
}))

wsclose.max_messages, wsclose.max_time = 300, 0.0005

local frame = meter("love", function() return ws:state() end, wsclose.update)

function love.update()
  if frame() then
    print(("LONGEST love    %d messages"):format(count))
    print "END"
    io.stdout:flush()
    love.event.quit()
  end
  love.timer.sleep(1 / 60)
end
