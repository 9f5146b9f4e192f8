--- The words of a command line, read as manual.lua describes them.

local checks = require "wsclose.checks"
local manual = require "wsclose.cli.manual"

local arguments = {}

---@class wsclose.cli.Arguments
---@field command string "talk", "check", …
---@field operands string[] what is no option
---@field [string] any an option's long name: true, a string, a number, or a list of strings

local function fail(format, ...) error(format:format(...), 0) end

-- The options of a command by the names they are called by.
local function names_of(command)
  local names = {}
  for _, option in ipairs(manual.options_of(command)) do
    names["--" .. option.long] = option
    if option.short then names["-" .. option.short] = option end
  end
  return names
end

local COMMANDS = {}
for _, command in ipairs(manual.commands) do COMMANDS[command.name] = command end

-- seconds; "inf" is not a number to every Lua
local function seconds(name, text)
  local number = text == "inf" and math.huge or tonumber(text)
  if not number or number ~= number or number < 0 or text:find "[xX]" then
    fail("%s: expected seconds, got '%s'", name, text)
  end
  return number
end

local function keep(read, option, name, value)
  if option.kind == "seconds" then value = seconds(name, value) end
  if option.many then
    read[option.long] = read[option.long] or {}
    table.insert(read[option.long], value)
  elseif read[option.long] ~= nil then
    fail("%s is given twice", name)
  else
    read[option.long] = value
  end
end

-- "--name=value", "-nvalue", "-abc" as single words.
local function split(word, names)
  local name, value = word:match "^(%-%-[^=]+)=(.*)$"
  if name then return name, value end
  name = word:sub(1, 2)
  if #word > 2 and word:byte(2) ~= 45 and names[name] then
    local rest = word:sub(3)
    if names[name].argument then return name, rest end
    return name, nil, "-" .. rest
  end
  return word
end

local function unknown(name, command, names)
  local spoken = command == "talk" and "wsclose URL" or "wsclose " .. command
  for _, option in ipairs(manual.options) do
    if name == "--" .. option.long or option.short and name == "-" .. option.short then
      fail("%s is no option of %s", name, spoken)
    end
  end
  local long = {}
  for known in pairs(names) do
    if #known > 2 then long[known] = true end
  end
  local nearest = #name > 2 and checks.nearest(name, long)
  fail("unknown option %s; %s", name,
    nearest and "did you mean " .. nearest .. "?" or "wsclose --help tells which there are")
end

local function read_option(read, names, words, at)
  local name, value, rest = split(words[at], names)
  local option = names[name]
  if not option then unknown(name, read.command, names) end
  if option.argument and not value then
    at = at + 1
    value = words[at] or fail("%s: %s is missing", name, option.argument)
  elseif value and not option.argument then
    fail("%s takes no value", name)
  end
  keep(read, option, name, value or true)
  if rest then
    words[at] = rest
    return at
  end
  return at + 1
end

local function read_words(words)
  local read = { command = "talk", operands = {} }
  local at = 1
  if COMMANDS[words[1]] and words[1] ~= "talk" then
    read.command, at = words[1], 2
  end
  local names, only_operands = names_of(read.command), false
  while words[at] do
    local word = words[at]
    if word == "--" and not only_operands then
      only_operands, at = true, at + 1
    elseif word:find "^%-." and not only_operands then
      at = read_option(read, names, words, at)
    else
      read.operands[#read.operands + 1] = word
      at = at + 1
    end
  end
  return read
end

--- Reads the words behind the program's name.
---@param words string[]
---@return wsclose.cli.Arguments? read
---@return string? sentence what is wrong with them
function arguments.read(words)
  local copied = {}
  for i, word in ipairs(words) do copied[i] = word end
  local ok, read = pcall(read_words, copied)
  if ok then return read end
  if type(read) ~= "string" then error(read, 0) end
  return nil, read
end

return arguments
