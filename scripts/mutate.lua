--- Breaks the code in one small place at a time and looks whether a spec turns red:
--
--     make mutate [N=20] [SEED=1] [FILES="src/core/deflate.c …"]
--
-- A place is a condition, a constant, an operator or a whole statement, drawn from the product's
-- files by the seed.  The specs that have the file's name run first; where they stay green, those
-- of its layer follow.  A place that no spec holds is shown as a difference, to become a spec or to
-- be removed as dead.  All of it happens in a copy, build/mutate.

local COPY = "build/mutate"
local ROOTS = { "src/core", "src/net", "src/binding", "lua/wsclose" }
local LAYERS = {
  ["src/core"] = "spec/core spec/binding spec/lua spec/conformance",
  ["src/net"] = "spec/net spec/lua spec/conformance",
  ["src/binding"] = "spec/binding spec/lua spec/net spec/conformance",
  ["lua/wsclose"] = "spec/lua spec/testing spec/conformance spec/net",
}
local SECONDS = 240 -- a mutant that loops is as good as one that a spec finds

local count, seed = tonumber(arg[1]), tonumber(arg[2])
if not count or not seed then error "usage: mutate.lua COUNT SEED [FILE…]" end

local function run(command)
  return os.execute(command) == true
end

local function lines_of(command)
  local lines, pipe = {}, assert(io.popen(command))
  for line in pipe:lines() do lines[#lines + 1] = line end
  assert(pipe:close(), command)
  return lines
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- ---------------------------------------------------------------- what may be broken

-- Pattern and replacement; %f keeps an operator from being a part of a longer one.
local COMMON = {
  { "([%w_%)%]] )<( [%w_%(])", "%1<=%2" }, { "([%w_%)%]] )<=( [%w_%(])", "%1<%2" },
  { "([%w_%)%]] )>( [%w_%(])", "%1>=%2" }, { "([%w_%)%]] )>=( [%w_%(])", "%1>%2" },
  { "([%w_%)%]] )%+( [%w_%(])", "%1-%2" }, { "([%w_%)%]] )%-( [%w_%(])", "%1+%2" },
  { "%f[%w_]true%f[^%w_]", "false" }, { "%f[%w_]false%f[^%w_]", "true" },
  { "%f[%w_.]0%f[^%w_.]", "1" }, { "%f[%w_.]([2-9])%f[^%w_.]", "(%1 - 1)" },
  { "%f[%w_.]1%f[^%w_.]", "2" },
}
local OF_C = {
  { " == ", " != " }, { " != ", " == " }, { " && ", " || " }, { " || ", " && " },
  { "!(%f[%w_])", "%1" }, { "^%s+[%a_][%w_>.%-%[%]]* [-+|&]?= [^;]*;$", "  ;" },
  { "^%s+[%a_][%w_]*%([^;]*%);$", "  ;" }, { "^(%s+)if %(.*%) (return.*;)$", "%1" },
}
local OF_LUA = {
  { " == ", " ~= " }, { " ~= ", " == " }, { " and ", " or " }, { " or ", " and " },
  { "%f[%w_]not ", "" }, { "^%s+[%a_][%w_.]* = [^{(]*$", "" },
  { "^%s+[%a_][%w_.:]*%([^()]*%)$", "" }, { "^%s+if .* then return.* end$", "" },
}

-- Neither comments nor the preprocessor, nor what only says what something is.
local function is_code(line, in_c)
  if line:find '"' or line:find "^%s*%-%-" or line:find "^%s*[/#*]" then return false end
  return not in_c or not line:find "^%s*static const" and not line:find "^%s*struct "
end

local function split(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  return lines
end

local function places_in(path, places)
  local in_c = path:find "%.[ch]$" ~= nil
  local in_comment = false
  for number, line in ipairs(split(read(path))) do
    if in_c and line:find "/%*" then in_comment = true end
    local plain = not in_comment and is_code(line, in_c)
    if in_comment and line:find "%*/" then in_comment = false end
    for _, rules in ipairs(plain and { COMMON, in_c and OF_C or OF_LUA } or {}) do
      for _, rule in ipairs(rules) do
        local broken, times = line:gsub(rule[1], rule[2], 1)
        if times > 0 and broken ~= line then
          places[#places + 1] = { path = path, number = number, line = line, broken = broken }
        end
      end
    end
  end
end

-- The same on every Lua and system.
local state = seed
local function draw(limit)
  state = (state * 1103515245 + 12345) % 2147483648
  return math.floor(state / 65536) % limit + 1
end

-- ---------------------------------------------------------------- is it found?

local function root_of(path)
  for _, root in ipairs(ROOTS) do
    if path:sub(1, #root) == root then return root end
  end
  error(path .. " is no file of the product")
end

-- spec/core/conn*_spec.lua for src/core/conn_input.c.
local function nearest_specs(path)
  local name = path:match "([^/]+)%.%w+$":gsub("^lua_", "")
  local found = {}
  for _, spec in ipairs(lines_of "find spec -name '*_spec.lua' ! -path 'spec/hosts/*' | sort") do
    local of = spec:match "([^/]+)_spec%.lua$"
    if of == name or of == name:match "^[^_]+" or of:sub(1, #name + 1) == name .. "_" then
      found[#found + 1] = spec
    end
  end
  return table.concat(found, " ")
end

local function is_red(specs)
  if specs == "" then return false end
  local suite = "timeout -k 5 %d make --no-print-directory suite SPEC='%s' >suite.log 2>&1"
  return not run(("cd %s && "):format(COPY) .. suite:format(SECONDS, specs))
end

local function judge(place)
  local path = COPY .. "/" .. place.path
  local whole = read(path)
  local lines = split(whole)
  lines[place.number] = place.broken
  write(path, table.concat(lines, "\n") .. "\n")
  local verdict
  if not run(("cd %s && make modules >build.log 2>&1"):format(COPY)) then
    verdict = "no program"
  elseif is_red(nearest_specs(place.path)) then
    verdict = "found"
  else
    verdict = is_red(LAYERS[root_of(place.path)]) and "found by its layer" or "STAYED GREEN"
  end
  write(path, whole)
  return verdict
end

-- ---------------------------------------------------------------- all of it

local files = { table.unpack(arg, 3) }
if #files == 0 then
  files = lines_of("find " .. table.concat(ROOTS, " ")
    .. " -name '*.[ch]' ! -path '*/absent/*' ! -path '*/windows/*' -o -name '*.lua' | sort")
end
local places = {}
for _, path in ipairs(files) do places_in(path, places) end
print(("wsclose: %d places in %d files; trying %d, seed %d"):format(#places, #files, count, seed))

assert(run(("mkdir -p %s && git archive HEAD | tar -x -C %s"):format(COPY, COPY)))
assert(run(("make -C %s modules >/dev/null"):format(COPY)), "the copy cannot be built")

local tally, green = {}, 0
for _ = 1, count do
  local place = table.remove(places, draw(#places))
  local verdict = judge(place)
  tally[verdict] = (tally[verdict] or 0) + 1
  print(("%-18s %s:%d"):format(verdict, place.path, place.number))
  if verdict == "STAYED GREEN" then
    green = green + 1
    print(("  - %s\n  + %s"):format(place.line, place.broken))
  end
  io.stdout:flush()
end
for verdict, times in pairs(tally) do print(("%4d %s"):format(times, verdict)) end
os.exit(green == 0)
