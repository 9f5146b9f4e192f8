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

local function add(lists, name, what)
  lists[name] = lists[name] or {}
  table.insert(lists[name], what)
end

-- ---------------------------------------------------------------- make it

local BUILD = [[
set -e
mkdir -p %s/build && git archive %s | tar -x -C %s && cp scripts/mutate_* %s/scripts
[ ! -d build/npm ] || cp -r build/npm %s/build/
cd %s
make -s build/lua5.4/cflags
cc -O2 -fPIC -D_GNU_SOURCE @build/lua5.4/cflags -c -o seen.o scripts/mutate_seen.c
cc -shared -o seen.so seen.o
make -s modules CFLAGS="-O0 -g -fsanitize-coverage=trace-pc" LDFLAGS="$PWD/seen.o" >/dev/null
]]
local RUN = [[
cd %s && rm -f seen.map && mkdir -p seen && export WSCLOSE_SEEN="$PWD/seen"
export LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua;./spec/?.lua;;"
export LUA_CPATH="./build/lua5.4/?.so;;"
of_54="package.loadlib('$PWD/seen.so', 'luaopen_seen')()"
export LUA_INIT="if _VERSION == 'Lua 5.4' then $of_54 end"
for spec in $(find spec -name '*_spec.lua' | grep -Ev 'spec/(hosts|bench|support)/' | sort); do
  echo "wsclose: what does $spec run?"
  timeout 600 %s spec/run.lua --helper=scripts/mutate_tests.lua $spec >>suite.log 2>&1 || true
done
touch done
]]

-- Where each block of a module begins: address to "file:line".
local function blocks_of(folder, module, known)
  local path = folder .. "/build/lua5.4/wsclose/" .. module
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
local function read_runs(folder, map, blocks)
  local by_name, test = {}, nil
  for line in io.lines(folder .. "/seen.map") do
    local seconds, what = line:match "^(%-?%d+%.%d+) ?(.*)$"
    if not seconds then
      test = by_name[line]
        or { name = line, spec = line:match "^[^\t]+", seconds = 0, places = {} }
      if not by_name[line] then map.tests[#map.tests + 1] = test end
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
end

function Map.load(folder, commit, lua)
  if not io.open(folder .. "/done") then
    assert(os.execute(BUILD:format(folder, commit, folder, folder, folder, folder)))
    assert(os.execute(RUN:format(folder, lua)))
  end
  local map = setmetatable({ tests = {}, known = {}, by_place = {}, by_file = {} }, Map)
  local blocks = {}
  for _, module in ipairs { "core.so", "core_testing.so" } do
    blocks[module] = blocks_of(folder, module, map.known)
  end
  lines_of_functions(folder, map.known)
  read_runs(folder, map, blocks)
  table.sort(map.tests, function(a, b)
    return a.seconds < b.seconds or a.seconds == b.seconds and a.name < b.name
  end)
  for _, test in ipairs(map.tests) do
    local files = {}
    for place in pairs(test.red and {} or test.places) do
      add(map.by_place, place, test)
      files[place:match "^[^:]+"] = true
    end
    for file in pairs(files) do add(map.by_file, file, test) end
    test.places = nil
  end
  return map
end

-- ---------------------------------------------------------------- ask it

-- The place of a line: its own, or that of the block or statement that it goes on.
function Map:place_of(path, number, lines)
  local above = number
  while above > 0 and not self.known[path .. ":" .. above]
    and (above == number or not lines[above]:find "^[}e]") do
    above = above - 1
  end
  local place = path .. ":" .. above
  return self.known[place] and place, above
end

-- The quickest first, of many spec files before many of one; tests of a file's own name before all.
local function in_order(path, tests)
  local name = path:match "([^/]+)%.%w+$":gsub("^lua_", ""):match "^[^_]+"
  local many, cost, found = {}, {}, {}
  for i, test in ipairs(tests) do
    many[test.spec] = (many[test.spec] or 0) + 1
    local near = test.spec:find("/" .. name, 1, true) and 0.1 or 1
    cost[test] = near * (test.seconds + 0.02 * many[test.spec])
    found[i] = test
  end
  table.sort(found, function(a, b)
    return cost[a] < cost[b] or cost[a] == cost[b] and a.name < b.name
  end)
  return found
end

function Map:tests_of(path, number, lines)
  local place, above = self:place_of(path, number, lines)
  if not place then return in_order(path, self.by_file[path] or {}) end
  local found = in_order(path, self.by_place[place] or {})
  -- `if (a) return b;`: that a block of its line has not run does not say that `a` has not
  local line = lines[number]
  if path:find "%.[ch]$" and (line:find "%f[%w]if%f[%W]" or line:find " [&|?]") then
    local before, known = self:place_of(path, above - 1, lines), {}
    for _, test in ipairs(found) do known[test] = true end
    for _, test in ipairs(in_order(path, before and self.by_place[before] or {})) do
      if not known[test] then found[#found + 1] = test end
    end
  end
  return found
end

return Map
