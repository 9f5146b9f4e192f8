-- A Lua state may be closed, and the module unloaded with it, while a name is being looked up: the
-- thread then returns into code that must still be there.
local lfs = require "lfs"
local network = require "support.network"

-- make links the module so that it is never unloaded; LuaRocks' own build cannot, and there the
-- lookup has to see to it.  So that mark is taken from a copy: DF_1_NODELETE, 8, which is the value
-- behind the tag DT_FLAGS_1.
local FLAGS_1 = "\251\255\255\111\0\0\0\0"

local function unmark(module)
  local copy, count = module:gsub("(" .. FLAGS_1:gsub("%z", "%%z") .. ")(.)", function(tag, flags)
    local value = flags:byte()
    return value % 16 >= 8 and tag .. string.char(value - 8) or nil
  end)
  assert(count == 1, "the module has no such tag")
  return copy
end

local function open_module()
  for template in package.cpath:gmatch "[^;]+" do
    local file = io.open((template:gsub("?", "wsclose/core")), "rb")
    if file then
      return file
    end
  end
end

-- A folder with the copy, as the first to be searched.
local folder, cpath

local function write_copy()
  folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder) and lfs.mkdir(folder .. "/wsclose"))
  local source = assert(open_module())
  local copy = assert(io.open(folder .. "/wsclose/core.so", "wb"))
  copy:write(unmark(source:read "*a"))
  copy:close()
  source:close()
  cpath = folder .. "/?.so;" .. package.cpath
end

local function remove_copy()
  os.remove(folder .. "/wsclose/core.so")
  lfs.rmdir(folder .. "/wsclose")
  lfs.rmdir(folder)
end

-- When the process exits, after its state was closed, the name server goes away: then the thread
-- goes on, and its end is waited for.
local script = [[
  package.cpath = %q
  local network = require "support.network"
  local testing = require "wsclose.core_testing"
  local wsclose = require "wsclose"
  local ws, resolver = network.client(wsclose, "ws://feed.example/")
  ws:update()
  resolver:question()
  assert(network.threads() == 2)
  testing.process.close_at_exit(resolver.core:fd())
  io.write "closing\n"
  %s
]]

local function assert_survives(ending)
  local result = network.run(script:format(cpath, ending))
  assert.equal("closing\nall threads have ended\n", result.output)
  assert.is_true(result.ok)
end

describe("a process whose Lua state is closed during a lookup survives", function()
  lazy_setup(write_copy)
  lazy_teardown(remove_copy)

  it("at the end of its script", function()
    assert_survives ""
  end)

  it("when the client was dropped before", function()
    assert_survives "ws:close() ws:update() ws = nil collectgarbage()"
  end)

  it("with names that queue for the threads", function()
    assert_survives [[
      for i = 1, 20 do
        resolver:attach(wsclose.new(("ws://feed%d.example/"):format(i))):update()
      end
      assert(network.threads() == 9)
    ]]
  end)

  it("when an error ends it", function()
    local result = network.run(script:format(cpath, "error 'enough'"))
    assert.matches("enough", result.output, 1, true)
    assert.matches("all threads have ended", result.output, 1, true)
  end)

  if _VERSION ~= "Lua 5.1" then -- whose os.exit closes no state
    it("by os.exit(0, true)", function()
      assert_survives "os.exit(0, true)"
    end)
  end
end)

describe("the module in memory", function()
  lazy_setup(write_copy)
  lazy_teardown(remove_copy)

  -- In a process that has not loaded it otherwise.
  local function is_kept(code)
    local result = network.run(([[
      local is_kept = require "wsclose.core_testing".process.is_kept
      print(is_kept(%q, package.path, %q, %q))
    ]]):format(folder, cpath, code))
    assert.is_true(result.ok, result.output)
    return result.output
  end

  -- In Lua 5.5 they are blocks of the module's, which its code gives back.
  it("goes after the large messages that the state still has", function()
    assert.equal("false\n", is_kept [[
      local wsclose = require "wsclose"
      local wire = require "wsclose.testing.wire"
      local handshake = require "wsclose.testing.handshake"
      local p = wsclose.protocol("ws://a.example/", {})
      p:input(handshake.answer(handshake.read(p:output())))
      p:input(wire.frame { payload = ("x"):rep(100000) })
      assert(p:next() == "open")
      kept = { p, select(2, p:next()) }
      assert(#kept[2] == 100000)
    ]])
  end)

  it("goes with the state that has loaded it", function()
    assert.equal("false\n", is_kept [[require "wsclose".new("ws://127.0.0.1:1/"):run()]])
  end)

  it("stays once a name was looked up", function()
    assert.equal("true\n", is_kept [[require "wsclose".new("ws://localhost:1/"):run()]])
  end)
end)
