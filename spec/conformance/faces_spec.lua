-- The three faces of a client, and many clients at once, against a server in another process: the
-- calls that wait do wait, and those that do not return.

local wsclose = require "wsclose"
local peers = require "support.peers"
local process = require "support.process"

local PATIENCE = 10

describe("a client", function()
  local peer, url

  lazy_setup(function()
    peer = peers.start "websockets"
    url = "ws://127.0.0.1:" .. peer.port .. "/"
  end)

  lazy_teardown(process.stop_all)

  it("goes straight down: connect, send, receive, messages", function()
    local ws = assert(wsclose.connect(url))
    assert.equal("open", ws:state())
    assert.is_true(ws:send "one")
    assert.same({ "one", "text" }, { ws:receive(PATIENCE) })
    assert.same({ nil, "timeout", "timeout" }, { ws:receive(0.001) })
    assert.is_true(ws:send("two", "binary"))
    assert.is_true(ws:send "three")
    local seen = {}
    for data, kind in ws:messages() do
      seen[#seen + 1] = kind .. " " .. data
      if #seen == 2 then
        peer:tell "close 4000 enough"
      end
    end
    assert.same({ "binary two", "text three" }, seen)
    assert.equal(4000, ws.close_code)
    assert.equal("enough", ws.close_reason)
    assert.same({ nil, tostring(ws.close_info), "closed", 4000 }, { ws:receive() })
  end)

  it("says why it could not connect", function()
    local gone = peers.start "websockets"
    gone:stop()
    local ws, sentence, name, info = wsclose.connect("ws://127.0.0.1:" .. gone.port)
    assert.is_nil(ws)
    assert.matches("refused", sentence, 1, true)
    assert.equal("refused", name)
    assert.equal(1006, info.code)
  end)

  it("runs with callbacks until it is closed for good", function()
    local seen = {}
    local ws = assert(wsclose.new(url, {
      on_open = function(ws)
        ws:send "hello"
      end,
      on_message = function(ws, data)
        seen[#seen + 1] = data
        ws:close(4001, "seen")
      end,
    }))
    local code, reason, info = ws:run(PATIENCE)
    assert.same({ "hello" }, seen)
    assert.equal(4001, code)
    assert.equal("seen", reason)
    assert.is_true(info.clean)
  end)

  it("gives up running after the time it was given", function()
    local ws = assert(wsclose.connect(url))
    assert.same({ nil, "timeout" }, { ws:run(0.001) })
    assert.equal("open", ws:state())
    ws:close()
    assert.equal(1000, (ws:run(PATIENCE)))
  end)

  it("is one of many that are waited for together", function()
    local clients, echoes = {}, 0
    for i = 1, 20 do
      clients[i] = assert(wsclose.new(url, {
        on_open = function(ws)
          ws:send("client " .. i)
        end,
        on_message = function(ws, data)
          assert.equal("client " .. i, data)
          echoes = echoes + 1
          ws:close()
        end,
      }))
    end
    wsclose.run((rawget(_G, "unpack") or table.unpack)(clients)) -- luacheck: ignore 143
    assert.equal(20, echoes)
    for _, ws in ipairs(clients) do
      assert.equal(1000, ws.close_code)
    end
  end)
end)
