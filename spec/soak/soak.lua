--- Hundreds of clients in one process, against a server that misbehaves at random.
--
--     lua spec/soak/soak.lua SECONDS SEED CLIENTS
--     lua spec/soak/soak.lua 40000m 1 60       so many messages instead of seconds
--
-- What has to add up, else it ends with 1: each message that `send` took was read by the server or
-- told to on_undelivered (both only where nobody could know), none came twice, each attempt had one
-- on_close, every client ends within its deadlines, and memory, threads and descriptors stay.

local certificates = require "support.certificates"
local process = require "support.process"
local wsclose = require "wsclose"

local span, seed, count = arg[1] or "10", tonumber(arg[2] or 1), tonumber(arg[3] or 200)
local most = tonumber(span:match "^(%d+)m$") or math.huge
local seconds = most == math.huge and tonumber(span) or math.huge
math.randomseed(seed)
local random = math.random

-- What no machine is too slow for: a client that has not ended by then never will.
local PATIENCE = 120

local faults = {}
local function fault(...)
  faults[#faults + 1] = string.format(...)
  if #faults <= 20 then print("FAULT " .. faults[#faults]) end
end

local function entries(folder)
  local pipe = assert(io.popen("ls " .. folder .. " | wc -l"))
  local n = tonumber((pipe:read "*a"))
  pipe:close()
  return n
end

-- This process: /proc/self of what popen starts would be another.
local pid = assert(io.open "/proc/self/stat"):read "*n"
local function measured()
  collectgarbage()
  collectgarbage()
  local file = assert(io.open "/proc/self/status")
  local status = file:read "*a"
  file:close()
  return {
    memory = tonumber(status:match "VmRSS:%s*(%d+)"),
    threads = tonumber(status:match "Threads:%s*(%d+)"),
    descriptors = entries(("/proc/%d/fd"):format(pid)),
  }
end

local made = certificates.shared()
local server = process.start {
  "/usr/bin/python3", "spec/soak/bad_server.py", tostring(seed), made.good.cert, made.good.key,
  portless = true,
}
local ws_port, wss_port = server:expect "^PORT (%d+) (%d+)$"

local total = { taken = 0, told = 0, closes = 0, attempts = 0, came = 0, pieces = 0, ticks = 0 }
local by_code = {}
local ledger = assert(io.tmpfile()) -- what was told; in memory it would grow with each message
local clients = {}
local group = wsclose.group()
local ending = false

local function new_client(number)
  local mine = { number = number, taken = 0, closes = 0, tls = number % 3 == 0 }
  local url = mine.tls and "wss://localhost:" .. wss_port or "ws://localhost:" .. ws_port
  local function came() total.came = total.came + 1 end
  local options = {
    proxy = false, tls = { ca_file = made.ca },
    outbox = { confirm = true, bytes = 65536 },
    retry = {
      initial = 0.05, max = 0.3, floor = 0, always = true, first = false, overload_max = 0.3,
      codes = { [1002] = true, [1007] = true, [1009] = true },
      decide = function() return not ending and 0.05 or nil end,
    },
    keepalive = { interval = 0.5, timeout = 1 },
    timeouts = { connect = 5, handshake = 3, close = 1, drain = 3, linger = 0.3 },
    pieces = number % 5 == 0 and { size = 32 } or nil,
    max_messages = number % 4 == 0 and 1 or nil,
    on_message = number % 5 ~= 0 and came or nil,
    on_piece = number % 5 == 0 and function(_, _, _, last)
      total.pieces = total.pieces + 1
      if last then came() end
    end or nil,
    on_undelivered = function(_, data, _, why)
      ledger:write(number, " ", data:match ":(%d+)", " ", why, "\n")
      total.told = total.told + 1
    end,
    on_close = function(_, code)
      mine.closes = mine.closes + 1
      by_code[code] = (by_code[code] or 0) + 1
    end,
  }
  mine.ws = assert(wsclose.new(url .. "/" .. number, options))
  mine.ws:every(0.1, function() total.ticks = total.ticks + 1 end)
  group:add(mine.ws)
  clients[number] = mine
end

local function send(mine)
  local id = mine.taken + 1
  local filling = ("x"):rep(random(0, 9) == 0 and 3000 or random(0, 60))
  local text = ("%d:%d:%s"):format(mine.number, id, filling)
  local is_taken = mine.ws:send(text, random(2) == 1 and "text" or "binary")
  if is_taken then
    mine.taken = id
    total.taken = total.taken + 1
  end
  return is_taken
end

local function act(mine)
  local what, ws = random(100), mine.ws
  if what <= 85 then send(mine)
  elseif what <= 88 then ws:kick()
  elseif what <= 90 then ws:reconnect(1000, "elsewhere", 0.05)
  elseif what <= 93 then ws:pause()
  elseif what <= 97 then ws:resume()
  elseif what <= 99 then ws:ping "how are you"
  end
end

local function line(m)
  return ("%d KiB, %d threads, %d descriptors"):format(m.memory, m.threads, m.descriptors)
end

local at_start = measured()
for number = 1, count do
  new_client(number)
  -- A starved server confirms nothing, and outboxes fill: what they hold at most is held from the
  -- start, so that memory which grows later is a leak.
  repeat until not send(clients[number])
end
local begun, warm, samples, next_sample = wsclose.now(), nil, {}, 0
local function progress()
  return math.max(total.taken / most, (wsclose.now() - begun) / seconds)
end
while progress() < 1 do
  for _ = 1, 20 do act(clients[random(count)]) end
  group:update(0.005)
  if progress() >= next_sample then
    next_sample = next_sample + 0.1
    samples[#samples + 1] = measured()
    local now = line(samples[#samples])
    print(("%3.0f %%: %d messages, %s"):format(progress() * 100, total.taken, now))
    if not warm and progress() >= 0.3 then warm = #samples end
  end
end

-- The end: the server calms down, and every client says what it has kept, and closes.
server:tell "CALM"
local function pump(happened, what)
  local give_up_at = wsclose.now() + PATIENCE
  while not happened() do
    group:update(0.02)
    if wsclose.now() > give_up_at then
      fault("still not: %s", what)
      return
    end
  end
end
local function all(state, ws_state)
  return function()
    for _, mine in ipairs(clients) do
      if (mine.ws[state](mine.ws) == ws_state) == false then return false end
    end
    return true
  end
end
for _, mine in ipairs(clients) do mine.ws:resume() end
pump(all("buffered", 0), "everything that was kept has left")
ending = true
for _, mine in ipairs(clients) do mine.ws:close(1000) end
pump(all("state", "closed"), "every client is closed")

server:tell "LEDGER"
local got, duplicates, connections = {}, nil, nil
repeat
  local text = server:expect "^[GE][ON][TD] .*$"
  local client, ranges = text:match "^GOT (%d+) (.*)$"
  if client then
    local ids = {}
    for first, last in ranges:gmatch "(%d+)%-(%d+)" do
      for id = tonumber(first), tonumber(last) do ids[id] = true end
    end
    got[tonumber(client)] = ids
  else
    duplicates, connections = text:match "^END (%d+) (%d+)$"
  end
until duplicates

local told = {}
for number = 1, count do told[number] = {} end
ledger:seek "set"
for text in ledger:lines() do
  local number, id, why = text:match "^(%d+) (%d+) (%a+)"
  number, id = tonumber(number), tonumber(id)
  if told[number][id] then fault("client %d was told of %d twice", number, id) end
  told[number][id] = why
end

local delivered, both = 0, 0
for number, mine in ipairs(clients) do
  local ids = got[number] or {}
  for id = 1, mine.taken do
    local why = told[number][id]
    if ids[id] then delivered = delivered + 1 end
    if ids[id] and why then both = both + 1 end
    if not ids[id] and not why then fault("message %d of client %d is lost", id, number) end
    if ids[id] and why and why ~= "unconfirmed" then
      fault("message %d of client %d came, and was told as %s", id, number, why)
    end
  end
  local attempts = mine.ws:stats().attempts
  total.closes, total.attempts = total.closes + mine.closes, total.attempts + attempts
  if mine.closes ~= attempts then
    fault("client %d had %d attempts and %d calls of on_close", number, attempts, mine.closes)
  end
  if mine.ws:state() ~= "closed" then fault("client %d: %s", number, mine.ws:state()) end
  group:remove(mine.ws)
end
if duplicates ~= "0" then fault("%s messages came twice", duplicates) end
if total.taken ~= delivered + total.told - both then fault "the sums do not match" end

clients, group = nil, nil
local at_end = measured()
if at_end.descriptors > at_start.descriptors + 1 then -- the pollset that lookups share may stay
  fault("%d descriptors at the start, %d in the end", at_start.descriptors, at_end.descriptors)
end
if warm and #samples > warm + 2 then
  local first, last = samples[warm + 1], samples[#samples]
  if last.memory > first.memory * 1.15 + 1024 then
    fault("memory grew from %d KiB to %d KiB", first.memory, last.memory)
  end
  if last.threads > at_start.threads + 9 then fault("%d threads", last.threads) end
end

local codes = {}
for code, times in pairs(by_code) do codes[#codes + 1] = ("%d: %d"):format(code, times) end
table.sort(codes)
print(("start: %s\nend:   %s"):format(line(at_start), line(at_end)))
print(("%d clients, %s connections, %d attempts, %d closes (%s)"):format(
  count, connections, total.attempts, total.closes, table.concat(codes, ", ")))
local sums = "%d messages taken = %d read by the server + %d undelivered - %d both; %d came back"
print(sums:format(
  total.taken, delivered, total.told, both, total.came))
print(("%d ticks of timers, %d pieces"):format(total.ticks, total.pieces))
process.stop_all()
print(#faults == 0 and "soak: all adds up" or ("soak: %d faults"):format(#faults))
os.exit(#faults == 0, true)
