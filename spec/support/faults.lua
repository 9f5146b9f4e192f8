--- Fails everything once: each allocation, the platform's and OpenSSL's, and each system call with
-- each fault that it may have, once and from some moment on, through whole lives of a client over
-- every route; descriptors that run out; a server that stalls, resets or half-closes at every byte.
--
--     LD_PRELOAD=build/lua5.4/faults.so lua spec/support/faults.lua [POINTS [SEED [ROUTE]]]
--
-- POINTS: so many, drawn by SEED, of each kind and route alike; without it all.
-- FAULTS="wss, /bare: send EPIPE 3": only those points whose names begin so, and their ends.
-- JOBS=8: in so many processes, each with every eighth point.
-- EVERY=20: where there is TLS, of OpenSSL's allocations and of the bytes only every twentieth.
-- What is held of each: faults/strike.lua.

local library = os.getenv "LD_PRELOAD"
require "faults" -- before OpenSSL has allocated anything; it is not preloaded into other processes
local life = require "support.faults.life"
local points = require "support.faults.points"
local random = require "support.random"
local socket = require "socket"
local strike = require "support.faults.strike"

local now = socket.gettime
local began = now()

local CHOSEN = os.getenv "FAULTS"
local JOBS = tonumber(os.getenv "JOBS" or "") or 1
local PART = tonumber(os.getenv "PART" or "") -- of so many jobs, from 0 on

local KINDS = { "memory", "OpenSSL", "calls", "descriptors", "cut" }

-- Tallies: by route and kind, how often each was told.
local function count_up(tallies, route, kind, outcome, count)
  local tally = tallies[route .. kind] or { count = 0, outcomes = {} }
  tallies[route .. kind] = tally
  tally.count = tally.count + count
  tally.outcomes[outcome] = (tally.outcomes[outcome] or 0) + count
end

local function outcomes_of(tally)
  local names = {}
  for name, number in pairs(tally.outcomes) do names[#names + 1] = name .. " " .. number end
  table.sort(names)
  return table.concat(names, ", ")
end

-- The table of docs/proof.md, after what each was told.  How many failed.
local function report(tallies)
  local rows, all, failures = {}, 0, 0
  for _, route in ipairs(life.routes) do
    local row, count, failed = { route.name }, 0, 0
    for _, kind in ipairs(KINDS) do
      local tally = tallies[route.name .. kind]
      row[#row + 1] = tally and tally.count or 0
      count = count + row[#row]
      failed = failed + (tally and tally.outcomes.FAILED or 0)
      if tally then
        print(("%-11s %-11s %5d points: %s"):format(route.name, kind, tally.count,
          outcomes_of(tally)))
      end
    end
    row[#row + 1] = failed
    all, failures = all + count, failures + failed
    if count > 0 then rows[#rows + 1] = "| " .. table.concat(row, " | ") .. " |" end
  end
  print("\n| route | " .. table.concat(KINDS, " | ") .. " | failed |")
  print("| --- |" .. (" --: |"):rep(#KINDS + 1))
  print(table.concat(rows, "\n") .. "\n")
  print(("%d points in %.0f s; %d failed"):format(all, now() - began, failures))
  return failures
end

local function all_series(only)
  local all = {}
  for _, route in ipairs(life.routes) do
    if not only or route.name == only then
      for _, series in ipairs(points.of(route)) do all[#all + 1] = series end
    end
  end
  assert(#all > 0, "there is no such route")
  return all
end

local function is_chosen(point)
  return not CHOSEN or strike.name(point):sub(1, #CHOSEN) == CHOSEN
end

local function try_all(next_point)
  local tallies = {}
  strike.begin()
  for point in next_point do
    if is_chosen(point) then
      local ok, worst = pcall(strike.try, point, CHOSEN ~= nil)
      if not ok then
        print("FAILED " .. strike.name(point) .. ": " .. tostring(worst))
        worst = "FAILED"
      end
      count_up(tallies, point.route.name, point.kind, worst, 1)
    end
  end
  return tallies
end

-- The tallies of other processes, which print them.
local TALLY = "TALLY %s;%s;%s;%d"

local function give(tallies)
  for _, route in ipairs(life.routes) do
    for _, kind in ipairs(KINDS) do
      local tally = tallies[route.name .. kind] or { outcomes = {} }
      for outcome, count in pairs(tally.outcomes) do
        print(TALLY:format(route.name, kind, outcome, count))
      end
    end
  end
end

local function gather(most, seed, only)
  local tallies, jobs = {}, {}
  for part = 0, JOBS - 1 do
    jobs[#jobs + 1] = assert(io.popen(("PART=%d LD_PRELOAD=%s %s %s %s %d %s 2>&1"):format(part,
      library, arg[-1], arg[0], most and math.ceil(most / JOBS) or "''", seed,
      only and "'" .. only .. "'" or "")))
  end
  for part, job in ipairs(jobs) do
    local is_whole
    for line in job:lines() do
      local route, kind, outcome, count = line:match "^TALLY (.-);(.-);(.-);(%d+)"
      if route then count_up(tallies, route, kind, outcome, tonumber(count)) end
      if line:find "^FAILED" then print(line) end
      is_whole = line == "ENDED"
    end
    job:close()
    if not is_whole then print(("FAILED part %d broke off"):format(part - 1)) end
    if not is_whole then count_up(tallies, life.routes[1].name, KINDS[1], "FAILED", 1) end
  end
  return tallies
end

local function main(most, seed, only)
  local tallies
  if JOBS > 1 and not PART then
    tallies = gather(most, seed, only)
  else
    local all = all_series(only)
    local draw = random(seed + 1000 * (PART or 0))
    tallies = try_all(most and points.drawn(all, draw, most) or points.each(all))
  end
  if PART then
    give(tallies)
    print "ENDED"
  end
  local failures = PART and 0 or report(tallies)
  life.stop()
  os.exit(failures == 0 and 0 or 1)
end

io.stdout:setvbuf "line"
main(tonumber(arg[1] or ""), tonumber(arg[2] or 1), arg[3])
