--- One turn of a client.  All callbacks are called from here, and where they are about an attempt,
-- the outbox or a timer from the files of these names; the core is asked for events and calls
-- nothing back.
--
-- State is changed before a callback is called: it may raise, yield, send, close, drop the last
-- reference or call update again, and the next call goes on where this one stood.

local attempt = require "wsclose.attempt"
local inbox = require "wsclose.inbox"
local log = require "wsclose.log"
local outbox = require "wsclose.outbox"
local timers = require "wsclose.timers"

local now, notify, add_notice = attempt.now, attempt.notify, attempt.add_notice
local keep_message, keep_piece, take_kept = inbox.keep_message, inbox.keep_piece, inbox.take

local turn = {}

-- ---------------------------------------------------------------- events

local function tell_open(self)
  local on_open = self.on_open
  if on_open then on_open(self, self:info()) end
end

local function opened(self)
  if self._inbox then inbox.opened(self) end
  if self.close_info then self.close_code, self.close_reason, self.close_info = nil, nil, nil end
  if self._paused then inbox.set_hold(self) end
  local policy = self._settings.retry
  if policy then policy:opened() end
  if self._settings.log then add_notice(self, { tell = log.opened }) end
  if self.on_open then add_notice(self, { tell = tell_open }) end
  if self._outbox then outbox.opened(self) end
  notify(self)
end

-- What is done about each event but a message.
local RARE = {
  open = opened,
  close = function(self, _, _, info)
    if self._inbox then inbox.closed(self, info) end
    if not attempt.follow(self, info) then attempt.ended(self, info) end
    notify(self)
  end,
  piece = function(self, piece, kind, last, wanted)
    local on_piece, awaited = self.on_piece, wanted == "message"
    if on_piece and not awaited then on_piece(self, piece, kind, last)
    else keep_piece(self, piece, kind, last, awaited) end
  end,
  ping = function(self, data)
    local on_ping = self.on_ping
    if on_ping then on_ping(self, data) end
  end,
  pong = function(self, data, rtt)
    if self._outbox and outbox.pong(self, data) then return end
    local on_pong = self.on_pong
    if on_pong then on_pong(self, data, rtt) end
  end,
  frame = function(self, direction, frame)
    if self._settings.log then log.frame(self, direction, frame) end
    local on_frame = self.on_frame
    if on_frame then on_frame(self, direction, frame) end
  end,
  drain = function(self)
    if self._outbox then return outbox.relieve(self, true) end
    local on_drain = self.on_drain
    if on_drain then on_drain(self) end
  end,
}

turn.RARE = RARE

--- What receive is to give behind an event that is no message: a piece, or what a callback has kept
-- that called update.
function turn.take_left(self)
  if not self._inbox then return end
  local data, kind, last, code = take_kept(self)
  if kind then self._handle:flush() end
  return data, kind, last, code
end

--- The one loop over events: those of a turn, which waits at most `seconds` and gives what is there
-- and what one step brings.  What callbacks send meanwhile leaves in one write at its end, or where
-- a callback's error ends the loop: Lua 5.4 closes the fourth value then; before, it leaves with
-- the next call but send.
--
-- `wanted`: with "message" the first one, or the first piece of one, ends the loop and is the
-- caller's; with "open" that.
-- `seconds`: or an event of the turn, which then goes on behind it.
function turn.dispatch(self, seconds, wanted)
  local handle = self._handle
  local next_event, state, closing = handle.turn, self, handle
  if wanted == "message" then next_event, state, closing = handle.take, handle, nil end
  for event, a, b, c in next_event, state, seconds, closing do
    if event ~= "message" then
      RARE[event](self, a, b, c, wanted)
      if event == wanted then
        handle:flush()
        return true
      end
      if wanted == "message" then
        local data, kind, last, code = turn.take_left(self)
        if kind then return data, kind, last, code end
      end
    elseif wanted == "message" then
      return a, b
    else
      local on_message = self.on_message
      if on_message then on_message(self, a, b) else keep_message(self, a, b) end
    end
  end
end

-- ---------------------------------------------------------------- what else there is to do

-- The state is not "running".
local function advance_to_attempt(self, seconds)
  if self._state == "waiting" then
    local left = self._due - now(self)
    if left > attempt.INSTANT and seconds > 0 then
      self._handle:sleep(math.min(left, seconds))
      left = self._due - now(self)
    end
    if left <= attempt.INSTANT then attempt.begin(self) end
  elseif self._state == "idle" then
    attempt.begin(self)
  elseif self._state == "starting" then
    attempt.resume(self)
    if self._state == "starting" and seconds > 0 then
      self._handle:sleep(math.min(seconds, 0.01))
    end
  end
end

--- What there is to do but for the connection's own work.  Gives the seconds that may still be
-- waited, or nil: there is no connection.
function turn.advance(self, seconds)
  if self._timers then
    timers.fire(self)
    seconds = timers.left(self, seconds)
  end
  if self._notices then notify(self) end
  if self._state == "running" then
    self._quiet = not self._timers
    return seconds
  end
  if self._outbox then outbox.wait(self) end
  advance_to_attempt(self, seconds)
  return self._state == "running" and 0 or nil
end

return turn
