-- What receive gives, and how many values: messages that wait, the option receive_reopened.  What
-- waits in pieces is held by pieces_spec, what is kept and dropped by client_spec.

local hosted = require "wsclose.hosted"
local testing = require "wsclose.testing"
local wsclose = require "wsclose"

local URL = "wss://feed.example/v1"

local AT_ONCE = { decide = function() return 1 end }

local server

local function connect(options)
  server = testing.server(URL)
  server:accept()
  options.retry, options.receive_reopened = AT_ONCE, options.receive_reopened ~= false
  return assert(wsclose.connect(URL, options))
end

local function pack(...) return { n = select("#", ...), ... } end

-- All that receive gives until a timeout, by message or name.
local function received(ws, method)
  local list = {}
  while true do
    local data, kind, name = ws[method or "receive"](ws, 5)
    if name == "timeout" then return list end
    list[#list + 1] = data or name or kind
  end
end

describe("receive_reopened", function()
  after_each(testing.reset)

  it("tells of another connection before its first message, with what ended the last", function()
    local ws = connect {}
    server:send("old"):close(1001, "restart"):accept():send "new"
    assert.same({ "old", "text" }, { ws:receive() })
    local told = pack(ws:receive())
    assert.equal(3, told.n)
    assert.is_nil(told[1])
    assert.equal('connected anew; before: connection to wss://feed.example/v1 closed by the peer: '
      .. '1001 GOING_AWAY "restart" after 0 s; next attempt in 1 s', told[2])
    assert.equal("reopened", told[3])
    assert.same({ "new", "text" }, { ws:receive() })
    assert.same({}, received(ws))
  end)

  it("tells behind what update has met, in its place", function()
    local ws = connect {}
    server:send("1"):send("2"):drop():accept():send("3"):drop():accept():send "4"
    testing.run(10)
    assert.same({ "1", "2", "reopened", "3", "reopened", "4" }, received(ws))
  end)

  it("tells it at once, in the receive that waits", function()
    local ws = connect {}
    server:wait(2):drop():accept():wait(60)
    assert.equal("reopened", select(3, ws:receive()))
    assert.equal(3, testing.clock():now())
  end)

  it("names what ended the connection that was open, not the attempts that failed since", function()
    local ws = connect {}
    server:drop():fail("refused"):fail("dns"):accept()
    local _, sentence, name = ws:receive()
    assert.equal("reopened", name)
    assert.matches("1006 ABNORMAL, the connection ended without a Close frame", sentence)
  end)

  it("tells it after reconnect, and after an end for good", function()
    local ws = connect {}
    server:accept():close(1000):accept()
    ws:reconnect()
    assert.equal("reopened", select(3, ws:receive()))
    ws.close_info = nil
    ws:close()
    ws:run()
    assert.equal("closed", select(3, ws:receive()))
    ws:reconnect()
    assert.same({ "reopened" }, received(ws))
  end)

  it("tells nothing of the first connection, also not after attempts that failed", function()
    server = testing.server(URL)
    server:fail("refused"):accept():send "x"
    local ws = assert(wsclose.connect(URL, { retry = AT_ONCE, receive_reopened = true }))
    assert.same({ "x" }, received(ws))
  end)

  it("is off unless asked for", function()
    local ws = connect { receive_reopened = false }
    server:send("1"):drop():accept():send "2"
    assert.same({ "1", "2" }, received(ws))
  end)

  it("does not end messages", function()
    local ws = connect {}
    server:send("1"):drop():accept():send("2"):close(1000)
    ws._settings.retry.options.codes = { [1000] = false }
    local list = {}
    for data in ws:messages() do
      list[#list + 1] = data
      if #list == 2 then ws:close() end
    end
    assert.same({ "1", "2" }, list)
  end)

  it("leaves one behind where on_message takes all messages", function()
    local got = {}
    local ws = connect { on_message = function(_, data) got[#got + 1] = data end }
    server:send("1"):drop():accept():send("2"):drop():accept():send("3"):drop():accept()
    testing.run(10)
    assert.same({ "1", "2", "3" }, got)
    assert.same({ "reopened" }, received(ws))
    assert.equal(0, ws._inbox.bytes)
  end)

  it("comes behind a message in pieces that was cut", function()
    local ws = connect { pieces = true }
    server:frame({ opcode = "text", payload = "begin", fin = false }):wait(1):drop():accept()
    server:send "whole"
    assert.equal("begin", (ws:receive_piece()))
    assert.same({ "cut", "reopened", "whole" }, received(ws, "receive_piece"))
  end)

  it("is checked as options are", function()
    local ok, fault = pcall(wsclose.new, URL, { receive_reopened = 1 })
    assert.is_false(ok)
    assert.matches("option 'receive_reopened': expected true or false, got 1", fault)
  end)
end)

describe("receive gives", function()
  after_each(testing.reset)

  -- Under a host's module as without one.
  local in_host = hosted.module {
    wait = function(_, seconds) testing.run(math.min(seconds, 1)) end,
    wake = function() end, any_client = true,
  }

  for name, module in pairs { ["without a host"] = wsclose, ["under a host's module"] = in_host } do
    it(("as many values as there are, %s"):format(name), function()
      server = testing.server(URL)
      server:accept():send("x"):wait(3):send("y"):drop():accept():close(1000)
      local ws = assert(module.new(URL, {
        receive_reopened = true, retry = { decide = function(code) return code ~= 1000 and 1 end },
      }))
      testing.run(ws, "open")
      testing.run()
      assert.same({ n = 2, "x", "text" }, pack(ws:receive()))
      assert.same({ n = 3, nil, "timeout", "timeout" }, pack(ws:receive(1)))
      assert.same({ n = 2, "y", "text" }, pack(ws:receive()))
      assert.equal(3, pack(ws:receive()).n)
      local last = pack(ws:receive())
      assert.same({ 4, "closed", 1000 }, { last.n, last[3], last[4] })
    end)
  end
end)
