-- The objects of wsclose.core at the edges: freed, told twice, with arguments that nobody gives.
-- spec/lua/held_spec.lua has what is done to them from within.

local network = require "support.network"
local handshake = require "support.scripted.handshake"
local testing = require "wsclose.core_testing"
local wire = require "support.wire"
local core = require "wsclose.core"
local wsclose = require "wsclose"

local URL = "ws://feed.example/v1"

local function open(options)
  local p = assert(wsclose.protocol(URL, options))
  p:input(handshake.answer((handshake.read(p:output()))))
  assert.equal("open", (p:next()))
  return p
end

-- With the field of wsclose.core changed while `f` runs; math.huge in the place of nil.
local function with(name, value, f)
  local before = rawget(core, name)
  rawset(core, name, value ~= math.huge and value or nil)
  local good, why = pcall(f)
  rawset(core, name, before)
  setmetatable(core, nil)
  assert(good, why)
end

describe("a protocol object that was left", function()
  local STATE = "the connection is not open yet"
  local p
  before_each(function()
    p = open()
    p:leave()
  end)

  it("refuses to send, by name", function()
    for _, send in ipairs { p.send, p.ping } do
      assert.same({ nil, STATE, "state" }, { send(p, "x") })
    end
    local w = p:send_fragments "text"
    assert.same({ nil, STATE, "state" }, { w:finish "x" })
  end)

  it("takes and gives nothing more", function()
    assert.equal("", p:output())
    assert.is_false(p:input "x")
    assert.is_nil(p:next())
    assert.is_nil(p:tick(1))
    p:eof()
    p:eof "reset"
    assert.is_true(p:close())
    assert.equal("closed", p:state())
  end)
end)

describe("the end of a connection", function()
  it("comes again where telling it raised, and is then told once", function()
    with("finish_close_info", function() error "not now" end, function()
      local p = open()
      p:eof()
      assert.has_error(function() p:next() end)
      assert.has_error(function() p:next() end)
      rawset(core, "finish_close_info", nil)
      local event, code, _, info = p:next()
      assert.same({ "close", 1006, "eof" }, { event, code, info.error.name })
      assert.is_nil(p:next())
    end)
  end)

  it("is told once where a metamethod was told it meanwhile", function()
    with("finish_close_info", math.huge, function()
      local p, told = open(), nil
      setmetatable(core, { __index = function(_, name)
        if name ~= "finish_close_info" or told then return end
        told = true
        told = { p:next() }
      end })
      p:eof()
      assert.is_nil(p:next())
      assert.same({ "close", 1006 }, { told[1], told[2] })
      assert.is_nil(p:next())
    end)
  end)

  it("is told to nobody where a metamethod left meanwhile", function()
    with("finish_close_info", math.huge, function()
      local p = open()
      setmetatable(core, { __index = function(_, name)
        if name == "finish_close_info" then p:leave() end
      end })
      p:eof()
      assert.is_nil(p:next())
      assert.is_nil(p:next())
    end)
  end)
end)

describe("info of a connection", function()
  it("is keyed by lower-case names, of any length", function()
    local p = assert(wsclose.protocol(URL, {}))
    local long = ("X-Long"):rep(500)
    local answer = handshake.answer((handshake.read(p:output())))
    p:input((answer:gsub("\r\n", "\r\n" .. long .. ": v\r\n", 1)))
    p:next()
    assert.equal("v", p:info().headers[long:lower()])
  end)
end)

describe("core.split", function()
  it("gives a socket's path of any length, percent-decoded", function()
    local path = "/" .. ("x"):rep(3000)
    local host, port, secure, given = core.split("ws+unix://" .. path .. "%41:/y")
    assert.same({ "localhost", 0, false }, { host, port, secure })
    assert.is_true(given == path .. "A")
  end)
end)

describe("core.split of an IPv6 address", function()
  for url, expected in pairs {
    ["ws://[FE80::1%25eth0]/"] = "fe80::1%eth0", ["wss://[::1]:8443/"] = "::1",
    ["ws://FEED.Example/"] = "feed.example",
  } do
    it("has its zone, and no brackets: " .. url, function()
      assert.equal(expected, (core.split(url)))
    end)
  end

  it("is that of a URL that can be used", function()
    local host, sentence, name = core.split "http://h/"
    assert.same({ nil, "url" }, { host, name })
    assert.matches("ws://, wss://", sentence, 1, true)
    assert.same({ nil, "the URL holds a NUL byte", "url" }, { core.split "ws://h/\0" })
  end)
end)

