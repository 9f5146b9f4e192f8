--- What a hostile server does to a client, as bytes fed to a connection without a socket: for
-- spec/conformance/limits_spec.lua, which holds the bounds, and bench/limits.lua, which measures.
--
-- Work is counted, not timed: bytes taken until the connection ended, the most memory that it held
-- meanwhile, allocations, bytes that went out, events for the program.

local counted = require "support.counted"
local handshake = require "support.scripted.handshake"
local memory = require("wsclose.core_testing").memory
local uncounted = require "wsclose"
local wire = require "support.wire"

local attacks = {}

local MIB, KIB = 1024 * 1024, 1024
local PIECE = 65536 -- what one read of a socket brings
local DEFLATE = { extensions = "permessage-deflate" }

---@class attacks.Attack
---@field [1] string what the server does
---@field options? table of wsclose.protocol
---@field answer? table|string to the handshake; false: the attack is the answer
---@field say fun(say: fun(bytes: string): boolean, share?: number) says bytes for as long as that
---  gives true
---@field pace? number seconds between two reads
---@field held? boolean reads nothing
---@field closes? boolean the program has closed before
---@field on? boolean goes on after the connection has failed
---@field ends? string code and name of the error; nil: it does not end by this
---@field may_end? string or so, by how the network cuts what comes
---@field bytes? number the most bytes it may take until the end
---@field memory number the most bytes that the connection may hold, beyond what it held before
---@field allocations number the most of them
---@field out number the most bytes that may go out
---@field limit string what holds it, for the page

local frame = wire.frame

