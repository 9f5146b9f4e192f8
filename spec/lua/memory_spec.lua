-- Every allocation may fail: the protocol object and the client say so, stay usable, and give all
-- memory back.  The module here runs on the testing platform, which counts and fails on demand.

local crowd = require "support.crowd"
local network = require "support.network"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

local memory = testing.memory

local uncounted = require "wsclose"
local wsclose = network.counted()

local collect = network.collect

-- Plays the scenario with the n-th allocation failing, for every n it has; `from_there_on`: with
-- all after it failing too.  Whatever happens, nothing must be left over.
local function fail_each(scenario, from_there_on)
  collect()
  local before = memory.live_blocks()
  local n = 0
  repeat
    n = n + 1
    memory.fail_at(n, from_there_on)
    local ok, why = pcall(scenario, n)
    local attempts = memory.attempts()
    memory.fail_at()
    assert(ok, why)
    scripted.close_all()
    collect()
    assert.equal(before, memory.live_blocks(), ("allocation %d failed"):format(n))
  until attempts < n
  assert.is_true(n > 20)
end

local OPTIONS = {
  protocols = { "a", "b" },
  extensions = { ["permessage-deflate"] = { threshold = 0 } },
  headers = { ["X-A"] = "1" },
}

local function carry(from, to)
  if from and to then to:input(from:output()) end
end

local function drain(p)
  while p and p:next() do end -- luacheck: ignore 542
end

-- Both sides of a connection, from the handshake to its end.
local function both_sides()
  local client = wsclose.protocol("ws://a.example/x", OPTIONS)
  local server = wsclose.protocol(nil, {
    role = "server", protocols = { "a" }, extensions = OPTIONS.extensions,
  })
  for _ = 1, 2 do
    carry(client, server)
    drain(server)
    carry(server, client)
    drain(client)
  end
  for _, p in pairs { client, server } do
    p:send(("compress me "):rep(500))
    local w = p:send_fragments "text"
    w:write "one"
    w:finish "two"
    p:ping "p"
    p:info()
    p:stats()
  end
  carry(client, server)
  carry(server, client)
  drain(server)
  drain(client)
  if client then client:close(4000, "bye") end
  for _ = 1, 2 do
    carry(client, server)
    drain(server)
    carry(server, client)
    drain(client)
  end
end

describe("without memory for one allocation", function()
  after_each(function()
    memory.fail_at()
    scripted.close_all()
  end)

  it("a protocol object fails cleanly, and gives everything back", function()
    fail_each(both_sides)
  end)

  it("a protocol object fails cleanly when memory stays away", function()
    fail_each(both_sides, true)
  end)

  it("a failed constructor says so by name", function()
    memory.fail_at(1)
    local p, sentence, name = wsclose.protocol "ws://a.example/"
    memory.fail_at()
    assert.is_nil(p)
    assert.equal("not enough memory", sentence)
    assert.equal("memory", name)
    memory.fail_at(1)
    local ws
    ws, sentence, name = wsclose.new "ws://a.example/"
    memory.fail_at()
    assert.is_nil(ws)
    assert.equal("not enough memory", sentence)
    assert.equal("memory", name)
  end)

  -- A client goes the whole way; on_close is told once, whatever fails.
  local function whole_way()
    local server = scripted.new(function(c)
      c:upgrade { protocol = "a", extensions = "permessage-deflate" }
      while c:frame().opcode ~= 8 do end -- luacheck: ignore 542
      c:send_close(1000)
      c:finish()
    end)
    local closes = 0
    local options = {
      on_open = function(ws)
        ws:send(("compress me "):rep(500))
        ws:close()
      end,
      on_close = function() closes = closes + 1 end,
    }
    for name, value in pairs(OPTIONS) do options[name] = value end
    local ws = wsclose.new(server:url(), options)
    if not ws then return end
    ws:pollfd()
    scripted.pump(nil, server, function() return not ws:update(0.002) end)
    assert.equal(1, closes)
    assert.is_false((ws:update()))
  end

  it("a client tells on_close once, and gives everything back", function()
    fail_each(whole_way)
  end)

  it("a client tells on_close once when memory stays away", function()
    fail_each(whole_way, true)
  end)
end)

