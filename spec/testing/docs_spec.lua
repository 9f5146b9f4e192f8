-- docs/testing.md: every block of Lua runs and proves what it says, and every verb is there.

local documents = require "support.documents"
local sources = require "support.sources"
local testing = require "wsclose.testing"
local wsclose = require "wsclose"

local PAGE, BOT = "docs/testing.md", "examples/testing/bot_spec.lua"

local page = sources.read(PAGE)

-- Runs what stands in `it` at once, and counts it.
local function environment()
  local count = 0
  local env = { testing = testing, wsclose = wsclose, assert = assert }
  setmetatable(env, { __index = _G })
  function env.describe(_, body) body() end
  function env.after_each() end
  function env.it(_, body)
    body()
    count = count + 1
    testing.reset()
  end
  return env, function() return count end
end

describe("docs/testing.md", function()
  local love

  before_each(function() love = package.loaded["wsclose.love"] end)

  after_each(function()
    package.loaded["wsclose.love"] = love
    testing.reset()
  end)

  local examples = documents.blocks(page, "lua")
  for number, block in ipairs(examples) do
    local text = block.text
    local title = text:match '  it%("(.-)"' or text:match 'it%("(.-)"' or text:match "^[^\n]+"
    it(("runs example %d: %s"):format(number, title), function()
      local env, count = environment()
      documents.compile(PAGE, block, nil, env)()
      if text:find 'it%("' then assert.equal(1, count()) end
    end)
  end

  it("has examples", function()
    assert.is_true(#examples >= 10)
  end)

  it("has every verb, and what a test may ask a server", function()
    local server, missing = testing.server "ws://feed.example", {}
    local names = { "assert_done", "received" }
    for name in pairs(server.verbs) do names[#names + 1] = name end
    for _, name in ipairs(names) do
      if not page:find("`server:" .. name .. "(", 1, true) then missing[#missing + 1] = name end
    end
    assert.is_true(#names > 20)
    assert.same({}, missing)
  end)

  it("has every function of the module", function()
    for name, value in pairs(testing) do
      if type(value) == "function" then
        assert.is_truthy(page:find("`testing%." .. name .. "[( ]"), name)
      end
    end
  end)
end)

describe(BOT, function()
  local env = setmetatable({
    describe = describe, it = it, before_each = before_each, after_each = after_each,
    assert = assert,
  }, { __index = _G })
  documents.compile(BOT, { line = 1, text = sources.read(BOT) }, nil, env)()
end)
