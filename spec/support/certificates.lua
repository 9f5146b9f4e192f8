--- Certificates made when a spec runs, with the openssl command line: an authority, good leaves and
--- bad ones.
--
--     local certificates = require "support.certificates"
--
--     local made = certificates.new()            -- a folder of its own; about half a second
--     made.ca                                    -- path of the authority's certificate
--     made.good.cert, made.good.key              -- paths, as a server or `tls.cert` takes them
--     certificates.read(made.ca)                 -- PEM text, as `tls.ca` takes it
--     made:pin "good"                            -- base64 of SHA-256 of SubjectPublicKeyInfo
--     made:remove()                              -- in teardown
--     certificates.shared()                      -- the same for all files of a run; no remove
--
-- The host is feed.example where nothing else is said; a spec sends it to 127.0.0.1 with `resolve`.

local sources = require "support.sources"

local certificates = {}

--- Opens the encrypted key of `client`.
certificates.password = "open sesame"

---@class certificates.Leaf
---@field cert string path; for `chained` with the intermediate behind the leaf
---@field key string path

---@class certificates.Made
---@field folder string
---@field ca string path of the authority's certificate
---@field ca_path string folder that holds it under its hashed name
---@field other_ca string an authority that signed `unknown_ca` only
---@field good certificates.Leaf feed.example and localhost
---@field ip certificates.Leaf 127.0.0.1 and ::1
---@field wildcard certificates.Leaf *.feed.example
---@field partial_wildcard certificates.Leaf f*.feed.example
---@field common_name certificates.Leaf feed.example as the subject's common name alone
---@field chained certificates.Leaf signed by an intermediate authority
---@field expired certificates.Leaf on 2024-01-01
---@field not_yet_valid certificates.Leaf before 2090-01-01
---@field wrong_host certificates.Leaf b.example and c.example
---@field self_signed certificates.Leaf feed.example
---@field unknown_ca certificates.Leaf signed by `other_ca`
---@field weak_key certificates.Leaf RSA with 1024 bits
---@field weak_signature certificates.Leaf SHA-1
---@field wrong_usage certificates.Leaf clientAuth only
---@field client certificates.Leaf clientAuth, its key encrypted
---@field client_plain certificates.Leaf the same with its key in the open
---@field client_chained certificates.Leaf signed by the intermediate, which stands behind it
local Made = {}
Made.__index = Made

local CONFIG = [[
[ca]
default_ca = authority
[authority]
dir = .
database = index.txt
new_certs_dir = issued
unique_subject = no
rand_serial = yes
policy = anything
default_md = sha256
default_startdate = 20200101000000Z
default_enddate = 20890101000000Z
copy_extensions = none
[anything]
commonName = optional
[req]
distinguished_name = name
prompt = no
[name]
CN = unused
[authority_extensions]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:false
extendedKeyUsage = serverAuth
subjectAltName = ${ENV::NAMES}
[client]
basicConstraints = CA:false
extendedKeyUsage = clientAuth
subjectAltName = ${ENV::NAMES}
[nameless]
basicConstraints = CA:false
extendedKeyUsage = serverAuth
]]

