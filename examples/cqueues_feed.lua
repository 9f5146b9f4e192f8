--- A feed in cqueues: one coroutine receives, another one sends.
--
--     lua5.4 examples/echo_server.lua 9001 &
--     lua5.4 examples/cqueues_feed.lua

local cqueues = require "cqueues"
local wsclose = require "wsclose.cqueues"

local URL = os.getenv "WSCLOSE_FEED" or "ws://127.0.0.1:9001/"
local loop = cqueues.new()

loop:wrap(function()
  local ws = assert(wsclose.connect(URL, {
    retry = true,
    on_close = function(_, _, _, info) print(tostring(info)) end,
  }))
  loop:wrap(function()
    for i = 1, 3 do
      ws:send("message " .. i)
      cqueues.sleep(0.2)
    end
    ws:close()
  end)
  for data in ws:messages() do print("received", data) end
end)

assert(loop:loop())
