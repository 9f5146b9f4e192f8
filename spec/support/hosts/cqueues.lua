-- cqueues: the scenario, or what WSCLOSE_CASE names, until a line comes in.
local cqueues = require "cqueues"
local program = require "support.hosts.program"
local scenario = require "support.hosts.scenario"
local wsclose = require "wsclose.cqueues"

local say = program.say
local loop = cqueues.new()
local ended = false

local function spawn(f) loop:wrap(f) end

local cases = program.cases(wsclose, spawn)

function cases.scenario()
  scenario(function(url, given)
    local ws = assert(wsclose.new(url, given))
    spawn(function() ws:run() end)
    return ws
  end, say)
end

-- The client itself is pollable, without the file for cqueues.
function cases.pollable()
  local ws = assert(require("wsclose").new(program.url .. "?id=pollable", program.options {
    on_open = function(ws) ws:send "hello" end,
    on_message = function(ws, data)
      say("ECHO " .. data)
      ws:close(1000, "done")
    end,
  }))
  spawn(function()
    while ws:update() do cqueues.poll(ws) end
    say "CLOSED"
  end)
end

spawn(function()
  cqueues.poll { pollfd = 0, events = "r" }
  ended = true
end)
cases[program.case]()
while not ended do assert(loop:step()) end
