-- What is said of a certificate, an alert or an answer that OpenSSL refuses. The server is the
-- scripted one, which sends the first flight of TLS 1.2 (RFC 5246 7.4) as bytes: that needs no key,
-- so any certificate may be in it, also one that no server could load.

local certificates = require "support.certificates"
local mime = require "mime"
local process = require "support.process"
local scripted = require "support.scripted_server"
local way = require "support.way"

local made

-- file, subject, authority, extensions; what the authority signs has the key of `good`
local SCRIPT = [[
set -e
cd "$1"
exec >sentences.log 2>&1
export OPENSSL_CONF="$1/openssl.cnf" NAMES=DNS:unused
sign() {
  file=$1 subject=$2 issuer=$3
  printf "%b" "$4" > "$file.ext"
  shift 4
  openssl req -new -key good.key -subj "$subject" -out "$file.csr"
  openssl x509 -req -in "$file.csr" -CA "$issuer.pem" -CAkey "$issuer.key" -days 20000 \
    -extfile "$file.ext" -out "$file.pem" "$@"
}
authority="basicConstraints=critical,CA:true\nsubjectKeyIdentifier=hash\n"
server="basicConstraints=CA:false\nextendedKeyUsage=serverAuth\n"

sign many /CN=many ca "${server}subjectAltName=email:me@a.example,DNS:a.example,\
DNS:b.example,IP:192.0.2.1,DNS:c.example,DNS:d.example,URI:http://e.example,IP:2001:db8::1"
# a dNSName "a ESC [31mb c DEL", an iPAddress of five bytes
sign odd /CN=odd ca "${server}subjectAltName=DER:3013820a611b5b33316d6220637f87050102030405"
long=$(printf "%060d.%060d.%060d" 1 2 3)
sign long /CN=long ca "${server}subjectAltName=DNS:a.$long,DNS:b.$long"
sign nobody / ca "$server"
sign no_server /CN=no_server ca "basicConstraints=CA:false\nkeyUsage=critical,cRLSign"
sign two_usages /CN=two_usages ca "basicConstraints=CA:false\n\
extendedKeyUsage=clientAuth,codeSigning"
sign by_leaf /CN=by_leaf good "${server}subjectAltName=DNS:feed.example"

cp good.key sha1.key
sign sha1 "/CN=signed by SHA-1" ca "$authority" -sha1
sign by_sha1 /CN=by_sha1 sha1 "${server}subjectAltName=DNS:feed.example"

openssl req -new -key good.key -subj "/CN=an old authority" -out old.csr
openssl ca -batch -notext -config openssl.cnf -extensions authority_extensions -cert ca.pem \
  -keyfile ca.key -in old.csr -out old.pem -enddate 20240101000000Z
cp good.key old.key
sign by_old /CN=by_old old "${server}subjectAltName=DNS:feed.example"
]]

setup(function()
  made = certificates.shared()
  local path = made.folder .. "/sentences.sh"
  local file = assert(io.open(path, "wb"))
  file:write(SCRIPT)
  file:close()
  if not process.run { "sh", path, made.folder } then
    error(certificates.read(made.folder .. "/sentences.log"))
  end
end)
teardown(process.stop_all)
after_each(scripted.close_all)

-- ---------------------------------------------------------------- bytes of TLS 1.2

local function uint(size, number)
  local bytes = ""
  for _ = 1, size do
    bytes = string.char(number % 256) .. bytes
    number = math.floor(number / 256)
  end
  return bytes
end

