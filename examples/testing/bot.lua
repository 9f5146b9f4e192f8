--- A small bot: it follows prices, comes back when the connection is lost, fetches a new token when
-- the old one is refused, and gives up with a sentence where trying again would not help.
--
-- Its spec is bot_spec.lua: make test SPEC=examples/testing

local wsclose = require "wsclose"

local Bot = {}
Bot.__index = Bot

---@param fetch_token fun(): string
function Bot.new(fetch_token)
  local self = setmetatable({ prices = {}, online = false }, Bot)
  local token = fetch_token()
  self.ws = assert(wsclose.new("wss://feed.example/v1", {
    extensions = { ["permessage-deflate"] = { required = true } },
    retry = { statuses = { [401] = true } },
    outbox = true,
    before_connect = function(ws)
      local http = ws.close_info and ws.close_info.http
      if http and http.status == 401 then token = fetch_token() end
      return { headers = { Authorization = "Bearer " .. token } }
    end,
    on_open = function(ws)
      self.online = true
      ws:send "subscribe BTC"
    end,
    on_message = function(_, data)
      local name, price = data:match "^(%u+) (%d+)$"
      if name then self.prices[name] = tonumber(price) end
    end,
    on_close = function(_, _, _, info)
      self.online = false
      self.gave_up = info.retry_refused
    end,
  }))
  return self
end

--- Sells when it may; while the connection is away the order waits.
function Bot:sell(name)
  return self.ws:send("sell " .. name)
end

function Bot:stop()
  self.ws:close(1000, "stopped")
end

return Bot
