-- init_worker_by_lua: the scenario in timers, one for each client.
local program = require "support.hosts.program"
local scenario = require "support.hosts.scenario"
local wsclose = require "wsclose.openresty"
local ngx = ngx -- luacheck: globals ngx

local function new(url, options)
  local ws = assert(wsclose.new(url, options))
  assert(ngx.timer.at(0, function(premature)
    if not premature then ws:run() end
  end))
  return ws
end

scenario(new, program.say, { tls = false })
