-- The options under `tls`, each seen to work from both ends: nginx and `openssl s_server` tell what
-- reached them.

local certificates = require "support.certificates"
local command = require "support.command"
local network = require "support.network"
local peers = require "support.peers"
local process = require "support.process"
local recorder = require "support.recorder"
local testing = require "wsclose.core_testing"
local way = require "support.way"

local made, nginx

local function start_nginx()
  made = certificates.shared()
  local backend = peers.start "websockets"
  local function good(also)
    return { cert = made.good.cert, key = made.good.key, also = also }
  end
  nginx = way.nginx(made.folder, backend.port, {
    plain = good(),
    tls12 = good "ssl_protocols TLSv1.2;",
    unknown_ca = made.unknown_ca,
    self_signed = made.self_signed,
    wants_client = good("ssl_verify_client on; ssl_client_certificate " .. made.ca .. ";"),
  })
end

local function client(port, tls)
  return way.client("wss://feed.example:" .. port .. "/", { retry = true, tls = tls })
end

-- What nginx writes of a connection that was opened and closed, and ws:info().tls.
local function open(server, tls)
  local r = client(nginx.ports[server], tls)
  local info = r:wait_open()
  r.ws:close()
  assert.equal(1000, r:wait_close().code)
  return nginx:expect("^CONNECTION port " .. nginx.ports[server] .. " (.*)$"), info.tls
end

