--- When to connect again, and when not: a backoff policy without a socket.
--
-- The order of calls, for one connection after the other:
--   policy:opened()         the connection is open
--   policy:closed(came_in)  it ended; false: nothing came in on it
--   policy:next(code, info) seconds until the next attempt, or nil and why there is none
-- An attempt that never opened goes straight to next().  A wait that is cut short (ws:kick()) needs
-- no call: next() has counted the attempt already.

local checks = require "wsclose.checks"
local close_codes = require "wsclose.close_codes"
local retry_after = require "wsclose.retry_after"
local retry_options = require "wsclose.retry_options"

local is_callable, described = checks.is_callable, retry_options.described

local retry = {}

---@class wsclose.RetryPolicy
---@field retries integer retries granted since the last stable connection
---@field refused? string why the last next() said no; nil when it said yes
local Policy = {}
Policy.__index = Policy

local DECORRELATED_GROWTH = 3

local JITTER = {
  full = function(low, high, random) return low + random * (high - low) end,
  equal = function(low, high, random) return low + (1 + random) * (high - low) / 2 end,
  none = function(_, high) return high end,
}
JITTER.decorrelated = JITTER.full

-- Statuses that pass by themselves; 520-524 and 530 are Cloudflare's, about the origin behind it.
local RETRIED_STATUSES = {
  [408] = true, [425] = true, [429] = true,
  [500] = true, [502] = true, [503] = true, [504] = true,
  [520] = true, [521] = true, [522] = true, [523] = true, [524] = true, [530] = true,
}

-- Errors before the connection was open which the next attempt meets again, and what mends them.
local LASTING_ERRORS = {
  handshake = "the server's answer is no valid WebSocket handshake; see that the URL leads to a "
    .. "WebSocket server and that no proxy changes the answer",
  extension = "the server's answer names an extension or parameter that may not stand there; mend "
    .. "the server, or offer no extension",
  protocol = "the server breaks the protocol; info.error.message names the rule to mend",
  utf8 = "the server sends text that is not UTF-8; mend the server",
  too_big = "the server's answer is larger than limits allow; raise the limit",
  deflate = "the server's compressed data do not inflate; mend the server, or switch "
    .. 'the extension off with extensions = { ["permessage-deflate"] = false }',
  redirect = "the redirect may not be followed; raise the option redirects or use the final URL",
  url = "the URL is faulty; mend it",
}

local STATUS_CURES = {
  [401] = "give valid credentials (headers, before_connect)",
  [403] = "have the right granted, or give other credentials or another Origin",
  [404] = "check the URL's path",
  [407] = "give the proxy's user and password in the option proxy",
  [426] = "the server wants another protocol version",
}

-- ---------------------------------------------------------------- randomness

