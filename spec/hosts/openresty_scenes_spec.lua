-- The client over nginx's cosockets is told what the one in memory is told, and so (by
-- spec/testing/parity_spec.lua) what the one with sockets of its own is: 1001, 1010, the closing
-- rules and permessage-deflate over all three handles.

local hosts = require "support.hosts"
local nginx = require "support.nginx"
local scenes = require "support.scenes"
local scripted = require "support.scripted_server"
local testing = require "wsclose.testing"
local wsclose = require "wsclose"

describe("over cosockets the same is told as in memory:", function()
  local server

  setup(function() server = nginx.start() end)

  after_each(function()
    testing.reset()
    scripted.close_all()
  end)

  teardown(function()
    server:stop()
    hosts.stop()
  end)

  -- What moves while the scripted server is pumped: the time, and the answer of nginx.
  local function play_in_nginx(number, scene)
    local backend = scripted.new(scene.real)
    local peer = server:request(("/scene?scene=%d&port=%d"):format(number, backend.port))
    local next_jump, answer, finished = 1, "", false
    peer:settimeout(0)
    local page = {}
    function page.update()
      local jump = (scene.jumps or {})[next_jump]
      if jump and jump.when and jump.when(backend) then
        server:body "/scene?go_on=1"
        next_jump = next_jump + 1
      end
      local all, fault, some = peer:receive "*a"
      answer = answer .. (all or some)
      finished = all ~= nil or fault == "closed"
      return false
    end
    scripted.pump({ page }, backend, function() return finished end, "the answer of nginx")
    peer:close()
    return answer:match "\r\n\r\n(.*)\n$" or answer
  end

  local function play_here(scene)
    local told = {}
    local played = testing.server "ws://127.0.0.1:9/v1"
    scene.played(played)
    local ws = assert(wsclose.new("ws://127.0.0.1:9/v1", scenes.recording(scene, told)))
    testing.run(ws, "closed")
    return scenes.show(told)
  end

  for number, scene in ipairs(scenes.all) do
    it(scene[1], function()
      assert.equal(play_here(scene), play_in_nginx(number, scene))
    end)
  end
end)
