-- LÖVE: the scenario, or what WSCLOSE_CASE names, until a line comes in.
local love = love -- luacheck: globals love
local program = require "support.hosts.program"
local scenario = require "support.hosts.scenario"
local socket = require "socket" -- LÖVE brings it
local wsclose = require "wsclose.love"

local URL, options, say = program.url, program.options, program.say

local cases = {}
local after_frame = function() end
local spawned = {}

local function spawn(f) spawned[#spawned + 1] = coroutine.wrap(f) end

local function run_spawned()
  local ready = spawned
  spawned = {}
  for _, f in ipairs(ready) do f() end
end

function cases.scenario()
  scenario(wsclose.new, say)
end

function cases.straight()
  coroutine.wrap(program.straight)(wsclose, spawn)
end

function cases.wake()
  coroutine.wrap(program.wake)(wsclose, spawn)
end

function cases.timers()
  coroutine.wrap(program.timers)(wsclose, spawn)
  program.timer_alone(wsclose.new)
end

function cases.defaults()
  local function budget_of(more)
    local settings = wsclose.new(URL, more)._settings
    return ("%g %g"):format(settings.max_messages, settings.max_time)
  end
  say(("DEFAULT %s GIVEN %s"):format(budget_of(nil), budget_of { max_time = 0.5 }))
end

-- A burst is spread over frames, in order, a second client has its turn, and an error in a callback
-- loses nothing.
function cases.budget()
  local count, in_frame, most, errors, other = 0, 0, 0, 0, 0
  local update = wsclose.update
  local function finish(ws)
    ws:close()
    say(("MOST %d ERRORS %d OTHER %s"):format(most, errors, tostring(other > 0)))
  end
  wsclose.new(URL .. "?id=burst", options {
    max_messages = 7,
    max_time = math.huge,
    on_open = function(ws)
      for i = 1, 1000 do ws:send(tostring(i)) end
    end,
    on_message = function(ws, data)
      count, in_frame = count + 1, in_frame + 1
      assert(data == tostring(count))
      if count == 1000 then finish(ws) end
      if count == 500 then error("once", 0) end
    end,
  })
  wsclose.new(URL .. "?id=other", options {
    on_open = function(ws) ws:send "x" end,
    on_message = function(ws)
      other = other + 1
      if count < 1000 then ws:send "x" else ws:close() end
    end,
  })
  function wsclose.update()
    local ok, why = pcall(update)
    if not ok then
      assert(why == "once")
      errors = errors + 1
    end
  end
  after_frame = function()
    most, in_frame = math.max(most, in_frame), 0
  end
end

function love.load()
  cases[program.case]()
end

local stdin = { getfd = function() return 0 end }

function love.update()
  wsclose.update()
  run_spawned()
  after_frame()
  if #socket.select({ stdin }, nil, 0) > 0 then
    love.event.quit(io.read():match "restart" and "restart" or 0)
  end
end
