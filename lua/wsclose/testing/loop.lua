--- What stands in the place of the core's loop: wsclose.many drives it for clients of the scripted
-- world.  It looks at every client in every wait, which the core's is there to avoid.

local world = require "wsclose.testing.world"

local FOREVER = math.huge

local loop = {}

-- A client in the loop, to be waited for as its handle is: with the alarm of the program besides.
---@class wsclose.testing.Member
---@field handle wsclose.Carried
---@field slot integer
---@field alarm? number
local Member = {}
Member.__index = Member

function Member:deadline()
  local moment = math.min(self.alarm or FOREVER, self.handle:deadline() or FOREVER)
  return moment < FOREVER and moment or nil
end

---@class wsclose.testing.Loop
---@field members wsclose.testing.Member[]
---@field ready wsclose.testing.Member[]
local Loop = {}
Loop.__index = Loop

--- As wsclose.core.loop.
---@return wsclose.testing.Loop
function loop.new()
  return setmetatable({ members = {}, ready = {} }, Loop)
end

local function index_of(list, field, value)
  for i, member in ipairs(list) do
    if member[field] == value then return i end
  end
end

function Loop:add(handle, slot)
  local member = setmetatable({ handle = handle, slot = slot }, Member)
  handle.members = handle.members or {}
  handle.members[self] = member
  self.members[#self.members + 1] = member
  return true
end

local function take_out(self, field, value)
  local i = index_of(self.members, field, value)
  if not i then return end
  local member = table.remove(self.members, i)
  member.handle.members[self] = nil
  i = index_of(self.ready, "slot", member.slot)
  if i then table.remove(self.ready, i) end
end

function Loop:remove(handle)
  take_out(self, "handle", handle)
end

function Loop:forget(slot)
  take_out(self, "slot", slot)
end

function Loop:alarm(handle, moment) -- luacheck: ignore 212
  local member = handle.members and handle.members[self]
  if member then member.alarm = moment end
end

--- As the core's.
function Loop:free()
  for _, member in ipairs(self.members) do member.handle.members[self] = nil end
  self.members, self.ready = {}, {}
end

function Loop:wait(seconds)
  world.wait(self.members, #self.ready > 0 and 0 or seconds)
  for _, member in ipairs(self.members) do
    if world.is_due(member:deadline()) and not index_of(self.ready, "slot", member.slot) then
      if world.is_due(member.alarm) then member.alarm = nil end
      self.ready[#self.ready + 1] = member
    end
  end
  return #self.ready
end

function Loop:next()
  local member = table.remove(self.ready, 1)
  if member then return member.slot, false end
end

function Loop:deadline()
  local moment = FOREVER
  for _, member in ipairs(self.members) do
    moment = math.min(moment, member:deadline() or FOREVER)
  end
  return moment < FOREVER and moment or nil
end

--- There is no descriptor.
function Loop:pollfd() -- luacheck: ignore 212
  return nil
end

return loop
