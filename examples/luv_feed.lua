--- A feed on libuv's loop: callbacks for one client, a coroutine for another.
--
--     lua5.4 examples/echo_server.lua 9001 &
--     lua5.4 examples/luv_feed.lua                          -- with luv; Ctrl-C ends it with 1001
--     nvim --headless -c 'luafile examples/luv_feed.lua'    -- the same in Neovim (LuaJIT's build)

local vim = vim -- luacheck: globals vim
local uv = vim and (vim.uv or vim.loop) or require "luv"
local wsclose = require "wsclose.luv"

local URL = os.getenv "WSCLOSE_FEED" or "ws://127.0.0.1:9001/"

-- Callbacks: it runs by itself, and comes back by itself.
wsclose.new(URL, {
  retry = true,
  on_open = function(ws) ws:send "hello from a callback" end,
  on_message = function(_, data) print("callback", data) end,
  on_close = function(_, _, _, info) print("callback", tostring(info)) end,
})

-- Straight down: whatever waits lets the loop run.
coroutine.wrap(function()
  local ws, why = wsclose.connect(URL)
  if not ws then return print("coroutine", why) end
  for i = 1, 3 do
    ws:send("message " .. i)
    print("coroutine", (ws:receive()))
  end
  ws:close()
  print("coroutine", ws:run())
end)()

if not vim then
  local interrupt = uv.new_signal()
  interrupt:start("sigint", uv.stop) -- the clients say 1001 as the Lua state ends
  uv.run()
end
