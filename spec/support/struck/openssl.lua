-- Calls of OpenSSL that fail: what an attempt then says, of which phase, and that it ends. What
-- lacks memory is no certificate's fault, which would never be tried again.

local faults = require "faults" -- before OpenSSL has allocated anything
local certificates = require "support.certificates"
local network = require "support.network"
local peers = require "support.peers"
local process = require "support.process"
local wsclose = require "wsclose"

local made, server

setup(function()
  made = certificates.shared()
  server = peers.everything(made)
end)
teardown(process.stop_all)
after_each(function() faults.disarm() end)

-- No two lives have the same settings, so that none finds what another has read.
local lives = 0

-- A client that sends a message, takes its echo and closes; `told` is what it has met.
local function client(tls, host)
  local told, settings = { ends = {} }, { alpn = "http/1.1,life-" .. lives }
  for name, value in pairs(tls) do settings[name] = value end
  lives = lives + 1
  local url = ("wss://%s:%d/echo"):format(host or "feed.example", server.port)
  local ws = assert(wsclose.new(url, {
    tls = settings,
    resolve = { ["feed.example"] = "127.0.0.1" },
    on_open = function(ws)
      told.info = ws:info()
      ws:send "hello"
    end,
    on_message = function(ws, data)
      told.echo = data
      ws:close()
    end,
    on_close = function(_, code, _, info)
      table.insert(told.ends, info)
      told.code = code
    end,
  }))
  return ws, told
end

local function run(ws)
  network.wait(function()
    return not ws:update(0.01)
  end, "the end")
end

