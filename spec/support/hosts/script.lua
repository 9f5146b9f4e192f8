-- From top to bottom, in whichever host: the scenario, with nothing else to wait for.
local program = require "support.hosts.program"
local scenario = require "support.hosts.scenario"
local wsclose = require "wsclose"

local group, stays = wsclose.group(), false

scenario(function(url, options)
  local ws = assert(wsclose.new(url, options))
  group:add(ws)
  return ws
end, function(line)
  program.say(line)
  stays = line == "STAYS"
end)
while not stays do group:update(program.patience) end
