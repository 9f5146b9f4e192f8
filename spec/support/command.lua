--- The command line `wsclose`, run as a user runs it: in a process of its own, by the interpreter
--- that runs the suite.
--
--     local command = require "support.command"
--     local result = command.run({ "-x", "hello", url }, "what stands on standard input")
--     result.status, result.out, result.err

local sources = require "support.sources"

local command = {}

--- Words for the shell.
---@param words string[]
---@return string
function command.quoted(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = "'" .. tostring(word):gsub("'", "'\\''") .. "'" end
  return table.concat(list, " ")
end

--- What runs this.
---@return string
function command.interpreter()
  local arguments, first = rawget(_G, "arg"), 0
  while arguments[first - 1] do first = first - 1 end
  return arguments[first]
end

--- What starts it, as words; `before` are options of the interpreter.
---@param words string[]
---@param before? string[]
---@return string[]
function command.words(words, before)
  local all = {
    "env", "-u", "LUA_PATH_5_2", "-u", "LUA_PATH_5_3", "-u", "LUA_PATH_5_4", "-u", "LUA_PATH_5_5",
    "-u", "LUA_CPATH_5_2", "-u", "LUA_CPATH_5_3", "-u", "LUA_CPATH_5_4", "-u", "LUA_CPATH_5_5",
    "-u", "http_proxy", "-u", "https_proxy", "-u", "all_proxy", "-u", "wss_proxy",
    "LUA_PATH=" .. package.path, "LUA_CPATH=" .. package.cpath,
    "ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=1", command.interpreter(),
  }
  for _, list in ipairs { before or {}, { "bin/wsclose" }, words } do
    for _, word in ipairs(list) do all[#all + 1] = word end
  end
  return all
end

local function read(path)
  local text = sources.read(path)
  os.remove(path)
  return text
end

--- Runs a line of the shell.
---@param line string
---@return {status: integer, out: string, err: string}
function command.shell(line)
  local out, err, status = os.tmpname(), os.tmpname(), os.tmpname()
  os.execute(("{ %s\n} >%s 2>%s; echo $? >%s"):format(line, out, err, status))
  return { status = tonumber((read(status))), out = read(out), err = read(err) }
end

--- Runs it to its end.
---@param words string[]
---@param input? string on standard input; default: nothing
---@param before? string[] options of the interpreter
---@return {status: integer, out: string, err: string}
function command.run(words, input, before)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(input or "")
  file:close()
  local result = command.shell(command.quoted(command.words(words, before)) .. " <" .. path)
  os.remove(path)
  return result
end

--- An echo server: `wsclose serve` on a free port.
---@return support.Process server with `address`, "127.0.0.1:12345"
function command.serve()
  local process = require "support.process"
  local words = command.words { "serve", "0" }
  words.portless = true
  local server = process.start(words)
  server.address = server:expect "ws://(127%.0%.0%.1:%d+)/"
  return server
end

return command