local function assert_ends(told, expected)
  assert.equal(1, #told.ends)
  local fault = told.ends[1].error or {}
  assert.same(expected, {
    code = told.code, name = fault.name, phase = fault.phase, message = fault.message,
    certificate = fault.certificate,
  })
end

local function with_ca(tls)
  local all = { ca_file = made.ca }
  for name, value in pairs(tls or {}) do all[name] = value end
  return all
end

local NO_MEMORY = "no memory for TLS"

describe("a call that reads the settings", function()
  local function with_chain()
    return with_ca { cert = made.client_chained.cert, key = made.client_chained.key }
  end

  local function with_certificate(text)
    return with_ca { cert = text or made.client_plain.cert, key = made.client_plain.key }
  end

  for _, case in ipairs {
    -- the first digest is that of the handshake's key
    { "EVP_MD_CTX_new", NO_MEMORY, n = 2 },
    { "EVP_DigestInit_ex", NO_MEMORY, n = 2 },
    { "EVP_DigestUpdate", NO_MEMORY, n = 2 },
    { "EVP_DigestUpdate", NO_MEMORY, n = 10 },
    { "EVP_DigestFinal_ex", NO_MEMORY, n = 2 },
    { "SSL_CTX_new", NO_MEMORY },
    { "BIO_meth_new", NO_MEMORY },
    { "SSL_CTX_ctrl", "tls.min_version: an unnamed fault" },
    { "SSL_CTX_set_alpn_protos", "^tls.alpn: " },
    {
      "SSL_CTX_set_default_verify_paths", "the system's certificate authorities cannot be loaded",
      tls = function() return {} end,
    },
    {
      "X509_STORE_add_cert", "^tls.ca: the PEM text: it cannot be read as PEM certificates",
      tls = function() return { ca = certificates.read(made.ca) } end,
    },
    {
      "BIO_new_mem_buf", "^tls.ca: the PEM text: it cannot be read as PEM certificates",
      tls = function() return { ca = certificates.read(made.ca) } end,
    },
    {
      "SSL_CTX_load_verify_locations", "^tls.ca_path: .*: an unnamed fault$",
      tls = function() return { ca_path = made.ca_path } end,
    },
    {
      "BIO_new_mem_buf", "tls.cert: the PEM text: no memory",
      tls = function() return with_certificate(certificates.read(made.client_plain.cert)) end,
    },
    {
      "BIO_new_file", "^tls.cert: .*: no memory$", n = 2, -- the authorities' file is the first
      tls = with_certificate,
    },
    {
      "BIO_new_file", "^tls.key: .*: no memory$", n = 3,
      tls = with_certificate,
    },
    {
      "SSL_CTX_use_certificate", "^tls.cert: .*: it cannot be read as PEM certificates",
      tls = with_certificate,
    },
    {
      -- the seventh forgets those that lead to the authority, the eighth adds one
      "SSL_CTX_ctrl", "^tls.cert: .*: it cannot be read as PEM certificates", n = 7,
      tls = with_chain,
    },
    {
      "SSL_CTX_ctrl", "^tls.cert: .*: it cannot be read as PEM certificates", n = 8,
      tls = with_chain,
    },
    {
      "SSL_CTX_use_PrivateKey", "^tls.key: .*: the key does not belong to the certificate$",
      tls = with_certificate,
    },
    {
      "SSL_CTX_check_private_key", "^tls.key: .*: the key does not belong to the certificate$",
      tls = with_certificate,
    },
  } do
    local call, sentence = case[1], case[2]
    it(("and fails: %s, %s"):format(call, sentence), function()
      faults.arm(call, case.n or 1, faults.fails, true)
      local ws, told = client(case.tls and case.tls() or with_ca())
      faults.arm(call, case.n or 1, faults.fails, true) -- what was read ahead is lost
      run(ws)
      assert.is_true(faults.strikes() > 0)
      local fault = told.ends[1].error
      assert.matches(sentence, fault.message)
      assert_ends(told, {
        code = sentence == NO_MEMORY and 1006 or 1015, phase = "tls", message = fault.message,
        name = sentence == NO_MEMORY and "memory" or "tls",
        certificate = sentence ~= NO_MEMORY or nil,
      })
    end)
  end
end)

-- What a lack of memory is called, how often: from each allocation on, `step` of them apart.
-- attempt(arm): is to call arm() where memory may go out; gives what was told.
local function tally_of(last, step, attempt)
  local tally = { memory = 0, tls = 0 }
  for n = 1, last, step do
    local told = attempt(function() faults.arm("openssl_malloc", n, faults.ENOMEM, true) end)
    faults.disarm()
    local fault = told.ends[1].error
    if fault then tally[fault.name] = tally[fault.name] + 1 end
  end
  return tally
end

-- OpenSSL says of a certificate then that it is malformed, and mostly that memory was the cause.
describe("settings for which OpenSSL has no memory", function()
  it("are not what is wrong, wherever it went out", function()
    local tls = {
      ca = certificates.read(made.ca), cert = certificates.read(made.client_plain.cert),
      key = made.client_plain.key,
    }
    faults.arm()
    client(tls)
    local tally = tally_of(faults.seen().openssl_malloc, 97, function(arm)
      arm()
      local ws, told = client(tls)
      arm() -- what was read ahead is lost
      run(ws)
      return told
    end)
    assert.is_true(tally.memory > 20 and tally.tls < tally.memory / 10,
      tally.memory .. " " .. tally.tls)
  end)
end)

describe("settings that are read", function()
  it("leave nothing of OpenSSL's behind once their client is gone", function()
    local function blocks_after()
      local ws = client(with_ca { cert = made.client_chained.cert, key = made.client_chained.key })
      run(ws)
      ws = nil -- luacheck: ignore 311
      network.collect()
      return faults.openssl_blocks()
    end
    blocks_after()
    local before = blocks_after()
    for _ = 1, 3 do assert.is_true(blocks_after() <= before) end
  end)
end)

describe("a handshake for which OpenSSL has no memory", function()
  it("fails for that reason, and not as a fault of TLS", function()
    local first = client(with_ca())
    faults.arm()
    run(first)
    local tally = tally_of(faults.seen().openssl_malloc, 23, function(arm)
      local ws, told = client(with_ca())
      arm()
      run(ws)
      return told
    end)
    assert.is_true(tally.memory > 20 and tally.tls < tally.memory / 2,
      tally.memory .. " " .. tally.tls)
  end)
end)

describe("a call that makes the stream", function()
  for _, case in ipairs {
    { "SSL_new" }, { "SSL_set_ex_data" }, { "BIO_new" }, { "SSL_set1_host" }, { "SSL_ctrl" },
    { "X509_VERIFY_PARAM_set1_ip", "127.0.0.1" },
  } do
    it("and fails is a lack of memory: " .. case[1], function()
      local ws, told = client(with_ca(), case[2])
      faults.arm(case[1], 1, faults.fails)
      run(ws)
      assert_ends(told, {
        code = 1006, name = "memory", phase = "tls", message = "no memory to connect",
      })
    end)
  end

  it("and fails to take the session up again is one too", function()
    local ws, told = client(with_ca { session_cache = 8 })
    run(ws)
    assert.equal("hello", told.echo)
    assert.is_true(ws:reconnect())
    faults.arm("SSL_set_session", 1, faults.fails)
    run(ws)
    assert.equal(1, faults.strikes())
    assert.equal("no memory to connect", told.ends[2].error.message)
  end)
end)

describe("the certificate of a server is refused where OpenSSL", function()
  for _, case in ipairs {
    { "SSL_SESSION_get0_peer", "the server gave no certificate", with_ca },
    {
      "SSL_SESSION_get0_peer", "pin mismatch: the server gave no certificate",
      function() return { verify = false, pin = made:pin "good" } end,
    },
    {
      "SSL_get_verify_result",
      "certificate refused: unspecified certificate verification error", with_ca,
    },
  } do
    it(("fails at its end: %s, %s"):format(case[1], case[2]), function()
      local ws, told = client(case[3]())
      faults.arm(case[1], 1, faults.fails)
      run(ws)
      assert_ends(told, {
        code = 1015, name = "tls", phase = "tls", message = case[2], certificate = true,
      })
    end)
  end

  it("does not say which one it is about", function()
    local ws, told = client { ca_file = made.other_ca }
    faults.arm("X509_STORE_CTX_get_current_cert", 1, faults.fails, true)
    run(ws)
    assert.is_nil(told.info)
    assert_ends(told, {
      code = 1015, name = "tls", phase = "tls", message = "TLS failed: certificate verify failed",
    })
  end)
end)

describe("a key that cannot be compared with the pins for lack of memory", function()
  it("is no pin mismatch, which would never be tried again", function()
    local ws, told = client(with_ca { pin = made:pin "good" })
    faults.arm()
    run(ws)
    assert.equal("hello", told.echo)
    local met = 0
    for n = 1, faults.seen().EVP_Digest do -- one of them is that of the key
      ws, told = client(with_ca { pin = made:pin "good" })
      faults.arm("EVP_Digest", n, faults.fails)
      run(ws)
      local fault = told.ends[1].error
      if fault and fault.message:find("pin", 1, true) then
        met = met + 1
        assert_ends(told, {
          code = 1006, name = "memory", phase = "tls", message = "no memory to compare pins",
        })
      end
    end
    assert.equal(1, met)
  end)
end)

describe("what is told of a connection", function()
  local function info_with(call)
    local whole = client(with_ca())
    faults.arm()
    run(whole)
    local count = faults.seen()[call]
    local ws, told = client(with_ca())
    faults.arm(call, count, faults.fails)
    run(ws)
    assert.equal("hello", told.echo)
    return told.info
  end

  it("has its certificate", function()
    local ws, told = client(with_ca())
    run(ws)
    assert.equal("CN=good", told.info.tls.certificate.subject)
  end)

  for _, call in ipairs { "ASN1_TIME_set", "ASN1_TIME_diff" } do
    it("has no certificate where its end cannot be told: " .. call, function()
      assert.is_nil(info_with(call).tls.certificate)
    end)
  end

  for _, call in ipairs { "BIO_new", "X509_NAME_print_ex" } do
    it("has a certificate without subject where there is no memory for it: " .. call, function()
      assert.equal("", info_with(call).tls.certificate.subject)
    end)
  end
end)

-- The check of it may be gone on with in a later turn.
describe("each certificate of a chain", function()
  it("is checked once", function()
    local ws, told = client(with_ca())
    faults.arm()
    run(ws)
    assert.equal("hello", told.echo)
    assert.equal(2, faults.seen().X509_STORE_CTX_get_current_cert) -- the server's, its authority's
  end)
end)

describe("a record that OpenSSL cannot make", function()
  for n, phase in ipairs { "handshake", "open", "close" } do
    it("ends the connection, with a sentence, in the phase " .. phase, function()
      local ws, told = client(with_ca())
      faults.arm("SSL_write_ex", n, faults.fails)
      run(ws)
      assert_ends(told, {
        code = 1006, name = "tls", phase = phase, message = "TLS failed: an unnamed fault",
      })
    end)
  end
end)
