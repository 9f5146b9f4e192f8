--- The bytes of WebSocket frames, as a server writes them.
--
-- Written from RFC 6455 alone, in plain Lua, and without wsclose's core, so that a fault of the
-- core cannot hide behind the same fault here.  They may be as illegal as a test likes.  The
-- opening handshake is in handshake.lua.

local byte, char, floor = string.byte, string.char, math.floor
local unpack = rawget(_G, "unpack") or table.unpack -- luacheck: ignore 143

local wire = {}

-- ---------------------------------------------------------------- masking, RFC 6455 5.3

-- Lua 5.1 has no bit operators, so a row of 256 results is worked out for each key byte met: a bit
-- more in the value turns the same bit of the result.
local xor_rows = setmetatable({}, {
  __index = function(rows, key_byte)
    local row = { [0] = key_byte }
    for bit = 0, 7 do
      local place = 2 ^ bit
      local turned = floor(key_byte / place) % 2 == 0 and place or -place
      for value = 0, place - 1 do row[place + value] = row[value] + turned end
    end
    rows[key_byte] = row
    return row
  end,
})

local MASK_PIECE = 4096 -- a multiple of 4, and within what string.byte may return at once

--- Masks or unmasks: the same operation both ways.
---@param bytes string
---@param key string four bytes
---@return string
function wire.mask(bytes, key)
  local rows = {}
  for i = 1, 4 do
    rows[i] = xor_rows[byte(key, i)]
  end
  local pieces = {}
  for first = 1, #bytes, MASK_PIECE do
    local values = { byte(bytes, first, math.min(first + MASK_PIECE - 1, #bytes)) }
    for i = 1, #values do
      values[i] = rows[(i - 1) % 4 + 1][values[i]]
    end
    pieces[#pieces + 1] = char(unpack(values))
  end
  return table.concat(pieces)
end

-- ---------------------------------------------------------------- numbers in network order

local function from_number(value, width)
  local bytes = {}
  for i = width, 1, -1 do
    bytes[i] = char(value % 256)
    value = floor(value / 256)
  end
  return table.concat(bytes)
end

-- ---------------------------------------------------------------- frames, RFC 6455 5.2

wire.CLOSE, wire.PING, wire.PONG = 8, 9, 10

local OPCODES = { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 }

---@param opcode integer|string a number 0-15, or a name
---@return integer
function wire.opcode(opcode)
  return OPCODES[opcode] or assert(tonumber(opcode), "no such opcode: " .. tostring(opcode))
end

---@class wsclose.testing.FrameToWrite
---@field opcode? integer|string default "text"
---@field payload? string default ""
---@field fin? boolean default true
---@field rsv1? boolean
---@field rsv2? boolean
---@field rsv3? boolean
---@field mask? string four bytes: a masked frame (a server must not send one)
---@field form? 7|16|64 how the length is written; default: the shortest that holds it
---@field length? number|string the length the head claims; a string is written as it stands, in
--- place of the 2 or 8 extended bytes (for 2^63 and up). Default: the payload's

---@param length number
---@return 7|16|64
local function shortest_form(length)
  return length < 126 and 7 or length < 65536 and 16 or 64
end

local function length_bytes(length, form, mask_bit)
  local extended = type(length) == "string" and length
  form = form or extended and #extended * 8 or shortest_form(length)
  if form == 7 then
    return char(mask_bit + length)
  end
  return char(mask_bit + (form == 16 and 126 or 127)) .. (extended or from_number(length, form / 8))
end

--- One frame, as legal or illegal as asked.
---@param frame wsclose.testing.FrameToWrite
---@return string bytes
function wire.frame(frame)
  local payload, first = frame.payload or "", wire.opcode(frame.opcode or "text")
  first = first + (frame.fin == false and 0 or 128)
  first = first + (frame.rsv1 and 64 or 0) + (frame.rsv2 and 32 or 0) + (frame.rsv3 and 16 or 0)
  local length = length_bytes(frame.length or #payload, frame.form, frame.mask and 128 or 0)
  if frame.mask then
    payload = frame.mask .. wire.mask(payload, frame.mask)
  end
  return char(first) .. length .. payload
end

---@param code? integer nil: an empty Close
---@param reason? string
---@return string payload of a Close frame, RFC 6455 5.5.1
function wire.close_payload(code, reason)
  return code and from_number(code, 2) .. (reason or "") or ""
end

return wire
