--- One scene, played in three ways: in the scripted world of wsclose.testing, over a socket, over
-- TLS.  A spec that holds in each of them is written once.
--
--     for _, way in ipairs(stage.ways) do
--       it("is told of the end, " .. way, function()
--         local s = stage.open(way, { keepalive = false })
--         s:say(stage.close(1001))         -- the server's bytes, which are there when say returns
--         s:turn()                         -- what the client makes of them: ws:update(0)
--         s:pass(2)                        -- two seconds go by; nothing else does
--         assert.equal(1001, s.closes[1].code)
--       end)
--     end
--
-- Client and server move in lockstep and time is a number, so nothing depends on the machine.  The
-- server answers pings and the Close, until `silence`.  after_each(stage.close_all).

local certificates = require "support.certificates"
local process = require "support.process"
local scripted = require "support.scripted_server"
local socket = require "socket"
local testing = require "wsclose.testing"
local wire = require "support.wire"
local world = require "wsclose.testing.world"
local wsclose = require "wsclose"

local stage = { ways = { "in the scripted world", "over a socket", "over TLS" }, wire = wire }

local WORLD, SOCKET, TLS = stage.ways[1], stage.ways[2], stage.ways[3]

--- The ways with a kernel between client and server.
stage.sockets = { SOCKET, TLS }

-- So much that the kernel opens its window at once when the server reads, and not by a timer: the
-- segments of loopback are as large as 64 KiB.
local RECEIVE_BUFFER = 262144

--- How many seconds a spec may go on in which none go by for the client, before it is called stuck:
-- a kernel looks at a window that was shut by its own clock.  No measure of speed.
local PATIENCE = 20

---@class support.Stage
---@field ws table the client
---@field way string
---@field opens integer how often on_open was called
---@field got string[] the messages that on_message was given, or with the option pieces those that
---  on_piece was, the last of a message with a full stop behind it
---@field pings string[] and the pings
---@field closes {code: integer, reason: string, info: table, at: number}[]
local Stage = {}
Stage.__index = Stage

-- ---------------------------------------------------------------- bytes for the server to say

---@return string bytes
function stage.text(payload)
  return wire.frame { payload = payload }
end

---@return string bytes
function stage.ping(payload)
  return wire.frame { opcode = "ping", payload = payload }
end

---@param code? integer nil: an empty Close
---@return string bytes
function stage.close(code, reason)
  return wire.frame { opcode = "close", payload = wire.close_payload(code, reason) }
end

--- Messages "1", "2", … in a row.
---@param count integer
---@return string bytes
function stage.texts(count)
  local frames = {}
  for i = 1, count do frames[i] = stage.text(tostring(i)) end
  return table.concat(frames)
end

-- ---------------------------------------------------------------- a server behind a kernel

-- Answers as a server does, as long as it is not silent; ends TCP after the Close.
local function script_of(self, options)
  return function(c)
    self.c = c
    if options.stalls == "tls" then c:stall() end
    if options.stalls then
      c:read_request()
      c:stall()
    end
    c:upgrade(options.answer)
    repeat
      local frame = c:wait("a frame or the end", function()
        return c.frames[c.taken + 1] or c.ended
      end, true)
      local is_frame = type(frame) == "table"
      if is_frame then c.taken = c.taken + 1 end
      if is_frame and not self.silent then
        if frame.opcode == wire.PING then c:send_pong(frame.payload) end
        if frame.opcode == wire.CLOSE then
          c:send(wire.frame { opcode = "close", payload = frame.payload })
          c:finish()
          return
        end
      end
    until not is_frame
  end
end

local clients = {}

local front

-- One for all specs of a file: each leads it to its own server.
local function tls_front()
  if not front then
    local made = certificates.shared()
    local peer = "spec/support/peers/tls_front.py"
    local command = { "/usr/bin/python3", peer, made.good.cert, made.good.key, prompt = true }
    front = process.start(command)
  end
  return front
end

local Sockets = {}

function Sockets.start(self, options)
  self.server = scripted.new { script_of(self, options), receive_buffer = RECEIVE_BUFFER }
  if self.way == SOCKET then return self.server:url() end
  tls_front():tell("BACKEND " .. self.server.port)
  Sockets.serve(self) -- the line has to be there before the client
  return ("wss://feed.example:%d/"):format(front.port)
