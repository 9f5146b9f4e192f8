--- Markdown that is held to what it says: its blocks of code, and running them.

local documents = {}

local loads = rawget(_G, "loadstring") or load

---@param text string
---@return fun(): string?
function documents.each_line(text)
  return (text:gsub("\n?$", "\n")):gmatch "(.-)\n"
end

---@class support.Block
---@field language string
---@field text string
---@field line integer of the fence
---@field mark? string what the comment before the fence says: "run", "play: bot" …

--- The fenced blocks.
---@param text string
---@param language? string only those
---@return support.Block[]
function documents.blocks(text, language)
  local blocks, open, mark, number = {}, nil, nil, 0
  for line in documents.each_line(text) do
    number = number + 1
    if open and line:find "^```" then
      open.text = table.concat(open, "\n")
      if not language or open.language == language then blocks[#blocks + 1] = open end
      open, mark = nil, nil
    elseif open then
      open[#open + 1] = line
    elseif line:find "^```" then
      open = { language = line:match "^```(%w*)", line = number, mark = mark }
    else
      mark = line:match "^<!%-%- (%l+[: %w-]*) %-%->$"
    end
  end
  assert(not open, "a fence is not closed")
  return blocks
end

--- A block of Lua as a function.
---@param document string its path, for messages
---@param block support.Block
---@param text? string in its place
---@param env? table its globals
---@return function
function documents.compile(document, block, text, env)
  local chunk = ("=%s, line %d"):format(document, block.line)
  local f, fault = loads(text or block.text, chunk, "t", env)
  assert(f, fault)
  if env and setfenv then setfenv(f, env) end
  return f
end

local function one_blank(text)
  return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

--- Globals for a block, whose `print` keeps what is printed.
---@param more table further globals
---@return table env
---@return string[] printed line by line, blanks as one
function documents.environment(more)
  local env, printed = setmetatable({}, { __index = _G }), {}
  for name, value in pairs(more) do env[name] = value end
  function env.print(...)
    local words = {}
    for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))) end
    printed[#printed + 1] = one_blank(table.concat(words, " "))
  end
  return env, printed
end

--- The texts behind "-->" are among what was printed, in this order.
---@param text string
---@param printed string[]
function documents.assert_printed(text, printed)
  local at = 1
  for told in text:gmatch "%-%->([^\n]*)" do
    local expected = one_blank(told)
    while printed[at] and printed[at] ~= expected do at = at + 1 end
    assert(printed[at], ("not printed: %s\nprinted were:\n%s"):format(
      expected, table.concat(printed, "\n")))
    at = at + 1
  end
end

return documents
