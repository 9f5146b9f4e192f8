--- A WebSocket server that does exactly what a spec tells it, well or badly.
--
-- It lives in the same process as the client under test and moves in lockstep with it: nothing
-- runs but in `server:step()` and `ws:update(0)`, which `pump` calls in turn until what the spec
-- waits for has happened.  It listens on 127.0.0.1, on a port the kernel chose, and never blocks.
-- Its frames and handshake are not the core's: support/wire.lua, and scripted/handshake.lua.
-- Where a spec is about what a program is told, wsclose.testing itself does, without a network.
--
--     local scripted = require "support.scripted_server"
--
--     local server = scripted.new(function(c)      -- plays the server, from top to bottom
--       c:upgrade()                                 -- the request is read and checked, 101 sent
--       c:expect("text", "hello")
--       c:send_close(1001, "restarting")
--       c:expect_close(1001)
--       c:finish()
--     end)
--     local ws = wsclose.new(server:url("/feed"), { … })
--     scripted.pump(ws, server, function() return ws:state() == "closed" end)
--     assert.equal(1001, server.connections[1].close.code)   -- everything is on record
--     scripted.close_all()                                    -- in after_each
--
-- The first connection plays the first script, the second the second; the last one is repeated:
-- `scripted.new { first, second, receive_buffer = 4096 }`.  All verbs are in scripted/verbs.lua:
--
--   waits    read_request  frame  expect  expect_close  message  read  wait_end  told  pass  stall
--   sends    upgrade  refuse  send  send_hex  send_frame  send_text  send_binary  send_ping
--            send_pong  send_close  flood_pings  drip  echo  answer_close  close_session
--   ends     finish (FIN)  half_close  reset (RST)
--   records  request  frames  close  ended  bytes_in
--
-- A script that returns leaves its connection open: what comes is still recorded, and TCP is closed
-- once the client closes it.

local loopback = require "support.loopback"
local socket = require "socket"
local Connection = require "support.scripted.verbs"

local scripted = {
  wire = require "support.wire",
  handshake = require "support.scripted.handshake",
}

--- How long `pump` goes on before it calls a spec stuck; no measure of speed.
scripted.patience = 30

---@alias scripted.Script fun(connection: scripted.Connection)

---@class scripted.Options
---@field [integer] scripted.Script one for each connection, in order; the last is repeated
---@field host? string numeric, default "127.0.0.1"; "::1" for IPv6
---@field accept? boolean false: the kernel takes connections, the server never looks at them
---@field receive_buffer? integer bytes the kernel may hold for the server: few, so that a client's
--- queue fills when the script sets `reading = false`

---@class scripted.Server
---@field host string
---@field port integer
---@field connections scripted.Connection[] all that were ever accepted, in order
local Server = {}
Server.__index = Server

local open_servers = {}

local function new_socket(host, port, receive_buffer)
  local listener = assert(host:find ":" and socket.tcp6() or socket.tcp4())
  listener:settimeout(0)
  listener:setoption("reuseaddr", true)
  if receive_buffer then
    listener:setoption("recv-buffer-size", receive_buffer) -- inherited by what it accepts
  end
  assert(listener:bind(host, port))
  return listener
end

--- A server that listens.
---@param options scripted.Script|scripted.Options
---@return scripted.Server
function scripted.new(options)
  if type(options) == "function" then
    options = { options }
  end
  local self = setmetatable({
    host = options.host or "127.0.0.1",
    scripts = options,
    accepting = options.accept ~= false,
    connections = {},
  }, Server)
  self.listener = new_socket(self.host, 0, options.receive_buffer)
  assert(self.listener:listen(64))
  self.port = tonumber((select(2, self.listener:getsockname())))
  open_servers[self] = true
  return self
end

