-- Every allocation on the way from connect to close fails once, and all from some moment on: the
-- program is told, and nothing is lost.
local network = require "support.network"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"

local memory = testing.memory
local wsclose = network.counted()

-- Echoes one message, answers a Close, and minds nothing.
local function forgiving(c)
  c:wait("a request or an end", function()
    c:join()
    return c.ended or c.unparsed:find("\r\n\r\n", 1, true)
  end, true)
  if c.ended then
    return
  end
  c:upgrade { protocol = "feed" }
  c:wait("a message or an end", function()
    return c.ended or c.close or c.frames[1]
  end, true)
  if c.frames[1] and not c.close then
    c:send_ping "p"
    c:send_text(c.frames[1].payload)
  end
  c:wait("a Close or an end", function()
    return c.ended or c.close
  end, true)
  if c.close then
    c:send_close(c.close.code)
    c:finish()
  end
end

local goals = {
  {
    "an address",
    function(server)
      return server:url "/feed"
    end,
  },
  {
    "a name with two addresses",
    function(server)
      return ("ws://feed.example:%d/"):format(server.port)
    end,
    { resolve = { ["feed.example"] = { "127.0.0.2", "127.0.0.1" } }, family = 4 },
  },
  {
    "a name that is looked up",
    function(server)
      return ("ws://found.example:%d/"):format(server.port)
    end,
    resolver = true,
  },
}

local function options_for(goal, story)
  local options = {
    protocols = { "feed" },
    headers = { Authorization = "Bearer x" },
    clock = function()
      return 1000
    end,
    on_open = function(ws)
      story.opened = true
      if not ws:send(("x"):rep(3000)) then
        ws:close()
      end
    end,
    on_message = function(ws, data)
      story.echoed = data == ("x"):rep(3000)
      ws:close(1000, "done")
    end,
    on_close = function(_, _, _, info)
      story.closes[#story.closes + 1] = info
    end,
  }
  for name, value in pairs(goal[3] or {}) do
    options[name] = value
  end
  return options
end

-- One connection from beginning to end.
local function live(goal, server, resolver)
  local story = { closes = {} }
  local ws, sentence, name = wsclose.new(goal[2](server), options_for(goal, story))
  if not ws then
    story.refused = name
    assert.is_string(sentence)
    return story
  end
  if goal.resolver then
    resolver:attach(ws)
  end
  if memory.attempts() % 2 == 0 then
    ws:pollfd()
  end
  for _ = 1, 1000 do
    server:step()
    if not ws:update() then
      return story
    end
    if network.threads() > 1 then
      resolver:question()
      resolver:answer "127.0.0.1"
      network.wait_for_threads()
    end
  end
  error("it does not end, in phase " .. ws:info().phase)
end

local function assert_told(story)
  local info = story.closes[1]
  assert.equal(1, #story.closes)
  if info.error then
    -- that the first address refused is the more telling half of such a report; it is a bare word
    -- where there is no memory for the sentence either
    local message = info.error.message
    local half = message:match "refused by 127%.0%.0%.2.*; no memory for a socket$"
    assert.equal((half or message == "refused") and "refused" or "memory", info.error.name)
    assert.is_true(info.code == 1006 or info.code == 1011)
    assert.equal(story.opened or false, info.opened)
  else
    assert.equal(1000, info.code)
    assert.is_true(story.opened)
  end
end

describe("without memory, a connection to", function()
  after_each(function()
    memory.fail_at()
    network.close_all()
  end)

  for _, goal in ipairs(goals) do
    for _, on in ipairs { false, true } do
      local what = on and "from any allocation on" or "for any allocation"
      it(("%s ends with a report, %s"):format(goal[1], what), function()
        local server, resolver = scripted.new(forgiving), network.resolver()
        local outcomes = { refused = 0, told = 0, unharmed = 0 }

        memory.fail_at()
        local whole = live(goal, server, resolver)
        local count = memory.attempts()
        assert.is_true(whole.echoed and whole.closes[1].clean)
        assert.is_true(count > 12)
        network.collect()
        local before = memory.live_blocks()

        for n = 1, count do
          memory.fail_at(n, on)
          local story = live(goal, server, resolver)
          memory.fail_at()
          if story.refused then
            assert.equal("memory", story.refused)
            outcomes.refused = outcomes.refused + 1
          else
            assert_told(story)
            local kind = story.closes[1].error and "told" or "unharmed"
            outcomes[kind] = outcomes[kind] + 1
          end
          network.collect()
          assert.equal(before, memory.live_blocks())
        end
        assert.is_true(outcomes.refused > 0 and outcomes.told > 5)
      end)
    end
  end
end)

-- The peer's answer cannot be read any more: the time to close, and to linger, runs all the same,
-- and no turn goes on for ever.
describe("without memory to read, a connection that is closing", function()
  after_each(function()
    memory.fail_at()
    network.close_all()
  end)

  -- Whether something was left unread before makes a difference to where the turn looks on.
  for what, size in pairs { ["little"] = 10, ["more than one read takes"] = 200000 } do
    it(("ends in time where %s has come"):format(what), function()
      local server = scripted.new(function(c)
        c:upgrade()
        c:send_text(("x"):rep(size))
        c:expect_close()
        c:send_text(("y"):rep(size))
        c:stall()
      end)
      local time, clock = network.new_clock()
      local closes = {}
      local ws = assert(wsclose.new(server:url(), {
        clock = clock,
        max_messages = 1,
        timeouts = { close = 5, linger = 2 },
        on_close = function(_, code) closes[#closes + 1] = code end,
      }))
      scripted.pump(ws, server, function() return ws:state() == "open" end)
      ws:close()
      memory.fail_at(1, true)
      for _ = 1, 20 do
        time.now = time.now + 1
        ws:update()
        server:step()
      end
      memory.fail_at()
      assert.same({ 1006 }, closes)
    end)
  end
end)

describe("without memory from any allocation on, a way through a proxy", function()
  after_each(function()
    memory.fail_at()
    network.close_all()
  end)

  it("is at its end, or goes on", function()
    local ended = 0
    for n = 1, 30 do
      local proxy = scripted.new(function(c) c:stall() end)
      local ws = assert(wsclose.new("ws://feed.example/", {
        proxy = ("http://127.0.0.1:%d"):format(proxy.port),
      }))
      memory.fail_at(n, true)
      for _ = 1, 5 do
        proxy:step()
        ws:update()
      end
      memory.fail_at()
      local info = ws.close_info
      if info then
        ended = ended + 1
        assert.equal("memory", info.error.name)
      end
      ws:leave()
      network.close_all()
    end
    assert.is_true(ended > 5 and ended < 30)
  end)
end)

describe("a client that asks for another address of the host after 1013", function()
  after_each(network.close_all)

  local function blocks_after()
    local server = scripted.new(function(c)
      c:upgrade()
      c:close_session(1013)
    end)
    local ws = assert(wsclose.new(("ws://feed.example:%d/"):format(server.port), {
      resolve = { ["feed.example"] = { "127.0.0.1" } }, retry = true,
    }))
    scripted.pump(ws, server, function()
      ws:kick()
      return #server.connections == 3
    end)
    ws:leave()
    network.collect()
    return memory.live_blocks()
  end

  it("gives back what it remembers of the one before", function()
    local before = blocks_after()
    for _ = 1, 3 do assert.is_true(blocks_after() <= before) end
  end)
end)
