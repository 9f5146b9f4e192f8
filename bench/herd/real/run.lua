--- `make herd-real`: real clients in this process, of a real server that says 1001 to all and is
-- away for a while, beside the simulation of the same.
--   luajit bench/herd/real/run.lua [clients [down [needs [pace]]]]
-- `down`: seconds without a server.  `needs`: seconds in which the next one can take all.  `pace`
-- shortens the policy's times, for a herd that is back soon.  From the repository's root.

local policies = require "bench.herd.policies"
local report = require "bench.herd.report"
local scenarios = require "bench.herd.scenarios"
local simulate = require "bench.herd.simulate"
local wsclose = require "wsclose"

local SERVER = "env NODE_PATH=build/npm/node_modules node bench/herd/real/server.js"
local BATCH = 200 -- connections begun at a time
local QUEUE = 1 -- seconds of the server's work that may wait
local RUNS, SEED = 4, 1

local clients, down = tonumber(arg[1]) or 10000, tonumber(arg[2]) or 20
local needs, pace = tonumber(arg[3]) or 60, tonumber(arg[4]) or 1

-- The defaults of a profile, all times of it multiplied by `pace`.
local function retry_options(profile)
  local max = (profile and 60 or 40) * pace
  return {
    profile = profile, initial = pace, max = max, floor = pace / 4,
    first = pace ~= 1 and { [1001] = { 0, 5 * pace } } or nil,
  }
end

-- ---------------------------------------------------------------- the server

-- Its lines come through a FIFO; it ends with its standard input, and so with this process.
local function start_server()
  local fifo = os.tmpname()
  os.remove(fifo)
  assert(os.execute("mkfifo " .. fifo))
  local stdin = assert(io.popen(("exec %s >%s"):format(SERVER, fifo), "w"))
  local stdout = assert(io.open(fifo))
  os.remove(fifo)
  local port = assert(stdout:read "*l", "the server did not start"):match "^PORT (%d+)$"
  local server = { url = "ws://127.0.0.1:" .. port .. "/" }
  function server.tell(...)
    assert(stdin:write(table.concat({ ... }, " "), "\n"))
    stdin:flush()
  end
  function server.rates()
    server.tell "rates"
    local rates = {}
    for word in stdout:read("*l"):gmatch "%d+" do rates[#rates + 1] = tonumber(word) end
    return rates
  end
  function server.stop()
    stdin:close()
    stdout:close()
  end
  return server
end

-- ---------------------------------------------------------------- the clients

-- A group of them, all open.  `herd` counts what happens to them.
local function open_all(url, options, herd)
  local group, opened = wsclose.group(), 0
  for number = 1, clients do
    local ws = assert(wsclose.new(url, {
      proxy = false, extensions = {}, retry = options,
      on_open = function()
        opened = opened + 1
        if not herd.began then return end
        herd.back[number], herd.away = wsclose.now() - herd.began, herd.away - 1
      end,
      on_close = function(_, _, _, info)
        if not herd.began then error(tostring(info), 0) end -- no descriptors left, mostly
        if not info.opened then herd.failed = herd.failed + 1 end
        assert(info.retry_in, info.retry_refused)
      end,
    }))
    group:add(ws)
    if number % BATCH == 0 or number == clients then
      while opened < number do group:update(10) end
    end
  end
  return group
end

local function real(options, patience)
  local server = start_server()
  local herd = { failed = 0, away = clients, back = {} }
  local group = open_all(server.url, options, herd)
  herd.failed = 0
  local busy = os.clock()
  herd.began = wsclose.now()
  server.tell("restart", down, clients / needs, QUEUE)
  while herd.away > 0 do
    group:update(1)
    assert(wsclose.now() - herd.began < patience, herd.away .. " clients do not come back")
  end
  busy = (os.clock() - busy) / (wsclose.now() - herd.began)
  local back, peak = herd.back, 0
  for _, rate in ipairs(server.rates()) do peak = math.max(peak, rate) end
  server.stop()
  table.sort(back)
  local function part(percent) return back[math.ceil(percent / 100 * clients)] end
  return {
    peak = peak / (clients / needs), failed = herd.failed / clients, busy = busy,
    back = { [50] = part(50), [90] = part(90), [99] = part(99), [100] = part(100) },
  }
end

-- ---------------------------------------------------------------- both

local function compare(name, profile)
  local options = retry_options(profile)
  local policy = { name = name, make = policies.ours(options) }
  local scenario = scenarios.real { down = down, needs = needs, queue = QUEUE, runs = RUNS }
  local simulated = simulate.mean(policy, scenario, clients, SEED)
  return { name = name, simulated = simulated, real = real(options, 3 * simulated.back[100] + 60) }
end

local results = { compare("wsclose", nil), compare("wsclose, fleet", "fleet") }
local text = report.beside(results, { clients = clients, down = down, needs = needs })
print(text)
for _, result in ipairs(results) do
  print(("%s: this process was busy for %.0f %% of the time"):format(
    result.name, 100 * result.real.busy))
end
if clients == 10000 and pace == 1 then
  report.write_into("docs/retry.md", "make herd-real", text)
end