describe("core.is_alike", function()
  local same, meta = {}, setmetatable({}, {})
  for i, case in ipairs {
    { true, 1, 1 }, { false, 1, 2 }, { false, 1, "1" }, { true, same, same }, { true, {}, {} },
    { true, { 1, { 2 } }, { 1, { 2 } } }, { false, { 1 }, { 1, 2 } }, { false, { 1, 2 }, { 1 } },
    { false, { a = 1 }, { b = 1 } }, { true, meta, meta }, { false, meta, {} },
    { false, {}, meta }, { false, {}, 1 }, { false, 1, {} }, { false, { meta }, { {} } },
    { true, { a = 1, b = 2 }, { b = 2 }, { a = true } },
    { false, { a = 1, b = 2 }, { b = 2 }, { c = true } },
    { false, { b = 2 }, { a = 1, b = 2 }, { a = true } },
    { false, 1, 1, {} }, { false, meta, meta, {} }, { false, {}, meta, {} },
  } do
    it(("says %s of case %d"):format(tostring(case[1]), i), function()
      assert.equal(case[1], core.is_alike(case[2], case[3], case[4]))
    end)
  end

  -- In a coroutine, whose stack has little room as yet.
  it("looks 20 tables deep, and takes none that is deeper or goes round for another", function()
    local function nested(depth, inner)
      return depth == 0 and inner or { nested(depth - 1, inner) }
    end
    local function round()
      local t = {}
      t[1] = t
      return t
    end
    coroutine.wrap(function()
      assert.is_true(core.is_alike(nested(20, 1), nested(20, 1)))
      assert.is_false(core.is_alike(nested(20, 1), nested(20, 2)))
      assert.is_false(core.is_alike(nested(21, 1), nested(21, 1)))
      assert.is_false(core.is_alike(round(), round()))
    end)()
  end)
end)

describe("the core's protocol object", function()
  it("takes a time below zero, and what is not a number, for zero", function()
    local p = core.protocol({ url = URL }, nil)
    for _, now in ipairs { 0, -1, -math.huge, 0 / 0 } do p:tick(now) end
    assert.equal("connecting", p:state())
  end)

  it("gives one nil where there is no event", function()
    assert.equal(1, select("#", core.protocol({ url = URL }, nil):next()))
  end)

  it("does nothing more for a carrier once it was left", function()
    local p = core.protocol({ url = URL }, nil)
    p:leave()
    assert.is_nil(p:skip())
    assert.is_nil(p:depart(true))
    assert.is_true(p:finished())
    assert.is_nil(p:next())
  end)
end)

describe("the core's client", function()
  it("raises from start what random_bytes raised there", function()
    local handle = core.client(function() error("no dice", 0) end)
    assert.has_error(function()
      handle:start({ proxy = "", timeouts = {} }, "ws://127.0.0.1:1/")
    end, "no dice")
    handle:free()
  end)

  local config = { timeouts = {} }

  it("takes budgets of any size, and the smallest time for a budget", function()
    local handle = core.client()
    for _, case in ipairs {
      {}, { 1, 1 }, { 2 ^ 40, 2 ^ 40 }, { math.huge, math.huge }, { 1, 1e-9 }, { 0, 0 },
    } do
      assert.is_nil(handle:limit(case[1], case[2]))
    end
    handle:free()
    assert.has_error(function() handle:limit(1, 1) end)
  end)

  it("answers every question before the first attempt, and when it was freed", function()
    local handle = core.client()
    for _ = 1, 2 do
      assert.equal("closed", handle:state())
      assert.equal(0, handle:buffered())
      assert.is_nil(handle:deadline())
      assert.is_nil(handle:take(0))
      assert.is_nil(handle:receive(0))
      assert.is_nil(handle:turn(0))
      assert.is_nil(handle:progress())
      assert.is_nil(handle:protocol())
      assert.is_nil(handle:drain_at(5))
      assert.is_nil(handle:drain_at(math.huge))
      assert.is_nil(handle:pause(true))
      assert.is_nil(handle:wake())
      assert.is_nil(handle:flush())
      assert.equal(0, handle:attempt())
      assert.is_true(handle:close())
      for _, send in ipairs { "send", "send_fragment", "ping" } do
        local ok, sentence, name = handle[send](handle, "x")
        assert.same({ nil, "the connection is not open yet", "state" }, { ok, sentence, name })
      end
      handle:free()
    end
    local ok, _, name = handle:pollfd()
    assert.same({ nil, "state" }, { ok, name })
    assert.is_boolean(handle:leave())
    assert.has_error(function() handle:start(config, URL) end)
    assert.has_error(function() handle:prepare(config, URL) end)
  end)

  it("gives the place of its URL back once, however often it is collected by hand", function()
    local first, handles = core.client(), {}
    first:begin(0, URL)
    for _ = 1, 3 do getmetatable(first).__gc(first) end
    for i = 1, 3 do
      handles[i] = core.client()
      handles[i]:begin(0, "ws://127.0.0.1:1/" .. i)
    end
    for i = 1, 3 do
      local _, _, url = handles[i]:attempt()
      assert.equal("ws://127.0.0.1:1/" .. i, url)
      handles[i]:free()
    end
  end)

  it("has no place in a loop when it was freed, and nothing else has one", function()
    local loop, handle = core.loop(), core.client()
    assert.is_true(loop:add(handle, 1))
    assert.is_nil(loop:alarm(handle, 0))
    handle:free()
    assert.is_false(loop:add(handle, 2))
    assert.is_nil(loop:alarm(handle, 0))
    assert.is_nil(loop:remove(handle))
    for _, other in ipairs { false, 1, {}, loop, io.stdout, (core.protocol({ url = URL })) } do
      for _, name in ipairs { "add", "remove", "alarm" } do
        local good, why = pcall(loop[name], loop, other, 3)
        assert.is_false(good)
        assert.matches("the core's client expected", why, 1, true)
      end
    end
    loop:free()
    assert.has_error(function() loop:next() end)
  end)

  it("prepares for a URL, and for nothing else", function()
    local handle = core.client()
    for _, other in ipairs { false, {}, io.stdout } do
      local good, why = pcall(handle.prepare, handle, config, other)
      assert.is_false(good)
      assert.matches("string expected", why, 1, true)
    end
    assert.is_nil(handle:prepare(config, URL))
    handle:free()
  end)

  it("does not start at a URL with a NUL byte", function()
    local handle = core.client()
    local ok, _, name = handle:start(config, URL .. "\0x", { "A", "b" }, { "p" })
    assert.same({ nil, "url" }, { ok, name })
    handle:free()
  end)

  -- The Lua side makes the report whole, and that may raise.
  it("gives its end again where telling it raised, at once", function()
    with("finish_close_info", function() error "not now" end, function()
      local handle = core.client()
      assert.is_true(handle:start({ proxy = "", timeouts = {} }, "ws://127.0.0.1:1/"))
      handle:close()
      assert.has_error(function() handle:take(0) end)
      assert.equal(0, handle:deadline())
      assert.has_error(function() handle:receive(0) end)
      assert.has_error(function() handle:turn(0) end)
      rawset(core, "finish_close_info", nil)
      local event, code = handle:take(0)
      assert.same({ "close", 1006 }, { event, code })
      assert.is_nil(handle:take(0))
      handle:free()
    end)
  end)
end)

