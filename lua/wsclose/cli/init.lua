--- The command line `wsclose`: bin/wsclose is nothing but a call of main.

local arguments = require "wsclose.cli.arguments"
local codes = require "wsclose.cli.codes"
local connection = require "wsclose.cli.connection"
local core = require "wsclose.core"
local editing = require "wsclose.cli.editing"
local manual = require "wsclose.cli.manual"

local cli = {}

--- What the commands have of the world; specs put something else in its place.
---@class wsclose.cli.System
---@field out fun(text: string) to standard output
---@field err fun(text: string) to standard error
---@field flush fun() standard output is to be seen now
---@field read fun(fd: integer, seconds: number, other?: integer): string? as core.read
---@field now fun(): number
---@field update fun(ws: wsclose.Client, seconds: number): boolean as ws:update
---@field clock? fun(): number for clients, where `now` is not the system's
---@field in_is_terminal boolean
---@field out_is_terminal boolean

-- Lua does not tell; the shell does.
local function is_terminal(fd)
  local status = os.execute("test -t " .. fd)
  return status == true or status == 0
end

local function real_system()
  io.stdout:setvbuf "full"
  return {
    out = function(text) io.stdout:write(text) end,
    err = function(text) io.stderr:write(text) end,
    flush = function() io.stdout:flush() end,
    read = core.read,
    now = core.now,
    update = function(ws, seconds) return (ws:update(seconds)) end,
    in_is_terminal = is_terminal(0),
    out_is_terminal = is_terminal(1),
  }
end

local VERSION = "wsclose " .. core.version

-- How many operands each command takes.
local OPERANDS = {
  talk = { 1, 1 }, check = { 1, 1 }, explain = { 1, 1 }, compare = { 2, 2 }, serve = { 0, 1 },
}

local function usage_of(command)
  for _, each in ipairs(manual.commands) do
    if each.name == command then return "wsclose " .. each.usage end
  end
end

local function check_operands(read)
  local count, range = #read.operands, OPERANDS[read.command]
  if count >= range[1] and count <= range[2] then return end
  error("usage: " .. usage_of(read.command) .. "; wsclose --help tells more", 0)
end

local function port_of(word)
  local port = tonumber(word or 9001)
  if port and port % 1 == 0 and port >= 0 and port <= 65535 then return port end
  error(("expected a port, got '%s'"):format(word), 0)
end

local function is_typed(read, system)
  local lines = not read.exec and not read.binary and not read.json
  return lines and system.in_is_terminal and system.out_is_terminal
end

local RUN = {
  talk = function(read, system, words)
    local status = is_typed(read, system) and editing.run(words)
    if status then return status end
    return require("wsclose.cli.talk").run(read.operands[1], read, system)
  end,
  check = function(read, system)
    return require("wsclose.cli.check").run(read.operands[1], read, system)
  end,
  explain = function(read, system)
    system.out(codes.explain(read.operands[1]))
    return connection.OK
  end,
  compare = function(read, system)
    system.out(codes.compare(read.operands[1], read.operands[2]))
    return connection.OK
  end,
  serve = function(read, system)
    local port = port_of(read.operands[1])
    local ok, serve = pcall(require, "wsclose.cli.serve")
    if not ok then return nil, "serve needs LuaSocket: luarocks install luasocket" end
    local ended, sentence = serve.run(port, function(line)
      system.out(line .. "\n")
      system.flush()
    end)
    return ended and connection.OK, sentence
  end,
}

local function run(words, system)
  local read, sentence = arguments.read(words)
  if not read then return nil, sentence end
  if read.help then
    system.out(manual.help(VERSION))
    return connection.OK
  elseif read.version then
    system.out(VERSION .. "\n")
    return connection.OK
  end
  check_operands(read)
  local status, fault = RUN[read.command](read, system, words)
  return status, fault
end

--- Does what the words say.
---@param words string[] behind the program's name; before them, as in `arg`, what started it
---@param system? wsclose.cli.System
---@return integer status for the shell
function cli.main(words, system)
  system = system or real_system()
  local ok, status, sentence = pcall(run, words, system)
  system.flush()
  if ok and status then return status end
  sentence = tostring(ok and sentence or status)
  if sentence:find "interrupted!$" then return connection.INTERRUPTED end
  system.err("wsclose: " .. sentence .. "\n")
  return connection.USAGE
end

return cli
