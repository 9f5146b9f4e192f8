-- copas: the scenario, or what WSCLOSE_CASE names, until a line comes in.
local copas = require "copas"
local program = require "support.hosts.program"
local scenario = require "support.hosts.scenario"
local wsclose = require "wsclose.copas"

local ended = false

local cases = program.cases(wsclose, copas.addthread)

function cases.scenario()
  scenario(function(url, given)
    local ws = assert(wsclose.new(url, given))
    copas.addthread(function() ws:run() end)
    return ws
  end, program.say)
end

local stdin = { getfd = function() return 0 end, settimeout = print, close = print, looked = false }
function stdin:receive()
  if self.looked then return "ready" end
  self.looked = true
  return nil, "timeout"
end

copas.addthread(function()
  copas.receive(stdin)
  ended = true
end)
cases[program.case]()
wsclose.loop(function() return ended end)
