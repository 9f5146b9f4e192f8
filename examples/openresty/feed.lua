--- init_worker_by_lua_file: one feed for each worker, over lost connections and reloads.  A worker
-- that exits says 1001 to the server; the new one has a connection of its own.

local wsclose = require "wsclose.openresty"
local ngx = ngx -- luacheck: globals ngx

local url = os.getenv "WSCLOSE_FEED" or os.getenv "WSCLOSE_URL" or "ws://127.0.0.1:9001/"

local function feed(premature)
  if premature then return end -- the worker exits before the feed began
  local ws = assert(wsclose.new(url .. "?id=feed", {
    resolve = { ["feed.example"] = "127.0.0.1" },
    retry = true,
    on_message = function(_, data) ngx.log(ngx.NOTICE, "feed: ", data) end,
    on_close = function(_, _, _, info) ngx.log(ngx.NOTICE, tostring(info)) end,
  }))
  ws:run()
end

assert(ngx.timer.at(0, feed))
