--- The network that is played: it dials scripted servers, and what waits for it waits in the
-- world's time.  See carried.lua for what a host is.

local world = require "wsclose.testing.world"

local host = { now = world.now, sleep = world.sleep, wait_for = world.wait }

--- What a file for an event loop says that is given such clients.
host.unhosted = "wsclose.testing: a client of a host's module cannot be scripted; give the program "
  .. 'wsclose itself, or for wsclose.love testing.host "wsclose.love"'

function host.dial(handle, _, url)
  local server = world.server_of(url)
  if not server then
    error(("wsclose.testing: a client connects to %s, for which no testing.server was made")
      :format(url), 0)
  end
  server:dial(handle)
  return true
end

function host.wait(handle, seconds)
  if seconds > 0 then world.wait({ handle }, seconds) end
  world.play()
  return world.time
end

--- Whoever waits looks at every client.
function host.wake() end

return host
