-- lua54.exe example.lua ws://127.0.0.1:9001/
local wsclose = require "wsclose"

local ws = assert(wsclose.connect(arg[1]))
ws:send "hello from Windows"
print(ws:receive(5))
ws:close()
print(ws:run(5))
