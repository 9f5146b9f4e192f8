-- Random bytes for mask keys and handshakes: fresh in every call, and in every process.
local testing = require "wsclose.core_testing"

local random_bytes = testing.net.random_bytes
local POOL = 4096

-- Calls of this size fail when 16 bytes come twice.
local function assert_fresh(calls, size)
  local seen = {}
  for _ = 1, calls do
    local bytes = random_bytes(size)
    assert.equal(size, #bytes)
    for at = 1, size - 15 do
      local piece = bytes:sub(at, at + 15)
      assert(not seen[piece], "16 bytes came twice")
      seen[piece] = true
    end
  end
end

describe("random bytes", function()
  it("are never given twice, from one pool to the next", function()
    assert_fresh(3 * POOL / 16, 16)
  end)

  for _, size in ipairs { 17, 100, 1021, 1022, 1024, 4080, POOL, 3 * POOL + 1 } do
    it("are as many as asked for, " .. size, function()
      assert_fresh(10, size)
    end)
  end

  it("take every value", function()
    local values, count = {}, 0
    for byte in random_bytes(8192):gmatch "." do
      count = count + (values[byte] and 0 or 1)
      values[byte] = true
    end
    assert.equal(256, count)
  end)

  it("of a forked child are not its parent's", function()
    random_bytes(4) -- so that there is a pool to be copied
    local given = testing.process.fork(function()
      return random_bytes(64)
    end)
    local own = random_bytes(1000)
    assert.equal(64, #given)
    for at = 1, 64 - 15 do
      assert.is_nil(own:find(given:sub(at, at + 15), 1, true))
    end
  end)

  it("of two forked children are not the same", function()
    random_bytes(4)
    local function child()
      return testing.process.fork(function()
        return random_bytes(16)
      end)
    end
    assert.not_equal(child(), child())
  end)
end)

-- The other way to notice a fork, for kernels that cannot wipe the pool.
describe("where the kernel cannot wipe memory at a fork", function()
  it("a child's random bytes are not its parent's either", function()
    local network = require "support.network"
    local result = network.trace([[
      local testing = require "wsclose.core_testing"
      local random_bytes, fork = testing.net.random_bytes, testing.process.fork
      random_bytes(4)
      local function child()
        return fork(function() return random_bytes(16) end)
      end
      local first, second, own = child(), child(), random_bytes(1000)
      assert(#first == 16 and first ~= second and not own:find(first, 1, true))
    ]], "-e inject=madvise:error=EINVAL")
    assert.is_true(result.ok, result.output)
    assert.is_true(network.has_failed(result.traces[1], "madvise", "EINVAL"))
  end)
end)

-- The pool is a page of its own: who only looks at the heap misses it.
describe("the pool of random bytes", function()
  it("goes with the Lua state", function()
    local network = require "support.network"
    local result = network.trace('assert(require "wsclose.core")', "-e trace=madvise,munmap")
    assert.is_true(result.ok, result.output)
    local page
    for _, call in ipairs(network.calls(result.traces[1])) do
      page = page or call.arguments:match "^(0x%x+, 4096), MADV_WIPEONFORK$"
      if call.name == "munmap" and call.arguments == page then return end
    end
    error(page and "it stays" or "there was none")
  end)
end)

describe("SHA-1", function()
  for text, digest in pairs {
    [""] = "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    abc = "a9993e364706816aba3e25717850c26c9cd0d89d", -- FIPS 180-4
    ["dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11"] = -- RFC 6455 1.3
    "b37a4f2cc0624f1690f64606cf385945b2bec4ea",
  } do
    it(("of %q is %s"):format(text, digest), function()
      local hex = testing.sha1(text):gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
      end)
      assert.equal(digest, hex)
    end)
  end
end)
