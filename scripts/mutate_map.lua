-- For scripts/mutate.lua: which tests run a line.  Made once for a commit, in a folder of its own:
-- modules note which of their blocks have run, Lua its lines (mutate_seen.c), and after each test
-- that is written down (mutate_tests.lua).

local Map = {}
Map.__index = Map

local function lines_of(command)
  local lines, pipe = {}, assert(io.popen(command))
  for line in pipe:lines() do lines[#lines + 1] = line end
  assert(pipe:close(), command)
  return lines
end

-- ---------------------------------------------------------------- make it

local BUILD = [[
set -e
mkdir -p FOLDER/build && git archive COMMIT | tar -x -C FOLDER && cp scripts/mutate_* FOLDER/scripts
[ ! -d build/npm ] || cp -r build/npm FOLDER/build/
cd FOLDER
make -s build/lua5.4/cflags
cc -O2 -fPIC -D_GNU_SOURCE @build/lua5.4/cflags -c -o seen.o scripts/mutate_seen.c
cc -shared -o seen.so seen.o
make -s modules BUILD=build/seen LDFLAGS="$PWD/seen.o" \
  CFLAGS="-O0 -gdwarf-4 -fsanitize-coverage=trace-pc" >/dev/null
]]
local RUN = [[
cd FOLDER && rm -f seen.map && mkdir -p seen && export WSCLOSE_SEEN="$PWD/seen"
export LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua;./spec/?.lua;;"
export LUA_CPATH="./build/seen/lua5.4/?.so;;" WSCLOSE_BUILD=build/seen
of_54="package.loadlib('$PWD/seen.so', 'luaopen_seen')()"
export LUA_INIT="if _VERSION == 'Lua 5.4' then $of_54 end"
for spec in $(find spec -name '*_spec.lua' | grep -Ev 'spec/(hosts|bench|support)/' | sort); do
  echo "wsclose: what does $spec run?"
  timeout 600 LUA_BIN spec/run.lua --helper=scripts/mutate_tests.lua $spec >>suite.log 2>&1 || true
done
]]

-- Where each block of a module begins: address to "file:line".
local function blocks_of(folder, module, known)
  local path = folder .. "/build/seen/lua5.4/wsclose/" .. module
  local calls = lines_of("objdump -d --no-show-raw-insn " .. path
    .. " | sed -n 's/^ *\\([0-9a-f]*\\):.*<__sanitizer_cov_trace_pc>$/\\1/p'")
  assert(#calls > 0, "a spec has built the modules anew")
  local list = os.tmpname()
  local file = assert(io.open(list, "w"))
  file:write(table.concat(calls, "\n"), "\n")
  file:close()
  local places = {}
  for i, where in ipairs(lines_of(("addr2line -e %s <%s"):format(path, list))) do
    local place = where:match "/?(src/[^ ]*:%d+)"
    places[tonumber(calls[i], 16) + 5] = place -- the address behind the call
    if place then known[place] = true end
  end
  os.remove(list)
  return places
end

-- Lines of functions: what stands outside of them runs when the file is loaded.
local function lines_of_functions(folder, known)
  for _, path in ipairs(lines_of(("cd %s && find lua/wsclose -name '*.lua'"):format(folder))) do
    local in_function
    for _, line in ipairs(lines_of(("luac5.4 -l -p %s/%s"):format(folder, path))) do
      if line:find "^%a+ <" then in_function = line:find "^function" end
      local number = in_function and line:match "^%s+%d+%s+%[(%d+)%]"
      if number then known[path .. ":" .. number] = true end
    end
  end
end

-- A test's name, then seconds and what has run; several times for one test.
local function read_runs(folder, blocks)
  local tests, by_name, test = {}, {}, nil
  for line in io.lines(folder .. "/seen.map") do
    local seconds, what = line:match "^(%-?%d+%.%d+) ?(.*)$"
    if not seconds then
      test = by_name[line] or { name = line, seconds = 0, places = {} }
      if not by_name[line] then tests[#tests + 1] = test end
      by_name[line] = test
    else
      test.red = test.red or tonumber(seconds) < 0
      test.seconds = test.seconds + seconds
      for file, number in what:gmatch "(%S+):(%d+)" do
        local of = blocks[file]
        local place = of and of[tonumber(number)] or not of and file:gsub(":", "/") .. ":" .. number
        if place then test.places[place] = true end
      end
    end
  end
  return tests
end

-- The tests, the quickest first; then each place with the numbers of those that run it.
local function write_index(folder, tests, known)
  table.sort(tests, function(a, b)
    return a.seconds < b.seconds or a.seconds == b.seconds and a.name < b.name
  end)
  local file = assert(io.open(folder .. "/index.new", "w"))
  local of_place = {}
  for place in pairs(known) do of_place[place] = {} end
  for number, test in ipairs(tests) do
    file:write(("%.4f\t%s\n"):format(math.max(0, test.seconds), test.name))
    for place in pairs(test.red and {} or test.places) do
      of_place[place] = of_place[place] or {}
      table.insert(of_place[place], number)
    end
  end
  for place, numbers in pairs(of_place) do
    file:write(place, " ", table.concat(numbers, " "), "\n")
  end
  file:close()
  assert(os.rename(folder .. "/index.new", folder .. "/index"))
end

local function make(folder, commit, lua)
  assert(os.execute((BUILD:gsub("FOLDER", folder):gsub("COMMIT", commit))))
  assert(os.execute((RUN:gsub("FOLDER", folder):gsub("LUA_BIN", lua))))
  local known, blocks = {}, {}
  for _, module in ipairs { "core.so", "core_testing.so" } do
    blocks[module] = blocks_of(folder, module, known)
  end
  lines_of_functions(folder, known)
  write_index(folder, read_runs(folder, blocks), known)
end

function Map.load(folder, commit, lua)
  local file = io.open(folder .. "/index")
  if not file then
    make(folder, commit, lua)
    file = assert(io.open(folder .. "/index"))
  end
  local map = setmetatable({ tests = {}, places = {} }, Map)
  for line in file:lines() do
    local seconds, name = line:match "^(%d+%.%d+)\t(.*)$"
    if name then
      local test = { name = name, spec = name:match "^[^\t]+", seconds = tonumber(seconds) }
      map.tests[#map.tests + 1] = test
    else
      local place, numbers = line:match "^(%S+) (.*)$"
      map.places[place] = numbers
    end
  end
  file:close()
  return map
end

-- ---------------------------------------------------------------- ask it

-- Adds the tests of a place, the quickest first, of many spec files before many of one; those of
-- the file's own name before all.
local function add_tests(self, found, path, place)
  local name = path:match "([^/]+)%.%w+$":gsub("^lua_", ""):match "^[^_]+"
  local many, cost, known, more = {}, {}, {}, {}
  for _, test in ipairs(found) do known[test] = true end
  for number in (self.places[place] or ""):gmatch "%d+" do
    local test = self.tests[tonumber(number)]
    many[test.spec] = (many[test.spec] or 0) + 1
    local near = test.spec:find("/" .. name, 1, true) and 0.1 or 1
    cost[test] = near * (test.seconds + 0.02 * many[test.spec])
    if not known[test] then more[#more + 1] = test end
  end
  table.sort(more, function(a, b)
    return cost[a] < cost[b] or cost[a] == cost[b] and a.name < b.name
  end)
  for _, test in ipairs(more) do found[#found + 1] = test end
end

-- The line whose place it is: its own, or that of the block or statement that it goes on.
local function line_of(self, path, number, lines)
  local above = number
  while above > 0 and not self.places[path .. ":" .. above] do
    if lines[above]:find "^[^%s#]" then return nil end
    above = above - 1
  end
  return above > 0 and above or nil
end

function Map:tests_of(path, number, lines)
  local found, of = {}, line_of(self, path, number, lines)
  if not of then -- outside of functions: whoever uses the file
    for above = 1, #lines do add_tests(self, found, path, path .. ":" .. above) end
    return found
  end
  add_tests(self, found, path, path .. ":" .. of)
  -- `if (a) return b;`: that a block of its line has not run does not say that `a` has not; nor
  -- does what stands behind a call that never returns say that the call was not made
  local line = lines[number]
  local begins_before = line:find "%f[%w]if%f[%W]" or line:find " [&|?]" or line:find "error%("
  if path:find "%.[ch]$" and begins_before then
    local before = line_of(self, path, of - 1, lines)
    if before then add_tests(self, found, path, path .. ":" .. before) end
  end
  return found
end

return Map
