--- Embedded into the engine: update within the budget of the client's options.
local meter = require "meter"
local wsclose = require "wsclose"

local ws = assert(wsclose.new(os.getenv "WSCLOSE_URL", {
  retry = { first = false, initial = 0.2, max = 0.2 },
  tls = { ca = os.getenv "WSCLOSE_CA_PEM" },
  max_messages = 300, max_time = 0.0003,
}))

local measured = meter("engine", ws, cpu_time, function() ws:update() end) -- luacheck: ignore 113

function frame() -- luacheck: ignore 111
  if measured() then print "END" end
  return ws:state()
end
