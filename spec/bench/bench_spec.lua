-- What the benchmarks make of their figures.  The programs themselves are run by make bench.

local clients = require "bench.clients"
local plot = require "bench.plot"
local report = require "bench.report"
local rows = require "bench.rows"

local OURS = "wsclose, Lua 5.4"

local function row_of(id)
  for _, row in ipairs(rows) do
    if row.id == id then return row end
  end
end

-- { client = median, … }, or in place of the median the words that say why there is none.
local function results_of(id, medians)
  local results = {}
  for _, client in ipairs(clients) do
    local value = medians[client.name]
    if type(value) == "number" then
      results[#results + 1] = { name = client.name, median = value, low = value, high = value,
        runs = 5 }
    elseif value then
      results[#results + 1] = { name = client.name, missing = value }
    end
  end
  return { [id] = results }
end

describe("a target", function()
  local function check(id, medians)
    return report.check(row_of(id), results_of(id, medians))
  end

  it("is met up to its ratio to the other client, and not beyond", function()
    assert.is_true(check("pipeline-125", { ["Lua floor"] = 100, [OURS] = 150 })[1].met)
    assert.is_false(check("pipeline-125", { ["Lua floor"] = 100, [OURS] = 150.1 })[1].met)
  end)

  it("in bytes holds by itself", function()
    assert.is_true(check("idle", { [OURS] = 1741 })[1].met)
    assert.is_false(check("idle", { [OURS] = 1742 })[1].met)
  end)

  it("is neither met nor missed where a figure is missing", function()
    assert.is_nil(check("pingpong-32", { raw = "failed", [OURS] = 1100 })[1].met)
    assert.is_nil(check("pingpong-32", { raw = 1000 })[1].met)
  end)

  it("names clients that there are", function()
    local known = {}
    for _, client in ipairs(clients) do known[client.name] = true end
    for _, row in ipairs(rows) do
      assert.is_true(known[row.raw or "raw"])
      for _, target in ipairs(row.targets) do
        assert.is_true(known[target.client or OURS])
        assert.is_true(target.bytes ~= nil or known[target.of])
        assert.is_true(target.row == nil or row_of(target.row) ~= nil)
      end
    end
  end)
end)

describe("the tables of the benchmarks", function()
  local machine = {
    cpu = "a processor", cores = "2", system = "a system", kernel = "a kernel",
    compiler = "a compiler", versions = {}, same_core = true, rounds = 5, seconds = 0.15,
    idle = 1000, date = "2026-01-05",
  }
  local row = row_of "pingpong-32"
  local results = results_of(row.id, { raw = 2000, [OURS] = 2100, wslay = "not installed" })

  it("give the median, the spread and the ratio to raw", function()
    assert.matches("wsclose, Lua 5%.4 +2 100 ns +2 100 ns – 2 100 ns +1%.05\n",
      report.console(row, results))
  end)

  it("say of a client that is not there that it is not installed", function()
    assert.matches("wslay +not installed", report.console(row, results))
    local text = report.document("{{tables}}", results, machine)
    assert.matches("| wslay | not installed |", text, 1, true)
  end)

  it("fail on a mark of the template that means nothing", function()
    assert.has_error(function()
      report.document("{{nothing}}", results, machine)
    end, "bench/performance.md.in: no part is named nothing")
  end)
end)

describe("the plot of the benchmarks", function()
  it("has a bar for each client that was measured, and none for others", function()
    local svg = plot.svg(results_of("connect", { raw = 100, [OURS] = 250, wslay = "failed" }))
    local _, bars = svg:gsub("<rect ", "")
    assert.equal(2, bars)
    assert.matches("2%.50×", svg)
    assert.is_nil(svg:find "wslay")
  end)

  it("escapes what XML would take for its own", function()
    local results = { connect = { { name = "raw", median = 1 }, { name = "a<b&c", median = 2 } } }
    assert.matches("a&lt;b&amp;c", plot.svg(results), 1, true)
  end)
end)
