--- The echo servers of peers/, as one table; peers/README.md tells what they understand.

local process = require "support.process"

local FOLDER = "spec/support/peers/"
local BUILD = os.getenv "WSCLOSE_BUILD" or "build"
local LWS_SERVER = BUILD .. "/peers/lws_server"
local NPM = "build/npm" -- one for all builds; `make test` fills it

local function is_newer(path, than)
  local lfs = require "lfs" -- busted brings it
  local made, written = lfs.attributes(path, "modification"), lfs.attributes(than, "modification")
  return made and made >= written
end

local function build_lws_server()
  local source = FOLDER .. "lws_server.c"
  if not is_newer(LWS_SERVER, source) then
    process.run { "mkdir", "-p", BUILD .. "/peers" }
    local cc = os.getenv "CC" or "cc"
    -- another run of the suite may be compiling it too
    local made = LWS_SERVER .. "." .. tostring {}:gsub("%W", "")
    assert(
      process.run { cc, "-O2", "-D_GNU_SOURCE", "-o", made, source, "-lwebsockets" },
      "lws_server.c does not compile; it needs libwebsockets-dev"
    )
    assert(process.run { "mv", made, LWS_SERVER })
  end
end

local function install_ws()
  local file = io.open(NPM .. "/node_modules/ws/package.json")
  if file then
    file:close()
    return
  end
  process.run { "mkdir", "-p", NPM }
  process.run { "cp", FOLDER .. "package.json", NPM }
  assert(
    process.run { "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", NPM },
    "npm could not install ws"
  )
end

local peers = {}

---@class support.Peer
---@field name string for titles of specs
---@field command support.ProcessOptions
---@field build? fun() what must be done once before it can be started

---@type table<string, support.Peer>
peers.all = {
  websockets = {
    name = "python-websockets",
    command = { "/usr/bin/python3", FOLDER .. "websockets_server.py" },
  },
  ws = {
    name = "npm's ws",
    command = { "env", "NODE_PATH=" .. NPM .. "/node_modules", "node", FOLDER .. "ws_server.js" },
    build = install_ws,
  },
  lws = {
    name = "libwebsockets",
    command = { LWS_SERVER },
    build = build_lws_server,
  },
  autobahn = {
    name = "Autobahn",
    command = { "/usr/bin/python3", FOLDER .. "autobahn_server.py" },
  },
  lws_test_server = {
    name = "libwebsockets-test-server",
    command = { "libwebsockets-test-server", "--port=0", find_port = true },
  },
}

--- Starts one of them.
---@param key string
---@return support.Process
function peers.start(key)
  local peer = assert(peers.all[key], "no such peer")
  if peer.build then
    peer.build()
  end
  return process.start(peer.command)
end

--- One that is every server and proxy, by what a client says first.
---@param made table of support.certificates
---@param ca? string over TLS clients may show a certificate of this authority
---@return support.Process
function peers.everything(made, ca)
  return process.start {
    "/usr/bin/python3", FOLDER .. "everything.py", made.good.cert, made.good.key, ca, prompt = true,
  }
end

return peers
