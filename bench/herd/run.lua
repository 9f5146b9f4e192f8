-- `make herd`: simulates the fleets; writes docs/retry.md, between its markers, and docs/herd.svg.
--   luajit bench/herd/run.lua [clients]
-- From the repository's root; with "part" and a number as further arguments it does that part.

package.path = "./lua/?.lua;./?.lua;" .. package.path
local measure = require "bench.herd.measure"
local report = require "bench.herd.report"

local CLIENTS = 20000

local clients = tonumber(arg[1]) or CLIENTS

if arg[2] == "part" then
  return measure.part(tonumber(arg[3]), clients, function(...)
    local words = { ... }
    for i = 1, #words do words[i] = tostring(words[i]) end
    print(table.concat(words, " "))
  end)
end

local began = os.time()
local results = measure.all(("'%s' bench/herd/run.lua %d part %%d"):format(arg[-1], clients))
local tables = report.tables(results, clients)
print(tables)
report.write_into("docs/retry.md", "make herd", tables)
report.write("docs/herd.svg", report.svg(results))
print(("\n%d s; docs/retry.md and docs/herd.svg are written"):format(os.time() - began))