-- The bytes that one connection may hold on a machine of 64 bits while nothing goes through it; the
-- headers of the answer are among them.
local IDLE_BYTES = { protocol = 936, client = 1176, agreed = 184, member = 208 }

-- Both sides open; the server's memory is not counted.
local function open_pair(extensions)
  local client = wsclose.protocol("ws://a.example/", { extensions = extensions })
  local server = uncounted.protocol(nil, { role = "server", extensions = extensions })
  carry(client, server)
  drain(server)
  carry(server, client)
  drain(client)
  assert.equal("open", client:state())
  client:tick(1)
  return client, server
end

local function message_to(client, server, text)
  server:send(text)
  carry(server, client)
end

-- Of Lua's own memory, for a client that is open, in any Lua: with more than eight fields it would
-- be 610 in the thriftiest.
local LUA_BYTES = 600

local function lua_bytes()
  collect()
  return collectgarbage "count" * 1024
end

local COUNT = 100

-- A stale place of the stack may keep one of them from being collected.
local crowd_handles = setmetatable({}, { __mode = "k" })

local function leave_crowd()
  for handle in pairs(crowd_handles) do handle:leave() end
end

local function open_crowd(options)
  local server, clients = crowd.new(), {}
  for i = 1, COUNT do
    clients[i] = assert(wsclose.new(server:url(1000 + i), options))
    crowd_handles[clients[i]._handle] = true
  end
  local function all_open()
    local count = 0
    for _, ws in ipairs(clients) do
      ws:update()
      if ws:state() == "open" then count = count + 1 end
    end
    return count == COUNT
  end
  server:open(all_open, COUNT)
  network.wait(all_open, "opening")
  return server, clients
end

-- What Lua gets back when one of a hundred open clients is collected.
local function lua_bytes_of_client(options)
  local server, clients = open_crowd(options)
  local before = lua_bytes()
  for i = 1, COUNT do clients[i] = false end
  local freed = before - lua_bytes()
  server:close()
  return freed / COUNT
end

