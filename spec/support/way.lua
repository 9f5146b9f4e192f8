--- What stands between a client and its server in the real world: nginx, stunnel, OpenSSL's own
--- server, tinyproxy, microsocks, and a TLS server that misbehaves, each as a process of the suite.
--
--     local way = require "support.way"
--     local nginx = way.nginx(folder, backend.port, { good = leaf, expired = leaf })
--     nginx.ports.good                           -- wss there reaches the backend
--     local proxy = way.tinyproxy(folder, "BasicAuth me secret")
--     proxy.port
--
-- `folder` is one that the caller deletes; process.stop_all() ends them.

local process = require "support.process"
local recorder = require "support.recorder"

local PYTHON = "/usr/bin/python3"
local PEERS = "spec/support/peers/"

local way = {}

local function write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  file:close()
  return path
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

-- A server whose configuration names its ports.
local function start_on_free_ports(count, file, command)
  local words = { PYTHON, PEERS .. "ports.py", count, file }
  for _, word in ipairs(command) do
    words[#words + 1] = word
  end
  return process.start(words)
end

--- A client that finds every host of the certificates at 127.0.0.1, on a clock that stands still
--- until `time.now` is moved.
---@param url string
---@param options? table of wsclose.new
---@param server? scripted.Server that is stepped with it
---@return support.Recorder
---@return {now: number} time
function way.client(url, options, server)
  local time = { now = 1000 }
  local resolve = {}
  for _, host in ipairs {
    "feed.example", "x.feed.example", "first.feed.example", "b.example", "a.example",
  } do
    resolve[host] = "127.0.0.1"
  end
  local all = { resolve = resolve, proxy = false }
  function all.clock()
    return time.now
  end
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  if all.proxy == "environment" then
    all.proxy = nil
  end
  return recorder.new(url, all, server), time
end

-- ---------------------------------------------------------------- nginx

local NGINX = [[
daemon off;
master_process off;
pid $folder/nginx.pid;
error_log stderr error;
events {}
http {
  log_format lines 'CONNECTION port $server_port $ssl_protocol resumed=$ssl_session_reused '
    'alpn=$ssl_alpn_protocol name=$ssl_server_name client=$ssl_client_s_dn '
    'authorization=$http_authorization cookie=$http_cookie '
    '$status $request_uri';
  ssl_protocols TLSv1.2 TLSv1.3;
  access_log /dev/stdout lines;
  client_body_temp_path $folder/nginx-body;
  proxy_temp_path $folder/nginx-proxy;
  fastcgi_temp_path $folder/nginx-fastcgi;
  uwsgi_temp_path $folder/nginx-uwsgi;
  scgi_temp_path $folder/nginx-scgi;
$servers
}
]]

local SERVER = [[
  server {
    listen 127.0.0.1:@PORT%d@ ssl;
    %s
    ssl_certificate %s;
    ssl_certificate_key %s;
    location / {
      proxy_pass http://127.0.0.1:%d;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }
  }
]]

---@class way.Leaf: certificates.Leaf
---@field also? string further directives of nginx

---@class way.Nginx: support.Process
---@field ports table<string, integer>

--- nginx with one port for each certificate; all lead to one WebSocket server without TLS.
---@param folder string
---@param backend_port integer
---@param leaves table<string, way.Leaf>
---@return way.Nginx
function way.nginx(folder, backend_port, leaves)
  local names, servers = sorted_keys(leaves), {}
  for i, name in ipairs(names) do
    local leaf = leaves[name]
    servers[i] = SERVER:format(i, leaf.also or "", leaf.cert, leaf.key, backend_port)
  end
  local file = folder .. "/nginx.conf"
  local all = table.concat(servers)
  write(file .. ".in", (NGINX:gsub("$(%l+)", { folder = folder, servers = all })))
  local command = { "env", "PATH=/usr/sbin:/usr/bin:/bin", "nginx", "-e", "stderr", "-c", file }
  local nginx = start_on_free_ports(#names, file, command)
  nginx.ports = {}
  local count = 0
  for port in nginx.lines[#nginx.lines - 1]:gmatch "%d+" do
    count = count + 1
    nginx.ports[names[count]] = tonumber(port)
  end
  return nginx
end

-- ---------------------------------------------------------------- others with TLS

--- `openssl s_server`; it prints what comes and says "Reused, …" of a resumed session.
---@param leaf certificates.Leaf
---@param ... string its further options
---@return support.Process
function way.s_server(leaf, ...)
  local command = {
    "stdbuf", "-oL", -- for what it says by printf
    "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", leaf.cert, "-key", leaf.key, ...,
  }
  command.portless, command.prompt = true, true
  local server = process.start(command)
  server.port = tonumber((server:expect "^ACCEPT 127%.0%.0%.1:(%d+)"))
  return server
end

--- stunnel: TLS in front of a port without it.
---@param folder string
---@param leaf certificates.Leaf
---@param backend_port integer
---@param also? string further lines of its service
---@return support.Process
function way.stunnel(folder, leaf, backend_port, also)
  local lines = {
    "foreground = yes", "pid =", "syslog = no", "debug = notice",
    "[service]", "accept = 127.0.0.1:0", "connect = 127.0.0.1:" .. backend_port,
    "cert = " .. leaf.cert, "key = " .. leaf.key, also or "", "",
  }
  local file = write(folder .. "/stunnel.conf", table.concat(lines, "\n"))
  return process.start { "stunnel", file, find_port = true }
end

--- A TLS server that misbehaves on demand, peers/tls_relay.py.
---@param leaf certificates.Leaf
---@param special? string "1.2", or how many tickets of TLS 1.3 it gives
---@return support.Process
function way.relay(leaf, special)
  return process.start { PYTHON, PEERS .. "tls_relay.py", leaf.cert, leaf.key, special }
end

-- ---------------------------------------------------------------- proxies

--- tinyproxy: HTTP CONNECT.
---@param folder string
---@param also? string further lines of its configuration
---@return support.Process
function way.tinyproxy(folder, also)
  local lines = {
    "Port @PORT1@", "Listen 127.0.0.1", "Timeout 600", "MaxClients 50", "LogLevel Connect",
    'StatFile "' .. folder .. '/none"', also or "", "",
  }
  local file = ("%s/tinyproxy-%s.conf"):format(folder, also and "other" or "plain")
  write(file .. ".in", table.concat(lines, "\n"))
  return start_on_free_ports(1, file, { "tinyproxy", "-d", "-c", file })
end

--- microsocks: SOCKS5.
---@param ... string its further options
---@return support.Process
function way.microsocks(...)
  local here = "127.0.0.1" -- bound to, it takes a name's IPv4 address where localhost is ::1 first
  return process.start { find_port = true, "microsocks", "-i", here, "-b", here, "-p", "0", ... }
end

return way
