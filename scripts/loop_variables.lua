-- Finds assignments to the variables of for loops, which Lua 5.5 has as constants: its own parser
-- is asked, so this runs under 5.5.
--
--     lua5.5 scripts/loop_variables.lua FILE…            prints them, and fails if there are any
--     lua5.5 scripts/loop_variables.lua --repair FILE…   gives the loops variables of their own
assert(_VERSION >= "Lua 5.5", "this needs Lua 5.5, not " .. _VERSION)

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
end

-- What the parser refuses: its sentence, the line and the variable.
local function fault_of(text, path)
  local chunk, sentence = load(text:gsub("^#[^\n]*", ""), "@" .. path, "t")
  if chunk then return end
  local line, name = sentence:match ":(%d+): attempt to assign to const variable '([^']+)'"
  return sentence, tonumber(line), name
end

local HEAD = "^(.*%f[%w_]for%s+([%w_%s,]+)%f[%W][=%s].*%f[%w_]do)%f[^%w_]"

-- The nearest loop above the line that has the variable gets a local one of the same name.
local function repair(text, at, name)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  lines[#lines + 1] = text:match "[^\n]*$"
  for number = at, 1, -1 do
    local head, names = lines[number]:match(HEAD)
    if names and (" " .. names .. " "):find("[%s,]" .. name .. "[%s,=]") then
      lines[number] = head .. " local " .. name .. " = " .. name .. lines[number]:sub(#head + 1)
      return table.concat(lines, "\n")
    end
  end
  error("no loop found that has the variable " .. name)
end

local repairing = arg[1] == "--repair"
local faults = 0
for index = repairing and 2 or 1, #arg do
  local path = arg[index]
  local text = read(path)
  local sentence, line, name = fault_of(text, path)
  while repairing and name do
    text = repair(text, line, name)
    write(path, text)
    sentence, line, name = fault_of(text, path)
  end
  if sentence then
    print(sentence)
    faults = faults + 1
  end
end
os.exit(faults == 0)
