--- How long to wait: the window that a delay is drawn from, uniformly.  Each jitter, each first
-- delay, Retry-After and a server's hint is such a window.  Chosen by simulation: see docs/retry.md
-- and bench/herd.

local math_max, math_min = math.max, math.min

local delay = {}

local DECORRELATED_GROWTH = 3

-- min(limit, initial * factor^n), for any n without overflow.
local function ceiling(initial, factor, n, limit)
  if initial >= limit then return limit end
  if n >= math.log(limit / initial) / math.log(factor) then return limit end
  return math_min(limit, initial * factor ^ n)
end

-- The jitter comes after the cap, or clients that have reached it would come in step.
local JITTER = {
  -- At the cap the upper half: the load on the server is that of a cap half as high again, and the
  -- last client is back a third sooner.
  full = function(options, cap, limit)
    return cap < limit and options.floor or math_max(options.floor, limit / 2), cap
  end,
  equal = function(options, cap) return (options.floor + cap) / 2, cap end,
  none = function(_, cap) return cap, cap end,
  decorrelated = function(options, _, limit, previous)
    local low = math_max(options.floor, math_min(options.initial, limit))
    return low, math_max(low, math_min(limit, DECORRELATED_GROWTH * (previous or low)))
  end,
}

-- A first window of its own stands for two steps of the backoff: who was spread over 2 s comes back
-- over 4 s, not over the same 2 s again.  In the profile "fleet" it stands for all steps up to its
-- width: a fleet that was spread over 15 s needs 30 s the next time.
local function backoff(options, run, limit)
  local initial, n = options.initial, run.retries
  if options.profile == "fleet" then
    initial = math_max(initial, run.width)
  elseif run.width > initial then
    n = n + 1
  end
  local cap = ceiling(initial, options.factor, n, limit)
  return JITTER[options.jitter](options, cap, limit, run.previous)
end

--- The bounds of the next delay of a run, whose `width` is the widest window it was asked for.
---@param options table as read
---@param run table retries, width, previous; limit: the ceiling
---@param asked? number[] what the code, the reason or the header of this failure asks for
---@param is_first? boolean asked stands for the whole first window; false: it only raises it
---@return number low
---@return number high
function delay.window(options, run, asked, is_first)
  local least, own = 0, 0
  if asked then least, own = asked[1], asked[2] - asked[1] end
  if options.jitter ~= "none" then run.width = math_max(run.width, own) end
  if asked and is_first and run.retries == 0 then return least, asked[2] end
  local low, high = backoff(options, run, run.limit)
  low = math_max(low, least)
  -- A window narrower than one before would gather again the clients that it had spread.
  local spread = math_max(run.width, is_first and 0 or own)
  high = math_min(math_max(high, low + spread), math_max(run.limit, least + own))
  low = math_max(math_min(low, high - spread), least, options.floor)
  return low, high
end

return delay
