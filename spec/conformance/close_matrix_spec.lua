-- docs/close-matrix.md, row by row.  With retry in the first of a row's ways, twice: with the least
-- and with the most that a policy may draw; without in all the others.

local close_matrix = require "support.close_matrix"
local endings = require "support.endings"
local sources = require "support.sources"

after_each(endings.close_all)
teardown(endings.stop_all)

local WORLD = "in the scripted world"

local LEAST, MOST = 1e-4, 1 - 1e-9

local function expected_of(row)
  local seconds = 0
  for _, name in ipairs(row.waits or {}) do seconds = seconds + close_matrix.seconds(row, name) end
  return {
    out = row.out, told = row.told, how = row.how, error = row.error or "none", seconds = seconds,
    early = false,
  }
end

-- What holds whatever happens.
local function assert_told_once(s, row, draw)
  local came = s.closes[1]
  local info = came.info
  assert.equal(1, #s.closes)
  assert.same({ came.code, came.reason }, { info.code, info.reason })
  assert.equal(info.opened and 1 or 0, s.opens)
  assert.equal(info.retry_in and "waiting" or "closed", s.ws:state())
  if not draw then assert.equal(row.again or false, info.retry_in ~= nil) end
  if draw == MOST then s.ws:leave() else s.ws:close() end
  s:turn()
  assert.same({ 1, "closed" }, { #s.closes, s.ws:state() })
  return info
end

-- info.sent is what went out, and nothing else.
local function assert_sent(s, info)
  local frames = s:frames()
  local last = frames[#frames]
  local sent = last and last.name == "close" and { code = last.code, reason = last.reason } or nil
  assert.same(sent, info.sent)
end

local function play(row, way, draw)
  local s = endings.play(row, way, draw)
  local cells, expected = endings.cells(s), expected_of(row)
  local unseen = row.gone and way ~= WORLD -- nobody is there to read it
  if unseen then cells.out = expected.out end
  if way ~= WORLD and row.waits then cells.seconds = expected.seconds end -- at the least
  assert.same(expected, cells)
  local info = assert_told_once(s, row, draw)
  if not unseen then assert_sent(s, info) end
  endings.close_all()
  return info
end

for _, section in ipairs(close_matrix.sections) do
  describe(section.title .. ":", function()
    for _, row in ipairs(section.rows) do
      it(row[1], function()
        local ways = endings.ways(row)
        local low, high = play(row, ways[1], LEAST), play(row, ways[1], MOST)
        assert.equal(row.follows, endings.follows(low.retry_in, high.retry_in))
        assert.equal(low.retry_in == nil, low.retry_refused ~= nil)
        for i = #ways == 1 and 1 or 2, #ways do play(row, ways[i]) end
      end)
    end
  end)
end

describe("docs/close-matrix.md", function()
  it("is what scripts/close_matrix_doc.lua makes of the table", function()
    sources.assert_made("docs/close-matrix.md", "scripts/close_matrix_doc.lua")
  end)
end)