local function rep(bytes, total)
  local piece = bytes:rep(math.max(1, math.floor(PIECE / #bytes)))
  return function(say, share)
    local said = 0
    while said < total * (share or 1) and say(piece) do said = said + #piece end
  end
end

local function in_bytes(bytes)
  return function(say, share)
    for i = 1, #bytes * (share or 1) do
      if not say(bytes:sub(i, i)) then return end
    end
  end
end

-- So many zeros as one compressed message.
local function zeros(size)
  local server = uncounted.protocol(nil, {
    role = "server", limits = { send_queue = 2 * size },
  })
  server:input(attacks.request)
  assert(server:next() == "open")
  server:output()
  assert(server:send(("\0"):rep(size), "binary"))
  return server:output()
end

attacks.request = table.concat({
  "GET / HTTP/1.1", "Host: a.example", "Upgrade: websocket", "Connection: Upgrade",
  "Sec-WebSocket-Key: d3d3d3d3d3d3d3d3d3d3dw==", "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Extensions: permessage-deflate", "", "",
}, "\r\n")

attacks.all = {
  { "a decompression bomb: a message of 64 MiB in 64 KB", answer = DEFLATE,
    say = function(say) say(zeros(64 * MIB)) end,
    ends = "1009 too_big", memory = 17 * MIB, allocations = 40, out = 70,
    limit = "`limits.message`, 16 MiB, counted while inflating" },
  { "messages of 16 KiB in 35 bytes, 120,000 of them", answer = DEFLATE,
    -- a byte less than what Lua 5.5 is given without a copy: that memory is the program's
    say = function(...) rep(zeros(16 * KIB - 1), 4 * MIB)(...) end,
    memory = 256 * KIB, allocations = 40, out = 0,
    limit = "none: each is a message. DEFLATE can do 1,000 to 1" },
  { "BFINAL blocks without end", answer = DEFLATE,
    say = function(say) say(frame { rsv1 = true, payload = ("\3\0"):rep(MIB) }) end,
    ends = "1002 deflate", bytes = PIECE, memory = 512 * KIB, allocations = 30, out = 60,
    limit = "64 of them in a message" },
  { "fragments of a byte without end",
    say = function(say)
      if not say(frame { payload = "a", fin = false }) then return end
      rep(frame { opcode = "continuation", payload = "a", fin = false }, 3e6)(say)
    end,
    ends = "1009 too_big", bytes = 3 * 262145 + PIECE, memory = 512 * KIB, allocations = 30,
    out = 70, limit = "`limits.fragments`, 262,144" },
  { "fragments without a byte, without end",
    say = function(say)
      if not say(frame { payload = "", fin = false }) then return end
      rep(frame { opcode = "continuation", fin = false }, 2e6)(say)
    end,
    ends = "1009 too_big", bytes = 2 * 262145 + PIECE, memory = 128 * KIB, allocations = 20,
    out = 70, limit = "`limits.fragments`" },
  { "a million pings of 125 bytes, whose pongs it does not read", held = true,
    say = rep(frame { opcode = "ping", payload = ("p"):rep(125) }, 127e6),
    memory = 128 * KIB, allocations = 30, out = 0, limit = "64 pongs wait, and the latest" },
  { "a million pings, whose pongs it reads",
    say = rep(frame { opcode = "ping", payload = "p" }, 3e6),
    memory = 128 * KIB, allocations = 80, out = 40000,
    limit = "of the pings that come at once 64 are answered, and the latest" },
  { "a million pongs that nobody asked for", say = rep(frame { opcode = "pong" }, 2e6),
    memory = 128 * KIB, allocations = 20, out = 0, limit = "none: each is thrown away" },
  { "a frame of 2^63 bytes", say = function(say) say("\130\127\128\0\0\0\0\0\0\0") end,
    ends = "1002 protocol", bytes = 10, memory = 128 * KIB, allocations = 20, out = 70,
    limit = "RFC 6455 5.2" },
  { "a frame of 2^63 - 1 bytes", say = function(say) say("\130\127\127" .. ("\255"):rep(7)) end,
    ends = "1009 too_big", bytes = 10, memory = 128 * KIB, allocations = 20, out = 90,
    limit = "`limits.frame`, 16 MiB, told by the head" },
  { "the head of a frame of 16 MiB, and nothing behind it",
    say = function(say) say("\130\127\0\0\0\0\1\0\0\0") end,
    memory = 128 * KIB, allocations = 20, out = 0,
    limit = "room is made for what has come, not for what is announced" },
  { "a message of 1 MiB, each byte by itself", say = in_bytes(frame { payload = ("x"):rep(MIB) }),
    memory = 3 * MIB, allocations = 20, out = 0, limit = "`limits.message`" },
  { "a million Closes", on = true, say = rep(frame { opcode = "close", payload = "\3\232" }, 4e6),
    ends = "1000", memory = 128 * KIB, allocations = 20, out = 8,
    limit = "what follows the first is thrown away" },
  { "messages without end behind our Close, 1 MiB a second",
    on = true, closes = true, pace = 1 / 16,
    say = rep(frame { payload = ("x"):rep(1000) }, 64e6),
    ends = "1006 close_timeout", bytes = 6 * MIB, memory = 128 * KIB, allocations = 20, out = 8,
    limit = "`timeouts.close`, 5 s" },
  { "bytes without end behind a fault, 1 MiB a second", on = true, pace = 1 / 16,
    say = function(say)
      if say(frame { opcode = 3 }) then rep(("x"):rep(1000), 64e6)(say) end
    end,
    ends = "1002 protocol", bytes = 3 * MIB, memory = 128 * KIB, allocations = 20, out = 40,
    limit = "`timeouts.linger`, 2 s" },
  { "an answer of 10,000 header lines", answer = false,
    say = function(say)
      if say "HTTP/1.1 101 Switching Protocols\r\n" then rep("A: b\r\n", 60000)(say) end
    end,
    ends = "1006 handshake", bytes = 2 * PIECE, memory = 256 * KIB, allocations = 20, out = 0,
    limit = "`limits.header`, 16 KiB, and 128 lines" },
  { "the same, each byte by itself", answer = false,
    say = in_bytes("HTTP/1.1 101 Switching Protocols\r\n" .. ("A: b\r\n"):rep(10000)),
    ends = "1006 handshake", bytes = 16 * KIB, memory = 256 * KIB, allocations = 20, out = 0,
    limit = "the same" },
  { "the same, a byte a second", answer = false, pace = 1,
    say = in_bytes("HTTP/1.1 101 Switching Protocols\r\n" .. ("A: b\r\n"):rep(10000)),
    ends = "1006 timeout", bytes = 6, memory = 256 * KIB, allocations = 20, out = 0,
    limit = "`timeouts.handshake`, 5 s" },
  { "100 Continue without end", answer = false,
    say = rep("HTTP/1.1 100 Continue\r\n\r\n", 4e6),
    ends = "1006 handshake", bytes = PIECE, memory = 128 * KIB, allocations = 700, out = 0,
    limit = "`limits.header` for all heads together" },
  { "a refusal whose body does not end", answer = false, on = true,
    say = function(say)
      if say "HTTP/1.1 403 No\r\n\r\n" then rep(("x"):rep(1000), 16e6)(say) end
    end,
    ends = "1006 http", bytes = PIECE, memory = 128 * KIB, allocations = 20, out = 0,
    limit = "4 KiB are kept, and no more is read" },
}

-- Puts the attack in front of a client, whose calls `timed` makes.
local function meet(attack, p, timed, share)
  local told = { bytes = 0, events = 0, out = 0, time = 0 }
  local function take()
    local event, a, _, c = timed(p.next, p)
    while event do
      told.events = told.events + 1
      if event == "close" then told.code, told.info = a, c end
      event, a, _, c = timed(p.next, p)
    end
    if not attack.held then told.out = told.out + #timed(p.output, p) end
  end
  local function goes_on()
    return not told.code and (attack.on or p:state() ~= "closing")
  end
  local function say(bytes)
    for first = 1, #bytes, PIECE do
      if not goes_on() then return false end
      local piece = bytes:sub(first, first + PIECE - 1)
      told.bytes = told.bytes + #piece
      if attack.pace then
        told.time = told.time + attack.pace
        timed(p.tick, p, told.time)
      end
      timed(p.input, p, piece)
      take()
    end
    return goes_on()
  end
  p:tick(0)
  if attack.closes then
    p:close()
    take()
    p:tick(0)
  end
  attack.say(say, not attack.ends and share or 1)
  told.state = p:state()
  return told, take
end

local function plainly(call, ...) return call(...) end

--- Lets one attack happen.
---@param attack attacks.Attack
---@param timed? fun(call: function, ...): any makes the calls that count
---@param share? number of those that never end, how much of them; default 1
---@return table told bytes, events, out; code, info of the end; memory, allocations
function attacks.play(attack, timed, share)
  local wsclose = counted()
  collectgarbage()
  memory.fail_at()
  memory.peak(true)
  local before = memory.live_bytes()
  local p = assert(wsclose.protocol("ws://a.example/", attack.options or {}))
  local request = handshake.read(p:output())
  if attack.answer ~= false then
    assert(p:input(handshake.answer(request, attack.answer)))
    assert(p:next() == "open")
  end
  local told, take = meet(attack, p, timed or plainly, share)
  told.memory, told.allocations = memory.peak() - before, memory.attempts()
  if attack.ends and not told.code then -- it has failed, and lingers
    p:eof()
    take()
  end
  p:leave()
  return told
end

--- How it ended, in the words of the field `ends`.
---@return string?
function attacks.ending(told)
  if not told.code then return nil end
  local fault = told.info.error
  return told.code .. (fault and " " .. fault.name or "")
end

return attacks
