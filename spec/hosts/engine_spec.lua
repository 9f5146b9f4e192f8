-- examples/engine: Lua and wsclose linked into a C program with a loop of 60 frames a second.

local certificates = require "support.certificates"
local hosts = require "support.hosts"
local process = require "support.process"

local function first_line(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line
end

local function build(lua, words)
  local command = { "make", "-C", "examples/engine", "LUA=" .. lua, "CFLAGS=-O1" }
  for _, word in ipairs(words) do command[#command + 1] = word end
  assert(process.run { "sh", "-c", table.concat(command, " ") .. " >/dev/null" })
end

local function start(lua, name, more)
  local pem = certificates.read(hosts.certificates().ca)
  local command = { "WSCLOSE_CA_PEM=" .. pem }
  for _, word in ipairs(more) do command[#command + 1] = word end
  command[#command + 1] = ("build/engine/%s/%s"):format(lua, name)
  return hosts.start(lua, command)
end

for _, lua in ipairs { "lua5.4", "luajit" } do
  describe("the engine with " .. lua .. " inside", function()
    setup(function()
      local support = first_line "pwd" .. "/spec/support/hosts/"
      build(lua, {
        "NAME=spec", "GAME=" .. support .. "engine.lua",
        "MODULES=scenario=" .. support .. "scenario.lua",
      })
    end)
    after_each(process.stop_all)
    teardown(hosts.stop)

    it(hosts.promise, function()
      local host = start(lua, "spec", {})
      host:play()
      host.program:stop()
      host:went_away()
    end)

    it("gives Lua no way to the file system, and require finds what is embedded", function()
      local program = start(lua, "spec", { "WSCLOSE_CASE=sandbox" }).program
      program:expect "^io nil, loadfile nil, dofile nil, loadlib nil, remove nil$"
      program:expect "^false\tmodule 'socket' not found"
    end)

    it("runs the example's game, and prints the longest frame", function()
      local server = hosts.server()
      build(lua, {})
      local pem = certificates.read(hosts.certificates().ca)
      local program = process.start {
        "env", "WSCLOSE_CA_PEM=" .. pem, portless = true,
        ("WSCLOSE_FEED=wss://localhost:%d/?id=game"):format(server.port),
        ("build/engine/%s/engine"):format(lua), "60",
      }
      program:expect "^open$"
      program:expect "^text\thello$"
      server:expect "^game CLOSED 1001"
      assert.equal("60", program:expect "^(%d+) frames, the longest took [%d.]+ ms of CPU")
    end)
  end)
end
