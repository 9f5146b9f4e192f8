-- For scripts/mutate.lua, as busted's helper.  With WSCLOSE_TESTS, a file of names, only those of
-- them are run.  With WSCLOSE_SEEN, a folder, what each test has run goes to FOLDER.map: lines of
-- Lua, and places in the modules.

dofile "spec/support/helper.lua"
local busted = require "busted"

-- The file's name, those of the blocks, the test's.
local function name_of(element)
  if element.descriptor == "file" then return (element.name:gsub("^%./", "")) end
  return name_of(busted.parent(element)) .. "\t" .. tostring(element.name):gsub("%c", " ")
end

-- ---------------------------------------------------------------- only some

local chosen = os.getenv "WSCLOSE_TESTS"
if chosen then
  local wanted, inside = {}, nil
  for line in io.lines(chosen) do
    for last in (line .. "\t"):gmatch "()\t" do wanted[line:sub(1, last - 1)] = true end
  end
  for _, block in ipairs { "file", "describe" } do
    busted.subscribe({ block, "start" }, function(element)
      inside = element
      return nil, true
    end)
    busted.subscribe({ block, "end" }, function(_, parent)
      inside = parent
      return nil, true
    end, { priority = 1 })
  end
  for _, kind in ipairs { "describe", "it", "pending" } do
    busted.subscribe({ "register", kind }, function(name)
      return nil, wanted[name_of(inside) .. "\t" .. tostring(name):gsub("%c", " ")] == true
    end, { priority = 1 })
  end
end

-- ---------------------------------------------------------------- what each has run

local folder = os.getenv "WSCLOSE_SEEN"
if not folder then return end

local lfs = require "lfs"
local map = assert(io.open(folder .. ".map", "a"))
local last -- test, whose after_each runs up to the start of the next

local function bytes_in(name, list)
  local file = assert(io.open(folder .. "/" .. name, "r+"))
  local bytes, before = file:read "*a", #list
  local at = bytes:find("\1", 1, true)
  while at do
    list[#list + 1] = name .. ":" .. at - 1
    at = bytes:find("\1", at + 1, true)
  end
  if #list > before then
    file:seek "set"
    file:write(("\0"):rep(#bytes))
  end
  file:close()
end

local function seen()
  local list = {}
  for name in lfs.dir(folder) do
    if name:find "%a" then bytes_in(name, list) end
  end
  return table.concat(list, " ")
end

local function note(test, seconds, what)
  if test then map:write(test, "\n", ("%.4f"):format(seconds), " ", what, "\n") end
end

busted.subscribe({ "test", "start" }, function(element)
  local between = seen()
  note(last, 0, between)
  last = name_of(element)
  note(last, 0, between)
  return nil, true
end)
busted.subscribe({ "test", "end" }, function(element, _, status)
  note(last, busted.monotime() - element.starttick, seen())
  if status ~= "success" then note(last, -1, "") end
  return nil, true
end)
busted.subscribe({ "file", "end" }, function()
  note(last, 0, seen())
  map:flush()
  return nil, true
end, { priority = 1 })
