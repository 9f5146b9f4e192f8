--- One attempt of a client: how it begins, and what its end means for the next one.
--
-- What there is to tell is listed first and told then, so that an error in a callback leaves the
-- rest for the next call.

local core = require "wsclose.core"
local checks = require "wsclose.checks"
local close_info = require "wsclose.close_info"
local log = require "wsclose.log"
local options = require "wsclose.options"
local redirect = require "wsclose.redirect"
local retry = require "wsclose.retry"

local core_now = core.now

-- For what each attempt sets: the way round the client's __newindex is long.
local rawset = rawset

local attempt = {}

--- A moment nearer than this has come: sums of seconds are not exact.
attempt.INSTANT = 1e-9

--- The time on the client's clock, in seconds.
function attempt.now(self)
  local clock = self._settings.clock
  return clock and clock() or core_now()
end
local now = attempt.now

--- Raises where a method was called without its colon.
---@param self any
---@param level? integer as error's; default: the caller of the method that calls this
---@return wsclose.Handle
function attempt.handle_of(self, level)
  local handle = type(self) == "table" and self._handle
  if handle then return handle end
  error(("expected a wsclose object, got %s (call its methods with a colon)"):format(
    self == nil and "no value" or type(self)), level or 3)
end

-- ---------------------------------------------------------------- telling

--- Tells what there is to tell.
function attempt.notify(self)
  local notice = self._notices
  while notice do
    self._notices = notice.next or false
    notice.tell(self, notice.info)
    notice = self._notices
  end
  if self._state == "closed" and self._timers then self._timers = nil end
end

--- Lists something to tell: `notice.tell(self, notice.info)`.
function attempt.add_notice(self, notice)
  self._quiet = false
  self._handle:wake()
  local last = self._notices
  if not last then
    rawset(self, "_notices", notice)
    return
  end
  while last.next do last = last.next end
  last.next = notice
end

-- ---------------------------------------------------------------- the end of an attempt

local USED_UP = "the socket that was given is used up; give another in before_connect"

--- Why the program's own end of a client is the last word, where it is.
function attempt.closed_by_program(self, info)
  return retry.not_retried(info.code, self._left and "the client has left for good"
    or "the program closed it; ws:reconnect() connects anew")
end

local function tell_close(self, info)
  local on_close = self.on_close
  if on_close then on_close(self, info.code, info.reason, info) end
end

-- A retry that on_close has stopped is not announced.
local function tell_retry(self, info)
  local on_retry = self.on_retry
  if on_retry and self._state == "waiting" then on_retry(self, info.retry_in, info) end
end

-- Seconds until the next attempt, or nil and why there is none.  Third, in a table, comes what the
-- policy raised: mostly the program's own `decide`, and then the policy has answered without it.
local function decide(self, info)
  if self._reconnecting then return self._reconnecting end
  if self._stopping then return nil, attempt.closed_by_program(self, info) end
  local policy = self._settings.retry
  if not policy then return nil, retry.unasked(info) end
  if self._on_socket and not self.socket and not self.before_connect then
    return nil, retry.not_retried(info.code, USED_UP)
  end
  local _, _, frames_in = self._handle:progress()
  policy:closed((frames_in or 0) > (info.received and 1 or 0))
  local ok, delay, refused = pcall(policy.next, policy, info.code, info)
  if ok then return delay, refused end
  refused = policy.refused or retry.not_retried(info.code, "the retry policy raised an error")
  return policy.delay, refused, { delay }
end

--- Seconds until the next attempt as the program asks for them; raises where it called reconnect.
---@param delay? number|number[]
---@return number seconds
function attempt.delay(self, delay)
  if delay == nil then return 0 end
  if retry.is_window(delay) then return retry.drawn(self._settings.retry, delay) end
  error(("delay: expected seconds or { low, high }, got %s"):format(checks.described(delay)), 3)
end

--- Counters of all connections, the latest one's being `stats`.
---@param stats table
---@return table<string, integer>
function attempt.total(self, stats)
  local before, total = self._before or {}, {}
  for name, number in pairs(stats) do
    if name ~= "rtt" then total[name] = (before[name] or 0) + (before.all and 0 or number) end
  end
  return total
end

-- The handle forgets what it has counted when the next attempt starts.
local function count_before(self)
  self._before = attempt.total(self, self._handle:stats())
  self._before.all = true
end

--- An attempt has ended: what the client knows is written down, and the program is to be told.
function attempt.ended(self, info)
  local time, handle = now(self), self._handle
  self._state, self._quiet = "closed", false
  rawset(self, "close_code", info.code)
  rawset(self, "close_reason", info.reason)
  rawset(self, "close_info", info)
  local number, began, url = handle:attempt()
  info.url, info.attempt = close_info.shown_url(url), number
  info.duration = time > began and time - began or 0 -- the clock may have gone back
  handle:wake()
  if self._settings.log then attempt.add_notice(self, { tell = log.ended, info = info }) end
  if self.on_close then attempt.add_notice(self, { tell = tell_close, info = info }) end
  local box = self._outbox
  if box then info.undelivered = box:ended(handle, info.undelivered, time) end
  local delay, refused, raised = decide(self, info)
  info.retry_in, info.retry_refused = delay, not delay and refused or nil
  if self._reconnecting then self._reconnecting = nil end
  if delay then
    self._state, self._due = "waiting", time + delay
    attempt.add_notice(self, { tell = tell_retry, info = info })
  elseif box then
    info.undelivered = info.undelivered + box:clear()
  end
  if raised then error(raised[1], 0) end
