--- TLS over a cosocket of nginx: the client's certificate, the pins, and the session that is
-- resumed.  What else there is to TLS nginx's directives decide.

local ffi = require "ffi"

local openresty_tls = {}

local BY_DIRECTIVE = "nginx decides it, by the directive %s"
local AUTHORITIES = BY_DIRECTIVE:format "lua_ssl_trusted_certificate"

--- Options that are refused, and why.
openresty_tls.unsupported = {
  ca_file = AUTHORITIES, ca_path = AUTHORITIES, ca = AUTHORITIES,
  ciphers = BY_DIRECTIVE:format "lua_ssl_ciphers",
  groups = BY_DIRECTIVE:format "lua_ssl_conf_command Groups, where ngx_lua has it",
  min_version = BY_DIRECTIVE:format "lua_ssl_protocols",
  keylog_file = BY_DIRECTIVE:format "lua_ssl_key_log, where ngx_lua has it",
  password = "nginx takes no password; decrypt the key beforehand (openssl pkey)",
  alpn = "cosockets offer none",
}

-- ---------------------------------------------------------------- pins

ffi.cdef [[
  int SSL_SESSION_get_protocol_version(const void *session);
  const void *SSL_SESSION_get0_cipher(const void *session);
  const char *SSL_CIPHER_get_name(const void *cipher);
  void *SSL_SESSION_get0_peer(const void *session);
  void *X509_get_X509_PUBKEY(const void *certificate);
  int i2d_X509_PUBKEY(void *key, unsigned char **out);
  const void *EVP_sha256(void);
  int EVP_Digest(const void *data, size_t count, unsigned char *digest, unsigned int *size,
                 const void *type, void *engine);
]]

local KEY_MAX = 16384

-- SHA-256 of the SubjectPublicKeyInfo, as RFC 7469 2.4 counts a pin; nil: it cannot be seen.
local function pin_of(session)
  if type(session) ~= "cdata" then return nil end
  local certificate = ffi.C.SSL_SESSION_get0_peer(session)
  if certificate == nil then return nil end
  local key = ffi.C.X509_get_X509_PUBKEY(certificate)
  local size = ffi.C.i2d_X509_PUBKEY(key, nil)
  if size <= 0 or size > KEY_MAX then return nil end
  local der, digest = ffi.new("unsigned char[?]", size), ffi.new "unsigned char[32]"
  ffi.C.i2d_X509_PUBKEY(key, ffi.new("unsigned char *[1]", der))
  local done = ffi.C.EVP_Digest(der, size, digest, nil, ffi.C.EVP_sha256(), nil)
  return done == 1 and ffi.string(digest, 32) or nil
end

local function matches(pins, session)
  local pin = pin_of(session)
  for _, wanted in ipairs(pins) do
    if wanted == pin then return true end
  end
  return false
end

-- ---------------------------------------------------------------- the client's certificate

local function pem(name_or_text)
  if name_or_text:find("-----BEGIN", 1, true) then return name_or_text end
  local file, fault = io.open(name_or_text)
  if not file then return nil, fault end
  local text = file:read "*a"
  file:close()
  return text
end

-- What OpenSSL made of the PEM text, or nil and a sentence.
local function parsed(name, parse, name_or_text)
  local text, fault = pem(name_or_text)
  local made
  if text then made, fault = parse(text) end
  if made then return made end
  return nil, ("option 'tls.%s': %s"):format(name, fault)
end

-- True, or nil and a sentence.
local function show_certificate(sock, options)
  if not options.cert then return true end
  if not sock.setclientcert then
    return nil, "option 'tls.cert': needs setclientcert of lua-resty-core 0.1.22 or newer"
  end
  local ssl = require "ngx.ssl"
  local cert, fault = parsed("cert", ssl.parse_pem_cert, options.cert)
  if not cert then return nil, fault end
  local key
  key, fault = parsed("key", ssl.parse_pem_priv_key, options.key or options.cert)
  if not key then return nil, fault end
  return sock:setclientcert(cert, key)
end

-- ---------------------------------------------------------------- the handshake

local function fault_name(fault)
  if fault == "timeout" then return "timeout" end
  return (fault:find "certificate" or fault:find "^%d+:") and "certificate" or "tls"
end

--- As cosockets count: at least one, at most a day.
---@param seconds number
---@return integer
function openresty_tls.milliseconds(seconds)
  return math.floor(math.max(0.001, math.min(seconds, 86400)) * 1000 + 0.5)
end

local TIMEOUT = 5

local function patience(timeouts, left)
  local seconds = timeouts and timeouts.tls or TIMEOUT
  return openresty_tls.milliseconds(math.min(seconds > 0 and seconds or math.huge, left))
end

-- A session belongs to the server, by the name it was asked for, and to the certificate shown.
local function session_key(options, name, port)
  return ("%s %d %s"):format(name, port, tostring(options.cert))
end

local VERSIONS = { [0x303] = "TLSv1.2", [0x304] = "TLSv1.3" }

local function about(session)
  if type(session) ~= "cdata" then return {} end
  local cipher = ffi.C.SSL_SESSION_get0_cipher(session)
  return {
    version = VERSIONS[ffi.C.SSL_SESSION_get_protocol_version(session)],
    cipher = cipher ~= nil and ffi.string(ffi.C.SSL_CIPHER_get_name(cipher)) or nil,
  }
end

--- Shakes hands on a connected cosocket.
---@param handle wsclose.Carried its session is kept there
---@param sock table
---@param host string of the URL
---@param port integer
---@return table? about what info().tls is to tell
---@return table? fault as Handle:fail has it
function openresty_tls.handshake(handle, sock, host, port)
  local options = handle.config.tls or {}
  local name = options.server_name or host
  local shown, why = show_certificate(sock, options)
  if not shown then return nil, { "certificate", why, "tls" } end
  local key, kept = session_key(options, name, port), handle.tls_session
  local session = kept and kept.key == key and options.session_cache ~= 0 and kept.session or nil
  local timeout = patience(handle.config.timeouts, handle.connect_at - handle.now())
  sock:settimeouts(timeout, timeout, timeout)
  local returned, fault
  returned, session, fault =
    pcall(sock.sslhandshake, sock, session, name, options.verify ~= false)
  if not (returned and session) then
    -- resty.core 0.1.25 asserts where the certificate is refused at the handshake's last step
    fault = returned and tostring(fault) or "the certificate was refused"
    return nil, { fault_name(fault), ("TLS with %s: %s"):format(name, fault), "tls" }
  end
  if options.pin and not matches(options.pin, session) then
    local sentence = "TLS with %s: pin mismatch: its key is another"
    return nil, { "certificate", sentence:format(name), "tls" }
  end
  handle.tls_session = { key = key, session = session }
  return about(session)
end

return openresty_tls
