--- A server for a crowd of clients in this process, which touches only the connection it is told
-- to: the scripted server looks at all of its own each time.
--
--     local server = crowd.new()
--     local ws = wsclose.new(server:url(17))
--     server:open(update, 1)              -- update() moves the clients
--     server:say(17, "hello")

local socket = require "socket"
local handshake = require "support.scripted.handshake"
local loopback = require "support.loopback"
local wire = require "support.wire"

local crowd = {}

---@class support.Crowd
---@field connections table<integer, table> sockets, by the number in the URL
local Crowd = {}
Crowd.__index = Crowd

local PATIENCE = 20 -- before a spec is called stuck

---@return support.Crowd
function crowd.new()
  local listener = assert(socket.tcp4())
  listener:setoption("reuseaddr", true)
  assert(listener:bind("127.0.0.1", 0))
  assert(listener:listen(1024))
  local _, port = listener:getsockname()
  return setmetatable({ listener = listener, port = port, connections = {}, pending = {} }, Crowd)
end

---@param number integer
---@return string
function Crowd:url(number)
  return ("ws://127.0.0.1:%d/%d"):format(self.port, number)
end

local function accept_all(self)
  self.listener:settimeout(0)
  local peer = self.listener:accept()
  while peer do
    peer:settimeout(0)
    self.pending[peer] = ""
    peer = self.listener:accept()
  end
end

-- True: the handshake is done.
local function read_request(self, peer)
  local bytes, _, partial = peer:receive(4096)
  self.pending[peer] = self.pending[peer] .. (bytes or partial)
  local request = handshake.read(self.pending[peer])
  if not request then
    return false
  end
  self.pending[peer] = nil
  self.connections[tonumber(request.target:match "%d+")] = peer
  assert(peer:send(handshake.answer(request)))
  return true
end

--- Lets `count` more clients connect, and answers their handshakes.
---@param update fun() moves the clients
---@param count integer
function Crowd:open(update, count)
  local give_up_at = socket.gettime() + PATIENCE
  while count > 0 do
    assert(socket.gettime() < give_up_at, "not all clients have connected")
    update()
    accept_all(self)
    local pending = {}
    for peer in pairs(self.pending) do
      pending[#pending + 1] = peer
    end
    for _, peer in ipairs(pending) do
      if read_request(self, peer) then
        count = count - 1
      end
    end
  end
end

--- Sends a text message to a client.
---@param number integer
---@param text string
function Crowd:say(number, text)
  assert(self.connections[number]:send(wire.frame { payload = text }))
  loopback.settle()
end

--- Sends bytes as far as the kernel takes them.
---@param number integer
---@param bytes string
---@return integer sent
function Crowd:pour(number, bytes)
  local sent, _, partial = self.connections[number]:send(bytes)
  loopback.settle()
  return sent or partial
end

--- Sends a Close, without waiting for its answer.
---@param number integer
---@param code integer
function Crowd:hang_up(number, code)
  local peer = self.connections[number]
  peer:send(wire.frame { opcode = "close", payload = wire.close_payload(code) })
  peer:close()
  loopback.settle()
end

--- What has come from a client, unmasked by nobody.
---@param number integer
---@return string bytes
function Crowd:heard(number)
  loopback.settle()
  local bytes, _, partial = self.connections[number]:receive(65536)
  return bytes or partial
end

function Crowd:close()
  for _, peer in pairs(self.connections) do
    peer:close()
  end
  for peer in pairs(self.pending) do
    peer:close()
  end
  self.listener:close()
end

return crowd
