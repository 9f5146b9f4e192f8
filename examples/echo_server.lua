--- A WebSocket server that echoes, for trying a client: `wsclose serve` without the command line.
--- How it is made, and which messages are commands, stands in lua/wsclose/cli/serve.lua.
---
---     lua examples/echo_server.lua [port]      (default 8080; 0: a free one)

local serve = require "wsclose.cli.serve"
local socket = require "socket"

-- A second argument is the port of a program that started this one: it is told what is printed
-- here, and when it ends, this ends.
local port, parent_port = tonumber(arg[1]) or 8080, tonumber(arg[2])
local parent = parent_port and assert(socket.connect("127.0.0.1", parent_port))

local function say(line)
  if parent then
    parent:send(line .. "\n")
  else
    print(line)
    io.stdout:flush()
  end
end

local ok, fault = serve.run(port, say, parent)
if not ok then
  io.stderr:write(fault, "\n")
  os.exit(1)
end
