--- Takes from Lua what leads to the file system or to other programs.
io, dofile, loadfile = nil, nil, nil -- luacheck: ignore 121
-- luacheck: ignore 121
os = { time = os.time, clock = os.clock, date = os.date, getenv = os.getenv }
local searchers = package.searchers or package.loaders -- luacheck: ignore 143
while #searchers > 1 do table.remove(searchers) end -- the first one looks into package.preload
package.path, package.cpath, package.loadlib = "", "", nil -- luacheck: ignore 122 142
