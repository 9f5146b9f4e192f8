--- Lines that can be edited and recalled: where rlwrap is installed the program starts itself anew
--- under it.  Lua alone does not reach readline.
--
-- The lines are recalled as long as the program runs; they may hold tokens, and no file keeps them.

local editing = {}

-- Set for the program under rlwrap, or by who wants none of it.
local MARK = "WSCLOSE_EDITING"

local function quoted(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = "'" .. word:gsub("'", "'\\''") .. "'" end
  return table.concat(list, " ")
end

-- The words that started this program: the interpreter and its options, the script, the rest.
local function own_words(arguments)
  local first, words = 0, {}
  while arguments[first - 1] do first = first - 1 end
  for i = first, #arguments do words[#words + 1] = arguments[i] end
  return words
end

local function run(command)
  local ok, how, status = os.execute(command)
  if type(ok) == "number" then return ok >= 256 and ok / 256 or ok end -- Lua 5.1: as wait gives it
  return ok and 0 or how == "exit" and status or 128 + status
end

--- Runs all of it under rlwrap, if that is there.
---@param arguments string[] as Lua's `arg`
---@return integer? status nil: it is not there
function editing.run(arguments)
  if os.getenv(MARK) or run "command -v rlwrap >/dev/null 2>&1" ~= 0 then return nil end
  local under = MARK .. "=1 exec rlwrap -n -C wsclose -H /dev/null "
  return run(under .. quoted(own_words(arguments)))
end

return editing
