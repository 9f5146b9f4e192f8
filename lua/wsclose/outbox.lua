--- The option outbox: messages kept while there is no connection to send them on.
--
-- A message is in one of two queues.  `kept`: it waits for a connection.  `given`: a connection has
-- taken it.  Of those given, what not one byte was written of is kept again, in front, when the
-- connection ends; what was partly written is reported, and never sent twice.  What was wholly
-- written is forgotten then and there, or, with `confirm`, once the server has answered a ping that
-- was sent behind it: else it is reported when the connection ends, since nobody knows.

local core = require "wsclose.core"
local attempt = require "wsclose.attempt"
local queue = require "wsclose.queue"

local now = attempt.now
local front, push, push_front = queue.front, queue.push, queue.push_front
local shift, pop = queue.shift, queue.pop

local BYTES_DEFAULT = 1048576

-- What makes the answers to our pings ours.
local MARK = "wsclose outbox "
local ANSWER = "^" .. MARK .. "(%d+)$"

local PLAIN = { compress = false }

local outbox = {}

---@class wsclose.OutboxItem
---@field data string
---@field kind "text"|"binary"
---@field options? table of send
---@field expires? number
---@field number? integer which of the connection's messages it is
---@field wire? integer bytes as the core counts them
---@field why? string it is lost

-- ---------------------------------------------------------------- the outbox

---@class wsclose.OutboxState
---@field kept wsclose.Queue
---@field given wsclose.Queue
---@field lost integer messages dropped so far
---@field package dropped integer bytes dropped and not yet counted in a report
---@field package ahead? boolean what is sent goes ahead of what is kept, until drain
---@field package relief? integer the program was told to wait: on_drain, when no more bytes wait
---@field package asked? boolean the pong that confirms what was sent is on its way
local Outbox = {}
Outbox.__index = Outbox

---@param settings wsclose.Outbox
---@param report fun(item: wsclose.OutboxItem, why: string) told of each message that is lost
---@return wsclose.OutboxState
function outbox.new(settings, report)
  return setmetatable({
    limit = settings.bytes or BYTES_DEFAULT, ttl = settings.ttl,
    oldest_goes = settings.full == "oldest", confirm = settings.confirm or false,
    high = settings.high, low = settings.low or 0, report = report,
    kept = queue.new(), given = queue.new(), dropped = 0, lost = 0,
  }, Outbox)
end

function Outbox:is_empty()
  return front(self.kept) == nil
end

local function lose(self, item, why)
  self.lost = self.lost + 1
  self.report(item, why)
end

local function drop(self, item, why)
  self.dropped = self.dropped + #item.data
  lose(self, item, why)
end

--- Drops what has been kept for too long.  Those kept first expire first: the time to live is the
-- same for all.
function Outbox:expire(time)
  local item = front(self.kept)
  while item and item.expires and item.expires <= time do
    drop(self, shift(self.kept), "expired")
    item = front(self.kept)
  end
end

--- Bytes dropped since the last call.
---@return integer
function Outbox:take_dropped()
  local dropped = self.dropped
  self.dropped = 0
  return dropped
end

-- With `confirm` what has left waits too, for its confirmation.
local function waiting(self, handle)
  local bytes = self.kept.bytes
  if self.confirm then return bytes + self.given.bytes end
  return bytes + (handle and handle:buffered() or 0)
end

-- With how much waiting the connection is to tell of it: what is kept needs all the room there is.
local function listen(self, handle)
  local size = self:is_empty() and not self.confirm and self.relief or 0
  if handle then handle:drain_at(size) end
end

-- The program was told to wait: on_drain, when no more than `bytes` wait.
local function owe(self, handle, bytes)
  self.relief = bytes
  listen(self, handle)
end

-- What send gives behind true: is the program to slow down?
local function mark(self, handle)
  if not self.high or waiting(self, handle) < self.high then return nil end
  if not self.relief then owe(self, handle, self.low) end
  return "high"
end

--- Is on_drain to be told, now that something may have left?
---@param handle? wsclose.Handle of an open connection
---@param drained? boolean the connection's queue has emptied
---@return boolean
function Outbox:relieved(handle, drained)
  local relief = self.relief
  if not relief and not drained then return false end
  if waiting(self, handle) > (relief or 0) then return false end
  self.relief = nil
  listen(self, handle)
  return relief ~= nil or not self.high
end

