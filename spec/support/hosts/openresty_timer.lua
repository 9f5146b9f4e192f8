-- init_worker_by_lua: the scenario in timers, one for each client.
local scenario = require "support.hosts.scenario"
local wsclose = require "wsclose.openresty"
local ngx = ngx -- luacheck: globals ngx

local function say(line)
  io.stdout:write(line, "\n")
  io.stdout:flush()
end

local function new(url, options)
  local ws = assert(wsclose.new(url, options))
  assert(ngx.timer.at(0, function(premature)
    if not premature then ws:run() end
  end))
  return ws
end

scenario(new, say, { tls = false })
