--- What has come and nobody took yet: messages wait here for receive, pieces for receive_piece.

local queue = require "wsclose.queue"

local push, shift = queue.push, queue.shift

---@class wsclose.Inbox: wsclose.Queue
---@field pieces? boolean they wait here, in the place of messages
---@field within? boolean the latest piece did not end its message
---@field passes_over? boolean nothing more of this connection's is given to receive_piece
---@field tells? boolean receive is to be told of another connection: the option receive_reopened
---@field lost? wsclose.CloseInfo of the connection that was open, where it is
local inbox = {}

-- What is kept of messages that update met while nobody took them; counted with this much for each
-- besides its bytes.
local BYTES_MAX = 16777216
local ITEM_BYTES = 64

--- What a client begins with; false: nothing is to be kept yet.
---@param settings wsclose.Settings
---@return wsclose.Inbox|false
function inbox.of(settings)
  local pieces, tells = settings.config.pieces ~= nil, settings.receive_reopened
  if not pieces and not tells then return false end
  local kept = queue.new()
  kept.pieces, kept.tells = pieces, tells
  return kept
end

--- Raises where there are pieces, and a whole message is asked for.
---@param level integer as error's
function inbox.check_whole(self, level)
  if not self._inbox or not self._inbox.pieces then return end
  error("with the option pieces no message is given whole: call ws:receive_piece()", level)
end

--- Raises where there are none.
---@param level integer as error's
function inbox.check_pieces(self, level)
  if self._inbox and self._inbox.pieces then return end
  error("ws:receive_piece() needs the option pieces; without it call ws:receive()", level)
end

--- While the program holds messages back no event is given.
function inbox.set_hold(self)
  self._handle:pause(self._paused or self._full)
end
local set_hold = inbox.set_hold

local function hold(self)
  self._full = true
  set_hold(self)
end

local function drop_message(self)
  self._dropped = (self._dropped or 0) + 1
end

local function is_full(kept)
  return kept.bytes + (kept.last - kept.first + 1) * ITEM_BYTES >= BYTES_MAX
end

--- A message that no on_message takes.  A program that has never called receive may never do so:
-- then the oldest messages give way.  One that has, gets them all: the server has to wait.
function inbox.keep_message(self, data, kind)
  local kept = self._inbox or queue.new()
  self._inbox = kept
  push(kept, { data = data, kind = kind })
  if self._pulls and is_full(kept) then return hold(self) end
  while is_full(kept) do
    if shift(kept).data then drop_message(self) end
  end
end

--- A piece that no on_piece takes.  Unless receive_piece waits for it, nothing more comes before it
-- is taken.  A connection that is closing cannot be held, and its messages may be long: what nobody
-- waits for then is passed over, and so is all behind it.
---@param awaited boolean
function inbox.keep_piece(self, piece, kind, last, awaited)
  local kept = self._inbox
  if not awaited and self._handle:state() ~= "open" then kept.passes_over = true end
  if kept.passes_over then
    if last then drop_message(self) end
    return
  end
  push(kept, { data = piece, kind = kind, name = last })
  kept.within = not last
  if not awaited then hold(self) end
end

--- A connection has ended, or an attempt to have one.
---@param info wsclose.CloseInfo
function inbox.closed(self, info)
  if info.opened then self._inbox.lost = info end
end

-- For receive, behind what came on the connection before.  One is enough where the program did not
-- call it meanwhile.
local function tell_reopened(kept)
  local latest = kept[kept.last]
  if latest and latest.name == "reopened" then queue.pop(kept) end
  push(kept, { kind = "connected anew; before: " .. tostring(kept.lost), name = "reopened" })
end

--- Another connection is open: the rest of a message that had begun will not come.
function inbox.opened(self)
  local kept = self._inbox
  if kept.within then
    local sentence = "within a message: " .. tostring(self.close_info)
    push(kept, { kind = sentence, name = "cut", code = self.close_code })
  end
  if kept.tells and kept.lost then tell_reopened(kept) end
  kept.within, kept.passes_over, kept.lost = false, nil, nil
end

--- As many values as there are, whoever gives them.
function inbox.as_many(data, kind, name, code)
  if code ~= nil then return data, kind, name, code end
  if name ~= nil then return data, kind, name end
  return data, kind
end

--- The oldest: data, kind; of a piece data, kind, last; where a message was cut short nil, a
-- sentence, "cut" and the code; of another connection nil, a sentence, "reopened"; or nothing.
function inbox.take(self)
  local kept = self._inbox
  if kept.first > kept.last then return end
  local item = shift(kept)
  if self._full and kept.first > kept.last then
    self._full = false
    set_hold(self)
  end
  return item.data, item.kind, item.name, item.code
end

return inbox
