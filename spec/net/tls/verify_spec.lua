-- Certificates, checked against nginx: what is wrong with each is refused with its own sentence,
-- before anything is asked, and not tried again; with the right authority, name or option the same
-- server is reached.

local certificates = require "support.certificates"
local mime = require "mime"
local network = require "support.network"
local peers = require "support.peers"
local process = require "support.process"
local way = require "support.way"
local wsclose = require "wsclose"

local WEAK = "ssl_ciphers DEFAULT@SECLEVEL=0;" -- for nginx, which would not load them either

local made, nginx

local function start_nginx()
  made = certificates.shared()
  local backend = peers.start "websockets"
  local leaves = {}
  for _, name in ipairs {
    "good", "ip", "wildcard", "partial_wildcard", "common_name", "chained", "expired",
    "not_yet_valid", "wrong_host", "self_signed", "unknown_ca", "wrong_usage", "many_names",
  } do
    leaves[name] = made[name]
  end
  for _, name in ipairs { "weak_key", "weak_signature" } do
    leaves[name] = { cert = made[name].cert, key = made[name].key, also = WEAK }
  end
  -- what servers are most often set up without
  local alone = made.folder .. "/alone.pem"
  local file = assert(io.open(alone, "w"))
  file:write((certificates.read(made.chained.cert):match "^.-%-END CERTIFICATE%-+\n"))
  file:close()
  leaves.tls12 = {
    cert = made.good.cert, key = made.good.key, also = "ssl_protocols TLSv1.2;",
  }
  leaves.no_intermediate = { cert = alone, key = made.chained.key }
  nginx = way.nginx(made.folder, backend.port, leaves)
end

local function client(leaf, host, tls)
  local url = ("wss://%s:%d/?id=%s"):format(host or "feed.example", nginx.ports[leaf], leaf)
  return way.client(url, { retry = true, tls = tls })
end

-- Connects, talks and closes; nothing was asked of the server before.
local function assert_opens(leaf, host, tls)
  local r = client(leaf, host, tls)
  r.ws.url = r.ws.url .. "&opens"
  r:wait_open()
  assert.is_true(r.ws:send "over TLS")
  assert.equal("over TLS", r:wait_message().data)
  r.ws:close()
  assert.equal(1000, r:wait_close().code)
  local line = nginx:expect("^CONNECTION port " .. nginx.ports[leaf] .. " (.*)$")
  assert.matches("&opens$", line)
end

