--- The programs that the pages of docs/hosts show, run as they stand there but for the server's URL
-- and a quicker retry.
--
--     local page = pages.start("cqueues", { "lua5.4", "{}" }, { lua = "lua5.4" })
--     page:comes_back "^text\thello$"

local documents = require "support.documents"
local hosts = require "support.hosts"
local process = require "support.process"
local sources = require "support.sources"

local pages = {}

--- What `comes_back` holds, as a title.
pages.promise = "runs the page's program, which goes on after a 1001"

local FOR = "for data, kind in ws:messages%(%) do print%(kind, data%) end"

---@class pages.Page
---@field server support.Process
---@field program support.Process
local Page = {}
Page.__index = Page

local function write(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text, "\n")
  file:close()
  return path
end

---@class pages.Options
---@field lua string whose build the host loads
---@field puc_5_1? boolean the `for` gives way to the page's loop for PUC Lua 5.1
---@field prelude? string on the program's first line
---@field without? string of the program, which is left out
---@field block? integer which of the page's blocks; default: the first
---@field once? boolean it does not come back
---@field finds? boolean it is told by its command where the server is

--- Starts a server, and a page's program.
---@param name string docs/hosts/NAME.md
---@param command string[] the host; {} in it is the program's path
---@param options pages.Options
---@return pages.Page
function pages.start(name, command, options)
  local server = process.start { "/usr/bin/python3", "spec/support/peers/websockets_server.py" }
  local blocks = documents.blocks(sources.read(("docs/hosts/%s.md"):format(name)), "lua")
  local function replaced(text, pattern, by)
    local result, count = text:gsub(pattern, function() return by end)
    assert(count > 0, ("docs/hosts/%s.md has no %s"):format(name, pattern))
    return result
  end
  local text = blocks[options.block or 1].text
  if options.puc_5_1 then text = replaced(text, FOR, blocks[2].text) end
  if options.without then text = replaced(text, options.without, "") end
  local url = ("ws://127.0.0.1:%d/?id=page"):format(server.port)
  if not options.finds then text = replaced(text, "wss://feed%.example/v1", url) end
  if not options.once then
    text = replaced(text, "retry = true", "retry = { initial = 0.05, floor = 0, first = false }")
  end
  local path = write((options.prelude or 'io.stdout:setvbuf "line"') .. " " .. text)
  local words = hosts.environment(options.lua, url)
  for _, word in ipairs(command) do words[#words + 1] = word:gsub("{}", path) end
  words.portless = true
  return setmetatable({ server = server, program = process.start(words), path = path }, Page)
end

--- It prints what the server echoes, `count` times (once by default), and again after a 1001.
function Page:comes_back(pattern, count)
  for _ = 1, count or 1 do self.program:expect(pattern) end
  self.server:tell "restart for the page"
  for _ = 1, count or 1 do self.server:expect "^page CLOSED 1001 for the page$" end
  for _ = 1, count or 1 do self.program:expect(pattern) end
  os.remove(self.path)
end

return pages