-- Anything that differs between processes, folded into a number.
local function system_seed()
  local text = { tostring {}, tostring(os.time()), tostring(os.clock()), tostring(print) }
  local file = io and io.open and io.open("/dev/urandom", "rb")
  if file then
    file:setvbuf "no"
    text[#text + 1] = file:read(8) or ""
    file:close()
  end
  local seed = 1
  for byte in table.concat(text):gmatch "." do
    seed = (seed * 257 + byte:byte()) % 2147483647
  end
  return math.max(seed, 1)
end

-- Park and Miller's generator: exact in doubles, and math.random keeps its state.
local function generator(seed)
  return function()
    seed = seed * 48271 % 2147483647
    return (seed - 1) / 2147483646
  end
end

--- A policy.  Each client has one of its own: it counts that client's retries.
---@param options? wsclose.RetryOptions|true|wsclose.RetryPolicy true or nil: the defaults; a policy
---  is given back as it is.  An unknown name, a wrong type or range raises.
---@param system? {clock?: function, random?: function, sleep?: function} what stands in for the
---  options of these names where they are not given
---@return wsclose.RetryPolicy
function retry.new(options, system)
  if getmetatable(options) == Policy then return options end
  if options == nil or options == true then options = {} end
  local checked, fault = retry_options.read(options)
  if not checked then error("wsclose.retry: " .. fault, 2) end
  system = system or {}
  local policy = setmetatable({ options = checked }, Policy)
  policy.clock = checked.clock or system.clock or os.time
  policy.random = checked.random or system.random or generator(system_seed())
  policy.sleep = checked.sleep or system.sleep
  policy:reset()
  return policy
end

-- ---------------------------------------------------------------- yes or no

-- A Close of the program's own.  Before the connection is open only a missing extension makes this
-- client send one (1010), and that is not the program's doing.
local function closed_by_program(code, info)
  local name = info.error and info.error.name
  if name == "cancelled" then return true end
  if info.by ~= "client" or (name and name ~= "close_timeout") then return false end
  return code ~= 1010 or info.opened == true
end

-- The HTTP status of a refused handshake, and who gave it.
local function status_of(info)
  if info.opened then return nil end
  local fault = info.error
  if fault and fault.name == "proxy" and fault.status then return fault.status, "proxy" end
  local status = type(info.http) == "table" and tonumber(info.http.status)
  if status and status ~= 101 then return status, "server" end
end

local function refused_status(status, who)
  local cure = STATUS_CURES[status]
    or who == "proxy" and "check the option proxy"
    or status >= 300 and status < 400 and "raise the option redirects or use the final URL"
    or "check the URL"
  return ("the %s answered %d, which waiting does not change; %s"):format(who, status, cure)
end

-- What the tables say when the user's options say nothing.
local function default_verdict(code, info, entry)
  local fault = info.error or {}
  if code == 1015 or code == 1006 and fault.name == "tls" then
    local transport = fault.name ~= nil and not fault.certificate
    return transport, close_codes.explain(1015).retry_why
  end
  if code ~= 1006 then return entry.retry, entry.retry_why end
  if LASTING_ERRORS[fault.name] then return false, LASTING_ERRORS[fault.name] end
  local status, who = status_of(info)
  if status then return RETRIED_STATUSES[status] or false, refused_status(status, who) end
  return entry.retry, entry.retry_why
end

local function decided(policy, code, info)
  local decide = policy.options.decide
  if not decide then return nil end
  local verdict = decide(code, info, policy.retries + 1)
  if verdict ~= nil and not retry_options.is_rule(verdict) then
    error("wsclose.retry: decide must return true, false, seconds or nil, not "
      .. described(verdict), 0)
  end
  return verdict
end

-- What the user's options say: a rule and where it stands, or nil.
local function chosen_verdict(policy, code, info)
  local verdict = decided(policy, code, info)
  if verdict ~= nil then return verdict, "the function decide says so" end
  local status = status_of(info)
  verdict = status and policy.options.statuses[status]
  if verdict ~= nil then return verdict, ("the option statuses[%d] says so"):format(status) end
  verdict = policy.options.codes[code]
  if verdict ~= nil then return verdict, ("the option codes[%.0f] says so"):format(code) end
end

local function missing_extension(code, info)
  local sent = code == 1010 and info.sent
  if not sent or (sent.reason or "") == "" then return nil end
  return ("the server does not agree to %s; switch it on at the server or make it optional")
    :format(sent.reason)
end

local function count_row(policy, code)
  policy.row = policy.row_code == code and policy.row + 1 or 1
  policy.row_code = code
end

-- A rule (true, false or seconds), and a clause that gives the reason for a no.
local function verdict_of(policy, code, info, entry)
  if closed_by_program(code, info) then
    return false, "the program closed the connection; ws:reconnect() connects anew"
  end
  local verdict, why = chosen_verdict(policy, code, info)
  if verdict ~= nil then return verdict, why end
  verdict, why = default_verdict(code, info, entry)
  if verdict and entry.in_a_row and policy.row > entry.in_a_row then
    return false, ("it came %d times in a row; codes = { [%d] = true } goes on all the same")
      :format(policy.row, code)
  end
  return verdict, not verdict and missing_extension(code, info) or why
end

--- Why there is no next attempt where no policy was asked for: what no retry would mend is told
-- with its cure all the same.
---@param info table as on_close gets it
---@return string sentence
function retry.unasked(info)
  local entry = close_codes.explain(info.code)
  local would, why = default_verdict(entry.code, info, entry)
  why = would and "the option retry is not set" or missing_extension(entry.code, info) or why
  return ("%.0f %s is not retried: %s"):format(entry.code, entry.name, why)
end

-- ---------------------------------------------------------------- how long

local function draw(policy)
  local number = policy.random()
  if type(number) ~= "number" or not (number >= 0 and number <= 1) then
    local line = "wsclose.retry: random must return a number in [0, 1), not "
    error(line .. described(number), 0)
  end
  return number
end

-- min(max, initial * factor^n), for any n without overflow.
local function ceiling_of(options, n)
  local initial, factor, max = options.initial, options.factor, options.max
  if initial >= max then return max end
  if initial == 0 or factor == 1 then return initial end
  if n >= math.log(max / initial) / math.log(factor) then return max end
  return math.min(max, initial * factor ^ n)
end

local function decorrelated_bounds(policy)
  local options = policy.options
  local base = math.min(options.initial, options.max)
  local high = math.min(options.max, DECORRELATED_GROWTH * (policy.previous or base))
  return math.max(options.floor, base), high
end

-- A range that max cuts off wholly becomes the upper half of what is left, so that clients stay
-- spread out; the lower bound that a code insists on gives way only where max is below it.
local function within(max, low, high, at_least)
  if low == high then return math.min(low, max), math.min(high, max) end
  local lowest = low < max and low or max / 2
  if at_least and at_least <= low and at_least <= max then lowest = math.max(lowest, at_least) end
  return lowest, math.min(high, max)
end

local function backoff(policy, entry)
  local options = policy.options
  local low, high = options.floor, ceiling_of(options, policy.retries)
  if options.jitter == "decorrelated" then
    low, high = decorrelated_bounds(policy)
  end
  if entry.at_least and low < entry.at_least then
    low, high = within(options.max, entry.at_least, math.max(high, entry.first[2]), entry.at_least)
  end
  -- The jitter comes after the cap: clients at the cap stay spread out.
  local delay = JITTER[options.jitter](low, math.max(low, high), draw(policy))
  policy.previous = delay
  return delay
end

local function first_delay(policy, entry)
  local first = policy.retries == 0 and policy.options.first[entry.code]
  if not first then return nil end
  if type(first) == "number" then return math.min(first, policy.options.max) end
  local low, high = within(policy.options.max, first[1], first[2], entry.at_least)
  return low + draw(policy) * (high - low)
end

local function delay_of(policy, info, entry)
  local delay = first_delay(policy, entry) or backoff(policy, entry)
  local _, who = status_of(info)
  local asked = who == "server" and retry_after.seconds(info.http.headers) or 0
  return asked > 0 and retry_after.lengthen(delay, asked, draw(policy)) or delay
end

-- A sentence when a limit of the run is reached.
local function limit_reached(policy, delay, now)
  local options = policy.options
  if policy.retries >= options.attempts then
    return ("%d retries in a row are as many as the option attempts allows"):format(policy.retries)
  end
  if options.elapsed and now - policy.run_start + delay > options.elapsed then
    return ("the next attempt would begin later than the %g s that the option elapsed allows")
      :format(options.elapsed)
  end
end

-- ---------------------------------------------------------------- the policy

--- Forgets the failures so far: the next delay is a first one.
function Policy:reset()
  self.retries, self.refused = 0, nil
  self.run_start, self.previous, self.opened_at = nil, nil, nil
  self.row_code, self.row = nil, 0
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
  self.opened_at = nil
  if opened_at and came_in ~= false and self.clock() - opened_at >= self.options.stable_after then
    self:reset()
  end
end

--- What to do after a connection or an attempt ended.
---@param code integer close code as on_close gets it
---@param info? table as on_close gets it: by, opened, error, http, sent are read
---@return number? delay seconds until the next attempt; nil: do not retry
---@return string? why one sentence, when delay is nil
function Policy:next(code, info)
  if type(code) ~= "number" or code % 1 ~= 0 then
    local line = "wsclose.retry: next needs a close code, an integer, not "
    error(line .. described(code), 2)
  end
  if info ~= nil and type(info) ~= "table" then
    error("wsclose.retry: next needs info as a table or nil, not " .. described(info), 2)
  end
  local entry = close_codes.explain(code)
  info = info or {}
  self:closed()
  local now = self.clock()
  self.run_start = self.run_start or now
  count_row(self, entry.code)
  local delay, why = verdict_of(self, entry.code, info, entry)
  if delay == true then delay = delay_of(self, info, entry) end
  if delay then why = limit_reached(self, delay, now) end
  if not delay or why then
    self.refused = ("%.0f %s is not retried: %s"):format(entry.code, entry.name, why)
    return nil, self.refused
  end
  self.retries, self.refused = self.retries + 1, nil
  return delay
end

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