local function vector(size, text) return uint(size, #text) .. text end

local function record(kind, text) return string.char(kind, 3, 3) .. vector(2, text) end

local function handshake(kind, text) return record(22, string.char(kind) .. vector(3, text)) end

-- With TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 and secure renegotiation (RFC 5746 3.4).
local function server_hello(version)
  return handshake(2, (version or "\3\3") .. ("r"):rep(32) .. "\0" .. "\192\43" .. "\0"
    .. vector(2, "\255\1\0\1\0"))
end

local function der(name)
  local text = certificates.read(made.folder .. "/" .. name .. ".pem")
  return (mime.unb64((text:match "BEGIN CERTIFICATE%-+\n(.-)\n%-+END":gsub("\n", ""))))
end

local function flight(chain)
  local list = ""
  for _, certificate in ipairs(chain) do list = list .. vector(3, certificate) end
  return server_hello() .. handshake(11, vector(3, list))
end

-- The fault of a client that is answered so.
local function fault_of(answer, tls)
  local server = scripted.new(function(c)
    c:read "\22\3\1.*"
    c:send(answer)
    c:wait_end()
  end)
  local url = ("wss://feed.example:%d/"):format(server.port)
  local r = way.client(url, { tls = tls or { ca_file = made.ca } }, server)
  local came = r:wait_close()
  assert.equal(1015, came.code)
  return came.info.error
end

local function assert_refused(chain, sentence)
  assert.same({ name = "tls", phase = "tls", certificate = true, message = sentence },
    fault_of(flight(chain)))
end

-- ---------------------------------------------------------------- certificates

local MISMATCH = "host name mismatch: asked for feed.example, certificate is for "

describe("a certificate is refused:", function()
  for _, case in ipairs {
    -- four names of hosts are shown, the rest are counted, other kinds of names are neither
    { { "many" }, MISMATCH .. "a.example, b.example, 192.0.2.1, c.example and 2 more" },
    -- a certificate is the peer's text
    { { "odd" }, MISMATCH .. "a?[31mb?c?, ?" },
    { { "nobody" }, MISMATCH },
    { { "no_server" }, "certificate is not meant for a server (its usage: none that fits)" },
    {
      { "two_usages" }, "certificate is not meant for a server (its usage: "
        .. "TLS Web Client Authentication, Code Signing)",
    },
    {
      { "by_leaf", "good" },
      "certificate of the authority CN=good refused: invalid CA certificate",
    },
    {
      { "by_sha1", "sha1" }, "certificate of the authority CN=signed by SHA-1 is signed with a "
        .. "weak algorithm (ecdsa-with-SHA1)",
    },
    {
      { "by_old", "old" },
      "certificate of the authority CN=an old authority has expired (notAfter "
        .. "2024-01-01 00:00:00 UTC)",
    },
  } do
    it(case[2], function()
      local chain = {}
      for i, name in ipairs(case[1]) do chain[i] = der(name) end
      assert_refused(chain, case[2])
    end)
  end

  it("the common name is told where there is no other", function()
    local tls = { ca_file = made.ca, server_name = "b.example" }
    local fault = fault_of(flight { der "common_name" }, tls)
    assert.equal("host name mismatch: asked for b.example, certificate is for CN=feed.example",
      fault.message)
  end)

  it("of names too long for a sentence as much is told as fits", function()
    local long = ("%060d.%060d.%060d"):format(1, 2, 3)
    assert_refused({ der "long" }, (MISMATCH .. "a." .. long .. ", b." .. long):sub(1, 255))
  end)

  it("its key is of no kind that can be used", function()
    -- id-ecPublicKey (RFC 5480 2.1.1) becomes an identifier that nobody knows
    local certificate, count = der("good"):gsub("\42\134\72\206\61\2\1", "\42\134\72\206\61\2\99")
    assert.equal(1, count)
    assert_refused({ certificate }, "certificate has a key that cannot be used")
  end)

  it("its end is no time at all", function()
    local certificate, count = der("good"):gsub("890101000000Z", "89010100xx00Z")
    assert.equal(1, count)
    local fault = fault_of(flight { certificate })
    assert.matches("^certificate refused: ", fault.message)
    assert.is_true(fault.certificate)
  end)
end)

-- ---------------------------------------------------------------- alerts and answers

describe("an alert that ends the handshake", function()
  for number, sentence in pairs {
    [112] = 'the peer sent the TLS alert "unrecognized name" (112): it does not know the host name',
    [80] = 'the peer sent the TLS alert "internal error" (80)',
    [13] = 'the peer sent the TLS alert "unknown" (13)', -- RFC 8446 6: no such number
  } do
    it("is told by name and number: " .. number, function()
      assert.same({ name = "tls", phase = "tls", message = sentence },
        fault_of(record(21, "\2" .. string.char(number))))
    end)
  end
end)

describe("an answer", function()
  local OLD = "the peer speaks no version of TLS that is allowed here"

  it("of an older version is said to be that", function()
    assert.equal(OLD, fault_of(server_hello "\3\2").message)
    assert.equal(OLD, fault_of("\22\2\0" .. ("\0"):rep(20)).message)
  end)
end)
