-- What can fail on a route, and what may be told of it.

local life = require "support.faults.life"

local JOBS = tonumber(os.getenv "JOBS" or "") or 1
local EVERY = tonumber(os.getenv "EVERY" or "") or 1
local PART = tonumber(os.getenv "PART" or "") -- of so many jobs, from 0 on

-- What may be told of a fault besides that nobody notices: the names of errors.
local CALLS = {
  socket = {
    unreachable = { "EMFILE", "ENFILE", "EACCES", "EAFNOSUPPORT" },
    memory = { "ENOBUFS", "ENOMEM" },
  },
  connect = {
    refused = { "ECONNREFUSED" }, timeout = { "ETIMEDOUT" }, reset = { "ECONNRESET" },
    unreachable = {
      "ENETUNREACH", "ENETDOWN", "EHOSTUNREACH", "EACCES", "EPERM", "EADDRNOTAVAIL",
    },
    none = { "EINTR" },
  },
  bind = { unreachable = { "EACCES", "EADDRNOTAVAIL", "ENOMEM" } },
  getsockopt = { unreachable = { "ENOBUFS" } },
  setsockopt = { none = { "ENOMEM", "EINVAL" } },
  getpeername = { none = { "ENOBUFS" } },
  getsockname = { none = { "ENOBUFS" } },
  recv = {
    reset = { "ECONNRESET", "ENOTCONN", "EIO" }, timeout = { "ETIMEDOUT" }, memory = { "ENOMEM" },
    unreachable = { "EHOSTUNREACH", "ENETUNREACH" },
    none = { "EINTR", "EAGAIN", "short", "byte" },
  },
  send = {
    reset = { "EPIPE", "ECONNRESET", "ENOTCONN" }, timeout = { "ETIMEDOUT" }, memory = { "ENOMEM" },
    unreachable = { "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN" },
    none = { "EINTR", "EAGAIN", "ENOBUFS", "short", "byte" },
  },
  shutdown = { none = { "ENOTCONN" } },
  ppoll = { none = { "EINTR", "ENOMEM", "EINVAL" } },
  epoll_create1 = { none = { "EMFILE", "ENOMEM" } },
  epoll_ctl = { none = { "ENOMEM", "ENOSPC", "EEXIST" } },
  epoll_wait = { none = { "EINTR" } },
  fcntl = { none = { "EINVAL" } },
  ioctl = { none = { "EINVAL" } },
  close = { none = { "EINTR", "EIO" } },
  eventfd = { dns = { "EMFILE", "ENFILE", "ENOMEM" } },
  read = { none = { "EINTR", "EIO", "short", "byte" } },
  write = { none = { "EINTR", "EAGAIN" } },
  open = { none = { "ENOENT", "EMFILE", "EACCES" } },
  fopen = { tls = { "ENOENT", "EMFILE", "EACCES", "ENOMEM" } },
  opendir = { tls = { "ENOENT", "EMFILE", "EACCES", "ENOMEM" } },
  access = { tls = { "ENOENT", "EACCES" } },
  stat = { none = { "ENOENT", "EACCES", "ENOMEM" } },
  getrandom = { none = { "EINTR", "ENOSYS", "byte" } },
  clock_gettime = { any = { "EINVAL" } },
  pthread_create = { dns = { "EAGAIN", "EPERM" } },
  getaddrinfo = { dns = { "EAI_AGAIN", "EAI_FAIL", "EAI_MEMORY", "EAI_NONAME", "EAI_SYSTEM" } },
}

-- A call that is interrupted for ever, and a clock that stands still, are no faults of a system.
local ONCE_ONLY = { EINTR = true, clock_gettime = true }

local CUTS = {
  { how = "stall", told = "timeout close_timeout ping_timeout" },
  { how = "reset", told = "reset" },
  { how = "half", told = "eof" },
}

-- Of the threads that look names up: more than a life has.
local LOOKUP_ALLOCATIONS = 8

-- What a fault that lasts may lead to as well: nothing comes, nothing goes.
local STANDSTILL = " timeout close_timeout ping_timeout"

local function add_allocations(add, path, seen, allocations)
  for _, on in ipairs { false, true } do
    add("memory", path, "memory", 1, allocations, "memory", nil, on)
    add("OpenSSL", path, "openssl_malloc", 1, seen.openssl_malloc, "memory tls", "ENOMEM", on)
  end
  local last = seen.getaddrinfo > 0 and LOOKUP_ALLOCATIONS or 0
  add("memory", path, "lookups", 1, last, "memory dns")
end

local function add_calls(add, path, seen)
  for call, names in pairs(CALLS) do
    for name, list in pairs(names) do
      for _, fault in ipairs(list) do
        local lasts = not (ONCE_ONLY[fault] or ONCE_ONLY[call])
        add("calls", path, call, 1, seen[call], name, fault)
        if lasts then add("calls", path, call, 1, seen[call], name .. STANDSTILL, fault, true) end
      end
    end
  end
end

local points = {}

---@class faults.Series points that differ by a number
---@field kind "memory" | "OpenSSL" | "calls" | "descriptors" | "cut"
---@field route table
---@field path string
---@field what string the call, or how it is cut
---@field first integer which call, which byte
---@field last integer
---@field told string names of the errors that fit; "any"
---@field fault? string
---@field on? boolean and all behind it

--- Everything that may happen on a route.
---@return faults.Series[]
function points.of(route)
  local all = {}
  local function add(kind, path, what, first, last, told, fault, on)
    all[#all + 1] = first <= last and {
      kind = kind, route = route, path = path, what = what, first = first, last = last,
      told = told, fault = fault, on = on,
    } or nil
  end
  for _, path in ipairs(life.paths) do
    life.measure(route, path) -- what is made once is made
    local seen, allocations, sent = life.measure(route, path)
    add_allocations(add, path, seen, allocations)
    add_calls(add, path, seen)
    add("descriptors", path, "files", 0, 8, "unreachable dns tls")
    for _, cut in ipairs(CUTS) do add("cut", path, cut.how, 0, sent - 1, cut.told) end
  end
  return all
end

-- Of where there is TLS every so manieth is enough, and one process has every so manieth.
local function is_ours(series, n)
  if series.route.is_secure and (series.kind == "OpenSSL" or series.kind == "cut") then
    if n % EVERY ~= 0 then return false end
    n = math.floor(n / EVERY)
  end
  return not PART or n % JOBS == PART
end

---@class faults.Point: faults.Series
---@field n integer

local function point_of(series, n) return setmetatable({ n = n }, { __index = series }) end

--- All points of this process.
---@param all faults.Series[]
---@return fun(): faults.Point?
function points.each(all)
  return coroutine.wrap(function()
    for _, series in ipairs(all) do
      for n = series.first, series.last do
        if is_ours(series, n) then coroutine.yield(point_of(series, n)) end
      end
    end
  end)
end

--- So many, of each kind and route alike.
---@param all faults.Series[]
---@param draw fun(low: integer, high: integer): integer
---@return fun(): faults.Point?
function points.drawn(all, draw, most)
  local groups = {}
  for _, series in ipairs(all) do
    local name = series.route.name .. series.kind
    if not groups[name] then groups[#groups + 1], groups[name] = name, {} end
    table.insert(groups[name], series)
  end
  local count = 0
  return function()
    count = count + 1
    if count > most then return nil end
    local group = groups[groups[count % #groups + 1]]
    local series = group[draw(1, #group)]
    return point_of(series, draw(series.first, series.last))
  end
end

return points
