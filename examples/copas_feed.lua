--- A feed in copas: one thread receives, another one sends.
--
--     lua5.4 examples/echo_server.lua 9001 &
--     lua5.1 examples/copas_feed.lua

local copas = require "copas"
local wsclose = require "wsclose.copas"

local URL = os.getenv "WSCLOSE_FEED" or "ws://127.0.0.1:9001/"
local finished = false

copas.addthread(function()
  local ws = assert(wsclose.connect(URL, {
    retry = true,
    on_close = function(_, _, _, info) print(tostring(info)) end,
  }))
  copas.addthread(function()
    for i = 1, 3 do ws:send("message " .. i) end
  end)
  for _ = 1, 3 do print("received", (ws:receive())) end
  ws:close()
  ws:run()
  finished = true
end)

wsclose.loop(function() return finished end)
