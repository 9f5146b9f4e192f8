-- The scripted world tells a program what the real one tells: each scene is played twice, by the
-- scripted server of the suite over TCP and by wsclose.testing in memory, and the same is told.
-- spec/hosts/openresty_scenes_spec.lua plays them over cosockets.

local scenes = require "support.scenes"
local scripted = require "support.scripted_server"
local testing = require "wsclose.testing"
local wsclose = require "wsclose"

-- Between the real client and server all is told before time goes on; `jumps` are its steps.
local function play_really(scene)
  local told, time = {}, { now = 0 }
  local options = scenes.recording(scene, told)
  options.clock = function() return time.now end
  local server = scripted.new(scene.real)
  local ws = assert(wsclose.new(server:url "/v1", options))
  local jumps = scene.jumps or {}
  local function is_over() return ws:state() == "closed" end
  for _, jump in ipairs(jumps) do
    scripted.pump(ws, server, function()
      if jump.when then return jump.when(server) end
      return scenes.is_waiting(ws, jump)
    end)
    time.now = jump.at
  end
  scripted.pump(ws, server, is_over)
  return told
end

local function play_here(scene)
  local told = {}
  local options = scenes.recording(scene, told)
  local server = testing.server "ws://127.0.0.1:9/v1"
  scene.played(server)
  local ws = assert(wsclose.new("ws://127.0.0.1:9/v1", options))
  testing.run(ws, "closed")
  server:assert_done()
  return told
end

describe("the scripted world tells the same as the real one:", function()
  after_each(function()
    testing.reset()
    scripted.close_all()
  end)

  for _, scene in ipairs(scenes.all) do
    it(scene[1], function()
      local really = play_really(scene)
      assert.is_true(#really >= 1)
      assert.same(really, play_here(scene))
    end)
  end
end)
