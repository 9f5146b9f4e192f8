--- nginx with ngx_lua, a master and one worker, on a unix socket in a folder of its own.
--
--     local server = nginx.start "file that the worker runs"
--     server.host                   -- a support.Host: nginx and the WebSocket server
--     server:body "/run?case=light" -- a request and its answer's body
--     server:signal "reload"
--     server:stop()

local hosts = require "support.hosts"
local process = require "support.process"
local unix = require "socket.unix"

local nginx = {}

local MODULES = "/usr/lib/nginx/modules/"

local CONFIG = [[
load_module %(modules)ndk_http_module.so;
load_module %(modules)ngx_http_lua_module.so;
daemon off;
pid %(folder)/nginx.pid;
error_log stderr warn;
worker_processes 1;
env WSCLOSE_URL;
env WSCLOSE_CA;
env WSCLOSE_FEED;
env https_proxy; env http_proxy; env all_proxy; env no_proxy;
%(user)
events { worker_connections 2048; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path %(folder); proxy_temp_path %(folder); fastcgi_temp_path %(folder);
  uwsgi_temp_path %(folder); scgi_temp_path %(folder);
  lua_package_path "%(here)/lua/?.lua;%(here)/lua/?/init.lua;%(here)/spec/?.lua;;";
  lua_package_cpath "%(here)/%(build)/luajit/?.so;;";
  lua_socket_log_errors off;
  lua_max_running_timers 1024;
  lua_ssl_trusted_certificate %(ca);
  lua_ssl_verify_depth 3;
  lua_check_client_abort on;
  init_worker_by_lua_block {
    io.stdout:write "READY\n"
    io.stdout:flush()
    %(begin)
  }
  server {
    listen unix:%(folder)/tls.sock ssl;
    ssl_certificate %(cert); ssl_certificate_key %(key);
    ssl_client_certificate %(ca); ssl_verify_client optional;
    location = /session {
      content_by_lua_block {
        local peer = assert(require "nginx.websocket.server" :new())
        peer:send_text(ngx.var.ssl_session_reused)
        peer:recv_frame()
      }
    }
    location = /who {
      content_by_lua_block {
        local peer = assert(require "nginx.websocket.server" :new())
        peer:send_text(ngx.var.ssl_client_verify .. " " .. tostring(ngx.var.ssl_client_s_dn))
        peer:recv_frame()
      }
    }
  }
  server {
    listen unix:%(folder)/http.sock;
    set $client_cert %(client_cert); set $client_key %(client_key); set $pin %(pin);
    location = /plain { return 200 "plain"; }
    location = /deaf {
      content_by_lua_block {
        assert(require "nginx.websocket.server" :new())
        ngx.sleep(60)
      }
    }
    location = /silent { content_by_lua_block { ngx.sleep(60) } }
    location = /run {
      content_by_lua_file %(here)/spec/support/hosts/openresty_content.lua;
    }
    location = /scene {
      content_by_lua_file %(here)/spec/support/hosts/openresty_scene.lua;
    }
    location = /access {
      access_by_lua_file %(here)/spec/support/hosts/openresty_content.lua;
      content_by_lua_block { ngx.say "admitted" }
    }
    location = /events { content_by_lua_file %(here)/examples/openresty/events.lua; }
    location = /bridge { content_by_lua_file %(here)/examples/openresty/bridge.lua; }
  }
}
]]

local function first_line(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line
end

---@class support.Nginx
---@field host support.Host
---@field folder string
local Nginx = {}
Nginx.__index = Nginx

local function write_config(folder, begin)
  local here, made = first_line "pwd", hosts.certificates()
  local values = {
    modules = MODULES, folder = folder, here = here,
    begin = begin and ('dofile "%s/%s"'):format(here, begin) or "",
    build = os.getenv "WSCLOSE_BUILD" or "build", ca = made.ca,
    cert = made.good.cert, key = made.good.key, pin = made:pin "good",
    client_cert = made.client_plain.cert, client_key = made.client_plain.key,
    user = first_line "id -u" == "0" and "user root;" or "",
  }
  local text = CONFIG:gsub("%%%(([%w_]+)%)", values)
  local file = assert(io.open(folder .. "/nginx.conf", "w"))
  file:write(text)
  file:close()
end

local function command(folder)
  return { "nginx", "-p", folder, "-c", folder .. "/nginx.conf", "-e", "stderr" }
end

--- Starts it, and a WebSocket server for it.
---@param begin? string a Lua file that each worker runs as it starts
---@param environment? table<string, string> WSCLOSE_FEED: the examples' URL, else that server's
---@return support.Nginx
function nginx.start(begin, environment)
  local folder = first_line "mktemp -d"
  write_config(folder, begin)
  local words = command(folder)
  for name, value in pairs(environment or {}) do table.insert(words, 1, name .. "=" .. value) end
  for _, name in ipairs { "https_proxy", "http_proxy", "all_proxy", "no_proxy" } do
    table.insert(words, 1, name .. "=") -- this machine's own
  end
  local host = hosts.start("luajit", words)
  host.program:expect "^READY$"
  return setmetatable({ host = host, folder = folder }, Nginx)
end

--- The master's signals by nginx itself, as an administrator sends them.
---@param word string "quit", "reload"
function Nginx:signal(word)
  local words = command(self.folder)
  words[#words + 1], words[#words + 2] = "-s", word
  assert(process.run(words))
end

--- A connection on which a request was sent.
---@param path string
---@param version? string of HTTP
function Nginx:request(path, version)
  local peer = assert(unix())
  peer:settimeout(process.patience)
  assert(peer:connect(self.folder .. "/http.sock"))
  local line = "GET %s HTTP/%s\r\nHost: localhost\r\n\r\n"
  assert(peer:send(line:format(path, version or "1.0")))
  return peer
end

--- The body of an answer.
---@param path string
---@return string
function Nginx:body(path)
  local peer = self:request(path)
  local answer = assert(peer:receive "*a")
  peer:close()
  if answer:find "^HTTP/1.1 500" then
    self.host.program:look "^$" -- reads what the error log has
    error(table.concat(self.host.program.lines, "\n"), 2)
  end
  return (answer:match "\r\n\r\n(.*)$")
end

--- Ends both servers.
function Nginx:stop()
  self.host.program:stop()
  self.host.server:stop()
  process.run { "rm", "-rf", self.folder }
end

return nginx
