--- DEFLATE (RFC 1951) in plain Lua, written from the RFC and without zlib, so that specs can look
-- into what zlib made of a message and can write streams that zlib would never write.

local floor, char, byte = math.floor, string.char, string.byte

local rawdeflate = {}

-- ---------------------------------------------------------------- reading

-- Base value and extra bits of length codes 257–285 and of distance codes 0–29 (RFC 1951 3.2.5).
local LENGTHS = {
  { 3, 0 }, { 4, 0 }, { 5, 0 }, { 6, 0 }, { 7, 0 }, { 8, 0 }, { 9, 0 }, { 10, 0 }, { 11, 1 },
  { 13, 1 }, { 15, 1 }, { 17, 1 }, { 19, 2 }, { 23, 2 }, { 27, 2 }, { 31, 2 }, { 35, 3 },
  { 43, 3 }, { 51, 3 }, { 59, 3 }, { 67, 4 }, { 83, 4 }, { 99, 4 }, { 115, 4 }, { 131, 5 },
  { 163, 5 }, { 195, 5 }, { 227, 5 }, { 258, 0 },
}
local DISTANCES = {
  { 1, 0 }, { 2, 0 }, { 3, 0 }, { 4, 0 }, { 5, 1 }, { 7, 1 }, { 9, 2 }, { 13, 2 }, { 17, 3 },
  { 25, 3 }, { 33, 4 }, { 49, 4 }, { 65, 5 }, { 97, 5 }, { 129, 6 }, { 193, 6 }, { 257, 7 },
  { 385, 7 }, { 513, 8 }, { 769, 8 }, { 1025, 9 }, { 1537, 9 }, { 2049, 10 }, { 3073, 10 },
  { 4097, 11 }, { 6145, 11 }, { 8193, 12 }, { 12289, 12 }, { 16385, 13 }, { 24577, 13 },
}
local CODE_LENGTH_ORDER = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 }

local function new_reader(bytes)
  local reader = { at = 1, bit = 0 }
  function reader.bits(count)
    local value = 0
    for place = 0, count - 1 do
      local octet = byte(bytes, reader.at) or error("the stream ends within a block", 0)
      value = value + floor(octet / 2 ^ reader.bit) % 2 * 2 ^ place
      reader.bit = reader.bit + 1
      if reader.bit == 8 then
        reader.at, reader.bit = reader.at + 1, 0
      end
    end
    return value
  end
  function reader.align()
    if reader.bit > 0 then
      reader.at, reader.bit = reader.at + 1, 0
    end
  end
  function reader.ended()
    return reader.at > #bytes
  end
  return reader
end

-- Canonical codes (RFC 1951 3.2.2), as a table from "length:code" to the symbol.
local function new_code(lengths, count)
  local code, symbols = 0, {}
  for length = 1, 15 do
    code = code * 2
    for symbol = 0, count - 1 do
      if lengths[symbol] == length then
        symbols[length * 65536 + code] = symbol
        code = code + 1
      end
    end
  end
  return symbols
end

local function read_symbol(reader, code)
  local value = 0
  for length = 1, 15 do
    value = value * 2 + reader.bits(1)
    local symbol = code[length * 65536 + value]
    if symbol then
      return symbol
    end
  end
  error("no such code", 0)
end

local fixed_literals, fixed_distances = {}, {}
for symbol = 0, 287 do
  fixed_literals[symbol] = symbol < 144 and 8 or symbol < 256 and 9 or symbol < 280 and 7 or 8
end
for symbol = 0, 31 do
  fixed_distances[symbol] = 5
end

local function read_dynamic_codes(reader)
  local literals, distances = reader.bits(5) + 257, reader.bits(5) + 1
  local lengths, all, at = {}, {}, 0
  for i = 1, reader.bits(4) + 4 do
    lengths[CODE_LENGTH_ORDER[i]] = reader.bits(3)
  end
  local code = new_code(lengths, 19)
  while at < literals + distances do
    local symbol, value, times = read_symbol(reader, code), 0, 1
    if symbol < 16 then
      value = symbol
    elseif symbol == 16 then
      value, times = all[at - 1], reader.bits(2) + 3
    else
      times = symbol == 17 and reader.bits(3) + 3 or reader.bits(7) + 11
    end
    for _ = 1, times do
      all[at], at = value, at + 1
    end
  end
  local far = {}
  for i = 0, distances - 1 do
    far[i] = all[literals + i]
  end
  return new_code(all, literals), new_code(far, distances)
end

