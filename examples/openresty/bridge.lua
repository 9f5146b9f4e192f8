--- A bridge in both directions: browsers speak WebSocket with nginx (lua-resty-websocket), nginx
-- with the server behind it (wsclose).  When that server restarts (1001 and the like) it is
-- connected anew; what the browser sends meanwhile waits in the outbox, and the browser notices
-- nothing.  See nginx.conf.

local wsclose = require "wsclose.openresty"
local semaphore = require "ngx.semaphore"
local ngx = ngx -- luacheck: globals ngx

local found, server = pcall(require, "resty.websocket.server")
if not found then server = require "nginx.websocket.server" end -- as Debian names it

local url = os.getenv "WSCLOSE_FEED" or os.getenv "WSCLOSE_URL" or "ws://127.0.0.1:9001/"

local browser, refused = server:new { max_payload_len = 2 ^ 20 }
if not browser then
  ngx.log(ngx.ERR, "no WebSocket handshake: ", refused)
  return ngx.exit(400)
end

-- Messages come from one light thread and pongs from the other: one at a time.
local turn = semaphore.new(1)

local function tell_browser(method, ...)
  turn:wait(60)
  local sent = browser[method](browser, ...)
  turn:post()
  return sent
end

local upstream = assert(wsclose.new(url .. "?id=bridge", {
  resolve = { ["feed.example"] = "127.0.0.1" }, -- without it: the directive resolver
  retry = { initial = 0.5, max = 30, first = false },
  outbox = { bytes = 2 ^ 20 },
  on_message = function(upstream, data, kind)
    if not tell_browser(kind == "text" and "send_text" or "send_binary", data) then
      upstream:close(1001, "the browser left")
    end
  end,
  on_close = function(_, _, _, info) ngx.log(ngx.NOTICE, tostring(info)) end,
}))

-- A whole message, however many frames it came in; or another kind of frame; or nil: the end.
local function receive()
  local pieces, kind = {}, nil
  while true do
    local data, frame, fault = browser:recv_frame()
    if frame == "text" or frame == "binary" or frame == "continuation" then
      pieces[#pieces + 1], kind = data, kind or frame
      if fault ~= "again" then return table.concat(pieces), kind end
    elseif frame == "ping" then
      tell_browser("send_pong", data)
    elseif frame ~= "pong" and not tostring(fault):find ": timeout" then
      return nil -- its Close, or it is gone
    end
  end
end

-- Where the outbox is full the browser has to wait.
local function send_on(data, kind)
  local sent, sentence, name = upstream:send(data, kind)
  while name == "busy" do
    ngx.sleep(0.01)
    sent, sentence, name = upstream:send(data, kind)
  end
  if not sent then ngx.log(ngx.WARN, "not sent on: ", sentence) end
end

local left = false

local function to_upstream()
  for data, kind in receive do send_on(data, kind) end
  left = true
  upstream:close(1001, "the browser left")
end

local function to_browser()
  local code, reason = upstream:run()
  if left then code, reason = 1000, "" end -- the answer to its Close, if it sent one
  tell_browser("send_close", wsclose.explain(code).on_wire and code or 1014, reason)
end

ngx.thread.spawn(to_upstream)
ngx.thread.wait(ngx.thread.spawn(to_browser)) -- the connection behind has ended for good
ngx.exit(ngx.OK)
