--- Breaks the code in one small place at a time and looks whether a spec turns red:
--
--     make mutate [N=20] [SEED=1] [FROM=1] [PART=1/1] [AT=commit] [FILES="src/core/deflate.c …"]
--
-- A place is a condition, a constant, an operator, a result or a whole statement.  Draws go round
-- src/core, src/net, src/binding and lua/wsclose, by the seed alone.  Only those tests are run that
-- run the line (mutate_map.lua; minutes, once for a commit), the quickest first, up to a minute of
-- them.  A line of an adapter that none runs is tried in its host (spec/hosts).  A place that no
-- test holds is shown as a difference, to become a spec or to be removed as dead.
--
-- FROM= goes on with a run that ended early.  PART=1/2 and PART=2/2 are two runs side by side, once
-- there is a map.
--
-- Not drawn: comments, strings, declarations, `assert` in C (a contract is not what is tried here),
-- `(void)`, __builtin and __attribute__, files of other systems.  What compiles to the same program
-- is "no change", what does not compile "no program"; neither counts.

package.path = "./scripts/?.lua;" .. package.path
local Map = require "mutate_map"

local ROOTS = { "src/core", "src/net", "src/binding", "lua/wsclose" }
local BATCHES = { 1.5, 15, 60 } -- seconds of tests: what is found soon does not wait for all
local MODULES = "build/lua5.4/wsclose/core.so build/lua5.4/wsclose/core_testing.so"

local count, seed, from = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3])
local part, parts = (arg[4] or ""):match "^(%d+)/(%d+)$"
if not (count and seed and from and part and arg[5]) then
  error "usage: mutate.lua COUNT SEED FROM PART/PARTS COMMIT [FILE…]"
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  return lines
end

local function output(command)
  local pipe = assert(io.popen(command))
  local lines = lines_of(pipe:read "*a")
  assert(pipe:close(), command)
  return lines
end

-- ---------------------------------------------------------------- copies of the tree

local folder = "build/mutate/" .. arg[5]
local original, copy = folder .. "/built", ("%s/%d-%d"):format(folder, part, parts)
local lua = output "scripts/find interpreter lua5.4"[1]

local MAKE_COPY = [[
set -e; mkdir -p FOLDER; rm -rf COPY
[ -d FOLDER/built ] || {
  mkdir -p FOLDER/new; git archive COMMIT | tar -x -C FOLDER/new
  cp scripts/mutate_* FOLDER/new/scripts # as they are here
  for lua in lua5.4 luajit; do make -s -C FOLDER/new modules LUA=$lua CFLAGS=-O2 >/dev/null; done
  [ ! -d build/npm ] || cp -r build/npm FOLDER/new/build/
  touch FOLDER/new/build/stamp; mv FOLDER/new FOLDER/built
}
cp -pr FOLDER/built COPY
]]
local words = { FOLDER = folder, COPY = copy, COMMIT = arg[5] }
assert(os.execute((MAKE_COPY:gsub("%u+", words))))

-- ---------------------------------------------------------------- what may be broken

-- Where it stands, what of it is replaced, and by what; %f keeps an operator from being a part of a
-- longer one.
local COMMON = {
  { "[%w_%)%]] < [%w_%(]", " < ", " <= " }, { "[%w_%)%]] <= [%w_%(]", " <= ", " < " },
  { "[%w_%)%]] > [%w_%(]", " > ", " >= " }, { "[%w_%)%]] >= [%w_%(]", " >= ", " > " },
  { "[%w_%)%]] %+ [%w_%(]", " %+ ", " - " }, { "[%w_%)%]] %- [%w_%(]", " %- ", " + " },
  { "%f[%w_]true%f[^%w_]", ".*", "false" }, { "%f[%w_]false%f[^%w_]", ".*", "true" },
  { "%f[%w_.]0%f[^%w_.]", ".*", "1" }, { "%f[%w_.][1-9]%d*%f[^%w_.]", ".*", "(%0 + 1)" },
  { " [!~]= ", "[!~]=", "==" },
}
local OF_C = {
  { " == ", "==", "!=" }, { " && ", "&&", "||" }, { " || ", "||", "&&" }, { "!%f[%w_]", "!", "" },
  { "^%s+[%a_][%w_>.%-%[%]]* [-+|&]?= [^;]*;$", ".*", "  ;" },
  { "^%s+[%a_][%w_]*%([^;]*%);$", ".*", "  ;" }, { "^%s+if %(.*%) return.*;$", ".*", "  ;" },
  { "^%s+return [^;0]+;$", "return .*", "return 0;" },
}
local OF_LUA = {
  { " == ", "==", "~=" }, { " and ", "and", "or" }, { " or ", "or", "and" },
  { "%f[%w_]not ", ".*", "" }, { "^%s+[%a_][%w_.]* = [^{(]*$", ".*", "" },
  { "^%s+[%a_][%w_.:]*%([^()]*%)$", ".*", "" }, { "^%s+if .* then return.* end$", ".*", "" },
  { "^%s+return [^{(]+$", "return .*", "return nil" },
}
local NEVER = {
  "^%s*static const", "^%s*struct ", "^%s*[/#*]", "assert%(", "%(void%)", "%f[%w_]__%l",
}

