-- `make herd`: simulates the fleets; writes docs/retry.md, between its markers, and docs/herd.svg.
--   luajit bench/herd/run.lua [clients]
-- From the repository's root; with "part" and a number as further arguments it does that part.

package.path = "./lua/?.lua;./?.lua;" .. package.path
local measure = require "bench.herd.measure"
local report = require "bench.herd.report"

local CLIENTS = 20000
local BEGIN, END = "<!-- make herd begins here -->\n", "<!-- make herd ends here -->"

local clients = tonumber(arg[1]) or CLIENTS

if arg[2] == "part" then
  return measure.part(tonumber(arg[3]), clients, function(...)
    local words = { ... }
    for i = 1, #words do words[i] = tostring(words[i]) end
    print(table.concat(words, " "))
  end)
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function between_markers(text, made)
  local _, first = text:find(BEGIN, 1, true)
  local last = text:find(END, 1, true)
  assert(first and last, "docs/retry.md has no markers")
  return text:sub(1, first) .. "\n" .. made .. "\n\n" .. text:sub(last)
end

local began = os.time()
local results = measure.all(("'%s' bench/herd/run.lua %d part %%d"):format(arg[-1], clients))
local tables = report.tables(results, clients)
print(tables)
local file = assert(io.open("docs/retry.md", "rb"))
local page = file:read "*a"
file:close()
write("docs/retry.md", between_markers(page, tables))
write("docs/herd.svg", report.svg(results))
print(("\n%d s; docs/retry.md and docs/herd.svg are written"):format(os.time() - began))
