-- busted in a Lua for Windows that runs under wine: what a spec asks of the shell is done outside,
-- by outside.py, and paths of POSIX are those of wine's drive Z:.
--
--   outside.py wine lua54.exe spec/support/portability/windows/suite.lua spec/core …
--
-- left_out.lua names what is not run.

-- luacheck: ignore 122

local socket = require "socket"

package.preload.term = function()
  return { isatty = function() return false end }
end

package.preload.system = function()
  return { gettime = socket.gettime, monotime = socket.gettime, sleep = socket.sleep }
end

package.preload["socket.unix"] = function()
  return function() error("LuaSocket has no unix sockets on Windows", 2) end
end

local function ask(mode, line)
  local peer = assert(socket.connect("127.0.0.1", os.getenv "WSCLOSE_OUTSIDE"))
  assert(peer:send(("%s %d\n%s"):format(mode, #line, line)))
  return peer
end

local function answer(mode, line)
  local peer = ask(mode, line)
  local text = assert(peer:receive "*a")
  peer:close()
  return text
end

function os.execute(line)
  local status = tonumber(answer("execute", line))
  if _VERSION == "Lua 5.1" then return status end
  return status == 0 or nil, "exit", status
end

-- What is read has been printed whole; what is written comes to it at once.
function io.popen(line, mode)
  if mode == "w" then
    local peer = ask("write", line)
    return {
      write = function(_, text) return peer:send(text) end,
      close = function() return peer:close() end,
    }
  end
  local file = io.tmpfile()
  file:write(answer("read", line))
  file:seek "set"
  return file
end

function os.tmpname()
  return (answer("read", "mktemp"):gsub("\n", ""))
end

-- Folders become their files, without those that left_out.lua names.
local lfs = require "lfs"
local left_out = dofile "spec/support/portability/windows/left_out.lua"
local without, chosen = {}, {}

for _, each in ipairs(left_out) do
  local path, title = each[1], each[2]
  if title then
    chosen[#chosen + 1] = "--filter-out=" .. title
  else
    without[path] = true
  end
end

local function choose(path)
  if lfs.attributes(path, "mode") == "directory" then
    local names = {}
    for name in lfs.dir(path) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
      if not name:match "^%." then choose(path .. "/" .. name) end
    end
  elseif path:match "_spec%.lua$" and not without[path] then
    chosen[#chosen + 1] = path
  end
end

for _, path in ipairs(arg) do choose(path) end
for i = 1, math.max(#arg, #chosen) do arg[i] = chosen[i] end

require "busted.runner" { standalone = false }
