--- A fleet and its server on a virtual clock: from one event to the next, no ticks.
--
-- The server takes connections one after the other, at a rate of N / needs.  Where its work ends is
-- one number, so that an attempt is settled when it arrives: it is open when the work before it is
-- done, unless its client was less patient.  Work for a client that has left is done all the same.

local heap = require "bench.herd.heap"
local policies = require "bench.herd.policies"
local scenarios = require "bench.herd.scenarios"

local simulate = {}

-- ---------------------------------------------------------------- the server

local function new_node(number, scenario)
  local node = { busy_until = 0, epoch = 0, downs = {}, members = {} }
  local at = (number - 1) * scenario.every
  for flap = 0, scenario.flaps do
    node.downs[flap + 1] = { at, at + scenario.down }
    at = at + scenario.down + (scenario.up or 0)
  end
  return node
end

local function is_down(node, time)
  local now = node.downs[math.max(node.epoch, 1)]
  return time >= now[1] and time < now[2]
end

-- Behind a balancer the next node that is up, from a random one on.
local function pick(run, time)
  local nodes = run.nodes
  local count = #nodes
  local first = count == 1 and 0 or math.floor(run.chance() * count)
  for i = 0, count - 1 do
    local node = nodes[(first + i) % count + 1]
    if not is_down(node, time) then return node end
  end
end

-- ---------------------------------------------------------------- the clients

local function fail(run, client, failure)
  local delay = run.clients[client]:lost(failure.code, failure.info)
  run.node_of[client], run.outcome[client] = nil, nil
  if delay then
    run.events:push(run.now + delay, client)
  else
    run.given_up = run.given_up + 1
  end
end

local function settle(run, client, time, outcome)
  run.outcome[client] = outcome
  run.events:push(time, client)
end

local function count_arrival(run, time)
  local second = math.floor(time)
  run.arrivals[second] = (run.arrivals[second] or 0) + 1
end

-- An attempt arrives: what becomes of it is known at once, and told when it is time.
local function attempt(run, client)
  local scenario, time = run.scenario, run.now
  local node = pick(run, time)
  run.attempts = run.attempts + 1
  if not node then
    local wait = scenario.lost and scenario.patience or scenario.trip
    return settle(run, client, time + wait,
      scenario.lost and scenarios.UNANSWERED or scenarios.REFUSED)
  end
  count_arrival(run, time)
  local start = math.max(node.busy_until, time)
  if start - time > scenario.queue then
    node.busy_until = start + scenario.effort * run.work
    return settle(run, client, time + scenario.trip, scenario.full)
  end
  node.busy_until = start + run.work
  if start + run.work - time > scenario.patience then
    return settle(run, client, time + scenario.patience, scenarios.TIMEOUT)
  end
  run.node_of[client], run.epoch_of[client] = node, node.epoch
  settle(run, client, start + run.work + scenario.trip, "open")
end

-- What became of an attempt.
local function conclude(run, client, outcome)
  if outcome ~= "open" then
    if outcome.opens then run.clients[client]:opened() end
    return fail(run, client, outcome)
  end
  local node = run.node_of[client]
  if node.epoch ~= run.epoch_of[client] then return fail(run, client, scenarios.CUT) end
  run.clients[client]:opened()
  run.back[client], run.outcome[client] = run.now, nil
  node.members[client] = true
end

