-- Redirects over TLS and proxies, with nginx sending them: what the next server is shown, and what
-- is not followed.  How a Location is read is held by spec/lua/redirect_spec.lua, how a client acts
-- on it by spec/lua/client_retry_spec.lua.

local certificates = require "support.certificates"
local peers = require "support.peers"
local process = require "support.process"
local scripted = require "support.scripted_server"
local way = require "support.way"

local made, backend, nginx

-- nginx's servers in the order of their ports: 1 expired, 2 first, 3 second.
local PLACES = [[
    location = /here { return 302 /arrived; }
    location = /there { return 302 https://feed.example:@PORT3@/arrived?from=there; }
    location = /by_wss { return 307 wss://b.example:@PORT3@/arrived?from=by_wss; }
    location = /expired { return 301 https://feed.example:@PORT1@/arrived; }
    location = /plain { return 302 http://feed.example:$backend/arrived; }
    location = /round { return 308 /round; }
]]

setup(function()
  made = certificates.shared()
  backend = peers.start "websockets"
  local function good(also)
    also = "ssl_verify_client optional_no_ca; " .. (also or "")
    return { cert = made.good.cert, key = made.good.key, also = also }
  end
  nginx = way.nginx(made.folder, backend.port, {
    expired = made.expired,
    first = good((PLACES:gsub("$backend", backend.port))),
    second = good(),
  })
end)
teardown(process.stop_all)
after_each(scripted.close_all)

local function client(path, options, userinfo)
  local url = ("wss://%sfeed.example:%d%s"):format(userinfo or "", nginx.ports.first, path)
  local all = { redirects = 3, retry = true, tls = { ca_file = made.ca } }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return way.client(url, all)
end

-- What nginx writes of each request, in order; the last one after the connection is closed.
local function seen(r, count)
  r:wait_open()
  r.ws:close()
  assert.equal(1000, r:wait_close().code)
  assert.equal(1, #r.closes)
  local lines = {}
  for i = 1, count do
    lines[i] = nginx:expect "^CONNECTION (.*)$"
  end
  return lines
end

local SECRETS = { headers = { Authorization = "Bearer x", Cookie = "a=b" } }

describe("a redirect from wss", function()
  it("to the same origin is followed, with the credentials", function()
    local lines = seen(client("/here", SECRETS), 2)
    assert.matches("authorization=Bearer x cookie=a=b 302 /here$", lines[1])
    assert.matches("authorization=Bearer x cookie=a=b 101 /arrived$", lines[2])
  end)

  it("to the same origin keeps the user of the URL, which is Basic authentication", function()
    local lines = seen(client("/here", nil, "Aladdin:open%20sesame@"), 2)
    -- RFC 7617 2
    for i = 1, 2 do
      assert.matches("authorization=Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== ", lines[i], 1, true)
    end
  end)

  for path, name in pairs { ["/there"] = "feed.example", ["/by_wss"] = "b.example" } do
    it("to another origin is followed without the credentials: " .. path, function()
      local tls = { ca_file = made.ca, verify = name == "feed.example" }
      local lines = seen(client(path, { headers = SECRETS.headers, tls = tls }), 2)
      assert.matches("authorization=Bearer x cookie=a=b 30", lines[1])
      assert.matches(("^port %d .*name=%s .*authorization=%%- cookie=%%- 101 /arrived%%?from=%s$")
        :format(nginx.ports.second, name, path:sub(2)), lines[2])
      lines = seen(client(path, { tls = tls }, "Aladdin:sesame@"), 2)
      assert.matches("authorization=Basic ", lines[1])
      assert.matches("authorization=%- ", lines[2])
    end)
  end

  it("to another origin takes no certificate along, though that server asks for one", function()
    local leaf = made.client_plain
    local tls = { ca_file = made.ca, cert = leaf.cert, key = leaf.key }
    local lines = seen(client("/there", { tls = tls }), 2)
    assert.matches(" client=CN=a client ", lines[1], 1, true)
    assert.matches(" client=- ", lines[2], 1, true)
    lines = seen(client("/here", { tls = tls }), 2)
    assert.matches(" client=CN=a client ", lines[2], 1, true)
  end)

  it("to another origin is proved by that one's name, whatever server_name was", function()
    local tls = { ca_file = made.ca, server_name = "x.feed.example", verify = false }
    local lines = seen(client("/there", { tls = tls }), 2)
    assert.matches(" name=x.feed.example ", lines[1], 1, true)
    assert.matches(" name=feed.example ", lines[2], 1, true)
  end)

  it("is not followed unless asked for", function()
    local came = client("/here", { redirects = 0 }):wait_close()
    assert.equal(1006, came.code)
    assert.equal("http", came.info.error.name)
    assert.equal(302, came.info.http.status)
    assert.equal("/arrived", came.info.http.headers.location:match "[^/]*(/[^/]*)$")
    assert.matches("raise the option redirects or use the final URL", came.info.retry_refused)
  end)

  it("is not followed more often than allowed", function()
    for limit = 1, 3 do
      local came = client("/round", { redirects = limit }):wait_close()
      assert.equal("redirect", came.info.error.name)
      assert.equal("handshake", came.info.error.phase)
      assert.matches("^one redirect more than the option redirects allows, to wss://feed.example",
        came.info.error.message)
      assert.is_nil(came.info.retry_in)
      for _ = 0, limit do
        nginx:expect " 308 /round$"
      end
      assert.is_nil(nginx:look " 308 /round$")
    end
  end)

  it("is never followed to a server without TLS, and that server hears nothing", function()
    local listener = scripted.new(function(c)
      c:read_request()
    end)
    local origin = scripted.new(function(c)
      c:refuse(302, { Location = listener:url("/", "http") })
    end)
    local stunnel = way.stunnel(made.folder, made.good, origin.port)
    local r = way.client("wss://feed.example:" .. stunnel.port, {
      redirects = 3, retry = true, tls = { ca_file = made.ca },
    }, origin)
    local came = r:wait_close()
    assert.equal("redirect", came.info.error.name)
    assert.equal(
      ("the redirect leads from wss to http://127.0.0.1:%d/, which is not encrypted")
        :format(listener.port),
      came.info.error.message
    )
    assert.is_nil(came.info.retry_in)
    listener:step()
    assert.equal(0, #listener.connections)
    assert.equal("redirect", client("/plain"):wait_close().info.error.name)
  end)

  it("leads to a server whose certificate is checked like any other", function()
    local came = client("/expired"):wait_close()
    assert.equal(1015, came.code)
    assert.matches("^certificate has expired", came.info.error.message)
    assert.is_true(came.info.error.certificate)
    assert.is_nil(came.info.retry_in)
  end)

  it("is followed through the proxy", function()
    local targets = {}
    local function tunnel(c)
      targets[c.index] = c:read "CONNECT (%S+) .-\r\n\r\n"
      c:send "HTTP/1.1 200 OK\r\n\r\n"
      c:upgrade()
      c:answer_close()
    end
    local function redirecting(c)
      targets[c.index] = c:read "CONNECT (%S+) .-\r\n\r\n"
      c:send "HTTP/1.1 200 OK\r\n\r\n"
      c:refuse(302, { Location = "ws://b.example:8080/" })
    end
    local proxy = scripted.new { redirecting, tunnel }
    local r = way.client("ws://a.example/", {
      redirects = 1, proxy = "http://127.0.0.1:" .. proxy.port,
    }, proxy)
    r:wait_open()
    assert.same({ "a.example:80", "b.example:8080" }, targets)
    r.ws:close()
    r:wait_close()
  end)
end)

describe("a redirect from ws", function()
  it("to https is followed", function()
    local server = scripted.new(function(c)
      c:refuse(301, { Location = "https://feed.example:" .. nginx.ports.second .. "/arrived" })
    end)
    local r = way.client(server:url(), {
      redirects = 1, tls = { ca_file = made.ca }, headers = SECRETS.headers,
    }, server)
    assert.equal("TLSv1.3", r:wait_open().tls.version)
    assert.equal("Bearer x", server.connections[1].request.headers.authorization)
    r.ws:close()
    r:wait_close()
    assert.matches("authorization=%- cookie=%- 101", (nginx:expect "^CONNECTION (.* 101 .*)$"))
  end)
end)
