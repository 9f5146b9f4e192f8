--- Many clients, one wait: groups of clients on one loop of the core, which gives out those that
-- have work.  A round costs what those cost, however many others there are.
--
-- The core knows when a connection has work.  What only Lua knows (notices, the time of the next
-- attempt) stands beside it as an alarm: whatever changes it wakes the client (attempt.lua and
-- client.lua do), the next round updates it, and the alarm is set anew here.

local core = require "wsclose.core"
local client = require "wsclose.client"
local timers = require "wsclose.timers"

local Client = client.Client

local unpack = rawget(table, "unpack") or unpack -- luacheck: globals unpack

local FOREVER = math.huge

-- How often to look at what no descriptor and no deadline tells of: a coroutine that prepares an
-- attempt, a client for which the loop had no memory.
local LOOK = 0.01

---@class wsclose.Group
---@field package _host table what its clients are waited for in: that of the first
---@field package _loop userdata|false the host's; false: there was no memory for it
---@field package _members table<integer, wsclose.Client> by slot
---@field package _slots table<wsclose.Client, integer>
---@field package _free integer[] slots given back
---@field package _last integer the highest slot in use so far
---@field package _count integer
---@field package _closed table<integer, true> slots of those that are closed for good
---@field package _closed_count integer
---@field package _clocked table<integer, wsclose.Client> those with a clock of their own
---@field package _strays table<wsclose.Client, integer> members that the loop does not know
local Group = {}
Group.__index = Group
Group.__name = "wsclose.Group"

local many = {}

-- ---------------------------------------------------------------- members

local function find_loop(self)
  local new_loop = self._host.loop
  self._loop = self._loop or (new_loop and new_loop()) or false
  return self._loop
end

-- False: the loop does not know it; see tend_strays.
local function enter_loop(self, ws, slot)
  local handle = ws._handle
  if not self._loop then self._host = handle.host end
  local loop = find_loop(self)
  if not loop or handle.host ~= self._host or not loop:add(handle, slot) then return false end
  loop:alarm(handle, 0)
  return true
end

local function set_closed(self, slot, closed)
  if (self._closed[slot] or false) == closed then return end
  self._closed[slot] = closed or nil
  self._closed_count = self._closed_count + (closed and 1 or -1)
end

local function add(self, ws)
  if self._slots[ws] then return end
  local slot = table.remove(self._free)
  if not slot then
    slot = self._last + 1
    self._last = slot
  end
  self._members[slot], self._slots[ws] = ws, slot
  self._count = self._count + 1
  if not enter_loop(self, ws, slot) then self._strays[ws] = slot end
  local clock = ws._settings.clock
  if clock and clock ~= self._host.now then self._clocked[slot] = ws end
end

local function new_group(list)
  local self = setmetatable({
    _host = core, _loop = false,
    _members = {}, _slots = {}, _free = {}, _last = 0, _count = 0,
    _closed = {}, _closed_count = 0, _clocked = {}, _strays = {},
  }, Group)
  for _, ws in ipairs(list) do add(self, ws) end
  return self
end

-- ---------------------------------------------------------------- a round

local function is_closed(ws) return ws._state == "closed" and not ws._notices end

-- After an update: is there work that the core does not know of, and when?
local function set_alarm(self, slot, ws)
  local state, at = ws._state, nil
  if not self._clocked[slot] then at = timers.sooner(ws) end
  set_closed(self, slot, is_closed(ws))
  if ws._notices or state == "idle" then
    at = 0
  elseif state == "waiting" and not self._clocked[slot] then
    at = timers.sooner(ws, ws._due)
  elseif state == "starting" then
    at = self._host.now() + LOOK
  end
  self._loop:alarm(ws._handle, at)
end

-- Whatever the update does, raise or yield included, a client with more than its connection's work
-- is looked at again.
local function update_one(self, slot, ws)
  local rare = not ws._quiet
  if rare then self._loop:alarm(ws._handle, 0) end
  ws:update()
  if rare or not ws._quiet then
    if self._slots[ws] == slot then set_alarm(self, slot, ws) end
  end
end

-- The client has left for good, and the loop with it: what is still to be told is told here.
local function after_leave(self, slot, ws)
  self._strays[ws] = slot
  ws:update()
  self._strays[ws] = nil
  if self._slots[ws] == slot then set_closed(self, slot, is_closed(ws)) end
end

