--- Measures what a frame's update costs, by what the client was doing.
local SECONDS = tonumber(os.getenv "WSCLOSE_SECONDS")
local LIMIT = 0.001
local FINENESS = 0.00001 -- of the counts from which the median is read

local ORDER = {
  "first start", "resolve, connect", "TLS, first", "TLS, full", "TLS, resumed", "TLS, broken",
  "handshake", "open", "messages", "no messages", "close 1001", "close 1006", "waiting",
  "retry start",
}

-- `counts`: how many took up to the first, the second … multiple of FINENESS.
local function new_entry() return { longest = 0, frames = 0, over = 0, counts = {} } end

local function add(to, took)
  local at = math.ceil(took / FINENESS)
  to.longest = math.max(to.longest, took)
  to.frames, to.over = to.frames + 1, to.over + (took > LIMIT and 1 or 0)
  to.counts[at] = (to.counts[at] or 0) + 1
end

local function add_all(to, from)
  to.longest = math.max(to.longest, from.longest)
  to.frames, to.over = to.frames + from.frames, to.over + from.over
  for at, count in pairs(from.counts) do to.counts[at] = (to.counts[at] or 0) + count end
end

local function median(entry)
  local at, seen = 0, 0
  while seen * 2 < entry.frames do
    at = at + 1
    seen = seen + (entry.counts[at] or 0)
  end
  return at * FINENESS
end

local function show(label, name, entry)
  local line = "LONGEST %-7s%-18s%6d times, half within %.2f ms, longest %.3f ms, %d over 1 ms"
  local half, longest = median(entry) * 1000, entry.longest * 1000
  print(line:format(label, name, entry.frames, half, longest, entry.over))
end

-- "TLS": how it went on is known once the connection is open.
local function name_of(before, after, came)
  if came.code then return "close " .. came.code end
  if before.state == "idle" then return "first start" end
  if before.state == "waiting" then
    return after.state == "waiting" and "waiting" or "retry start"
  end
  if before.state ~= "connecting" then return came.messages and "messages" or "no messages" end
  if before.phase == "tls" or after.phase == "tls" then return "TLS" end
  if after.state == "open" then return "open" end
  return before.phase == "handshake" and "handshake" or "resolve, connect"
end

-- Two milliseconds of nothing but looks at the clock: the longest time from one to the next.  What
-- it is more than a microsecond, interrupts or the virtual machine's host took, and it was counted
-- to this thread as it is counted to an update.
local function longest_pause(cpu)
  local longest, now = 0, cpu()
  local due = now + 0.002
  repeat
    local before = now
    now = cpu()
    if now - before > longest then longest = now - before end
  until now >= due
  return longest
end

---@param label string
---@param ws wsclose.Client
---@param cpu fun(): number this thread's seconds of processor time
---@param update fun()
---@return fun(): boolean frame true once, when the time is over and all is printed
return function(label, ws, cpu, update)
  local entries, tls, attempts, total = {}, new_entry(), 0, 0
  local pauses = new_entry()
  local began, over, came = os.time(), false, {}
  ws.on_message = function()
    came.messages, total = true, total + 1
  end
  ws.on_close = function(_, code) came.code = code end

  local function entry(name)
    entries[name] = entries[name] or new_entry()
    return entries[name]
  end

  local function end_tls(after)
    if tls.frames == 0 or after.state == "connecting" then return end
    local how = after.tls and "full" or "broken"
    if after.tls and attempts == 0 then how = "first" end
    if after.tls and after.tls.resumed then how = "resumed" end
    add_all(entry("TLS, " .. how), tls)
    tls, attempts = new_entry(), attempts + 1
  end

  local function show_all()
    local all = new_entry()
    for _, name in ipairs(ORDER) do
      if entries[name] then show(label, name, entries[name]) end
    end
    for _, one in pairs(entries) do add_all(all, one) end
    show(label, "(idle, pauses)", pauses)
    print(("LONGEST %-7s%d messages in %d s"):format(label, total, SECONDS))
    print(("LONGEST %-7slongest update %.3f ms of CPU time, %d of %d over 1 ms"):format(
      label, all.longest * 1000, all.over, all.frames))
  end

  return function()
    local before, start = ws:info(), cpu()
    update()
    local took = cpu() - start
    local after = ws:info()
    local name = name_of(before, after, came)
    add(name == "TLS" and tls or entry(name), took)
    end_tls(after)
    came = {}
    add(pauses, longest_pause(cpu))
    if over or os.time() - began < SECONDS then return false end
    over = true
    show_all()
    return true
  end
end
