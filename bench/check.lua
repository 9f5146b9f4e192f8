--- Instructions per unit of the scripts in bench/scripts, under callgrind, beside those that
-- bench/baseline.txt holds: make bench-check; make bench-baseline writes that file anew.
--
--     lua5.4 bench/check.lua check|baseline MODULES KERNEL FLAGS
--
-- MODULES is the folder of wsclose/core.so, KERNEL what bench/scripts/kernel.c was built
-- into, FLAGS those of the compiler, to be noted.
--
-- A script is run twice, the second time with twice the units: the difference is theirs alone, and
-- what the start costs is not in it.  Nothing that changes from run to run reaches it: kernel.c is
-- in the place of network, clock and chance, the environment is empty, valgrind gives the same
-- addresses (Lua seeds its hashes with some), and the folder's name, which the linker keeps, is
-- always as long.  So a figure does not depend on where it is taken and what else the machine does.
-- The instructions of the kernel are left out, those of Lua, libc and zlib are in.
--
-- What lies where in Lua's hash tables is chance, the same at each run; but new names in Lua code
-- deal it anew, and that alone may move a figure by half a per cent or one.
--
-- Where they go: callgrind_annotate build/bench/callgrind.pingpong, and so on.

local BASELINE = "bench/baseline.txt"

local SCRIPTS = {
  { name = "pingpong", unit = "round trip, 125 B: send, receive", count = 10000 },
  { name = "pipeline", unit = "echo of 125 B, 64 in flight", count = 12800 },
  { name = "flood", unit = "40 B that on_message takes", count = 50000 },
  { name = "json", unit = "2 KiB, compressed, that receive takes", count = 2560 },
  { name = "connect", unit = "connect, handshake, Close", count = 1000 },
}

-- The functions that kernel.c puts in the place of system calls.
local KERNEL_FUNCTIONS = {
  "connect", "getpeername", "send", "recv", "poll", "ppoll", "clock_gettime", "RAND_bytes",
}

local HEAD = [[
# Instructions per unit of the scripts in bench/scripts, under callgrind: `make bench-check` prints
# the change against them, `make bench-baseline` writes them anew.  Read with
# ]]

local folder -- with a copy of all that is run

local function remove_folder()
  if folder then os.execute("rm -r " .. folder) end
end

local function fail(...)
  io.stderr:write("bench/check.lua: ", string.format(...), "\n")
  remove_folder()
  os.exit(1)
end

local function output_of(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "*a"
  return text, pipe:close()
end

local mode, modules, kernel, flags = table.unpack(arg)
if not flags or not (mode == "check" or mode == "baseline") then
  fail "usage: check|baseline MODULES KERNEL FLAGS"
end

-- ---------------------------------------------------------------- running

local function path_of(program)
  return (output_of("command -v " .. program):match "^%S+")
end

local lua = path_of(arg[-1]) or fail("no '%s'", arg[-1])
local valgrind = path_of "valgrind" or fail "no valgrind"

local function callgrind(out_file)
  local words = { valgrind, "--tool=callgrind", "--callgrind-out-file=" .. out_file }
  for _, name in ipairs(KERNEL_FUNCTIONS) do words[#words + 1] = "--toggle-collect=" .. name end
  words[#words + 1] = "--collect-atstart=yes" -- the first of those before has switched it off
  return table.concat(words, " ")
end

local function make_folder()
  folder = output_of("mktemp -d /tmp/wsclose.XXXXXX"):match "^/tmp/wsclose%S+"
  local text, good = output_of(("cp -r lua %s %s/wsclose bench/scripts %s")
    :format(kernel, modules, folder))
  if not good then fail("cannot copy to %s: %s", folder, text) end
end

local here = output_of("pwd"):match "^[^\n]+"
make_folder()

local function run(runner, words)
  local text, good = output_of(([[cd %s && env -i LD_PRELOAD=./kernel.so \
    LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua" LUA_CPATH="./?.so" \
    %s %s %s]]):format(folder, runner, lua, words))
  return good and text or fail("%s\n%s", words, text)
end

local function instructions(script, count)
  local out_file = ("'%s/%s/callgrind.%s'"):format(here, kernel:match "^(.*)/", script.name)
  local text = run(callgrind(out_file), ("scripts/%s.lua %d"):format(script.name, count))
  return tonumber(text:match "Collected : (%d+)") or fail("callgrind says\n%s", text)
end

local function measure(script)
  local once, twice = instructions(script, script.count), instructions(script, 2 * script.count)
  return math.floor((twice - once) / script.count * 10 + 0.5) / 10
end

-- ---------------------------------------------------------------- the baseline

local function versions()
  local own = run("", [[-e 'io.write(require("kernel").versions)']])
  return ("%s, %s, %s"):format(own, flags, (output_of(valgrind .. " --version"):match "^%S+"))
end

-- { name = figure, … } and what they were read with; none where there is no file.
local function read_baseline()
  local figures = {}
  local file = io.open(BASELINE)
  if not file then return figures end
  local text = file:read "*a"
  file:close()
  for name, figure in text:gmatch "\n(%w+) +([%d.]+)" do figures[name] = tonumber(figure) end
  return figures, text:match "Read with\n# ([^\n]+)"
end

local function write_baseline(figures, with)
  local lines = { HEAD .. with }
  for i, script in ipairs(SCRIPTS) do
    lines[i + 1] = ("%-10s %10.1f"):format(script.name, figures[script.name])
  end
  local file = assert(io.open(BASELINE, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
end

local function print_row(...)
  print(("%-10s %-40s %10s %10s %9s"):format(...))
  io.stdout:flush()
end

local function change(now, before)
  if not before then return "" end
  local percent = (now / before - 1) * 100
  return math.abs(percent) < 0.005 and "0.00 %" or ("%+.2f %%"):format(percent)
end

local with = versions()
local before, before_with = read_baseline()
local now = {}
print_row("script", "a unit", "baseline", "now", "change")
for _, script in ipairs(SCRIPTS) do
  local name = script.name
  now[name] = measure(script)
  print_row(name, script.unit, before[name] or "none", ("%.1f"):format(now[name]),
    change(now[name], before[name]))
end
remove_folder()
if before_with and before_with ~= with then
  print(("\nThe change is not wsclose's alone.\nbaseline: %s\nnow:      %s")
    :format(before_with, with))
end
if mode == "baseline" then
  write_baseline(now, with)
  print("written to " .. BASELINE)
end
