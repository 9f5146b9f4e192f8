--- A WebSocket server that echoes, for trying a client: LuaSocket for the network, the server side
--- of wsclose.protocol for the rest.
---
---     lua examples/echo_server.lua [port]      (default 8080; 0: a free one)
---
--- ws://127.0.0.1:PORT/ compresses (permessage-deflate) if the client offers it; /plain has no
--- extension at all.  A text message is a command where it begins with one of these words:
---
---     close CODE REASON   the closing handshake with that code:  close 1001 restarting
---     drop                ends TCP without a Close frame: the client gets 1006
---
--- Ctrl-C sends Close 1001 to all and ends the program.

local socket = require "socket"
local wsclose = require "wsclose"

local TICK = 0.1 -- seconds between two looks at the clock, and at Ctrl-C
local HEAD_MAX = 16384

-- A second argument is the port of a program that started this one: it is told what is printed
-- here, and when it ends, this ends.
local port, parent_port = tonumber(arg[1]) or 8080, tonumber(arg[2])
local parent = parent_port and assert(socket.connect("127.0.0.1", parent_port))

local function say(format, ...)
  local line = format:format(...)
  if parent then
    parent:send(line .. "\n")
  else
    print(line)
    io.stdout:flush()
  end
end

-- ---------------------------------------------------------------- a connection

---@class Connection
---@field socket table
---@field head string? what came before the request line was whole; nil from then on
---@field protocol table? wsclose.protocol
---@field output string bytes that the socket did not take yet
local connections = {}

local function add(peer)
  peer:settimeout(0)
  peer:setoption("tcp-nodelay", true)
  connections[peer] = { socket = peer, head = "", output = "" }
end

local function drop(c)
  c.socket:close()
  connections[c.socket] = nil
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

local function each_event(c)
  local event, a, b, info = c.protocol:next()
  while event do
    if event == "message" then
      answer(c, a, b)
    elseif event == "close" then
      say("got %s, sent %s", close_frame(info.received), close_frame(info.sent))
    end
    event, a, b, info = c.protocol:next()
  end
end

-- Writes what the socket takes.
local function flush(c)
  c.output = c.output .. c.protocol:output()
  local sent, why, partial = c.socket:send(c.output)
  c.output = c.output:sub((sent or partial) + 1)
  return why ~= "closed"
end

-- Events, then output; after both Closes TCP is ended, by the server first (RFC 6455 7.1.1).
local function step(c)
  if not c.protocol then return end
  each_event(c)
  if not connections[c.socket] then return end
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
  if connections[c.socket] then step(c) end
  if why == "closed" and connections[c.socket] then drop(c) end
end

-- ---------------------------------------------------------------- all of them

local function wait(listener)
  local to_read, to_write = { listener, parent }, {}
  for peer, c in pairs(connections) do
    to_read[#to_read + 1] = peer
    if c.output ~= "" then to_write[#to_write + 1] = peer end
  end
  return socket.select(to_read, to_write, TICK)
end

local function tick_all()
  local now = socket.gettime()
  for _, c in pairs(connections) do
    if c.protocol then c.protocol:tick(now) end
  end
end

local function serve(listener)
  while true do
    local readable, writable = wait(listener)
    if parent and readable[parent] then return end
    local peer = readable[listener] and listener:accept()
    if peer then add(peer) end
    tick_all()
    for _, each in ipairs(readable) do
      if connections[each] then read(connections[each]) end
    end
    for _, each in ipairs(writable) do
      if connections[each] then step(connections[each]) end
    end
  end
end

local function farewell()
  for _, c in pairs(connections) do
    if c.protocol then
      c.protocol:close(1001, "the server goes away")
      c.socket:send(c.output .. c.protocol:output())
    end
    c.socket:close()
  end
end

local listener, fault = socket.bind("127.0.0.1", port)
if not listener then
  io.stderr:write(("127.0.0.1 port %d: %s\n"):format(port, fault))
  os.exit(1)
end
listener:settimeout(0)
say("listening on ws://127.0.0.1:%d/", (select(2, listener:getsockname())))
local ok, why = pcall(serve, listener)
farewell()
if not ok and not tostring(why):find "interrupted" then error(why, 0) end
