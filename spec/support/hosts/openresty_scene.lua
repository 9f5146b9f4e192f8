-- One scene of support/scenes.lua, by its number, with a server on a port of this machine: all that
-- the client was told, as one line.  /scene?go_on=1 lets the time of the scene that runs go on.
local scenes = require "support.scenes"
local wsclose = require "wsclose.openresty"
local ngx = ngx -- luacheck: globals ngx

local arguments = ngx.req.get_uri_args()

-- How often a scene was told to go on: of the worker, as modules are.
scenes.steps = scenes.steps or 0

if arguments.go_on then
  scenes.steps = scenes.steps + 1
  return ngx.say "on"
end

local scene = scenes.all[tonumber(arguments.scene)]
local told, time = {}, { now = 0 }
local options = scenes.recording(scene, told)
options.clock = function() return time.now end

local ws = assert(wsclose.new(("ws://127.0.0.1:%s/v1"):format(arguments.port), options))

local function keep_time()
  for _, jump in ipairs(scene.jumps or {}) do
    local before = scenes.steps
    local function has_come()
      if jump.when then return scenes.steps > before end
      return scenes.is_waiting(ws, jump)
    end
    while not has_come() do ngx.sleep(0.001) end
    time.now = jump.at
    ws._handle:wake()
  end
end

local keeper = ngx.thread.spawn(keep_time)
ws:run()
ngx.thread.wait(keeper)
ngx.say(scenes.show(told))
