local testing = require "wsclose.core_testing"
local mask = testing.mask
local new_random = require "support.random"
local wire = require "support.wire"

local KEY = wire.hex "37fa213d"

--- The key as it stands `offset` bytes into the payload.
local function turned(key, offset)
  local by = offset % 4
  return key:sub(by + 1) .. key:sub(1, by)
end

local PATTERN = {} -- of 256 bytes, each value once
for i = 1, 256 do PATTERN[i] = string.char((i * 167 + 13) % 256) end
PATTERN = table.concat(PATTERN):rep(300)

local function data_of(size)
  return PATTERN:sub(1, size)
end

-- What wire.mask makes of them, which goes byte by byte; each path is compared with it.
local masked = {}
local function masked_from(size, offset)
  local key = size .. " " .. offset % 4
  masked[key] = masked[key] or wire.mask(data_of(size), turned(KEY, offset))
  return masked[key]
end

-- What the core uses, and each path that this machine has.
local PATHS = { { name = "as compiled", copy = mask.copy, in_place = mask.in_place } }
for _, path in ipairs(testing.cpu_paths) do
  PATHS[#PATHS + 1] = { name = path.name, copy = path.mask.copy, in_place = path.mask.in_place }
end

--- Calls try(data, offset, expected) for all small sizes and offsets; it returns what went wrong.
local function each_small(try)
  local wrong = {}
  for size = 0, 80 do
    local data = data_of(size)
    for offset = 0, 3 do
      wrong[#wrong + 1] = try(data, offset, masked_from(size, offset))
    end
  end
  assert.same({}, wrong)
end

describe("masking, RFC 6455 5.3", function()
  for _, path in ipairs(PATHS) do
    it("unmasks the RFC's example, section 5.7 (" .. path.name .. ")", function()
      assert.equal("Hello", path.copy(wire.hex "7f9f4d5158", KEY, 0))
      assert.equal("Hello", path.in_place(wire.hex "7f9f4d5158", KEY, 0))
    end)

    it("masks each small size from each offset at each alignment (" .. path.name .. ")", function()
      each_small(function(data, offset, expected)
        for in_slack = 0, 8 do
          for out_slack = 0, 8 do
            if path.copy(data, KEY, offset, in_slack, out_slack) ~= expected then
              local place = "%d bytes from %d, slack %d and %d"
              return place:format(#data, offset, in_slack, out_slack)
            end
          end
        end
      end)
    end)

    it("masks in place, before and behind a wall (" .. path.name .. ")", function()
      each_small(function(data, offset, expected)
        if path.in_place(data, KEY, offset) ~= expected then
          return ("%d bytes from %d behind the wall"):format(#data, offset)
        end
        for slack = 0, 16 do
          if path.in_place(data, KEY, offset, slack) ~= expected then
            return ("%d bytes from %d, slack %d"):format(#data, offset, slack)
          end
        end
      end)
    end)

    it("masks long payloads, whatever is left over at the end (" .. path.name .. ")", function()
      for _, base in ipairs { 125, 128, 192, 256, 272, 384, 1024, 65536 } do
        for size = base - 1, base + 33 do
          local data = data_of(size)
          local expected = masked_from(size, size)
          assert.is_true(path.copy(data, KEY, size) == expected, size)
          assert.is_true(path.in_place(data, KEY, size, 0) == expected, size)
        end
      end
    end)

    it("counts only the offset's last two bits (" .. path.name .. ")", function()
      local data = data_of(21)
      for offset = 0, 3 do
        local expected = path.copy(data, KEY, offset)
        assert.equal(expected, path.copy(data, KEY, offset + 4))
        assert.equal(expected, path.copy(data, KEY, offset + 16777216))
        assert.equal(expected, path.copy(data, KEY, offset + 4294967288)) -- 2^32 less 8
      end
    end)

    it("gives the same for a payload cut anywhere (" .. path.name .. ")", function()
      local data = data_of(70)
      local whole = path.copy(data, KEY, 0)
      for cut = 0, 70 do
        local head = path.copy(data:sub(1, cut), KEY, 0)
        assert.equal(whole, head .. path.copy(data:sub(cut + 1), KEY, cut))
      end
    end)

    it("changes nothing with a key of zeros (" .. path.name .. ")", function()
      local data = data_of(67)
      assert.equal(data, path.copy(data, "\0\0\0\0", 3))
      assert.equal(data, path.in_place(data, "\0\0\0\0", 3, 0))
    end)
  end
end)

describe("the paths of masking", function()
  it("begin with the portable one, and the core takes the last", function()
    local paths = testing.cpu_paths
    assert.equal("portable", paths[1].name)
    if not os.getenv "WSC_CPU" then
      assert.equal(paths[#paths].name, testing.cpu_path)
    end
  end)

  it("give the same for each size up to 300 at each alignment, random bytes and keys", function()
    local random = new_random(5)
    local function bytes(size)
      local out = {}
      for i = 1, size do
        out[i] = string.char(random(0, 255))
      end
      return table.concat(out)
    end
    local wrong = {}
    for size = 0, 300 do
      local data, key, offset = bytes(size), bytes(4), random(0, 3)
      local expected = wire.mask(data, turned(key, offset))
      for _, path in ipairs(PATHS) do
        for slack = 0, 31 do
          local out_slack = random(0, 31)
          if path.copy(data, key, offset, slack, out_slack) ~= expected
            or path.in_place(data, key, offset, slack) ~= expected
          then
            wrong[#wrong + 1] = ("%s: %d bytes from %d, slack %d and %d")
              :format(path.name, size, offset, slack, out_slack)
          end
        end
      end
    end
    assert.same({}, wrong)
  end)
end)
