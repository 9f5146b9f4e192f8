--- A connection's bytes on their way between a client and a scripted server.
--
-- Each chunk that a server sends is one read of the client's, as a segment of TCP may be.  A slow
-- link cuts them into pieces, of which one arrives at a time.

local world = require "wsclose.testing.world"

---@class wsclose.testing.Link: wsclose.Stream
---@field arrived table[] chunks that the client can read: strings, then {"fin"} or {"reset"}
---@field travelling table[] { due, chunk } of a slow link
---@field outgoing string[] from the client, for the server
---@field outgoing_size integer
---@field room number bytes that the client may write before the server reads
---@field client_end? "fin"
---@field server_end? "fin"|"reset"
local Link = {}
Link.__index = Link

local link = {}

---@return wsclose.testing.Link
function link.new()
  return setmetatable({
    arrived = {}, travelling = {}, outgoing = {}, outgoing_size = 0, room = math.huge,
    about = { address = "192.0.2.1", family = 4 },
  }, Link)
end

local function carry(self, chunk)
  local last = self.travelling[#self.travelling]
  if not self.every and not last then
    self.arrived[#self.arrived + 1] = chunk
    return
  end
  local start = math.max(world.time, last and last.due or 0)
  self.travelling[#self.travelling + 1] = { due = start + (self.every or 0), chunk = chunk }
end

--- The server sends.
---@param bytes string
function Link:send(bytes)
  local size = self.piece or math.max(1, #bytes)
  for first = 1, #bytes, size do carry(self, bytes:sub(first, first + size - 1)) end
end

--- The server ends the connection; what it sent before still arrives, unless it is a reset.
---@param how "fin"|"reset"
function Link:finish(how)
  if self.server_end then return end
  self.server_end = how
  if how == "reset" then self.travelling = {} end
  carry(self, { how })
end

--- Cuts what is sent from now on into pieces, one every so many seconds; nil: no longer.
function Link:slow(piece, every)
  self.piece, self.every = piece, every
end

--- Lets arrive what is due.
---@return boolean moved
function Link:step()
  local moved = false
  while self.travelling[1] and world.is_due(self.travelling[1].due) do
    self.arrived[#self.arrived + 1] = table.remove(self.travelling, 1).chunk
    moved = true
  end
  return moved
end

---@return number? moment when the next piece arrives
function Link:due()
  return self.travelling[1] and self.travelling[1].due
end

-- ---------------------------------------------------------------- the client's side

local RESET = "the connection was reset by the peer"

function Link:has_input()
  return self.arrived[1] ~= nil
end

function Link:read()
  local chunk = table.remove(self.arrived, 1)
  if type(chunk) ~= "table" then return chunk end
  if chunk[1] == "reset" then return nil, "reset", RESET end
  return nil, "closed"
end

function Link:can_write()
  return self.outgoing_size < self.room
end

function Link:flush(handle)
  local bytes = handle.p:output(math.max(0, self.room - self.outgoing_size))
  if bytes == "" then return end
  self.outgoing[#self.outgoing + 1] = bytes
  self.outgoing_size = self.outgoing_size + #bytes
end

function Link:is_flushed() -- luacheck: ignore 212
  return true
end

function Link:close()
  self.client_end = "fin"
end

-- ---------------------------------------------------------------- the server's

--- The server takes what the client wrote.
---@return string bytes
function Link:take()
  local bytes = table.concat(self.outgoing)
  self.outgoing, self.outgoing_size = {}, 0
  return bytes
end

return link
