--- wsclose.update and wsclose.run for clients of the scripted world.

local world = require "wsclose.testing.world"

local FOREVER = math.huge

local many = {}

-- Clients one by one, or all of them in one list.
local function list_of(first, ...)
  if type(first) == "table" and not first._handle then return first end
  return { first, ... }
end

-- Seconds that may be waited on behalf of all; nil: they are closed for good.
local function may_wait(clients)
  local seconds
  for _, ws in ipairs(clients) do
    local closed = ws:state() == "closed" and not ws:timeout()
    if not closed then seconds = math.min(seconds or FOREVER, ws:timeout() or FOREVER) end
  end
  return seconds
end

local function round(seconds, clients)
  local handles = {}
  for i, ws in ipairs(clients) do handles[i] = ws._handle end
  seconds = math.min(seconds, may_wait(clients) or 0)
  if seconds > 0 then world.wait(handles, seconds) end
  local alive = false
  for _, ws in ipairs(clients) do alive = ws:update() or alive end
  return alive
end

--- As wsclose.update.
function many.update(seconds, ...)
  local alive = round(seconds or 0, list_of(...))
  return alive
end

--- As wsclose.run.
function many.run(...)
  local clients = list_of(...)
  while round(FOREVER, clients) do end -- luacheck: ignore 542
end

return many