end

-- Both sides' bytes go as far as kernels take them.
function Sockets.serve(self)
  local moved
  repeat
    moved = self.server:step()
    if self.way == TLS then
      front:tell "SYNC"
      moved = front:expect "^SYNCED (%d+)$" ~= "0" or moved
    end
  until not moved
end

function Sockets.say(self, bytes)
  local to_write = self.c.to_write
  to_write[#to_write + 1] = bytes
end

function Sockets.hold(self)
  self.c.reading, self.c.size_wanted = false, math.huge
end

function Sockets.take(self, count)
  self.c:receive(count)
  return self.c.bytes_in
end

function Sockets.release(self)
  self.c.reading, self.c.size_wanted = true, 1
end

function Sockets.frames(self)
  return self.c and self.c.frames or {}
end

-- How TLS ends has to be there before the end.
local function end_by(self, how)
  if self.way ~= TLS then return end
  front:tell("END " .. how)
  Sockets.serve(self)
end

function Sockets.drop(self, cut)
  if cut then end_by(self, "cut") end
  self.c:finish()
end

function Sockets.reset(self)
  end_by(self, "reset")
  self.c:reset()
end

function Sockets.pass(self, seconds)
  self.time = self.time + seconds
end

-- ---------------------------------------------------------------- the server of the scripted world

local World = {}

local HOST = "ws://stage.example/"

function World.start(self, options)
  self.server = testing.server(HOST)
  if options.stalls then self.server:request() else self.server:accept(options.answer) end
  self.time = nil
  local take_connection = self.server.take_connection
  function self.server.take_connection(server)
    local one = take_connection(server)
    local feed = one.feed
    function one.feed(_, bytes)
      self.came[#self.came + 1] = bytes
      feed(one, bytes)
    end
    return one
  end
  return HOST
end

function World.serve()
  world.settle()
end

function World.say(self, bytes)
  self.server:raw(bytes)
end

function World.silence(self)
  self.server:silence()
  world.settle()
end

function World.hold(self)
  self.room = 0
  self.server:hold(0)
  world.settle()
end

function World.take(self, count)
  self.room = self.room + count
  self.server:hold(self.room)
  world.settle()
  return self.room
end

function World.release(self)
  self.server:release()
  world.settle()
end

-- The world's own records are one list for each kind, and not in order.
function World.frames(self)
  local bytes, frames = table.concat(self.came), {}
  local frame, next_at = wire.read_frame(bytes)
  while frame do
    frames[#frames + 1] = frame
    frame, next_at = wire.read_frame(bytes, next_at)
  end
  return frames
end

function World.drop(self)
  self.server:drop()
end

function World.reset(self)
  self.server:reset()
end

-- Nothing else lets time go by within a callback.
function World.pass(_, seconds)
  world.time = world.time + seconds
end

-- ---------------------------------------------------------------- the scene

local function play(self, verb, ...)
  local ways = self.way == WORLD and World or Sockets
  local given = ways[verb](self, ...)
  return given
end

--- The time on the client's clock.
---@return number seconds
function Stage:now()
  return self.time or world.time
end

--- Time goes by, and nothing happens; also within a callback.
function Stage:pass(seconds)
  play(self, "pass", seconds)
end

--- The server does what it can; bytes go as far as kernels take them.
function Stage:serve()
  play(self, "serve")
end

--- The server says these bytes.
function Stage:say(bytes)
  play(self, "say", bytes)
  self:serve()
end

--- Has the client's request come?
function Stage:is_asked()
  local connection = self.c or self.server.current
  return connection and connection.request
end

--- From now on the server answers neither pings nor the Close.
function Stage:silence()
  self.silent = true
  if self.way == WORLD then World.silence(self) end
end

--- From now on the server reads nothing but what `take` says.
function Stage:hold()
  play(self, "hold")
end

--- It reads so many bytes, and does not look at them.
---@return number total that it was given since it held
function Stage:take(count)
  local total = play(self, "take", count)
  if self.way == TLS then Sockets.serve(self) end
  return total
end

--- It reads again, and looks at what comes from here on.
function Stage:release()
  play(self, "release")
end

--- The server ends the connection without a Close; over TLS `cut` keeps the close_notify back.
---@param cut? boolean
function Stage:drop(cut)
  play(self, "drop", cut)
  self:serve()
end

--- The server resets the connection.
function Stage:reset()
  play(self, "reset")
  self:serve()
end

--- What came from the client, in order.
---@return wsclose.testing.Frame[]
function Stage:frames()
  return play(self, "frames")
end

--- The pongs that the server got, in order.
---@return string[] payloads
function Stage:pongs()
  if self.way == WORLD then return self.server.connections[1].pongs end
  local pongs = {}
  for _, frame in ipairs(self.c.frames) do
    if frame.opcode == wire.PONG then pongs[#pongs + 1] = frame.payload end
  end
  return pongs
end

--- All frames as words: "pong 1", "text".
---@return string[]
function Stage:words()
  local words = {}
  for i, frame in ipairs(self:frames()) do
    words[i] = frame.opcode >= 9 and frame.name .. " " .. frame.payload or frame.name
  end
  return words
end

--- One turn of the client, which does not wait, and what the server makes of it.
function Stage:turn()
  self.ws:update(0)
  self:serve()
end

--- Turns, with so many seconds between them, until `happened`.
---@param seconds number
---@param happened fun(): any
---@param most? integer how many turns; default 10000, or with 0 seconds as many as it takes
---@return any result of `happened`, or nil
function Stage:turns(seconds, happened, most)
  local count, give_up_at = 0, socket.gettime() + PATIENCE
  local function goes_on()
    if seconds == 0 and not most then return socket.gettime() < give_up_at end
    return count < (most or 10000)
  end
  while goes_on() do
    self:turn()
    local result = happened()
    if result then return result end
    self:pass(seconds)
    count = count + 1
  end
end

--- Turns until the end was told.
---@return {code: integer, reason: string, info: table, at: number}?
function Stage:until_closed(seconds, most)
  return (self:turns(seconds, function() return self.closes[1] end, most))
end

local function record(self, options)
  local all = { proxy = false, resolve = { ["feed.example"] = "127.0.0.1" } }
  all.tls = { ca_file = self.way == TLS and certificates.shared().ca or nil }
  function all.clock() return self:now() end
  function all.on_open() self.opens = self.opens + 1 end
  if options.pieces then
    function all.on_piece(_, piece, _, last)
      self.got[#self.got + 1] = piece .. (last and "." or "")
    end
  else
    function all.on_message(_, data) self.got[#self.got + 1] = data end
  end
  function all.on_ping(_, data) self.pings[#self.pings + 1] = data end
  function all.on_close(_, code, reason, info)
    self.closes[#self.closes + 1] = { code = code, reason = reason, info = info, at = self:now() }
  end
  for name, value in pairs(options) do all[name] = value end
  all.answer, all.stalls = nil, nil
  return all
end

--- A client that has not begun, and its server.
---@param way string
---@param options? table of wsclose.new; `answer`: of the handshake; `stalls`: there is none, with
--- "tls" not even a request
---@return support.Stage
function stage.new(way, options)
  local self = setmetatable({
    way = way, time = 1000, opens = 0, got = {}, pings = {}, closes = {}, came = {},
  }, Stage)
  local url = play(self, "start", options or {})
  self.ws = assert(wsclose.new(url, record(self, options or {})))
  clients[#clients + 1] = self.ws
  return self
end

--- The same, open.
---@return support.Stage
function stage.open(way, options)
  local self = stage.new(way, options)
  self:turns(0, function() return self.ws:state() == "open" and self.opens + #self.closes > 0 end)
  assert(self.ws:state() == "open", self.closes[1] and tostring(self.closes[1].info) or "not open")
  return self
end

--- Ends servers, clients and the scripted world.  A client whose clock knows it is not collected.
function stage.close_all()
  for _, ws in ipairs(clients) do ws:leave() end
  clients = {}
  scripted.close_all()
  testing.reset()
end

--- For teardown.
function stage.stop_all()
  if front then
    front:stop()
    front = nil
  end
end

return stage
