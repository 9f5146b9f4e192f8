--- When to connect again, and when not: a backoff policy without a socket.
--
-- The order of calls, for one connection after the other:
--   policy:opened()         the connection is open
--   policy:closed(came_in)  it ended; false: nothing came in on it
--   policy:next(code, info) seconds until the next attempt, or nil and why there is none
-- An attempt that never opened goes straight to next().  A wait that is cut short (ws:kick()) needs
-- no call: next() has counted the attempt already.
--
-- A run is the failures since the last stable connection.  Whether there is a next attempt is said
-- by retry_verdict, how long to wait by retry_delay; what a run must remember stands here.

local checks = require "wsclose.checks"
local close_codes = require "wsclose.close_codes"
local retry_after = require "wsclose.retry_after"
local retry_delay = require "wsclose.retry_delay"
local retry_options = require "wsclose.retry_options"
local retry_random = require "wsclose.retry_random"
local verdict = require "wsclose.retry_verdict"

local is_callable, described = checks.is_callable, checks.described

local retry = { unasked = verdict.unasked, not_retried = verdict.not_retried }

---@class wsclose.RetryPolicy
---@field retries integer retries granted since the last stable connection
---@field delay? number what the last next() granted
---@field refused? string why the last next() said no; nil when it said yes
---@field slowed? string what keeps coming, and what ends it; nil while waits grow as usual
local Policy = {}
Policy.__index = Policy

--- A policy.  Each client has one of its own: it counts that client's retries.
---@param options? wsclose.RetryOptions|true|"fleet"|wsclose.RetryPolicy true or nil: the defaults;
---  a policy is given back as it is.  An unknown name, a wrong type or range raises.
---@param system? {clock?: function, random?: function, sleep?: function} what stands in for the
---  options of these names where they are not given
---@param path? string of the option that they stand in
---@return wsclose.RetryPolicy
function retry.new(options, system, path)
  if getmetatable(options) == Policy then return options end
  local good, checked = pcall(retry_options.read, options == nil or options, path)
  if not good then error("wsclose.retry: " .. checked, 2) end
  return setmetatable({
    options = checked,
    clock = checked.clock or system and system.clock or os.time,
    -- none: seeded at the first draw, so that a process forked until then draws other numbers
    random = checked.random or system and system.random,
    sleep = checked.sleep or system and system.sleep,
    retries = 0, width = 0,
  }, Policy)
end

-- ---------------------------------------------------------------- a delay

local function draw(policy)
  if not policy.random then policy.random = retry_random.new() end
  local number = policy.random()
  if type(number) ~= "number" or not (number >= 0 and number < 1) then
    error("wsclose.retry: random must return a number in [0, 1), not " .. described(number), 0)
  end
  return number
end

local function between(policy, low, high)
  return low + draw(policy) * (high - low)
end

retry.is_window = retry_options.is_window

-- Draws in the place of a policy where there is none.
retry.any = {}

--- Seconds out of a window.
---@param policy? wsclose.RetryPolicy that draws
---@param window wsclose.RetryWindow
---@return number seconds
function retry.drawn(policy, window)
  if type(window) == "number" then return window end
  return between(policy or retry.any, window[1], window[2])
end

-- Seconds out of a rule.  0 once is a program that knows better; again and again it would be a loop
-- as fast as the server refuses.
local function ruled(policy, rule)
  local seconds = retry.drawn(policy, rule)
  if seconds > 0 then
    policy.at_once = nil
  elseif policy.at_once then
    return policy.options.floor
  else
    policy.at_once = true
  end
  return seconds
end

-- The window that this failure asks for, and whether it stands for the first of the run.
local function asked_window(policy, code, info, was_open)
  local options = policy.options
  local _, who = verdict.status_of(info)
  local seconds = who == "server" and retry_after.seconds(info.http.headers) or 0
  if seconds > 0 then return retry_after.window(seconds), false end
  local hint = options.hints and retry_after.hint(info.received and info.received.reason)
  if hint then return hint, true end
  -- 1006 says nothing of a server that had us; of an attempt it is a failure like others.
  if code == 1006 and not was_open then return nil end
  return options.first[code], true
end

local function is_overload(code, info)
  local status = verdict.status_of(info)
  if code == 1013 or status == 429 or status == 503 then return true end
  local fault = info.error or {}
  return fault.name == "timeout" and (fault.phase == "tls" or fault.phase == "handshake")
end

-- What keeps coming back is met ever more seldom, and never given up: the program may do so.
local function count_row(policy, code, info)
  local name, cure, most = verdict.lasting(code, info)
  policy.row = name and policy.row_name == name and policy.row + 1 or 1
  policy.row_name = name
  if not name or policy.row <= most then return end
  policy.slowed = ("%s came %d times in a row and is retried more slowly; %s ends it")
    :format(name, policy.row, cure)
end

