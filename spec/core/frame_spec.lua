local testing = require "wsclose.core_testing"
local frame = testing.frame
local wire = require "support.wire"

local floor = math.floor

local RESERVED = "a frame has a reserved opcode"
local FRAGMENTED = "a control frame is fragmented"
local LONG_CONTROL = "a control frame is longer than 125 bytes"
local NOT_SHORTEST = "a frame's length is not in its shortest form"
local HIGHEST_BIT = "a frame's 64-bit length has its highest bit set"

--- The fault of the first two bytes, worked out from the RFC's text and not from the code.
local function first_fault(first, second)
  local opcode, fin, size = first % 16, first >= 128, second % 128
  local control = opcode >= 8
  if opcode >= 3 and opcode <= 7 or opcode >= 11 then
    return RESERVED, 1
  elseif control and not fin then
    return FRAGMENTED, 1
  elseif control and size > 125 then
    return LONG_CONTROL, 2
  end
end

local function hex_size(size)
  return ("%08x%08x"):format(floor(size / 2 ^ 32), size % 2 ^ 32)
end

describe("the head of a frame, RFC 6455 5.2", function()
  for _, case in ipairs {
    -- head, fin, rsv, opcode, key or false, size
    { "8105", true, 0, 1, false, "0000000000000005", "RFC 6455 5.7: a text" },
    { "8185 37fa213d", true, 0, 1, "37fa213d", "0000000000000005", "5.7: a masked text" },
    { "0103", false, 0, 1, false, "0000000000000003", "5.7: the first fragment" },
    { "8002", true, 0, 0, false, "0000000000000002", "5.7: the last fragment" },
    { "8905", true, 0, 9, false, "0000000000000005", "5.7: a ping" },
    { "8a85 37fa213d", true, 0, 10, "37fa213d", "0000000000000005", "5.7: a masked pong" },
    { "827e 0100", true, 0, 2, false, "0000000000000100", "5.7: 256 bytes" },
    { "827f 0000000000010000", true, 0, 2, false, "0000000000010000", "5.7: 64 KiB" },
    { "8800", true, 0, 8, false, "0000000000000000", "an empty Close" },
    { "887d", true, 0, 8, false, "000000000000007d", "the longest control frame" },
    { "817d", true, 0, 1, false, "000000000000007d", "the longest 7-bit length" },
    { "817e 007e", true, 0, 1, false, "000000000000007e", "the shortest 16-bit length" },
    { "81fe ffff 01020304", true, 0, 1, "01020304", "000000000000ffff", "the longest 16-bit one" },
    { "01ff 0000000000010000 00000000", false, 0, 1, "00000000", "0000000000010000", "14 bytes" },
    { "827f 0000000100000000", true, 0, 2, false, "0000000100000000", "4 GiB" },
    { "827f 7fffffffffffffff", true, 0, 2, false, "7fffffffffffffff", "the longest of all" },
    { "c101", true, 4, 1, false, "0000000000000001", "RSV1" },
    { "a101", true, 2, 1, false, "0000000000000001", "RSV2" },
    { "9101", true, 1, 1, false, "0000000000000001", "RSV3" },
    { "f901", true, 7, 9, false, "0000000000000001", "all RSV bits, which others check" },
  } do
    it("reads and writes " .. case[7] .. ": " .. case[1], function()
      local head = wire.hex(case[1])
      local expected = {
        fin = case[2],
        rsv = case[3],
        opcode = case[4],
        masked = case[5] and true or false,
        key = case[5] and wire.hex(case[5]) or "\0\0\0\0",
        size = case[6],
      }
      for cut = 0, #head - 1 do
        assert.equal(0, frame.read(head:sub(1, cut)))
      end
      for _, behind in ipairs { "", "\255", ("\0"):rep(20) } do
        local size, fields = frame.read(head .. behind)
        assert.equal(#head, size)
        assert.same(expected, fields)
      end
      assert.equal(wire.to_hex(head), wire.to_hex(frame.write(expected)))
    end)
  end

  for _, case in ipairs {
    -- head, the byte that proves the fault, its sentence
    { "8300", 1, RESERVED, "opcode 3" },
    { "8700", 1, RESERVED, "opcode 7" },
    { "8b00", 1, RESERVED, "opcode B" },
    { "8f00", 1, RESERVED, "opcode F" },
    { "0300", 1, RESERVED, "opcode 3 in a fragment" },
    { "0fff 8000000000000000", 1, RESERVED, "the first fault of several" },
    { "0800", 1, FRAGMENTED, "a Close without FIN, 5.5" },
    { "0900", 1, FRAGMENTED, "a ping without FIN" },
    { "0a00", 1, FRAGMENTED, "a pong without FIN" },
    { "087e 007e", 1, FRAGMENTED, "a long Close without FIN" },
    { "887e 007e", 2, LONG_CONTROL, "a Close of 126 bytes, 5.5" },
    { "89fe 007e 00000000", 2, LONG_CONTROL, "a masked ping of 126 bytes" },
    { "8a7e 0001", 2, LONG_CONTROL, "a pong of one byte in the 16-bit form" },
    { "8a7f 8000000000000000", 2, LONG_CONTROL, "a pong of 2^63 bytes" },
    { "817e 0000", 4, NOT_SHORTEST, "0 in 16 bits" },
    { "817e 007d", 4, NOT_SHORTEST, "125 in 16 bits" },
    { "01fe 007d 01020304", 4, NOT_SHORTEST, "125 in 16 bits, masked" },
    { "827f 0000000000000000", 8, NOT_SHORTEST, "0 in 64 bits" },
    { "827f 000000000000007d", 8, NOT_SHORTEST, "125 in 64 bits" },
    { "827f 000000000000ffff", 8, NOT_SHORTEST, "65535 in 64 bits" },
    { "82ff 000000000000ffff 01020304", 8, NOT_SHORTEST, "65535 in 64 bits, masked" },
    { "827f 8000000000000000", 3, HIGHEST_BIT, "2^63" },
    { "827f ffffffffffffffff", 3, HIGHEST_BIT, "2^64 - 1" },
    { "82ff 8000000000000001 01020304", 3, HIGHEST_BIT, "2^63 + 1, masked" },
  } do
    it("finds the fault of " .. case[4] .. " at byte " .. case[2] .. ": " .. case[1], function()
      local head = wire.hex(case[1])
      for cut = 0, case[2] - 1 do
        assert.equal(0, frame.read(head:sub(1, cut)))
      end
      for cut = case[2], #head do
        assert.same({ nil, case[3], "protocol" }, { frame.read(head:sub(1, cut)) })
      end
    end)
  end

  it("checks each pair of first bytes as the RFC does", function()
    local wrong = {}
    for first = 0, 255 do
      for second = 0, 255 do
        local fault, at = first_fault(first, second)
        local bytes = string.char(first, second)
        local _, one = frame.read(bytes:sub(1, 1))
        local size, two = frame.read(bytes)
        local complete = not fault and second < 126
        if one ~= (at == 1 and fault or nil) then
          wrong[#wrong + 1] = ("%02x: %s"):format(first, tostring(one))
        elseif fault and two ~= fault or complete and size ~= 2 then
          wrong[#wrong + 1] = ("%02x %02x: %s"):format(first, second, tostring(two))
        elseif not fault and not complete and size ~= 0 then
          wrong[#wrong + 1] = ("%02x %02x is not yet a head"):format(first, second)
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("checks each length in the 16-bit form", function()
    local wrong = {}
    for value = 0, 65535 do
      local size, fields = frame.read("\129\126" .. string.char(floor(value / 256), value % 256))
      if value < 126 and fields ~= NOT_SHORTEST then
        wrong[#wrong + 1] = value
      elseif value >= 126 and (size ~= 4 or fields.size ~= hex_size(value)) then
        wrong[#wrong + 1] = value
      end
    end
    assert.same({}, wrong)
  end)

  it("writes each length in its shortest form", function()
    for _, case in ipairs {
      { 0, 2 },
      { 1, 2 },
      { 125, 2 },
      { 126, 4 },
      { 127, 4 },
      { 255, 4 },
      { 256, 4 },
      { 65535, 4 },
      { 65536, 10 },
      { 16777216, 10 },
      { 4294967295, 10 },
      { 4294967296, 10 },
      { 2 ^ 53, 10 },
    } do
      local fields = { fin = true, opcode = 2, size = hex_size(case[1]) }
      assert.equal(case[2], #frame.write(fields))
      local size, read = frame.read(frame.write(fields))
      assert.equal(case[2], size)
      assert.equal(fields.size, read.size)
      fields.masked, fields.key = true, "abcd"
      assert.equal(case[2] + 4, #frame.write(fields))
      assert.equal("abcd", frame.write(fields):sub(-4))
    end
  end)

  it("reads back what it wrote, for each FIN, RSV, opcode and mask", function()
    for _, opcode in ipairs { 0, 1, 2, 8, 9, 10 } do
      for rsv = 0, 7 do
        for bits = 0, 3 do
          local masked = bits >= 2
          local fields = {
            fin = bits % 2 == 1 or opcode >= 8,
            rsv = rsv,
            opcode = opcode,
            masked = masked,
            key = masked and "\1\2\3\4" or "\0\0\0\0",
            size = hex_size(100),
          }
          local head = frame.write(fields)
          assert.same({ #head, fields }, { frame.read(head) })
        end
      end
    end
  end)
end)
