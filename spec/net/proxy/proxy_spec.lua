-- Proxies: tinyproxy, microsocks and stunnel as they are, scripted ones that misbehave, and which
-- one the environment names.

local certificates = require "support.certificates"
local peers = require "support.peers"
local process = require "support.process"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"
local way = require "support.way"
local wsclose = require "wsclose"

local made, backend, nginx, open_proxy, strict_proxy, socks, strict_socks

setup(function()
  made = certificates.shared()
  backend = peers.start "websockets"
  nginx = way.nginx(made.folder, backend.port, { good = made.good })
  open_proxy = way.tinyproxy(made.folder)
  strict_proxy = way.tinyproxy(made.folder, "BasicAuth Aladdin opensesame")
  socks = way.microsocks()
  strict_socks = way.microsocks("-u", "Aladdin", "-P", "open sesame")
end)
teardown(process.stop_all)
after_each(scripted.close_all)

-- Through a proxy the client looks up the proxy only: here localhost, which proxies know too.
local function through(proxy, url, options)
  local all = { proxy = proxy, retry = { random = function() return 0.5 end } }
  all.resolve = { ["proxy.example"] = "127.0.0.1" }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return way.client(url, all)
end

local function plain_url()
  return "ws://localhost:" .. backend.port .. "/"
end

local function secure_url()
  return "wss://localhost:" .. nginx.ports.good .. "/"
end

local function assert_echo(r)
  r:wait_open()
  assert.is_true(r.ws:send "through")
  assert.equal("through", r:wait_message().data)
  r.ws:close(4000, "done")
  local came = r:wait_close()
  assert.equal(4000, came.code)
  assert.is_true(came.info.clean)
end

