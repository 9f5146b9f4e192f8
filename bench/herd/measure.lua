--- All policies in all scenarios, in two processes: a line of figures for each pair.

local policies = require "bench.herd.policies"
local scenarios = require "bench.herd.scenarios"
local simulate = require "bench.herd.simulate"

local measure = {}

local PARTS = 2
local SEED = 1
local FEW = 2000 -- where many clients show no more

measure.USERS = {
  { 1001, 0.5 }, { 1001, 2 }, { 1001, 10 }, { 1006, 0.5 }, { 1006, 2 }, { 1006, 10 },
}
measure.LOADS = { 30, 60, 120, 240, 480, 960, 1920 }

-- ---------------------------------------------------------------- a part of the work

local function fleets(policy, number, clients, emit)
  for at, scenario in ipairs(scenarios) do
    local r = simulate.mean(policy, scenario, clients, SEED)
    emit("fleet", number, at, r.peak, r.p99_rate, r.failed, r.back[50], r.back[90], r.back[99],
      r.back[100], r.least)
    if scenario.id == "1001-5" then
      for second, rate in pairs(r.arrivals) do emit("rate", number, second, rate) end
    end
  end
end

local function users(policy, number, emit)
  for at, case in ipairs(measure.USERS) do
    local r = simulate.run(policy, scenarios.alone(case[1], case[2]), FEW, SEED)
    emit("user", number, at, r.back[50])
  end
end

-- The largest N/C of an overload that ends.
local function loads(policy, number, emit)
  local most = 0
  for _, needs in ipairs(measure.LOADS) do
    local r = simulate.run(policy, scenarios.overload(needs), FEW, SEED)
    if r.back[99] == math.huge then break end
    most = needs
  end
  emit("load", number, most)
end

--- Works on every second policy, and gives each figure to `emit`.
function measure.part(part, clients, emit)
  for number, policy in ipairs(policies) do
    if number % PARTS == part then
      fleets(policy, number, clients, emit)
      users(policy, number, emit)
      loads(policy, number, emit)
    end
  end
end

-- ---------------------------------------------------------------- all of it

local function number_of(word)
  return word:find "inf" and math.huge or tonumber(word)
end

local function keep(results, words)
  local kind, policy = words[1], results[tonumber(words[2])]
  local numbers = {}
  for i = 3, #words do numbers[i - 2] = number_of(words[i]) end
  if kind == "load" then
    policy.load = numbers[1]
  elseif kind == "user" then
    policy.user[numbers[1]] = numbers[2]
  elseif kind == "rate" then
    policy.rate[numbers[1]] = numbers[2]
  else
    policy.fleet[numbers[1]] = {
      peak = numbers[2], p99_rate = numbers[3], failed = numbers[4], least = numbers[9],
      back = { [50] = numbers[5], [90] = numbers[6], [99] = numbers[7], [100] = numbers[8] },
    }
  end
end

--- Starts the parts and reads what they say.
---@param command string that runs a part, with %d for its number
---@return table[] results by policy: name, fleet, user, load, rate
function measure.all(command)
  local results, pipes = {}, {}
  for number, policy in ipairs(policies) do
    results[number] = { name = policy.name, fleet = {}, user = {}, rate = {} }
  end
  for part = 0, PARTS - 1 do pipes[part] = assert(io.popen(command:format(part))) end
  for part = 0, PARTS - 1 do
    for line in pipes[part]:lines() do
      local words = {}
      for word in line:gmatch "%S+" do words[#words + 1] = word end
      keep(results, words)
    end
    pipes[part]:close()
  end
  return results
end

return measure
