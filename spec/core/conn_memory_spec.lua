-- Without memory for one allocation, or for all from there on: lives of a connection that
-- spec/lua/memory_spec.lua does not lead.  Whatever fails, the end is told once and last, no memory
-- is lost, and what does not need the missing block goes on.

local collect = require "support.collect"
local handshake = require "support.scripted.handshake"
local testing = require "wsclose.core_testing"
local wire = require "support.wire"

local memory = testing.memory
local wsclose = require("support.counted")()

local URL = "ws://feed.example/v1"

-- All events up to now are put behind those there are.
local function drain(p, events)
  local event = { p:next() }
  while event[1] do
    local last = events[#events]
    assert(not last or last[1] ~= "close", "an event behind the end")
    events[#events + 1] = event
    event = { p:next() }
  end
end

local function named(events, name)
  local found = {}
  for _, event in ipairs(events) do
    if event[1] == name then found[#found + 1] = event end
  end
  return found
end

-- Plays a life with the nth allocation failing, for every n there is; gives how many there are.
local function fail_each(life)
  for _, from_there_on in ipairs { false, true } do
    collect()
    local before, n = memory.live_blocks(), 0
    repeat
      n = n + 1
      memory.fail_at(n, from_there_on)
      local good, why = pcall(life)
      local attempts = memory.attempts()
      memory.fail_at()
      assert(good, why)
      collect()
      assert.equal(before, memory.live_blocks(), ("allocation %d failed"):format(n))
    until attempts < n
    assert.is_true(n > 3)
  end
end

-- A client that has said its request, and the request as others read it; nil: no memory for it.
local function new_client(options)
  local p, sentence, name = wsclose.protocol(URL, options)
  if not p then
    assert.same({ "not enough memory", "memory" }, { sentence, name })
    return
  end
  return p, handshake.read(p:output())
end

local function the_end(p, events)
  p:output() -- what is left of a Close
  p:eof()
  drain(p, events)
  local last = events[#events]
  assert.equal("close", last[1])
  return last[2], last[3], last[4]
end

describe("a connection without memory for one allocation", function()
  after_each(function() memory.fail_at() end)

  it("goes on where it was for the record of a frame, which is then left out", function()
    local payload, left_out = ("x"):rep(600), 0
    local all = wire.frame { opcode = "ping", payload = "p" } .. wire.frame { payload = payload }
      .. wire.frame { payload = "a", fin = false } .. wire.frame { opcode = 0, payload = "b" }
    fail_each(function()
      local p, request = new_client { trace = "payload" }
      if not p then return end
      p:input(handshake.answer(request))
      local events = {}
      drain(p, events)
      local sent = p:send "out"
      p:input(all)
      drain(p, events)
      local came = named(events, "message")
      local _, _, info = the_end(p, events)
      if info.error.name == "memory" then return end
      assert.same({ { "message", payload, "text" }, { "message", "ab", "text" } }, came)
      local frames = named(events, "frame")
      assert.equal(sent and p:stats().frames_out or 1, p:stats().frames_out)
      if #frames < 6 then left_out = left_out + 1 end
    end)
    assert.is_true(left_out > 0)
  end)

  it("tells of the missing extension, or of memory, and never opens", function()
    fail_each(function()
      local p, request = new_client {
        extensions = { ["permessage-deflate"] = { required = true } }, trace = true,
      }
      if not p then return end
      p:input(handshake.answer(request) .. wire.frame { payload = "early" })
      local events = {}
      drain(p, events)
      local code, reason, info = the_end(p, events)
      assert.same({}, named(events, "open"))
      assert.same({}, named(events, "message"))
      if code == 1010 then
        assert.is_truthy(reason == "permessage-deflate" or reason == "")
        assert.equal("extension", info.error.name)
      else
        assert.same({ 1006, "memory" }, { code, info.error.name })
      end
    end)
  end)

  it("keeps a refusal, but for the words quoted of its body", function()
    local quoted, bare = 0, 0
    fail_each(function()
      local p = new_client {}
      if not p then return end
      p:input "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nbad key"
      local code, _, info = the_end(p, {})
      assert.equal(1006, code)
      if info.error.name ~= "http" then return assert.equal("memory", info.error.name) end
      assert.same({ 403, "bad key" }, { info.http.status, info.http.body })
      local said = info.error.message
      if said == 'the server answered 403 Forbidden: "bad key"' then
        quoted = quoted + 1
      elseif said == "the server answered 403 Forbidden" then
        bare = bare + 1
      else
        assert.equal("http", said) -- no memory for a sentence at all
      end
    end)
    assert.is_true(quoted > 0 and bare > 0)
  end)

  it("fails with 1002 behind HTTP that follows the 101, whatever is left of its body", function()
    fail_each(function()
      local p, request = new_client {}
      if not p then return end
      p:input(handshake.answer(request)
        .. "HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno")
      local events = {}
      drain(p, events)
      local code, _, info = the_end(p, events)
      if info.error.name == "memory" then return end
      assert.equal("protocol", info.error.name)
      assert.is_truthy(code == 1002 or code == 1006) -- no memory for the Close
    end)
  end)

  it("has its ping left out, and sends the next one at its time", function()
    local p, request = new_client { keepalive = { interval = 10, timeout = 5 } }
    p:input(handshake.answer(request))
    drain(p, {})
    p:tick(0)
    memory.fail_at(1, true)
    p:tick(10)
    assert.is_nil(p:next())
    memory.fail_at()
    assert.equal("", p:output())
    p:tick(19.9)
    assert.is_nil(p:next()) -- nothing was asked that could be answered
    assert.equal("open", p:state())
    assert.equal("", p:output())
    p:tick(20)
    p:next()
    assert.equal("ping", wire.read_frame(p:output(), 1).name)
    p:tick(20)
    p:tick(25)
    local _, _, info = the_end(p, {})
    assert.equal("ping_timeout", info.error.name)
  end)

  for name, options in pairs { messages = {}, pieces = { pieces = { size = 100 } } } do
    it("gives what came before, as " .. name .. ", then says why it ends", function()
      local sent = { ("a"):rep(3000), ("b"):rep(300), "c" }
      local frames = wire.frame { payload = sent[1]:sub(1, 1000), fin = false }
        .. wire.frame { opcode = 0, payload = sent[1]:sub(1001) }
        .. wire.frame { payload = sent[2] } .. wire.frame { payload = sent[3] }
      local whole = table.concat(sent)
      fail_each(function()
        local p, request = new_client(options)
        if not p then return end
        p:input(handshake.answer(request))
        local events, got = {}, {}
        for at = 1, #frames, 700 do
          p:input(frames:sub(at, at + 699))
          drain(p, events)
        end
        local _, _, info = the_end(p, events)
        for _, event in ipairs(events) do
          if event[1] == "message" or event[1] == "piece" then got[#got + 1] = event[2] end
        end
        got = table.concat(got)
        assert.equal(whole:sub(1, #got), got)
        assert.is_truthy(info.error.name == "memory" or got == whole)
      end)
    end)
  end
end)

describe("a connection at its end", function()
  it("gives back what it had to send at once, not when it is collected", function()
    local p, request = new_client {}
    p:input(handshake.answer(request))
    drain(p, {})
    collect()
    local before = memory.live_bytes()
    assert.is_true(p:send(("x"):rep(2 ^ 20)))
    assert.is_true(memory.live_bytes() > before + 2 ^ 20)
    p:eof()
    drain(p, {})
    assert.is_true(memory.live_bytes() < before + 2 ^ 10)
    assert.equal("closed", p:state())
  end)
end)
