--- The plot of docs/performance.md: for each row a panel of bars, how many times the raw
-- client's time each client takes, on a logarithmic scale.  Plain SVG; its colours follow the
-- reader's choice of light or dark.

local report = require "bench.report"
local rows = require "bench.rows"

local unpack = table.unpack or unpack

local plot = {}

local COLUMNS, PANEL, GAP = 2, 460, 20
local NAME, VALUE = 150, 62 -- width of the names, and of the figures behind the bars
local LINE, HEAD = 17, 30
local MOST = 1000 -- the scale's end

local STYLE = [[
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 13px; }
  .figure { font-size: 11px; fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .raw { fill: #8c959f; }
  .ours { fill: #0969da; }
  .peer { fill: #c4a15a; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .figure { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .raw { fill: #6e7681; }
    .ours { fill: #4493f8; }
    .peer { fill: #9e7f3f; }
  }]]

local function escaped(text)
  return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

local function bars_of(row, results)
  local bars = {}
  for _, result in ipairs(results[row.id] or {}) do
    local ratio = report.ratio(row, results, result.name)
    if ratio then bars[#bars + 1] = { name = result.name, ratio = ratio } end
  end
  return bars
end

local function class_of(name)
  if name:find "^wsclose" then return "ours" end
  return (name:find "^raw" or name:find "^Lua floor") and "raw" or "peer"
end

-- The scale begins a little below 1, so that 1 has a bar too.
local function length_of(ratio)
  local least = math.log(0.8)
  local part = (math.log(math.min(ratio, MOST)) - least) / (math.log(MOST) - least)
  return math.max(2, part * (PANEL - NAME - VALUE))
end

local function add_grid(out, x, y, height)
  for _, ratio in ipairs { 1, 10, 100, 1000 } do
    local at = x + NAME + length_of(ratio)
    out[#out + 1] = ('<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>'):format(
      at, at, y + HEAD - 6, y + height)
  end
end

local function add_bar(out, x, y, bar)
  local length = length_of(bar.ratio)
  out[#out + 1] = ('<text x="%d" y="%d" text-anchor="end">%s</text>'):format(
    x + NAME - 6, y + 11, escaped(bar.name))
  out[#out + 1] = ('<rect class="%s" x="%d" y="%d" width="%.1f" height="12" rx="2"/>'):format(
    class_of(bar.name), x + NAME, y + 1, length)
  out[#out + 1] = ('<text class="figure" x="%.1f" y="%d">%s×</text>'):format(
    x + NAME + length + 5, y + 11, (bar.ratio < 100 and "%.2f" or "%.0f"):format(bar.ratio))
end

local function height_of(bars)
  return HEAD + #bars * LINE
end

local function add_panel(out, x, y, row, bars)
  out[#out + 1] = ('<text class="title" x="%d" y="%d">%s</text>'):format(
    x, y + 14, escaped(row.title))
  add_grid(out, x, y, height_of(bars))
  for i, bar in ipairs(bars) do add_bar(out, x, y + HEAD + (i - 1) * LINE, bar) end
end

local function panels_of(results)
  local panels = {}
  for _, row in ipairs(rows) do
    local bars = bars_of(row, results)
    if #bars > 0 then panels[#panels + 1] = { row = row, bars = bars } end
  end
  return panels
end

-- Each panel goes under the shortest column.
local function place(panels)
  local bottoms = {}
  for i = 1, COLUMNS do bottoms[i] = GAP end
  for _, panel in ipairs(panels) do
    local column = 1
    for i = 2, COLUMNS do
      if bottoms[i] < bottoms[column] then column = i end
    end
    panel.x, panel.y = GAP + (column - 1) * (PANEL + GAP), bottoms[column]
    bottoms[column] = bottoms[column] + height_of(panel.bars) + GAP
  end
  return math.max(unpack(bottoms))
end

---@param results table<string, bench.Result[]>
---@return string the file
function plot.svg(results)
  local panels = panels_of(results)
  local width, height = COLUMNS * (PANEL + GAP) + GAP, place(panels)
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img">'):format(
      width, height),
    "<title>CPU time per unit as a multiple of the raw client's, logarithmic</title>",
    "<style>\n" .. STYLE .. "\n</style>",
  }
  for _, panel in ipairs(panels) do add_panel(out, panel.x, panel.y, panel.row, panel.bars) end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return plot