describe("an object whose randomness is the program's", function()
  it("is given back when the call is over that it was collected by hand in, twice", function()
    local inside, p
    p = core.protocol({ url = URL }, function(n)
      if inside then inside() end
      return ("x"):rep(n)
    end)
    p:input(handshake.answer((handshake.read(p:output()))))
    assert.equal("open", (p:next()))
    local collect = getmetatable(p).__gc
    inside = function()
      inside = nil
      for _ = 1, 2 do collect(p) end
      assert.equal("open", p:state())
    end
    p:send "x"
    assert.is_nil(inside)
    assert.equal("closed", p:state())
    assert.equal("", p:output())
  end)

  it("leaves when the call is over, is told so each time, and joins no loop till then", function()
    local loop, handle, told = core.loop(), nil, {}
    handle = core.client(function(n)
      told[#told + 1] = { handle:leave(), handle:leave(), loop:add(handle, 1) }
      return ("x"):rep(n)
    end)
    handle:start({ proxy = "", timeouts = {} }, "ws://127.0.0.1:1/")
    assert.same({ false, false, false }, told[1])
    local event, code = handle:take(0)
    assert.same({ "close", 1006 }, { event, code })
    assert.is_true(loop:add(handle, 1))
    handle:free()
    loop:free()
  end)
end)

describe("the module", function()
  after_each(function() testing.memory.fail_at() end)

  it("is not made without memory for what its objects share", function()
    local before = testing.memory.live_blocks()
    testing.memory.fail_at(1)
    local good, why = pcall(testing.open_core)
    testing.memory.fail_at()
    assert.is_false(good)
    assert.matches("wsclose: not enough memory", why, 1, true)
    network.collect()
    assert.equal(before, testing.memory.live_blocks())
  end)

  -- An object that is older than the module is finalized after it.
  it("makes nothing more once its Lua state is being closed", function()
    local result = network.run [[
      local finalizer = require "support.finalizer"
      local core
      older = finalizer(function()
        for _, make in ipairs {
          function() return core.client() end, function() return core.protocol({}) end,
          core.loop, function() return core.tunnel("ws://h/", "http://p") end,
        } do
          print(select(2, pcall(make)))
        end
      end)
      core = require "wsclose.core"
    ]]
    assert.is_true(result.ok)
    local _, count = result.output:gsub("wsclose: the Lua state is being closed", "")
    assert.equal(4, count, result.output)
  end)
end)

describe("a platform without a spare block", function()
  it("carries connections all the same", function()
    local bare = testing.open_core(true)
    local before = testing.memory.live_blocks()
    local p = bare.protocol({ url = URL }, function(n) return ("x"):rep(n) end)
    p:input(handshake.answer((handshake.read(p:output()))))
    assert.equal("open", (p:next()))
    for _, size in ipairs { 1, 5000, 70000 } do
      p:input(wire.frame { payload = ("m"):rep(size) })
      local event, data = p:next()
      assert.same({ "message", size }, { event, #data })
    end
    p:tick(0)
    p:tick(5)
    p:leave()
    network.collect()
    assert.equal(before, testing.memory.live_blocks())
  end)
end)
