--- What each attack of spec/support/attacks.lua costs the client, into docs/security.md: `make
-- bench-limits`.  The bounds, in counted work, are held by spec/conformance/limits_spec.lua.
--
--     lua5.4 bench/limits.lua          prints the table
--     lua5.4 bench/limits.lua write    and writes it into the page

local attacks = require "support.attacks"
local on_the_way = require "support.attacks_on_the_way"

local PAGE = "docs/security.md"
local BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"

local HEAD = table.concat({
  "| what it is met with | what holds it | bytes in | CPU | CPU per byte | memory | ended by |",
  "| --- | --- | --- | --- | --- | --- | --- |", "",
}, "\n")

-- The processor's time of the client's calls alone.
local function stopwatch()
  local seconds = 0
  local function stop(began, ...)
    seconds = seconds + os.clock() - began
    return ...
  end
  return function(call, ...) return stop(os.clock(), call(...)) end, function() return seconds end
end

local UNITS = { "B", "KB", "MB", "GB" }

local function size(bytes)
  local unit = 1
  while bytes >= 1000 and UNITS[unit + 1] do bytes, unit = bytes / 1000, unit + 1 end
  return ("%.3g %s"):format(bytes, UNITS[unit])
end

-- Two digits are what can be relied on.
local function figure(value, unit)
  local format = value >= 10 and "%.0f %s" or value >= 0.1 and "%.1f %s" or "%.2f %s"
  return format:format(value, unit)
end

local function line(attack, play)
  local timed, seconds = stopwatch()
  local told = play(attack, timed)
  local bytes = told.bytes and size(told.bytes) or ""
  local many = (told.bytes or 0) >= 10000
  return ("| %s | %s | %s | %s | %s | %s | %s |\n"):format(
    attack[1], attack.limit, bytes, figure(seconds() * 1000, "ms"),
    many and figure(seconds() / told.bytes * 1e9, "ns") or "", size(told.memory),
    attacks.ending(told) or "goes on")
end

local lines = { HEAD }
for _, list in ipairs { { attacks.all, attacks.play }, { on_the_way.all, on_the_way.play } } do
  for _, attack in ipairs(list[1]) do
    lines[#lines + 1] = line(attack, list[2])
    io.write(lines[#lines])
    io.flush()
  end
end

if arg[1] == "write" then
  local file = assert(io.open(PAGE, "rb"))
  local text = file:read "*a"
  file:close()
  local first = assert(select(2, text:find(BEGIN, 1, true)))
  local last = assert(text:find(END, 1, true))
  file = assert(io.open(PAGE, "wb"))
  file:write(text:sub(1, first), table.concat(lines), text:sub(last))
  file:close()
end
