local garbage = require "support.garbage"
local testing = require "wsclose.core_testing"
local handshake = testing.handshake
local memory = testing.memory

local PMD = "permessage-deflate"
local KEY = "dGhlIHNhbXBsZSBub25jZQ==" -- RFC 6455 1.3: "the sample nonce"
local VERSION = testing.open_core().version
local ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

local function lines(list)
  return table.concat(list, "\r\n") .. "\r\n\r\n"
end

describe("the handshake's request, RFC 6455 4.1", function()
  before_each(function()
    testing.random.set "the sample nonce"
  end)
  after_each(function()
    testing.random.set()
  end)

  local function request(config)
    local object, bytes = handshake.new(config)
    assert.is_truthy(object)
    return bytes
  end

  it("is the same as the RFC's sample, with its key", function()
    assert.equal(lines {
      "GET /chat HTTP/1.1",
      "Host: server.example.com",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: " .. KEY,
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Protocol: chat, superchat",
      "User-Agent: wsclose/" .. VERSION,
      "Origin: http://example.com",
    }, request {
      url = "ws://server.example.com/chat",
      protocols = { "chat", "superchat" },
      headers = { { "Origin", "http://example.com" } },
    })
  end)

  it("has everything in its place", function()
    assert.equal(lines {
      "GET /a/b?c=d HTTP/1.1",
      "Host: a.example:8443",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: " .. KEY,
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Protocol: v2",
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, foo; x=1",
      "Authorization: Basic dXNlcjpwYXNz",
      "User-Agent: me",
      "Cookie: a=b; c=d",
      "X-Twice: 1",
      "x-twice: 2",
      "X-Empty: ",
      "X-Latin: \228\t.",
    }, request {
      url = "wss://user:pass@A.example:8443/a/b?c=d",
      protocols = { "v2" },
      extensions = {
        { name = PMD, params = { { "client_max_window_bits" } }, required = true },
        { name = "foo", params = { { "x", "1" } }, require = { "y" } },
      },
      headers = { { "User-Agent", "me" }, { "Cookie", "a=b; c=d" }, { "X-Twice", "1" },
        { "x-twice", "2" }, { "X-Empty", "" }, { "X-Latin", "\228\t." } },
    })
  end)

  for _, case in ipairs {
    -- url, request line, host
    { "ws://a.example", "GET / HTTP/1.1", "a.example" },
    { "ws://a.example?q", "GET /?q HTTP/1.1", "a.example" },
    { "ws://a.example:80/", "GET / HTTP/1.1", "a.example" },
    { "wss://a.example:443/x", "GET /x HTTP/1.1", "a.example" },
    { "ws://a.example:443/", "GET / HTTP/1.1", "a.example:443" },
    { "ws://[2001:db8::1]:81/", "GET / HTTP/1.1", "[2001:db8::1]:81" },
    { "ws+unix:///run/x.sock:/res?1", "GET /res?1 HTTP/1.1", "localhost" },
  } do
    it("names resource and host of " .. case[1], function()
      local bytes = request { url = case[1] }
      assert.equal(case[2] .. "\r\nHost: " .. case[3] .. "\r\n", bytes:match "^.-\r\n.-\r\n")
    end)
  end

  it("names the host that the program gives in the place of the URL's", function()
    local bytes = request {
      url = "wss://127.0.0.1:8443/", headers = { { "X", "1" }, { "host", "feed.example" } },
    }
    assert.equal("GET / HTTP/1.1\r\nHost: feed.example\r\n", bytes:match "^.-\r\n.-\r\n")
    assert.is_nil(bytes:lower():find("\r\nhost:.*\r\nhost:"))
    assert.is_truthy(bytes:find("\r\nX: 1\r\n", 1, true))
  end)

  it("names wsclose as the user agent, or whom the program does", function()
    local _, count = request {}:gsub("\r\nUser%-Agent: wsclose/" .. VERSION .. "\r\n", "")
    assert.equal(1, count)
    local bytes = request { headers = { { "user-agent", "bot/2" } } }
    assert.is_truthy(bytes:find("\r\nuser-agent: bot/2\r\n", 1, true))
    assert.is_nil(bytes:find("wsclose", 1, true))
  end)

  it("keeps an IPv6 zone to itself, RFC 6874 4", function()
    local bytes = request { url = "ws://[fe80::1%25eth0]:81/" }
    assert.equal("GET / HTTP/1.1\r\nHost: [fe80::1]:81\r\n", bytes:match "^.-\r\n.-\r\n")
  end)

  it("names the whole URL for a plain proxy, as http or https", function()
    local config = { url = "ws://a.example:81/x?y", absolute_target = true }
    assert.equal("GET http://a.example:81/x?y HTTP/1.1", request(config):match "^[^\r]*")
    config.url = "wss://u:p@a.example/x"
    assert.equal("GET https://a.example/x HTTP/1.1", request(config):match "^[^\r]*")
  end)

  it("has Basic authorization from the URL, unless the program gives its own", function()
    local bytes = request { url = "ws://Aladdin:open%20sesame@a.example/" }
    assert.is_truthy(bytes:find("\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", 1,
      true)) -- RFC 7617 2
    bytes = request {
      url = "ws://Aladdin:open%20sesame@a.example/",
      headers = { { "authorization", "Bearer x" } },
    }
    assert.is_nil(bytes:find("Basic", 1, true))
    assert.is_truthy(bytes:find("\r\nauthorization: Bearer x\r\n", 1, true))
  end)

  it("has a new key each time: 16 random bytes", function()
    testing.random.set()
    local seen = {}
    for _ = 1, 50 do
      local key = request({}):match "Sec%-WebSocket%-Key: ([%w+/]+==)\r\n"
      assert.equal(24, #key)
      assert.is_nil(seen[key])
      seen[key] = true
    end
    testing.random.set "\255"
    assert.is_truthy(request({}):find("Sec-WebSocket-Key: /////////////////////w==", 1, true))
  end)

  it("is not made without randomness", function()
    testing.random.set(false)
    assert.is_nil(handshake.new {})
  end)

  for _, config in ipairs {
    { url = "http://a.example/" },
    { url = "ws://a.example/x\r\nEvil: 1" },
    { headers = { { "X", "1\r\nEvil: 1" } } },
    { headers = { { "X", "1\nEvil: 1" } } },
    { headers = { { "X\r\nEvil", "1" } } },
    { headers = { { "X: 1\r\nEvil", "1" } } },
    { headers = { { "Good", "1" }, { "Host", "evil\r\nEvil: 1" } } },
    { headers = { { "Host", "a" }, { "Good", "1" }, { "hOST", "a" } } }, -- RFC 9112 3.2
    { protocols = { "a\r\nEvil: 1" } },
    { protocols = { "a", "a" } },
    { extensions = { { name = "a\r\nEvil: 1" } } },
    { extensions = { { name = "a", params = { { "x", "1\r\nEvil: 1" } } } } },
    { extensions = { { name = PMD, params = { { "server_max_window_bits", "7" } } } } },
  } do
    it("is not made of what the checks refuse, case " .. _, function()
      garbage() -- else what earlier specs left may go between the two counts
      local blocks = memory.live_blocks()
      assert.is_nil(handshake.new(config))
      assert.equal(blocks, memory.live_blocks())
    end)
  end
end)

describe("a header that a program gives", function()
  for _, case in ipairs {
    { "Authorization", "Bearer abc" }, { "Cookie", "a=b" }, { "Origin", "https://a.example" },
    { "Host", "feed.example" }, { "hOST", "[2001:db8::1]:8443" },
    { "User-Agent", "x/1" }, { "X-Y_z.0~", "" }, { "X", " \t blanks " }, { "X", "\128\255" },
    { "Hosts", "" }, { "Sec-Fetch-Mode", "websocket" }, { "Sec-WebSocke", "" }, { "TEA", "" },
  } do
    it("may be " .. case[1] .. ": " .. case[2]:gsub("[\128-\255]", "?"), function()
      assert.is_true(handshake.header_check(case[1], case[2]))
    end)
  end

  local TOKEN = "a header's name must be a token: letters, digits and !#$%&'*+-.^_`|~ only"
  local BREAK = "a header's value must not hold CR, LF or NUL"
  local CONTROL = "a header's value must not hold control bytes"
  local BY_HANDSHAKE =
    "the handshake writes Upgrade, Connection and every Sec-WebSocket header itself"
  local NO_BODY = "a handshake has no body: Content-Length, Transfer-Encoding, TE, Trailer and "
    .. "Expect are refused"
  local HOST = 'a Host header holds a host and maybe a port: "feed.example:8443"'
  local TRANSPORT =
    "Keep-Alive and Proxy-Connection are refused: the handshake manages the connection"

  for _, case in ipairs {
    { "", "x", TOKEN }, { "a b", "x", TOKEN }, { "a:", "x", TOKEN }, { "a\r\n", "x", TOKEN },
    { "a\0", "x", TOKEN }, { "\195\164", "x", TOKEN },
    { "X", "a\rb", BREAK }, { "X", "a\nb", BREAK }, { "X", "a\0b", BREAK }, { "X", "\r\n", BREAK },
    { "X", "a\127", CONTROL }, { "X", "\1", CONTROL }, { "X", "\27[31m", CONTROL },
    { "Host", "", HOST }, { "host", "a b", HOST }, { "Host", "a,b", HOST }, { "hOST", "a/b", HOST },
    { "Host", "u@a", HOST }, { "Host", "a?b", HOST }, { "Host", "a#b", HOST },
    { "Host", "a\\b", HOST }, { "Host", "a\tb", HOST },
    { "Upgrade", "x", BY_HANDSHAKE }, { "connection", "x", BY_HANDSHAKE },
    { "Sec-WebSocket-Key", "x", BY_HANDSHAKE }, { "sec-websocket-version", "8", BY_HANDSHAKE },
    { "SEC-WEBSOCKET-ACCEPT", "x", BY_HANDSHAKE }, { "Sec-WebSocket-Anything", "", BY_HANDSHAKE },
    { "Sec-WebSocket-Protocol", "x",
      "Sec-WebSocket-Protocol is written by the handshake: use the option protocols" },
    { "Sec-WebSocket-Extensions", "x",
      "Sec-WebSocket-Extensions is written by the handshake: use the option extensions" },
    { "Content-Length", "0", NO_BODY }, { "transfer-encoding", "chunked", NO_BODY },
    { "TE", "trailers", NO_BODY }, { "Trailer", "X", NO_BODY },
    { "Expect", "100-continue", NO_BODY },
    { "Keep-Alive", "300", TRANSPORT }, { "Proxy-Connection", "keep-alive", TRANSPORT },
  } do
    it("may not be " .. (case[1] .. ": " .. case[2]):gsub("[%c\128-\255]", "?"), function()
      local ok, sentence, name = handshake.header_check(case[1], case[2])
      assert.same({ nil, case[3], "handshake" }, { ok, sentence, name })
    end)
  end
end)

describe("a list of subprotocols", function()
  it("holds tokens, each once; case tells them apart", function()
    assert.is_true(handshake.protocol_check {})
    assert.is_true(handshake.protocol_check { "chat", "Chat", "v12.stomp", "soap" })
  end)

  local TOKEN = "a subprotocol must be a token: letters, digits and !#$%&'*+-.^_`|~ only"
  local TWICE = "a subprotocol is in the list twice"
  for _, case in ipairs {
    { { "" }, TOKEN }, { { "a", "b c" }, TOKEN }, { { "a,b" }, TOKEN }, { { "a\r\n" }, TOKEN },
    { { "http://a" }, TOKEN }, { { "\195\164" }, TOKEN }, { { "a", "a" }, TWICE },
    { { "a", "b", "a" }, TWICE },
  } do
    it("may not be " .. table.concat(case[1], "|"):gsub("[%c\128-\255]", "?"), function()
      local ok, sentence, name = handshake.protocol_check(case[1])
      assert.same({ nil, case[2], "handshake" }, { ok, sentence, name })
    end)
  end
end)

-- ---------------------------------------------------------------- the answer

--- A good answer; `change` replaces lines by name (false: left out) and adds others.
local function answer(change, status)
  local list = { status or "HTTP/1.1 101 Switching Protocols" }
  local good = { { "Upgrade", "websocket" }, { "Connection", "Upgrade" },
    { "Sec-WebSocket-Accept", ACCEPT } }
  change = change or {}
  for _, header in ipairs(good) do
    local value = change[header[1]]
    if value == nil then value = header[2] end
    if value then list[#list + 1] = header[1] .. ": " .. value end
  end
  for _, line in ipairs(change) do
    list[#list + 1] = line
  end
  return lines(list)
end

describe("the server's answer, RFC 6455 4.1", function()
  local function check(bytes, config)
    testing.random.set "the sample nonce"
    local object = assert(handshake.new(config or {}))
    testing.random.set()
    local result, sentence, name, status = object:check(bytes)
    object:free()
    return result, sentence, name, status
  end

  it("opens the connection", function()
    assert.same({ status = 101, extensions = {}, agreement = { deflate = false, missing = "" } },
      check(answer()))
  end)

  for title, bytes in pairs {
    ["in any case of names and tokens"] =
      "HTTP/1.1 101 x\r\nUPGRADE: WebSocket\r\nconnection: UPGRADE\r\nsec-WEBSOCKET-accept: "
      .. ACCEPT .. "\r\n\r\n",
    ["without blanks and with many"] =
      "HTTP/1.1 101\r\nUpgrade:websocket\r\nConnection: \t Upgrade \t\r\nSec-WebSocket-Accept:"
      .. ACCEPT .. " \r\n\r\n",
    ["with bare line feeds"] =
      "HTTP/1.1 101 x\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: "
      .. ACCEPT .. "\n\n",
    ["folded"] =
      "HTTP/1.1 101 x\r\nUpgrade:\r\n websocket\r\nConnection: Upgrade\r\n"
      .. "Sec-WebSocket-Accept:\r\n\t" .. ACCEPT .. "\r\n\r\n",
    ["with Connection in a list"] = answer { Connection = "keep-alive, Upgrade" },
    ["with Connection over several lines"] =
      answer { Connection = "keep-alive", "Connection: x, upgrade" },
    ["with other headers"] = answer { "Server: x", "Date: y", "Set-Cookie: a=b", "Set-Cookie: c" },
  } do
    it("is taken " .. title, function()
      assert.equal(101, check(bytes).status)
    end)
  end

  for _, case in ipairs {
    { answer({}, "HTTP/1.0 101 Switching Protocols"),
      "the server answered 101 with HTTP/1.0; expected HTTP/1.1" },
    { answer { Upgrade = false },
      'the server\'s answer has no Upgrade header; expected "Upgrade: websocket"' },
    { answer { "Upgrade: websocket" },
      'the server\'s answer has 2 Upgrade headers; expected one, "Upgrade: websocket"' },
    { answer { Upgrade = "h2c" }, 'the server answered "Upgrade: h2c"; expected "websocket"' },
    { answer { Upgrade = "websocket, h2c" },
      'the server answered "Upgrade: websocket, h2c"; expected "websocket"' },
    { answer { Upgrade = "websockets" },
      'the server answered "Upgrade: websockets"; expected "websocket"' },
    { answer { Upgrade = "" }, 'the server answered "Upgrade: "; expected "websocket"' },
    { answer { Connection = false },
      'the server\'s answer has no Connection header; expected "Connection: Upgrade"' },
    { answer { Connection = "keep-alive" },
      'the server answered "Connection: keep-alive"; expected "Upgrade" in it' },
    { answer { Connection = "Upgrades" },
      'the server answered "Connection: Upgrades"; expected "Upgrade" in it' },
    { answer { ["Sec-WebSocket-Accept"] = false },
      'the server\'s answer has no Sec-WebSocket-Accept header; expected "Sec-WebSocket-Accept: '
        .. ACCEPT .. '"' },
    { answer { "Sec-WebSocket-Accept: " .. ACCEPT },
      'the server\'s answer has 2 Sec-WebSocket-Accept headers; expected one, '
        .. '"Sec-WebSocket-Accept: ' .. ACCEPT .. '"' },
    { answer { ["Sec-WebSocket-Accept"] = KEY },
      'the server answered "' .. KEY .. '" as Sec-WebSocket-Accept; expected "' .. ACCEPT
        .. '" for the key sent' },
    { answer { ["Sec-WebSocket-Accept"] = ACCEPT:lower() },
      'the server answered "' .. ACCEPT:lower() .. '" as Sec-WebSocket-Accept; expected "'
        .. ACCEPT .. '" for the key sent' },
    { answer { ["Sec-WebSocket-Accept"] = "x" .. ACCEPT },
      'the server answered "x' .. ACCEPT .. '" as Sec-WebSocket-Accept; expected "' .. ACCEPT
        .. '" for the key sent' },
    { answer { ["Sec-WebSocket-Accept"] = "" },
      'the server answered "" as Sec-WebSocket-Accept; expected "' .. ACCEPT
        .. '" for the key sent' },
    { answer { "Sec-WebSocket-Protocol: chat" },
      'the server chose the subprotocol "chat", which was not asked for; expected none' },
    { answer { "no colon here" }, "a header line has no colon" },
    { "SSH-2.0-OpenSSH\r\n\r\n", "the answer does not begin with an HTTP/1.x status line" },
  } do
    it("fails the handshake: " .. case[2], function()
      local result, sentence, name = check(case[1])
      assert.same({ nil, case[2], "handshake" }, { result, sentence, name })
    end)
  end

  it("is quoted in sentences, but not at any length", function()
    for name in pairs { Upgrade = 1, Connection = 1, ["Sec-WebSocket-Accept"] = 1 } do
      local _, sentence = check(answer { [name] = ("x"):rep(5000) })
      assert.is_true(#sentence < 200)
      assert.is_truthy(sentence:find('expected "' .. (name == "Connection" and "U" or name ==
        "Upgrade" and "websocket" or ACCEPT), 1, true))
    end
    local _, sentence = check(answer { "Sec-WebSocket-Protocol: " .. ("x"):rep(5000) })
    assert.is_truthy(sentence:find("which was not asked for", 1, true))
  end)

  it("comes from a server that knew this key", function()
    for seed = 1, 20 do
      testing.random.set(string.char(seed, 200, 7 * seed))
      local client, request = handshake.new {}
      local server = handshake.new { server = true }
      local bytes = server:answer(request)
      assert.is_truthy(client:check(bytes))
      testing.random.set(string.char(seed, 200, 7 * seed + 1))
      assert.is_nil((handshake.new {}):check(bytes))
    end
    testing.random.set()
  end)

  describe("with a status that is not 101", function()
    for _, case in ipairs {
      { "HTTP/1.1 403 Forbidden", {}, 403, "the server answered 403 Forbidden" },
      { "HTTP/1.0 404 Not Found", {}, 404, "the server answered 404 Not Found" },
      { "HTTP/1.1 503", {}, 503, "the server answered 503" },
      { "HTTP/1.1 200 OK", {}, 200,
        "the server answered 200 OK instead of 101: nothing at this path speaks WebSocket" },
      { "HTTP/1.1 204 No Content", {}, 204, "the server answered 204 No Content instead of 101: "
        .. "nothing at this path speaks WebSocket" },
      { "HTTP/1.1 301 Moved Permanently", { "Location: https://b.example/x" }, 301,
        "the server answered 301 Moved Permanently: it points to https://b.example/x" },
      { "HTTP/1.1 302 Found", { "Location: https://me:secret@b.example/x?key=secret#secret" }, 302,
        "the server answered 302 Found: it points to https://b.example/x?..." },
      { "HTTP/1.1 302 Found", { "Location: /log@in?token=secret" }, 302,
        "the server answered 302 Found: it points to /log@in?..." },
      { "HTTP/1.1 302 Found", { "Location: //b.example/a@b" }, 302,
        "the server answered 302 Found: it points to //b.example/a@b" },
      { "HTTP/1.1 307 Temporary Redirect", {}, 307, "the server answered 307 Temporary Redirect" },
      { "HTTP/1.1 426 Upgrade Required", { "Sec-WebSocket-Version: 8, 7" }, 426,
        "the server answered 426 Upgrade Required: it speaks WebSocket version 8, 7, "
          .. "this client 13" },
      { "HTTP/1.1 400 Bad Request", { "Sec-WebSocket-Version: 8" }, 400,
        "the server answered 400 Bad Request: it speaks WebSocket version 8, this client 13" },
      { "HTTP/1.1 426 Upgrade Required", { "Sec-WebSocket-Version: 8, 13" }, 426,
        "the server answered 426 Upgrade Required: it speaks WebSocket version 13 as well, so a "
          .. "part of the request may have been lost on the way" },
      { "HTTP/1.1 426 Upgrade Required", {}, 426, "the server answered 426 Upgrade Required" },
    } do
      it("is a refusal: " .. case[4], function()
        local result, sentence, name, status = check(answer(case[2], case[1]))
        assert.same({ nil, case[4], "http", case[3] }, { result, sentence, name, status })
      end)
    end

    it("is told within the room there is", function()
      local long = ("x"):rep(5000)
      for _, case in ipairs {
        { "HTTP/1.1 403 " .. long, {} },
        { "HTTP/1.1 302 " .. long, { "Location: " .. long } },
        { "HTTP/1.1 426 " .. long, { "Sec-WebSocket-Version: " .. long } },
      } do
        local _, sentence = check(answer(case[2], case[1]))
        assert.is_true(#sentence < 256 and #sentence > 70)
      end
    end)
  end)

  describe("and the subprotocol", function()
    local asked = { protocols = { "v2", "v1" }, require_protocol = true }
    local lax = { protocols = { "v2", "v1" } }

    it("is one of those asked for", function()
      assert.equal("v2", check(answer { "Sec-WebSocket-Protocol: v2" }, asked).protocol)
      assert.equal("v1", check(answer { "sec-websocket-protocol:v1 " }, asked).protocol)
      assert.equal("v1", check(answer { "Sec-WebSocket-Protocol: v1" }, lax).protocol)
    end)

    it("may be left out only where it is not required", function()
      assert.is_nil(check(answer(), lax).protocol)
      assert.equal(101, check(answer(), { require_protocol = true }).status)
      local _, sentence, name = check(answer(), asked)
      assert.same({ "the server chose no subprotocol; protocols asks for one of v2, v1 "
        .. "(require_protocol = false: or none)", "handshake" }, { sentence, name })
    end)

    it("is asked for in a sentence that ends somewhere", function()
      local many = {}
      for i = 1, 60 do
        many[i] = "protocol-" .. i
        local _, sentence = check(answer(), { protocols = many, require_protocol = true })
        local list =
          sentence:match "^the server chose no subprotocol; protocols asks for one of (.*) %("
        assert.is_true(#list < 100)
        assert.equal(list, (list:gsub(", %.%.%.$", "")) == table.concat(many, ", ") and list
          or table.concat(many, ", "):sub(1, #list - 3) .. "...")
      end
      for first = 80, 200 do
        for second = 1, 12 do
          local asked_for = { ("x"):rep(first), ("y"):rep(second) }
          local _, sentence = check(answer(), { protocols = asked_for, require_protocol = true })
          local list = sentence:match "asks for one of (.*) %("
          assert.is_truthy(list == table.concat(asked_for, ", ")
            or list == asked_for[1] .. ", ..." or list == "...")
          assert.is_true(list ~= "..." or first > 90)
        end
      end
    end)

    for _, value in ipairs { "v3", "V2", "v2, v1", "v", "v22", "" } do
      it("fails if it was not asked for: " .. value, function()
        for _, config in ipairs { asked, lax } do
          local _, sentence, name = check(answer { "Sec-WebSocket-Protocol: " .. value }, config)
          assert.same({ 'the server chose the subprotocol "' .. value
            .. '", which was not asked for; expected one of v2, v1', "handshake" },
            { sentence, name })
        end
      end)
    end

    it("fails if it stands there twice", function()
      for _, second in ipairs { "v2", "v1", "x" } do
        local bytes = answer { "Sec-WebSocket-Protocol: v2", "Sec-WebSocket-Protocol: " .. second }
        local _, sentence, name = check(bytes, asked)
        assert.same({ "the server's answer has Sec-WebSocket-Protocol more than once; expected it "
          .. "once", "handshake" }, { sentence, name })
      end
    end)
  end)

  describe("and the extensions", function()
    local deflate = { name = PMD, params = { { "client_max_window_bits" } } }
    local config = { extensions = { deflate, { name = "foo", required = true } } }

    it("are checked, over several lines", function()
      local result = check(answer { "Sec-WebSocket-Extensions: permessage-deflate; "
        .. 'client_max_window_bits="10"', "Server: x", "sec-websocket-extensions: foo; a=1; b" },
        config)
      assert.same({
        { name = PMD, params = { { "client_max_window_bits", "10" } } },
        { name = "foo", params = { { "a", "1" }, { "b" } } },
      }, result.extensions)
      assert.is_true(result.agreement.deflate)
      assert.equal(10, result.agreement.client_max_window_bits)
      assert.equal("", result.agreement.missing)
    end)

    it("may lack what was required: that is for Close 1010, not a failed handshake", function()
      assert.equal("foo",
        check(answer { "Sec-WebSocket-Extensions: permessage-deflate" }, config).agreement.missing)
      assert.equal("permessage-deflate; server_no_context_takeover",
        check(answer { "Sec-WebSocket-Extensions: permessage-deflate" }, {
          extensions = { { name = PMD, params = { { "server_no_context_takeover" } },
            require = { "server_no_context_takeover" } } },
        }).agreement.missing)
    end)

    it("fail the handshake with a name of their own", function()
      local _, sentence, name, status = check(answer { "Sec-WebSocket-Extensions: bar" }, config)
      assert.same({ "the server answered with the extension bar, which was not offered; expected "
        .. "none but those offered", "extension", 101 }, { sentence, name, status })
      _, sentence, name = check(answer { "Sec-WebSocket-Extensions: foo;" }, config)
      assert.same({ "the server's answer is ill-formed: a parameter in "
        .. "Sec-WebSocket-Extensions has no name", "extension" }, { sentence, name })
      _, _, name = check(answer { "Sec-WebSocket-Extensions: foo" }, {})
      assert.equal("extension", name)
    end)
  end)

  it("is checked by copies: what the program gave may be gone by then", function()
    testing.random.set "the sample nonce"
    local object, request = handshake.new {
      protocols = { ("%s%d"):format("protocol", 1), ("%s%d"):format("protocol", 2) },
      require_protocol = true,
      extensions = {
        { name = ("%s%d"):format("extension", 1) },
        { name = ("%s%d"):format("extension", 2), params = { { ("%s%d"):format("param", 3), "x" } },
          require = { ("%s%d"):format("param", 4), ("%s%d"):format("param", 5) } },
        { name = ("%s%d"):format("extension", 6), required = true },
      },
    }
    testing.random.set()
    collectgarbage()
    local clutter = {}
    for i = 1, 3000 do clutter[i] = ("%s%d"):format("extensior", i) end
    assert.equal("extensior3000", clutter[#clutter])
    assert.is_truthy(request:find("extension1, extension2; param3=x, extension6", 1, true))
    local result = object:check(answer { "Sec-WebSocket-Protocol: protocol2",
      "Sec-WebSocket-Extensions: extension2; param5, extension1" })
    assert.equal("protocol2", result.protocol)
    assert.equal("extension2; param4, extension6", result.agreement.missing)
  end)
end)

describe("the body of a refusal", function()
  for _, case in ipairs {
    { { "Content-Length: 0" }, 0 },
    { { "Content-Length: 12" }, 12 },
    { { "content-length:  0012 " }, 12 },
    { { "Content-Length: 2147483648" }, 2147483648 },
    { {}, false },
    { { "Content-Length:" }, false },
    { { "Content-Length: -1" }, false },
    { { "Content-Length: 1 2" }, false },
    { { "Content-Length: 0x10" }, false },
    { { "Content-Length: 99999999999999999999" }, false },
    { { "Content-Length: 5", "Content-Length: 6" }, false },
    { { "Transfer-Encoding: chunked" }, false },
    { { "Transfer-Encoding: chunked", "Content-Length: 5" }, false },
    { { "Content-Length: 5" }, 0, "HTTP/1.1 204 No Content" },
    { {}, 0, "HTTP/1.1 304 Not Modified" },
  } do
    it("has a size, or none that is known: " .. table.concat(case[1], ", "), function()
      assert.equal(case[2], handshake.body_size(answer(case[1], case[3] or "HTTP/1.1 403 x")))
    end)
  end
end)

-- ---------------------------------------------------------------- the server's side

describe("a server's answer, RFC 6455 4.2", function()
  --- A good request; changed as `answer` is.
  local function ask(change, first)
    local list = { first or "GET /chat HTTP/1.1" }
    local good = { { "Host", "a.example" }, { "Upgrade", "websocket" }, { "Connection", "Upgrade" },
      { "Sec-WebSocket-Key", KEY }, { "Sec-WebSocket-Version", "13" } }
    change = change or {}
    for _, header in ipairs(good) do
      local value = change[header[1]]
      if value == nil then value = header[2] end
      if value then list[#list + 1] = header[1] .. ": " .. value end
    end
    for _, line in ipairs(change) do
      list[#list + 1] = line
    end
    return lines(list)
  end

  local function serve(bytes, config)
    config = config or {}
    config.server = true
    local object = assert(handshake.new(config))
    local out, result, sentence, name = object:answer(bytes)
    object:free()
    return out, result, sentence, name
  end

  it("is the RFC's", function()
    local out, result = serve(ask())
    assert.equal(lines { "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket",
      "Connection: Upgrade", "Sec-WebSocket-Accept: " .. ACCEPT }, out)
    assert.same({ status = 0, extensions = {}, agreement = { deflate = false, missing = "" } },
      result)
  end)

  it("chooses the first subprotocol of the client's list that it speaks", function()
    for _, case in ipairs {
      { { "Sec-WebSocket-Protocol: c, a, b" }, "a" },
      { { "Sec-WebSocket-Protocol: c", "Sec-WebSocket-Protocol: b,a" }, "b" },
      { { "Sec-WebSocket-Protocol: aa, A, a" }, "a" },
      { { "Sec-WebSocket-Protocol: c,b" }, "b" },
      { { "Sec-WebSocket-Protocol: c, d" } },
      { {} },
    } do
      local out, result = serve(ask(case[1]), { protocols = { "a", "b" } })
      assert.equal(case[2], result.protocol)
      assert.equal(case[2], out:match "\r\nSec%-WebSocket%-Protocol: ([^\r]*)")
    end
  end)

  it("agrees on extensions", function()
    local config = { extensions = { { name = PMD,
      params = { { "server_no_context_takeover" } } } } }
    local offer = "Sec-WebSocket-Extensions: foo, permessage-deflate; client_max_window_bits=10"
    local agreed = "permessage-deflate; server_no_context_takeover; client_max_window_bits=10"
    local out, result = serve(ask { offer }, config)
    assert.equal(agreed, out:match "\r\nSec%-WebSocket%-Extensions: ([^\r]*)")
    assert.same({ { name = PMD, params = { { "server_no_context_takeover" },
      { "client_max_window_bits", "10" } } } }, result.extensions)
    assert.is_true(result.agreement.deflate)
    assert.equal(10, result.agreement.client_max_window_bits)
    out, result = serve(ask { offer })
    assert.is_nil(out:find("Extensions", 1, true))
    assert.same({}, result.extensions)
  end)

  for _, case in ipairs {
    { ask({}, "POST /chat HTTP/1.1"), "405 Method Not Allowed",
      "a WebSocket handshake is a GET request" },
    { ask({}, "GET /chat HTTP/1.0"), "400 Bad Request", "a WebSocket handshake needs HTTP/1.1" },
    { ask { Host = false }, "400 Bad Request", "the request needs exactly one Host header" },
    { ask { "Host: b" }, "400 Bad Request", "the request needs exactly one Host header" },
    { ask { Upgrade = false }, "426 Upgrade Required",
      'this server speaks WebSocket: expected "Upgrade: websocket"' },
    { ask { Upgrade = "h2c" }, "426 Upgrade Required",
      'this server speaks WebSocket: expected "Upgrade: websocket"' },
    { ask { Connection = "close" }, "426 Upgrade Required",
      'this server speaks WebSocket: expected "Connection: Upgrade"' },
    { ask { ["Sec-WebSocket-Version"] = "8" }, "426 Upgrade Required",
      "this server speaks version 13 of WebSocket" },
    { ask { ["Sec-WebSocket-Version"] = false }, "400 Bad Request",
      "the request needs exactly one Sec-WebSocket-Version header" },
    { ask { "Sec-WebSocket-Version: 13" }, "400 Bad Request",
      "the request needs exactly one Sec-WebSocket-Version header" },
    { ask { ["Sec-WebSocket-Key"] = false }, "400 Bad Request",
      "Sec-WebSocket-Key is not the base64 form of 16 bytes" },
    { ask { "Sec-WebSocket-Key: " .. KEY }, "400 Bad Request",
      "Sec-WebSocket-Key is not the base64 form of 16 bytes" },
    { ask { ["Sec-WebSocket-Key"] = KEY:sub(2) }, "400 Bad Request",
      "Sec-WebSocket-Key is not the base64 form of 16 bytes" },
    { ask { ["Sec-WebSocket-Key"] = "A" .. KEY:sub(1, -2) }, "400 Bad Request",
      "Sec-WebSocket-Key is not the base64 form of 16 bytes" },
    { ask { ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZR==" }, "400 Bad Request",
      "Sec-WebSocket-Key is not the base64 form of 16 bytes" },
    { ask { ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZ-Bub25jZQ==" }, "400 Bad Request",
      "Sec-WebSocket-Key is not the base64 form of 16 bytes" },
    { ask { "Sec-WebSocket-Extensions: foo;" }, "400 Bad Request",
      "a parameter in Sec-WebSocket-Extensions has no name" },
    { ask { "no colon here" }, "400 Bad Request", "a header line has no colon" },
    { "hello\r\n\r\n", "400 Bad Request",
      "the request does not begin with an HTTP/1.x request line" },
  } do
    it("is a refusal with a sentence: " .. case[2] .. ", " .. case[3], function()
      local out, result, sentence, name = serve(case[1], { extensions = { { name = "foo" } } })
      assert.same({ nil, case[3], "handshake" }, { result, sentence, name })
      local head, body = out:match "^(.-\r\n)\r\n(.*)$"
      assert.equal("HTTP/1.1 " .. case[2] .. "\r\n", head:match "^.-\r\n")
      assert.equal(case[3] .. "\n", body)
      assert.equal(#body, tonumber(head:match "\r\nContent%-Length: (%d+)\r\n"))
      assert.is_truthy(head:find "\r\nConnection: [^\r]*close\r\n")
      local upgrade, method = case[2]:find "^426" ~= nil, case[2]:find "^405" ~= nil
      assert.equal(upgrade, head:find "\r\nUpgrade: websocket\r\n" ~= nil)
      assert.equal(upgrade, head:find "\r\nSec%-WebSocket%-Version: 13\r\n" ~= nil)
      assert.equal(method, head:find "\r\nAllow: GET\r\n" ~= nil)
    end)
  end

  it("takes a request that is written otherwise", function()
    for _, bytes in ipairs {
      ask { Upgrade = "h2c, WebSocket" },
      ask { Connection = "keep-alive", "connection: x, UPGRADE" },
      ask({}, "GET http://a.example/chat HTTP/1.1"),
    } do
      assert.is_truthy(select(2, serve(bytes)))
    end
  end)
end)

-- ---------------------------------------------------------------- memory

describe("every allocation of the handshake", function()
  before_each(garbage)

  local config = {
    url = "ws://user:password@a.example/" .. ("x"):rep(400),
    protocols = { ("p"):rep(300), "v1" },
    extensions = { { name = PMD, params = { { "client_max_window_bits" } } } },
    headers = { { "Cookie", ("y"):rep(1000) } },
  }
  local good = answer { "Sec-WebSocket-Protocol: v1", "Sec-WebSocket-Extensions: " .. PMD }

  local function fail_each(scenario)
    local failures, blocks = 0, memory.live_blocks()
    while true do
      memory.fail_at(failures + 1)
      local done, name = scenario()
      memory.fail_at()
      assert.equal(blocks, memory.live_blocks())
      if done then return failures end
      assert.equal("memory", name or "memory")
      failures = failures + 1
    end
  end

  it("may fail while asking", function()
    assert.is_true(fail_each(function()
      local object = handshake.new(config)
      if object then object:free() end
      return object ~= nil
    end) >= 4)
  end)

  -- A block doubles: with a path that grows by a byte each time, what is written next is each time
  -- another part of the request.
  it("may fail at any part of the request, and leaves none of it", function()
    for size = 0, 300 do
      local asked = {
        url = "ws://user:password@a/" .. ("x"):rep(size),
        protocols = { "v2", "v1" },
        extensions = {
          { name = PMD, params = { { "server_max_window_bits", "9" } } },
          { name = "other", params = { { "a" } } },
        },
        headers = { { "Cookie", "a=b" } },
      }
      local made, whole = handshake.new(asked)
      made:free()
      fail_each(function()
        local object, request = handshake.new(asked)
        if not object then return false end
        object:free()
        assert.equal(#whole, #request)
        return true
      end)
    end
  end)

  it("may fail at any part of the answer, and leaves none of it", function()
    local _, request = handshake.new(config)
    for size = 120, 260 do
      local object = handshake.new { server = true, protocols = { "v1" }, extensions = {
        { name = ("o"):rep(size), params = { { "a", ("p"):rep(40) }, { "b" } } },
        { name = PMD, params = { { "server_max_window_bits", "9" } } },
      } }
      local both = request:gsub("permessage%-deflate", ("o"):rep(size) .. ", %0")
      local whole = object:answer(both)
      assert.matches(("o"):rep(size) .. "; a=p+; b, permessage%-deflate; server", whole)
      fail_each(function()
        local out, result, _, name = object:answer(both)
        assert.equal(result and whole or "", out)
        return result ~= nil, name
      end)
      object:free()
    end
  end)

  it("is enough, but for SHA-1, which may fail as well", function()
    local _, request = handshake.new(config)
    local object = handshake.new { server = true, protocols = { "v1" } }
    testing.fail_sha1(true)
    local asked = handshake.new(config)
    local out, result, _, name = object:answer(request)
    testing.fail_sha1(false)
    assert.is_nil(asked)
    assert.same({ "", nil, "memory" }, { out, result, name })
    object:free()
  end)

  for title, bytes in pairs {
    ["a good answer"] = good,
    ["a refusal"] = answer({}, "HTTP/1.1 403 x"),
  } do
    it("may fail while checking " .. title, function()
      testing.random.set "the sample nonce"
      local object = handshake.new(config)
      testing.random.set()
      assert.is_true(fail_each(function()
        local result, _, name = object:check(bytes)
        return result or name == "http", name
      end) >= 1)
      object:free()
    end)
  end

  it("may fail while answering", function()
    local _, request = handshake.new(config)
    local object = handshake.new { server = true, protocols = { ("p"):rep(300), "v1" },
      extensions = { { name = PMD, params = { { "server_max_window_bits", "9" } } } } }
    assert.is_true(fail_each(function()
      local out, result, _, name = object:answer(request)
      assert.equal(result == nil, out == "")
      return result ~= nil, name
    end) >= 5)
    assert.is_true(fail_each(function()
      local out, _, _, name = object:answer "GET / HTTP/1.1\r\n\r\n"
      assert.equal(name == "memory", out == "")
      return name == "handshake", name
    end) >= 2)
    object:free()
  end)
end)
