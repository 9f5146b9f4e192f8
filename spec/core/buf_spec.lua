local testing = require "wsclose.core_testing"
local buf, memory = testing.buf, testing.memory

local function capacity_of(queue)
  return (select(3, queue:shape()))
end

describe("the byte queue", function()
  local queue, live_blocks, live_bytes

  before_each(function()
    collectgarbage()
    live_blocks, live_bytes = memory.live_blocks(), memory.live_bytes()
    queue = buf.new()
  end)

  after_each(function()
    memory.fail_at()
    queue:free()
    assert.equal(live_blocks, memory.live_blocks())
    assert.equal(live_bytes, memory.live_bytes())
  end)

  it("owns no memory before the first byte, and none after it is freed", function()
    assert.equal("", queue:data())
    assert.equal(live_blocks, memory.live_blocks())
    assert.is_true(queue:append "")
    assert.equal(live_blocks, memory.live_blocks())
    assert.is_true(queue:append "x")
    assert.equal(live_blocks + 1, memory.live_blocks())
    queue:free()
    assert.equal("", queue:data())
    assert.same({ 0, 0, 0 }, { queue:shape() })
    assert.equal(live_blocks, memory.live_blocks())
    assert.is_true(queue:append "again")
    assert.equal("again", queue:data())
  end)

  it("gives back what was put in, in order", function()
    local model, seed = "", 7
    for i = 1, 3000 do
      seed = seed * 16807 % 2147483647
      local size = seed % 700
      if seed % 3 == 0 then
        size = math.min(size * 2, #model)
        queue:consume(size)
        model = model:sub(size + 1)
      elseif seed % 17 == 0 then
        size = math.min(size, #model)
        queue:truncate(#model - size)
        model = model:sub(1, #model - size)
      else
        local bytes = string.char(i % 256):rep(size)
        assert.is_true(queue:append(bytes))
        model = model .. bytes
      end
      assert.is_true(model == queue:data(), "step " .. i)
    end
  end)

  it("gives its block away with a NUL behind the bytes, and goes on in another", function()
    assert.is_true(queue:append(("x"):rep(100) .. ("y"):rep(300) .. "behind"))
    queue:consume(100)
    assert.equal(("y"):rep(300) .. "\0", queue:take(300))
    assert.equal("behind", queue:data())
    assert.is_true(queue:append " it")
    assert.equal("behind it", queue:data())
  end)

  it("finds a place for the NUL behind a full block", function()
    queue:reserve(400, true)
    queue:append(("x"):rep(400))
    assert.equal(400, capacity_of(queue))
    assert.equal(("x"):rep(400) .. "\0", queue:take(400))
    assert.equal(live_blocks, memory.live_blocks())
  end)

  it("keeps its block where most of it would have to be moved, or lies idle", function()
    queue:append(("x"):rep(400) .. ("y"):rep(101))
    assert.is_nil(queue:take(400))
    queue:truncate(500)
    assert.equal(("x"):rep(400) .. "\0", queue:take(400))
    assert.equal(("y"):rep(100), queue:data())
    queue:reserve(1000, true)
    assert.is_nil(queue:take(100))
    assert.equal(("y"):rep(100), queue:data())
  end)

  it("keeps its block without memory for another", function()
    queue:append(("x"):rep(400) .. ("y"):rep(100))
    memory.fail_at(1)
    assert.is_nil(queue:take(400))
    memory.fail_at()
    assert.equal(("x"):rep(400) .. ("y"):rep(100), queue:data())
  end)

  it("keeps its block without memory for the NUL behind it", function()
    queue:reserve(400, true)
    queue:append(("x"):rep(400))
    memory.fail_at(1)
    assert.is_nil(queue:take(400))
    memory.fail_at()
    assert.equal(("x"):rep(400), queue:data())
  end)

  it("appends a string without its NUL", function()
    assert.is_true(queue:append_string "GET / ")
    assert.is_true(queue:append_string "")
    assert.is_true(queue:append_string "HTTP/1.1\r\n")
    assert.equal("GET / HTTP/1.1\r\n", queue:data())
  end)

  it("lends at least the room that was asked for, even none", function()
    for _, size in ipairs { 0, 1, 255, 256, 257, 5000 } do
      for _, exact in ipairs { false, true } do
        local fresh = buf.new()
        assert.is_true(fresh:reserve(size, exact) >= size)
        assert.is_true(fresh:append(("x"):rep(100)))
        assert.is_true(fresh:reserve(size, exact) >= size)
        assert.equal(("x"):rep(100), fresh:data())
        fresh:free()
      end
    end
  end)

  it("holds what is committed of the lent room, and no more", function()
    queue:reserve(10)
    queue:commit "abc"
    queue:commit ""
    queue:commit "def"
    assert.equal("abcdef", queue:data())
  end)

  it("grows to just what is needed for a size known beforehand", function()
    queue:reserve(1000, true)
    assert.equal(1000, capacity_of(queue))
    queue:commit(("x"):rep(1000))
    queue:reserve(10, true)
    assert.equal(1010, capacity_of(queue))
    queue:reserve(70000, true)
    assert.equal(71000, capacity_of(queue))
  end)

  it("counts the room from the front when it grows with bytes already taken", function()
    for _, exact in ipairs { false, true } do
      local fresh = buf.new()
      fresh:reserve(1000, true)
      fresh:commit(("x"):rep(1000))
      fresh:consume(249)
      assert.is_true(fresh:reserve(5000, exact) >= 5000)
      assert.same({ 0, 751, 5751 }, { fresh:shape() })
      assert.equal(("x"):rep(751), fresh:data())
      fresh:free()
    end
  end)

  it("moves to the front rather than grow when that is enough for a known size", function()
    queue:reserve(1000, true)
    queue:commit(("a"):rep(10) .. ("b"):rep(990))
    queue:consume(10)
    queue:reserve(10, true)
    queue:commit "0123456789"
    assert.equal(1000, capacity_of(queue))
    assert.equal(("b"):rep(990) .. "0123456789", queue:data())
  end)

  it("doubles, so that a long queue is copied a few times only", function()
    memory.fail_at()
    for _ = 1, 10000 do
      queue:append(("x"):rep(100))
    end
    assert.is_true(memory.attempts() < 20)
    assert.is_true(capacity_of(queue) < 2 * 1000000)
  end)

  it("starts over at the front whenever it is drained", function()
    queue:append(("x"):rep(200))
    local capacity = capacity_of(queue)
    for _ = 1, 100 do
      queue:consume(200)
      assert.same({ 0, 0, capacity }, { queue:shape() })
      queue:append(("y"):rep(200))
    end
    queue:consume(1)
    queue:truncate(0)
    assert.same({ 0, 0, capacity }, { queue:shape() })
  end)

  it("reuses the room in front once a quarter of the block is idle", function()
    queue:reserve(1000, true)
    queue:commit(("x"):rep(1000))
    queue:consume(250)
    queue:append(("y"):rep(250))
    assert.same({ 0, 1000, 1000 }, { queue:shape() })
    assert.equal(("x"):rep(750) .. ("y"):rep(250), queue:data())
  end)

  it("does not move a long queue for each small step of a slow reader", function()
    queue:reserve(1000, true)
    queue:commit(("x"):rep(1000))
    queue:consume(249)
    queue:append "y"
    assert.equal(2000, capacity_of(queue))
    assert.equal(("x"):rep(751) .. "y", queue:data())
  end)

  it("falls back on moving when there is no memory to grow", function()
    queue:reserve(1000, true)
    queue:commit(("x"):rep(1000))
    queue:consume(100)
    memory.fail_at(1, true)
    assert.is_true(queue:append(("y"):rep(100)))
    assert.equal(("x"):rep(900) .. ("y"):rep(100), queue:data())
    assert.is_false(queue:append "z")
  end)

  it("is unchanged when there is no memory", function()
    memory.fail_at(1)
    assert.is_false(queue:append "x")
    assert.same({ 0, 0, 0 }, { queue:shape() })
    queue:append(("a"):rep(5) .. ("b"):rep(295))
    queue:consume(5)
    local before = { queue:shape() }
    for _, exact in ipairs { false, true } do
      memory.fail_at(1)
      assert.is_nil(queue:reserve(100000, exact))
      assert.same(before, { queue:shape() })
      assert.equal(("b"):rep(295), queue:data())
    end
    memory.fail_at(1)
    assert.is_false(queue:append(("c"):rep(100000)))
    assert.same(before, { queue:shape() })
  end)

  it("refuses a size that cannot be added to what it holds", function()
    queue:append "held"
    memory.fail_at()
    for _, exact in ipairs { false, true } do
      assert.is_nil(queue:reserve(math.huge, exact))
      assert.equal(0, memory.attempts()) -- not even asked of the platform
    end
    assert.equal("held", queue:data())
    assert.is_nil(queue:reserve(2 ^ 63))
    assert.is_nil(queue:reserve(2 ^ 63, true))
    assert.equal("held", queue:data())
  end)
end)

describe("small allocations", function()
  after_each(function()
    memory.fail_at()
  end)

  it("are zeroed", function()
    for _, case in ipairs { { 1, 1 }, { 3, 100 }, { 1000, 8 }, { 0, 8 }, { 8, 0 } } do
      assert.is_true(buf.alloc(case[1], case[2]))
    end
  end)

  it("fail when the size overflows, without asking the platform", function()
    memory.fail_at()
    assert.is_false(buf.alloc(2 ^ 62, 4))
    assert.is_false(buf.alloc(math.huge, 2))
    assert.is_false(buf.alloc(2 ^ 32, 2 ^ 33))
    assert.equal(0, memory.attempts())
  end)

  it("fail when the platform has no memory", function()
    memory.fail_at(1)
    assert.is_false(buf.alloc(1, 1))
    memory.fail_at(1)
    assert.is_nil(buf.copy_string "text")
  end)

  it("copy a string and end it with NUL", function()
    assert.equal("\0", buf.copy_string "")
    assert.equal("text\0", buf.copy_string "text")
    assert.equal("a\0b\0", buf.copy_string "a\0b")
  end)
end)

describe("the platform of the specs", function()
  it("counts what lives, and remembers the peak", function()
    collectgarbage()
    local blocks, bytes = memory.live_blocks(), memory.live_bytes()
    memory.peak(true)
    local queue = buf.new()
    queue:reserve(1000, true)
    queue:free()
    assert.equal(blocks, memory.live_blocks())
    assert.equal(bytes, memory.live_bytes())
    assert.equal(bytes + 1000, memory.peak(true))
    assert.equal(bytes, memory.peak())
  end)

  it("fails just the allocation it was told to, or all from there on", function()
    memory.fail_at(2)
    assert.same({ true, false, true }, { buf.alloc(1, 1), buf.alloc(1, 1), buf.alloc(1, 1) })
    assert.equal(3, memory.attempts())
    memory.fail_at(2, true)
    assert.same({ true, false, false }, { buf.alloc(1, 1), buf.alloc(1, 1), buf.alloc(1, 1) })
    memory.fail_at()
    assert.is_true(buf.alloc(1, 1))
  end)

  it("hashes with the real SHA-1, FIPS 180 and RFC 6455 1.3", function()
    local wire = require "support.wire"
    assert.equal("a9993e364706816aba3e25717850c26c9cd0d89d", wire.to_hex(testing.sha1 "abc"))
    local accept = testing.sha1 "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    assert.equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", testing.http.base64(accept))
  end)
end)
