--- The option outbox: messages kept while there is no connection to send them on.
--
-- A message is in one of two places.  `kept`: it waits for a connection.  `given`: the connection
-- has taken it and not one byte of it was written, as far as known; when the connection ends, those
-- of which that still holds are kept again, in front.  A message of which a byte was written is
-- forgotten: it is never sent twice.

local core = require "wsclose.core"

local BYTES_DEFAULT = 1048576

local outbox = {}

---@class wsclose.OutboxState
---@field bytes integer held in `kept`
---@field dropped integer bytes dropped and not yet reported
local Outbox = {}
Outbox.__index = Outbox

---@param settings wsclose.Outbox
---@return wsclose.OutboxState
function outbox.new(settings)
  return setmetatable({
    limit = settings.bytes or BYTES_DEFAULT, ttl = settings.ttl,
    kept = {}, first = 1, last = 0, bytes = 0,
    given = {}, given_first = 1, given_last = 0,
    dropped = 0,
  }, Outbox)
end

local function shift(self)
  local item = self.kept[self.first]
  self.kept[self.first] = nil
  self.first = self.first + 1
  self.bytes = self.bytes - #item.data
  return item
end

-- Those kept first expire first: the time to live is the same for all.
local function expire(self, now)
  local item = self.kept[self.first]
  while item and item.expires and item.expires <= now do
    self.dropped = self.dropped + #shift(self).data
    item = self.kept[self.first]
  end
end

function Outbox:is_empty()
  return self.last < self.first
end

--- Keeps a message.
---@return boolean? ok
---@return string? sentence
---@return string? name
function Outbox:keep(data, kind, options, now)
  expire(self, now)
  if #data > self.limit then
    local line = "a message of %d bytes never fits: outbox.bytes is %d bytes"
    return nil, line:format(#data, self.limit), "too_big"
  end
  if self.bytes + #data > self.limit then
    return nil, "the outbox is full; wait until the connection is open, or raise outbox.bytes",
      "busy"
  end
  if kind ~= "binary" and kind ~= 2 and not core.valid_utf8(data) then
    return nil, 'the text is not valid UTF-8; send such bytes with the kind "binary"', "utf8"
  end
  self.last = self.last + 1
  self.kept[self.last] = {
    data = data, kind = kind, options = options, expires = self.ttl and now + self.ttl,
  }
  self.bytes = self.bytes + #data
  return true
end

-- Forgets what has begun to leave.
local function forget_started(self, started)
  while self.given_first <= self.given_last and self.given[self.given_first].number <= started do
    self.given[self.given_first] = nil
    self.given_first = self.given_first + 1
  end
end

local function remember(self, handle, item, wire_before)
  local number, started, _, wire = handle:progress()
  forget_started(self, started)
  if number <= started then return end
  item.number, item.wire = number, wire - wire_before
  self.given_last = self.given_last + 1
  self.given[self.given_last] = item
end

--- A connection is open: until drain, what is sent goes ahead of what is kept.
function Outbox:open()
  self.ahead = true
end

--- Sends on an open connection, behind what is kept.  As the core's send.
function Outbox:send(handle, data, kind, options, now)
  if not self.ahead and not self:is_empty() then return self:keep(data, kind, options, now) end
  local _, _, _, wire_before = handle:progress()
  local ok, sentence, name = handle:send(data, kind, options)
  if ok then
    local expires = self.ttl and now + self.ttl
    remember(self, handle, { data = data, kind = kind, options = options, expires = expires },
      wire_before)
  end
  return ok, sentence, name
end

--- Hands what is kept to an open connection, as much as it takes.
function Outbox:drain(handle, now)
  self.ahead = false
  expire(self, now)
  while not self:is_empty() do
    local item = self.kept[self.first]
    local _, _, _, wire_before = handle:progress()
    if not handle:send(item.data, item.kind, item.options) then return end
    shift(self)
    remember(self, handle, item, wire_before)
  end
end

-- Puts what never began to leave in front again; gives what the core counted for it.
local function take_back(self)
  local wire = 0
  for i = self.given_last, self.given_first, -1 do
    local item = self.given[i]
    self.first = self.first - 1
    self.kept[self.first] = item
    self.bytes = self.bytes + #item.data
    wire = wire + item.wire
  end
  return wire
end

local function drop_newest(self)
  local item = self.kept[self.last]
  self.kept[self.last] = nil
  self.last = self.last - 1
  self.bytes = self.bytes - #item.data
  self.dropped = self.dropped + #item.data
end

--- The connection ended.
---@param handle wsclose.Handle
---@param undelivered integer bytes as the core counts them
---@param now number
---@return integer undelivered bytes that are lost: neither written nor kept
function Outbox:ended(handle, undelivered, now)
  local _, started = handle:progress()
  forget_started(self, started or 0)
  undelivered = math.max(0, undelivered - take_back(self))
  self.given, self.given_first, self.given_last = {}, 1, 0
  expire(self, now)
  while self.bytes > self.limit do drop_newest(self) end
  return undelivered + self:take_dropped()
end

--- Drops everything: there will be no connection any more.
---@return integer bytes
function Outbox:clear()
  local bytes = self.bytes
  self.kept, self.first, self.last, self.bytes = {}, 1, 0, 0
  return bytes + self:take_dropped()
end

--- Bytes dropped since the last report.
---@return integer
function Outbox:take_dropped()
  local dropped = self.dropped
  self.dropped = 0
  return dropped
end

return outbox
