--- Measures wsclose beside other clients: CPU time of the client per message, or memory per
-- connection.
--
--     lua5.4 bench/run.lua [--rounds N] [--scale F] [--only ROW,…] [--clients NAME,…]
--                          [--cores SERVER,CLIENT] [--idle N] [--write] [--again]
--
-- Rows are the ids of bench/rows.lua or the first word of them, clients the names of
-- bench/clients.lua or a part of them.  Each row's rounds are interleaved: every client once, then
-- every client again.  --scale 0.02 only sees whether the programs work.  Server and client are
-- pinned to one core, so that a wakeup costs the same each time; --cores 0,1 parts them.
--
-- A whole run, and --write, write docs/performance.md and its plot, with the table that
-- bench/memory.lua left in build/bench; --again writes them out of what the last such run found.
-- Ends with 1 if a program that is there failed.

package.path = "./?.lua;./lua/?.lua;" .. package.path

local clients = require "bench.clients"
local plot = require "bench.plot"
local report = require "bench.report"
local rows = require "bench.rows"

local RUN_NS = 0.15e9 -- CPU time of a client in one run
local PATIENCE = 90   -- seconds for one run before it counts as stuck

-- ---------------------------------------------------------------- arguments

local function words_of(text, separator)
  local words = {}
  for word in text:gmatch("[^" .. separator .. "]+") do words[#words + 1] = word end
  return words
end

local function first_line(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line
end

local settings = { rounds = 5, scale = 1, idle = 1000 }

local function fail(...)
  io.stderr:write(string.format(...), "\n")
  os.exit(1)
end

-- The head of this file, up to its first empty line.
local function print_help()
  for line in io.lines "bench/run.lua" do
    if line == "" then os.exit(0) end
    print((line:gsub("^%-%-%-? ?", "")))
  end
end

local function read_arguments()
  local take = {
    ["--rounds"] = function(word) settings.rounds = assert(tonumber(word)) end,
    ["--scale"] = function(word) settings.scale = assert(tonumber(word)) end,
    ["--idle"] = function(word) settings.idle = assert(tonumber(word)) end,
    ["--only"] = function(word) settings.only = words_of(word, ",") end,
    ["--clients"] = function(word) settings.clients = words_of(word, ",") end,
    ["--cores"] = function(word) settings.cores = words_of(word, ",") end,
  }
  local i = 1
  while arg[i] do
    if arg[i] == "--help" then
      print_help()
    elseif arg[i] == "--write" or arg[i] == "--again" then
      settings[arg[i]:sub(3)] = true
    elseif take[arg[i]] and arg[i + 1] and pcall(take[arg[i]], arg[i + 1]) then
      i = i + 1
    else
      fail("bench/run.lua: what is '%s'?  --help lists what there is", arg[i])
    end
    i = i + 1
  end
  local last = tostring(tonumber(first_line "getconf _NPROCESSORS_ONLN") - 1)
  settings.cores = settings.cores or { last, last }
  local whole = settings.rounds >= 5 and settings.scale >= 1
  settings.write = settings.write or whole and not settings.only and not settings.clients
end

local function chosen(list, choice, fits)
  if not choice then return list end
  local kept = {}
  for _, each in ipairs(list) do
    for _, word in ipairs(choice) do
      if fits(each, word) then
        kept[#kept + 1] = each
        break
      end
    end
  end
  if #kept == 0 then fail("bench/run.lua: nothing is named %s", table.concat(choice, ",")) end
  return kept
end

local function row_fits(row, word)
  return row.id == word or row.id:sub(1, #word + 1) == word .. "-" or row.workload == word
end

local function client_fits(client, word)
  return client.name:lower():find(word:lower(), 1, true) ~= nil
end

-- ---------------------------------------------------------------- programs

local function succeeds(command)
  return os.execute(command .. " >/dev/null 2>&1") == true
end

local function build(target)
  local log = "build/bench/build.log"
  return os.execute(("make -s -f bench/programs.mk %s >%s 2>&1"):format(target, log)) == true
end

local installed = {}

-- Whether a client is there, built at the first question.
local function is_installed(client)
  local known = installed[client.name]
  if known == nil then
    known = (not client.there or succeeds(client.there))
      and (not client.build or build(client.build))
    installed[client.name] = known
    if not known then io.stderr:write(("not installed: %s (needs %s)\n"):format(client.name,
      client.needs)) end
  end
  return known
end

-- The server lives as long as the pipe to its standard input.
local function start_server()
  if not build "build/bench/server" then
    fail "the server cannot be built; build/bench/build.log tells why"
  end
  local fifo = "build/bench/ports"
  os.execute(("rm -f %s && mkfifo %s"):format(fifo, fifo))
  local command = "ulimit -n $(ulimit -H -n); exec taskset -c %s build/bench/server >%s"
  local pipe = assert(io.popen(command:format(settings.cores[1], fifo), "w"))
  local file = assert(io.open(fifo))
  local plain, tls = (file:read "*l" or ""):match "^(%d+) (%d+)$"
  file:close()
  os.remove(fifo)
  if not plain then fail "the server does not say its ports" end
  return pipe, { plain = "ws://127.0.0.1:" .. plain, tls = "wss://127.0.0.1:" .. tls }
end

-- The measured number per unit, and the nanoseconds (or bytes) of the whole run; or nil, sentence.
local function run(client, row, urls, count)
  local command = "ulimit -n $(ulimit -H -n); timeout %d taskset -c %s %s %s %s %d %d 2>&1"
  local url = row.tls and urls.tls or urls.plain
  local pipe = assert(io.popen(command:format(PATIENCE, settings.cores[2], client.command, url,
    row.workload, row.size, count)))
  local text = pipe:read "*a"
  local good = pipe:close()
  local units, amount = text:match "RESULT (%d+) (%-?%d+)"
  if not good or not units then return nil, text:match "[^\n]+" or "it ended without a word" end
  return tonumber(amount) / tonumber(units) / (row.per or 1), tonumber(amount)
end

-- ---------------------------------------------------------------- measuring

local failures = 0

local function note_failure(client, row, sentence)
  failures = failures + 1
  io.stderr:write(("%s, %s: %s\n"):format(row.id, client.name, sentence))
end

-- How many units take RUN_NS.  One run tells; where it was too short to tell, a second one.
local function find_count(client, row, urls)
  local count, wanted = row.first, RUN_NS * settings.scale
  for try = 1, 2 do
    local good, amount = run(client, row, urls, count)
    if not good then return nil, amount end
    local enough = amount > wanted / 20
    count = math.max(2, math.floor(count * (enough and wanted / amount or 10)))
    if enough or try == 2 then return count end
  end
end

local function count_for(client, row, urls)
  if row.workload == "idle" then return math.max(10, math.floor(settings.idle * settings.scale)) end
  if settings.scale < 0.1 then return math.max(2, math.floor(row.first * settings.scale * 10)) end
  return find_count(client, row, urls)
end

local function can(client, row)
  local list = " " .. (row.tls and client.tls or not row.tls and client.workloads or "") .. " "
  for _, word in ipairs { row.workload, row.also } do
    if not list:find(" " .. word .. " ", 1, true) then return false end
  end
  return true
end

local function measured(values)
  table.sort(values)
  return {
    median = values[math.floor((#values + 1) / 2)],
    low = values[1], high = values[#values], runs = #values,
  }
end

-- Who takes part in a row, with the units of each; and what is known of the others.
local function line_up(row, list, urls)
  local results, taking_part = {}, {}
  for _, client in ipairs(list) do
    local result = { name = client.name }
    if not can(client, row) then
      result = nil
    elseif not is_installed(client) then
      result.missing = "not installed"
    else
      local count, sentence = count_for(client, row, urls)
      if count then
        taking_part[#taking_part + 1] = { client = client, count = count, values = {},
          result = result }
      else
        result.missing = "failed"
        note_failure(client, row, sentence)
      end
    end
    results[#results + 1] = result
  end
  return results, taking_part
end

local function one_round(row, taking_part, urls)
  for _, part in ipairs(taking_part) do
    local value, sentence = run(part.client, row, urls, part.count)
    if value then
      part.values[#part.values + 1] = value
    else
      note_failure(part.client, row, sentence)
    end
  end
end

local function measure(row, list, urls)
  local results, taking_part = line_up(row, list, urls)
  local rounds = row.workload == "idle" and 1 or settings.rounds -- memory does not flutter
  for _ = 1, rounds do one_round(row, taking_part, urls) end
  for _, part in ipairs(taking_part) do
    if #part.values == 0 then part.result.missing = "failed" end
    for key, value in pairs(#part.values > 0 and measured(part.values) or {}) do
      part.result[key] = value
    end
  end
  return results
end

-- ---------------------------------------------------------------- the machine

local function version(command)
  return first_line(command .. " 2>/dev/null | head -n 1") or "none"
end

local function machine()
  return {
    cpu = version "sed -n 's/^model name.*: //p' /proc/cpuinfo",
    cores = first_line "getconf _NPROCESSORS_ONLN",
    kernel = version "uname -sr",
    system = version "sed -n 's/^PRETTY_NAME=\"\\(.*\\)\"/\\1/p' /etc/os-release",
    compiler = version "${CC:-cc} --version",
    versions = {
      version "openssl version | cut -d' ' -f1,2",
      "zlib " .. version "sed -n 's/#define ZLIB_VERSION \"\\(.*\\)\"/\\1/p' /usr/include/zlib.h",
      version "lua5.4 -v | cut -d' ' -f1,2",
      version "luajit -v | cut -d' ' -f1,2",
    },
    date = os.date "!%Y-%m-%d",
    same_core = settings.cores[1] == settings.cores[2],
    rounds = settings.rounds,
    idle = settings.idle,
    seconds = RUN_NS * settings.scale / 1e9,
  }
end

local function read_file(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

local function write_file(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  file:close()
end

local FOUND = "build/bench/found.lua"

-- As Lua text: tables of strings, numbers, booleans and such tables.
local function text_of(value)
  if type(value) ~= "table" then return ("%q"):format(value) end
  local fields = {}
  for key, field in pairs(value) do
    fields[#fields + 1] = ("[%s]=%s"):format(text_of(key), text_of(field))
  end
  return "{" .. table.concat(fields, ",") .. "}"
end

local function memory_table()
  local file = io.open "build/bench/memory.md"
  if not file then return "`make bench-memory` was not run before this page was written." end
  local text = file:read "*a"
  file:close()
  return (text:gsub("%s+$", ""))
end

local function write_documents(found)
  found.machine.memory = memory_table()
  local template = read_file "bench/performance.md.in"
  write_file("docs/performance.md", report.document(template, found.results, found.machine))
  write_file("docs/performance.svg", plot.svg(found.results))
  print "docs/performance.md and docs/performance.svg are written"
end

read_arguments()
os.execute "mkdir -p build/bench"
if settings.again then
  write_documents(dofile(FOUND))
  os.exit(true)
end
local list = chosen(clients, settings.clients, client_fits)
local pipe, urls = start_server()
local results = {}
for _, row in ipairs(chosen(rows, settings.only, row_fits)) do
  results[row.id] = measure(row, list, urls)
  print(report.console(row, results))
  io.stdout:flush()
end
pipe:close()
if settings.write then
  local found = { results = results, machine = machine() }
  write_file(FOUND, "return " .. text_of(found))
  write_documents(found)
end
os.exit(failures == 0)