local function assert_refused(leaf, host, tls, sentence)
  local r = client(leaf, host, tls)
  local came = r:wait_close()
  local info = came.info
  assert.equal(1015, came.code)
  assert.equal("", came.reason)
  assert.same({ name = "tls", message = sentence, phase = "tls", certificate = true }, info.error)
  assert.equal("TLS_HANDSHAKE", info.name)
  assert.is_false(info.opened)
  assert.is_false(info.clean)
  assert.equal("client", info.by)
  assert.is_nil(info.sent)
  assert.is_nil(info.retry_in)
  assert.matches("^1015 TLS_HANDSHAKE is not retried: a certificate or host name stays wrong",
    info.retry_refused)
  assert.matches(sentence, tostring(info), 1, true)
  assert.is_false((r.ws:update(0)))
  assert.equal("closed", r.ws:state())
  assert.equal(1, #r.closes)
  assert.equal(0, #r.opens)
end

setup(start_nginx)
teardown(process.stop_all)

describe("a certificate", function()
  for _, case in ipairs {
    {
      "expired",
      "certificate has expired (notAfter 2024-01-01 00:00:00 UTC)",
      cure = { tls = { verify = false } },
    },
    {
      "not_yet_valid",
      "certificate is not yet valid (notBefore 2090-01-01 00:00:00 UTC)",
      cure = { tls = { verify = false } },
    },
    {
      "wrong_host",
      "host name mismatch: asked for feed.example, certificate is for b.example, c.example",
      cure = { host = "b.example" },
    },
    {
      "wildcard",
      "host name mismatch: asked for feed.example, certificate is for *.feed.example",
      cure = { host = "x.feed.example" },
    },
    {
      "partial_wildcard",
      "host name mismatch: asked for first.feed.example, certificate is for f*.feed.example",
      host = "first.feed.example",
      cure = { tls = { verify = false } },
    },
    {
      "ip",
      "host name mismatch: asked for feed.example, certificate is for 127.0.0.1, ::1",
      cure = { host = "127.0.0.1" },
    },
    {
      "good",
      "host name mismatch: asked for 127.0.0.1, certificate is for feed.example, localhost",
      host = "127.0.0.1",
      cure = { host = "127.0.0.1", tls = { server_name = "localhost" } },
    },
    {
      "self_signed",
      "self-signed certificate (CN=feed.example); to trust it: tls = { ca_file = … }",
      cure = { ca = "self_signed" },
    },
    {
      "unknown_ca",
      "certificate signed by an unknown authority (issuer CN=another authority)",
      cure = { ca = "other_ca" },
    },
    {
      "no_intermediate",
      "certificate signed by an unknown authority (issuer CN=wsclose test intermediate)",
      cure = { ca = "intermediate" },
    },
    {
      "weak_key",
      "certificate has a weak key (1024 bits, rsaEncryption)",
      cure = { tls = { ciphers = "DEFAULT@SECLEVEL=0" } },
    },
    {
      "weak_signature",
      "certificate is signed with a weak algorithm (ecdsa-with-SHA1)",
      cure = { tls = { ciphers = "DEFAULT@SECLEVEL=0" } },
    },
    {
      "wrong_usage",
      "certificate is not meant for a server (its usage: TLS Web Client Authentication)",
      cure = { tls = { verify = false } },
    },
  } do
    local leaf, sentence, cure = case[1], case[2], case.cure
    it(("is refused: %s"):format(sentence), function()
      assert_refused(leaf, case.host, { ca_file = made.ca }, sentence)
      local tls = { ca_file = cure.ca and ("%s/%s.pem"):format(made.folder, cure.ca) or made.ca }
      for name, value in pairs(cure.tls or {}) do
        tls[name] = value
      end
      assert_opens(leaf, cure.host, tls)
      local guide = certificates.read "docs/tls.md"
      assert.is_truthy(guide:find(sentence, 1, true), "docs/tls.md does not show it")
    end)
  end

  for _, case in ipairs {
    { "good", why = "one of its names is the host" },
    { "good", host = "FEED.Example", why = "names have no case" },
    { "chained", why = "it brings what leads to its authority" },
    { "common_name", why = "its common name counts where it has no other" },
  } do
    it("is taken: " .. case.why, function()
      assert_opens(case[1], case.host, { ca_file = made.ca })
    end)
  end

  it("is refused by every authority but the one that signed it", function()
    assert_refused("good", nil, { ca_file = made.other_ca },
      "certificate signed by an unknown authority (issuer CN=wsclose test authority)")
  end)

  it("is refused when its key is not a pinned one: so a key is revoked", function()
    local sentence = "pin mismatch: the certificate's key is sha256//" .. made:pin "good"
    assert_refused("good", nil, { ca_file = made.ca, pin = made:pin "ip" }, sentence)
    assert_opens("good", nil, { ca_file = made.ca, pin = { made:pin "ip", made:pin "good" } })
  end)

  it("is refused by a pin that differs in any one byte", function()
    local bytes, pins = mime.unb64(made:pin "good"), {}
    for i = 1, 32 do
      local other = string.char((bytes:byte(i) + 1) % 256)
      pins[i] = mime.b64(bytes:sub(1, i - 1) .. other .. bytes:sub(i + 1))
    end
    local sentence = "pin mismatch: the certificate's key is sha256//" .. made:pin "good"
    assert_refused("good", nil, { ca_file = made.ca, pin = pins }, sentence)
  end)

  it("is held against the pins though nothing else is checked", function()
    local sentence = "pin mismatch: the certificate's key is sha256//" .. made:pin "self_signed"
    assert_refused("self_signed", nil, { verify = false, pin = made:pin "good" }, sentence)
    assert_opens("self_signed", nil, { verify = false, pin = "sha256//" .. made:pin "self_signed" })
  end)

  it("is not made good by a pin", function()
    assert_refused("expired", nil, { ca_file = made.ca, pin = made:pin "expired" },
      "certificate has expired (notAfter 2024-01-01 00:00:00 UTC)")
  end)

  for _, name in ipairs { "", ".", ".example" } do
    it(("is not compared with %q, which would match many: C may give it"):format(name), function()
      local r = client("good", nil, { ca_file = made.ca })
      r.ws._settings.config.tls.server_name = name
      assert.matches("^no host name that a certificate could be checked for",
        r:wait_close().info.error.message)
      assert.equal(0, #r.opens)
    end)
  end

  it("that is faulty is what connect answers with", function()
    local ws, sentence, name, info = wsclose.connect(
      "wss://feed.example:" .. nginx.ports.expired,
      { proxy = false, resolve = { ["feed.example"] = "127.0.0.1" }, tls = { ca_file = made.ca } }
    )
    assert.is_nil(ws)
    assert.equal("tls", name)
    assert.is_true(info.error.certificate)
    assert.matches("cannot connect to wss://feed.example:%d+", sentence)
    assert.matches(": certificate has expired (notAfter 2024-01-01 00:00:00 UTC)", sentence, 1,
      true)
  end)
end)

-- In an interpreter whose OpenSSL is set up so (openssl.cnf, [system_default]).
describe("where the system's settings ask for", function()
  local function outcome(settings, leaf)
    local path = made.folder .. "/system.cnf"
    local file = assert(io.open(path, "w"))
    file:write("openssl_conf = start\n[start]\nssl_conf = tls\n[tls]\nsystem_default = all\n[all]\n"
      .. settings .. "\n")
    file:close()
    local code = [[
      local ws, sentence = require("wsclose").connect("wss://feed.example:%d/", {
        tls = { ca_file = "%s" }, resolve = { ["feed.example"] = "127.0.0.1" },
      })
      io.write(ws and ws:info().tls.version or sentence)
    ]]
    return network.run(code:format(nginx.ports[leaf], made.ca), "OPENSSL_CONF=" .. path).output
  end

  it("less than 112 bits, 112 are asked for all the same", function()
    assert.matches("certificate has a weak key (1024 bits, rsaEncryption)",
      outcome("CipherString = DEFAULT@SECLEVEL=1", "weak_key"), 1, true)
  end)

  it("192 bits, it is not less: the server has 128", function()
    assert.equal("TLSv1.3", outcome("CipherString = DEFAULT@SECLEVEL=3", "good"))
    assert.matches("handshake failure", outcome("CipherString = DEFAULT@SECLEVEL=4", "good"), 1,
      true)
  end)

  it("TLS 1.3, it is not TLS 1.2", function()
    assert.equal("TLSv1.3", outcome("MinProtocol = TLSv1.3", "good"))
    assert.matches("protocol version", outcome("MinProtocol = TLSv1.3", "tls12"), 1, true)
    assert.equal("TLSv1.2", outcome("MinProtocol = TLSv1", "tls12"))
  end)
end)

describe("what is told of a connection over TLS", function()
  local function info_of(leaf, tls)
    local r = client(leaf, nil, tls)
    r:wait_open()
    local told = r.ws:info().tls
    r.ws:close()
    r:wait_close()
    return told
  end

  it("has the group of the key exchange", function()
    assert.matches("^[%w_]+$", info_of("good", { ca_file = made.ca }).group)
  end)

  it("has the certificate's subject, its names, and its last second since 1970", function()
    assert.same({
      subject = "CN=good", names = { "feed.example", "localhost" }, not_after = 3755376000,
    }, info_of("good", { ca_file = made.ca }).certificate)
    assert.same({
      subject = "CN=ip", names = { "127.0.0.1", "::1" }, not_after = 3755376000,
    }, info_of("ip", { verify = false }).certificate)
    assert.equal("2089-01-01 00:00:00", os.date("!%Y-%m-%d %H:%M:%S", 3755376000))
  end)

  it("has no names where the certificate has none but its subject's", function()
    local certificate = info_of("common_name", { ca_file = made.ca }).certificate
    assert.same({ "CN=feed.example", {} }, { certificate.subject, certificate.names })
  end)

  it("has as many of a certificate's names as 8 KiB hold with its subject, each whole", function()
    local names, size = { "feed.example" }, #"CN=many_names" + #"feed.example"
    while size + #names + #"n001.a.example" + 2 < 8192 do
      names[#names + 1] = ("n%03d.a.example"):format(#names)
      size = size + #names[#names]
    end
    assert.is_true(#names < 600)
    local told = info_of("many_names", { ca_file = made.ca }).certificate.names
    assert.equal(table.concat(names, " "), table.concat(told, " "))
  end)

  it("has the certificate also where it was not checked", function()
    local certificate = info_of("expired", { verify = false }).certificate
    assert.equal("2024-01-01", os.date("!%Y-%m-%d", certificate.not_after))
  end)

  it("has it of a resumed session too", function()
    local r = client("good", nil, { ca_file = made.ca })
    r:wait_open()
    r.ws:send "until the ticket is here"
    r:wait_message()
    local before = r.ws:info().tls
    r.ws:reconnect()
    r:wait_open(2)
    local after = r.ws:info().tls
    assert.is_true(after.resumed)
    assert.same(before.certificate, after.certificate)
  end)
end)
