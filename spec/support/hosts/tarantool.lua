-- Tarantool: the scenario, or what WSCLOSE_CASE names, until a line comes in.
local fiber = require "fiber"
local socket = require "socket"
local program = require "support.hosts.program"
local scenario = require "support.hosts.scenario"

local box = box -- luacheck: globals box

local waiting, clients = {}, {}
local wsclose = require("wsclose.hosted").module {
  wait = function(ws, seconds)
    waiting[ws] = fiber.self()
    socket.iowait(ws:pollfd(), "R", math.min(seconds, ws:timeout() or seconds, 1e6))
    waiting[ws] = nil
  end,
  wake = function(ws)
    if waiting[ws] then waiting[ws]:wakeup() end
  end,
  adopt = function(ws) clients[#clients + 1] = ws end,
}

local cases = program.cases(wsclose, fiber.new)

function cases.scenario()
  scenario(function(url, options)
    local ws = assert(wsclose.new(url, options))
    fiber.create(function() ws:run() end)
    return ws
  end, program.say)
end

-- A handler that yields, while another fiber sends.
function cases.yields()
  local got = {}
  local ws
  ws = assert(wsclose.new(program.url .. "?id=yields", program.options {
    on_open = function()
      fiber.create(function()
        for i = 1, 20 do
          assert(ws:send(tostring(i)))
          fiber.yield()
        end
      end)
    end,
    on_message = function(_, data)
      fiber.sleep(0.001)
      got[#got + 1] = data
      if #got == 20 then ws:close(1000) end
    end,
  }))
  ws:run()
  program.say(("GOT %s, CLOSE %d"):format(table.concat(got, " "), ws.close_code))
end

box.ctl.on_shutdown(function()
  for _, ws in ipairs(clients) do ws:leave() end
end)
fiber.create(cases[program.case])
socket.iowait(0, "R")
os.exit(0)
