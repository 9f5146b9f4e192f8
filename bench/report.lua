--- Tables out of what bench/run.lua measured: for the terminal, and for docs/performance.md.
--
-- Results are lists by row id; each entry has `name` and either `median`, `low`, `high`, `runs` or
-- `missing`, which says why there is no figure.

local rows = require "bench.rows"

local report = {}

local OURS = "wsclose, Lua 5.4"

---@class bench.Result
---@field name string of the client
---@field median? number nanoseconds per unit; bytes in an idle row
---@field low? number
---@field high? number
---@field missing? string

-- ---------------------------------------------------------------- figures

local function is_memory(row)
  return row.workload == "idle"
end

-- Three digits that count.
local function rounded(value)
  if value >= 100 then return ("%.0f"):format(value) end
  return (value >= 10 and "%.1f" or "%.2f"):format(value)
end

local function grouped(digits)
  local whole, rest = digits:match "^(%d+)(.*)$"
  whole = whole:reverse():gsub("(%d%d%d)", "%1 "):reverse():gsub("^ ", "")
  return whole .. rest
end

---@param row bench.Row
---@param value number
---@return string
function report.figure(row, value)
  if is_memory(row) then return ("%.1f KiB"):format(value / 1024) end
  if row.workload == "connect" then return rounded(value / 1000) .. " µs" end
  return grouped(rounded(value)) .. " ns"
end

---@param results table<string, bench.Result[]>
---@return bench.Result? result of a client in a row
function report.find(results, id, name)
  for _, result in ipairs(results[id] or {}) do
    if result.name == name then return result end
  end
end

local function median(results, id, name)
  local result = report.find(results, id, name)
  return result and result.median
end

--- The client whose ratio is 1.
function report.raw_of(row)
  return row.raw or "raw"
end

---@return number? ratio to the raw client of the row
function report.ratio(row, results, name)
  local own, raw = median(results, row.id, name), median(results, row.id, report.raw_of(row))
  return own and raw and not is_memory(row) and own / raw or nil
end

-- ---------------------------------------------------------------- targets

---@class bench.Verdict
---@field client string
---@field limit string the target in words
---@field value? string what was reached, in the same measure
---@field met? boolean nil: not measured

local function check_bytes(row, results, target, name)
  local own = median(results, row.id, name)
  return {
    client = name, limit = "≤ " .. report.figure(row, target.bytes),
    value = own and report.figure(row, own), met = own and own <= target.bytes,
  }
end

local function check_ratio(row, results, target, name)
  local own = median(results, row.id, name)
  local base = median(results, row.id, target.of)
  local ratio = own and base and own / base
  return {
    client = name, limit = ("≤ %.2f × %s"):format(target.most, target.of),
    value = ratio and ("%.2f"):format(ratio), met = ratio and ratio <= target.most,
  }
end

---@param row bench.Row
---@param results table<string, bench.Result[]>
---@return bench.Verdict[]
function report.check(row, results)
  local verdicts = {}
  for i, target in ipairs(row.targets) do
    local check = target.bytes and check_bytes or check_ratio
    verdicts[i] = check(row, results, target, target.client or OURS)
  end
  return verdicts
end

local function word_of(verdict)
  if verdict.met == nil then return "not measured" end
  return verdict.met and "met" or "not met"
end

-- ---------------------------------------------------------------- one row's table

local function cells_of(row, results, result)
  if is_memory(row) then
    return { result.name, result.missing or report.figure(row, result.median) }
  end
  if result.missing then return { result.name, result.missing, "", "" } end
  local ratio = report.ratio(row, results, result.name)
  local spread = result.runs == 1 and "" or ("%s – %s"):format(
    report.figure(row, result.low), report.figure(row, result.high))
  return {
    result.name, report.figure(row, result.median), spread, ratio and ("%.2f"):format(ratio) or "",
  }
end

