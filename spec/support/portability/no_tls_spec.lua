-- A build without OpenSSL (WITH_TLS=0): scripts/portability runs this against it.
local wsclose = require "wsclose"

describe("a build without TLS", function()
  local function close_of(url, options)
    local closed
    options.on_close = function(_, code, reason, info) closed = { code, reason, info } end
    options.retry = true
    assert(wsclose.new(url, options)):run(5)
    return closed
  end

  for _, case in ipairs {
    { "wss://127.0.0.1:1/", { proxy = false } },
    { "wss+unix:///nowhere:/", {} },
    { "ws://127.0.0.1:1/", { proxy = "https://127.0.0.1:1" } },
  } do
    it("refuses " .. (case[2].proxy or case[1]) .. " in a sentence, and for good", function()
      local closed = close_of(case[1], case[2])
      assert.same({ 1015, "" }, { closed[1], closed[2] })
      local info = closed[3]
      assert.equal("tls", info.error.name)
      assert.equal("wss:// and https:// need TLS, and this wsclose was built without it",
        info.error.message)
      assert.is_nil(info.retry_in)
    end)
  end

  it("takes SHA-1 from the system: the key of RFC 6455 1.3 is answered as there", function()
    local server = assert(wsclose.protocol(nil, { role = "server" }))
    server:input("GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
      .. "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      .. "Sec-WebSocket-Version: 13\r\n\r\n")
    assert.equal("open", server:next())
    assert.is_truthy(server:output():find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 1, true))
  end)

  it("takes random bytes from the kernel: no key of a handshake comes twice", function()
    local seen, count = {}, 0
    for _ = 1, 100 do
      local request = assert(wsclose.protocol "ws://feed.example/"):output()
      local key = request:match "Sec%-WebSocket%-Key: (%S+)"
      if not seen[key] then
        seen[key], count = true, count + 1
      end
    end
    assert.equal(100, count)
  end)
end)
