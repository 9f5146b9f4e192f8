-- The source tree as the layout rules see it: files, includes, functions, symbols.
local lfs = require "lfs"

local sources = {}

--- A file's whole text.
---@param path string
---@return string
function sources.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

--- Fails where a page is not what its script makes of the project's tables.
---@param page string
---@param script string gives the text, told "text"
function sources.assert_made(page, script)
  local text = assert(loadfile(script)) "text"
  assert(text == sources.read(page), ("%s is old: run lua %s"):format(page, script))
end

--- Files under `folder` whose name matches `pattern`, sorted; without the folder in front.
---@param folder string
---@param pattern string
---@return string[]
function sources.list(folder, pattern)
  local found = {}
  local function walk(prefix)
    for name in lfs.dir(folder .. "/" .. prefix) do
      local path = prefix .. name
      if lfs.attributes(folder .. "/" .. path, "mode") == "directory" then
        if not name:match "^%." then
          walk(path .. "/")
        end
      elseif name:match(pattern) then
        found[#found + 1] = path
      end
    end
  end
  walk ""
  table.sort(found)
  return found
end

--- What a C text includes: `{ name = "core/buf.h", system = false }` each.
---@param text string
---@return { name: string, system: boolean }[]
function sources.includes(text)
  local found = {}
  for open, name in ("\n" .. text):gmatch '\n[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)' do
    found[#found + 1] = { name = name, system = open == "<" }
  end
  return found
end

-- Comments, strings and characters as blanks, lines kept.
local function bare(text)
  local out, at = {}, 1
  local function blank(to)
    out[#out + 1] = text:sub(at, to):gsub("[^\n]", " ")
    at = to + 1
  end
  while at <= #text do
    local two, one = text:sub(at, at + 1), text:sub(at, at)
    if two == "/*" then
      blank(select(2, text:find("*/", at + 2, true)) or #text)
    elseif two == "//" then
      blank((text:find("\n", at, true) or #text + 1) - 1)
    elseif one == '"' or one == "'" then
      local last = at + 1
      while text:sub(last, last) ~= one do
        last = last + (text:sub(last, last) == "\\" and 2 or 1)
      end
      blank(last)
    else
      local stop = (text:find("[/\"']", at + 1) or #text + 1) - 1
      out[#out + 1] = text:sub(at, stop)
      at = stop + 1
    end
  end
  return table.concat(out)
end

--- The functions a C file defines, in clang-format's shape: the head begins in column 1, the
--- closing brace stands there too.  `lines` counts from the head's first line to the brace.
---@param text string
---@return { name: string, line: integer, lines: integer, static: boolean }[]
function sources.functions(text)
  local found = {}
  local number, head_line, head, current = 0, nil, "", nil
  for line in (bare(text) .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if current then
      if line:match "^}" then
        current.lines = number - current.line + 1
        found[#found + 1], current = current, nil
      end
    elseif line:match "^[%a_]" or head ~= "" then
      if head == "" then
        head_line = number
      end
      head = head .. " " .. line
      if line:match "{%s*$" then
        local name = head:match "([%a_][%w_]*)%s*%("
        if name and not head:match "=" and head:match "%)%s*{%s*$" then
          current = { name = name, line = head_line, static = head:match "^ static" ~= nil }
        end
        head = ""
      elseif line:match "[;}]%s*$" then
        local name = head:match "([%a_][%w_]*)%s*%b()%s*{.*}%s*$"
        if name then -- in one line
          found[#found + 1] =
            { name = name, line = head_line, lines = 1, static = head:match "^ static" ~= nil }
        end
        head = ""
      end
    end
  end
  return found
end

--- Names of file scope that are static: functions and objects.
---@param text string
---@return string[]
function sources.statics(text)
  local found = {}
  for line in (bare(text) .. "\n"):gmatch "(.-)\n" do
    local declared = line:match "^static%s+(.*)"
    if declared then
      declared = declared:gsub("%b[]", ""):gsub("__attribute__%s*%b()", "")
      found[#found + 1] = declared:match "([%a_][%w_]*)%s*%("
        or declared:match "([%a_][%w_]*)%s*[=;{]"
    end
  end
  return found
end

--- The symbols that an object file needs from elsewhere.
---@param path string
---@return string[]
function sources.undefined_symbols(path)
  local pipe = assert(io.popen("nm -u '" .. path .. "'"))
  local found = {}
  for line in pipe:lines() do
    found[#found + 1] = line:match "^%s+[Uw]%s+([^@%s]+)"
  end
  pipe:close()
  return found
end

--- The modules that a Lua text requires by a literal name, comments left out.
---@param text string
---@return string[]
function sources.requires(text)
  local found = {}
  for name in text:gsub("%-%-[^\n]*", ""):gmatch "%f[%w_]require%s*%(?%s*[\"']([%w_.-]+)[\"']" do
    found[#found + 1] = name
  end
  return found
end

return sources
