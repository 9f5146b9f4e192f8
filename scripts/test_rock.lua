-- What `luarocks test` runs: the suite under the Lua that LuaRocks is for.
local lua = rawget(_G, "jit") and "luajit" or _VERSION:gsub("Lua ", "lua")
local done = os.execute("make test LUA=" .. lua .. " " .. table.concat(arg, " "))
os.exit((done == true or done == 0) and 0 or 1)
