--- The policies that are compared.  Each makes the policy of one client: `opened(self)`, and
-- `lost(self, code, info)`, which gives the delay before the next attempt, or nil for no more.
--
-- Of other projects only what they publish: the constants of their defaults, and the formula.

local retry = require "wsclose.retry"

local min, max = math.min, math.max

local policies = {}

local function add(name, make)
  policies[#policies + 1] = { name = name, make = make }
end

-- ---------------------------------------------------------------- ours

-- The policy as programs use it; `world` is the virtual clock.
---@param options table of retry
---@return function make
function policies.ours(options)
  return function(random, world)
    local given = { random = random, clock = world.clock }
    for name, value in pairs(options) do given[name] = value end
    local policy, client = retry.new(given), {}
    function client.opened() policy:opened() end
    function client.lost(_, code, info)
      policy:closed(true)
      return (policy:next(code, info))
    end
    return client
  end
end

add("wsclose", policies.ours {})
add("wsclose, fleet", policies.ours { profile = "fleet" })

-- ---------------------------------------------------------------- by formula

-- `delay(n, random, self, info)`: n counts the failures since the last open connection.
local function formula(delay, stable_after)
  return function(random, world)
    local client = { n = 0, since = false }
    function client.opened(self)
      self.since = world.now
      if not stable_after then self.n = 0 end
    end
    function client.lost(self, code, info)
      local since = self.since
      self.since = false
      if stable_after and since and world.now - since >= stable_after then self.n = 0 end
      local n = self.n
      self.n = n + 1
      return delay(n, random, self, info, code)
    end
    return client
  end
end

-- wsclose before this policy: full jitter up to 60 s, first windows for three codes, Retry-After
-- with a tenth on top; 1011 six times in a row ends it.
local FORMER = { [1001] = { 0, 5 }, [1012] = { 5, 30 }, [1013] = { 10, 30 } }
add("wsclose, before", formula(function(n, random, self, info, code)
  self.row = code == 1011 and (self.row or 0) + 1 or 0
  if self.row > 5 then return nil end
  local first, low, high = FORMER[code], 0.25, min(60, 2 ^ n)
  if n == 0 and first then
    low, high = first[1], first[2]
  elseif code == 1013 then
    low, high = 10, max(high, 30)
  end
  local delay = low + random() * (high - low)
  local asked = info.http and tonumber(info.http.headers["retry-after"])
  return asked and max(delay, asked + random() * min(asked / 10, 600 - asked)) or delay
end, 10))

-- RFC 6455 7.2.3: 0 to 5 s, then truncated binary exponential backoff; its end is not given.
add("RFC 6455", formula(function(n, random) return random() * min(60, 5 * 2 ^ n) end))

-- A lost connection is renewed at once; then 0 to 5 s, then 3.1 s times 1.618 up to 90, as it is.
add("python-websockets", formula(function(n, random)
  if n == 0 then return 0 end
  return n == 1 and random() * 5 or min(90, 3.1 * 1.618 ^ (n - 2))
end))

-- doc/connection-backoff.md: 1 s, 1.6, 120 s, a fifth more or less; the first attempt at once.
add("gRPC", formula(function(n, random)
  if n == 0 then return 0 end
  return min(120, 1.6 ^ (n - 1)) * (0.8 + 0.4 * random())
end))

add("Centrifuge", formula(function(n, random)
  return min(20, 0.5 + random() * min(20, 0.5 * 2 ^ min(n, 31)))
end))

-- The cap comes after the jitter.
add("socket.io", formula(function(n, random)
  local base = 2 ^ min(n, 60)
  return min(5, base * (0.5 + random()))
end))

-- The least delay is drawn once for each client; partysocket has the same constants.
add("pladaria, partysocket", formula(function(n, random, self)
  self.least = self.least or 1 + 4 * random()
  return min(10, self.least * 1.3 ^ n)
end, 5))

local PHOENIX = { 0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2 }
add("Phoenix", formula(function(n) return PHOENIX[n + 1] or 5 end))

local SIGNALR = { 0, 2, 10, 30 }
add("SignalR", formula(function(n) return SIGNALR[n + 1] end))

-- "Exponential backoff and jitter", base 1 s and cap 60 s.
add("AWS full", formula(function(n, random) return random() * min(60, 2 ^ n) end))
add("AWS equal", formula(function(n, random) return min(60, 2 ^ n) * (1 + random()) / 2 end))
add("AWS decorrelated", formula(function(n, random, self)
  local before = n > 0 and self.before or 1
  self.before = min(60, 1 + random() * (3 * before - 1))
  return self.before
end))

add("IXWebSocket", formula(function(n) return min(10, 0.1 * 2 ^ min(n, 25)) end))

-- What it would be without any thought.
add("every second", formula(function() return 1 end))

--- A generator for each client, all of one seed.
---@param seed integer
---@return fun(): fun(): number
function policies.chance(seed)
  local state = seed
  return function()
    state = (state * 16807 + 12345) % 2147483647
    -- neighbours must not begin alike
    local own = (state * 48271 + 11) % 2147483646 + 1
    return function()
      own = own * 48271 % 2147483647
      return (own - 1) / 2147483646
    end
  end
end

---@return table? policy
function policies.find(name)
  for _, policy in ipairs(policies) do
    if policy.name == name then return policy end
  end
end

return policies
