--- lua-http, without a loop around it: each call waits.

package.path = "./bench/peers/?.lua;" .. package.path
local websocket = require "http.websocket"
local workloads = require "workloads"

local URL, GIVE_UP = arg[1], 300
local peer = {}

function peer.open(path)
  local ws = assert(websocket.new_from_uri(URL .. path))
  assert(ws:connect(GIVE_UP))
  return ws
end

function peer.send(ws, text)
  assert(ws:send(text, "text"))
end

function peer.receive(ws)
  local data, kind = ws:receive(GIVE_UP)
  return assert(data, kind)
end

function peer.close(ws)
  -- not ws:close(), which drops what still comes
  assert(ws:send_frame { FIN = true, MASK = true, opcode = 8, data = "\3\232" })
  assert(ws:receive(GIVE_UP) == nil, "a message too many")
  assert(ws.got_close_code == 1000, "no answer to Close")
end

function peer.cpu_ns()
  return os.clock() * 1e9
end

local good, line = pcall(workloads.run, peer, arg[2], tonumber(arg[3]), tonumber(arg[4]))
if not good then
  io.stderr:write(tostring(line), "\n")
  os.exit(1)
end
print(line)
