-- What is said to a proxy, without I/O; spec/net/proxy has the same over sockets, and more answers.

local testing = require "wsclose.core_testing"

local core = testing.open_core()
local memory = testing.memory

local ANSWER = "HTTP/1.1 200 OK\r\n\r\n"
local GRANTED = "\5\0\0\1\127\0\0\1\0\80"

-- Says what the proxy sends, in pieces of `size` bytes, and takes what is to be sent to it.
local function converse(tunnel, answers, size)
  local sent, index, open, sentence, name, status = {}, 0, nil, nil, nil, nil
  repeat
    local bytes = tunnel:output()
    if bytes ~= "" then
      sent[#sent + 1] = bytes
      open, sentence, name, status = tunnel:input ""
    else
      index = index + 1
      local answer = answers[index] or error "the proxy has nothing more to say"
      for at = 1, #answer, size or #answer do
        open, sentence, name, status = tunnel:input(answer:sub(at, at + (size or #answer) - 1))
      end
    end
  until open ~= false
  return sent, open, sentence, name, status
end

local function tunnel_to(url, proxy, headers, address)
  return assert(core.tunnel(url, proxy, headers, address))
end

describe("CONNECT, RFC 9110 9.3.6", function()
  it("is asked of the proxy, with Basic, RFC 7617", function()
    local tunnel = tunnel_to("wss://feed.example/x?y", "http://Aladdin:open%20sesame@p:3128")
    local host, port, secure, local_names = tunnel:next_hop()
    assert.same({ "p", 3128, false, false }, { host, port, secure, local_names })
    local sent, open = converse(tunnel, { ANSWER .. "first" })
    assert.same({
      "CONNECT feed.example:443 HTTP/1.1\r\nHost: feed.example:443\r\n"
        .. "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
    }, sent)
    assert.equal("first", open)
  end)

  it("carries the headers that the program gives", function()
    local given = { "Proxy-Trace", "a b", "proxy-authorization", "Bearer xyz" }
    local function sent_to(proxy)
      return tunnel_to("wss://feed.example/", proxy, given):output()
    end
    local expected = "CONNECT feed.example:443 HTTP/1.1\r\nHost: feed.example:443\r\n"
      .. "Proxy-Trace: a b\r\nproxy-authorization: Bearer xyz\r\n\r\n"
    assert.equal(expected, sent_to "http://p")
    assert.equal(expected, sent_to "https://user:of%20the%20URL@p")
    assert.equal("\5\1\0", sent_to "socks5h://p")
  end)

  for _, case in ipairs {
    { { "X", "1\r\nEvil: 1" }, "a header's value must not hold CR, LF or NUL" },
    { { "Host", "evil" }, "the Host of a tunnel is the server's" },
    { { "Connection", "close" },
      "the handshake writes Upgrade, Connection and every Sec-WebSocket header itself" },
  } do
    it("does not carry " .. case[1][1] .. ": " .. case[2], function()
      assert.same({ nil, case[2], "url" }, { core.tunnel("ws://h/", "http://p", case[1]) })
    end)
  end

  it("leaves no header of it in memory", function()
    memory.leaks "geheim-42"
    local tunnel = tunnel_to("ws://feed.example/", "http://p", { "Proxy-Token", "geheim-42" })
    converse(tunnel, { ANSWER })
    tunnel = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(0, memory.leaks())
  end)

  it("says where there is no memory for them", function()
    collectgarbage()
    collectgarbage()
    local before, n = memory.live_blocks(), 0
    local function is_made()
      n = n + 1
      memory.fail_at(n)
      local made, sentence, name = core.tunnel("ws://h/", "http://p", { "X", ("1"):rep(500) })
      memory.fail_at()
      if made then return true end
      assert.same({ "no memory", "memory" }, { sentence, name })
    end
    while not is_made() do end -- luacheck: ignore 542
    assert.is_true(n > 6)
    collectgarbage()
    collectgarbage()
    assert.equal(before, memory.live_blocks())
  end)

  it("has its answer in one piece or byte for byte", function()
    local answer = "HTTP/1.1 103 Hints\r\n\r\n" .. ANSWER
    for size = 1, #answer do
      local _, open = converse(tunnel_to("ws://[::1]:81/", "https://p"), { answer }, size)
      assert.equal("", open)
    end
  end)

  it("gives what the proxy says where it refuses", function()
    local tunnel = tunnel_to("ws://feed.example/", "http://p")
    local _, open, sentence, name, status =
      converse(tunnel, { "HTTP/1.1 407 Who\233\r\nX: y\r\n\r\n" })
    assert.is_nil(open)
    assert.equal("the proxy refused the tunnel to feed.example:80: 407 Who?", sentence)
    assert.same({ "proxy", 407 }, { name, status })
    assert.same({ nil, sentence, "proxy", 407 }, { tunnel:input "more" })
  end)
end)

describe("SOCKS5, RFC 1928", function()
  it("is asked with user and password, RFC 1929", function()
    local tunnel = tunnel_to("ws://feed.example/", "socks5h://me:pw@[::1]:9050")
    assert.equal("::1", (tunnel:next_hop()))
    local sent, open = converse(tunnel, { "\5\2", "\1\0", GRANTED .. "x" })
    assert.same({ "\5\2\0\2", "\1\2me\2pw", "\5\1\0\3\12feed.example\0\80" }, sent)
    assert.equal("x", open)
  end)

  for url, target in pairs {
    ["ws://192.0.2.7/"] = "\1\192\0\2\7\0\80",
    ["wss://[::1]/"] = "\4" .. ("\0"):rep(15) .. "\1\1\187",
    ["ws://[2001:db8::a:0.0.1.2]:1/"] = "\4\32\1\13\184\0\0\0\0\0\0\0\10\0\0\1\2\0\1",
    ["ws://[1:2:3:4:5:6:7::]/"] = "\4\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\0\0\80",
    ["ws://[1:2:3:4:5:6:7:8]/"] = "\4\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\8\0\80",
    ["ws://[::]/"] = "\4" .. ("\0"):rep(16) .. "\0\80",
  } do
    it("asks for an address as such: " .. url, function()
      local sent = converse(tunnel_to(url, "socks5h://p"), { "\5\0", GRANTED })
      assert.same({ "\5\1\0", "\5\1\0" .. target }, sent)
    end)
  end

  it("is given an address where names are looked up here", function()
    for proxy, target in pairs { ["socks5://p"] = "\1\192\0\2\7", ["socks5h://p"] = "\3\1h" } do
      local tunnel = tunnel_to("ws://h/", proxy, nil, "192.0.2.7")
      assert.equal(target .. "\0\80", converse(tunnel, { "\5\0", GRANTED })[2]:sub(4))
    end
  end)

  it("is asked for a host of 255 bytes, and for none longer", function()
    local host = ("h"):rep(255)
    local sent = converse(tunnel_to("ws://x/", "socks5://p", nil, host), { "\5\0", GRANTED })
    assert.equal("\5\1\0\3\255" .. host .. "\0\80", sent[2])
    local tunnel = tunnel_to("ws://x/", "socks5://p", nil, host .. "h")
    local _, open, sentence, name = converse(tunnel, { "\5\0" })
    assert.same({ nil, "proxy" }, { open, name })
    assert.equal("the host's name is longer than the 255 bytes that SOCKS5 can carry", sentence)
  end)

  it("leaves no user and no password in memory, however long", function()
    local user, password = ("u"):rep(255), ("p"):rep(255)
    for _, secret in ipairs { user:sub(1, 60), password:sub(1, 60) } do
      memory.leaks(secret)
      local tunnel = tunnel_to("ws://x/", "socks5://" .. user .. ":" .. password .. "@p")
      local sent = converse(tunnel, { "\5\2", "\1\0", GRANTED })
      assert.equal("\1\255" .. user .. "\255" .. password, sent[2])
      tunnel = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.equal(0, memory.leaks())
    end
  end)

  it("judges answers that come in one piece after each has its question", function()
    local tunnel = tunnel_to("ws://feed.example/", "socks5h://p")
    assert.is_false(tunnel:input("\5\0" .. GRANTED .. "x"))
    assert.equal("\5\1\0", tunnel:output())
    assert.is_false(tunnel:input "")
    assert.equal("\5\1\0\3\12feed.example\0\80", tunnel:output())
    assert.equal("x", tunnel:input "")
  end)
end)

describe("a tunnel", function()
  it("is not needed where no proxy is named, nor to a unix socket", function()
    assert.is_false(core.tunnel("ws://feed.example/", ""))
    assert.is_false(core.tunnel("ws+unix:///run/x:/", "http://p"))
  end)

  it("is not made for a faulty URL", function()
    assert.same({ nil, "the proxy's scheme is not http, https, socks5 or socks5h", "url" },
      { core.tunnel("ws://feed.example/", "ftp://p") })
    assert.same({ nil, "the URL has no host", "url" }, { core.tunnel("ws:///", "http://p") })
  end)

  it("tells of a proxy that closes the connection, at once or in its answer", function()
    local tunnel = tunnel_to("ws://feed.example/", "http://p")
    tunnel:output()
    assert.same({
      nil, "the HTTP proxy closed the connection without an answer for feed.example:80", "proxy",
    }, { tunnel:eof() })
    tunnel = tunnel_to("ws://feed.example/", "socks5h://p")
    tunnel:output()
    tunnel:input "\5"
    local _, sentence = tunnel:eof()
    assert.matches("in the middle of its answer", sentence)
  end)

  it("says the same again, whatever comes after its end", function()
    local refused = tunnel_to("ws://feed.example/", "http://p")
    refused:output()
    local _, sentence = refused:input "HTTP/1.1 403 No\r\n\r\n"
    assert.equal("the proxy refused the tunnel to feed.example:80: 403 No", sentence)
    assert.same({ nil, sentence, "proxy", 403 }, { refused:eof() })
    local open = tunnel_to("ws://feed.example/", "http://p")
    open:output()
    assert.equal("first", open:input(ANSWER .. "first"))
    assert.equal("first", open:eof())
    assert.equal("first", open:input "more")
  end)

  it("is asked for the URL's host where no address was found out for it", function()
    local sent = converse(tunnel_to("ws://h/", "socks5://p"), { "\5\0", GRANTED })
    assert.equal("\3\1h\0\80", sent[2]:sub(4))
  end)

  it("quotes 79 bytes of a proxy's reason, and nothing that is not printable", function()
    local tunnel = tunnel_to("ws://h/", "http://p")
    local _, _, sentence = converse(tunnel, {
      "HTTP/1.1 407 a\9b\233" .. ("x"):rep(100) .. "\r\n\r\n",
    })
    assert.equal("the proxy refused the tunnel to h:80: 407 a?b?" .. ("x"):rep(75), sentence)
  end)

  it("raises for anything else than a tunnel", function()
    local tunnel = tunnel_to("ws://feed.example/", "http://p")
    for _, other in ipairs { {}, 1, io.stdout } do
      assert.has_error(function() tunnel.output(other) end)
    end
  end)

  for way, count in pairs { http = 6, socks5h = 8 } do
    it("gives all memory back, and says so where there is none: " .. way, function()
      local function play()
        local tunnel, sentence, name = core.tunnel("ws://feed.example/", way .. "://me:pw@p")
        if not tunnel then return assert.same({ "no memory", "memory" }, { sentence, name }) end
        local answers = way == "http" and { ANSWER } or { "\5\2", "\1\0", GRANTED }
        while true do
          local open
          local sent = tunnel:output()
          open, sentence, name = tunnel:input(sent == "" and table.remove(answers, 1) or "")
          if open then return true end
          if open == nil then return assert.same({ "no memory", "memory" }, { sentence, name }) end
        end
      end
      collectgarbage()
      collectgarbage()
      local before, n = memory.live_blocks(), 0
      repeat
        n = n + 1
        memory.fail_at(n)
        local through = play() == true and memory.attempts() < n
        memory.fail_at()
      until through
      collectgarbage()
      collectgarbage()
      assert.is_true(n > count)
      assert.equal(before, memory.live_blocks())
    end)
  end

  for proxy, answers in pairs {
    ["http://Aladdin:opensesame@p"] = { ANSWER },
    ["socks5h://Aladdin:opensesame@p"] = { "\5\2", "\1\0", GRANTED },
  } do
    it("leaves no password in memory that it gives back: " .. proxy:match "^%w+", function()
      for _, size in ipairs { 1, 2, 3, 6, 9, 14, 21, 32, 43, 60 } do
        local host, mark = ("h."):rep(2 * size + 6) .. "h", ("xxx"):rep(size)
        for _, secret in ipairs { "opensesame", "UWxhZGRpbjpvcGVuc2VzYW1l" } do
          memory.leaks(secret)
          local tunnel = tunnel_to("ws://" .. host .. "/", (proxy:gsub("A", mark .. "Q")))
          if size % 2 == 0 then converse(tunnel, answers) end
          tunnel = nil -- luacheck: ignore
          collectgarbage()
          collectgarbage()
          assert.equal(0, memory.leaks())
        end
      end
    end)
  end
end)
