-- A thousand attempts, ended at random moments in every way there is: nothing is left of them.
local network = require "support.network"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

local ROUNDS = 1000

-- Lehmer's generator: the same numbers in every run and in every Lua.
local function new_dice(seed)
  return function(sides)
    seed = seed * 48271 % 2147483647
    return seed % sides + 1
  end
end

-- Goes on as far as the client lets it.
local function talkative(c)
  c:wait("a request or an end", function()
    c:join()
    return c.ended or c.unparsed:find("\r\n\r\n", 1, true)
  end, true)
  if c.ended then
    return
  end
  c:upgrade()
  c:send_text "welcome"
  c:wait("a Close or an end", function()
    return c.ended or c.close
  end, true)
  if c.close then
    c:send_close(c.close.code)
    c:finish()
  end
end

local function silent(c)
  c:stall()
end

-- Where attempts lead to.
local function new_goals()
  local resolver, quiet, server = network.resolver(), scripted.new(silent), scripted.new(talkative)
  local hole = network.black_hole "127.0.0.1"
  local to_quiet = ("http://127.0.0.1:%d"):format(quiet.port)
  local hole_and_good = { ["feed.example"] = { "::1", "127.0.0.1" } }
  network.black_hole("::1", server.port)
  return {
    { url = ("ws://feed.example:%d/"):format(server.port), resolver = resolver },
    { url = ("ws://127.0.0.1:%d/"):format(hole) },
    { url = "ws://feed.example/", proxy = to_quiet },
    { url = quiet:url("/", "wss"), kept = true },
    { url = quiet:url() },
    { url = server:url() },
    { url = ("ws://feed.example:%d/"):format(server.port), resolve = hole_and_good },
  }, { quiet, server }, resolver
end

local function step(servers)
  for _, server in ipairs(servers) do
    server:step()
  end
end

-- Moves everything a random number of times.
local function live_a_little(ws, servers, roll)
  for _ = 1, roll(8) - 1 do
    step(servers)
    ws:update()
    if roll(6) == 1 then
      ws:send "hello"
    elseif roll(12) == 1 then
      ws:close()
    end
  end
end

-- Ends the attempt; false: the client, too.
local function finish(ws, servers, roll, kept)
  local way = kept and roll(20) or roll(6)
  if way == 1 then
    ws:leave()
    return false
  elseif way == 2 then
    return false -- for the collector
  end
  ws:close()
  if way == 3 then
    return true -- the next attempt begins in the middle of this one's end
  end
  while ws:update() do -- at the latest the close timer ends it
    ws.spec_time.now = ws.spec_time.now + 0.01
    step(servers)
  end
  return true
end

local function new_client(wsclose, goal)
  local time, clock = network.new_clock()
  local ws = wsclose.new(goal.url, { clock = clock, proxy = goal.proxy, resolve = goal.resolve })
  if goal.resolver then
    goal.resolver:attach(ws)
  end
  ws.spec_time = time
  return ws
end

-- Unanswered lookups hold a thread each.
local function answer_names(resolver)
  local question = resolver.core:asked()
  while question do
    resolver:answer "127.0.0.1"
    question = resolver.core:asked()
  end
end

local function play_here(wsclose, rounds, seed)
  local roll, phases_met, clients = new_dice(seed), {}, {}
  local goals, servers, resolver = new_goals()
  for round = 1, rounds do
    local number = roll(#goals)
    local goal = goals[number]
    local ws = clients[number] or new_client(wsclose, goal)
    if roll(2) == 1 then
      ws:pollfd()
    end
    ws:reconnect()
    live_a_little(ws, servers, roll)
    local phase = ws:info().phase
    phases_met[phase] = (phases_met[phase] or 0) + 1
    clients[number] = finish(ws, servers, roll, goal.kept) and ws or nil
    if round % 20 == 0 then
      answer_names(resolver)
    end
  end
  for _, ws in pairs(clients) do
    ws:leave()
  end
  return phases_met
end

-- On a stack of its own: a stale place of the spec's might keep one of the clients from being
-- collected.
local function play(wsclose, rounds, seed)
  return coroutine.wrap(function() return play_here(wsclose, rounds, seed) end)()
end

describe(ROUNDS .. " connections cancelled at random moments", function()
  after_each(network.close_all)

  it("leave no descriptor, no thread and no memory", function()
    local wsclose = network.counted()
    play(wsclose, 20, 1) -- what is made once is made
    network.close_all()
    local descriptors, blocks = network.descriptors(), testing.memory.live_blocks()

    local met = play(wsclose, ROUNDS, 7)
    network.close_all()
    assert.same(descriptors, network.descriptors())
    assert.equal(1, network.threads())
    assert.equal(blocks, testing.memory.live_blocks())

    -- the dice were no better than the moments they hit
    for _, phase in ipairs { "dns", "tcp", "proxy", "tls", "handshake", "close" } do
      assert.is_true((met[phase] or 0) >= 20, phase .. ": " .. (met[phase] or 0))
    end
  end)
end)
