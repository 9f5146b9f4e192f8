--- In the worker: 200 clients that idle, and one that connects anew every second.
local wsclose = require "wsclose.openresty"
local ngx = ngx -- luacheck: globals ngx

local URL = os.getenv "WSCLOSE_URL"

local function client(id, options)
  options.resolve = { ["feed.example"] = "127.0.0.1" }
  return assert(wsclose.new(URL .. "?id=" .. id, options))
end

for i = 1, 200 do
  assert(ngx.timer.at(0, function()
    client(i, {}):run()
  end))
end

assert(ngx.timer.at(0, function()
  while not ngx.worker.exiting() do
    local ws = client("again", {})
    ws:run(1)
    ws:close()
    ws:run()
  end
end))
