--- A WebSocket feed as Server-Sent Events: each reader of /events has a connection to the feed,
-- which comes back by itself after 1001 and the like.  See nginx.conf.

local wsclose = require "wsclose.openresty"
local ngx = ngx -- luacheck: globals ngx

local function event(name, data)
  if name then ngx.print("event: ", name, "\n") end
  ngx.print("data: ", (data:gsub("\r?\n", "\ndata: ")), "\n\n")
  ngx.flush(true)
end

ngx.header.content_type = "text/event-stream"
ngx.header.cache_control = "no-cache"

local subscription = ngx.var.arg_say
local url = os.getenv "WSCLOSE_FEED" or os.getenv "WSCLOSE_URL" or "ws://127.0.0.1:9001/"
local ws = assert(wsclose.new(url .. "?id=bridge", {
  resolve = { ["feed.example"] = "127.0.0.1" }, -- without it: the directive resolver
  retry = { initial = 0.5, max = 30, first = false },
  on_open = function(ws)
    if subscription then ws:send(subscription) end
  end,
  on_message = function(_, data) event(nil, data) end,
  on_close = function(_, _, _, info) event("close", tostring(info)) end,
}))

-- The reader went away (needs lua_check_client_abort on): so do we.
ngx.on_abort(function()
  ws:close(1001, "the reader left")
  ngx.exit(499)
end)

ws:run()
