-- What the files for event loops are made of; the loops themselves are in spec/hosts.

local hosted = require "wsclose.hosted"
local network = require "support.network"
local scripted = require "support.scripted_server"
local wsclose = require "wsclose"

-- A scheduler in a few lines: what waits yields, and the spec resumes it.
local yielding = hosted.module { wait = function() coroutine.yield() end, wake = function() end }

local function greet(c)
  c:upgrade()
  c:send_text("one")
  c:send_text("two")
  c:send_close(1000)
  c:expect_close(1000)
  c:finish()
end

-- Runs `f` in a coroutine until it ends.
local function play(f)
  local server = scripted.new(greet)
  local thread = coroutine.create(f)
  scripted.pump({ update = function()
    assert(coroutine.resume(thread, server:url "/"))
  end }, server, function() return coroutine.status(thread) == "dead" end)
end

local PUC_5_1 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")

describe("a host's client", function()
  after_each(scripted.close_all)

  it("waits in receive by the host, under every Lua", function()
    local got = {}
    play(function(url)
      local ws = assert(yielding.connect(url))
      local data = ws:receive()
      while data do
        got[#got + 1] = data
        data = ws:receive()
      end
    end)
    assert.same({ "one", "two" }, got)
  end)

  it("is told to the host as it is made, and when another coroutine moves its deadline", function()
    local told = {}
    local telling = hosted.module {
      wait = function() end,
      wake = function(ws) told[#told + 1] = ws:state() end,
      adopt = function(ws) told[#told + 1] = "new " .. ws:state() end,
    }
    local ws = assert(telling.new "ws://127.0.0.1:1/")
    for _, method in ipairs { "pause", "resume", "ping", "kick", "reconnect", "close", "leave" } do
      local before = #told
      ws[method](ws)
      assert.equal(before + 1, #told, method)
    end
    assert.equal("new idle", told[1])
  end)

  it("is run for so many seconds, not less", function()
    local time, waited = 0, {}
    local patient = hosted.module {
      wait = function(_, seconds)
        waited[#waited + 1] = seconds
        time = time + math.min(seconds, 1.5)
      end,
      wake = function() end,
    }
    local ws = assert(patient.new("ws://127.0.0.1:1/", { clock = function() return time end }))
    ws:reconnect(nil, nil, 100)
    assert.same({ nil, "timeout" }, { ws:run(2) })
    assert.same({ 2, 0.5 }, waited)
  end)

  it("tells the line of a program that forgets the colon", function()
    local ws = assert(yielding.new "ws://127.0.0.1:1/")
    for _, method in ipairs { "pause", "close", "after" } do
      local ok, sentence = pcall(function() ws[method]() end)
      assert.is_false(ok)
      assert.matches("^spec/lua/hosted_spec%.lua:%d+: expected a wsclose object", sentence)
    end
  end)

  it("gives as many values as a client without a host", function()
    local URL = "ws://127.0.0.1:1/"
    local plain, ws = assert(wsclose.new(URL)), assert(yielding.new(URL))
    for _, call in ipairs {
      { "pause" }, { "resume" }, { "kick" }, { "ping" }, { "after", 1, print }, { "reconnect" },
      { "close" }, { "after", 1, print }, { "leave" }, { "reconnect" },
    } do
      local method, a, b = call[1], call[2], call[3]
      local count = select("#", plain[method](plain, a, b))
      assert.equal(count, select("#", ws[method](ws, a, b)), method)
    end
  end)

  if PUC_5_1 then
    it("has no messages for Lua 5.1's for, which cannot yield: a sentence names receive", function()
      local ws = assert(yielding.new "ws://127.0.0.1:1/")
      local ok, sentence = pcall(function() return ws:messages() end)
      assert.is_false(ok)
      assert.equal("ws:messages() waits in a for, where Lua 5.1 cannot let the host run: "
        .. "call ws:receive() in a while loop, until it gives nil",
        (sentence:gsub("^spec/lua/hosted_spec%.lua:%d+: ", "")))
    end)
  else
    it("waits in a for over messages", function()
      local got = {}
      play(function(url)
        for data in assert(yielding.connect(url)):messages() do got[#got + 1] = data end
      end)
      assert.same({ "one", "two" }, got)
    end)
  end
end)

describe("a wrong argument", function()
  it("is told with the program's line, whichever module it is given to", function()
    for _, module in ipairs { yielding, (require "wsclose.love") } do
      for _, call in ipairs { "new", "connect" } do
        for _, options in ipairs { { famly = 4 }, "none" } do
          local ok, message = pcall(function()
            local ws = module[call]("ws://feed.example/", options)
            return ws
          end)
          assert.is_false(ok)
          assert.matches("hosted_spec.lua:%d+: .*option", message)
        end
      end
    end
  end)
end)

describe("every module that needs no host", function()
  it("loads where an unknown global raises, as in Nmap and Tarantool's strict mode", function()
    local run = network.run [[
      setmetatable(_G, { __index = function(_, name) error("unknown global " .. name, 2) end })
      require "wsclose"
      require "wsclose.hosted"
      require "wsclose.love"
      print "loaded"
    ]]
    assert.equal("loaded\n", run.output)
  end)
end)