end

--- An attempt that ended without the core's help.
function attempt.ended_early(self, name, message, by)
  local phase = (name == "url" or name == "proxy") and name or "dns"
  local fault = name and { name = name, message = message, phase = phase }
  attempt.ended(self, close_info.new { error = fault, by = by })
end

-- ---------------------------------------------------------------- the beginning of an attempt

-- What before_connect gave, laid over the client's own; raises for what may not be sent.
local function read_attempt(self, changed)
  local url, headers = changed.url or self.url, changed.headers or self.headers
  local protocols = changed.protocols
  if type(url) ~= "string" then
    local where = changed ~= self and changed.url and "before_connect" or "the client"
    error(("%s: expected a string as url, got %s"):format(where, type(url)), 0)
  end
  if headers then headers = options.headers("headers", headers) end
  if protocols then protocols = options.protocols("protocols", protocols) end
  return url, headers, protocols
end

-- The descriptor that this attempt stands on, or nil: it dials.  False: it would need another.
local function take_socket(self, changed)
  local socket = changed.socket or self.socket
  if socket == nil and self._on_socket then return false end
  if socket == nil then return nil end
  options.socket("socket", socket)
  self.socket, self._on_socket = nil, true
  return socket
end

local function connect(self, url, headers, protocols, config, socket)
  local busy = self.close_code == 1013
  -- from inside of it the program's random_bytes and clock may call update
  self._state, self._quiet = "opening", false
  local done, ok, sentence, name =
    pcall(self._handle.start, self._handle, config, url, headers, protocols, busy, socket)
  if not done then
    self._state = "starting"
    error(ok, 0)
  end
  if ok then
    self._state = "running"
    if self._before then self._before.all = nil end
  else
    if name == "url" then sentence = select(2, options.check_url(url)) or sentence end
    attempt.ended_early(self, name, sentence, "client")
  end
end

local function start(self, changed, number)
  local url, headers, protocols = read_attempt(self, changed)
  local socket = take_socket(self, changed)
  if number > 1 then count_before(self) end
  if self._settings.redirects then
    self._route = { left = self._settings.redirects, headers = headers, protocols = protocols,
      config = self._settings.config }
  end
  if socket == false then return attempt.ended_early(self, "state", USED_UP, "client") end
  connect(self, url, headers, protocols, self._settings.config, socket)
end

--- Goes where the server points.  Not done: false, and info.error says why if it was asked for.
function attempt.follow(self, info)
  local route, http = self._route, info.http
  if not (route and http and redirect.is_redirect(http.status)) then return false end
  if self._stopping or self._reconnecting or self._settings.redirects == 0 then return false end
  local _, _, from = self._handle:attempt()
  local to, sentence = redirect.target(from, http.headers.location)
  if to and route.left == 0 then
    to, sentence = nil, ("one redirect more than the option redirects allows, to %s"):format(
      close_info.shown_url(to))
  end
  if to and self._on_socket then
    sentence = "the redirect leads to %s, and the socket that was given to one server only"
    to, sentence = nil, sentence:format(close_info.shown_url(to))
  end
  if not to then
    info.error = { name = "redirect", message = sentence, phase = "handshake" }
    return false
  end
  route.left = route.left - 1
  count_before(self)
  if redirect.origin(from) ~= redirect.origin(to) then
    route.headers, route.config = redirect.headers(route.headers), redirect.config(route.config)
  end
  if self._settings.log then attempt.add_notice(self, { tell = log.followed, info = to }) end
  connect(self, to, route.headers, route.protocols, route.config)
  return true
end

-- Asks the program for what this attempt is to use.  It may yield; meanwhile the state is
-- "starting", and close() may have ended the attempt when it comes back.
local function ask_program(self, number)
  self._asking = coroutine.running() or "main"
  local changed, why = self:before_connect(number)
  if self._state ~= "starting" or self._handle:attempt() ~= number then return end
  self._asking = nil
  if why ~= nil and not changed then
    attempt.ended_early(self, "state", "before_connect gave up: " .. tostring(why), "client")
  else
    if changed ~= nil and type(changed) ~= "table" then
      error("before_connect: expected a table or nothing, got " .. type(changed), 0)
    end
    start(self, changed or {}, number)
  end
end

-- The state is "starting" from then on, but where the clock raises: no attempt has begun.
local function starts_at(self)
  local before = self._state
  self._state = "starting"
  local ok, time = pcall(now, self)
  if ok then return time end
  if self._state == "starting" then self._state = before end
  error(time, 0)
end

--- Begins the next attempt.  An error leaves the state at "starting": see resume.
function attempt.begin(self)
  local number = self._handle:begin(starts_at(self), self.url)
  if self._settings.log then
    attempt.add_notice(self, { tell = log.begun, info = { number = number, url = self.url } })
  end
  if self._asking then self._asking = nil end
  if self.before_connect then
    ask_program(self, number)
  else
    start(self, self, number)
  end
  attempt.notify(self)
end

--- Something raised while the attempt was being prepared, or before_connect yielded in a coroutine
-- that goes on elsewhere.
function attempt.resume(self)
  local thread = self._asking
  local here = coroutine.running() or "main"
  if type(thread) == "thread" and thread ~= here and coroutine.status(thread) ~= "dead" then
    return
  end
  attempt.ended_early(self, "state", "preparing the attempt raised an error", "client")
  attempt.notify(self)
end

return attempt
