-- No host at all: pollfd, events and timeout in a select of the program's own.
local program = require "support.hosts.program"
local scenario = require "support.hosts.scenario"
local socket = require "socket"
local wsclose = require "wsclose"

local stdin = { getfd = function() return 0 end }
local watched = { [stdin] = false }

local function new(url, options)
  local ws = assert(wsclose.new(url, options))
  assert(ws:events() == "r")
  local fd = ws:pollfd()
  watched[{ getfd = function()
    assert(ws:pollfd() == fd, "it stays the same over reconnections")
    return fd
  end }] = ws
  return ws
end

local function wait()
  local objects, seconds = {}, math.huge
  for object, ws in pairs(watched) do
    objects[#objects + 1] = object
    seconds = math.min(seconds, ws and ws:timeout() or math.huge)
  end
  return socket.select(objects, nil, seconds < math.huge and seconds or nil)
end

if program.case == "timers" then program.timer_alone(new) else scenario(new, program.say) end
repeat
  local ready = wait()
  for object, ws in pairs(watched) do
    if ws and (ready[object] or ws:timeout() == 0) and not ws:update() then
      watched[object] = nil
    end
  end
until ready[stdin]
