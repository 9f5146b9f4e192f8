--- wsclose.testing.wire with what only these specs need: frames read and checked, hexadecimal text,
-- DEFLATE without compressing.  As there, nothing of wsclose's core is used.
local written = require "wsclose.testing.wire"

local byte, char, floor = string.byte, string.char, math.floor

local wire = setmetatable({}, { __index = written })

---@param text string hex digits, with blanks anywhere
---@return string bytes
function wire.hex(text)
  return (text:gsub("%s+", ""):gsub("%x%x", function(pair)
    return char(tonumber(pair, 16))
  end))
end

---@param bytes string
---@return string hex lower case, no blanks
function wire.to_hex(bytes)
  return (bytes:gsub(".", function(c)
    return ("%02x"):format(byte(c))
  end))
end

-- ---------------------------------------------------------------- reading frames, RFC 6455 5.2

local OPCODE_NAMES = {
  [0] = "continuation",
  [1] = "text",
  [2] = "binary",
  [8] = "close",
  [9] = "ping",
  [10] = "pong",
}

---@class wsclose.testing.Frame
---@field fin boolean
---@field rsv1 boolean
---@field rsv2 boolean
---@field rsv3 boolean
---@field opcode integer
---@field name string "text", "close", … or "opcode 11"
---@field masked boolean
---@field mask? string the key
---@field form 7|16|64 how the length was written
---@field payload string unmasked
---@field size integer bytes of the whole frame on the wire
---@field code? integer of a Close frame: its code, 1005 when empty
---@field reason? string of a Close frame

local function to_number(bytes, first, last)
  local value = 0
  for i = first, last do
    value = value * 256 + byte(bytes, i)
  end
  return value
end

---@param length number
---@return 7|16|64
local function shortest_form(length)
  return length < 126 and 7 or length < 65536 and 16 or 64
end

local function read_length(bytes, position)
  local short = byte(bytes, position + 1) % 128
  if short < 126 then
    return short, 7, position + 2
  end
  local width = short == 126 and 2 or 8
  if #bytes < position + 1 + width then
    return nil, position + 1 + width
  end
  local length = to_number(bytes, position + 2, position + 1 + width)
  return length, width * 8, position + 2 + width
end

local function describe_head(bytes, position)
  local first = byte(bytes, position)
  local opcode = first % 16
  return {
    fin = first >= 128,
    rsv1 = floor(first / 64) % 2 == 1,
    rsv2 = floor(first / 32) % 2 == 1,
    rsv3 = floor(first / 16) % 2 == 1,
    opcode = opcode,
    name = OPCODE_NAMES[opcode] or "opcode " .. opcode,
    masked = byte(bytes, position + 1) >= 128,
  }
end

local function read_close(frame)
  local payload = frame.payload
  frame.code = #payload >= 2 and to_number(payload, 1, 2) or 1005
  frame.reason = payload:sub(3)
end

--- Reads the frame that begins at `position`.
---@param bytes string
---@param position? integer default 1
---@return wsclose.testing.Frame? frame nil: more bytes are needed
---@return integer next where the following frame begins; without a frame: how many bytes of `bytes`
--- there must be, at least, before it is worth asking again
function wire.read_frame(bytes, position)
  position = position or 1
  if #bytes < position + 1 then
    return nil, position + 1
  end
  local frame = describe_head(bytes, position)
  local length, form, payload_at = read_length(bytes, position)
  if not length then
    return nil, form
  end
  frame.form = form
  if frame.masked then
    frame.mask = bytes:sub(payload_at, payload_at + 3)
    payload_at = payload_at + 4
  end
  local next_at = payload_at + length
  if #bytes < next_at - 1 then
    return nil, next_at - 1
  end
  local payload = bytes:sub(payload_at, next_at - 1)
  frame.payload = frame.masked and wire.mask(payload, frame.mask) or payload
  frame.size = next_at - position
  if frame.opcode == wire.CLOSE then
    read_close(frame)
  end
  return frame, next_at
end

--- What a client did wrong in this frame, as far as one frame shows it.
---@param frame wsclose.testing.Frame
---@param rsv1_agreed? boolean was an extension agreed that uses RSV1?
---@return string? fault nil: nothing
function wire.fault(frame, rsv1_agreed)
  local control = frame.opcode >= 8
  if not frame.masked then
    return "a client must mask its frames (RFC 6455 5.1)"
  elseif frame.rsv2 or frame.rsv3 or frame.rsv1 and (control or not rsv1_agreed) then
    return "an RSV bit without an extension that gives it a meaning (RFC 6455 5.2)"
  elseif not OPCODE_NAMES[frame.opcode] then
    return "a reserved opcode (RFC 6455 5.2)"
  elseif frame.form ~= shortest_form(#frame.payload) then
    return "a length that is not in its shortest form (RFC 6455 5.2)"
  elseif control and (not frame.fin or #frame.payload > 125) then
    return "a control frame that is fragmented or over 125 bytes (RFC 6455 5.5)"
  elseif frame.opcode == wire.CLOSE and #frame.payload == 1 then
    return "a Close body of one byte (RFC 6455 5.5.1)"
  end
end

-- ---------------------------------------------------------------- DEFLATE without compressing

local STORED_MAX = 65535

--- A permessage-deflate payload made of stored blocks (RFC 1951 3.2.4, RFC 7692 7.2.3.3): legal,
--- and written without zlib.  Put it into a frame with `rsv1 = true`.
---@param bytes string
---@return string payload
function wire.stored(bytes)
  local blocks = {}
  for first = 1, #bytes, STORED_MAX do
    local piece = bytes:sub(first, first + STORED_MAX - 1)
    local low, high = #piece % 256, floor(#piece / 256)
    blocks[#blocks + 1] = char(0, low, high, 255 - low, 255 - high) .. piece
  end
  -- The empty stored block that ends a flush is left out but for its first byte, 7.2.1.
  return table.concat(blocks) .. "\0"
end

return wire
