--- Tables and a plot out of what bench.herd.measure gives.

local scenarios = require "bench.herd.scenarios"

local report = {}

local OURS = { "wsclose", "wsclose, fleet", "wsclose, before" }

-- ---------------------------------------------------------------- figures

local function figure(value)
  if not value or value == math.huge then return "never" end
  return (value < 10 and "%.1f" or "%.0f"):format(value)
end

-- A policy whose clients do not come back has not spared the server anything.
local function cost(result, metric)
  if result.back[99] == math.huge then return math.huge end
  return metric == "back" and result.back[99] or result[metric]
end

-- Places from 1 on; who is alike shares the mean of the places.
local function add_ranks(results, at, metric, sums)
  for i, one in ipairs(results) do
    local own, better, alike = cost(one.fleet[at], metric), 0, 0
    for _, other in ipairs(results) do
      local value = cost(other.fleet[at], metric)
      if value < own then better = better + 1 elseif value == own then alike = alike + 1 end
    end
    sums[i] = (sums[i] or 0) + better + (alike + 1) / 2
  end
end

--- The mean place of each policy over peak, failed attempts and 99 % of every scenario.
---@return number[]
function report.ranks(results)
  local sums = {}
  for at = 1, #scenarios do
    for _, metric in ipairs { "peak", "failed", "back" } do add_ranks(results, at, metric, sums) end
  end
  for i = 1, #results do sums[i] = sums[i] / (3 * #scenarios) end
  return sums
end

local function find(results, name)
  for _, result in ipairs(results) do
    if result.name == name then return result end
  end
end

-- ---------------------------------------------------------------- tables

local function line(cells)
  return "| " .. table.concat(cells, " | ") .. " |"
end

