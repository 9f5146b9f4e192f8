-- One fault happens, in a life of its own: one on_close for each attempt, with a name of the
-- contract that fits the fault; nothing is held at the end, ours or OpenSSL's, and the end comes.

local faults = require "faults"
local garbage = require "support.garbage"
local lfs = require "lfs"
local life = require "support.faults.life"
local socket = require "socket"
local testing = require "wsclose.core_testing"

local memory, lookups = testing.memory, testing.net.lookups

local strike = {}

-- An attempt whose server has stalled stands still until it ends; the one behind it does not, nor
-- do other clients.
local function after_stall()
  local attempt
  return function(clients)
    local current, ended = 0, 0
    for _, ws in ipairs(clients) do
      current = current + ws:stats().attempts
      ended = ended + (ws:state() == "closed" and 1 or 0)
    end
    if ended < #clients - 1 then return false end
    if not attempt and life.cuts() > 0 then attempt = current end
    return attempt == current
  end
end

-- A call without which nothing is carried fails each time.
local function while_struck()
  local before = 0
  return function()
    local strikes = faults.strikes()
    local more = strikes > before
    before = strikes
    return more
  end
end

local CARRIES = { recv = true, send = true, ppoll = true, getpeername = true }

local function standstill_of(point)
  if point.what == "stall" then return after_stall() end
  return point.on and CARRIES[point.what] and while_struck() or nil
end

local function descriptors()
  local found = 0
  for _ in lfs.dir "/proc/self/fd" do found = found + 1 end
  return found
end

local BEGIN = {
  memory = function(point)
    if point.what == "lookups" then lookups.fail_at(point.n) end
    if point.what == "memory" then memory.fail_at(point.n, point.on) end
  end,
  OpenSSL = function(point) faults.arm(point.what, point.n, faults[point.fault], point.on) end,
  calls = function(point) faults.arm(point.what, point.n, faults[point.fault], point.on) end,
  descriptors = function(point) faults.files(point.n) end,
  cut = function(point) life.cut(point.n, point.what) end,
}

local function calm(point)
  faults.disarm()
  memory.fail_at()
  lookups.fail_at(0)
  faults.files()
  if point.kind == "cut" then life.cut() end
end

local KNOWN = {}
for name in ([[timeout dns refused unreachable reset proxy tls http redirect handshake extension
    protocol utf8 too_big deflate ping_timeout close_timeout eof state busy url memory]])
  :gmatch "%S+" do
  KNOWN[name] = true
end

local function check_told(told, is_shown)
  if told.refused then return "not made" end
  local ends = #told.closes
  assert(ends == told.attempts, ("%d attempts, %d ends"):format(told.attempts, ends))
  local worst = "unharmed"
  for i, info in ipairs(told.closes) do
    assert(info.attempt == i, "told in another order")
    assert(info.code >= 1000 and info.code < 5000, "a code")
    local fault = info.error
    if is_shown then print(info) end
    assert(not fault or KNOWN[fault.name], "an unknown name")
    assert(not fault or fault.message ~= "", "no sentence")
    if fault and fault.name ~= "extension" then worst = fault.name end
  end
  return worst
end

--- Its name.
---@param point faults.Point
function strike.name(point)
  return ("%s, %s: %s%s %s%s"):format(point.route.name, point.path, point.what,
    point.fault and " " .. point.fault or "", point.n, point.on and " and from then on" or "")
end

local function fits(point, worst)
  if worst == "unharmed" or worst == "not made" or point.told == "any" then return true end
  for name in point.told:gmatch "%S+" do
    if name == worst then return true end
  end
  return worst == "tls" and point.route.is_secure or worst == "proxy" and point.route.proxy
end

-- A collector may keep an object for long, and the block that connections read into by turns; what
-- leaks is more with each point.  OpenSSL keeps what it says of errors.
local KEPT_MAX, OPENSSL_MAX = 3, 40
local HANGS = 120 -- seconds
local blocks_at_first, openssl_at_first

--- What is held before the first of them.
function strike.begin()
  lookups.tune(0)
  garbage()
  blocks_at_first = memory.live_blocks() + lookups.live_blocks()
  openssl_at_first = faults.openssl_blocks()
end

-- What is held that was not: blocks of ours, OpenSSL's, and descriptors.
local function left_behind(open)
  garbage()
  return memory.live_blocks() + lookups.live_blocks() - blocks_at_first,
    faults.openssl_blocks() - openssl_at_first, descriptors() - open
end

local function check_left(open)
  local left, openssl, more
  for _ = 1, 1000 do
    left, openssl, more = left_behind(open)
    if left <= KEPT_MAX and openssl <= OPENSSL_MAX and more <= 0 then return end
    socket.sleep(0.002) -- a thread that looks a name up lets go when it comes back
  end
  error(("%d blocks, %d of OpenSSL's, and %d descriptors are still held"):format(left, openssl,
    more), 0)
end

--- Lets it happen in a life of its own; raises where that is not as it should be.
---@param point faults.Point
---@param is_shown? boolean its ends are printed
---@return string outcome "unharmed", "not made" or an error's name
function strike.try(point, is_shown)
  garbage()
  local open = descriptors()
  faults.watch(HANGS, strike.name(point))
  BEGIN[point.kind](point)
  local ok, result = pcall(life.live, point.route, point.path, {
    has_own_clock = point.what == "clock_gettime", stands_still = standstill_of(point),
  })
  calm(point)
  assert(ok, result)
  local worst = "unharmed"
  for _, told in ipairs(result) do
    local outcome = check_told(told, is_shown)
    if outcome ~= "unharmed" then worst = outcome end
  end
  assert(fits(point, worst), ("it is told as %s, not as %s"):format(worst, point.told))
  check_left(open)
  faults.watch(0)
  return worst
end

return strike