--- A script from a list of verbs with their arguments: `steps { {"upgrade"}, {"send_text", "a"} }`.
---@param list any[][]
---@return scripted.Script
function scripted.steps(list)
  local unpack = rawget(_G, "unpack") or table.unpack -- luacheck: ignore 143
  return function(connection)
    for _, step in ipairs(list) do
      connection[step[1]](connection, unpack(step, 2, step.n or #step))
    end
  end
end

--- The URL that leads here.
---@param resource? string default "/"
---@param scheme? string default "ws"
---@return string
function Server:url(resource, scheme)
  local host = self.host:find ":" and "[" .. self.host .. "]" or self.host
  return ("%s://%s:%d%s"):format(scheme or "ws", host, self.port, resource or "/")
end

local function accept_all(self)
  local peer = self.listener:accept()
  while peer do
    local index = #self.connections + 1
    local script = assert(self.scripts[index] or self.scripts[#self.scripts], "no script")
    self.connections[index] = Connection.new(peer, index, script)
    peer = self.listener:accept()
  end
end

local function sockets_of_interest(self)
  local to_read, to_write = {}, {}
  if self.listener and self.accepting then
    to_read[1] = self.listener
  end
  for _, connection in ipairs(self.connections) do
    if not connection.finished then
      if connection.reading and not connection.ended then
        to_read[#to_read + 1] = connection.socket
      end
      if connection.to_write[1] then
        to_write[#to_write + 1] = connection.socket
      end
    end
  end
  return to_read, to_write
end

local function step_connection(connection, readable)
  connection.moved = false
  if readable then
    connection:receive()
  end
  if not connection.finished then
    connection:flush()
  end
  connection:resume()
  if connection.done and connection.ended then
    connection:finish()
  end
  return connection.moved
end

--- Does what can be done now: accepts, reads, writes, lets the scripts go on.  Raises what a script
--- raised and what a client did wrong.
---@param seconds? number how long it may wait for the client; default 0
---@return boolean moved was there anything to do?
function Server:step(seconds)
  loopback.settle()
  local to_read, to_write = sockets_of_interest(self)
  local readable = socket.select(to_read, seconds and to_write, seconds or 0)
  local moved = false
  if self.listener and readable[self.listener] then
    accept_all(self)
    moved = true
  end
  for _, connection in ipairs(self.connections) do
    moved = step_connection(connection, readable[connection.socket]) or moved
  end
  if moved then loopback.settle() end
  return moved
end

--- Lets the scripts go on that wait in `told(word)`, now or later.
---@param word string
---@param index? integer of one connection; default: all
function Server:tell(word, index)
  for i, connection in ipairs(self.connections) do
    if (index or i) == i then
      connection.words[word] = true
    end
  end
end

--- Refuses new connections, and keeps the port.
function Server:stop_listening()
  self.listener:close()
  self.listener, self.parked = nil, new_socket(self.host, self.port)
end

--- Takes connections again, on the same port.
function Server:listen_again()
  self.listener, self.parked = assert(self.parked), nil
  assert(self.listener:listen(64))
end

--- Ends everything at once.
function Server:close()
  for _, connection in ipairs(self.connections) do
    connection:finish()
  end
  for _, held in ipairs { self.listener or false, self.parked or false } do
    if held then
      held:close()
    end
  end
  self.listener, self.parked = nil, nil
  open_servers[self] = nil
end

---@return string sentence where every connection stands
function Server:describe()
  local lines = {}
  for i, connection in ipairs(self.connections) do
    lines[i] = connection:describe()
  end
  return #lines > 0 and table.concat(lines, "\n") or "no connection was made"
end

--- Closes all servers, black holes and refused ports that are still open.  Call it in after_each.
function scripted.close_all()
  for server in pairs(open_servers) do
    server:close()
  end
  open_servers = {}
end

-- ---------------------------------------------------------------- addresses that lead nowhere

--- A port on 127.0.0.1 that drops connection attempts: connect() hangs.  The kernel lets one
--- connection wait at a listener without backlog; that place is taken here.
---@return integer port
function scripted.black_hole()
  local listener = new_socket("127.0.0.1", 0)
  assert(listener:listen(0))
  local port = tonumber((select(2, listener:getsockname())))
  local filler = assert(socket.connect("127.0.0.1", port))
  open_servers[{
    close = function()
      filler:close()
      listener:close()
    end,
  }] = true
  return port
end

--- A port on 127.0.0.1 that nobody listens at and nobody else can take: connections are refused.
---@return integer port
function scripted.refused_port()
  local held = new_socket("127.0.0.1", 0)
  open_servers[held] = true
  return tonumber((select(2, held:getsockname())))
end

-- ---------------------------------------------------------------- lockstep

local function is_client(value)
  return type(value) ~= "table" or getmetatable(value) ~= nil or value.update ~= nil
end

local function stuck(clients, server, what)
  local lines = { ("%s did not happen within %d s"):format(what, scripted.patience) }
  for i, client in ipairs(clients) do
    lines[#lines + 1] = ("client %d: %s"):format(i, client.state and client:state() or "?")
  end
  lines[#lines + 1] = server and server:describe()
  error(table.concat(lines, "\n"), 3)
end

--- Lets client and server move in turn until `happened()` is true; what it gives is returned.
--- Fails, with a sentence on where both stand, after `scripted.patience` seconds.
---@generic T
---@param clients any a client, a list of them, or nil
---@param server? scripted.Server
---@param happened fun(): T
---@param what? string what is waited for, for the message
---@return T
function scripted.pump(clients, server, happened, what)
  clients = clients == nil and {} or is_client(clients) and { clients } or clients
  local give_up_at = socket.gettime() + scripted.patience
  local result = happened()
  while not result do
    local moved = server and server:step()
    local wait, busy = moved and 0 or 0.01 / math.max(1, #clients), false
    for _, client in ipairs(clients) do
      busy = client:update(wait) or busy
    end
    result = happened()
    if not result and not moved and not busy and server then
      server:step(0.01)
    end
    if not result and socket.gettime() > give_up_at then
      stuck(clients, server, what or "what the spec waits for")
    end
  end
  return result
end

return scripted
