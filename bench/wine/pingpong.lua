-- A message of 125 bytes there and back, by wsclose and by LuaSocket: that one writes ready frames
-- and reads as many bytes as come.  Rounds take turns; the best of each counts.
--
--     lua54.exe bench/wine/pingpong.lua PORT      PORT: of build/bench/server

local socket = require "socket"
local wsclose = require "wsclose"

local port, MESSAGES, ROUNDS = assert(tonumber(arg[1]), "a port expected"), 3000, 7
local PAYLOAD = ("p"):rep(125)

local function by_luasocket()
  local connection = assert(socket.connect("127.0.0.1", port))
  connection:setoption("tcp-nodelay", true)
  assert(connection:send("GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    .. "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
  repeat local line = assert(connection:receive "*l") until line == ""
  local frame = "\129\253\0\0\0\0" .. PAYLOAD -- masked with zeros
  return function()
    for _ = 1, MESSAGES do
      connection:send(frame)
      connection:receive(2 + #PAYLOAD)
    end
  end
end

local function by_wsclose()
  local ws = assert(wsclose.connect(("ws://127.0.0.1:%d/echo"):format(port), {
    extensions = { ["permessage-deflate"] = false },
  }))
  return function()
    for _ = 1, MESSAGES do
      ws:send(PAYLOAD)
      ws:receive()
    end
  end
end

local function seconds(exchange)
  local began = socket.gettime()
  exchange()
  return socket.gettime() - began
end

local raw, ours = by_luasocket(), by_wsclose()
local best_raw, best_ours = math.huge, math.huge
for _ = 1, ROUNDS do
  best_raw, best_ours = math.min(best_raw, seconds(raw)), math.min(best_ours, seconds(ours))
end
print(("LuaSocket %.1f us, wsclose %.1f us a message: %.2f x"):format(
  best_raw / MESSAGES * 1e6, best_ours / MESSAGES * 1e6, best_ours / best_raw))
