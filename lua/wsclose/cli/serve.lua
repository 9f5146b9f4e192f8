--- `wsclose serve`: an echo server for trying a client; LuaSocket for the network, the server side
--- of wsclose.protocol for the rest.
---
--- ws://127.0.0.1:PORT/ compresses (permessage-deflate) if the client offers it; /plain has no
--- extension at all.  A text message is a command where it begins with one of these words:
---
---     close CODE REASON   the closing handshake with that code:  close 1001 restarting
---     drop                ends TCP without a Close frame: the client gets 1006
---
--- Ctrl-C sends Close 1001 to all and ends it.

local socket = require "socket"
local wsclose = require "wsclose"

local serve = {}

local TICK = 0.1 -- seconds between two looks at the clock, and at Ctrl-C
local HEAD_MAX = 16384

---@class wsclose.cli.Server
---@field say fun(line: string)
---@field connections table<table, wsclose.cli.Connection> by socket
---@field parent? table a socket that ends all when it ends

-- ---------------------------------------------------------------- a connection

---@class wsclose.cli.Connection
---@field socket table
---@field head string? what came before the request line was whole; nil from then on
---@field protocol table? wsclose.protocol
---@field output string bytes that the socket did not take yet
---@field answers string[] bytes behind those
---@field server wsclose.cli.Server

local function add(server, peer)
  peer:settimeout(0)
  peer:setoption("tcp-nodelay", true)
  server.connections[peer] = {
    socket = peer, head = "", output = "", answers = {}, server = server,
  }
end

local function is_there(c) return c.server.connections[c.socket] == c end

local function drop(c)
  c.socket:close()
  c.server.connections[c.socket] = nil
end

local function new_protocol(target)
  local extensions = { ["permessage-deflate"] = target ~= "/plain" and {} or false }
  return wsclose.protocol(nil, { role = "server", extensions = extensions })
end

local commands = {
  drop = drop,
  close = function(c, rest)
    local code, reason = rest:match "^%s*(%d+)%s*(.-)%s*$"
    local ok, why = pcall(c.protocol.close, c.protocol, tonumber(code) or 1000, reason or "")
    if not ok then c.protocol:send(why) end
  end,
}

local function answer(c, data, kind)
  local word, rest = data:match "^(%l+)(.*)$"
  local command = kind == "text" and word and commands[word]
  if command then
    command(c, rest)
  else
    c.protocol:send(data, kind)
  end
end

local function close_frame(frame)
  return frame and ("Close %d %q"):format(frame.code, frame.reason) or "no Close"
end

-- An answer is out of the protocol's hands before the next event is looked for: behind a Close it
-- would be dropped.
local function each_event(c)
  local event, a, b, info = c.protocol:next()
  while event do
    if event == "message" then
      answer(c, a, b)
      c.answers[#c.answers + 1] = c.protocol:output()
    elseif event == "close" then
      local line = "got %s, sent %s"
      c.server.say(line:format(close_frame(info.received), close_frame(info.sent)))
    end
    event, a, b, info = c.protocol:next()
  end
end

-- Writes what the socket takes.
local function flush(c)
  c.output = c.output .. table.concat(c.answers) .. c.protocol:output()
  c.answers = {}
  local sent, why, partial = c.socket:send(c.output)
  c.output = c.output:sub((sent or partial) + 1)
  return why ~= "closed"
end

-- Events, then output; after both Closes TCP is ended, by the server first (RFC 6455 7.1.1).
local function step(c)
  if not c.protocol then return end
  each_event(c)
  if not is_there(c) then return end
  local alive = flush(c)
  if not alive or c.output == "" and c.protocol:finished() then
    c.protocol:eof()
    each_event(c)
    drop(c)
  end
end

local function take(c, bytes)
  if c.head then
    c.head = c.head .. bytes
    local target = c.head:match "^%u+ (/[^%s?]*)%S* HTTP/"
    if not target then return #c.head > HEAD_MAX and drop(c) end
    c.protocol, bytes, c.head = new_protocol(target), c.head, nil
  end
  c.protocol:input(bytes)
end

local function read(c)
  local bytes, why, partial = c.socket:receive(65536)
  bytes = bytes or partial
  if bytes ~= "" then take(c, bytes) end
  if why == "closed" and c.protocol then c.protocol:eof() end
  if is_there(c) then step(c) end
  if why == "closed" and is_there(c) then drop(c) end
end

-- ---------------------------------------------------------------- all of them

-- A client that does not read what it is sent is not read from either.
local function wait(server)
  local to_read, to_write = { server.listener, server.parent }, {}
  for peer, c in pairs(server.connections) do
    local list = c.output == "" and to_read or to_write
    list[#list + 1] = peer
  end
  return socket.select(to_read, to_write, TICK)
end

local function tick_all(server)
  local now = socket.gettime()
  for _, c in pairs(server.connections) do
    if c.protocol then c.protocol:tick(now) end
  end
end

local function serve_all(server)
  local connections, listener = server.connections, server.listener
  while true do
    local readable, writable = wait(server)
    if server.parent and readable[server.parent] then return end
    local peer = readable[listener] and listener:accept()
    if peer then add(server, peer) end
    tick_all(server)
    for _, each in ipairs(readable) do
      if connections[each] then read(connections[each]) end
    end
    for _, each in ipairs(writable) do
      if connections[each] then step(connections[each]) end
    end
  end
end

local function farewell(server)
  for _, c in pairs(server.connections) do
    if c.protocol then
      c.protocol:close(1001, "the server goes away")
      c.socket:send(c.output .. c.protocol:output())
    end
    c.socket:close()
  end
end

--- Serves until Ctrl-C, or until `parent` ends.
---@param port integer 0: a free one
---@param say fun(line: string) is told of the port, and of each Close
---@param parent? table a socket
---@return true? ended
---@return string? sentence why it cannot
function serve.run(port, say, parent)
  local listener, fault = socket.bind("127.0.0.1", port)
  if not listener then return nil, ("127.0.0.1 port %d: %s"):format(port, fault) end
  listener:settimeout(0)
  local server = { say = say, parent = parent, listener = listener, connections = {} }
  say(("listening on ws://127.0.0.1:%d/"):format((select(2, listener:getsockname()))))
  local ok, why = pcall(serve_all, server)
  farewell(server)
  listener:close()
  if not ok and not tostring(why):find "interrupted" then error(why, 0) end
  return true
end

return serve