-- A node goes away, and all who are connected to it hear of it.
local function go_away(run, number)
  local node = run.nodes[number]
  node.epoch, node.busy_until = node.epoch + 1, run.now
  local members, told = node.members, {}
  node.members = {}
  for client in pairs(members) do told[#told + 1] = client end
  table.sort(told) -- the order of pairs is nobody's seed
  for _, client in ipairs(told) do
    run.back[client] = false
    fail(run, client, run.lost)
  end
end

-- ---------------------------------------------------------------- the run

local function new_run(policy, scenario, count, seed)
  local new_chance = policies.chance(seed)
  local world = { now = 0 }
  function world.clock() return world.now end
  local run = {
    scenario = scenario, world = world, now = 0, events = heap.new(), chance = new_chance(),
    work = scenario.needs / count * scenario.nodes,
    lost = { code = scenario.code, info = { by = "peer", opened = true } },
    clients = {}, back = {}, outcome = {}, node_of = {}, epoch_of = {}, nodes = {}, arrivals = {},
    attempts = 0, given_up = 0,
  }
  for number = 1, scenario.nodes do
    local node = new_node(number, scenario)
    run.nodes[number] = node
    for _, down in ipairs(node.downs) do run.events:push(down[1], -number) end
  end
  world.now = -3600
  for client = 1, count do
    run.clients[client] = policy.make(new_chance(), world)
    run.clients[client]:opened()
    run.back[client] = 0
    run.nodes[(client - 1) % scenario.nodes + 1].members[client] = true
  end
  return run
end

local function play(run, limit, most)
  local events, world = run.events, run.world
  while true do
    local time, id = events:pop()
    if not time or time > limit or run.attempts > most then return end
    run.now, world.now = time, time
    if id < 0 then
      go_away(run, -id)
    elseif run.outcome[id] then
      conclude(run, id, run.outcome[id])
    else
      attempt(run, id)
    end
  end
end

-- Seconds until the given part of the clients is back for good; math.huge: never.
local function quantiles(run, count)
  local times = {}
  for client = 1, count do times[client] = run.back[client] or math.huge end
  table.sort(times)
  local result = {}
  for _, percent in ipairs { 50, 90, 99, 100 } do
    result[percent] = times[math.max(1, math.ceil(percent / 100 * count))]
  end
  return result
end

-- The largest number of attempts in a second, and that which 1 % of the busy seconds pass.
local function rates(run)
  local list = {}
  for _, number in pairs(run.arrivals) do list[#list + 1] = number end
  table.sort(list)
  return list[#list] or 0, list[math.max(1, math.ceil(0.99 * #list))] or 0
end

---@class herd.Result
---@field peak number attempts in the worst second, as a multiple of what the server takes
---@field p99_rate number the same of the worst second but one in a hundred
---@field failed number attempts that failed, for each client
---@field back table<integer, number> seconds until 50, 90, 99, 100 % are back
---@field least number seconds until 99 % can be back
---@field given_up number part of the clients that tries no more
---@field arrivals table<integer, number> attempts by second, as a multiple of what the server takes

--- One policy in one scenario.
---@param policy table of bench.herd.policies
---@param scenario table of bench.herd.scenarios
---@param clients integer
---@param seed integer
---@return herd.Result
function simulate.run(policy, scenario, clients, seed)
  local count = math.ceil(clients * scenario.share)
  local run = new_run(policy, scenario, count, seed)
  local last = run.nodes[scenario.nodes].downs
  local up = last[#last][2]
  play(run, up + math.max(600, 20 * scenario.needs), scenario.most * count)
  local rate = count / scenario.needs
  local peak, p99_rate = rates(run)
  for second, number in pairs(run.arrivals) do run.arrivals[second] = number / rate end
  local opened = 0
  for client = 1, count do
    if run.back[client] then opened = opened + 1 end
  end
  return {
    peak = peak / rate, p99_rate = p99_rate / rate, failed = (run.attempts - opened) / count,
    arrivals = run.arrivals, back = quantiles(run, count), given_up = run.given_up / count,
    least = scenario.nodes == 1 and up + 0.99 * scenario.needs or up,
  }
end

--- The mean of as many runs as the scenario has; `arrivals` are those of the first.
---@return herd.Result
function simulate.mean(policy, scenario, clients, seed)
  local mean = simulate.run(policy, scenario, clients, seed)
  for more = 1, scenario.runs - 1 do
    local r = simulate.run(policy, scenario, clients, seed + more)
    for _, name in ipairs { "peak", "p99_rate", "failed", "given_up" } do
      mean[name] = mean[name] + (r[name] - mean[name]) / (more + 1)
    end
    for percent, seconds in pairs(r.back) do
      local so_far = mean.back[percent]
      mean.back[percent] = math.max(so_far, seconds) < math.huge
        and so_far + (seconds - so_far) / (more + 1) or math.huge
    end
  end
  return mean
end

return simulate
