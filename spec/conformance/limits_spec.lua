-- What a hostile server, name server or proxy can make a client do, counted: bytes that it reads
-- until it ends the connection, memory that it holds, allocations, bytes that it sends. Figures
-- are in docs/security.md. What never ends is a twentieth as long here as in bench/limits.lua.

local attacks = require "support.attacks"
local on_the_way = require "support.attacks_on_the_way"
local network = require "support.network"
local process = require "support.process"
local sources = require "support.sources"

local SHARE = 1 / 20

local function assert_at_most(bound, value, what)
  local sentence = ("%d %s, at most %s"):format(value, what, tostring(bound))
  assert.is_true(value <= (bound or math.huge), sentence)
end

local function assert_bounded(attack, told)
  local ending = attacks.ending(told)
  if ending ~= attack.may_end then assert.equal(attack.ends, ending) end
  assert_at_most(attack.bytes, told.bytes or 0, "bytes in")
  assert_at_most(attack.memory, told.memory, "bytes held")
  assert_at_most(attack.allocations, told.allocations, "allocations")
  assert_at_most(attack.out, told.out or 0, "bytes out")
  assert_at_most(attack.threads, told.threads or 0, "threads")
end

describe("a client is met with", function()
  for _, attack in ipairs(attacks.all) do
    it(attack[1], function()
      assert_bounded(attack, attacks.play(attack, nil, SHARE))
    end)
  end
end)

describe("on its way a client is met with", function()
  after_each(function()
    network.close_all()
    process.stop_all()
  end)

  for _, attack in ipairs(on_the_way.all) do
    it(attack[1], function()
      assert_bounded(attack, on_the_way.play(attack, nil, SHARE))
    end)
  end
end)

describe("docs/security.md", function()
  it("names every attack, and what holds it", function()
    local page = sources.read "docs/security.md"
    for _, list in ipairs { attacks.all, on_the_way.all } do
      for _, attack in ipairs(list) do
        for _, text in ipairs { attack[1], attack.limit } do
          assert(page:find("| " .. text .. " |", 1, true), text .. ": run make bench-limits")
        end
      end
    end
  end)
end)
