-- A server that we did not write is killed and started again, half of the times by SIGKILL, under a
-- client that goes on sending numbered messages: each is read by the server or reported, none comes
-- twice, and all come in order.  The clock is scripted: nobody waits for a retry.

local new_random = require "support.random"
local process = require "support.process"
local socket = require "socket"
local wsclose = require "wsclose"

local RESTARTS = 50
local LARGE = ("x"):rep(500000) -- so large that a few do not fit what kernels hold
local AHEAD = 40 -- small ones that the server has not read yet
local KILL, TERM = 9, 15

-- Sends, while the server goes away again and again.
local function sender(peer, seed)
  local self = { number = 0, came = 0, reported = {}, opens = 0, time = 1000 }
  local random = new_random(seed)
  local ws = assert(wsclose.new("ws://127.0.0.1:" .. peer.port, {
    clock = function() return self.time end,
    keepalive = false,
    extensions = { ["permessage-deflate"] = false }, -- or large would be small
    outbox = { bytes = 2 ^ 24, confirm = true, high = 1 },
    retry = { jitter = "none", first = false, initial = 1, max = 1 },
    on_open = function() self.opens = self.opens + 1 end,
    on_drain = function() self.is_confirmed = true end,
    on_undelivered = function(_, data, _, why)
      local number = tonumber(data:sub(1, 6))
      assert(not self.reported[number], "reported twice")
      self.reported[number], self.came = why, math.max(self.came, number)
    end,
  }))
  self.ws = ws

  local function send(padding)
    if not ws:send(("%06d"):format(self.number + 1) .. padding) then return end
    self.number, self.is_confirmed = self.number + 1, false
  end

  -- A few messages, small or large, and what there is to do.
  function self.go_on()
    local most = math.min(3, AHEAD - self.number + self.came)
    if self.waits then most = 0 end
    for _ = 1, random(0, math.max(0, most)) do send(random(1, 8) == 1 and LARGE or "") end
    if ws:state() == "waiting" then self.time = self.time + 1.1 end
    ws:update(0)
    local came = peer:look "^GOT (%d+)$"
    while came do
      self.came = math.max(self.came, tonumber(came))
      came = peer:look "^GOT (%d+)$"
    end
  end

  function self.until_true(happened)
    local give_up_at = socket.gettime() + process.patience
    repeat
      self.go_on()
      assert(socket.gettime() < give_up_at, "nothing happens")
    until happened()
  end

  -- Until the server has read all.
  function self.settle()
    self.waits = true
    self.until_true(function() return self.is_confirmed end)
    self.waits = false
  end

  -- The server is killed in the midst of whatever it does.
  function self.restart(signal)
    send ""
    if random(1, 2) == 1 then self.settle() end
    if random(1, 3) == 1 then
      for _ = 1, 12 do send(LARGE) end
    end
    local opens = self.opens
    for _ = 1, random(0, 40) do self.go_on() end
    peer:tell(tostring(signal))
    self.until_true(function() return self.opens > opens end)
  end

  return self
end

-- What came, in order, and a check that it came in order.
local function numbers_of(peer)
  local came, last = {}, 0
  for _, line in ipairs(peer.lines) do
    local number = tonumber(line:match "^GOT (%d+)$")
    if number then
      assert(number > last, ("%d came after %d"):format(number, last))
      came[number], last = true, number
    end
  end
  return came
end

describe("a server that is killed under an outbox", function()
  after_each(process.stop_all)

  it("gets each message once and in order, or the program is told", function()
    local peer = process.start { "/usr/bin/python3", "spec/support/peers/killed_server.py" }
    local s = sender(peer, 1)
    s.until_true(function() return s.opens == 1 end)
    for i = 1, RESTARTS do s.restart(i % 2 == 0 and KILL or TERM) end
    s.ws:close()
    s.until_true(function() return s.ws:state() == "closed" end)
    peer:tell(tostring(TERM))
    peer:expect("^DOWN " .. RESTARTS + 1)
    local came, count = numbers_of(peer), 0
    for number = 1, s.number do
      local why = s.reported[number]
      assert(came[number] or why, number .. " is lost")
      -- of what was written wholly nobody knows
      assert(not (came[number] and why) or why == "unconfirmed", number)
      if came[number] and not why then count = count + 1 end
    end
    assert(count >= RESTARTS / 5, count) -- at least those it waited for
    assert.equal(s.number - count, s.ws:stats().messages_undelivered)
  end)
end)
