-- What makes the suite fast: spec/support/helper.lua.  In a busted of its own.

local network = require "support.network"

local function written(text)
  local bare = os.tmpname()
  local path = bare .. ".lua" -- busted asks for that
  os.remove(bare)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

-- Plays spec files one after the other; `string` is the same table in all of them.
local function play(...)
  local paths = {}
  for i, text in ipairs { ... } do
    paths[i] = written(text)
  end
  local result = network.run(([[
    arg = { [0] = "spec/run.lua", %s }
    dofile "spec/run.lua"
  ]]):format("'" .. table.concat(paths, "', '") .. "'"))
  for _, path in ipairs(paths) do
    os.remove(path)
  end
  return result
end

describe("once a spec file has ended", function()
  it("nothing that it knew is kept", function()
    local result = play([[
      local known = { server = {} }
      string.known = setmetatable({ known }, { __mode = "v" })
      describe("a block", function()
        local inner = {}
        string.known[2] = inner
        before_each(function() inner.count = 1 end)
        lazy_setup(function() known.server.port = inner.count end)
        it("is green", function() assert.equal(1, inner.count) end)
        it("is red", function() assert.is_nil(known) end)
      end)
    ]], [[
      for _ = 1, 3 do collectgarbage() end
      it("has nothing left", function() assert.same({}, string.known) end)
    ]])
    assert.matches("2 successes / 1 failure / 0 errors", result.output, 1, true)
    assert.matches("a block is red", result.output, 1, true)
  end)
end)

describe("a global", function()
  it("of Lua's is found in the environment, and one of busted's through the blocks", function()
    local result = play [[
      local env = rawget(_G, "getfenv") and getfenv(1) or _ENV
      it("is found", function()
        assert.equal(math, rawget(env, "math"))
        assert.equal(print, rawget(env, "print"))
        assert.is_nil(rawget(env, "assert"))
        assert.is_nil(rawget(env, "describe"))
      end)
    ]]
    assert.matches("1 success / 0 failures / 0 errors", result.output, 1, true)
  end)
end)