local function is_code(code, in_c)
  for _, pattern in ipairs(in_c and NEVER or {}) do
    if code:find(pattern) then return false end
  end
  return code:find "%S" ~= nil
end

-- As long as the line, with nothing in its strings and comment.
local function bare(line, in_c)
  local function blank(text) return ("\1"):rep(#text) end
  return (line:gsub("\\.", blank):gsub('"[^"]*"', blank):gsub("'[^']*'", blank)
    :gsub(in_c and "/%*.*$" or "%-%-.*$", blank))
end

local function add_places(places, path, number, line, in_c, rule)
  local code, at = bare(line, in_c), 1
  if not is_code(code, in_c) then return end
  while at do
    local first, last = code:find(rule[1], at)
    if not first then return end
    local start, stop = code:sub(first, last):find(rule[2])
    local old = line:sub(first + start - 1, first + stop - 1)
    local new = rule[3]:gsub("%%0", (old:gsub("%%", "%%%%")))
    local broken = line:sub(1, first + start - 2) .. new .. line:sub(first + stop)
    if broken ~= line then
      places[#places + 1] = { path = path, number = number, line = line, broken = broken }
    end
    at = rule[1]:sub(1, 1) ~= "^" and first + 1
  end
end

local function places_in(path, places)
  local in_c, in_comment = path:find "%.[ch]$" ~= nil, false
  for number, line in ipairs(lines_of(read(original .. "/" .. path))) do
    if in_c and line:find "^%s*/%*" then in_comment = true end
    for _, rules in ipairs(in_comment and {} or { COMMON, in_c and OF_C or OF_LUA }) do
      for _, rule in ipairs(rules) do add_places(places, path, number, line, in_c, rule) end
    end
    if in_comment and line:find "%*/" then in_comment = false end
  end
end

-- The same on every Lua and system.
local state = seed
local function draw(limit)
  state = (state * 1103515245 + 12345) % 2147483648
  return math.floor(state / 65536) % limit + 1
end

-- ---------------------------------------------------------------- is it seen?

local function run(command)
  local ok, how, status = os.execute(("cd %s && %s"):format(copy, command))
  return ok == true, how == "exit" and status or 128
end

-- A loop is known by its processor's time, what waits for ever by the clock.
local SUITE = 'ulimit -t %.0f; LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua;./spec/?.lua;;" '
  .. 'LUA_CPATH="./build/lua5.4/?.so;;" WSCLOSE_TESTS=tests timeout -k 5 %.0f %s spec/run.lua '
  .. "--no-keep-going --helper=scripts/mutate_tests.lua %s </dev/null >suite.log 2>&1"

-- What is said of tests whose own time is so many seconds.
local function verdict_of(tests, seconds)
  local names, specs, known = {}, {}, {}
  for _, test in ipairs(tests) do
    names[#names + 1] = test.name .. "\n"
    if not known[test.spec] then specs[#specs + 1] = test.spec end
    known[test.spec] = true
  end
  write(copy .. "/tests", table.concat(names))
  local green, status = run(SUITE:format(20 + 2 * seconds, 120 + 5 * seconds, lua,
    table.concat(specs, " ")))
  local hangs = status == 124 or status == 128 + 24 or status == 128 + 9
  return not green and (hangs and "hangs" or status > 127 and "crashes" or "seen")
end

local function verdict_in_host(path)
  local specs = ("spec/hosts/%s*_spec.lua"):format(path:match "lua/wsclose/(%l+)" or "no")
  if not run("ls " .. specs .. " >/dev/null 2>&1") then return "NOT RUN" end
  local suite = 'timeout -k 5 300 make -s suite CFLAGS=-O2 SPEC="$(echo %s)" >suite.log 2>&1'
  return run(suite:format(specs)) and "STAYED GREEN" or "seen in its host"
end

local function judge(map, place)
  local tests = map:tests_of(place.path, place.number, lines_of(read(copy .. "/" .. place.path)))
  if #tests == 0 then return verdict_in_host(place.path) end
  local batch, seconds, spent, limit = {}, 0, 0, 1
  for i, test in ipairs(tests) do
    batch[#batch + 1], seconds = test, seconds + test.seconds
    if spent + seconds > BATCHES[limit] or i == #tests then
      local verdict = verdict_of(batch, seconds)
      if verdict then return verdict end
      batch, seconds, spent, limit = {}, 0, spent + seconds, limit + 1
      if not BATCHES[limit] then break end
    end
  end
  return "STAYED GREEN"
end

local function is_same(place, text)
  if place.path:find "%.lua$" then
    local before = load(read(original .. "/" .. place.path))
    return string.dump(load(text), true) == string.dump(before, true)
  end
  return run(("for m in %s; do cmp -s $m ../built/$m || exit 1; done"):format(MODULES))
end

local MODULES_ANEW = "make -s modules CFLAGS=-O2 >build.log 2>&1"
local RESTORE = [[cp -p ../built/%s %s
find build -type f -newer ../built/build/stamp | while read -r file; do
  if [ -f "../built/$file" ]; then cp -p "../built/$file" "$file"; fi
done]]

local function try(map, place)
  local lines = lines_of(read(copy .. "/" .. place.path))
  lines[place.number] = place.broken
  local text, verdict = table.concat(lines, "\n") .. "\n"
  write(copy .. "/" .. place.path, text)
  if place.path:find "%.lua$" and not load(text) or not run(MODULES_ANEW) then
    verdict = "no program"
  else
    verdict = is_same(place, text) and "no change" or judge(map, place)
  end
  assert(run(RESTORE:format(place.path, place.path)))
  return verdict
end

-- ---------------------------------------------------------------- all of it

local roots, all = {}, 0
for i, root in ipairs(ROOTS) do roots[i] = { name = root, places = {} } end
local files = { table.unpack(arg, 6) }
if #files == 0 then
  files = output(("cd %s && find %s -type f | sort"):format(original, table.concat(ROOTS, " ")))
end
for _, path in ipairs(files) do
  for _, root in ipairs(roots) do
    local ours = path:sub(1, #root.name) == root.name and path:find "%.%l+$"
    if ours and not path:find "/absent/" and not path:find "/windows/" then
      places_in(path, root.places)
    end
  end
end
for i = #roots, 1, -1 do
  all = all + #roots[i].places
  if #roots[i].places == 0 then table.remove(roots, i) end
end
print(("wsclose: %d places in %d files; trying %d, seed %d"):format(all, #files, count, seed))

local map = Map.load(folder .. "/map", arg[5], lua)

local tally, green = {}, 0
for i = 1, count do
  local places = roots[(i - 1) % #roots + 1].places
  local place = table.remove(places, draw(#places))
  if i >= from and i % parts == part % parts then
    local verdict = try(map, place)
    tally[verdict] = (tally[verdict] or 0) + 1
    print(("%5d %-16s %s:%d"):format(i, verdict, place.path, place.number))
    if verdict:find "^%u+ " then
      green = green + 1
      print(("  - %s\n  + %s"):format(place.line, place.broken))
    end
    io.stdout:flush()
  end
end
for verdict, times in pairs(tally) do print(("%5d %s"):format(times, verdict)) end
os.exit(green == 0)
