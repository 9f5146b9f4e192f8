-- Proxies over nginx's cosockets: tinyproxy and microsocks as they are, proxies that misbehave, and
-- those of the environment.  What is said to them is held by spec/core/tunnel_spec.lua.

local hosts = require "support.hosts"
local nginx = require "support.nginx"
local peers = require "support.peers"
local process = require "support.process"
local socket = require "socket"
local url = require "socket.url"
local way = require "support.way"

describe("over cosockets", function()
  local server, plain, open_proxy, strict_proxy, socks, strict_socks

  setup(function()
    local folder = hosts.certificates().folder
    plain = ("ws://localhost:%d/"):format(peers.start "websockets".port)
    open_proxy = way.tinyproxy(folder)
    strict_proxy = way.tinyproxy(folder, "BasicAuth Aladdin opensesame")
    socks = way.microsocks()
    strict_socks = way.microsocks("-u", "Aladdin", "-P", "open sesame")
    server = nginx.start(nil, {
      https_proxy = "http://127.0.0.1:" .. open_proxy.port,
      http_proxy = "https://127.0.0.1:1", no_proxy = "*.local, localhost:1",
    })
  end)

  teardown(function()
    server:stop()
    process.stop_all()
    hosts.stop()
  end)

  local function path(target, proxy, more)
    local words = "/run?case=proxy&url=" .. url.escape(target)
    if proxy then words = words .. "&proxy=" .. url.escape(proxy) end
    return words .. (more or "")
  end

  local function told(...)
    return (server:body(path(...)):gsub("\n$", ""))
  end

  local function secure()
    return (server.host.url:gsub("feed.example", "localhost"))
  end

  for _, case in ipairs {
    { "an HTTP proxy", function() return "http://proxy.example:" .. open_proxy.port end },
    { "an HTTP proxy with user and password",
      function() return "http://Aladdin:opensesame@127.0.0.1:" .. strict_proxy.port end },
    { "SOCKS5, names looked up there", function() return "socks5h://127.0.0.1:" .. socks.port end },
    { "SOCKS5 with user and password, percent-encoded",
      function() return "socks5h://Aladdin:open%20sesame@127.0.0.1:" .. strict_socks.port end },
  } do
    it("goes through " .. case[1] .. ", ws and wss", function()
      local port = case[2]():match "%d+$"
      assert.equal(("through 127.0.0.1:%s plain 1000"):format(port), told(plain, case[2]()))
      assert.matches(("^through 127.0.0.1:%s TLSv1%%.%%d [%%w_-]+ 1000$"):format(port),
        told(secure(), case[2]()))
    end)
  end

  it("goes through SOCKS5 to an address that is known here, and says what else to use", function()
    local proxy = "socks5://127.0.0.1:" .. socks.port
    local known = plain:gsub("localhost", "known")
    assert.equal(("through 127.0.0.1:%d plain 1000"):format(socks.port), told(known, proxy))
    assert.equal("proxy proxy nil: a proxy of socks5:// wants an address, and cosockets look up no "
      .. "names for others: use socks5h://, which looks localhost up itself, or the option resolve"
      .. "; goes on", told(plain, proxy))
  end)

  it("is told of the environment's proxy, where nginx lets it see that", function()
    assert.matches("^through 127.0.0.1:" .. open_proxy.port .. " TLSv1", told(secure()))
    assert.matches("^proxy proxy nil: a proxy reached over https:// would need TLS within TLS",
      told(plain))
    assert.matches("^refused tcp nil: no connection to 127%.0%.0%.1: connection refused",
      told("wss://127.0.0.1:1/", "http://127.0.0.1:1"):gsub("the proxy ", ""))
    assert.matches("^dns dns nil: no connection to feed.local", told "wss://feed.local:1/")
  end)

  it("refuses a proxy that is reached over TLS, as an option", function()
    assert.equal("option 'proxy': a proxy reached over https:// would need TLS within TLS, which "
      .. "cosockets cannot do: use an http:// or socks5h:// proxy", told(plain, "HTTPS://p"))
  end)

  it("tells a refusal of the proxy's, with its status, and does not try again", function()
    local proxy = "http://Aladdin:wrong@127.0.0.1:" .. strict_proxy.port
    local target = plain:match "//(.-)/"
    assert.matches(("^proxy proxy 40[17]: the proxy refused the tunnel to %s: 40[17] .*; over$")
      :format(target), told(plain, proxy))
    assert.equal("proxy proxy nil: the SOCKS5 proxy refused the user or password; goes on",
      told(plain, "socks5h://Aladdin:x@127.0.0.1:" .. strict_socks.port))
  end)

  -- A proxy that answers its one question so, and ends.  It reads on until the client has closed:
  -- closing over unread bytes would reset the connection, and the answer could be lost with it.
  local function against(target, answer)
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local page = server:request(path(target, "http://127.0.0.1:" .. port))
    listener:settimeout(process.patience)
    local peer = assert(listener:accept())
    peer:settimeout(process.patience)
    local lines = {}
    repeat
      lines[#lines + 1] = assert(peer:receive "*l")
    until lines[#lines] == ""
    peer:setoption("tcp-nodelay", true)
    for _, bytes in ipairs(answer) do assert(peer:send(bytes)) end
    peer:shutdown "send"
    local rest, fault = peer:receive "*a"
    assert(rest or fault == "closed", fault)
    peer:close()
    listener:close()
    local text = assert(page:receive "*a"):match "\r\n\r\n(.*)\n$"
    page:close()
    return text, table.concat(lines, "\n")
  end

  it("asks with proxy_headers", function()
    local _, asked = against("ws://feed.example/", { "" })
    assert.equal("CONNECT feed.example:80 HTTP/1.1\nHost: feed.example:80\nX-Via: nginx\n", asked)
  end)

  for _, case in ipairs {
    { "closes at once", "ws://feed.example/", { "" },
      "proxy proxy nil: the HTTP proxy closed the connection without an answer for "
        .. "feed.example:80; goes on" },
    { "closes in its answer", "ws://feed.example/", { "HTTP/1.1 2" },
      "proxy proxy nil: the HTTP proxy closed the connection in the middle of its answer for "
        .. "feed.example:80; goes on" },
    { "speaks before TLS begins", "wss://feed.example/", { "HTTP/1.1 200 OK\r\n\r\nx" },
      "tls tls nil: the proxy sent bytes before the TLS handshake; goes on" },
  } do
    it("tells of a proxy that " .. case[1], function()
      assert.equal(case[4], (against(case[2], case[3])))
    end)
  end

  it("keeps bytes of the server that come with the proxy's answer, which may come bit by bit",
    function()
      local answer = {}
      local bytes = "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
      for c in bytes:gmatch "." do answer[#answer + 1] = c end
      for _, pieces in ipairs { { bytes }, answer } do
        assert.matches("^http handshake nil: the server answered 403 Forbidden",
          (against("ws://feed.example/", pieces)))
      end
    end)

  it("gives up a proxy that does not answer", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    assert.equal("timeout proxy nil: the proxy 127.0.0.1 opened no tunnel to feed.example within "
      .. "0.05 s; goes on", told("ws://feed.example/", "socks5h://127.0.0.1:" .. port,
      "&connect=0.05"))
    listener:close()
  end)
end)