local function refused(port, tls)
  local r = client(port, tls)
  local came = r:wait_close()
  assert.equal(0, #r.opens)
  return came.info.error.message, came, r
end

local function with_ca(tls)
  local all = { ca_file = made.ca }
  for name, value in pairs(tls) do
    all[name] = value
  end
  return all
end

local function read(path)
  return certificates.read(path)
end

local function copy(from, to)
  local file = assert(io.open(to, "w"))
  file:write(read(from))
  file:close()
end

setup(start_nginx)
teardown(process.stop_all)

describe("the authorities", function()
  for _, case in ipairs {
    { "a file", "ca_file", function() return made.ca end },
    { "a directory of hashed names", "ca_path", function() return made.ca_path end },
    { "PEM text", "ca", function() return read(made.ca) end },
  } do
    it("come from " .. case[1], function()
      local tls = { [case[2]] = case[3]() }
      open("plain", tls)
      assert.matches("another authority", (refused(nginx.ports.unknown_ca, tls)))
    end)
  end

  it("add up, in one text and over the options", function()
    for _, tls in ipairs {
      { ca = read(made.other_ca) .. read(made.ca) },
      { ca_file = made.ca, ca = read(made.other_ca) },
      { ca_file = made.other_ca, ca_path = made.ca_path },
    } do
      open("plain", tls)
      open("unknown_ca", tls)
    end
  end)

  it("may be the server's own certificate", function()
    open("self_signed", { ca_file = made.self_signed.cert })
    open("plain", { ca = read(made.good.cert) })
  end)

  for _, case in ipairs { { "SSL_CERT_FILE", "ca" }, { "SSL_CERT_DIR", "ca_path" } } do
    it("are the system's by default, which " .. case[1] .. " may name", function()
      local message = refused(nginx.ports.plain)
      assert.equal("certificate signed by an unknown authority (issuer CN=wsclose test authority)",
        message)
      local before = testing.environment.set(case[1], made[case[2]])
      finally(function()
        testing.environment.set(case[1], before)
      end)
      open "plain"
    end)
  end

  it("are not the system's once the program names others", function()
    local before = testing.environment.set("SSL_CERT_FILE", made.ca)
    finally(function()
      testing.environment.set("SSL_CERT_FILE", before)
    end)
    local message = refused(nginx.ports.plain, { ca_file = made.other_ca })
    assert.matches("unknown authority", message)
  end)

  it("are read anew by the next attempt when the file has changed", function()
    local file = made.folder .. "/changing.pem"
    copy(made.other_ca, file)
    local message, _, r = refused(nginx.ports.plain, { ca_file = file })
    assert.matches("unknown authority", message)
    copy(made.ca, file)
    r.ws:reconnect()
    r:wait(function()
      return r.opens[1] or r.closes[2]
    end)
    assert.equal(1, #r.opens)
  end)

  it("are not asked at all with verify = false, whose peer sees nothing of it", function()
    for _, server in ipairs { "plain", "unknown_ca", "self_signed" } do
      open(server, { verify = false })
    end
  end)
end)

describe("what TLS reads", function()
  -- What this process has read so far, from files and sockets.
  local function bytes_read()
    return tonumber(read("/proc/self/io"):match "rchar: (%d+)")
  end

  local function read_by(operation)
    local before = bytes_read()
    operation()
    return bytes_read() - before
  end

  local SIZE = 200000 -- of the file; a TLS handshake reads some thousand bytes
  local file, clients

  local function write_file(padding)
    local out = assert(io.open(file, "w"))
    out:write(read(made.ca), padding:rep(SIZE))
    out:close()
  end

  local function new(tls)
    clients[#clients + 1] = client(nginx.ports.plain, tls)
    return clients[#clients]
  end

  -- How many share what the client has, itself included.
  local function users(r)
    return testing.net.tls_users(r.ws._handle)
  end

  before_each(function()
    file, clients = os.tmpname(), {}
    write_file "#"
  end)
  after_each(function()
    os.remove(file)
    for _, r in ipairs(clients) do r.ws:leave() end
  end)

  it("is read when the client is made, and nothing of it by an update", function()
    local r
    assert.is_true(read_by(function()
      r = new { ca_file = file }
    end) >= SIZE)
    assert.is_true(read_by(function()
      r:wait_open()
    end) < SIZE / 2)
  end)

  it("is read once for all clients with the same settings", function()
    new { ca_file = file }
    assert.is_true(read_by(function()
      for _ = 1, 3 do
        new { ca_file = file, server_name = "feed.example", session_cache = 2 }
      end
    end) < SIZE / 2)
    assert.equal(4, users(clients[1]))
    clients[2]:wait_open()
    clients[4]:wait_open()
    assert.equal(4, users(clients[1]))
  end)

  it("is not shared where a setting differs", function()
    local settings = {
      {}, { min_version = "1.3" }, { ciphers = "DEFAULT" }, { alpn = false },
      { groups = "P-256" },
      { ca = read(made.ca) }, { ca = read(made.other_ca) }, { ca_path = made.ca_path },
      { cert = made.client_plain.cert, key = made.client_plain.key },
      { cert = made.client_plain.cert, key = read(made.client_plain.key) },
      { cert = made.client.cert, key = made.client.key, password = certificates.password },
      { pin = made:pin "good" }, { keylog_file = made.folder .. "/keys" },
    }
    for _, tls in ipairs(settings) do
      tls.ca_file = file
      new(tls)
    end
    for i, r in ipairs(clients) do
      assert.equal(1, users(r), "setting " .. i)
    end
  end)

  it("is given back with the last client that uses it", function()
    new { ca_file = file }
    new { ca_file = file }
    clients[1].ws:leave()
    assert.equal(1, users(clients[2]))
    clients[2].ws:leave()
    assert.is_true(read_by(function()
      new { ca_file = file }
    end) >= SIZE)
  end)

  it("is given back by a client that is collected", function()
    local function make()
      return new { ca_file = file }
    end
    make()
    make()
    table.remove(clients, 1)
    assert.equal(2, users(clients[1]))
    local function is_given_back()
      collectgarbage()
      return users(clients[1]) == 1
    end
    assert.is_true(is_given_back() or is_given_back() or is_given_back())
  end)

  it("is read anew by a new client when the file has changed", function()
    new { ca_file = file }
    write_file "\n#"
    assert.is_true(read_by(function()
      new { ca_file = file }
    end) >= SIZE)
    assert.equal(1, users(clients[2]))
    clients[1]:wait_open()
    assert.equal(2, users(clients[2]))
  end)

  it("is read anew when the system's authorities have changed", function()
    local before = testing.environment.set("SSL_CERT_FILE", file)
    finally(function()
      testing.environment.set("SSL_CERT_FILE", before)
    end)
    new {}
    write_file "\n#"
    assert.is_true(read_by(function()
      new {}
    end) >= SIZE)
  end)

  it("leaves out authorities with verify = false, also those that cannot be read", function()
    assert.is_true(read_by(function()
      new({ verify = false, ca_file = file }):wait_open()
    end) < SIZE / 2)
    open("plain", { verify = false, ca_file = made.folder .. "/none" })
  end)

  it("is not read for a server without TLS", function()
    assert.is_true(read_by(function()
      clients[1] = way.client("ws://feed.example:1/", { tls = { ca_file = file } })
    end) < SIZE / 2)
  end)

  it("is read ahead for a proxy that is reached over TLS", function()
    assert.is_true(read_by(function()
      clients[1] = way.client("ws://feed.example:1/",
        { tls = { ca_file = file }, proxy = "https://127.0.0.1:1" })
    end) >= SIZE)
  end)

  it("is left alone while an attempt is on its way, which was lent it", function()
    local resolver = network.resolver()
    local url = ("wss://feed.example:%d/"):format(nginx.ports.plain)
    local r = recorder.new(url, { tls = { ca = read(made.ca) }, proxy = false })
    clients[1] = r
    resolver:attach(r.ws)
    r.ws:update(0)
    resolver:question()
    assert.is_true(read_by(function()
      r.ws._handle:prepare({ tls = { ca_file = file } }, url)
    end) < SIZE / 2)
    resolver:answer "127.0.0.1"
    r:wait_open()
  end)

  it("is shared, and sessions are not", function()
    open("plain", { ca_file = file })
    local _, tls = open("plain", { ca_file = file })
    assert.is_false(tls.resumed)
  end)
end)

describe("the client's certificate", function()
  local strict, strict12

  setup(function()
    strict = way.s_server(made.good, "-Verify", "1", "-CAfile", made.ca, "-verify_return_error")
    strict12 = way.s_server(made.good, "-Verify", "1", "-CAfile", made.ca, "-verify_return_error",
      "-tls1_2")
  end)

  for _, case in ipairs {
    {
      "files, the key encrypted",
      function()
        return { cert = made.client.cert, key = made.client.key, password = certificates.password }
      end,
    },
    {
      "PEM text, the key encrypted",
      function()
        return {
          cert = read(made.client.cert), key = read(made.client.key),
          password = certificates.password,
        }
      end,
    },
    {
      "PEM text of both in one",
      function()
        return { cert = read(made.client.cert) .. read(made.client_plain.key) }
      end,
    },
    {
      "files, the key in the open",
      function()
        return { cert = made.client_plain.cert, key = made.client_plain.key }
      end,
    },
  } do
    it("comes from " .. case[1], function()
      assert.matches("client=CN=a client ", (open("wants_client", with_ca(case[2]()))), 1, true)
    end)
  end

  it("brings what leads to its authority", function()
    local key = made.client_chained.key
    local request = open("wants_client", with_ca { cert = made.client_chained.cert, key = key })
    assert.matches("client=CN=a client below ", request, 1, true)
    local alone = read(made.client_chained.cert):match "^.-%-END CERTIFICATE%-+\n"
    local _, came = refused(nginx.ports.wants_client, with_ca { cert = alone, key = key })
    assert.equal(400, came.info.http.status)
  end)

  it("is not shown where nobody asks for it", function()
    local tls = with_ca { cert = made.client_plain.cert, key = made.client_plain.key }
    assert.matches("client=- ", (open("plain", tls)), 1, true)
  end)

  it("is missed by nginx with 400", function()
    local _, came = refused(nginx.ports.wants_client, with_ca {})
    assert.equal("http", came.info.error.name)
    assert.equal(400, came.info.http.status)
    assert.matches("No required SSL certificate was sent", came.info.http.body, 1, true)
  end)

  it("is missed by a strict server behind the handshake of TLS 1.3", function()
    local message, came = refused(strict.port, with_ca {})
    assert.equal(
      'the peer sent the TLS alert "certificate required" (116): '
        .. "it wants a client certificate, tls.cert",
      message
    )
    assert.equal(1006, came.code)
    assert.equal("handshake", came.info.error.phase)
  end)

  it("is missed by a strict server during the handshake of TLS 1.2", function()
    local message, came = refused(strict12.port, with_ca {})
    assert.equal(
      'the peer sent the TLS alert "handshake failure" (40): '
        .. "no cipher in common, or it wants a client certificate",
      message
    )
    assert.equal(1015, came.code)
    assert.equal("tls", came.info.error.phase)
  end)

  it("from somebody else's authority is said to be what is not accepted", function()
    local tls = with_ca { cert = made.self_signed.cert, key = made.self_signed.key }
    assert.matches(': it does not accept tls.cert$', (refused(strict.port, tls)))
  end)
end)

describe("an option that cannot be used", function()
  local function folder(name)
    return made.folder .. "/" .. name
  end

  local function no_such_file(option, name)
    return ("tls.%s: %s: No such file or directory"):format(option, folder(name))
  end

  for _, case in ipairs {
    {
      "no such ca_file",
      function() return { ca_file = folder "none" }, no_such_file("ca_file", "none") end,
    },
    {
      "a ca_file without certificates",
      function()
        return { ca_file = folder "make.sh" },
          "tls.ca_file: " .. folder "make.sh"
            .. ": it cannot be read as PEM certificates (no certificate or crl found)"
      end,
    },
    {
      "no such ca_path",
      function() return { ca_path = folder "none" }, no_such_file("ca_path", "none") end,
    },
    {
      "a ca_path without hashed names",
      function()
        return { ca_path = folder "issued" },
          "tls.ca_path: " .. folder "issued"
            .. ": no certificate under a hashed name (run `openssl rehash` on it)"
      end,
    },
    {
      "ca without PEM",
      function() return { ca = "nonsense" }, "tls.ca: it holds no certificate" end,
    },
    {
      "ca that is damaged",
      function()
        return { ca = "-----BEGIN CERTIFICATE-----\nzzzz\n-----END CERTIFICATE-----\n" },
          "tls.ca: the PEM text: it cannot be read as PEM certificates"
      end,
    },
    {
      "a ca_path whose names are hashed by half",
      function()
        os.execute("mkdir -p " .. folder "half" .. " && touch " .. folder "half/12345678x")
        return { ca_path = folder "half" },
          "tls.ca_path: " .. folder "half"
            .. ": no certificate under a hashed name (run `openssl rehash` on it)"
      end,
    },
    {
      "no such cert",
      function() return { cert = folder "none" }, no_such_file("cert", "none") end,
    },
    {
      "a cert without a key",
      function()
        return { cert = made.client.cert },
          "tls.cert: " .. made.client.cert .. ": it holds no private key"
      end,
    },
    {
      "a key without a cert",
      function() return { key = made.client.key }, "tls.key is given without tls.cert" end,
    },
    {
      "no such key",
      function()
        return { cert = made.client.cert, key = folder "none" }, no_such_file("key", "none")
      end,
    },
    {
      "an encrypted key without a password",
      function()
        return { cert = made.client.cert, key = made.client.key },
          "tls.key: " .. made.client.key
            .. ": the key is encrypted and tls.password is not given"
      end,
    },
    {
      "a wrong password",
      function()
        return { cert = made.client.cert, key = made.client.key, password = "x" },
          "tls.key: " .. made.client.key .. ": tls.password does not open the key"
      end,
    },
    {
      "a password longer than any that OpenSSL takes",
      function()
        return { cert = made.client.cert, key = made.client.key, password = ("x"):rep(1025) },
          "tls.key: " .. made.client.key .. ": tls.password does not open the key"
      end,
    },
    {
      "a key of another certificate, and the text of the key is not shown",
      function()
        return { cert = made.client.cert, key = read(made.good.key) },
          "tls.key: the PEM text: the key does not belong to the certificate"
      end,
    },
    {
      "unknown ciphers",
      function() return { ciphers = "bogus" }, 'tls.ciphers: "bogus": no cipher match' end,
    },
    {
      "unknown ciphers of TLS 1.3",
      function() return { ciphers = "TLS_BOGUS" }, 'tls.ciphers: "TLS_BOGUS": no cipher match' end,
    },
    {
      "unknown groups",
      function()
        return { groups = "X25519:bogus" },
          'tls.groups: "X25519:bogus": expected a list such as "X25519:P-256"'
      end,
    },
    {
      "an empty name in alpn",
      function()
        return { alpn = "h2,,x" }, 'tls.alpn: "h2,,x": names of 1 to 255 bytes, split by commas'
      end,
    },
    {
      "a name in alpn that is too long",
      function()
        return { alpn = ("x"):rep(256) }, ('tls.alpn: "' .. ("x"):rep(256)):sub(1, 255)
      end,
    },
    {
      "a keylog_file that cannot be opened",
      function()
        return { keylog_file = folder "none/keys" }, no_such_file("keylog_file", "none/keys")
      end,
    },
  } do
    it("ends the attempt before the network is touched: " .. case[1], function()
      local tls, sentence = case[2]()
      local r = way.client("wss://192.0.2.1/", { retry = true, tls = tls })
      r.ws:update(0)
      local came = assert(r.closes[1], "something was waited for")
      assert.equal(sentence, came.info.error.message:sub(1, #sentence))
      assert.equal("tls", came.info.error.name)
      assert.equal("tls", came.info.error.phase)
      assert.equal(1015, came.code)
      assert.is_nil(came.info.retry_in)
      assert.equal("closed", r.ws:state())
    end)
  end
end)

describe("what TLS agrees on", function()
  it("is the newest version of both, TLS 1.3", function()
    local _, tls = open("plain", with_ca {})
    assert.same({ "TLSv1.3", "TLS_AES_256_GCM_SHA384", false },
      { tls.version, tls.cipher, tls.resumed })
  end)

  it("is not less than min_version", function()
    local _, tls = open("tls12", with_ca { min_version = "1.2" })
    assert.equal("TLSv1.2", tls.version)
    local message, came = refused(nginx.ports.tls12, with_ca { min_version = "1.3" })
    assert.equal(
      'the peer sent the TLS alert "protocol version" (70): '
        .. "it speaks no version of TLS that is allowed here",
      message
    )
    assert.equal(1015, came.code)
    _, tls = open("plain", with_ca { min_version = "1.3" })
    assert.equal("TLSv1.3", tls.version)
  end)

  it("is never TLS 1.1", function()
    local old = way.s_server(made.good, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    local message = refused(old.port, with_ca { ciphers = "DEFAULT@SECLEVEL=0" })
    assert.matches("it speaks no version of TLS that is allowed here", message, 1, true)
  end)

  it("is a cipher of the list, which names those of TLS 1.3 and older ones alike", function()
    local ciphers = "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"
    local _, tls = open("plain", with_ca { ciphers = ciphers })
    assert.equal("TLS_AES_128_GCM_SHA256", tls.cipher)
    _, tls = open("tls12", with_ca { ciphers = ciphers })
    assert.equal("ECDHE-ECDSA-AES128-GCM-SHA256", tls.cipher)
  end)

  it("is read from lists with any separators", function()
    local ciphers = ", PSK, TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"
      .. " :ECDHE-ECDSA-AES128-SHA256:"
    local _, tls = open("plain", with_ca { ciphers = ciphers })
    assert.equal("TLS_AES_256_GCM_SHA384", tls.cipher)
    _, tls = open("tls12", with_ca { ciphers = ciphers })
    assert.equal("ECDHE-ECDSA-AES128-SHA256", tls.cipher)
  end)

  it("has a key exchange of one of the groups", function()
    local _, tls = open("plain", with_ca { groups = "P-256" })
    if tls.group then assert.matches("256", tls.group, 1, true) end -- told by OpenSSL 3
  end)

  it("is no cipher where none is in both lists", function()
    local strict = way.s_server(made.good, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
    local message = refused(strict.port, with_ca { ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384" })
    assert.equal(
      'the peer sent the TLS alert "handshake failure" (40): '
        .. "no cipher in common, or it wants a client certificate",
      message
    )
  end)

  it("is the protocol http/1.1, another on demand, or none", function()
    assert.matches("alpn=http/1.1 ", (open("plain", with_ca {})), 1, true)
    assert.matches("alpn=- ", (open("plain", with_ca { alpn = false })), 1, true)
    local picky = way.s_server(made.good, "-alpn", "ws-test")
    assert.equal(
      'the peer sent the TLS alert "no application protocol" (120): '
        .. "it speaks none of the protocols in tls.alpn",
      (refused(picky.port, with_ca {}))
    )
    local r = client(picky.port, with_ca { alpn = "h3,ws-test" })
    r.ws:update(0)
    r:wait(function()
      return picky:look "^ALPN protocols selected: ws%-test"
    end)
  end)

  it("begins with the host's name, but not with an address", function()
    assert.matches("name=feed.example ", (open("plain", with_ca {})), 1, true)
    assert.matches("name=localhost ", (open("plain", with_ca { server_name = "localhost" })), 1,
      true)
    local tls = { verify = false }
    local r = way.client("wss://127.0.0.1:" .. nginx.ports.plain, { tls = tls })
    r:wait_open()
    r.ws:close()
    r:wait_close()
    assert.matches("name=- ", (nginx:expect "^(CONNECTION .*)$"), 1, true)
  end)

  it("is written into keylog_file, for nobody else to read", function()
    local file = made.folder .. "/keys"
    finally(function()
      os.remove(file)
    end)
    open("plain", with_ca { keylog_file = file })
    open("tls12", with_ca { keylog_file = file })
    local text = "\n" .. read(file)
    for _, label in ipairs {
      "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
      "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "CLIENT_RANDOM",
    } do
      assert.matches("\n" .. label .. " %x+ %x+\n", text)
    end
    assert.equal("rw-------", require("lfs").attributes(file, "permissions"))
  end)

  describe("as SSLKEYLOGFILE says,", function()
    local file, lua

    before_each(function()
      file, lua = made.folder .. "/env_keys", made.folder .. "/lua"
    end)
    after_each(function()
      os.remove(file)
      os.remove(lua)
    end)

    -- A program with this in its environment connects, and ends in order.
    local function connects(environment, tls, interpreter)
      local words = command.words({}, { "-e", ([[
        local wsclose = require "wsclose"
        local ws = assert(wsclose.connect("wss://127.0.0.1:%d/", { proxy = false,
          tls = { ca_file = %q, server_name = "feed.example", %s } }))
        ws:close()
        print(ws:run())
      ]]):format(nginx.ports.plain, made.ca, tls or "") })
      words[#words] = nil -- bin/wsclose
      local at = #words - 2
      words[at] = interpreter or words[at]
      local result = command.shell("SSLKEYLOGFILE=" .. environment .. " " .. command.quoted(words))
      assert.matches("^1000\t", result.out, result.err)
      assert.equal("", result.err)
    end

    it("is written there, behind what stands there, in lines of NSS's format", function()
      copy("/dev/null", file)
      connects(file)
      local first = read(file)
      connects(file)
      local both, lines = read(file), 0
      assert.equal(first, both:sub(1, #first))
      assert.is_true(#both > #first)
      for line in both:gmatch "[^\n]+" do
        assert.matches("^[%u%d_]+ " .. ("%x"):rep(64) .. " %x+$", line)
        lines = lines + 1
      end
      assert.is_true(lines >= 8)
    end)

    it("makes the file for nobody else to read", function()
      connects(file)
      assert.equal("rw-------", require("lfs").attributes(file, "permissions"))
    end)

    it("gives way to the option", function()
      connects(file, ("keylog_file = %q"):format(file .. "_option"))
      assert.is_nil(require("lfs").attributes(file))
      assert.is_true(os.remove(file .. "_option"))
    end)

    it("does no harm where it is empty, cannot be opened or is a pipe nobody reads", function()
      os.execute("mkfifo " .. file)
      for _, environment in ipairs { "''", made.folder, made.folder .. "/none/keys", file } do
        connects(environment)
      end
    end)

    -- Its group is not that of who runs it: root, or a member of a second group.
    it("is not heeded by a program that runs for somebody else", function()
      local words = command.words {}
      os.execute(([[cp $(command -v %s) %s
        chgrp 65534 %s 2>/dev/null || chgrp $(id -G | sed 's/.* //') %s
        chmod g+s %s]]):format(words[#words - 1], lua, lua, lua, lua))
      connects(file, nil, lua)
      assert.is_nil(require("lfs").attributes(file))
    end)
  end)
end)
