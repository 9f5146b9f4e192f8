--- Embedded into the engine: messages by receive(0), within a budget.
local meter = require "meter"
local wsclose = require "wsclose"

local MESSAGES, SECONDS = 300, 0.0005

local count = 0
local ws = assert(wsclose.new(os.getenv "WSCLOSE_URL", {
  retry = { first = false, initial = 0.2 },
  tls = { ca = os.getenv "WSCLOSE_CA_PEM" },
}))

local frame_of_meter = meter("engine", function() return ws:state() end, function()
  local give_up_at = os.clock() + SECONDS
  for _ = 1, MESSAGES do
    local data = ws:receive(0)
    if not data then break end
    count = count + 1
    if os.clock() > give_up_at then break end
  end
end)

function frame() -- luacheck: ignore 111
  if frame_of_meter() then
    print(("LONGEST engine  %d messages"):format(count))
    print "END"
  end
  return ws:state()
end