-- Those that the loop does not know, for lack of memory or because there is none, are updated each
-- round, and try again.
local function tend_strays(self)
  local strays = {}
  for ws, slot in pairs(self._strays) do strays[slot] = ws end
  for slot = 1, self._last do
    local ws = strays[slot]
    if self._strays[ws or false] ~= slot then -- none, or removed by another's callback
      strays[slot] = nil
    elseif ws._left then
      after_leave(self, slot, ws)
    elseif enter_loop(self, ws, slot) then
      self._strays[ws] = nil
    else
      ws:update()
      if self._slots[ws] == slot then set_closed(self, slot, is_closed(ws)) end
    end
  end
end

-- How long may be waited for those whose time the loop cannot tell; rings their alarms.
local function wait_of_clocked(self, seconds)
  for _, ws in pairs(self._clocked) do
    local left = ws:timeout() or FOREVER
    if left == 0 then self._loop:alarm(ws._handle, 0) end
    if left < seconds then seconds = left end
  end
  return seconds
end

-- Seconds until one that the loop does not know has work, at most; and their handles.
local function look_at_strays(self, seconds)
  local handles = {}
  for ws, slot in pairs(self._strays) do
    local left = ws._state == "starting" and LOOK or ws:timeout()
    if is_closed(ws) and not self._closed[slot] then left = 0 end -- to be counted
    handles[#handles + 1] = ws._handle
    seconds = math.min(seconds, left or FOREVER)
  end
  return seconds, handles
end

local function wait(self, seconds)
  if self._closed_count == self._count then seconds = 0 end
  local loop, host = self._loop, self._host
  if seconds > 0 and host == core then client.check_may_wait "a group of clients" end
  if host.wait_for then
    local most, handles = look_at_strays(self, seconds)
    host.wait_for(handles, most)
    return 0
  end
  if next(self._strays) then seconds = math.min(seconds, LOOK) end
  if not loop then
    if seconds > 0 then host.sleep(seconds) end
    return 0
  end
  if not next(self._clocked) then return loop:wait(seconds) end
  local count = loop:wait(wait_of_clocked(self, seconds))
  if count > 0 or wait_of_clocked(self, FOREVER) > 0 then return count end
  return loop:wait(0)
end

-- Waits until one of the clients has work.
local function wait_for(list, seconds)
  local self = new_group(list)
  for ws, slot in pairs(self._loop and self._slots or {}) do set_alarm(self, slot, ws) end
  wait(self, seconds)
  if self._loop then self._loop:free() end
end

-- A nested round may have taken those that this one was to take.  The loop tells of one that left,
-- although it was removed meanwhile.
local function run_round(self, seconds)
  local members = self._members
  for _ = 1, wait(self, seconds) do
    local slot, left = self._loop:next()
    if not slot then break end
    local ws = members[slot]
    local take = left and after_leave or update_one
    if ws then take(self, slot, ws) end
  end
  if next(self._strays) then tend_strays(self) end
  return self._count > self._closed_count
end

-- ---------------------------------------------------------------- the arguments

local check_seconds = client.check_seconds

local function check_clients(list, count, level)
  for i = 1, count do
    if getmetatable(list[i]) ~= Client then
      error(("expected clients, got %s as number %d"):format(type(list[i]), i), level + 1)
    end
  end
end

local function is_list(value)
  if type(value) ~= "table" or getmetatable(value) == Client then return false end
  return #value > 0 or next(value) == nil
end

-- Clients one by one, or all of them in one list.
local function list_of(level, ...)
  local first, count = (...), select("#", ...)
  if count == 1 and is_list(first) then
    check_clients(first, #first, level + 1)
    return first
  end
  local list = { ... }
  while count > 1 and list[count] == nil do count = count - 1 end -- assert(wsclose.new(…)) has them
  check_clients(list, count, level + 1)
  return list
end

-- ---------------------------------------------------------------- groups of the program's own

--- A group of clients that are updated together; clients may come and go.  It keeps them alive.
---@param ... wsclose.Client|wsclose.Client[] one by one, or a list
---@return wsclose.Group
function many.group(...)
  return new_group(list_of(2, ...))
end

--- Takes clients in; those that are in stay in.
---@param ... wsclose.Client|wsclose.Client[]
function Group:add(...)
  for _, ws in ipairs(list_of(2, ...)) do add(self, ws) end
end

--- Lets go of a client, which goes on without the group.
---@param ws wsclose.Client
---@return boolean removed was it in?
function Group:remove(ws)
  local slot = self._slots[ws]
  if not slot then return false end
  if self._loop and not self._strays[ws] then self._loop:remove(ws._handle) end
  set_closed(self, slot, false)
  self._members[slot], self._slots[ws], self._strays[ws], self._clocked[slot] = nil, nil, nil, nil
  self._free[#self._free + 1] = slot
  self._count = self._count - 1
  return true
end

--- How many clients are in, those that are closed for good included.
---@return integer
function Group:count()
  return self._count
end

--- One round: does the work that is ready, waiting for some at most `seconds`; calls callbacks.
---@param seconds? number default 0: never waits
---@return boolean alive is there anything left to do for one of them?
function Group:update(seconds)
  if seconds then check_seconds(seconds) end
  return (run_round(self, seconds or 0))
end

-- true: all are closed for good
local function run_rounds(self, seconds)
  local now, left = self._host.now, seconds or FOREVER
  local due = now() + left
  while run_round(self, left) do
    left = due - now()
    if left <= 0 then return nil, "timeout" end
  end
  return true
end

--- Rounds until all clients are closed for good.
---@param seconds? number at most; default: as long as it takes
---@return true? closed nil: time is up
---@return "timeout"? why
function Group:run(seconds)
  if seconds then check_seconds(seconds) end
  return run_rounds(self, seconds)
end

--- A descriptor that turns readable when update has work for one of them; nil where the system has
-- none, as Windows.
---@return integer? descriptor
---@return string? sentence
---@return "state"? name
function Group:pollfd()
  local loop = find_loop(self)
  if loop then return loop:pollfd() end
  return nil
end

--- What the descriptor is to be polled for.
---@return string
function Group:events() -- luacheck: ignore 212
  return "r"
end

--- Seconds until update has work though the descriptor is not ready.
---@return number? seconds 0: at once; nil: no deadline
function Group:timeout()
  local seconds = look_at_strays(self, FOREVER)
  if not self._host.wait_for and next(self._strays) then seconds = math.min(seconds, LOOK) end
  if self._loop then
    seconds = wait_of_clocked(self, seconds)
    local deadline = self._loop:deadline()
    if deadline then seconds = math.min(seconds, math.max(0, deadline - self._host.now())) end
  end
  return seconds < FOREVER and seconds or nil
end

-- ---------------------------------------------------------------- clients without a group

-- Whose turn comes first: one that raises an error each time must not keep the others from theirs.
local first = 0

--- One round of work for many clients, with one wait: looks at each of them, so a group is better
-- for a great many.
---@param seconds? number at most; default 0
---@param ... wsclose.Client|wsclose.Client[]|wsclose.Group clients, a list of them, or a group
---@return boolean alive false once all are closed for good
function many.update(seconds, ...)
  if seconds then check_seconds(seconds) end
  if getmetatable((...)) == Group then return (run_round((...), seconds or 0)) end
  local list = list_of(2, ...)
  local count, alive = #list, false
  if count == 1 then return (list[1]:update(seconds)) end
  if seconds and seconds > 0 and count > 0 then wait_for(list, seconds) end
  first = first + 1
  local clients, seen = {}, {} -- a callback may change the list
  for i = 1, count do
    local ws = list[(first + i) % count + 1]
    if not seen[ws] then clients[#clients + 1], seen[ws] = ws, true end
  end
  for _, ws in ipairs(clients) do alive = ws:update() or alive end
  return alive
end

--- Runs many clients until all are closed for good: a group for as long.
---@param ... wsclose.Client|wsclose.Client[]|wsclose.Group|number clients, a list of them, read
---  once, or a group; at the end seconds, at most
---@return true? closed nil: time is up
---@return "timeout"? why
function many.run(...)
  local count, seconds = select("#", ...), nil
  local given = { ... }
  if count > 1 and type(given[count]) == "number" then
    seconds = given[count]
    given[count], count = nil, count - 1
    check_seconds(seconds)
  end
  if count == 0 then error("expected clients to run, got none", 2) end
  if getmetatable(given[1]) == Group then return run_rounds(given[1], seconds) end
  local group = new_group(list_of(2, unpack(given, 1, count)))
  local closed, why = run_rounds(group, seconds)
  if group._loop then group._loop:free() end
  return closed, why
end

return many
