--- What the scripts of this folder share: how many units, and a peer.
--
-- A script does what a program would do, UNITS times, and checks what it gets.  What it counts as
-- one unit stands in bench/check.lua, which runs it.

local kernel = require "kernel"
local wsclose = require "wsclose"

local play = { count = assert(tonumber(arg[1]), "usage: SCRIPT UNITS") }

local URL = "ws://127.0.0.1:9/"

-- The key is what sixteen bytes of kernel.c's RAND_bytes give.
local REQUEST = table.concat({
  "GET / HTTP/1.1", "Host: 127.0.0.1:9", "Upgrade: websocket", "Connection: Upgrade",
  "Sec-WebSocket-Key: d3d3d3d3d3d3d3d3d3d3dw==", "Sec-WebSocket-Version: 13",
}, "\r\n") .. "\r\n"
local OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n"

---@param size integer
---@return string
function play.message(size)
  local alphabet = "abcdefghijklmnopqrstuvwxyz"
  return alphabet:rep(math.ceil(size / 26)):sub(1, size)
end

--- What a server says: the answer to the request, and after the first message these messages, over
-- and over; without any it echoes.
---@param messages? string[]
---@param compressed? boolean
function play.serve(messages, compressed)
  local server = assert(wsclose.protocol(nil, { role = "server" }))
  assert(server:input(REQUEST .. (compressed and OFFER or "") .. "\r\n"))
  assert(server:next() == "open")
  local answer = server:output()
  for _, message in ipairs(messages or {}) do assert(server:send(message)) end
  kernel.serve(answer, server:output())
end

---@param compressed? boolean
---@param on_message? fun(ws: wsclose.Client, data: string)
---@return wsclose.Client
function play.connect(compressed, on_message)
  return assert(wsclose.connect(URL, {
    proxy = false, extensions = not compressed and {} or nil, on_message = on_message,
  }))
end

--- The end of a script; twice the units leave twice the garbage behind.
function play.finish()
  collectgarbage()
end

return play
