--- Timers of a client: ws:after and ws:every.
--
-- A heap holds them, the next one in front, so a turn looks at one of them however many there are.
-- They are called where the client's callbacks are; a client that has none is never asked.

local attempt = require "wsclose.attempt"
local checks = require "wsclose.checks"

local now = attempt.now

local FOREVER = math.huge

local timers = {}

---@class wsclose.Timer
---@field package _heap wsclose.Timer[] and count, number (of the last one set), limit (see fire)
---@field package _place? integer in the heap; nil: it is over
---@field package _number integer of those due at one moment the one set first comes first
---@field package _due number on the client's clock
---@field package _period? number
---@field package _fn fun(ws: wsclose.Client)
local Timer = {}
Timer.__index = Timer
Timer.__name = "wsclose.Timer"

-- ---------------------------------------------------------------- the heap

local function is_before(a, b)
  return a._due < b._due or a._due == b._due and a._number < b._number
end

local function rise(heap, timer, place)
  while place > 1 do
    local above = math.floor(place / 2)
    if not is_before(timer, heap[above]) then break end
    heap[place], heap[above]._place = heap[above], place
    place = above
  end
  heap[place], timer._place = timer, place
end

local function sink(heap, timer, place)
  while 2 * place <= heap.count do
    local below = 2 * place
    if below < heap.count and is_before(heap[below + 1], heap[below]) then below = below + 1 end
    if not is_before(heap[below], timer) then break end
    heap[place], heap[below]._place = heap[below], place
    place = below
  end
  heap[place], timer._place = timer, place
end

local function add(heap, timer)
  heap.count, heap.number = heap.count + 1, heap.number + 1
  timer._number = heap.number
  rise(heap, timer, heap.count)
end

local function remove(heap, timer)
  local place, last = timer._place, heap[heap.count]
  heap[heap.count], timer._place = nil, nil
  heap.count = heap.count - 1
  if last == timer then return end
  local move = is_before(last, timer) and rise or sink
  move(heap, last, place)
end

-- ---------------------------------------------------------------- setting them

local function check(self, seconds, is_right, expected, fn)
  attempt.handle_of(self, 4)
  if type(seconds) ~= "number" or not is_right then
    error(("seconds: expected %s, got %s"):format(expected, checks.described(seconds)), 3)
  elseif not checks.is_callable(fn) then
    error(("fn: expected a function, got %s"):format(checks.described(fn)), 3)
  end
end

local function set(self, seconds, fn, period)
  if self._state == "closed" then
    return nil, "the client is closed for good, and its timers with it", "state"
  end
  local heap = self._timers
  if not heap then
    heap = { count = 0, number = 0, limit = 0 }
    self._timers, self._quiet = heap, false
  end
  local timer = setmetatable({
    _heap = heap, _due = now(self) + math.max(0, seconds), _period = period, _fn = fn,
  }, Timer)
  add(heap, timer)
  if heap[1] == timer then self._handle:wake() end
  return timer
end

--- Calls fn(ws) once, when so many seconds have gone by, from within update, run, receive and the
-- like.  Timers outlive connections, but not the client: they end when it is closed for good.
---@param self wsclose.Client
---@param seconds number 0 or less: in the next turn
---@param fn fun(ws: wsclose.Client) an error comes out of the call that it was called from
---@return wsclose.Timer? timer nil: the client is closed for good
---@return string? sentence
---@return "state"? name
function timers.after(self, seconds, fn)
  check(self, seconds, seconds == seconds, "a number", fn)
  return set(self, seconds, fn)
end

--- Calls fn(ws) every so many seconds.  It keeps its beat, however long a call takes; beats that
-- were missed are not made up for.
---@param self wsclose.Client
---@param seconds number more than 0
---@param fn fun(ws: wsclose.Client)
---@return wsclose.Timer?
---@return string? sentence
---@return "state"? name
function timers.every(self, seconds, fn)
  check(self, seconds, type(seconds) == "number" and seconds > 0, "a number > 0", fn)
  return set(self, seconds, fn, seconds)
end

--- It is not called any more; safe to repeat, and when it is over.
function Timer:cancel()
  if self._place then remove(self._heap, self) end
end

-- ---------------------------------------------------------------- calling them

-- The first beat after `time`; a period that is lost in rounding is a beat a turn.
local function next_beat(timer, time)
  local period = timer._period
  local due = timer._due + period
  if due > time then return due end
  due = timer._due + (math.floor((time - timer._due) / period) + 1) * period
  return due > time and due < FOREVER and due or time + period
end

--- Calls those whose time has come, each once: not those that are set meanwhile, so that it ends.
---@param self wsclose.Client with timers
---@param again? boolean in a turn that has called some: not those set since then
function timers.fire(self, again)
  local heap, time = self._timers, now(self)
  if not again then heap.limit = heap.number end
  local limit = heap.limit
  while self._timers == heap and self._state ~= "closed" do
    local timer = heap[1]
    if not timer or timer._due - time > attempt.INSTANT or timer._number > limit then break end
    remove(heap, timer)
    if timer._period then
      timer._due = next_beat(timer, time)
      add(heap, timer)
    end
    timer._fn(self)
  end
  local is_over = self._timers == heap and not heap[1] or self._state == "closed"
  if is_over then self._timers = nil end
end

--- The moment of the next one, or `moment` if that comes first.
---@param self wsclose.Client
---@param moment? number
---@return number?
function timers.sooner(self, moment)
  local timer = self._timers and self._timers[1]
  if timer and timer._due < (moment or FOREVER) then return timer._due end
  return moment
end

--- How long may be waited for the next one.
---@param self wsclose.Client
---@param seconds number at most
---@return number seconds
function timers.left(self, seconds)
  local due = timers.sooner(self)
  return due and math.max(0, math.min(seconds, due - now(self))) or seconds
end

return timers
