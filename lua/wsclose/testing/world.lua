--- The scripted world: its time, its servers and its clients.  Nothing in it happens by itself, and
-- nothing waits: where a client would, the servers' scripts are played and time jumps to the next
-- moment at which something is due.

local attempt = require "wsclose.attempt"
local redirect = require "wsclose.redirect"

local world = {}

local FOREVER, INSTANT = math.huge, attempt.INSTANT

-- Jumps of time after which a test is taken for stuck, counted from what it last asked for.
local JUMPS_MAX = 20000

--- Everything as before the first server.
function world.reset()
  world.time = 0
  world.servers = {} -- in the order they were made
  world.by_origin = {}
  world.clients = setmetatable({}, { __mode = "v" })
  world.client_count = 0
  world.jumps = 0
  world.playing = false
  world.draw = function() return 0.5 end
end

world.reset()

---@return number seconds
function world.now()
  return world.time
end

--- Has the moment come?
---@param moment? number
---@return boolean
function world.is_due(moment)
  return moment ~= nil and moment - world.time <= INSTANT
end

function world.add_client(ws)
  world.client_count = world.client_count + 1
  world.clients[world.client_count] = ws
end

--- Calls `visit` for all clients that are still in use, in the order they were made.
function world.each_client(visit)
  for i = 1, world.client_count do
    local ws = world.clients[i]
    if ws then visit(ws) end
  end
end

--- The server that a URL leads to.
---@param url string a valid one
---@return wsclose.testing.Server?
function world.server_of(url)
  return world.by_origin[redirect.origin(url)]
end

function world.add_server(server, url)
  world.by_origin[redirect.origin(url)] = server
  world.servers[#world.servers + 1] = server
end

-- ---------------------------------------------------------------- time

--- Lets the servers do what they can now.
---@return boolean moved
function world.play()
  if world.playing then return false end
  world.playing = true
  local moved, fault = false, nil
  for _, server in ipairs(world.servers) do
    local ok, result = pcall(server.step, server)
    if not ok then fault = fault or { result } end
    moved = moved or result
  end
  world.playing = false
  if fault then error(fault[1], 0) end
  return moved
end

--- Lets the servers go as far as they come without the clients.
function world.settle()
  while world.play() do end -- luacheck: ignore 542
end

---@return string sentences where every server and client stands
function world.describe()
  local lines = {}
  for _, server in ipairs(world.servers) do lines[#lines + 1] = server:describe() end
  world.each_client(function(ws) lines[#lines + 1] = tostring(ws) end)
  return table.concat(lines, "\n")
end

local OWN = debug.getinfo(1, "S").source:match "^(.*)testing/[^/]*$"

-- Where the test, or its program, called into wsclose.
local function caller()
  local level = 3
  repeat
    local info = debug.getinfo(level, "Sl")
    if not info then return "" end
    level = level + 1
    local is_own = info.currentline <= 0 or OWN and info.source:sub(1, #OWN) == OWN
  until not is_own
  local info = debug.getinfo(level - 1, "Sl")
  return ("%s:%d: "):format(info.short_src, info.currentline)
end

---@param what string
function world.stuck(what)
  error(("%swsclose.testing: %s\n%s"):format(caller(), what, world.describe()), 0)
end

--- Moves time to the next moment at which a server has something to do, or to `moment`.
---@param moment number of what else is due
function world.jump(moment)
  for _, server in ipairs(world.servers) do
    local fault = server:unanswered()
    if fault then world.stuck(fault) end
    moment = math.min(moment, server:due() or FOREVER)
  end
  if moment == FOREVER then
    world.stuck "this would wait for ever: no script goes on and no client has a deadline"
  end
  world.jumps = world.jumps + 1
  if world.jumps > JUMPS_MAX then
    world.stuck(("time went on %d times, and the test is where it was"):format(JUMPS_MAX))
  end
  world.time = moment
end

local function has_work(handles)
  for _, handle in ipairs(handles) do
    if world.is_due(handle:deadline()) then return true end
  end
  return false
end

--- What clients wait in: until one of them has work, at most `seconds`.
function world.wait(handles, seconds)
  local due = world.time + seconds
  world.settle()
  while not has_work(handles) and not world.is_due(due) do
    local moment = due
    for _, handle in ipairs(handles) do moment = math.min(moment, handle:deadline() or FOREVER) end
    world.jump(moment)
    world.settle()
  end
end

function world.sleep(seconds)
  world.wait({}, seconds)
end

return world