describe("an open connection that lies idle", function()
  -- Objects that other specs left must not be collected while blocks are counted.
  -- The block that all share may be there on their account: nobody has read for a long time.
  before_each(function()
    collect()
    collectgarbage "stop"
    local client, server = open_pair {}
    message_to(client, server, "m")
    drain(client)
    client:tick(2)
    client:tick(9)
    client:leave()
  end)
  after_each(function()
    collectgarbage "restart"
    leave_crowd()
    scripted.close_all()
  end)

  for name, case in pairs {
    ["holds no buffer"] = { {}, IDLE_BYTES.protocol },
    ["holds nothing of zlib's where compression was agreed on and not used"] = {
      { ["permessage-deflate"] = {} }, IDLE_BYTES.protocol + IDLE_BYTES.agreed,
    },
  } do
    it(name, function()
      local before, large = memory.live_bytes(), memory.large_blocks()
      local client, server = open_pair(case[1])
      client:tick(3)
      assert.equal(large, memory.large_blocks())
      assert.is_true(memory.live_bytes() - before <= case[2])
      local idle = memory.live_bytes()

      client:send(("out "):rep(30), nil, { compress = false })
      message_to(client, server, "in")
      assert.same({ "message", "in", "text" }, { client:next() })
      drain(client)
      carry(client, server)
      client:tick(4)
      assert.is_true(memory.live_bytes() > idle)
      client:tick(6)
      assert.equal(large, memory.large_blocks())
      assert.equal(idle, memory.live_bytes())
    end)
  end

  it("shares the block that it reads into with all others", function()
    local large, pairs_of = memory.large_blocks(), {}
    for i = 1, 10 do pairs_of[i] = { open_pair {} } end
    for _, pair in ipairs(pairs_of) do
      message_to(pair[1], pair[2], "m")
      drain(pair[1])
    end
    assert.equal(large + 1, memory.large_blocks())
  end)

  it("has returned that block as soon as it is open", function()
    local large = memory.large_blocks()
    for _ = 1, 3 do
      local client = wsclose.protocol("ws://a.example/", {})
      local server = uncounted.protocol(nil, { role = "server" })
      carry(client, server)
      drain(server)
      carry(server, client)
      assert.equal("open", client:next())
      assert.equal(large + 1, memory.large_blocks())
    end
  end)

  it("keeps a block of its own while there is something unread in it", function()
    local large, pairs_of = memory.large_blocks(), {}
    for i = 1, 3 do pairs_of[i] = { open_pair {} } end
    for i, pair in ipairs(pairs_of) do message_to(pair[1], pair[2], ("m"):rep(1000) .. i) end
    assert.equal(large + 3, memory.large_blocks())
    for i, pair in ipairs(pairs_of) do
      assert.equal(("m"):rep(1000) .. i, select(2, pair[1]:next()))
    end
    for _, pair in ipairs(pairs_of) do assert.is_nil(pair[1]:next()) end
    assert.equal(large + 1, memory.large_blocks())
  end)

  it("holds no buffer as a client either", function()
    local time, clock = network.new_clock()
    local before, large = memory.live_bytes(), memory.large_blocks()
    local server = scripted.new(function(c)
      c:upgrade {}
      c:send_text(("x"):rep(5000))
      while c:frame().opcode ~= 8 do end -- luacheck: ignore 542
      c:send_close(1000)
      c:finish()
    end)
    local got, opened
    local ws = wsclose.new(server:url(), {
      clock = clock,
      on_open = function() opened = true end,
      on_message = function(ws, data)
        got = #data
        ws:send "thanks"
      end,
    })
    scripted.pump(nil, server, function()
      ws:update(0.002)
      return opened and got and ws:buffered() == 0
    end)
    ws:update() -- the first that sees the last write done
    time.now = time.now + 1.5
    ws:update()
    assert.equal(5000, got)
    assert.equal(large, memory.large_blocks())
    assert.is_true(memory.live_bytes() - before <= IDLE_BYTES.client)
    ws:close()
    scripted.pump(nil, server, function() return not ws:update(0.002) end)
  end)

  it("takes no more of Lua's memory with two callbacks than with none", function()
    local function ignore() end
    local bare = lua_bytes_of_client {}
    local with_callbacks = lua_bytes_of_client { on_message = ignore, on_close = ignore }
    assert.is_true(math.abs(with_callbacks - bare) < 8)
    assert.is_true(bare <= LUA_BYTES)
  end)

  it("has a small place in a group", function()
    local server, clients = open_crowd {}
    local before = memory.live_bytes()
    local group = wsclose.group(clients)
    group:update()
    assert.is_true((memory.live_bytes() - before) / COUNT <= IDLE_BYTES.member)
    server:close()
  end)

  -- In a process of its own: what other specs left, however long it stays, holds on to the block.
  it("gives the block that it reads into back with the last of all", function()
    local result = network.run [[
      local uncounted = require "wsclose"
      local memory = require("wsclose.core_testing").memory
      local wsclose = require("support.network").counted()
      local before = memory.large_blocks()
      for _ = 1, 2 do
        local client = wsclose.protocol("ws://a.example/", {})
        local server = uncounted.protocol(nil, { role = "server" })
        server:input(client:output())
        while server:next() do end
        client:input(server:output())
        while client:next() do end
        assert(memory.large_blocks() == before + 1)
        client:leave()
        assert(memory.large_blocks() == before)
      end
    ]]
    assert.is_true(result.ok, result.output)
  end)
end)