local function add_head(lines, cells)
  lines[#lines + 1] = line(cells)
  lines[#lines + 1] = "|" .. (" --- |"):rep(#cells)
end

local function index_of(id)
  for at, scenario in ipairs(scenarios) do
    if scenario.id == id then return at end
  end
end

-- Every policy in the one scenario, and what sums it up.
local function policy_table(results, lines)
  local ranks, order, at = report.ranks(results), {}, index_of "1001-5"
  for i = 1, #results do order[i] = i end
  table.sort(order, function(a, b) return ranks[a] < ranks[b] end)
  add_head(lines, { "policy", "mean place", "peak", "p99 rate", "failed", "50 %", "90 %", "99 %",
    "100 %", "one user, 1001: 0.5, 2, 10 s", "1006", "N/C" })
  for _, i in ipairs(order) do
    local one = results[i]
    local r, u = one.fleet[at], one.user
    lines[#lines + 1] = line { one.name, ("%.1f"):format(ranks[i]), figure(r.peak) .. "×",
      figure(r.p99_rate) .. "×", figure(r.failed), figure(r.back[50]), figure(r.back[90]),
      figure(r.back[99]), figure(r.back[100]),
      figure(u[1]) .. ", " .. figure(u[2]) .. ", " .. figure(u[3]),
      figure(u[4]) .. ", " .. figure(u[5]) .. ", " .. figure(u[6]), figure(one.load) }
  end
end

-- Every scenario, ours now and before and the best of the others in each column.
local function scenario_table(results, lines)
  add_head(lines, { "scenario", "least possible", "wsclose", "fleet", "before", "RFC 6455" })
  local shown = { OURS[1], OURS[2], OURS[3], "RFC 6455" }
  for at, scenario in ipairs(scenarios) do
    local cells = { scenario.title, figure(results[1].fleet[at].least) }
    for _, name in ipairs(shown) do
      local r = find(results, name).fleet[at]
      cells[#cells + 1] = ("%s×, %s, %s"):format(
        figure(r.peak), figure(r.failed), figure(r.back[99]))
    end
    lines[#lines + 1] = line(cells)
  end
end

---@param results table[] of measure.all
---@param clients integer
---@return string Markdown
function report.tables(results, clients)
  local lines = {
    ("%d clients whose server restarts for 5 s after a 1001 and needs 60 s to take them all: the")
      :format(clients),
    "worst second and the worst but one in a hundred as a multiple of what the server takes,",
    "failed attempts of each client, seconds until so many are back (64 are the least for 99 %).",
    "Then what one user waits (the median), by how long the server is away, and the largest N/C of",
    "which a server recovers that lets attempts wait for 30 s while its clients wait for 5. The",
    "mean place is over all scenarios below; `never` is also who tried so often that the run was",
    "broken off.", "",
  }
  policy_table(results, lines)
  lines[#lines + 1] = "\nIn every scenario: peak, failed attempts, seconds until 99 % are back.\n"
  scenario_table(results, lines)
  return table.concat(lines, "\n")
end

--- Real herds beside the simulation of the same.
---@param results table[] name, real, simulated
---@param facts {clients: integer, down: number, needs: number}
---@return string Markdown
function report.beside(results, facts)
  local lines = {
    ("%d clients, a restart of %g s after a 1001, a server that takes all in %g s and answers 503")
      :format(facts.clients, facts.down, facts.needs),
    "to those for whom it has no room; the simulation is the mean of four runs.", "",
  }
  add_head(lines, { "policy", "", "peak", "failed", "50 %", "90 %", "99 %", "100 %" })
  for _, result in ipairs(results) do
    for _, side in ipairs { "real", "simulated" } do
      local r = result[side]
      lines[#lines + 1] = line { result.name, side, figure(r.peak) .. "×", figure(r.failed),
        figure(r.back[50]), figure(r.back[90]), figure(r.back[99]), figure(r.back[100]) }
    end
  end
  return table.concat(lines, "\n")
end

-- ---------------------------------------------------------------- files

function report.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- Writes `text` into a page, between the markers of a command.
function report.write_into(path, command, text)
  local file = assert(io.open(path, "rb"))
  local page = file:read "*a"
  file:close()
  local _, first = page:find(("<!-- %s begins here -->\n"):format(command), 1, true)
  local last = page:find(("<!-- %s ends here -->"):format(command), 1, true)
  assert(first and last, path .. " has no markers")
  report.write(path, page:sub(1, first) .. "\n" .. text .. "\n\n" .. page:sub(last))
end

-- ---------------------------------------------------------------- plot

local WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 300, 50, 40, 40
local SECONDS, LEAST, MOST = 100, 0.2, 64

local STYLE = [[
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 13px; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  path { fill: none; stroke-width: 1.8; }
  .a { stroke: #0969da; } .b { stroke: #1a7f37; } .c { stroke: #bf5b17; } .d { stroke: #8250df; }
  .e { stroke: #8c959f; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .grid { stroke: #3d444d; }
  }]]

local PLOTTED = {
  { "wsclose", "a" }, { "wsclose, fleet", "b" }, { "wsclose, before", "c" }, { "RFC 6455", "d" },
  { "socket.io", "e" },
}

local function x_of(second)
  return LEFT + second / SECONDS * (WIDTH - LEFT - 20)
end

local function y_of(rate)
  local part = math.log(math.max(rate, LEAST) / LEAST) / math.log(MOST / LEAST)
  return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
end

local function path_of(result, class)
  local points = {}
  for second = 0, SECONDS do
    points[#points + 1] = ("%s%.1f %.1f"):format(second == 0 and "M" or "L", x_of(second),
      y_of(result.rate[second] or 0))
  end
  return ('<path class="%s" d="%s"/>'):format(class, table.concat(points))
end

local function add_axes(out)
  for _, rate in ipairs { 1, 4, 16, 64 } do
    local y = y_of(rate)
    out[#out + 1] = ('<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>'):format(
      LEFT, WIDTH - 20, y, y)
    out[#out + 1] = ('<text x="%d" y="%.1f" text-anchor="end">%d×</text>'):format(
      LEFT - 6, y + 4, rate)
  end
  for second = 0, SECONDS, 20 do
    out[#out + 1] = ('<text x="%.1f" y="%d" text-anchor="middle">%d s</text>'):format(
      x_of(second), HEIGHT - BOTTOM + 18, second)
  end
end

---@param results table[] of measure.all
---@return string the file
function report.svg(results)
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img">'):format(
      WIDTH, HEIGHT),
    "<title>Attempts in each second after a restart of 5 s, logarithmic</title>",
    "<style>" .. STYLE .. "</style>",
    ('<text class="title" x="%d" y="18">Attempts a second as a multiple of what the server takes; '
      .. '1001, restart of 5 s</text>'):format(LEFT),
  }
  add_axes(out)
  for i, plotted in ipairs(PLOTTED) do
    out[#out + 1] = path_of(find(results, plotted[1]), plotted[2])
    local x, y = WIDTH - 170, TOP + 16 * i
    out[#out + 1] = ('<path class="%s" d="M%d %dh24"/><text x="%d" y="%d">%s</text>'):format(
      plotted[2], x, y - 4, x + 30, y, plotted[1])
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return report