--- Keeps a message.
---@param data string
---@param kind "text"|"binary"
---@param handle? wsclose.Handle of an open connection
---@return boolean? ok
---@return string? sentence with true: "high" where so much waits
---@return string? name
function Outbox:keep(handle, data, kind, options, time)
  self:expire(time)
  if #data > self.limit then
    local line = "a message of %d bytes never fits: outbox.bytes is %d bytes"
    return nil, line:format(#data, self.limit), "too_big"
  end
  if kind == "text" and not core.valid_utf8(data) then
    return nil, 'the text is not valid UTF-8; send such bytes with the kind "binary"', "utf8"
  end
  local room = self.limit - #data - (self.confirm and self.given.bytes or 0)
  while self.oldest_goes and room >= 0 and self.kept.bytes > room do
    drop(self, shift(self.kept), "full")
  end
  if self.kept.bytes > room then
    owe(self, handle, 0) -- less may not be enough for what was refused
    return nil, "the outbox is full; wait for on_drain, or raise outbox.bytes", "busy"
  end
  push(self.kept, {
    data = data, kind = kind, options = options, expires = self.ttl and time + self.ttl,
  })
  listen(self, handle)
  return true, mark(self, handle)
end

-- ---------------------------------------------------------------- giving to a connection

-- Of those given the first ones, up to a number.  `why`: they are lost.
local function forget(self, number, why)
  local item = front(self.given)
  while item and item.number <= number do
    shift(self.given)
    if why then lose(self, item, why) end
    item = front(self.given)
  end
end

-- One ping at a time: its answer confirms all that was sent before it.
local function ask(self, handle)
  local newest = self.given[self.given.last]
  if not self.confirm or self.asked or not newest then return end
  if handle:ping(MARK .. newest.number) then self.asked = true end
end

local function has_room(self, size)
  local bytes = self.confirm and self.given.bytes or 0
  return bytes == 0 or bytes + size <= self.limit
end

-- Gives a message to the connection.  As the core's send.
local function give(self, handle, item)
  local _, _, _, wire_before = handle:progress()
  local ok, sentence, name = handle:send(item.data, item.kind, item.options)
  if not ok then return ok, sentence, name end
  local number, _, _, wire, written = handle:progress()
  item.number, item.wire = number, wire - wire_before
  push(self.given, item)
  if not self.confirm then forget(self, written) end
  ask(self, handle)
  return true
end

--- Sends on an open connection, behind what is kept.  As the core's send; with true, "high" where
-- so much waits.
function Outbox:send(handle, data, kind, options, time)
  if not self.ahead and not self:is_empty() then self:drain(handle, time) end
  if not has_room(self, #data) or not self.ahead and not self:is_empty() then
    return self:keep(handle, data, kind, options, time)
  end
  local ok, sentence, name = give(self, handle, {
    data = data, kind = kind, options = options, expires = self.ttl and time + self.ttl,
  })
  if ok then return true, mark(self, handle) end
  -- "state": within a message that is sent in pieces; after it
  if name == "state" or name == "busy" and self.oldest_goes then
    return self:keep(handle, data, kind, options, time)
  end
  if name == "busy" then owe(self, handle, 0) end
  return ok, sentence, name
end

--- Hands what is kept to an open connection, as much as it takes.
function Outbox:drain(handle, time)
  self.ahead = false
  self:expire(time)
  local item = front(self.kept)
  while item and has_room(self, #item.data) do
    local ok, _, name = give(self, handle, item)
    if ok then
      shift(self.kept)
    elseif name == "too_big" then -- for this connection's queue
      drop(self, shift(self.kept), name)
    else
      break
    end
    item = front(self.kept)
  end
  listen(self, handle)
  ask(self, handle) -- a full queue took no ping before
end

--- The program is about to close: what is kept goes first, as far as there is room, and then a last
-- ping, whose answer comes before the peer's Close.
function Outbox:finish(handle, time)
  self:drain(handle, time)
  self.asked = false
  ask(self, handle)
end

--- A pong came in: what it confirms is forgotten.
---@return boolean ours the program need not be told
function Outbox:pong(handle, data)
  if not self.confirm then return false end
  local number = tonumber(data:match(ANSWER))
  if number then forget(self, number) end
  -- where another came: a server may answer the latest ping alone, so ours is sent once more
  self.asked = false
  ask(self, handle)
  return number ~= nil
end

-- ---------------------------------------------------------------- the end

-- Puts what never began to leave in front again; gives what the core counted for it.
local function take_back(self)
  local wire = 0
  while front(self.given) do
    local item = pop(self.given)
    wire = wire + item.wire
    push_front(self.kept, item)
  end
  return wire
end

--- The connection ended.
---@param handle wsclose.Handle
---@param undelivered integer bytes as the core counts them
---@param time number
---@return integer undelivered bytes that are lost: neither written nor kept
function Outbox:ended(handle, undelivered, time)
  local _, started, _, _, written = handle:progress()
  forget(self, written or 0, self.confirm and "unconfirmed" or nil)
  forget(self, started or 0, "cut")
  undelivered = math.max(0, undelivered - take_back(self))
  self.asked = false
  self:expire(time)
  while self.kept.bytes > self.limit do
    drop(self, (self.oldest_goes and shift or pop)(self.kept), "full")
  end
  return undelivered + self:take_dropped()
end

--- Drops everything: there will be no connection any more.
---@return integer bytes
function Outbox:clear()
  while not self:is_empty() do drop(self, shift(self.kept), "closed") end
  self.relief = nil
  return self:take_dropped()
end

-- ---------------------------------------------------------------- a client with an outbox

local function is_open(ws)
  return ws._state == "running" and ws._handle:state() == "open"
end

-- Will there be a connection that a message may wait for?
local function may_keep(ws)
  local state = ws._state
  if state == "closed" or ws._stopping then return false end
  if state ~= "running" or ws._handle:state() == "connecting" then return true end
  return ws._settings.retry ~= nil or ws._reconnecting ~= nil
end

-- What is lost is told by update and its like.
local function reporter(ws)
  local losses = queue.new()
  local function tell()
    local item = shift(losses)
    -- the others are told next, whatever this one raises
    if front(losses) then ws._notices = { tell = tell, next = ws._notices } end
    local on_undelivered = ws.on_undelivered
    if on_undelivered then on_undelivered(ws, item.data, item.kind, item.why) end
  end
  return function(item, why)
    if not ws.on_undelivered then return end
    item.why = why
    if not front(losses) then attempt.add_notice(ws, { tell = tell }) end
    push(losses, item)
  end
end

-- Sends nothing and holds nothing, but knows what is no message.
local judge = assert(core.protocol { url = "ws://blank.invalid/", extensions = {} })
judge:leave()

-- Raises as the core does, at the caller of the method that calls this.
local function check(data, kind, options)
  local ok, message = pcall(judge.send, judge, data, kind, options)
  if not ok then error((message:gsub("^[^\n]-:%d+: ", "")), 3) end
  kind = (kind == "binary" or kind == 2) and "binary" or "text"
  return tostring(data), kind, options and rawget(options, "compress") == false and PLAIN or nil
end

-- The method send.
local function send(ws, data, kind, options)
  local handle, box = attempt.handle_of(ws), ws._outbox
  local ok, sentence, name
  data, kind, options = check(data, kind, options)
  if is_open(ws) then
    ok, sentence, name = box:send(handle, data, kind, options, now(ws))
  elseif may_keep(ws) then
    ok, sentence, name = box:keep(nil, data, kind, options, now(ws))
  else
    ok, sentence, name = handle:send(data, kind, options) -- which says why not
  end
  return ok, sentence, name
end

---@param ws wsclose.Client
---@param settings wsclose.Outbox
function outbox.attach(ws, settings)
  ws._outbox, ws.send = outbox.new(settings, reporter(ws)), send
end

--- Something may have left: whatever can, follows, and a program that was told to wait goes on.
---@param drained? boolean the connection's queue has emptied
function outbox.relieve(ws, drained)
  local box, handle = ws._outbox, is_open(ws) and ws._handle or nil
  if handle then box:drain(handle, now(ws)) end
  local on_drain = box:relieved(handle, drained) and ws.on_drain
  if on_drain then on_drain(ws) end
end

--- What send_fragments sends with.  A message in pieces stands in line: it begins behind what is
-- kept, and what is sent meanwhile is kept, until it is finished.
function outbox.fragments(ws)
  local box, begun = ws._outbox, false
  return function(handle, data, kind, fin)
    if not begun and is_open(ws) and not box.ahead and not box:is_empty() then
      owe(box, handle, 0)
      return nil, "messages wait in the outbox, which come first; wait for on_drain", "busy"
    end
    local ok, sentence, name = handle:send_fragment(data, kind, fin)
    begun = begun or ok
    if ok and fin then attempt.add_notice(ws, { tell = outbox.relieve }) end
    return ok, sentence, name
  end
end

--- A connection is open: on_open may send what must come first, a login for instance; then comes
-- what was kept meanwhile.
function outbox.opened(ws)
  ws._outbox.ahead = true
  attempt.add_notice(ws, { tell = outbox.relieve })
end

--- There is no connection.
function outbox.wait(ws)
  ws._outbox:expire(now(ws))
  if ws._notices then attempt.notify(ws) end
  outbox.relieve(ws)
end

---@return boolean ours the program need not be told
function outbox.pong(ws, data)
  local ours = ws._outbox:pong(ws._handle, data)
  if ours then outbox.relieve(ws) end
  return ours
end

return outbox