-- A delay, and the least that the server asked for.
local function drawn(policy, code, info, was_open)
  local options = policy.options
  if is_overload(code, info) then policy.overloaded = true end
  local many = policy.overloaded or policy.slowed
  policy.limit = many and options.overload_max or options.max
  local asked, is_first = asked_window(policy, code, info, was_open)
  policy.previous = between(policy, retry_delay.window(options, policy, asked, is_first))
  policy.at_once = nil
  return policy.previous, asked and asked[1] or 0
end

-- The delay within the limits of the run, or nil and why there is none.
local function limited(policy, delay, least, now)
  local options = policy.options
  if policy.retries >= options.attempts then
    local many = policy.retries == 1 and "1 retry is"
      or ("%d retries in a row are"):format(policy.retries)
    return nil, many .. " as many as the option attempts allows"
  end
  if not options.elapsed then return delay end
  local left = options.elapsed - (now - policy.run_start)
  if left <= 0 or left < least then
    return nil, ("the next attempt would begin later than the %g s that the option elapsed allows")
      :format(options.elapsed)
  end
  return math.min(delay, left)
end

-- ---------------------------------------------------------------- the policy

--- Forgets the failures so far: the next delay is a first one.
function Policy:reset()
  self.retries, self.width = 0, 0
  self.delay, self.refused, self.slowed = nil, nil, nil
  self.run_start, self.previous, self.opened_at, self.was_open = nil, nil, nil, nil
  self.row_name, self.overloaded, self.at_once = nil, nil, nil
end

--- The connection is open.
function Policy:opened()
  self.opened_at = self.clock()
end

--- The connection ended.  If it was open for `stable_after` seconds and something came in, the run
-- of failures is over.  Without a preceding opened() it does nothing.
---@param came_in? boolean false: not one byte came in since it opened (default true)
function Policy:closed(came_in)
  local opened_at = self.opened_at
  if not opened_at then return end
  self.opened_at = nil
  if came_in ~= false and self.clock() - opened_at >= self.options.stable_after then
    self:reset()
  end
  self.was_open = true
end

local function check_arguments(code, info)
  if type(code) ~= "number" or code % 1 ~= 0 then
    error("wsclose.retry: next needs a close code, an integer, not " .. described(code), 3)
  end
  if info ~= nil and type(info) ~= "table" then
    error("wsclose.retry: next needs info as a table or nil, not " .. described(info), 3)
  end
end

-- What comes of one failure: the delay, or nil and why; third what decide raised.
local function judged(policy, code, info, now)
  local was_open = info.opened or info.opened == nil and policy.was_open
  policy.was_open = nil
  local rule, why, fault = verdict.of(policy.options, code, info, policy.retries + 1)
  if not rule then return nil, why, fault end
  count_row(policy, code, info)
  local delay, least
  if rule == true then
    delay, least = drawn(policy, code, info, was_open)
  else
    delay, least = ruled(policy, rule), 0
  end
  delay, why = limited(policy, delay, least, now)
  return delay, why, fault
end

--- What to do after a connection or an attempt ended.  What decide raises is raised when all is
-- done: the policy's fields `delay` and `refused` tell what it would have said without it.
---@param code integer close code as on_close gets it
---@param info? table as on_close gets it: by, opened, error, http, sent, received are read
---@return number? delay seconds until the next attempt; nil: do not retry
---@return string? why one sentence, when delay is nil
function Policy:next(code, info)
  check_arguments(code, info)
  self:closed()
  self.delay, self.refused, self.slowed = nil, nil, nil
  local now = self.clock()
  self.run_start = self.run_start or now
  local delay, why, fault = judged(self, code, info or {}, now)
  if delay then
    self.delay, self.retries = delay, self.retries + 1
  else
    self.refused = verdict.not_retried(code, why)
  end
  if fault then error(fault[1], 0) end
  return delay, self.refused
end

-- ---------------------------------------------------------------- any function

-- What a function's nil, error, … tell the policy: wsclose.connect gives nil, sentence, name, info.
local function failure_of(_, message, name, info)
  if type(info) == "table" then
    return info.code or close_codes.codes[info.name] or 1006, info
  end
  return 1006, { error = { name = name, message = message } }
end

local function try(policy, fn, sleep, attempt, ...)
  if (...) then return ... end
  local delay = policy:next(failure_of(...))
  if not delay then return ... end
  sleep(delay)
  return try(policy, fn, sleep, attempt + 1, fn(attempt + 1))
end

--- Calls fn(attempt), attempt counting from 1, until it returns something true or the policy says
-- no.  Each call is a run of its own.
---@param fn fun(attempt: integer): ... truthy, or nil and an error; an error raised goes through
---@param sleep? fun(seconds: number) default: the option sleep
---@return any ... what fn returned last; after a failure policy.refused says why it was the last
function Policy:call(fn, sleep)
  sleep = sleep or self.sleep
  if not is_callable(fn) then
    error("wsclose.retry: call needs a function to retry, not " .. described(fn), 2)
  end
  if not is_callable(sleep) then
    error("wsclose.retry: call needs a function that waits; give it as the second argument or as "
      .. "the option sleep", 2)
  end
  self:reset()
  return try(self, fn, sleep, 1, fn(1))
end

return retry