-- The attempt ended in the phase proxy: 1006, and the sentence.
local function assert_refused(r, message, name)
  local came = r:wait_close()
  assert.equal(1006, came.code)
  assert.equal("", came.reason)
  local fault = came.info.error
  assert.same({ name or "proxy", message, "proxy" }, { fault.name, fault.message, fault.phase })
  assert.is_false(came.info.opened)
  assert.equal(0, #r.opens)
  return came.info
end

-- ---------------------------------------------------------------- as they are

describe("a connection", function()
  for _, case in ipairs {
    { "an HTTP proxy", function() return "http://proxy.example:" .. open_proxy.port end },
    {
      "an HTTP proxy without its scheme",
      function() return "proxy.example:" .. open_proxy.port end,
    },
    {
      "an HTTP proxy with user and password",
      function() return "http://Aladdin:opensesame@proxy.example:" .. strict_proxy.port end,
    },
    { "SOCKS5, names looked up there", function() return "socks5h://127.0.0.1:" .. socks.port end },
    { "SOCKS5, names looked up here", function() return "socks5://127.0.0.1:" .. socks.port end },
    {
      "SOCKS5 with user and password, percent-encoded",
      function() return "socks5h://Aladdin:open%20sesame@127.0.0.1:" .. strict_socks.port end,
    },
  } do
    it("goes through " .. case[1] .. ", ws and wss", function()
      local resolve = { ["proxy.example"] = "127.0.0.1" }
      if case[1]:find "here" then
        resolve.localhost = "127.0.0.1"
      else
        resolve.localhost = "192.0.2.1" -- the proxy knows better
      end
      assert_echo(through(case[2](), plain_url(), { resolve = resolve }))
      local tls = { ca_file = made.ca }
      local r = through(case[2](), secure_url(), { tls = tls, resolve = resolve })
      assert.equal("TLSv1.3", r:wait_open().tls.version)
      assert_echo(r)
    end)
  end

  it("goes through a proxy that is reached over TLS, with TLS inside too", function()
    local stunnel = way.stunnel(made.folder, made.good, strict_proxy.port)
    local proxy = "https://Aladdin:opensesame@localhost:" .. stunnel.port
    local tls = { ca_file = made.ca }
    assert_echo(through(proxy, plain_url(), { tls = tls }))
    assert_echo(through(proxy, secure_url(), { tls = tls }))
    -- pins and a client's certificate are meant for the server, not for the proxy
    tls.pin = made:pin "good"
    assert_echo(through(proxy, secure_url(), { tls = tls }))
    tls.pin = made:pin "ip"
    local came = through(proxy, secure_url(), { tls = tls }):wait_close()
    assert.equal("tls", came.info.error.phase)
    assert.matches("^pin mismatch", came.info.error.message)
  end)

  for version, sentence in pairs {
    tls1_2 = 'the peer sent the TLS alert "handshake failure" (40): '
      .. "no cipher in common, or it wants a client certificate",
    tls1_3 = "the connection to the proxy broke: "
      .. 'the peer sent the TLS alert "certificate required" (116): '
      .. "it wants a client certificate, tls.cert",
  } do
    it("shows the client's certificate to no proxy, whoever asks: " .. version, function()
      local curious = way.s_server(made.good, "-Verify", "1", "-CAfile", made.ca,
        "-verify_return_error", "-" .. version)
      local tls = {
        ca_file = made.ca, cert = made.client_plain.cert, key = made.client_plain.key,
      }
      assert_refused(through("https://localhost:" .. curious.port, secure_url(), { tls = tls }),
        sentence, "tls")
    end)
  end

  it("does not go through a proxy whose certificate is for somebody else", function()
    local stunnel = way.stunnel(made.folder, made.wrong_host, open_proxy.port)
    local proxy = "https://localhost:" .. stunnel.port
    local came = through(proxy, secure_url(), { tls = { ca_file = made.ca } }):wait_close()
    assert.equal("proxy", came.info.error.phase)
    assert.is_true(came.info.error.certificate)
    assert.equal(
      "host name mismatch: asked for localhost, certificate is for b.example, c.example",
      came.info.error.message
    )
    assert.is_nil(came.info.retry_in)
  end)

  it("shows no faulty certificate of the server through the proxy", function()
    local came = through("http://127.0.0.1:" .. open_proxy.port, secure_url()):wait_close()
    assert.equal(1015, came.code)
    assert.equal("tls", came.info.error.phase)
    assert.matches("unknown authority", came.info.error.message)
  end)
end)

describe("a refusal", function()
  it("of HTTP without a password is 407, and not tried again", function()
    local r = through("http://127.0.0.1:" .. strict_proxy.port, plain_url())
    local info = assert_refused(r, ("the proxy refused the tunnel to localhost:%d: "
      .. "407 Proxy Authentication Required"):format(backend.port))
    assert.equal(407, info.error.status)
    assert.is_nil(info.http)
    assert.is_nil(info.retry_in)
    assert.equal("1006 ABNORMAL is not retried: the proxy answered 407, which waiting does not "
      .. "change; give the proxy's user and password in the option proxy", info.retry_refused)
  end)

  it("of HTTP with a wrong password is 401 or 407", function()
    local proxy = "http://Aladdin:wrong@127.0.0.1:" .. strict_proxy.port
    local came = through(proxy, plain_url()):wait_close()
    assert.matches("^the proxy refused the tunnel to localhost:%d+: 40[17] ",
      came.info.error.message)
  end)

  it("because the server cannot be reached tells what the proxy says; it is tried again", function()
    local port = scripted.refused_port()
    local r = through("http://127.0.0.1:" .. open_proxy.port, "ws://127.0.0.1:" .. port)
    local came = r:wait_close()
    assert.matches("^the proxy refused the tunnel to 127.0.0.1:%d+: 50[0-4] ",
      came.info.error.message)
    assert.is_number(came.info.retry_in)
    r = through("socks5h://127.0.0.1:" .. socks.port, "ws://127.0.0.1:" .. port)
    local info = assert_refused(r, ("the SOCKS5 proxy could not connect to 127.0.0.1:%d: "
      .. "connection refused (reply 5)"):format(port))
    assert.is_number(info.retry_in)
  end)

  it("of SOCKS5 without a login", function()
    local r = through("socks5h://127.0.0.1:" .. strict_socks.port, plain_url())
    assert_refused(r, "the SOCKS5 proxy requires a user and a password")
  end)

  it("of SOCKS5 with a wrong password", function()
    local r = through("socks5h://Aladdin:wrong@127.0.0.1:" .. strict_socks.port, plain_url())
    assert_refused(r, "the SOCKS5 proxy refused the user or password")
  end)

  it("by the proxy's own port is of the phase tcp, and names the proxy", function()
    local port = scripted.refused_port()
    local came = through("http://127.0.0.1:" .. port, "ws://feed.example/"):wait_close()
    assert.same({
      name = "refused",
      message = "could not connect to the proxy 127.0.0.1: connection refused by 127.0.0.1 port "
        .. port,
      phase = "tcp",
    }, came.info.error)
  end)

  it("for want of the proxy's address is of the phase dns, and names the proxy", function()
    local r = through("http://proxy.example", "ws://feed.example/", {
      resolve = { ["proxy.example"] = {} },
    })
    local came = r:wait_close()
    assert.equal("dns", came.info.error.phase)
    assert.matches("no address for proxy.example", came.info.error.message, 1, true)
  end)
end)

-- ---------------------------------------------------------------- what is asked

-- A scripted proxy, and a client that goes through it to feed.example.
local function against(scheme, script, options, target)
  local server = scripted.new(script)
  local userinfo = options and options.userinfo or ""
  local all = { proxy = ("%s://%s127.0.0.1:%d"):format(scheme, userinfo, server.port) }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  all.userinfo = nil
  all.retry = { random = function() return 0.5 end }
  all.resolve = all.resolve or {}
  local r, time = way.client(target or "ws://feed.example/v1", all, server)
  return r, server, time
end

-- What follows an opened tunnel: the server itself.
local function be_server(c)
  c:upgrade()
  c:answer_close()
end

local function assert_tunnel(r)
  r:wait_open()
  r.ws:close(4000)
  assert.equal(4000, r:wait_close().code)
end

describe("CONNECT", function()
  for _, case in ipairs {
    { "ws://feed.example/v1", "feed.example:80" },
    { "ws://feed.example:8080/v1", "feed.example:8080" },
    { "ws://[2001:db8::1]/v1", "[2001:db8::1]:80" },
  } do
    it("asks for " .. case[2], function()
      local head
      local r = against("http", function(c)
        head = c:read "[^\r]*\r\n.-\r\n\r\n"
        c:send "HTTP/1.1 200 Connection established\r\n\r\n"
        be_server(c)
      end, nil, case[1])
      assert_tunnel(r)
      assert.equal(("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n"):format(case[2], case[2]), head)
    end)
  end

  it("shows user and password as Basic, and the server sees nothing of them", function()
    local head
    local r, server = against("http", function(c)
      head = c:read "[^\r]*\r\n.-\r\n\r\n"
      c:send "HTTP/1.1 200 OK\r\n\r\n"
      be_server(c)
    end, { userinfo = "Aladdin:open%20sesame@" })
    assert_tunnel(r)
    -- RFC 7617 2
    assert.matches("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", head, 1, true)
    assert.is_nil(server.connections[1].request.headers["proxy-authorization"])
    assert.is_nil(server.connections[1].request.headers.authorization)
  end)

  it("carries proxy_headers, and the server sees nothing of them", function()
    local head
    local r, server = against("http", function(c)
      head = c:read "[^\r]*\r\n.-\r\n\r\n"
      c:send "HTTP/1.1 200 OK\r\n\r\n"
      be_server(c)
    end, { proxy_headers = { ["Proxy-Authorization"] = "Bearer abc", ["User-Agent"] = "bot/2" } })
    assert_tunnel(r)
    assert.equal("CONNECT feed.example:80 HTTP/1.1\r\nHost: feed.example:80\r\n"
      .. "Proxy-Authorization: Bearer abc\r\nUser-Agent: bot/2\r\n\r\n", head)
    local seen = server.connections[1].request.headers
    assert.is_nil(seen["proxy-authorization"])
    assert.matches("^wsclose/", seen["user-agent"])
  end)

  for _, case in ipairs {
    { "200 with another reason", "HTTP/1.1 200 OK\r\n\r\n" },
    { "204", "HTTP/1.1 204 x\r\n\r\n" },
    { "HTTP/1.0, bare line ends", "HTTP/1.0 200\n\n" },
    {
      "1xx answers first",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 200 x\r\n\r\n",
    },
    { "128 header lines", "HTTP/1.1 200 OK\r\n" .. ("a: b\r\n"):rep(128) .. "\r\n" },
    {
      "lengths, which do not count here (RFC 9110 9.3.6)",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    },
  } do
    it("takes " .. case[1] .. ", in one piece or byte for byte", function()
      for _, cuts in ipairs { 100000, 1 } do
        if #case[2] < 200 or cuts > 1 then
          local r = against("http", function(c)
            c:read "CONNECT .-\r\n\r\n"
            c:drip(case[2], cuts)
            be_server(c)
          end)
          assert_tunnel(r)
        end
      end
    end)
  end

  it("keeps bytes of the server that come with the proxy's answer", function()
    local r = against("http", function(c)
      c:read "CONNECT .-\r\n\r\n"
      c:send "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!"
      c:wait_end()
    end)
    local came = r:wait_close()
    assert.equal(403, came.info.http.status)
    assert.equal("no!", came.info.http.body)
  end)
end)

local OK_REPLY = "\5\0\0\1\0\0\0\0\0\0"

describe("SOCKS5", function()
  for _, case in ipairs {
    { "ws://feed.example/v1", "\3\12feed.example\0\80", "a name, for the proxy to look up" },
    { "ws://192.0.2.1:8080/v1", "\1\192\0\2\1\31\144", "an IPv4 address" },
    { "ws://[2001:db8::1]/v1", "\4\32\1\13\184\0\0\0\0\0\0\0\0\0\0\0\1\0\80", "an IPv6 address" },
  } do
    it("asks for " .. case[3], function()
      local request
      local r = against("socks5h", function(c)
        c:read "\5\1%z"
        c:send "\5\0"
        request = c:read("\5\1%z" .. ("."):rep(#case[2]))
        c:send(OK_REPLY)
        be_server(c)
      end, nil, case[1])
      assert_tunnel(r)
      assert.equal("\5\1\0" .. case[2], request)
    end)
  end

  it("asks for an address where names are looked up here", function()
    local request
    local r = against("socks5", function(c)
      c:read "\5\1%z"
      c:send "\5\0"
      request = c:read "\5\1%z......."
      c:send(OK_REPLY)
      be_server(c)
    end, { resolve = { ["feed.example"] = "192.0.2.7" } })
    assert_tunnel(r)
    assert.equal("\5\1\0\1\192\0\2\7\0\80", request)
  end)

  it("logs in where the proxy wants it, RFC 1929", function()
    local login
    local r = against("socks5h", function(c)
      c:read "\5\2%z\2"
      c:send "\5\2"
      login = c:read("\1" .. ("."):rep(20))
      c:send "\1\0"
      c:read "\5\1%z\3\12feed.example.."
      c:send(OK_REPLY)
      be_server(c)
    end, { userinfo = "Aladdin:open%20sesame@" })
    assert_tunnel(r)
    assert.equal("\1\7Aladdin\11open sesame", login)
  end)

  for _, case in ipairs {
    { "an address", OK_REPLY },
    { "a name", "\5\0\0\3\5proxy\1\187" },
    { "an IPv6 address", "\5\0\0\4" .. ("\0"):rep(16) .. "\1\187" },
  } do
    it("takes a reply with " .. case[1] .. ", in one piece or byte for byte", function()
      for _, cuts in ipairs { 100, 1 } do
        local r = against("socks5h", function(c)
          c:read "\5\1%z"
          c:drip("\5\0", cuts)
          c:read "\5\1%z\3\12feed.example.."
          c:drip(case[2], cuts)
          be_server(c)
        end)
        assert_tunnel(r)
      end
    end)
  end
end)

-- ---------------------------------------------------------------- those that misbehave

local function answer(bytes)
  return function(c)
    c:read "CONNECT .-\r\n\r\n"
    c:send(bytes)
    c:wait_end()
  end
end

local function answer_and_end(bytes)
  return function(c)
    c:read "CONNECT .-\r\n\r\n"
    if bytes then
      c:send(bytes)
    end
    c:finish()
  end
end

local NOT_HTTP = "the proxy's answer to CONNECT is not HTTP"
local TOO_LONG = "the head of the proxy's answer to CONNECT is longer than 16384 bytes"

local many_headers = {}
for i = 1, 1000 do
  many_headers[i] = ("X-%d: %s\r\n"):format(i, ("y"):rep(94))
end

describe("an HTTP proxy that", function()
  for _, case in ipairs {
    {
      "answers 407",
      answer "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno!",
      "the proxy refused the tunnel to feed.example:80: 407 Proxy Authentication Required",
      retried = false,
    },
    {
      "answers 502",
      answer "HTTP/1.1 502 Bad Gateway\r\n\r\n",
      "the proxy refused the tunnel to feed.example:80: 502 Bad Gateway",
    },
    {
      "gives no reason",
      answer "HTTP/1.1 503\r\n\r\n",
      "the proxy refused the tunnel to feed.example:80: 503",
    },
    {
      "steers a terminal with its reason",
      answer "HTTP/1.0 502 Bad\27[31mGateway\r\n\r\n",
      NOT_HTTP .. ": the HTTP head holds a control byte",
    },
    {
      "switches protocols",
      answer "HTTP/1.1 101 Switch\r\n\r\n",
      "the proxy refused the tunnel to feed.example:80: 101 Switch",
      retried = false,
    },
    {
      "redirects",
      answer "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\n\r\n",
      "the proxy refused the tunnel to feed.example:80: 302 Found",
      retried = false,
    },
    {
      "sends half a line and ends",
      answer_and_end "HTTP/1.1 20",
      "the HTTP proxy closed the connection in the middle of its answer for feed.example:80",
    },
    {
      "ends without a word",
      answer_and_end(),
      "the HTTP proxy closed the connection without an answer for feed.example:80",
    },
    { "speaks something else", answer "\21\3\1\0\2", NOT_HTTP },
    { "begins like HTTP only", answer "HTTP/2 200\r\n\r\n", NOT_HTTP },
    {
      "sends a header line without a colon",
      answer "HTTP/1.1 200 OK\r\nfoo bar\r\n\r\n",
      NOT_HTTP .. ": a header line has no colon",
    },
    {
      "sends 129 header lines",
      answer("HTTP/1.1 200 OK\r\n" .. ("a: b\r\n"):rep(129) .. "\r\n"),
      NOT_HTTP .. ": the HTTP head has more than 128 header lines",
    },
    {
      "sends 100 KiB of headers",
      answer("HTTP/1.1 200 OK\r\n" .. table.concat(many_headers) .. "\r\n"),
      TOO_LONG,
    },
    { "sends a line of 100 KiB", answer("HTTP/1.1 200 " .. ("O"):rep(102400)), TOO_LONG },
    {
      "sends 1xx answers for ever",
      answer(("HTTP/1.1 100 Continue\r\n\r\n"):rep(1000)),
      TOO_LONG,
    },
  } do
    it(case[1] .. " opens nothing", function()
      local r, server = against("http", case[2])
      local info = assert_refused(r, case[3])
      assert.equal(case.retried == false, info.retry_in == nil)
      local status = case[3]:match "feed.example:80: (%d+)"
      assert.equal(tonumber(status), info.error.status)
      r:wait(function()
        return server.connections[1].ended or server.connections[1].finished
      end)
      assert.is_nil(server.connections[1].request)
    end)
  end

  it("resets TCP is a fault of the network", function()
    local r = against("http", function(c)
      c:read "CONNECT .-\r\n\r\n"
      c:reset()
    end)
    local came = r:wait_close()
    assert.equal("reset", came.info.error.name)
    assert.equal("proxy", came.info.error.phase)
    assert.matches("^the connection to the proxy broke: ", came.info.error.message)
    assert.is_number(came.info.retry_in)
  end)
end)

describe("a SOCKS5 proxy that", function()
  local function first(bytes)
    return function(c)
      c:read "\5."
      c:send(bytes)
      c:wait_end()
    end
  end
  local function reply(bytes, ends)
    return function(c)
      c:read "\5\1%z"
      c:send "\5\0"
      c:read "\5\1%z\3\12feed.example.."
      c:send(bytes)
      if ends then
        c:finish()
      else
        c:wait_end()
      end
    end
  end

  for _, case in ipairs {
    { "wants a login", first "\5\255", "the SOCKS5 proxy requires a user and a password" },
    {
      "takes no login by password",
      first "\5\255",
      "the SOCKS5 proxy does not accept a user and a password",
      userinfo = "me:pw@",
    },
    {
      "speaks HTTP",
      first "HTTP/1.1 400 Bad\r\n\r\n",
      "the proxy does not speak SOCKS5 (its answer begins with 0x48)",
    },
    {
      "speaks SOCKS4",
      first "\0\91",
      "the proxy does not speak SOCKS5 (its answer begins with 0x00)",
    },
    {
      "chooses a login that was not offered",
      first "\5\2",
      "the SOCKS5 proxy chose a login method that was not offered (0x02)",
    },
    {
      "chooses GSSAPI",
      first "\5\1",
      "the SOCKS5 proxy chose a login method that was not offered (0x01)",
    },
    {
      "ends in the middle of its answer",
      reply("\5\0\0\1ab", true),
      "the SOCKS5 proxy closed the connection in the middle of its answer for feed.example:80",
    },
    {
      "gives an address of an unknown kind",
      reply "\5\0\0\9abcdefghijkl",
      "the SOCKS5 proxy's reply has an unknown address type (9)",
    },
    {
      "refuses with no more than two bytes",
      reply "\5\2",
      "the SOCKS5 proxy could not connect to feed.example:80: not allowed by its rules (reply 2)",
    },
    {
      "cannot look the name up",
      reply "\5\4\0\1\0\0\0\0\0\0",
      "the SOCKS5 proxy could not connect to feed.example:80: host unreachable (reply 4)",
    },
    {
      "gives an unknown reply",
      reply "\5\9\0\1\0\0\0\0\0\0",
      "the SOCKS5 proxy could not connect to feed.example:80: an unknown reply (reply 9)",
    },
  } do
    it(case[1] .. " opens nothing", function()
      local r = against("socks5h", case[2], { userinfo = case.userinfo })
      local info = assert_refused(r, case[3])
      assert.is_nil(info.http)
      assert.is_number(info.retry_in)
    end)
  end
end)

describe("a proxy that says nothing", function()
  for _, case in ipairs {
    { "http", "CONNECT .-\r\n\r\n" },
    { "socks5h", "\5\1%z" },
    { "https", "\22\3\1.*", "no TLS handshake with the proxy 127.0.0.1 within 5 s", limit = 5 },
  } do
    it("is given up by its deadline: " .. case[1], function()
      local asked
      local r, _, time = against(case[1], function(c)
        c:read(case[2])
        asked = true
        c:stall()
      end)
      r:wait(function()
        return asked
      end)
      local limit = case.limit or 10
      time.now = time.now + limit - 0.01
      r.ws:update(0)
      assert.equal(0, #r.closes)
      time.now = time.now + 0.02
      local message = case[3] or "the proxy 127.0.0.1 opened no tunnel to feed.example within 10 s"
      local info = assert_refused(r, message, "timeout")
      assert.is_number(info.retry_in)
    end)
  end

  it("is left by close() at once", function()
    local r, server = against("http", function(c)
      c:read "CONNECT .-\r\n\r\n"
      c:wait_end()
    end)
    r:wait(function()
      return server.connections[1] and server.connections[1].bytes_in > 0
    end)
    r.ws:close()
    assert.equal(1006, r:wait_close().code)
    r:wait(function()
      return server.connections[1].ended
    end)
  end)
end)

-- ---------------------------------------------------------------- URLs of proxies

describe("a proxy's URL", function()
  local function shown(proxy)
    if proxy.kind == "none" then
      return "none"
    end
    return ("%s%s %s %d %s %s"):format(proxy.kind, proxy.local_names and ", names here" or "",
      proxy.host, proxy.port, proxy.user or "-", proxy.password or "-")
  end

  for _, case in ipairs {
    { "http://p.example:3128", "http p.example 3128 - -" },
    { "p.example", "http p.example 1080 - -" },
    { "p.example:8080/", "http p.example 8080 - -" },
    { "HTTPS://p.example", "https p.example 443 - -" },
    { "socks5://u:p@p.example", "socks5, names here p.example 1080 u p" },
    { "socks5h://[::1]:9050", "socks5 ::1 9050 - -" },
    { "http://u%40x:a%3ab%25@p:1", "http p 1 u@x a:b%" },
    { "http://u:p@w@p:1", "http p 1 u p@w" },
    { "http://u@p:1", "http p 1 u " },
    { "http://:pw@p:1", "http p 1  pw" },
    { "http://@p:1", "http p 1 - -" },
    { "http://p:", "http p 1080 - -" },
    {
      "socks5://" .. ("u"):rep(255) .. "@p",
      "socks5, names here p 1080 " .. ("u"):rep(255) .. " ",
    },
  } do
    it(("reads %s"):format(case[1]:sub(1, 40)), function()
      assert.equal(case[2], shown(testing.proxy.choose("wss://feed.example/", case[1])))
    end)
  end

  for _, case in ipairs {
    { "ftp://p", "the proxy's scheme is not http, https, socks5 or socks5h" },
    { "socks4://p", "the proxy's scheme is not http, https, socks5 or socks5h" },
    { "://p", "the proxy's scheme is not http, https, socks5 or socks5h" },
    { "http://", "the proxy's host is neither a name nor an address" },
    { "http://:80", "the proxy's host is neither a name nor an address" },
    { "http://a b", "the proxy's host is neither a name nor an address" },
    { "http://::1", "the proxy's host is neither a name nor an address" },
    { "http://p\195\169", "the proxy's host is neither a name nor an address" },
    { "http://[]", "the proxy's host is neither a name nor an address" },
    { "http://[::g]", "the proxy's host is neither a name nor an address" },
    { "http://[::1", "the proxy's IPv6 address has no closing bracket" },
    { "http://[::1]x", "what follows the proxy's host is not a port" },
    { "http://p:0", "the proxy's port is not a number from 1 to 65535" },
    { "http://p:65536", "the proxy's port is not a number from 1 to 65535" },
    { "http://p:" .. ("9"):rep(30), "the proxy's port is not a number from 1 to 65535" },
    { "http://p:8a", "the proxy's port is not a number from 1 to 65535" },
    { "http://p:80/x", "a proxy URL ends after host and port" },
    { "http://p?x", "a proxy URL ends after host and port" },
    { "http://p#x", "a proxy URL ends after host and port" },
    { "http://u%:p@p", "the proxy URL has a broken percent escape" },
    { "http://u%2:p@p", "the proxy URL has a broken percent escape" },
    { "http://u:p%zz@p", "the proxy URL has a broken percent escape" },
    { "http://u%0d:p@p", "the proxy's user or password has a control character" },
    { "http://u:p%0a@p", "the proxy's user or password has a control character" },
    { "http://u:%00@p", "the proxy's user or password has a control character" },
    { "socks5h://u:%00@p", "the proxy's user or password has a control character" },
    { "http://u\1:p@p", "the proxy's user or password has a control character" },
    {
      "http://u%3ax:p@p",
      "the proxy's user has a colon, which Basic authentication cannot carry",
    },
    {
      "socks5://" .. ("u"):rep(256) .. "@p",
      "the proxy's user or password is longer than the 255 bytes that SOCKS5 can carry",
    },
  } do
    it(("refuses %q before anything is sent"):format(case[1]:sub(1, 40)), function()
      local ok, message = pcall(wsclose.new, "wss://feed.example/", { proxy = case[1] })
      assert.is_false(ok)
      assert.matches("option 'proxy': " .. case[2], message, 1, true)
      assert.same({ nil, case[2] }, { (testing.proxy.choose("wss://feed.example/", case[1])),
        (select(2, testing.proxy.choose("wss://feed.example/", case[1]))) })
    end)
  end

  for _, byte in ipairs { "\r", "\n", "\0" } do
    it(("may not hold %q"):format(byte), function()
      assert.is_false((pcall(wsclose.new, "wss://feed.example/", { proxy = "http://p" .. byte })))
    end)
  end

  it("is not needed to reach a unix socket", function()
    assert.equal("none", testing.proxy.choose("ws+unix:///run/x:/", "http://p").kind)
  end)
end)

-- ---------------------------------------------------------------- the environment

local VARIABLES = {
  "wss_proxy", "WSS_PROXY", "ws_proxy", "WS_PROXY", "https_proxy", "HTTPS_PROXY", "http_proxy",
  "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
}

describe("the environment", function()
  local before = {}

  before_each(function()
    for _, name in ipairs(VARIABLES) do
      before[name] = testing.environment.set(name, nil)
    end
  end)

  after_each(function()
    for _, name in ipairs(VARIABLES) do
      testing.environment.set(name, before[name])
    end
  end)

  local function set(settings)
    for name, value in settings:gmatch "([%w_]+)=([^;]*)" do
      testing.environment.set(name, value)
    end
  end

  for _, case in ipairs {
    { "https_proxy=http://a", "wss://feed.example", "a" },
    { "https_proxy=http://a", "ws://feed.example", "none" },
    { "http_proxy=http://a", "ws://feed.example", "a" },
    { "http_proxy=http://a", "wss://feed.example", "none" },
    { "HTTP_PROXY=http://a", "ws://feed.example", "none" },
    { "HTTPS_PROXY=http://b;https_proxy=http://a", "wss://feed.example", "a" },
    { "HTTPS_PROXY=http://b;https_proxy=", "wss://feed.example", "b" },
    { "https_proxy=http://a;wss_proxy=http://w", "wss://feed.example", "w" },
    { "https_proxy=http://a;WSS_PROXY=http://w", "wss://feed.example", "w" },
    { "http_proxy=http://a;ws_proxy=http://w", "ws://feed.example", "w" },
    { "http_proxy=http://a;WS_PROXY=http://w", "ws://feed.example", "w" },
    { "all_proxy=socks5h://s", "ws://feed.example", "s" },
    { "all_proxy=socks5h://s", "wss://feed.example", "s" },
    { "ALL_PROXY=socks5h://s;HTTP_PROXY=http://evil", "ws://feed.example", "s" },
    { "all_proxy=socks5h://s;https_proxy=http://a", "wss://feed.example", "a" },
    { "https_proxy=http://a;NO_PROXY=x", "wss://x", "none" },
    { "https_proxy=http://a;NO_PROXY=y;no_proxy=x", "wss://y", "a" },
    { "", "wss://feed.example", "none" },
  } do
    it(("%s: %s by %s"):format(case[1], case[2], case[3]), function()
      set(case[1])
      local proxy = testing.proxy.choose(case[2] .. "/")
      assert.equal(case[3], proxy.host or proxy.kind)
    end)
  end

  for _, case in ipairs {
    -- what no_proxy says, then hosts it excepts, then hosts it does not
    { "*", { "x", "192.0.2.1" }, {} },
    { "feed.example", { "feed.example", "a.feed.example", "feed.example." }, { "afeed.example" } },
    { ".feed.example", { "feed.example", "x.feed.example" }, { "xfeed.example" } },
    { "*.feed.example", { "feed.example", "x.feed.example" }, { "xfeed.example", "example" } },
    { "*feed.example,*.", {}, { "feed.example", "x.feed.example" } },
    { "FEED.Example", { "feed.example" }, {} },
    { "feed.example.", { "feed.example" }, { "feed.exampl" } },
    { "example", { "feed.example" }, { "feedexample" } },
    { "a,b , feed.example", { "feed.example", "a", "b" }, { "c" } },
    { "a b feed.example", { "feed.example" }, { "c" } },
    { "a,,b", { "b" }, { "feed.example" } },
    { "feed.example:443", { "feed.example" }, { "feed.example:8443" } },
    { "feed.example:8443", { "feed.example:8443" }, { "feed.example" } },
    { "feed.example:", {}, { "feed.example" } },
    { "192.0.2.1", { "192.0.2.1" }, { "192.0.2.2" } },
    { "192.0.2.0/24", { "192.0.2.77" }, { "192.0.3.77" } },
    { "192.0.2.0/25", { "192.0.2.127" }, { "192.0.2.128" } },
    { "10.0.0.0/8", { "10.255.1.2" }, { "11.0.0.0" } },
    { "0.0.0.0/0", { "8.8.8.8" }, { "feed.example", "[::1]" } },
    { "192.0.2.0/33", {}, { "192.0.2.0" } },
    { "192.0.2.0/", {}, { "192.0.2.0" } },
    { "192.0.2.0/-1", {}, { "192.0.2.0" } },
    { "0.2.1", {}, { "192.0.2.1" } },
    { "192.0.2.1:443", { "192.0.2.1" }, { "192.0.2.1:44" } },
    { "::1", { "[::1]" }, { "[::2]" } },
    { "[::1]", { "[::1]" }, { "[::2]" } },
    { "[::1]:443", { "[::1]" }, { "[::1]:44" } },
    { "[::1", {}, { "[::1]" } },
    { "2001:db8::/32", { "[2001:db8:1::5]" }, { "[2001:db9::]" } },
    { "2001:db8::/33", { "[2001:db8:7fff::]" }, { "[2001:db8:8000::5]" } },
    { "2001:DB8:0::1", { "[2001:db8::1]" }, {} },
    { ".", {}, { "feed.example" } },
    { "..", {}, { "feed.example" } },
    { "[]", {}, { "x" } },
    { ":", {}, { "x" } },
    { "[", {}, { "x" } },
  } do
    it(("excepts by no_proxy=%s as curl does"):format(case[1]), function()
      set("https_proxy=http://a;no_proxy=" .. case[1])
      for kind, hosts in pairs { none = case[2], http = case[3] } do
        for _, host in ipairs(hosts) do
          assert.equal(kind, testing.proxy.choose(("wss://%s/"):format(host)).kind, host)
        end
      end
    end)
  end

  it("leads a client through the proxy it names", function()
    set("ws_proxy=http://Aladdin:opensesame@127.0.0.1:" .. strict_proxy.port)
    local r = through("environment", plain_url(), { resolve = { localhost = "192.0.2.1" } })
    assert_echo(r)
  end)

  it("is asked at each attempt, and not at all with proxy = false or another", function()
    set("ws_proxy=http://127.0.0.1:" .. scripted.refused_port())
    assert_echo(through(false, plain_url(), { resolve = { localhost = "127.0.0.1" } }))
    assert_echo(through("http://127.0.0.1:" .. open_proxy.port, plain_url()))
    local r = through("environment", plain_url())
    assert.matches("could not connect to the proxy 127.0.0.1:", r:wait_close().info.error.message)
    set "no_proxy=localhost"
    r.ws.url = "ws://127.0.0.1:" .. backend.port
    set "no_proxy=127.0.0.0/8"
    r.ws:reconnect()
    r:wait(function()
      return r.opens[1]
    end)
    r.ws:close()
    r:wait_close(2)
  end)

  it("with a faulty URL ends the attempt with a sentence", function()
    set "https_proxy=gopher://a"
    local r = through("environment", "wss://feed.example/")
    local came = r:wait_close()
    assert.equal("the proxy's scheme is not http, https, socks5 or socks5h",
      came.info.error.message)
    assert.equal("url", came.info.error.name)
    assert.is_nil(came.info.retry_in)
  end)
end)