local function table_of(row, results)
  local lines = { { "client", "per " .. row.unit, "lowest – highest", "× " .. report.raw_of(row) } }
  if is_memory(row) then lines[1] = { "client", "per " .. row.unit } end
  for _, result in ipairs(results[row.id]) do
    lines[#lines + 1] = cells_of(row, results, result)
  end
  return lines
end

-- In characters, not bytes.
local function width(text)
  return #text:gsub("[\128-\191]", "")
end

local function pad(text, size, left)
  local blanks = (" "):rep(size - width(text))
  return left and text .. blanks or blanks .. text
end

local function columns(lines)
  local sizes = {}
  for _, cells in ipairs(lines) do
    for i, cell in ipairs(cells) do sizes[i] = math.max(sizes[i] or 0, width(cell)) end
  end
  return sizes
end

local function verdict_lines(row, results)
  local lines = {}
  for i, verdict in ipairs(report.check(row, results)) do
    lines[i] = ("%s: %s, %s%s"):format(verdict.client, verdict.limit,
      verdict.value and verdict.value .. ": " or "", word_of(verdict))
  end
  return lines
end

--- For the terminal.
---@param row bench.Row
---@param results table<string, bench.Result[]>
---@return string
function report.console(row, results)
  local lines, text = table_of(row, results), { "", row.title .. "  (" .. row.id .. ")" }
  local sizes = columns(lines)
  for _, cells in ipairs(lines) do
    local padded = {}
    for i, cell in ipairs(cells) do padded[i] = pad(cell, sizes[i], i == 1) end
    text[#text + 1] = "  " .. table.concat(padded, "  ")
  end
  for _, line in ipairs(verdict_lines(row, results)) do text[#text + 1] = "  " .. line end
  return table.concat(text, "\n")
end

-- ---------------------------------------------------------------- the document

local function markdown_row(cells)
  return "| " .. table.concat(cells, " | ") .. " |"
end

local function markdown(lines)
  local text, rule = { markdown_row(lines[1]) }, {}
  for i = 1, #lines[1] do rule[i] = i == 1 and "---" or "---:" end
  text[2] = markdown_row(rule)
  for i = 2, #lines do text[#text + 1] = markdown_row(lines[i]) end
  return table.concat(text, "\n")
end

local function best_peer(row, results, peers)
  local best
  for _, result in ipairs(results[row.id] or {}) do
    local fits = peers[result.name] and result.median
    if fits and (not best or result.median < best.median) then best = result end
  end
  return best and report.figure(row, best.median) .. " (" .. best.name .. ")" or ""
end

-- Clients that are no floor and not ours.
local function peers_of(results)
  local peers = {}
  for _, list in pairs(results) do
    for _, result in ipairs(list) do
      local name = result.name
      peers[name] = not (name:find "^raw" or name:find "^Lua floor" or name:find "^wsclose") or nil
    end
  end
  return peers
end

local function figure_or_blank(row, results, name)
  local value = median(results, row.id, name)
  return value and report.figure(row, value) or ""
end

-- One line for each row, one for each further target.
local function summary(results)
  local peers = peers_of(results)
  local lines = { { "", "raw", "Lua floor", OURS, "LuaJIT", "C core", "best other client", "aim",
    "reached" } }
  for _, row in ipairs(rows) do
    local cells = { row.title }
    for i, name in ipairs { report.raw_of(row), "Lua floor", OURS, "wsclose, LuaJIT",
      "wsclose, C core" } do
      cells[i + 1] = figure_or_blank(row, results, name)
    end
    cells[7] = best_peer(row, results, peers)
    local verdicts = report.check(row, results)
    if #verdicts == 0 then verdicts[1] = { limit = "", value = "", client = OURS } end
    for i, verdict in ipairs(verdicts) do
      if i > 1 then cells = { verdict.client == OURS and "" or verdict.client, "", "", "", "", "",
        "" } end
      cells[8], cells[9] = verdict.limit, verdict.value or ""
      lines[#lines + 1] = cells
    end
  end
  return markdown(lines)
end

local function all_tables(results)
  local text = {}
  for _, row in ipairs(rows) do
    if results[row.id] then
      text[#text + 1] = "### " .. row.title .. "\n\n" .. markdown(table_of(row, results))
      local verdicts = verdict_lines(row, results)
      for i, line in ipairs(verdicts) do verdicts[i] = "- " .. line end
      if #verdicts > 0 then text[#text + 1] = table.concat(verdicts, "\n") end
    end
  end
  return table.concat(text, "\n\n")
end

local function machine_lines(machine)
  local pinned = machine.same_core and "server and client pinned to the same core"
    or "server and client pinned to different cores"
  return ("%s, %s cores; %s, %s; %s; %s.\n%s; rounds interleaved, medians of %d; %s."):format(
    machine.cpu, machine.cores, machine.system, machine.kernel, machine.compiler,
    table.concat(machine.versions, ", "),
    pinned:gsub("^%l", string.upper), machine.rounds, machine.date)
end

--- Fills the template's marks: {{machine}}, {{seconds}}, {{summary}}, {{tables}}, {{idle}},
-- {{memory}}.
---@param template string
---@param results table<string, bench.Result[]>
---@param machine table
---@return string
function report.document(template, results, machine)
  local parts = {
    machine = machine_lines(machine), summary = summary(results), tables = all_tables(results),
    idle = tostring(machine.idle), seconds = ("%g"):format(machine.seconds),
    memory = machine.memory,
  }
  return (template:gsub("{{(%w+)}}", function(name)
    return parts[name] or error("bench/performance.md.in: no part is named " .. name)
  end))
end

return report