local function read_codes(reader, out, info, literals, distances)
  while true do
    local symbol = read_symbol(reader, literals)
    if symbol < 256 then
      out[#out + 1] = char(symbol)
    elseif symbol == 256 then
      return
    else
      local row = LENGTHS[symbol - 256]
      local length = row[1] + reader.bits(row[2])
      row = DISTANCES[read_symbol(reader, distances) + 1]
      local distance = row[1] + reader.bits(row[2])
      assert(distance <= #out, "a match reaches before the beginning")
      info.farthest = math.max(info.farthest, distance)
      for _ = 1, length do
        out[#out + 1] = out[#out + 1 - distance]
      end
    end
  end
end

local function read_stored(reader, out)
  reader.align()
  local size, inverse = reader.bits(16), reader.bits(16)
  assert(size + inverse == 65535, "the length of a stored block is broken")
  for _ = 1, size do
    out[#out + 1] = char(reader.bits(8))
  end
end

--- Inflates whole blocks until the bytes end; nil and why if they end elsewhere.
---@param bytes string
---@param before string? what stood in the window beforehand
---@return string? text
---@return table|string info `farthest` distance of a match, `blocks` by kind, `final` ones
function rawdeflate.inflate(bytes, before)
  local info = { farthest = 0, final = 0, stored = 0, fixed = 0, dynamic = 0 }
  local out, reader = {}, new_reader(bytes)
  for i = 1, #(before or "") do
    out[i] = before:sub(i, i)
  end
  local from = #out + 1
  local ok, why = pcall(function()
    while not reader.ended() do
      local final, kind = reader.bits(1), reader.bits(2)
      if kind == 0 then
        info.stored = info.stored + 1
        read_stored(reader, out)
      elseif kind == 1 then
        info.fixed = info.fixed + 1
        read_codes(reader, out, info, new_code(fixed_literals, 288), new_code(fixed_distances, 30))
      elseif kind == 2 then
        info.dynamic = info.dynamic + 1
        read_codes(reader, out, info, read_dynamic_codes(reader))
      else
        error("a block of kind 3", 0)
      end
      if final == 1 then
        info.final = info.final + 1
        reader.align()
      end
    end
  end)
  if not ok then
    return nil, why
  end
  return table.concat(out, "", from), info
end

-- ---------------------------------------------------------------- writing

local Writer = {}
Writer.__index = Writer

--- Writes blocks bit by bit.
function rawdeflate.writer()
  return setmetatable({ done = {}, value = 0, place = 0 }, Writer)
end

local function put_bit(writer, bit)
  writer.value = writer.value + bit * 2 ^ writer.place
  writer.place = writer.place + 1
  if writer.place == 8 then
    writer.done[#writer.done + 1] = char(writer.value)
    writer.value, writer.place = 0, 0
  end
end

-- Numbers stand with their lowest bit first, Huffman codes with their highest (RFC 1951 3.1.1).
local function put_number(writer, value, count)
  for place = 0, count - 1 do
    put_bit(writer, floor(value / 2 ^ place) % 2)
  end
end

local function put_code(writer, value, count)
  for place = count - 1, 0, -1 do
    put_bit(writer, floor(value / 2 ^ place) % 2)
  end
end

function Writer:align()
  while self.place > 0 do
    put_bit(self, 0)
  end
  return self
end

--- A stored block; `claimed` is a length other than the data's.
function Writer:stored(data, final, claimed)
  put_number(self, final and 1 or 0, 1)
  put_number(self, 0, 2)
  self:align()
  local size = claimed or #data
  put_number(self, size, 16)
  put_number(self, 65535 - size, 16)
  for i = 1, #data do
    put_number(self, byte(data, i), 8)
  end
  return self
end

function Writer:fixed(final)
  put_number(self, final and 1 or 0, 1)
  put_number(self, 1, 2)
  return self
end

function Writer:literals(text)
  for i = 1, #text do
    local symbol = byte(text, i)
    if symbol < 144 then
      put_code(self, 48 + symbol, 8)
    else
      put_code(self, 256 + symbol, 9)
    end
  end
  return self
end

--- A match of 3 bytes.
function Writer:match(distance)
  put_code(self, 1, 7)
  for code = #DISTANCES, 1, -1 do
    local row = DISTANCES[code]
    if distance >= row[1] then
      put_code(self, code - 1, 5)
      put_number(self, distance - row[1], row[2])
      return self
    end
  end
end

function Writer:end_block()
  put_code(self, 0, 7)
  return self
end

--- The three bits before the tail, as a message ends (RFC 7692 7.2.1).
function Writer:flush()
  put_number(self, 0, 3)
  return self:align()
end

function Writer:bytes()
  self:align()
  return table.concat(self.done)
end

return rawdeflate
