--- Fails everything once: each allocation, the platform's and OpenSSL's, and each system call with
-- each fault that it may have, once and from some moment on, through whole lives of a client over
-- every route; descriptors that run out; a server that stalls, resets or half-closes at every byte.
--
--     LD_PRELOAD=build/lua5.4/faults.so lua spec/support/faults.lua [POINTS [SEED [ROUTE]]]
--
-- POINTS: so many, drawn by SEED; without it all, of OpenSSL's allocations every so manieth.
-- FAULTS="wss, /bare: send EPIPE 3": only those points whose names begin so, and their ends.
-- However it ends, on_close is told once for each attempt, with a name of the contract that fits
-- the fault; nothing is held at the end, and the end comes.

local faults = require "faults" -- before OpenSSL has allocated anything
local certificates = require "support.certificates"
local lfs = require "lfs"
local process = require "support.process"
local random = require "support.random"
local socket = require "socket"
local testing = require "wsclose.core_testing"

local wsclose = require "support.counted" ()
local memory = testing.memory
local now = socket.gettime -- no call that is struck

local made = certificates.shared()
local server = process.start {
  "/usr/bin/python3", "spec/support/peers/everything.py", made.good.cert, made.good.key,
  prompt = true,
}

-- ---------------------------------------------------------------- routes and lives

local function at(format) return format:format(server.port) end

local TLS = { ca_file = made.ca }

local ROUTES = {
  { name = "ws", url = at "ws://127.0.0.1:%d", bind = "127.0.0.1" },
  { name = "a name", url = at "ws://localhost:%d" },
  { name = "wss", is_secure = true, url = at "wss://feed.example:%d" },
  { name = "http proxy", proxy = at "http://127.0.0.1:%d" },
  { name = "https proxy", is_secure = true, proxy = at "https://localhost:%d" },
  { name = "socks5h", is_secure = true, proxy = at "socks5h://127.0.0.1:%d" },
  { name = "group", url = at "ws://127.0.0.1:%d", group = true },
}

for _, route in ipairs(ROUTES) do
  route.url = route.url or route.is_secure and "wss://feed.example" or "ws://feed.example"
end

local TEXT = ("compress me "):rep(250)

-- Where the first attempt leads to: away, from where the second comes back for an echo; to a
-- server that lacks an extension; to one that the program leaves at once.
local PATHS = { "/redirect", "/bare", "/leave" }

-- Where a fault may stop everything, time goes on by itself when nothing else does: nobody waits
-- for a deadline.
local ahead, may_jump = 0, false
local function clock() return now() + ahead end

