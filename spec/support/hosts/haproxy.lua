-- HAProxy: the scenario, or what WSCLOSE_CASE names.
local program = require "support.hosts.program"
local scenario = require "support.hosts.scenario"

local core = core -- luacheck: globals core
local plain = require "wsclose"
local hosted = require("wsclose.hosted").module {
  wait = function() core.msleep(10) end,
  wake = function() end,
}

local cases = program.cases(hosted, core.register_task)

function cases.scenario()
  scenario(function(url, options)
    local ws = assert(plain.new(url, options))
    core.register_task(function()
      while ws:update() do core.msleep(10) end
    end)
    return ws
  end, program.say)
end

-- HAProxy takes the processor from a handler that works long, and a handler may sleep.
function cases.busy()
  local got, sum = {}, 0
  local ws = assert(plain.new(program.url .. "?id=busy", program.options {
    on_open = function(ws)
      for i = 1, 20 do ws:send(tostring(i)) end
    end,
    on_message = function(ws, data)
      got[#got + 1] = data
      for i = 1, 50000 do sum = sum + i end
      if #got % 5 == 0 then core.msleep(1) end
      if #got == 20 then ws:close(1000) end
    end,
  }))
  while ws:update() do core.msleep(10) end
  program.say(("GOT %s, CLOSE %d"):format(table.concat(got, " "), ws.close_code))
end

core.register_task(function()
  program.say("PID " .. assert(io.open "/proc/self/stat"):read "*n")
  cases[program.case]()
end)
