-- wsclose.openresty in Debian's nginx with ngx_lua: a master, a worker, real reloads.

local hosts = require "support.hosts"
local process = require "support.process"
local unix = require "socket.unix"

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
%(user)
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %(folder); proxy_temp_path %(folder); fastcgi_temp_path %(folder);
  uwsgi_temp_path %(folder); scgi_temp_path %(folder);
  lua_package_path "%(here)/lua/?.lua;%(here)/lua/?/init.lua;%(here)/spec/?.lua;;";
  lua_package_cpath "%(here)/%(build)/luajit/?.so;;";
  lua_socket_log_errors off;
  lua_ssl_trusted_certificate %(ca);
  lua_ssl_verify_depth 3;
  lua_check_client_abort on;
  init_worker_by_lua_block {
    io.stdout:write "READY\n"
    io.stdout:flush()
    %(begin)
  }
  server {
    listen unix:%(folder)/http.sock;
    location = /plain { return 200 "plain"; }
    location = /run {
      content_by_lua_file %(here)/spec/support/hosts/openresty_content.lua;
    }
    location = /access {
      access_by_lua_file %(here)/spec/support/hosts/openresty_content.lua;
      content_by_lua_block { ngx.say "admitted" }
    }
    location = /events { content_by_lua_file %(here)/examples/openresty/bridge.lua; }
  }
}
]]

local function first_line(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line
end

local folder, here

local function config(begin)
  local values = {
    modules = MODULES, folder = folder, here = here,
    begin = begin and ('dofile "%s/%s"'):format(here, begin) or "",
    build = os.getenv "WSCLOSE_BUILD" or "build", ca = hosts.certificates().ca,
    user = first_line "id -u" == "0" and "user root;" or "",
  }
  local text = CONFIG:gsub("%%%((%w+)%)", values)
  local file = assert(io.open(folder .. "/nginx.conf", "w"))
  file:write(text)
  file:close()
end

local function command()
  return { "nginx", "-p", folder, "-c", folder .. "/nginx.conf", "-e", "stderr" }
end

-- `begin`: a file that each worker runs as it starts.
local function start(begin)
  config(begin)
  local host = hosts.start("luajit", command())
  host.program:expect "^READY$"
  return host
end

-- The master's signals by nginx itself, as an administrator sends them.
local function signal(word)
  local words = command()
  words[#words + 1], words[#words + 2] = "-s", word
  assert(process.run(words))
end

local function request(path, version)
  local peer = assert(unix())
  peer:settimeout(process.patience)
  assert(peer:connect(folder .. "/http.sock"))
  assert(peer:send(("GET %s HTTP/%s\r\nHost: localhost\r\n\r\n"):format(path, version or "1.0")))
  return peer
end

local function body(path)
  local peer = request(path)
  local answer = assert(peer:receive "*a")
  peer:close()
  return (answer:match "\r\n\r\n(.*)$")
end

describe("wsclose.openresty in nginx", function()
  before_each(function()
    folder, here = first_line "mktemp -d", first_line "pwd"
  end)

  after_each(function()
    process.stop_all()
    process.run { "rm", "-rf", folder }
  end)

  teardown(hosts.stop)

  it("in timers connects over TLS, echoes, comes back after 1001, names 1010 and closes; 1001 when "
    .. "the worker exits", function()
    local host = start "spec/support/hosts/openresty_timer.lua"
    host:play()
    signal "quit"
    host:went_away()
    host.program:expect "^LAST connection to .* closed by this client: 1001 GOING_AWAY"
  end)

  it("sends and receives in two light threads of a request at once", function()
    local host = start()
    assert.equal("1000 messages came back, in order\nclosed: 1000 done\n", body "/run?case=duplex")
    host.server:expect "^duplex CLOSED 1000 done"
  end)

  for _, case in ipairs {
    { "sends and receives", "light", "ok" },
    { "refuses a second light thread in receive", "busy",
      "busy: another light thread is in receive or run" },
    { "gives up a receive in time, and gets the message with the next", "timeout",
      "timeout then late" },
    { "does not trust a server for another name", "name", "tls 1015 false" },
    { "tells a refused connection", "refused", "refused 1006 tcp" },
    { "tells a name that is not known", "dns", "dns 1006 dns" },
    { "tells an HTTP answer that is no WebSocket's", "http", "http 1006 200" },
    { "raises for options that it cannot honour", "options",
      "option 'tls.ca_file': nginx decides it; see its directives lua_ssl_…" },
    { "stops waiting for the next attempt when another light thread closes", "stop",
      "closed after 1 attempt" },
  } do
    it(case[1] .. " in the content phase", function()
      start()
      assert.equal(case[3] .. "\n", body("/run?case=" .. case[2]))
    end)
  end

  it("works in the access phase", function()
    local host = start()
    assert.equal("admitted\n", body "/access?case=light")
    host.server:expect "^light CLOSED 1000 done"
  end)

  it("keeps one feed alive over reloads: the old worker says 1001, the new one connects", function()
    local host = start "examples/openresty/feed.lua"
    host.server:expect "^feed OPEN"
    signal "reload"
    local first = host.server:expect "^feed (%u+)"
    local second = host.server:expect "^feed (%u+)"
    local seen = { [first] = true, [second] = true }
    assert.same({ OPEN = true, CLOSED = true }, seen)
    local told = table.concat(host.server.lines, "\n")
    assert.truthy(told:find("feed CLOSED 1001 the worker exits", 1, true))
  end)

  it("bridges to Server-Sent Events, over a 1001 of the server, until the reader leaves", function()
    local host = start()
    local peer = request("/events?say=one", "1.1")
    local function expect(pattern)
      repeat
        local line = assert(peer:receive "*l")
      until line:find(pattern)
    end
    expect "^data: one$"
    host.server:tell "restart back soon"
    expect "^event: close$"
    expect "^data: .*1001 GOING_AWAY"
    expect "^data: one$"
    peer:close()
    host.server:expect "^bridge CLOSED 1001 the reader left"
  end)
end)
