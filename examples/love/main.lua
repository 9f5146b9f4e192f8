--- A feed in a game: it connects, echoes, and comes back by itself; no frame waits for it.
--
--     make LUA=luajit
--     lua5.4 examples/echo_server.lua 9001 &
--     export LUA_PATH='./lua/?.lua;./lua/?/init.lua;;' LUA_CPATH='./build/luajit/?.so;;'
--     love examples/love              # without a window: WSCLOSE_HEADLESS=1 WSCLOSE_FRAMES=300
--
-- Click or press a key to send a message; "close 1001 bye" typed as WSCLOSE_SAY makes that server
-- restart.  As it ends it prints the longest update.

local love = love -- luacheck: globals love
local wsclose = require "wsclose.love"

local URL = os.getenv "WSCLOSE_FEED" or "ws://127.0.0.1:9001/"
local SAY = os.getenv "WSCLOSE_SAY" or "hello"
local FRAMES = tonumber(os.getenv "WSCLOSE_FRAMES" or "")

io.stdout:setvbuf "line" -- for who reads it through a pipe

local ws
local lines = {}
local frames, longest, longest_state = 0, 0, "idle"

local function show(line)
  print(line)
  lines[#lines + 1] = line
  if #lines > 20 then table.remove(lines, 1) end
end

function love.load()
  ws = assert(wsclose.new(URL, {
    retry = true,
    on_open = function() ws:send(SAY) end,
    on_message = function(_, data) show("> " .. data) end,
    on_close = function(_, _, _, info) show(tostring(info)) end,
  }))
end

function love.update()
  local state, start = ws:state(), love.timer.getTime()
  wsclose.update()
  local took = love.timer.getTime() - start
  frames = frames + 1
  if took > longest then longest, longest_state = took, state end
  if FRAMES and frames >= FRAMES then love.event.quit() end
end

function love.draw()
  love.graphics.print(("%s: %s\n\n%s"):format(URL, ws:state(), table.concat(lines, "\n")), 10, 10)
end

function love.keypressed()
  ws:send(SAY)
end

function love.mousepressed()
  ws:send(SAY)
end

function love.quit()
  local line = "%d frames, the longest update %.3f ms (%s)"
  print(line:format(frames, longest * 1000, longest_state))
end