local function client_of(route, path, told, has_own_clock)
  local options = {
    tls = TLS, proxy = route.proxy or false, family = 4, redirects = 2, bind = route.bind,
    resolve = { ["feed.example"] = "127.0.0.1" },
    clock = not has_own_clock and clock or nil,
    extensions = { ["permessage-deflate"] = { threshold = 0, required = path == "/bare" } },
    timeouts = { connect = 6, dns = 4, tls = 4, handshake = 4, close = 3, linger = 1 },
    retry = {
      attempts = 2, initial = 0.001, floor = 0, first = false, jitter = "none",
      codes = { [1006] = true },
    },
    before_connect = function(_, attempt)
      told.attempt = attempt
      if attempt > 1 then return { url = route.url .. "/echo" } end
    end,
    on_open = function(ws)
      told.opened = true
      if told.attempt > 1 then
        if not ws:send(TEXT) then ws:close() end
      elseif path == "/leave" then
        ws:leave()
      end
    end,
    on_message = function(ws, data)
      told.echoed = data == TEXT
      ws:close(1000, "done")
    end,
    on_close = function(_, _, _, info)
      told.closes[#told.closes + 1] = info
      assert(info.opened == (told.opened or false), "the report does not know whether it was open")
      told.opened = false
    end,
  }
  return wsclose.new(route.url .. path, options)
end

local ROUNDS_MAX, IDLE_MAX = 3000, 3

local function progress(clients)
  local sum = 0
  for _, ws in ipairs(clients) do
    local stats = ws:stats()
    sum = sum + stats.total.bytes_in + stats.total.bytes_out + 7 * stats.attempts
  end
  return sum
end

local function next_deadline(clients)
  local seconds = 60
  for _, ws in ipairs(clients) do seconds = math.min(seconds, ws:timeout() or 60) end
  return seconds
end

-- Updates until nothing is left to do.
local function run(clients, step)
  local idle, before = 0, -1
  for _ = 1, ROUNDS_MAX do
    if not step(0.005) then return end
    local sum = progress(clients)
    idle = sum == before and idle + 1 or 0
    before = sum
    if may_jump and idle >= IDLE_MAX then ahead = ahead + next_deadline(clients) end
  end
  error("it does not end: " .. tostring(clients[1]) .. ", in phase " .. clients[1]:info().phase, 0)
end

-- One life: what every attempt was told, and what there was to refuse at once.
local function live(route, path, has_own_clock)
  local clients, all_told = {}, {}
  for i = 1, route.group and 2 or 1 do
    local told = { closes = {} }
    local ws, sentence, name = client_of(route, path, told, has_own_clock)
    if not ws then
      assert(name == "memory" and sentence, "refused by another name: " .. tostring(name))
      told.refused = true
    else
      told.ws = ws
      clients[#clients + 1] = ws
    end
    all_told[i] = told
  end
  if route.group then
    local group = wsclose.group()
    for _, ws in ipairs(clients) do group:add(ws) end
    run(clients, function(seconds) return group:update(seconds) end)
  elseif clients[1] then
    if #path % 2 == 0 then clients[1]:pollfd() end
    run(clients, function(seconds) return clients[1]:update(seconds) end)
  end
  for _, told in ipairs(all_told) do
    told.attempts = told.ws and told.ws:stats().attempts
    told.ws = nil
  end
  return all_told
end

-- ---------------------------------------------------------------- what can fail

-- What may be told of a call's fault besides that nobody notices: the names of errors.
local CALLS = {
  socket = { unreachable = { "EMFILE", "EACCES" }, memory = { "ENOBUFS", "ENOMEM" } },
  connect = {
    refused = { "ECONNREFUSED" }, timeout = { "ETIMEDOUT" }, reset = { "ECONNRESET" },
    unreachable = { "ENETUNREACH", "EHOSTUNREACH", "EACCES", "EADDRNOTAVAIL" },
    none = { "EINTR" },
  },
  bind = { unreachable = { "EACCES", "EADDRNOTAVAIL", "ENOMEM" } },
  getsockopt = { unreachable = { "ENOBUFS" } },
  setsockopt = { none = { "ENOMEM", "EINVAL" } },
  getpeername = { none = { "ENOBUFS" } },
  getsockname = { none = { "ENOBUFS" } },
  recv = {
    reset = { "ECONNRESET", "ENOTCONN", "EIO" }, timeout = { "ETIMEDOUT" }, memory = { "ENOMEM" },
    none = { "EINTR", "EAGAIN", "short", "byte" },
  },
  send = {
    reset = { "EPIPE", "ECONNRESET", "ENOTCONN" }, timeout = { "ETIMEDOUT" }, memory = { "ENOMEM" },
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
  eventfd = { dns = { "EMFILE", "ENOMEM" } },
  read = { none = { "EINTR", "EIO", "short", "byte" } },
  write = { none = { "EINTR", "EAGAIN" } },
  open = { none = { "ENOENT", "EMFILE", "EACCES" } },
  getrandom = { none = { "EINTR", "ENOSYS", "byte" } },
  clock_gettime = { any = { "EINVAL" } },
  pthread_create = { dns = { "EAGAIN", "EPERM" } },
  getaddrinfo = { dns = { "EAI_AGAIN", "EAI_FAIL", "EAI_MEMORY", "EAI_NONAME", "EAI_SYSTEM" } },
}

-- A call that is interrupted for ever, and a clock that stands still, are no faults of a system.
local ONCE_ONLY = { EINTR = true, clock_gettime = true }

local CUTS = { "stall", "reset", "half" }

-- The server ends a connection with so many bytes; how many it has sent since it was told so last.
local function cut(size, how)
  server:tell(("CUT %d %s"):format(size, how))
  return tonumber((server:expect "^READY (%d+)"))
end

-- A life without faults: how often everything was called.
local function count(route, path)
  memory.fail_at()
  cut(-1, "-")
  faults.arm()
  local told = live(route, path, true)
  faults.disarm()
  local allocations = memory.attempts()
  local sent = cut(-1, "-")
  local first = told[1]
  assert(path ~= "/redirect" or first.echoed and first.attempts == 2, "a life without faults fails")
  return faults.seen(), allocations, sent
end

-- Everything that may happen on a route: a list of { kind, route, path, … }.
local function points_of(route, openssl_max, cuts_max)
  local points = {}
  local function add(kind, path, what, n, fault, on)
    points[#points + 1] = {
      kind = kind, route = route, path = path, what = what, n = n, fault = fault, on = on,
    }
  end
  for _, path in ipairs(PATHS) do
    for _ = 1, 2 do count(route, path) end -- what is made once is made
    local seen, allocations, sent = count(route, path)
    for n = 1, allocations do
      add("memory", path, "memory", n, nil, false)
      add("memory", path, "memory", n, nil, true)
    end
    for n = 1, seen.openssl_malloc, math.max(1, math.floor(seen.openssl_malloc / openssl_max)) do
      add("OpenSSL", path, "openssl_malloc", n, "ENOMEM", false)
      add("OpenSSL", path, "openssl_malloc", n, "ENOMEM", true)
    end
    for call, names in pairs(CALLS) do
      for name, list in pairs(names) do
        for _, fault in ipairs(list) do
          for n = 1, seen[call] do
            add("calls", path, call, n, fault, false)
            points[#points].told = name ~= "any" and name or nil
            local lasts = not (ONCE_ONLY[fault] or ONCE_ONLY[call]) and n % 4 == 1
            if lasts then add("calls", path, call, n, fault, true) end
          end
        end
      end
    end
    for n = 0, 8 do add("descriptors", path, "files", n) end
    for n = 0, sent - 1, math.max(1, math.floor(sent / cuts_max)) do
      for _, how in ipairs(CUTS) do add("cut", path, how, n) end
    end
  end
  return points
end

-- ---------------------------------------------------------------- one of them happens

local function descriptors()
  local found = 0
  for _ in lfs.dir "/proc/self/fd" do found = found + 1 end
  return found
end

local function collect()
  for _ = 1, 2 do collectgarbage() end
end

local BEGIN = {
  memory = function(point)
    memory.fail_at(point.n, point.on)
  end,
  OpenSSL = function(point) faults.arm(point.what, point.n, faults[point.fault], point.on) end,
  calls = function(point) faults.arm(point.what, point.n, faults[point.fault], point.on) end,
  descriptors = function(point) faults.files(point.n) end,
  cut = function(point) cut(point.n, point.what) end,
}

local function calm()
  faults.disarm()
  memory.fail_at()
  faults.files()
  cut(-1, "-")
end

local KNOWN = {}
for name in ([[timeout dns refused unreachable reset proxy tls http redirect handshake extension
    protocol utf8 too_big deflate ping_timeout close_timeout eof state busy url memory]])
  :gmatch "%S+" do
  KNOWN[name] = true
end

local is_shown

local function check_told(told)
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

local function show(point)
  return ("%s, %s: %s%s %s%s"):format(point.route.name, point.path, point.what,
    point.fault and " " .. point.fault or "", point.n, point.on and " and from then on" or "")
end

-- A collector may keep an object for long, and the block that connections read into by turns: what
-- leaks is more with each point.
local KEPT_MAX = 3
local blocks_at_first

-- What the fault has led to: "unharmed", "not made" or an error's name.
local function try(point)
  collect()
  blocks_at_first = blocks_at_first or memory.live_blocks()
  local open = descriptors()
  may_jump = point.kind ~= "calls" or point.on
  BEGIN[point.kind](point)
  local ok, result = pcall(live, point.route, point.path, point.what == "clock_gettime")
  calm()
  assert(ok, result)
  local worst = "unharmed"
  for _, told in ipairs(result) do
    local outcome = check_told(told)
    if outcome ~= "unharmed" then worst = outcome end
  end
  local fits = worst == "unharmed" or point.on or not point.told or point.told == worst
    or worst == "tls" and point.route.is_secure or worst == "proxy" and point.route.proxy
  assert(fits, ("it is told as %s, not as %s"):format(worst, tostring(point.told)))
  local left, more
  for _ = 1, 1000 do
    collect()
    left, more = memory.live_blocks() - blocks_at_first, descriptors() - open
    if left <= KEPT_MAX and more <= 0 then break end
    socket.sleep(0.002) -- a thread that looks a name up lets go when it comes back
  end
  assert(left <= KEPT_MAX, ("%d blocks are still held"):format(left))
  assert(more <= 0, ("%d descriptors are still open"):format(more))
  return worst
end

-- ---------------------------------------------------------------- all of them

local function shuffled(list, seed, most)
  local draw = random(seed)
  for i = 1, math.min(most, #list) do
    local j = draw(i, #list)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

local function report(route, kind, tally)
  local names = {}
  for name, number in pairs(tally.outcomes) do names[#names + 1] = name .. " " .. number end
  table.sort(names)
  print(("%-11s %-11s %5d points: %s"):format(route.name, kind, tally.count,
    table.concat(names, ", ")))
end

local function main(most, seed, only)
  local points, openssl_blocks = {}, nil
  for _, route in ipairs(ROUTES) do
    if not only or route.name == only then
      for _, point in ipairs(points_of(route, 150, 60)) do points[#points + 1] = point end
    end
  end
  local chosen = os.getenv "FAULTS"
  for i = chosen and #points or 0, 1, -1 do
    if show(points[i]):sub(1, #chosen) ~= chosen then table.remove(points, i) end
  end
  is_shown = chosen ~= nil
  local all = #points
  assert(all > 0, "there is no such route or point")
  if most then shuffled(points, seed, most) end
  local failures, tallies, began = 0, {}, now()
  for i = 1, math.min(most or all, all) do
    local point = points[i]
    local ok, worst = pcall(try, point)
    if not ok then
      failures = failures + 1
      print("FAILED " .. show(point) .. ": " .. tostring(worst))
      worst = "FAILED"
    end
    local route, kind = point.route, point.kind
    tallies[route] = tallies[route] or {}
    local tally = tallies[route][kind] or { count = 0, outcomes = {} }
    tallies[route][kind] = tally
    tally.count = tally.count + 1
    tally.outcomes[worst] = (tally.outcomes[worst] or 0) + 1
    openssl_blocks = openssl_blocks or faults.openssl_blocks()
  end
  for _, route in ipairs(ROUTES) do
    for _, kind in ipairs { "memory", "OpenSSL", "calls", "descriptors", "cut" } do
      if tallies[route] and tallies[route][kind] then report(route, kind, tallies[route][kind]) end
    end
  end
  print(("%d of %d points in %.1f s; OpenSSL holds %d blocks more; %d failed"):format(
    math.min(most or all, all), all, now() - began, faults.openssl_blocks() - openssl_blocks,
    failures))
  server:stop()
  os.exit(failures == 0 and 0 or 1)
end

io.stdout:setvbuf "line"
local most = tonumber(arg[1] or "")
main(most, tonumber(arg[2] or 1), arg[3])
