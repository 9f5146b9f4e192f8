-- Every allocation may fail: the protocol object and the client say so, stay usable, and give all
-- memory back.  The module here runs on the testing platform, which counts and fails on demand.

local network = require "support.network"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

local memory = testing.memory

local wsclose = network.counted()

local function collect()
  collectgarbage()
  collectgarbage()
end

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
