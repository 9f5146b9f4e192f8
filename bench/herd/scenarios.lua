--- What happens to the server.  Times are seconds; a restart begins at 0, when all clients lose
-- their connection.
--
--   code      what clients hear
--   down      for how long the server is away; attempts are refused meanwhile
--   lost      meanwhile attempts meet no answer and time out
--   needs     seconds in which the server can take all clients: N/C
--   queue     attempts that may wait, in seconds of the server's work
--   patience  seconds after which a client gives an attempt up; the server does not notice
--   full      what the server does with who finds the queue full
--   effort    what a refusal costs, as a part of what a connection costs
--   nodes     servers behind a balancer that restart one after the other, every `every` seconds
--   flaps     so many times it is up for `up` seconds and away again
--   share     part of the clients that is simulated, where it takes long
--   most      attempts per client before the run is given up: the server is hammered
--   trip      seconds from an attempt to its answer
--   runs      of which the mean is shown: where the peak is not much more than the server takes,
--             the worst second is chance by a twentieth

local scenarios = {}

local function refused(status, after)
  local headers = { ["retry-after"] = after and tostring(after) or nil }
  return { code = 1006, info = { by = "peer", opened = false, error = { name = "http" },
    http = { status = status, headers = headers } } }
end

local function closing(code)
  return { code = code, info = { by = "peer", opened = true }, opens = true }
end

--- How attempts fail, as on_close tells it.
scenarios.REFUSED = { code = 1006,
  info = { by = "network", opened = false, error = { name = "refused", phase = "tcp" } } }
scenarios.UNANSWERED = { code = 1006,
  info = { by = "network", opened = false, error = { name = "timeout", phase = "tcp" } } }
scenarios.TIMEOUT = { code = 1006,
  info = { by = "network", opened = false, error = { name = "timeout", phase = "handshake" } } }
scenarios.CUT = { code = 1006,
  info = { by = "network", opened = false, error = { name = "eof", phase = "handshake" } } }

local DEFAULTS = { code = 1001, down = 5, needs = 60, queue = 1, patience = 5, effort = 0,
  full = scenarios.REFUSED, nodes = 1, every = 0, flaps = 0, share = 1, most = 100, trip = 0.05,
  runs = 1 }

local function complete(fields)
  for name, value in pairs(DEFAULTS) do
    if fields[name] == nil then fields[name] = value end
  end
  return fields
end

local function add(id, title, fields)
  complete(fields)
  fields.id, fields.title = id, title
  scenarios[#scenarios + 1] = fields
end

for _, down in ipairs { 0.5, 2, 5, 30, 120 } do
  add("1001-" .. down, ("1001, restart of %g s"):format(down),
    { down = down, runs = down < 30 and 1 or 4 })
end
for _, down in ipairs { 0.5, 5, 30 } do
  add("1006-" .. down, ("1006, restart of %g s"):format(down),
    { code = 1006, down = down, runs = down < 30 and 1 or 4 })
end
add("1012-5", "1012, restart of 5 s", { code = 1012 })
add("1012-30", "1012, restart of 30 s", { code = 1012, down = 30 })
add("503", "503 without Retry-After", { full = refused(503), effort = 0.1, most = 25 })
add("503-30", "503 with Retry-After: 30", { full = refused(503, 30), effort = 0.1, most = 25 })
add("1013", "accepts and closes with 1013", { full = closing(1013), effort = 0.2, most = 25 })
add("1011", "accepts and closes with 1011", { full = closing(1011), effort = 0.2, most = 25 })
add("1006-cut", "accepts and cuts", { full = closing(1006), effort = 0.2, most = 25 })
add("rolling", "rolling restart of 20 nodes", { nodes = 20, every = 10, needs = 30 })
add("flapping", "flapping: five times up for 3 s", { flaps = 5, up = 3, code = 1006 })
add("hour", "outage of an hour", { code = 1006, down = 3600, share = 0.1, most = 1000, runs = 4 })
add("lost", "no answer for 60 s", { code = 1006, down = 60, lost = true })
add("overload", "overload: attempts time out in a long queue",
  { queue = 30, needs = 60, effort = 0.1, code = 1006, most = 50 })

--- One user whose server comes back by itself: nobody else is in the way.
---@param code integer
---@param down number seconds
---@return table scenario
function scenarios.alone(code, down)
  return complete { code = code, down = down, needs = 1e-6 }
end

--- That of `make herd-real`: its refusals cost next to nothing, and trips are short.
---@param fields table
---@return table scenario
function scenarios.real(fields)
  fields.full, fields.trip = refused(503), 0.002
  return complete(fields)
end

--- Overload with another N/C.
---@param needs number
---@return table scenario
function scenarios.overload(needs)
  local scenario = {}
  for name, value in pairs(scenarios.find "overload") do scenario[name] = value end
  scenario.needs = needs
  return scenario
end

---@return table? scenario
function scenarios.find(id)
  for _, scenario in ipairs(scenarios) do
    if scenario.id == id then return scenario end
  end
end

return scenarios