local SCRIPT = [[
set -e
cd "$1"
export OPENSSL_CONF="$1/openssl.cnf" NAMES=DNS:unused
mkdir issued hashed
: > index.txt

elliptic() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }

root() { # file, common name
  elliptic "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$2" -days 20000 \
    -extensions authority_extensions -out "$1.pem"
}

sign() { # file, common name, extensions, authority, further options of openssl ca
  file=$1 name=$2 extensions=$3 authority=$4
  shift 4
  openssl req -new -key "$file.key" -subj "/CN=$name" -out "$file.csr"
  openssl ca -batch -notext -config openssl.cnf -extensions "$extensions" \
    -cert "$authority.pem" -keyfile "$authority.key" -in "$file.csr" -out "$file.pem" "$@"
}

leaf() { # file, names, further options of openssl ca
  file=$1
  export NAMES="$2"
  shift 2
  elliptic "$file"
  sign "$file" "$file" server ca "$@"
}

root ca "wsclose test authority"
root other_ca "another authority"
cp ca.pem "hashed/$(openssl x509 -noout -hash -in ca.pem).0"

leaf good DNS:feed.example,DNS:localhost
leaf ip IP:127.0.0.1,IP:::1
leaf wildcard 'DNS:*.feed.example'
leaf partial_wildcard 'DNS:f*.feed.example'
leaf expired DNS:feed.example -enddate 20240101000000Z
leaf not_yet_valid DNS:feed.example -startdate 20900101000000Z -enddate 20910101000000Z
leaf wrong_host DNS:b.example,DNS:c.example
leaf weak_signature DNS:feed.example -md sha1
leaf many_names \
  "DNS:feed.example$(awk 'BEGIN { while (i++ < 600) printf ",DNS:n%03d.a.example", i }')"

export NAMES=DNS:feed.example
elliptic unknown_ca
sign unknown_ca unknown_ca server other_ca
elliptic wrong_usage
sign wrong_usage wrong_usage client ca
elliptic common_name
sign common_name feed.example nameless ca
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak_key.key
sign weak_key weak_key server ca
elliptic self_signed
openssl req -x509 -new -key self_signed.key -subj /CN=feed.example -days 20000 \
  -extensions server -out self_signed.pem

elliptic intermediate
sign intermediate "wsclose test intermediate" authority_extensions ca
elliptic chained
sign chained chained server intermediate
cat intermediate.pem >> chained.pem

elliptic client
sign client "a client" client ca
cp client.pem client_plain.pem
cp client.key client_plain.key
elliptic client_chained
sign client_chained "a client below" client intermediate
cat intermediate.pem >> client_chained.pem
openssl pkey -in client_plain.key -aes256 -passout "pass:$2" -out client.key
]]

local LEAVES = {
  "good",
  "ip",
  "wildcard",
  "partial_wildcard",
  "common_name",
  "chained",
  "expired",
  "not_yet_valid",
  "wrong_host",
  "self_signed",
  "unknown_ca",
  "weak_key",
  "weak_signature",
  "many_names",
  "wrong_usage",
  "client",
  "client_plain",
  "client_chained",
}

--- A file's text.
certificates.read = sources.read

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  file:close()
end

---@param command string for the shell
---@return string its output's first line
local function first_line(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line or error(command .. ": no output", 2)
end

local function run(command)
  local status = os.execute(command)
  return status == true or status == 0 -- true from Lua 5.2 on
end

---@return certificates.Made
function certificates.new()
  local folder = first_line "mktemp -d"
  write(folder .. "/openssl.cnf", CONFIG)
  write(folder .. "/make.sh", SCRIPT)
  local command = ("sh %s/make.sh %s '%s' >%s/log 2>&1"):format(
    folder, folder, certificates.password, folder)
  if not run(command) then
    error("the certificates could not be made:\n" .. certificates.read(folder .. "/log"), 2)
  end
  local made = {
    folder = folder,
    ca = folder .. "/ca.pem",
    ca_path = folder .. "/hashed",
    other_ca = folder .. "/other_ca.pem",
  }
  for _, name in ipairs(LEAVES) do
    local path = folder .. "/" .. name
    made[name] = { cert = path .. ".pem", key = path .. ".key" }
  end
  return setmetatable(made, Made)
end

local KEY = "wsclose.spec.certificates"

--- The same for every spec file of a run; the folder goes when the run ends, however it ends.
---@return certificates.Made
function certificates.shared()
  local registry = debug.getregistry() -- busted loads modules anew for each file
  local kept = registry[KEY]
  if not kept then
    local made = certificates.new()
    local command = "trap '' INT TERM HUP; cat >/dev/null; rm -rf " .. made.folder
    kept = { made = made, keeper = assert(io.popen(command, "w")) }
    registry[KEY] = kept
  end
  return kept.made
end

--- The pin of a leaf.
---@param name string
---@return string base64
function Made:pin(name)
  return first_line(
    "openssl x509 -noout -pubkey -in "
      .. self[name].cert
      .. " | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary"
      .. " | openssl base64 -A; echo"
  )
end

--- Deletes the folder.
function Made:remove()
  run("rm -rf " .. self.folder)
end

return certificates
